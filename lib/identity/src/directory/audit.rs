// SPDX-License-Identifier: AGPL-3.0-or-later
//! The audit log: what happened, for the people of the house. Bounded in rows: what strangers can write as often as they
//! like, failures, in a number of its own for each kind, so that it pushes nothing else out.
//!
//! What changes the house writes itself down ([`Directory::change`]), in the name of whoever the directory was opened for
//! ([`Directory::by`]). What people do with their own secrets and devices is written down by the page or the gate.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use hearth_db::Tx;
use hearth_types::id::Id;
use hearth_types::{AccountId, Timestamp};

use super::Directory;
use super::network::network_of;
use super::sentence::sentence;
use crate::error::Result;
use crate::limits::{AUDIT_FAILURES_MAX, AUDIT_MERGE, AUDIT_ROWS_MAX};
use crate::service::Service;

/// In whose name changes are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// Who, when that is known.
    pub actor: Option<AccountId>,
    /// From where.
    pub peer: Option<IpAddr>,
    /// By which door: `web`, `command`.
    pub door: Option<&'static str>,
    /// With which program of theirs.
    pub program: Option<Arc<str>>,
}

impl By {
    /// Whoever types `hearth` on the machine itself.
    pub fn command() -> Self {
        Self { door: Some(COMMAND), ..Self::default() }
    }
}

/// The door of the `hearth` command.
const COMMAND: &str = "command";

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

impl Event {
    /// What was done to somebody.
    pub(crate) fn of(event: &'static str, subject: AccountId, detail: impl Into<String>) -> Self {
        Self { subject: Some(subject), ..Self::about(event, detail) }
    }

    /// What was done to something that `detail` names.
    pub(crate) fn about(event: &'static str, detail: impl Into<String>) -> Self {
        Self { event, detail: detail.into(), ..Self::default() }
    }
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number: newer rows have greater ones.
    pub id: Id,
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
    /// By which protocol, or by `web` or the `command`.
    pub service: Option<String>,
    /// The rest.
    pub detail: String,
    /// How often, where rows were merged.
    pub count: u64,
}

impl Directory {
    /// Writes a row.
    pub async fn add_audit(&self, event: Event) -> Result<()> {
        let (by, now) = (self.who(), self.now());
        self.note(move |tx| add(tx, &event, &by, now)).await
    }

    /// Writes a row, or counts in the one that says the same of the same network within the hour: a
    /// guesser fills no log. The row has the address of the last.
    pub async fn count_audit(&self, event: Event) -> Result<()> {
        let (by, now) = (self.who(), self.now());
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
            if merged == 0 && insert(tx, &event, &by, Some(&network), now)? {
                sweep_failures(tx, event.event)?;
            }
            Ok(())
        })
        .await
    }

    /// The last rows, of one account or of all, the newest first.
    pub async fn list_audit(&self, subject: Option<AccountId>, count_max: u32) -> Result<Vec<AuditEntry>> {
        self.list_audit_before(None, subject, count_max).await
    }

    /// The same, of those before a row.
    pub async fn list_audit_before(
        &self,
        before: Option<Id>,
        subject: Option<AccountId>,
        count_max: u32,
    ) -> Result<Vec<AuditEntry>> {
        let before = before.map_or(i64::MAX, Id::as_i64);
        self.scan(move |tx| {
            Ok(tx.query(
                "SELECT id, at, event, actor, subject, peer, service, detail, count FROM audit
                 WHERE ($1 OR subject = $2 OR actor = $2) AND id < $4 ORDER BY id DESC LIMIT $3",
                &[&subject.is_none(), &subject, &count_max, &before],
                |row| {
                    Ok(AuditEntry {
                        id: Id::from_i64(row.get(0)?),
                        at: row.get(1)?,
                        event: row.get(2)?,
                        actor: row.get(3)?,
                        subject: row.get(4)?,
                        peer: row.get(5)?,
                        service: row.get(6)?,
                        detail: row.get(7)?,
                        count: row.get(8)?,
                    })
                },
            )?)
        })
        .await
    }

    /// What accounts are called in the log: by their address, those that were removed too.
    pub async fn list_audit_names(&self) -> Result<HashMap<AccountId, String>> {
        self.scan(|tx| {
            let names = tx.query(
                "SELECT id, primary_address FROM account UNION ALL SELECT id, primary_address FROM account_tombstone",
                &[],
                |row| Ok((row.get::<AccountId>(0)?, row.get::<String>(1)?)),
            )?;
            Ok(names.into_iter().collect())
        })
        .await
    }
}

/// One insert in so many sweeps the oldest rows away.
const SWEEP_EVERY: i64 = 64;

pub(super) fn add(tx: &mut Tx<'_>, event: &Event, by: &By, now: Timestamp) -> Result<()> {
    if insert(tx, event, by, None, now)? {
        sweep(tx)?;
    }
    Ok(())
}

/// Is it time to sweep?
fn insert(tx: &mut Tx<'_>, event: &Event, by: &By, network: Option<&str>, now: Timestamp) -> Result<bool> {
    debug_assert!(sentence(event.event).is_some(), "{} is called nothing", event.event);
    let detail = match &by.program {
        Some(program) => format!("{} ({program})", event.detail).trim_start().to_string(),
        None => event.detail.clone(),
    };
    let id = Id::new(now).as_i64();
    tx.execute(
        "INSERT INTO audit (id, at, event, actor, subject, peer, service, detail, count, network)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9)",
        &[
            &id,
            &now,
            &event.event,
            &event.actor.or(by.actor),
            &event.subject,
            &event.peer.or(by.peer).map(|peer| peer.to_string()),
            &event.service.map(Service::name).or(by.door),
            &detail,
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
