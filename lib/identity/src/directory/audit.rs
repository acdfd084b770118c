// SPDX-License-Identifier: AGPL-3.0-or-later
//! The audit log: what happened, for the people of the house. Bounded in rows.

use std::net::IpAddr;

use hearth_db::Tx;
use hearth_types::id::Id;
use hearth_types::{AccountId, Timestamp};

use super::Directory;
use crate::error::Result;
use crate::limits::{AUDIT_MERGE, AUDIT_ROWS_MAX};
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
        self.note(move |tx| add(tx, &event, now)).await
    }

    /// Writes a row, or counts in the one that says the same of the same peer within the hour: a
    /// guesser fills no log.
    pub async fn count_audit(&self, event: Event) -> Result<()> {
        let now = self.now();
        self.note(move |tx| {
            let merged = tx.execute(
                "UPDATE audit SET count = count + 1, at = $5, detail = $6
                 WHERE id = (SELECT MAX(id) FROM audit
                             WHERE event = $1 AND peer = $2 AND COALESCE(subject, 0) = COALESCE($3, 0) AND at > $4)",
                &[
                    &event.event,
                    &event.peer.map(|peer| peer.to_string()),
                    &event.subject,
                    &now.before(AUDIT_MERGE),
                    &now,
                    &event.detail,
                ],
            )?;
            if merged == 0 { add(tx, &event, now) } else { Ok(()) }
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

fn add(tx: &mut Tx<'_>, event: &Event, now: Timestamp) -> Result<()> {
    let id = Id::new(now).as_i64();
    tx.execute(
        "INSERT INTO audit (id, at, event, actor, subject, peer, service, detail, count)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)",
        &[
            &id,
            &now,
            &event.event,
            &event.actor,
            &event.subject,
            &event.peer.map(|peer| peer.to_string()),
            &event.service.map(Service::name),
            &event.detail,
        ],
    )?;
    if id % SWEEP_EVERY == 0 {
        tx.execute(
            "DELETE FROM audit WHERE id < (SELECT MIN(id) FROM (SELECT id FROM audit ORDER BY id DESC LIMIT $1) AS kept)",
            &[&(AUDIT_ROWS_MAX as i64)],
        )?;
    }
    Ok(())
}
