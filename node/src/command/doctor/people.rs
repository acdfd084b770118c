// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who looks after the home, and what it asks of its people.

use hearth_boot::Config;

use super::Finding;
use crate::place::directory;

/// Somebody must look after the home, and have what is written to postmaster@ (RFC 5321 §4.5.1).
pub(super) async fn admin(config: &Config) -> Finding {
    let found = async {
        let directory = directory(config).await?;
        let caretaker = directory.find_caretaker().await?;
        Ok::<_, anyhow::Error>(match caretaker {
            Some(id) => directory.find_account(id).await?.map(|account| (account.primary.to_string(), account.admin)),
            None => None,
        })
    };
    match found.await {
        Ok(caretaker) => caretaker_is(caretaker, config.domain()),
        Err(error) => Finding::wrong("admin", format!("{error:#}"), super::stores::AS_IT_SAYS),
    }
}

/// What the household asks of those who sign in can be read.
pub(super) async fn rules(config: &Config) -> Finding {
    let found = async { Ok::<_, anyhow::Error>(directory(config).await?.find_rules().await?) };
    match found.await {
        Ok(Some(_)) => Finding::fine("rules", "who signs in with two factors is known"),
        Ok(None) => Finding::wrong(
            "rules",
            "the rules for signing in cannot be read: everybody is asked for two factors",
            "look at them on the page /admin/rules and save them anew",
        ),
        Err(error) => Finding::wrong("rules", format!("{error:#}"), super::stores::AS_IT_SAYS),
    }
}

fn caretaker_is(caretaker: Option<(String, bool)>, domain: &str) -> Finding {
    let step = format!("hearth account add NAME@{domain} --admin");
    match caretaker {
        Some((address, true)) => Finding::fine("admin", format!("{address} has the mail to postmaster@ and abuse@")),
        Some((address, false)) => {
            Finding::wrong("admin", format!("this home has no admin: {address} has the mail to postmaster@ and abuse@"), step)
        }
        None => Finding::wrong("admin", "nobody lives here: mail to postmaster@ and abuse@ is put off, reports are kept", step),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[tokio::test]
    async fn rules_that_cannot_be_read_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        assert!(rules(&config).await.ok);
        directory(&config).await.unwrap().change_setting("oauth.policy", "{\"two_factor_groups\": 7}").await.unwrap();
        assert!(!rules(&config).await.ok);
    }

    #[tokio::test]
    async fn a_home_without_an_admin_is_told_who_has_its_mail() {
        let led = |admin| caretaker_is(Some(("a@x".to_owned(), admin)), "x");
        assert!(led(true).ok && !led(false).ok && led(false).says.contains("a@x has the mail to postmaster@"));
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let empty = admin(&config).await;
        assert!(!empty.ok && empty.step == "hearth account add NAME@home.localhost --admin", "{empty:?}");
    }
}
