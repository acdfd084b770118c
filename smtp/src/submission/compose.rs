// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: a submitted message made complete (RFC 6409 §8): Date and Message-ID added where they are missing, Bcc and
//! what only servers write taken away.

use hearth_types::{Domain, Timestamp};
use hearth_wire::smtp::{Field, Fields};

use crate::trace;

/// RFC 5322 §3.6.3: blind recipients are told nothing of; the others are a server's fields, which a client has no
/// business to write.
const TAKEN_AWAY: [&str; 6] = ["Bcc", "Resent-Bcc", "Return-Path", "Delivered-To", "X-Hearth-Reason", "Authentication-Results"];

/// The start of the message made complete; `None`: it is. `autocrypt` is the author's own field (Autocrypt Level 1 §2.1),
/// for mails that have none.
pub(super) fn complete(start: &[u8], domain: &Domain, id: &str, now: Timestamp, autocrypt: Option<String>) -> Option<Vec<u8>> {
    let unwanted = |field: &Field<'_>| TAKEN_AWAY.iter().any(|name| field.is(name));
    let without = trace::without(start, unwanted);
    let has = |name: &str| Fields::of(without.as_deref().unwrap_or(start)).any(|field| field.is(name));
    let mut added = String::new();
    if !has("Date") {
        added.push_str(&format!("Date: {}\r\n", trace::date(now)));
    }
    if !has("Message-ID") {
        added.push_str(&format!("Message-ID: <{id}@{domain}>\r\n"));
    }
    if let Some(field) = autocrypt.filter(|_| !has("Autocrypt")) {
        added.push_str(&field);
    }
    if added.is_empty() { without } else { Some([added.as_bytes(), without.as_deref().unwrap_or(start)].concat()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(raw: &str) -> String {
        let domain = Domain::parse("x.org").expect("a domain");
        let new = complete(raw.as_bytes(), &domain, "id", Timestamp::from_secs(1_795_366_800), None);
        new.map_or_else(|| raw.to_string(), |new| String::from_utf8(new).expect("text"))
    }

    #[test]
    fn what_is_missing_is_added_once() {
        let added = "Date: Sun, 22 Nov 2026 17:00:00 +0000\r\nMessage-ID: <id@x.org>\r\n";
        assert_eq!(completed("From: a@x.org\r\n\r\nhi\r\n"), format!("{added}From: a@x.org\r\n\r\nhi\r\n"));
        let whole = "Date: x\r\nmessage-id: <y>\r\n\r\nhi\r\n";
        assert_eq!(completed(whole), whole);
    }

    #[test]
    fn a_program_s_own_key_goes_before_ours() {
        let domain = Domain::parse("x.org").expect("a domain");
        let with = |raw: &str| {
            let field = Some("Autocrypt: ours\r\n".to_string());
            let new = complete(raw.as_bytes(), &domain, "id", Timestamp::from_secs(0), field);
            new.map_or_else(|| raw.to_string(), |new| String::from_utf8(new).expect("text"))
        };
        let whole = "Date: x\r\nMessage-ID: <y>\r\n";
        assert_eq!(with(&format!("{whole}\r\n")), format!("Autocrypt: ours\r\n{whole}\r\n"));
        let own = format!("{whole}Autocrypt: own\r\n\r\n");
        assert_eq!(with(&own), own);
    }

    #[test]
    fn blind_recipients_stay_blind() {
        let raw = "Date: x\r\nBcc: secret@x.org,\r\n other@x.org\r\nMessage-ID: y\r\nReturn-Path: <z>\r\n\r\nBcc: in the body\r\n";
        assert_eq!(completed(raw), "Date: x\r\nMessage-ID: y\r\n\r\nBcc: in the body\r\n");
    }
}
