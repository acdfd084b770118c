// SPDX-License-Identifier: AGPL-3.0-or-later
//! The apps of a person: what they agreed to, and what is signed in by it. One without the other is there to be seen and
//! ended as well.

use hearth_types::{AccountId, ClientId, SessionId, Timestamp};

use super::client::name_of;
use super::scope;
use crate::Directory;
use crate::directory::{Event, revocation_of_session};
use crate::error::Result;

/// A client that somebody let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Which.
    pub client: ClientId,
    /// What people call it.
    pub name: String,
    /// What was agreed to or granted, each word once.
    pub scopes: Vec<String>,
    /// When it was last used, if it is signed in.
    pub last_used_at: Option<Timestamp>,
    /// When the consent that is remembered was given.
    pub allowed_at: Option<Timestamp>,
}

impl Directory {
    /// The apps of an account, the one used last first; those that are not signed in come last.
    pub async fn list_apps(&self, account: AccountId) -> Result<Vec<App>> {
        let now = self.now();
        self.read(move |tx| {
            let granted = tx.query(
                "SELECT c.id, c.name, g.scopes, s.last_used_at
                 FROM session s JOIN oauth_grant g ON g.session = s.id JOIN client c ON c.id = g.client
                 WHERE s.account = $1 AND s.ended_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > $2)
                 ORDER BY s.last_used_at DESC, s.id DESC",
                &[&account, &now],
                |row| {
                    Ok(App {
                        client: row.get(0)?,
                        name: row.get(1)?,
                        scopes: scope::parse(&row.get::<String>(2)?),
                        last_used_at: Some(row.get(3)?),
                        allowed_at: None,
                    })
                },
            )?;
            let agreed = tx.query(
                "SELECT c.id, c.name, k.scopes, k.given_at FROM consent k JOIN client c ON c.id = k.client
                 WHERE k.account = $1 ORDER BY k.given_at DESC, c.id",
                &[&account],
                |row| {
                    Ok(App {
                        client: row.get(0)?,
                        name: row.get(1)?,
                        scopes: scope::parse(&row.get::<String>(2)?),
                        last_used_at: None,
                        allowed_at: Some(row.get(3)?),
                    })
                },
            )?;
            Ok(granted.into_iter().chain(agreed).fold(Vec::new(), with))
        })
        .await
    }

    /// Forgets what somebody agreed to share with a client and ends what it had of them: it asks again when it comes back.
    pub async fn disconnect_app(&self, account: AccountId, client: ClientId) -> Result<bool> {
        let now = self.now();
        self.change(move |tx| {
            let forgotten = tx.execute("DELETE FROM consent WHERE account = $1 AND client = $2", &[&account, &client])?;
            tx.execute(
                "DELETE FROM authorization_code WHERE account = $1 AND client = $2 AND used_at IS NULL",
                &[&account, &client],
            )?;
            let sessions: Vec<SessionId> = tx.query(
                "SELECT id FROM session WHERE account = $1 AND client = $2 AND ended_at IS NULL",
                &[&account, &client],
                |row| row.get(0),
            )?;
            let was_there = forgotten > 0 || !sessions.is_empty();
            for session in sessions {
                revocation_of_session(tx, session, now)?;
            }
            let event = Event::of("app.disconnected", account, name_of(tx, client)?);
            Ok((was_there, Some(event).filter(|_| was_there)))
        })
        .await
    }
}

/// The apps so far and one more: of one client there is one.
fn with(mut apps: Vec<App>, more: App) -> Vec<App> {
    match apps.iter_mut().find(|app| app.client == more.client) {
        Some(app) => {
            app.scopes.extend(more.scopes.into_iter().filter(|word| !app.scopes.contains(word)).collect::<Vec<_>>());
            app.allowed_at = app.allowed_at.or(more.allowed_at);
        }
        None => apps.push(more),
    }
    apps
}
