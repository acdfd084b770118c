// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth domain reports`: what other mail servers report about a domain.

use hearth_smtp::queue::KeptReport;
use hearth_types::Domain;
use serde_json::{Value, json};

use super::queue::moment;
use crate::out::Out;

/// Prints them: the sums, or with `sources` each line; a program gets both.
pub(super) fn show(reports: &[KeptReport], domain: &Domain, sources: bool, out: &Out) {
    let empty = format!(
        "No report about {domain} came in the last 90 days. Others send them when DNS names the address: hearth domain check {domain}"
    );
    if out.is_json() {
        return out.table(&reports.iter().map(whole).collect::<Vec<_>>(), &[], &empty);
    }
    if sources {
        let rows: Vec<Value> = reports.iter().flat_map(each_source).collect();
        return out.table(&rows, &["kind", "reporter", "well", "count", "source", "says"], &empty);
    }
    let rows: Vec<Value> = reports.iter().map(summed).collect();
    out.table(&rows, &["kind", "reporter", "from", "to", "well", "failed", "mostly"], &empty);
}

fn whole(report: &KeptReport) -> Value {
    let lines: Vec<Value> = report
        .lines
        .iter()
        .map(|line| json!({ "source": line.source, "count": line.count, "ok": line.good, "says": line.says }))
        .collect();
    json!({
        "kind": report.kind,
        "reporter": report.reporter,
        "begins_at": report.begins_at.secs(),
        "ends_at": report.ends_at.secs(),
        "received_at": report.received_at.secs(),
        "good": report.good,
        "bad": report.bad,
        "sources": lines,
    })
}

fn summed(report: &KeptReport) -> Value {
    // The first line is what failed most.
    let mostly = report.lines.first().filter(|line| !line.good).map(|line| format!("{} {}", line.source, line.says));
    json!({
        "kind": report.kind,
        "reporter": report.reporter,
        "from": moment(report.begins_at),
        "to": moment(report.ends_at),
        "well": report.good,
        "failed": report.bad,
        "mostly": mostly,
    })
}

fn each_source(report: &KeptReport) -> Vec<Value> {
    let row = |line: &hearth_smtp::reports::Line| {
        json!({
            "kind": report.kind,
            "reporter": report.reporter,
            "well": line.good,
            "count": line.count,
            "source": line.source,
            "says": line.says,
        })
    };
    report.lines.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use hearth_smtp::reports::Line;
    use hearth_types::Timestamp;

    use super::*;

    #[test]
    fn what_failed_most_is_said() {
        let line = |good, count| Line { source: "192.0.2.9".into(), count, good, says: "DKIM fails".into() };
        let report = KeptReport {
            kind: "dmarc".into(),
            reporter: "Big Mail".into(),
            begins_at: Timestamp::from_secs(0),
            ends_at: Timestamp::from_secs(86_399),
            received_at: Timestamp::from_secs(90_000),
            good: 4,
            bad: 3,
            lines: vec![line(false, 3), line(true, 4)],
        };
        let row = summed(&report);
        assert_eq!((row["mostly"].as_str(), row["failed"].as_u64()), (Some("192.0.2.9 DKIM fails"), Some(3)));
        assert_eq!(each_source(&report).len(), 2);
        assert_eq!(whole(&report)["sources"][1]["ok"], json!(true));
        let fine = KeptReport { lines: vec![line(true, 4)], ..report };
        assert_eq!(summed(&fine)["mostly"], Value::Null);
    }
}
