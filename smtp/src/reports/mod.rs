// SPDX-License-Identifier: AGPL-3.0-or-later
//! What other servers report about mail of our domains: DMARC aggregate reports (RFC 9990) and failures (RFC 6591), TLS
//! reports (RFC 8460), feedback from people who called a mail junk (RFC 5965).
//!
//! They come as mail to `reports@D`, which the records of a domain name, and to `postmaster@D` and `abuse@D`. A report at
//! the first is written down (`queue/reports.rs`) and put into no mailbox; at the others it is delivered as well. What is no
//! report, is about no domain of ours, or comes from nobody who can be held to it is a mail like any other.

mod read;
mod unpack;

use std::sync::Arc;

use hearth_identity::Directory;
use hearth_types::{Address, Domain, Timestamp, Trouble};
use tokio::sync::Semaphore;

pub use read::read;

use crate::ctx::Server;
use crate::inbound::check::{Finding, Findings};
use crate::message::Message;
use crate::state::{Goal, Transaction};

/// A report takes a few megabytes to read.
static READING: Semaphore = Semaphore::const_new(1);

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Who sent mail in the domain's name, over a day or so.
    Dmarc,
    /// How TLS to our servers fared.
    Tls,
    /// One mail that did not pass.
    Failure,
    /// One mail that somebody called junk.
    Abuse,
}

impl Kind {
    /// Its name in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dmarc => "dmarc",
            Self::Tls => "tls",
            Self::Failure => "failure",
            Self::Abuse => "abuse",
        }
    }
}

/// A report that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it is about.
    pub kind: Kind,
    /// The domain; feedback need not name it.
    pub domain: Option<Domain>,
    /// Who says so, by their own words.
    pub reporter: String,
    /// The reporter's name for it: the same again is the same report.
    pub name: String,
    /// The time that it is about,
    pub begins_at: Timestamp,
    /// and its end.
    pub ends_at: Timestamp,
    /// What failed first; a bounded number of lines.
    pub lines: Vec<Line>,
    /// Mails or sessions that were well, in all lines.
    pub good: u64,
    /// And those that were not.
    pub bad: u64,
}

/// One source in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The address that mail came from, or the server that TLS was tried with.
    pub source: String,
    /// How often.
    pub count: u32,
    /// Well or not.
    pub good: bool,
    /// In plain words.
    pub says: String,
}

/// Writes down the report that a mail is, when it came to where reports come. Recipients that have all they want of it
/// by that are taken out of the transaction, and given back.
pub(crate) async fn take(
    server: &Server,
    findings: &Findings,
    transaction: &mut Transaction,
    message: &Message,
) -> Result<Vec<Address>, Trouble> {
    let nobody = Ok(Vec::new());
    let Some(at) = transaction.recipients.iter().map(|known| known.address.clone()).find(is_reported_to) else { return nobody };
    // A larger one is no report.
    let Some(bytes) = message.whole().map(Arc::clone) else { return nobody };
    let _one = READING.acquire().await?;
    let Some(report) = tokio::task::spawn_blocking(move || read(&bytes)).await? else { return nobody };
    let named = report.domain.as_ref().unwrap_or_else(|| at.domain());
    let Some(domain) = ours(&server.directory, named).await? else { return nobody };
    if !is_answered_for(report.kind, findings) {
        tracing::info!(%domain, kind = report.kind.name(), "a report that nobody answers for is a mail like any other");
        return nobody;
    }
    let kind = report.kind.name();
    let is_new = server.queue.add_report(&domain, report).await?;
    metrics::counter!("smtp_reports_received_total", "kind" => kind).increment(1);
    tracing::info!(%domain, kind, is_new, "a report came");
    let (mut rest, mut taken) = (Vec::new(), Vec::new());
    for recipient in std::mem::take(&mut transaction.recipients) {
        // What is written down is kept, though nobody lives here whose mail it would be.
        if recipient.goal != Goal::Vacant && !server.directory.takes_reports(&recipient.address).await? {
            rest.push(recipient);
        } else {
            taken.push(recipient.address);
        }
    }
    transaction.recipients = rest;
    Ok(taken)
}

fn is_reported_to(address: &Address) -> bool {
    let base = address.without_subaddress();
    ["reports", "postmaster", "abuse"].iter().any(|name| base.local().eq_ignore_ascii_case(name))
}

/// The domain of ours that this is, or is below.
async fn ours(directory: &Directory, domain: &Domain) -> Result<Option<Domain>, Trouble> {
    let domains = directory.list_domains().await?;
    let is_in = |ours: &Domain| domain == ours || domain.as_str().ends_with(&format!(".{ours}"));
    Ok(domains.into_iter().map(|entry| entry.name).filter(is_in).max_by_key(|ours| ours.as_str().len()))
}

/// Else anybody could write what stands in `hearth domain reports`. RFC 8460 §5.3 wants a TLS report signed.
fn is_answered_for(kind: Kind, findings: &Findings) -> bool {
    let signed = findings.trusted || findings.dmarc.finding == Finding::Pass || findings.has_good_signature();
    match kind {
        Kind::Tls => findings.trusted || findings.has_good_signature(),
        Kind::Dmarc | Kind::Failure | Kind::Abuse => signed || findings.spf == Finding::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::check::DkimFinding;

    #[test]
    fn somebody_answers_for_a_report() {
        let signed = DkimFinding { finding: Finding::Pass, domain: "big.example".into() };
        let signed = Findings { dkim: vec![signed], ..Findings::default() };
        let sent = Findings { spf: Finding::Pass, ..Findings::default() };
        for (kind, findings, good) in [
            (Kind::Dmarc, &signed, true),
            (Kind::Dmarc, &sent, true),
            (Kind::Dmarc, &Findings::default(), false),
            (Kind::Tls, &signed, true),
            (Kind::Tls, &sent, false),
            (Kind::Abuse, &Findings { spf: Finding::Fail, ..Findings::default() }, false),
        ] {
            assert_eq!(is_answered_for(kind, findings), good, "{kind:?}");
        }
    }
}
