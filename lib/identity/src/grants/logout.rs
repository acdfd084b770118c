// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which clients are to be told that somebody signed out: what ended, and who came in through it.

use hearth_types::{AccountId, ClientId, SessionId};

use crate::Directory;
use crate::error::Result;

/// A client whose visitor is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogoutNotice {
    /// Who is to be told.
    pub client: ClientId,
    /// Of whom.
    pub account: AccountId,
    /// The `sid` that its ID tokens bore.
    pub session: SessionId,
}

impl Directory {
    /// The number of the last news of ended sessions, from which [`Directory::list_logouts_since`] goes on.
    pub async fn newest_logout(&self) -> Result<i64> {
        self.newest_revocation().await
    }

    /// Whom what ended since a number concerns, each once, and the number to go on from. One row is read when
    /// nothing ended. A client that was disabled learns what that ended, and nothing of anybody afterwards.
    pub async fn list_logouts_since(&self, seq: i64) -> Result<(i64, Vec<LogoutNotice>)> {
        self.scan(move |tx| {
            let newest: i64 = tx.one("SELECT n FROM counter WHERE name = 'revocation'", &[], |row| row.get(0))?;
            if newest == seq {
                return Ok((newest, Vec::new()));
            }
            let notices = tx.query(
                "SELECT DISTINCT s.client, s.account, COALESCE(s.parent, s.id)
                 FROM revocation r JOIN session s ON s.id = r.session OR s.parent = r.session JOIN client c ON c.id = s.client
                 WHERE r.seq > $1 AND r.seq <= $2 AND s.kind = 'client' AND (NOT c.disabled OR s.id = r.session)",
                &[&seq, &newest],
                |row| Ok(LogoutNotice { client: row.get(0)?, account: row.get(1)?, session: row.get(2)? }),
            )?;
            Ok((newest, notices))
        })
        .await
    }

    /// The clients that came in through a browser session, each once.
    pub async fn list_clients_of_session(&self, session: SessionId) -> Result<Vec<ClientId>> {
        self.read(move |tx| {
            Ok(tx.query(
                "SELECT DISTINCT client FROM session WHERE parent = $1 AND kind = 'client' AND client IS NOT NULL",
                &[&session],
                |row| row.get(0),
            )?)
        })
        .await
    }
}
