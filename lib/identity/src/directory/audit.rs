// SPDX-License-Identifier: AGPL-3.0-or-later
//! The audit log: what happened, for the people of the house. Bounded in rows: what strangers can write as often as they
//! like, failures, in a number of its own for each kind, so that it pushes nothing else out.

use std::net::IpAddr;

use hearth_db::Tx;
use hearth_types::id::Id;
use hearth_types::{AccountId, Timestamp};

use super::Directory;
use super::network::network_of;
use crate::error::Result;
use crate::limits::{AUDIT_FAILURES_MAX, AUDIT_MERGE, AUDIT_ROWS_MAX};
use crate::service::Service;

/// Something that happened.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// What, in a word or two with dots, such as `login.failed`.
    pub event: &'static str,
    /// Who did it, when that is known.
    pub actor: Option<AccountId>,
    /// To whom.
    pub subject: Option<AccountId>,
    /// From where.
    pub peer: Option<IpAddr>,
    /// By which protocol.
    pub service: Option<Service>,
    /// The rest, in words; no secrets.
    pub detail: String,
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When (of merged rows: the last).
    pub at: Timestamp,
    /// What.
    pub event: String,
    /// Who did it.
    pub actor: Option<AccountId>,
    /// To whom.
    pub subject: Option<AccountId>,
    /// From where.
    pub peer: Option<String>,
    /// By which protocol.
    pub service: Option<String>,
    /// The rest.
    pub detail: String,
    /// How often, where rows were merged.
    pub count: u64,
}

impl Directory {
    /// Writes a row.
    pub async fn add_audit(&self, event: Event) -> Result<()> {
        let now = self.now();
        self.note(move |tx| {
            if add(tx, &event, None, now)? {
                sweep(tx)?;
            }
            Ok(())
        })
        .await
    }

    /// Writes a row, or counts in the one that says the same of the same network within the hour: a
    /// guesser fills no log. The row has the address of the last.
    pub async fn count_audit(&self, event: Event) -> Result<()> {
        let now = self.now();
        let network = event.peer.map_or_else(String::new, network_of);
        self.note(move |tx| {
            let merged = tx.execute(
                "UPDATE audit SET count = count + 1, at = $5, detail = $6, peer = $7
                 WHERE id = (SELECT MAX(id) FROM audit
                             WHERE event = $1 AND network = $2 AND COALESCE(subject, 0) = COALESCE($3, 0) AND at > $4)",
                &[
                    &event.event,
                    &network,
                    &event.subject,
                    &now.before(AUDIT_MERGE),
                    &now,
                    &event.detail,
                    &event.peer.map(|peer| peer.to_string()),
                ],
            )?;
            if merged == 0 && add(tx, &event, Some(&network), now)? {
                sweep_failures(tx, event.event)?;
            }
            Ok(())
        })
        .await
    }

    /// The last rows, of one account or of all, the newest first.
    pub async fn list_audit(&self, subject: Option<AccountId>, count_max: u32) -> Result<Vec<AuditEntry>> {
        self.scan(move |tx| {
            Ok(tx.query(
                "SELECT at, event, actor, subject, peer, service, detail, count FROM audit
                 WHERE $1 OR subject = $2 OR actor = $2 ORDER BY id DESC LIMIT $3",
                &[&subject.is_none(), &subject, &count_max],
                |row| {
                    Ok(AuditEntry {
                        at: row.get(0)?,
                        event: row.get(1)?,
                        actor: row.get(2)?,
                        subject: row.get(3)?,
                        peer: row.get(4)?,
                        service: row.get(5)?,
                        detail: row.get(6)?,
                        count: row.get(7)?,
                    })
                },
            )?)
        })
        .await
    }
}

/// One insert in so many sweeps the oldest rows away.
const SWEEP_EVERY: i64 = 64;

/// Is it time to sweep?
fn add(tx: &mut Tx<'_>, event: &Event, network: Option<&str>, now: Timestamp) -> Result<bool> {
    let id = Id::new(now).as_i64();
    tx.execute(
        "INSERT INTO audit (id, at, event, actor, subject, peer, service, detail, count, network)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9)",
        &[
            &id,
            &now,
            &event.event,
            &event.actor,
            &event.subject,
            &event.peer.map(|peer| peer.to_string()),
            &event.service.map(Service::name),
            &event.detail,
            &network,
        ],
    )?;
    Ok(id % SWEEP_EVERY == 0)
}

fn sweep(tx: &mut Tx<'_>) -> Result<()> {
    tx.execute(
        "DELETE FROM audit WHERE network IS NULL AND id <
            (SELECT MIN(id) FROM (SELECT id FROM audit WHERE network IS NULL ORDER BY id DESC LIMIT $1) AS kept)",
        &[&(AUDIT_ROWS_MAX as i64)],
    )?;
    Ok(())
}

fn sweep_failures(tx: &mut Tx<'_>, event: &str) -> Result<()> {
    tx.execute(
        "DELETE FROM audit WHERE event = $1 AND network IS NOT NULL AND id <
            (SELECT MIN(id) FROM
                (SELECT id FROM audit WHERE event = $1 AND network IS NOT NULL ORDER BY id DESC LIMIT $2) AS kept)",
        &[&event, &(AUDIT_FAILURES_MAX as i64)],
    )?;
    Ok(())
}
