// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reports that came about our domains, kept for [`REPORTS_KEPT`]; for `hearth domain reports`.

use hearth_db::{Durability, Tx};
use hearth_types::id::Id;
use hearth_types::{Domain, Timestamp};

use super::{Queue, QueueError};
use crate::limits::{REPORTS_KEPT, REPORTS_MAX};
use crate::reports::{Line, Report};

/// A report that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptReport {
    /// `dmarc`, `tls`, `failure` or `abuse`.
    pub kind: String,
    /// Who says so.
    pub reporter: String,
    /// The time that it is about,
    pub begins_at: Timestamp,
    /// and its end.
    pub ends_at: Timestamp,
    /// When it came.
    pub received_at: Timestamp,
    /// Mails or sessions that were well.
    pub good: u64,
    /// And those that were not.
    pub bad: u64,
    /// Its sources, what failed first.
    pub lines: Vec<Line>,
}

impl Queue {
    /// Writes a report down, synced, and lets old ones go. False when it was there already.
    pub async fn add_report(&self, domain: &Domain, report: Report) -> Result<bool, QueueError> {
        let (domain, now) = (domain.clone(), self.clock.now());
        self.database
            .write(Durability::Synced, move |tx| {
                tx.execute("DELETE FROM report WHERE received_at <= $1", &[&now.before(REPORTS_KEPT)])?;
                let is_new = add(tx, &domain, &report, now)?;
                tx.execute(
                    "DELETE FROM report WHERE id IN (SELECT id FROM report ORDER BY received_at DESC, id DESC LIMIT 1000 OFFSET $1)",
                    &[&REPORTS_MAX],
                )?;
                Ok(is_new)
            })
            .await
    }

    /// The reports about a domain, the newest first.
    pub async fn list_reports(&self, domain: &Domain) -> Result<Vec<KeptReport>, QueueError> {
        let (domain, since) = (domain.clone(), self.clock.now().before(REPORTS_KEPT));
        self.database.read(move |tx| list(tx, &domain, since)).await
    }
}

fn add(tx: &mut Tx<'_>, domain: &Domain, report: &Report, now: Timestamp) -> Result<bool, QueueError> {
    let named = format!("{}\n{domain}\n{}\n{}", report.kind.name(), report.reporter, report.name);
    let fingerprint = blake3::hash(named.as_bytes()).to_hex().to_string();
    let id = Id::new(now);
    let added = tx.execute(
        "INSERT INTO report (id, fingerprint, kind, domain, reporter, begins_at, ends_at, received_at, good, bad)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (fingerprint) DO NOTHING",
        &[
            &id.as_i64(),
            &fingerprint,
            &report.kind.name(),
            domain,
            &report.reporter,
            &report.begins_at,
            &report.ends_at,
            &now,
            &number(report.good),
            &number(report.bad),
        ],
    )?;
    if added == 0 {
        return Ok(false);
    }
    for (line, position) in report.lines.iter().zip(0_i64..) {
        tx.execute(
            "INSERT INTO report_line (report, position, source, count, good, says) VALUES ($1, $2, $3, $4, $5, $6)",
            &[&id.as_i64(), &position, &line.source, &line.count, &line.good, &line.says],
        )?;
    }
    Ok(true)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn list(tx: &mut Tx<'_>, domain: &Domain, since: Timestamp) -> Result<Vec<KeptReport>, QueueError> {
    let mut ids: Vec<i64> = Vec::new();
    let mut reports = tx.query(
        "SELECT id, kind, reporter, begins_at, ends_at, received_at, good, bad FROM report
         WHERE domain = $1 AND received_at > $2 ORDER BY received_at DESC, id DESC",
        &[domain, &since],
        |row| {
            ids.push(row.get(0)?);
            Ok(KeptReport {
                kind: row.get(1)?,
                reporter: row.get(2)?,
                begins_at: row.get(3)?,
                ends_at: row.get(4)?,
                received_at: row.get(5)?,
                good: row.get(6)?,
                bad: row.get(7)?,
                lines: Vec::new(),
            })
        },
    )?;
    for (id, report) in ids.into_iter().zip(&mut reports) {
        report.lines =
            tx.query("SELECT source, count, good, says FROM report_line WHERE report = $1 ORDER BY position", &[&id], |row| {
                Ok(Line { source: row.get(0)?, count: row.get(1)?, good: row.get(2)?, says: row.get(3)? })
            })?;
    }
    Ok(reports)
}
