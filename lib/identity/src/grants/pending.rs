// SPDX-License-Identifier: AGPL-3.0-or-later
//! Consent, requests that wait for a person (PAR, device codes), and values that may be seen once.

use std::time::Duration;

use hearth_db::Row;
use hearth_types::{AccountId, ClientId, SessionId, Timestamp};

use super::client::name_of;
use super::scope;
use crate::Directory;
use crate::directory::Event;
use crate::error::{Error, Result};
use crate::limits::{PENDING_MAX, PENDING_OF_CLIENT_MAX, SEEN_ONCE_MAX};

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// `par` or `device`.
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
    /// `par` or `device`.
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

/// What a device learns when it asks whether somebody let it in (RFC 8628 §3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Poll {
    /// No such request, or it was another client's.
    Unknown,
    /// It ended.
    Expired,
    /// It asks too often.
    SlowDown,
    /// Nobody has answered yet.
    Waiting,
    /// Somebody said no.
    Denied,
    /// Somebody said yes; the request is taken out of its place.
    Allowed(Pending),
}

macro_rules! pending_columns {
    () => {
        "kind, client, state, request, account, session, expires_at"
    };
}

fn pending(row: &Row<'_>) -> hearth_db::Result<Pending> {
    Ok(Pending {
        kind: row.get(0)?,
        client: row.get(1)?,
        state: row.get(2)?,
        request: row.get(3)?,
        account: row.get(4)?,
        session: row.get(5)?,
        expires_at: row.get(6)?,
    })
}

impl Directory {
    /// A request that waits, by the hash of its handle; it stays in its place.
    pub async fn find_pending(&self, kind: &'static str, hash: [u8; 32]) -> Result<Option<Pending>> {
        let now = self.now();
        self.read(move |tx| {
            Ok(tx.find(
                concat!("SELECT ", pending_columns!(), " FROM pending_request WHERE hash = $1 AND kind = $2 AND expires_at > $3"),
                &[&hash, &kind, &now],
                pending,
            )?)
        })
        .await
    }

    /// The device that shows a code and waits for an answer.
    pub async fn find_device(&self, user_code: &str) -> Result<Option<Pending>> {
        let (user_code, now) = (user_code.to_string(), self.now());
        self.read(move |tx| {
            Ok(tx.find(
                concat!(
                    "SELECT ",
                    pending_columns!(),
                    " FROM pending_request WHERE user_code = $1 AND kind = 'device' AND state = 'pending' AND expires_at > $2"
                ),
                &[&user_code, &now],
                pending,
            )?)
        })
        .await
    }

    /// Somebody's answer to a device; false when it was answered before or has ended.
    pub async fn answer_device(&self, user_code: &str, allowed: bool, account: AccountId, session: SessionId) -> Result<bool> {
        let (user_code, now) = (user_code.to_string(), self.now());
        let state = if allowed { "allowed" } else { "denied" };
        self.write(move |tx| {
            let answered = tx.execute(
                "UPDATE pending_request SET state = $2, account = $3, session = $4
                 WHERE user_code = $1 AND kind = 'device' AND state = 'pending' AND expires_at > $5",
                &[&user_code, &state, &account, &session, &now],
            )?;
            Ok(answered == 1)
        })
        .await
    }

    /// A device asks whether somebody let it in. One that asks sooner than `every` is told to slow down, and has
    /// to wait `every` longer than before (RFC 8628 §3.5).
    pub async fn poll_device(&self, hash: [u8; 32], client: ClientId, every: Duration) -> Result<Poll> {
        let now = self.now();
        self.write(move |tx| {
            let found = tx.find(
                concat!(
                    "SELECT ",
                    pending_columns!(),
                    ", polled_at FROM pending_request WHERE hash = $1 AND kind = 'device' AND client = $2"
                ),
                &[&hash, &client],
                |row| Ok((pending(row)?, row.get::<Option<Timestamp>>(7)?)),
            )?;
            let Some((found, polled_at)) = found else {
                return Ok(Poll::Unknown);
            };
            if found.expires_at <= now {
                return Ok(Poll::Expired);
            }
            let too_soon = polled_at.is_some_and(|at| now < at.after(every));
            let counted_from = if too_soon { now.after(every) } else { now };
            tx.execute("UPDATE pending_request SET polled_at = $2 WHERE hash = $1", &[&hash, &counted_from])?;
            if too_soon {
                return Ok(Poll::SlowDown);
            }
            match found.state.as_str() {
                "pending" => return Ok(Poll::Waiting),
                "allowed" => {}
                _ => {
                    tx.execute("DELETE FROM pending_request WHERE hash = $1", &[&hash])?;
                    return Ok(Poll::Denied);
                }
            }
            // Of two at once one alone takes it.
            let taken = tx.execute("DELETE FROM pending_request WHERE hash = $1", &[&hash])?;
            Ok(if taken == 1 { Poll::Allowed(found) } else { Poll::Unknown })
        })
        .await
    }

    /// Keeps a request until it is taken or ends. Of one client and of all so many wait and no more
    /// ([`Error::TooMany`]): most of them are of strangers.
    pub async fn add_pending(&self, new: NewPending) -> Result<()> {
        let now = self.now();
        self.write(move |tx| {
            tx.execute("DELETE FROM pending_request WHERE expires_at < $1", &[&now])?;
            let all: usize = tx.one("SELECT COUNT(*) FROM pending_request", &[], |row| row.get(0))?;
            if all >= PENDING_MAX {
                return Err(Error::TooMany { what: "requests that wait", max: PENDING_MAX });
            }
            let of_client: usize =
                tx.one("SELECT COUNT(*) FROM pending_request WHERE client = $1", &[&new.client], |row| row.get(0))?;
            if of_client >= PENDING_OF_CLIENT_MAX {
                return Err(Error::TooMany { what: "requests of a client that wait", max: PENDING_OF_CLIENT_MAX });
            }
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

    /// Notes a value that may be seen once until it ends (a `jti`); false when it was seen before. What does not fit
    /// ([`Error::TooMany`]) is not admitted either: nobody could say that it was seen.
    pub async fn see_once(&self, kind: &'static str, value: [u8; 32], lives: Duration) -> Result<bool> {
        let now = self.now();
        self.write(move |tx| {
            tx.execute("DELETE FROM seen_once WHERE expires_at < $1", &[&now])?;
            let known: usize = tx.one("SELECT COUNT(*) FROM seen_once WHERE kind = $1", &[&kind], |row| row.get(0))?;
            if known >= SEEN_ONCE_MAX {
                return Err(Error::TooMany { what: "values that are seen once", max: SEEN_ONCE_MAX });
            }
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
        self.change(move |tx| {
            tx.execute(
                "INSERT INTO consent (account, client, scopes, given_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (account, client) DO UPDATE SET scopes = excluded.scopes, given_at = excluded.given_at",
                &[&account, &client, &scopes, &now],
            )?;
            let detail = format!("{}: {scopes}", name_of(tx, client)?);
            Ok(((), Some(Event::of("consent.given", account, detail))))
        })
        .await
    }
}
