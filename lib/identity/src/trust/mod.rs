// SPDX-License-Identifier: AGPL-3.0-or-later
//! Other homes, and what each may do here. The tables are in the directory; every right is off by default.

use hearth_types::{Domain, Timestamp};

use crate::Directory;
use crate::error::Result;

/// Another home that this one has paired with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Friend {
    /// Its domain.
    pub domain: Domain,
    /// The fingerprint of its node key.
    pub node_fingerprint: String,
    /// `invited`, `paired`, `suspended` or `ended`.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when, if it ended.
    pub ended_at: Option<Timestamp>,
}

impl Directory {
    /// Every friend, by domain.
    pub async fn list_friends(&self) -> Result<Vec<Friend>> {
        self.read(|tx| {
            Ok(tx.query("SELECT domain, node_fingerprint, state, since, ended_at FROM friend ORDER BY domain", &[], |row| {
                Ok(Friend {
                    domain: row.get(0)?,
                    node_fingerprint: row.get(1)?,
                    state: row.get(2)?,
                    since: row.get(3)?,
                    ended_at: row.get(4)?,
                })
            })?)
        })
        .await
    }

    /// May this home use a right that we gave? No row, no right.
    pub async fn friend_may(&self, domain: &Domain, right: &str) -> Result<bool> {
        let (domain, right) = (domain.clone(), right.to_string());
        self.read(move |tx| {
            let found = tx.find(
                "SELECT 1 FROM friend_right r JOIN friend f ON f.domain = r.domain
                 WHERE r.domain = $1 AND r.direction = 'given' AND r.name = $2 AND f.state = 'paired'",
                &[&domain, &right],
                |_| Ok(()),
            )?;
            Ok(found.is_some())
        })
        .await
    }

    /// May this house use a right that another home gave? No row, no right.
    pub async fn friend_lets(&self, domain: &Domain, right: &str) -> Result<bool> {
        let (domain, right) = (domain.clone(), right.to_string());
        self.read(move |tx| {
            let found = tx.find(
                "SELECT 1 FROM friend_right r JOIN friend f ON f.domain = r.domain
                 WHERE r.domain = $1 AND r.direction = 'received' AND r.name = $2 AND f.state = 'paired'",
                &[&domain, &right],
                |_| Ok(()),
            )?;
            Ok(found.is_some())
        })
        .await
    }
}
