// SPDX-License-Identifier: AGPL-3.0-or-later
//! What only the house's own user may ask: changes to secrets, by the `hearth` command.

use std::time::Duration;

use hearth_identity::certs::HOUSE;
use hearth_identity::directory::{Account, By, Event, SessionKind};
use hearth_identity::limits::LINK_LIFE_MAX;
use hearth_identity::login::{Answer, AppPassword, Listed, Question, Services, Showing};
use hearth_identity::vault::check_new_password;
use hearth_identity::{Error, Result};
use hearth_types::{AccountId, SessionId, Timestamp, Trouble};

use super::doorkeeper::{Doorkeeper, in_words};
use crate::notice::{Notice, tell_of_command};
use crate::rule::policy::Policy;
use crate::rule::strength;

/// Carries out an order; `None` when the question is none.
pub(super) async fn obey(doorkeeper: &Doorkeeper, question: Question) -> Option<Result<Answer, Trouble>> {
    let done = match question {
        Question::SetPassword { account, password } => set_password(doorkeeper, AccountId::from_i64(account), password).await,
        Question::AddAppPassword { account, label, services, expires_at } => {
            add_app_password(doorkeeper, AccountId::from_i64(account), &label, &services, expires_at).await
        }
        Question::ListAppPasswords { account } => list_app_passwords(doorkeeper, AccountId::from_i64(account)).await,
        Question::RevokeAppPassword { id } => revoke_app_password(doorkeeper, SessionId::from_i64(id)).await,
        Question::StoreSecretKey { account, fingerprint, key } => {
            store_secret_key(doorkeeper, AccountId::from_i64(account), &fingerprint, key).await
        }
        Question::ExportSecretKey { fingerprint } => export_secret_key(doorkeeper, &fingerprint).await,
        Question::RemoveSecretKey { fingerprint } => remove_secret_key(doorkeeper, &fingerprint).await,
        Question::AddLink { account, forget_factors, lives } => {
            add_link(doorkeeper, AccountId::from_i64(account), forget_factors, Duration::from_secs(lives)).await
        }
        Question::Tell { account, event, what } => tell_of(doorkeeper, AccountId::from_i64(account), &event, &what).await,
        Question::CheckVault => doorkeeper.vault().check().await.map(|wrong| Answer::Checked { wrong }),
        Question::Forget { account } => doorkeeper.vault().forget(AccountId::from_i64(account)).await.map(|()| Answer::Done),
        _ => return None,
    };
    Some(done.or_else(|error| in_words(error).map(|why| Answer::Cannot { why })))
}

async fn set_password(doorkeeper: &Doorkeeper, account: AccountId, password: Option<Showing>) -> Result<Answer> {
    let found = must_be_there(doorkeeper, account).await?;
    let password = password.map(Showing::into_secret);
    if let Some(password) = &password {
        check_new_password(password.expose())?;
        let asked = Policy::read(doorkeeper.directory()).await?;
        strength::check(password.expose(), &found, asked.guesses_log10()).map_err(|says| Error::Invalid(says.to_string()))?;
    }
    let event = if password.is_some() { "password.changed" } else { "password.removed" };
    doorkeeper.vault().set_password(account, password).await?;
    // What came of the old password ends with it; app passwords stay.
    doorkeeper.directory().end_password_sessions(account, None).await?;
    note(doorkeeper, event, account, String::new()).await?;
    if event == "password.changed" {
        tell(doorkeeper, &found, Notice::PasswordChanged, "").await;
    }
    Ok(Answer::Done)
}

/// Tells them by letter; what is done on the machine itself, too, may not be of their doing. What was set up before they
/// first came is no news.
async fn tell(doorkeeper: &Doorkeeper, account: &Account, notice: Notice, what: &str) {
    if matches!(doorkeeper.directory().has_signed_in(account.id).await, Ok(false)) {
        return;
    }
    tell_of_command(doorkeeper.directory(), doorkeeper.issuer(), doorkeeper.now(), account, notice, what).await;
}

async fn tell_of(doorkeeper: &Doorkeeper, account: AccountId, event: &str, what: &str) -> Result<Answer> {
    let found = must_be_there(doorkeeper, account).await?;
    let notice = Notice::of_event(event).ok_or_else(|| Error::Invalid(format!("nobody is told of {event}")))?;
    tell(doorkeeper, &found, notice, what).await;
    Ok(Answer::Done)
}

async fn add_app_password(
    doorkeeper: &Doorkeeper,
    account: AccountId,
    label: &str,
    services: &str,
    expires_at: Option<i64>,
) -> Result<Answer> {
    let found = must_be_there(doorkeeper, account).await?;
    let services: Services = services.parse().map_err(|error| Error::Invalid(format!("{error}")))?;
    let expires_at = expires_at.map(Timestamp::from_millis);
    let (id, password) = doorkeeper.add_app_password(&found, label, services, expires_at).await?;
    note(doorkeeper, "app-password.added", account, format!("{label} ({services})")).await?;
    tell(doorkeeper, &found, Notice::AppPasswordAdded, label).await;
    Ok(Answer::AppPassword { id: id.as_i64(), password: Showing::new(password.expose()) })
}

async fn add_link(doorkeeper: &Doorkeeper, account: AccountId, forget_factors: bool, lives: Duration) -> Result<Answer> {
    let found = must_be_there(doorkeeper, account).await?;
    if lives > LINK_LIFE_MAX || lives.is_zero() {
        return Err(Error::Invalid(format!("a link can be used for {} days at most", LINK_LIFE_MAX.as_secs() / 86_400)));
    }
    let token = doorkeeper.vault().add_link(account, forget_factors, lives).await?;
    note(doorkeeper, "link.made", account, if forget_factors { "forgets second factors".into() } else { String::new() }).await?;
    tell(doorkeeper, &found, Notice::LinkMade, "").await;
    Ok(Answer::Link { token: Showing::new(token.expose()) })
}

async fn list_app_passwords(doorkeeper: &Doorkeeper, account: AccountId) -> Result<Answer> {
    let sessions = doorkeeper.directory().list_sessions(account).await?;
    let apps = doorkeeper.vault().list_app_passwords(account).await?;
    let all = apps.into_iter().map(|app| {
        let used = sessions.iter().find(|session| session.id == app.id && session.kind == SessionKind::AppPassword);
        Listed::from(&AppPassword {
            id: app.id,
            label: app.label,
            services: app.services,
            created_at: app.created_at,
            expires_at: app.expires_at,
            last_used_at: used.map(|session| session.last_used_at),
        })
    });
    Ok(Answer::AppPasswords { all: all.collect() })
}

async fn revoke_app_password(doorkeeper: &Doorkeeper, id: SessionId) -> Result<Answer> {
    // The secret first: when we are interrupted between the two, nobody new comes in, and asking again
    // cuts those who are.
    let owner = doorkeeper.vault().remove_app_password(id).await?;
    let ended = doorkeeper.directory().end_session(id).await?;
    if let Some(account) = owner {
        note(doorkeeper, "app-password.revoked", account, id.to_string()).await?;
        if let Some(found) = doorkeeper.directory().find_account(account).await? {
            tell(doorkeeper, &found, Notice::AppPasswordRemoved, "").await;
        }
    }
    Ok(Answer::Was { there: owner.is_some() || ended })
}

async fn store_secret_key(doorkeeper: &Doorkeeper, account: AccountId, fingerprint: &str, key: Showing) -> Result<Answer> {
    if account != HOUSE {
        must_be_there(doorkeeper, account).await?;
    }
    let key = key.into_octets().ok_or_else(|| Error::Invalid("the key is not base64".into()))?;
    doorkeeper.vault().store_secret_key(account, fingerprint, &key).await?;
    note(doorkeeper, "secret-key.stored", account, fingerprint.to_string()).await?;
    Ok(Answer::Done)
}

async fn export_secret_key(doorkeeper: &Doorkeeper, fingerprint: &str) -> Result<Answer> {
    let Some((account, key)) = doorkeeper.vault().find_secret_key(fingerprint).await? else {
        return Ok(Answer::SecretKey { key: None });
    };
    note(doorkeeper, "secret-key.exported", account, fingerprint.to_string()).await?;
    Ok(Answer::SecretKey { key: Some(Showing::from_octets(key.expose())) })
}

async fn remove_secret_key(doorkeeper: &Doorkeeper, fingerprint: &str) -> Result<Answer> {
    let owner = doorkeeper.vault().remove_secret_key(fingerprint).await?;
    if let Some(account) = owner {
        note(doorkeeper, "secret-key.removed", account, fingerprint.to_string()).await?;
    }
    Ok(Answer::Was { there: owner.is_some() })
}

async fn must_be_there(doorkeeper: &Doorkeeper, account: AccountId) -> Result<Account> {
    let found = doorkeeper.directory().find_account(account).await?;
    found.ok_or_else(|| Error::Missing("such account".into()))
}

async fn note(doorkeeper: &Doorkeeper, event: &'static str, subject: AccountId, detail: String) -> Result<()> {
    doorkeeper.directory().by(By::command()).add_audit(Event { event, subject: Some(subject), detail, ..Event::default() }).await
}
