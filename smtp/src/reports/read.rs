// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: is this mail a report, and what does it say?
//!
//! The file in it is found by our own bounded reader of messages and unpacked within a bound; mail-auth reads the file.

use std::fmt::Write as _;

use hearth_types::{Domain, Timestamp};
use hearth_wire::message::{self, Part, decode_bytes};
use mail_auth::report::tlsrpt::TlsReport;
use mail_auth::report::{ActionDisposition, DmarcResult, Feedback, FeedbackType, Record, Report as DmarcReport};

use super::unpack::unpack;
use super::{Kind, Line, Report};
use crate::limits::{
    FEEDBACK_BYTES_MAX, REPORT_BYTES_MAX, REPORT_ELEMENTS_MAX, REPORT_LINES_MAX, REPORT_MAIL_BYTES_MAX, REPORT_PARTS_MAX,
    REPORT_TEXT_CHARS_MAX,
};

/// The report that a mail is; `None` when it is another mail.
pub fn read(raw: &[u8]) -> Option<Report> {
    if raw.len() > REPORT_MAIL_BYTES_MAX {
        return None;
    }
    let parsed = message::parse(raw);
    let leaves: Vec<&Part> = parsed.structure.leaves().into_iter().take(REPORT_PARTS_MAX).collect();
    let bytes_of = |part: &Part| {
        let range = usize::try_from(part.body.start).ok()?..usize::try_from(part.body.end).ok()?;
        decode_bytes(part, raw.get(range)?).ok()
    };
    // RFC 5965 §2: the machine-readable part.
    let feedback = leaves.iter().find(|part| part.mime_type() == "message/feedback-report");
    if let Some(bytes) = feedback.and_then(|part| bytes_of(part)) {
        return of_feedback(&bytes, &parsed.envelope.from.first().and_then(|from| from.address()).unwrap_or_default());
    }
    leaves.iter().filter(|part| may_be_report(part)).find_map(|part| of_file(&unpack(&bytes_of(part)?, REPORT_BYTES_MAX)?))
}

/// RFC 7489 §7.2.1.1, RFC 8460 §5.3. (quirk: many send application/octet-stream; the file's name tells)
fn may_be_report(part: &Part) -> bool {
    let name = part.file_name().unwrap_or_default().to_ascii_lowercase();
    let by_name = [".xml", ".gz", ".zip", ".json"].iter().any(|end| name.ends_with(end));
    by_name || ["xml", "gzip", "x-gzip", "zip", "tlsrpt+gzip", "tlsrpt+json"].contains(&part.subtype.as_str())
}

fn of_file(file: &[u8]) -> Option<Report> {
    // (quirk: some begin with a byte order mark)
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    // An empty element takes a few octets here and hundreds in memory.
    if file.iter().filter(|octet| matches!(octet, b'<' | b'{')).count() > REPORT_ELEMENTS_MAX {
        return None;
    }
    match file.trim_ascii_start().first()? {
        b'<' => DmarcReport::parse_xml(file).ok().and_then(of_dmarc),
        b'{' => TlsReport::parse_json(file).ok().and_then(of_tls),
        _ => None,
    }
}

/// RFC 9990: how mail that said it came from the domain fared at the reporter.
fn of_dmarc(report: DmarcReport) -> Option<Report> {
    let passed = |record: &Record| {
        let evaluated = &record.row.policy_evaluated;
        evaluated.dkim == DmarcResult::Pass || evaluated.spf == DmarcResult::Pass
    };
    let line = |record: &Record| Line {
        source: record.row.source_ip.map_or_else(|| "unknown".to_string(), |ip| ip.to_string()),
        count: record.row.count,
        good: passed(record),
        says: text(&of_record(record)),
    };
    let begins_at = seconds(report.date_range_begin());
    Some(sorted(Report {
        kind: Kind::Dmarc,
        domain: Some(Domain::parse(report.domain().trim_end_matches('.')).ok()?),
        reporter: text(report.org_name()),
        name: text(report.report_id()),
        begins_at,
        ends_at: seconds(report.date_range_end()).max(begins_at),
        lines: report.records().iter().map(line).collect(),
        good: 0,
        bad: 0,
    }))
}

fn of_record(record: &Record) -> String {
    let evaluated = &record.row.policy_evaluated;
    let word = |result: DmarcResult| match result {
        DmarcResult::Pass => "passes",
        DmarcResult::Fail => "fails",
        DmarcResult::Unspecified => "unknown",
    };
    let done = match evaluated.disposition {
        ActionDisposition::Quarantine => ", put into junk",
        ActionDisposition::Reject => ", refused",
        ActionDisposition::None | ActionDisposition::Pass | ActionDisposition::Unspecified => "",
    };
    format!("From {}: DKIM {}, SPF {}{done}", record.identifiers.header_from, word(evaluated.dkim), word(evaluated.spf))
}

/// RFC 8460 §4.4: how TLS to our servers fared.
fn of_tls(report: TlsReport) -> Option<Report> {
    let domain = report.policies.first().map(|policy| policy.policy.policy_domain.clone())?;
    let mut lines = Vec::new();
    for policy in &report.policies {
        let kind = word(&policy.policy.policy_type);
        if policy.summary.total_success > 0 {
            let says = format!("secured, by policy {kind}");
            lines.push(Line {
                source: text(&policy.policy.mx_host.join(" ")),
                count: policy.summary.total_success,
                good: true,
                says,
            });
        }
        let mut told = 0_u32;
        for failure in &policy.failure_details {
            let source = failure.receiving_mx_hostname.clone().or_else(|| failure.receiving_ip.map(|ip| ip.to_string()));
            let mut says = format!("{}, by policy {kind}", word(&failure.result_type));
            for more in [&failure.failure_reason_code, &failure.additional_information].into_iter().flatten() {
                // Writing to a String cannot fail.
                let _ = write!(says, "; {more}");
            }
            told = told.saturating_add(failure.failed_session_count);
            lines.push(Line {
                source: text(&source.unwrap_or_default()),
                count: failure.failed_session_count,
                good: false,
                says: text(&says),
            });
        }
        // RFC 8460 §4.4: the details may leave some of the failures out.
        let untold = policy.summary.total_failure.saturating_sub(told);
        if untold > 0 {
            lines.push(Line { source: String::new(), count: untold, good: false, says: format!("failed, by policy {kind}") });
        }
    }
    let begins_at = Timestamp::from_secs(report.date_range.start_datetime.to_timestamp());
    Some(sorted(Report {
        kind: Kind::Tls,
        domain: Some(Domain::parse(domain.trim_end_matches('.')).ok()?),
        reporter: text(report.organization_name.as_deref().unwrap_or("unknown")),
        name: text(&report.report_id),
        begins_at,
        ends_at: Timestamp::from_secs(report.date_range.end_datetime.to_timestamp()).max(begins_at),
        lines,
        good: 0,
        bad: 0,
    }))
}

/// RFC 5965: somebody called a mail junk; RFC 6591: a mail did not pass.
fn of_feedback(bytes: &[u8], from: &str) -> Option<Report> {
    if bytes.len() > FEEDBACK_BYTES_MAX {
        return None;
    }
    let feedback = Feedback::parse_arf(bytes)?;
    let (kind, says) = match feedback.feedback_type {
        FeedbackType::AuthFailure => (Kind::Failure, "did not pass"),
        FeedbackType::Fraud => (Kind::Abuse, "called a fraud"),
        FeedbackType::Virus => (Kind::Abuse, "said to hold a virus"),
        FeedbackType::NotSpam => (Kind::Abuse, "said to be no junk"),
        FeedbackType::Abuse | FeedbackType::Other => (Kind::Abuse, "called junk"),
    };
    let mut says = says.to_string();
    for (name, value) in [("from", &feedback.original_mail_from), ("to", &feedback.original_rcpt_to)] {
        if let Some(value) = value {
            let _ = write!(says, ", {name} {value}");
        }
    }
    let reported = feedback.reported_domain.iter().map(|domain| domain.as_ref()).chain(feedback.dkim_domain.as_deref());
    let at = Timestamp::from_secs(feedback.arrival_date.unwrap_or_default());
    Some(sorted(Report {
        kind,
        domain: reported.filter_map(|domain| Domain::parse(domain.trim().trim_end_matches('.')).ok()).next(),
        reporter: text(feedback.reporting_mta.as_deref().map_or(from, |mta| mta.trim_start_matches("dns;").trim())),
        // Feedback has no name of its own: the mail's hash is one.
        name: blake3::hash(bytes).to_hex().to_string(),
        begins_at: at,
        ends_at: at,
        lines: vec![Line {
            source: feedback.source_ip.map_or_else(|| "unknown".to_string(), |ip| ip.to_string()),
            count: feedback.incidents.max(1),
            good: feedback.feedback_type == FeedbackType::NotSpam,
            says: text(&says),
        }],
        good: 0,
        bad: 0,
    }))
}

/// Counts all lines and keeps those that matter most: what failed, then what is most.
fn sorted(mut report: Report) -> Report {
    let sum = |good: bool| report.lines.iter().filter(|line| line.good == good).map(|line| u64::from(line.count)).sum();
    (report.good, report.bad) = (sum(true), sum(false));
    report.lines.sort_by_key(|line| (line.good, std::cmp::Reverse(line.count)));
    report.lines.truncate(REPORT_LINES_MAX);
    report
}

/// A stranger's words: one line, of a bounded length.
fn text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REPORT_TEXT_CHARS_MAX).collect::<String>().trim().to_string()
}

/// The word that the format itself has for it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(text)).unwrap_or_default()
}

fn seconds(seconds: u64) -> Timestamp {
    // A year beyond which no clock here counts is no date.
    Timestamp::from_secs(i64::try_from(seconds).unwrap_or_default().min(1 << 40))
}

#[cfg(test)]
pub(super) mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    use super::super::unpack::tests::{gzip, zip};
    use super::*;

    pub(in crate::reports) fn xml(records: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><feedback><report_metadata><org_name>Big Mail</org_name><email>x@big.example</email>\
             <report_id>77</report_id><date_range><begin>1795305600</begin><end>1795391999</end></date_range></report_metadata>\
             <policy_published><domain>home.example</domain><p>reject</p></policy_published>{records}</feedback>"
        )
    }

    pub(in crate::reports) fn record(ip: &str, count: u32, dkim: &str) -> String {
        format!(
            "<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated><disposition>reject</disposition>\
             <dkim>{dkim}</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>home.example</header_from>\
             </identifiers><auth_results></auth_results></record>"
        )
    }

    pub(in crate::reports) fn mail(kind: &str, name: &str, file: &[u8]) -> Vec<u8> {
        let lines: Vec<String> =
            BASE64_STANDARD.encode(file).as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        format!(
            "From: noreply@big.example\r\nTo: reports@home.example\r\nSubject: Report\r\nMIME-Version: 1.0\r\n\
             Content-Type: {kind}; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            lines.join("\r\n")
        )
        .into_bytes()
    }

    #[test]
    fn an_aggregate_report_however_it_is_packed() {
        let file = xml(&(record("192.0.2.9", 3, "fail") + &record("192.0.2.1", 40, "pass")));
        let plain = file.as_bytes();
        for (kind, name, bytes) in [
            ("application/gzip", "r.xml.gz", gzip(plain)),
            ("application/zip", "r.zip", zip(plain, 8)),
            ("application/octet-stream", "R.XML.GZ", gzip(plain)),
            ("text/xml", "r", plain.to_vec()),
        ] {
            let report = read(&mail(kind, name, &bytes)).expect(kind);
            assert_eq!((report.kind, report.good, report.bad), (Kind::Dmarc, 40, 3));
            assert_eq!(report.domain.as_ref().map(|domain| domain.as_str()), Some("home.example"));
            assert_eq!((report.reporter.as_str(), report.begins_at), ("Big Mail", Timestamp::from_secs(1_795_305_600)));
            assert_eq!(report.lines[0].source, "192.0.2.9", "what failed comes first");
            assert_eq!(report.lines[0].says, "From home.example: DKIM fails, SPF fails, refused");
        }
    }

    #[test]
    fn tls_failures_are_counted_and_named() {
        let json = "{\"organization-name\":\"Big Mail\",\"report-id\":\"5\",\"date-range\":{\"start-datetime\":\"2026-11-21T00:00:00Z\",\
            \"end-datetime\":\"2026-11-21T23:59:59Z\"},\"policies\":[{\"policy\":{\"policy-type\":\"sts\",\
            \"policy-domain\":\"home.example\",\"mx-host\":[\"mail.home.example\"]},\"summary\":{\"total-successful-session-count\":9,\
            \"total-failure-session-count\":5},\"failure-details\":[{\"result-type\":\"certificate-expired\",\
            \"receiving-mx-hostname\":\"mail.home.example\",\"failed-session-count\":3}]}]}";
        let report = read(&mail("application/tlsrpt+gzip", "r.json.gz", &gzip(json.as_bytes()))).expect("a report");
        assert_eq!((report.kind, report.good, report.bad), (Kind::Tls, 9, 5));
        assert!(report.lines.iter().any(|line| line.says == "certificate-expired, by policy sts" && line.count == 3), "{report:?}");
        assert!(report.lines.iter().any(|line| line.says == "failed, by policy sts" && line.count == 2), "{report:?}");
    }

    #[test]
    fn feedback_about_one_mail() {
        let arf = |kind: &str| {
            format!(
                "From: <fbl@big.example>\r\nTo: abuse@home.example\r\nMIME-Version: 1.0\r\n\
                 Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n\
                 Content-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\nUser-Agent: x\r\nVersion: 1\r\n\
                 Original-Mail-From: <alice@home.example>\r\nReported-Domain: home.example\r\nSource-IP: 192.0.2.7\r\n\r\n--b\r\n\
                 Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny\r\n--b--\r\n"
            )
        };
        let report = read(arf("abuse").as_bytes()).expect("a report");
        assert_eq!((report.kind, report.good, report.bad), (Kind::Abuse, 0, 1));
        assert_eq!((report.reporter.as_str(), report.lines[0].source.as_str()), ("fbl@big.example", "192.0.2.7"));
        assert_eq!(read(arf("auth-failure").as_bytes()).map(|report| report.kind), Some(Kind::Failure));
        assert_eq!(read(arf("not-spam").as_bytes()).map(|report| (report.good, report.bad)), Some((1, 0)));
        let fields = "Feedback-Type: abuse\r\nUser-Agent: x\r\nVersion: 1\r\nReported-Domain: home.example\r\nX-Long: ";
        let of = |length: usize| of_feedback(format!("{fields}{}\r\n", "x".repeat(length - fields.len() - 2)).as_bytes(), "x");
        assert!(of(FEEDBACK_BYTES_MAX).is_some() && of(FEEDBACK_BYTES_MAX + 1).is_none());
    }

    #[test]
    fn what_is_no_report() {
        for raw in [
            b"Subject: hi\r\n\r\n<feedback>in the text</feedback>\r\n".to_vec(),
            mail("application/zip", "holiday.zip", &zip(b"no report", 8)),
            mail("application/gzip", "r.xml.gz", &gzip(b"<feedback><unfinished")),
            mail("application/gzip", "r.xml.gz", b"\x1f\x8bno gzip"),
            mail("application/gzip", "r.json.gz", &gzip(b"{\"policies\":[]}")),
        ] {
            assert_eq!(read(&raw), None, "{}", String::from_utf8_lossy(&raw));
        }
    }

    #[test]
    fn both_sides_of_each_bound() {
        let padded = |size: usize| {
            let mut file = xml(&record("192.0.2.9", 1, "fail")).into_bytes();
            file.resize(size, b' ');
            gzip(&file)
        };
        assert!(read(&mail("application/gzip", "r.xml.gz", &padded(REPORT_BYTES_MAX))).is_some());
        assert!(read(&mail("application/gzip", "r.xml.gz", &padded(REPORT_BYTES_MAX + 1))).is_none());
        for (count, kept) in [(REPORT_LINES_MAX, REPORT_LINES_MAX), (REPORT_LINES_MAX + 1, REPORT_LINES_MAX)] {
            let records: String = (0..count).map(|_| record("192.0.2.9", 1, "fail")).collect();
            let report = read(&mail("text/xml", "r.xml", xml(&records).as_bytes())).expect("a report");
            assert_eq!((report.lines.len(), report.bad), (kept, count as u64));
        }
        let tags = |count: usize| {
            let file = xml(&record("192.0.2.9", 1, "fail"));
            let known = file.matches('<').count();
            file.replace("</feedback>", &format!("{}</feedback>", "<a/>".repeat(count - known)))
        };
        assert!(read(&mail("application/gzip", "r.xml.gz", &gzip(tags(REPORT_ELEMENTS_MAX).as_bytes()))).is_some());
        assert!(read(&mail("application/gzip", "r.xml.gz", &gzip(tags(REPORT_ELEMENTS_MAX + 1).as_bytes()))).is_none());
        let mut large = mail("text/xml", "r.xml", xml("").as_bytes());
        large.resize(REPORT_MAIL_BYTES_MAX, b'\n');
        assert!(read(&large).is_some());
        large.push(b'\n');
        assert!(read(&large).is_none());
        let parts = |count: usize| {
            let empty = "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n".repeat(count - 1);
            format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n{empty}--b\r\nContent-Type: text/xml\r\n\r\n{}\r\n--b--\r\n",
                xml(&record("192.0.2.9", 1, "pass"))
            )
        };
        assert!(read(parts(REPORT_PARTS_MAX).as_bytes()).is_some());
        assert!(read(parts(REPORT_PARTS_MAX + 1).as_bytes()).is_none());
        assert_eq!(text(&"x".repeat(REPORT_TEXT_CHARS_MAX + 1)).len(), REPORT_TEXT_CHARS_MAX);
    }
}
