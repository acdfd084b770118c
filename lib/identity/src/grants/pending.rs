// SPDX-License-Identifier: AGPL-3.0-or-later
//! Consent, requests that wait for a person (PAR, device codes), and values that may be seen once.

use std::time::Duration;

use hearth_types::{AccountId, ClientId, SessionId, Timestamp};

use super::scope;
use crate::Directory;
use crate::error::Result;

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// `par`, `device` or `ciba`.
    pub kind: String,
    /// Who asked.
    pub client: ClientId,
    /// Where it stands, in the words of its kind.
    pub state: String,
    /// What was asked, as JSON.
    pub request: String,
    /// Who answered.
    pub account: Option<AccountId>,
    /// In which browser session.
    pub session: Option<SessionId>,
    /// Until when it waits.
    pub expires_at: Timestamp,
}

/// What a request that waits needs.
#[derive(Clone, Debug)]
pub struct NewPending {
    /// `par`, `device` or `ciba`.
    pub kind: &'static str,
    /// Who asks.
    pub client: ClientId,
    /// SHA-256 of the handle that the client holds.
    pub hash: [u8; 32],
    /// What a person types, for devices.
    pub user_code: Option<String>,
    /// What is asked, as JSON.
    pub request: String,
    /// How long it waits.
    pub lives: Duration,
}

impl Directory {
    /// Keeps a request until it is taken or ends.
    pub async fn add_pending(&self, new: NewPending) -> Result<()> {
        let now = self.now();
        self.write(move |tx| {
            tx.execute("DELETE FROM pending_request WHERE expires_at < $1", &[&now])?;
            tx.execute(
                "INSERT INTO pending_request
                    (hash, kind, client, user_code, state, request, account, session, polled_at, created_at, expires_at)
                 VALUES ($1, $2, $3, $4, 'pending', $5, NULL, NULL, NULL, $6, $7)",
                &[&new.hash, &new.kind, &new.client, &new.user_code, &new.request, &now, &now.after(new.lives)],
            )?;
            Ok(())
        })
        .await
    }

    /// Takes a request that waits out of its place: it can be used once.
    pub async fn take_pending(&self, kind: &'static str, hash: [u8; 32]) -> Result<Option<Pending>> {
        let now = self.now();
        self.write(move |tx| {
            Ok(tx.find(
                "DELETE FROM pending_request WHERE hash = $1 AND kind = $2 AND expires_at > $3
                 RETURNING kind, client, state, request, account, session, expires_at",
                &[&hash, &kind, &now],
                |row| {
                    Ok(Pending {
                        kind: row.get(0)?,
                        client: row.get(1)?,
                        state: row.get(2)?,
                        request: row.get(3)?,
                        account: row.get(4)?,
                        session: row.get(5)?,
                        expires_at: row.get(6)?,
                    })
                },
            )?)
        })
        .await
    }

    /// Notes a value that may be seen once until it ends (a `jti`); false when it was seen before.
    pub async fn see_once(&self, kind: &'static str, value: [u8; 32], lives: Duration) -> Result<bool> {
        let now = self.now();
        self.write(move |tx| {
            tx.execute("DELETE FROM seen_once WHERE expires_at < $1", &[&now])?;
            let seen = tx.execute(
                "INSERT INTO seen_once (kind, value, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                &[&kind, &value, &now.after(lives)],
            )?;
            Ok(seen == 1)
        })
        .await
    }

    /// What a person has agreed to share with a client.
    pub async fn find_consent(&self, account: AccountId, client: ClientId) -> Result<Option<Vec<String>>> {
        self.read(move |tx| {
            Ok(tx.find("SELECT scopes FROM consent WHERE account = $1 AND client = $2", &[&account, &client], |row| {
                Ok(scope::parse(&row.get::<String>(0)?))
            })?)
        })
        .await
    }

    /// Remembers what a person agreed to share with a client, in place of what was remembered.
    pub async fn add_consent(&self, account: AccountId, client: ClientId, scopes: &[String]) -> Result<()> {
        let (scopes, now) = (scopes.join(" "), self.now());
        self.write(move |tx| {
            tx.execute(
                "INSERT INTO consent (account, client, scopes, given_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (account, client) DO UPDATE SET scopes = excluded.scopes, given_at = excluded.given_at",
                &[&account, &client, &scopes, &now],
            )?;
            Ok(())
        })
        .await
    }

    /// Forgets that agreement; what was granted by it is ended by ending its sessions.
    pub async fn remove_consent(&self, account: AccountId, client: ClientId) -> Result<()> {
        self.write(move |tx| {
            tx.execute("DELETE FROM consent WHERE account = $1 AND client = $2", &[&account, &client])?;
            Ok(())
        })
        .await
    }
}
