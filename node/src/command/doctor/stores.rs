// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is stored: the databases, the text index, the mail that waits.

use hearth_boot::Config;
use hearth_boot::config::Engine;
use hearth_smtp::queue::QueuedMail;
use hearth_types::{Clock, Timestamp};

use super::super::queue;
use super::{Finding, from_copy};
use crate::gate::{OpenGate, refused};
use crate::limits::{INDEX_LAG_MAX, INDEXES_LOOKED_AT_MAX, QUEUE_AGE};
use crate::place::directory;

/// The next step is in what was found.
pub(super) const AS_IT_SAYS: &str = "do what the line says, and run hearth doctor again";

pub(super) async fn databases(config: &Config) -> Finding {
    let opened = match directory(config).await {
        Ok(opened) => opened,
        Err(error) => return Finding::wrong("databases", format!("{error:#}"), AS_IT_SAYS),
    };
    if config.store.engine == Engine::Postgres {
        return Finding::fine("databases", "the PostgreSQL server answers");
    }
    match opened.database().check().await {
        Ok(None) => Finding::fine("databases", "the directory of people is sound"),
        Ok(Some(says)) => Finding::wrong("databases", format!("identity.db is damaged: {says}"), from_copy(config, "identity.db")),
        Err(error) => {
            Finding::wrong("databases", format!("identity.db cannot be checked: {error}"), from_copy(config, "identity.db"))
        }
    }
}

/// The secrets. Only `hearth-oauth` opens them, so it is asked.
pub(super) async fn vault(config: &Config) -> Finding {
    let is_here = |name: &str| config.path(name).is_file();
    // Looking would make an empty one.
    if config.store.engine == Engine::Sqlite && !is_here("vault.db") {
        return Finding::wrong("vault", "vault.db is gone: nobody can sign in", from_copy(config, "vault.db and vault.key"));
    }
    if !is_here("vault.key") {
        return Finding::wrong("vault", "vault.key is gone: the vault cannot be opened without it", from_copy(config, "vault.key"));
    }
    vault_is(ask_of_vault(config).await, config)
}

async fn ask_of_vault(config: &Config) -> anyhow::Result<Option<String>> {
    let gate = OpenGate::open(config).await?;
    let found = gate.gate().check_vault().await.map_err(refused);
    gate.close().await;
    found
}

fn vault_is(found: anyhow::Result<Option<String>>, config: &Config) -> Finding {
    match found {
        Ok(None) => Finding::fine("vault", "the secrets are sound, and their key opens them"),
        Ok(Some(says)) => {
            Finding::wrong("vault", format!("vault.db is damaged: {says}"), from_copy(config, "vault.db and vault.key"))
        }
        Err(error) => Finding::wrong("vault", format!("{error:#}"), AS_IT_SAYS),
    }
}

/// How far the text index is behind the mail. A search catches up first, so that it finds all; it only takes longer.
pub(super) async fn text_index(config: &Config) -> Finding {
    match index_lags(config).await {
        Ok(lags) => lag(&lags),
        Err(error) => Finding::wrong("search", format!("{error:#}"), AS_IT_SAYS),
    }
}

async fn index_lags(config: &Config) -> anyhow::Result<Vec<(String, u64)>> {
    let people = directory(config).await?.list_accounts().await?;
    let store = crate::place::mail(config).await?;
    let mut lags = Vec::new();
    for person in people.iter().take(INDEXES_LOOKED_AT_MAX) {
        lags.push((person.primary.to_string(), store.index_lag(person.id).await?));
    }
    store.close().await?;
    Ok(lags)
}

fn lag(lags: &[(String, u64)]) -> Finding {
    let all: u64 = lags.iter().map(|(_, lag)| lag).sum();
    match lags.iter().max_by_key(|(_, lag)| *lag) {
        Some((address, lag)) if *lag > INDEX_LAG_MAX => Finding::wrong(
            "search",
            format!("{lag} mails of {address} wait for the text index"),
            "look whether the node runs and the disk has room; the next search puts them in",
        ),
        _ => Finding::fine("search", format!("{all} mails wait for the text index")),
    }
}

/// Mail that waits long says that the world does not take it.
pub(super) async fn queue_age(config: &Config) -> Finding {
    let mails = match queue::open(config).await {
        Ok(queue) => queue.list().await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    match mails {
        Ok(mails) => old_mail(&mails, Clock::system().now()),
        Err(error) => Finding::wrong("queue", format!("{error:#}"), AS_IT_SAYS),
    }
}

fn old_mail(mails: &[QueuedMail], now: Timestamp) -> Finding {
    match mails.iter().find(|mail| now.since(mail.created_at) > QUEUE_AGE) {
        None => Finding::fine("queue", format!("{} mails wait, none for long", mails.len())),
        Some(mail) => {
            let hours = now.since(mail.created_at).as_secs() / 3600;
            Finding::wrong("queue", format!("a mail has waited for {hours} hours"), format!("hearth queue show {}", mail.id))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[tokio::test]
    async fn a_vault_without_its_key_or_damaged_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let gone = vault(&config).await;
        assert!(!gone.ok && gone.says.starts_with("vault.db is gone") && !config.path("vault.db").exists(), "{gone:?}");
        std::fs::write(config.path("vault.db"), "").unwrap();
        let shut = vault(&config).await;
        assert!(!shut.ok && shut.says.starts_with("vault.key is gone") && !config.path("vault.key").exists(), "{shut:?}");
        assert!(shut.step.contains(&format!("put vault.key back from your own copy of {}", dir.path().display())), "{shut:?}");
        assert!(vault_is(Ok(None), &config).ok);
        let damaged = vault_is(Ok(Some("page 7".into())), &config);
        assert!(!damaged.ok && damaged.says == "vault.db is damaged: page 7" && damaged.step.contains("vault.db and vault.key"));
        assert!(!vault_is(Err(anyhow::anyhow!("the gate is shut")), &config).ok);
    }

    #[test]
    fn an_index_far_behind_is_a_fault() {
        let of = |lag: u64| super::lag(&[("a@x".into(), 0), ("b@x".into(), lag)]);
        assert!(of(INDEX_LAG_MAX).ok && of(7).says.starts_with("7 mails"));
        assert!(!of(INDEX_LAG_MAX + 1).ok && of(INDEX_LAG_MAX + 1).says.contains("b@x"));
        assert!(super::lag(&[]).ok);
    }

    #[test]
    fn a_mail_that_waits_longer_than_the_bound_is_found() {
        let now = Timestamp::from_secs(1_000_000);
        let mail = |age| QueuedMail {
            id: hearth_types::id::Id::from_i64(1),
            sender: String::new(),
            size_bytes: 1,
            created_at: now.before(age),
            expires_at: now,
            recipients: Vec::new(),
        };
        assert!(old_mail(&[mail(QUEUE_AGE)], now).ok);
        assert!(!old_mail(&[mail(QUEUE_AGE + std::time::Duration::from_millis(1))], now).ok);
    }
}
