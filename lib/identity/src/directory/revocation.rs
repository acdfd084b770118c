// SPDX-License-Identifier: AGPL-3.0-or-later
//! Ending sessions, and the numbered news of it that other processes read.

use hearth_db::Tx;
use hearth_types::{AccountId, ClientId, SessionId, Timestamp};

use super::Directory;
use crate::error::Result;
use crate::limits::REVOCATION_KEEP;

/// A session that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The number of the news: they only grow.
    pub seq: i64,
    /// The session.
    pub session: SessionId,
}

impl Directory {
    /// The number of the last news.
    pub(crate) async fn newest_revocation(&self) -> Result<i64> {
        self.read(|tx| Ok(tx.one("SELECT n FROM counter WHERE name = 'revocation'", &[], |row| row.get(0))?)).await
    }

    /// What ended since a number. One row is read when nothing did.
    pub(crate) async fn list_revocations_since(&self, seq: i64) -> Result<Vec<Revoked>> {
        self.read(move |tx| {
            let newest: i64 = tx.one("SELECT n FROM counter WHERE name = 'revocation'", &[], |row| row.get(0))?;
            if newest == seq {
                return Ok(Vec::new());
            }
            Ok(tx.query("SELECT seq, session FROM revocation WHERE seq > $1 ORDER BY seq", &[&seq], |row| {
                Ok(Revoked { seq: row.get(0)?, session: row.get(1)? })
            })?)
        })
        .await
    }

    /// Which of these sessions are over: ended, expired, gone, or their account disabled.
    pub(crate) async fn list_ended_of(&self, sessions: Vec<SessionId>) -> Result<Vec<SessionId>> {
        let now = self.now();
        self.read(move |tx| {
            let mut ended = Vec::new();
            for id in sessions {
                let live = tx.find(
                    "SELECT s.ended_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > $2) AND NOT a.disabled
                     FROM session s JOIN account a ON a.id = s.account WHERE s.id = $1",
                    &[&id, &now],
                    |row| row.get::<bool>(0),
                )?;
                if live != Some(true) {
                    ended.push(id);
                }
            }
            Ok(ended)
        })
        .await
    }
}

/// Ends one session, its codes and tokens; false when it had ended already.
pub(crate) fn end(tx: &mut Tx<'_>, id: SessionId, now: Timestamp) -> Result<bool> {
    let account =
        tx.find("UPDATE session SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL RETURNING account", &[&id, &now], |row| {
            row.get::<AccountId>(0)
        })?;
    let Some(account) = account else {
        return Ok(false);
    };
    tx.execute("DELETE FROM access_token WHERE session = $1", &[&id])?;
    tx.execute("DELETE FROM refresh_token WHERE session = $1", &[&id])?;
    tx.execute("DELETE FROM authorization_code WHERE session = $1", &[&id])?;
    // The row of the counter is locked until the commit, so that numbers are seen in their order.
    let seq: i64 = tx.one("UPDATE counter SET n = n + 1 WHERE name = 'revocation' RETURNING n", &[], |row| row.get(0))?;
    tx.execute("DELETE FROM revocation WHERE at < $1", &[&now.before(REVOCATION_KEEP)])?;
    tx.execute("INSERT INTO revocation (seq, session, account, at) VALUES ($1, $2, $3, $4)", &[&seq, &id, &account, &now])?;
    Ok(true)
}

/// Ends every session of a client.
pub(crate) fn end_of_client(tx: &mut Tx<'_>, client: ClientId, now: Timestamp) -> Result<()> {
    let ids: Vec<SessionId> =
        tx.query("SELECT id FROM session WHERE client = $1 AND ended_at IS NULL", &[&client], |row| row.get(0))?;
    for id in ids {
        end(tx, id, now)?;
    }
    Ok(())
}

/// Ends every session of an account.
pub(crate) fn end_all(tx: &mut Tx<'_>, account: AccountId, now: Timestamp) -> Result<()> {
    let ids: Vec<SessionId> =
        tx.query("SELECT id FROM session WHERE account = $1 AND ended_at IS NULL", &[&account], |row| row.get(0))?;
    for id in ids {
        end(tx, id, now)?;
    }
    Ok(())
}
