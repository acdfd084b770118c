// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mails that a script writes (answers, notices), made sound before they leave.
//!
//! Their header is put together from a stranger's words (the Subject that is answered): of all fields one of each
//! known name is kept, what is not ASCII is encoded, lines end with CRLF.

use hearth_wire::message::encode_words;
use hearth_wire::smtp::{Fields, body_offset};

/// Fields of a mail that a script writes.
const KEPT: [&str; 14] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "In-Reply-To",
    "References",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Importance",
    "X-Priority",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// RFC 3834 §2, RFC 5230 §4.6: lists, programs and those who ask for it get no answer. (quirk: Precedence and
/// X-Auto-Response-Suppress are no standards, and are what many programs write.)
pub(super) fn is_automatic(raw: &[u8]) -> bool {
    Fields::of(raw).any(|field| {
        let value = String::from_utf8_lossy(field.value()).trim().to_ascii_lowercase();
        let says = |words: &[&str]| value.split(',').any(|word| words.contains(&word.trim()));
        match () {
            () if field.is("Auto-Submitted") => value != "no",
            () if field.is("Precedence") => says(&["bulk", "list", "junk"]),
            () if field.is("X-Auto-Response-Suppress") => says(&["all", "oof", "autoreply"]),
            () => field.name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"List-")),
        }
    })
}

pub(super) fn make_sound(raw: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(raw.len() + 128);
    let mut written = [false; KEPT.len()];
    for field in Fields::of(raw) {
        let known = KEPT.iter().position(|name| field.is(name)).and_then(|at| written.get_mut(at).map(|seen| (at, seen)));
        let Some((at, seen)) = known.filter(|(_, seen)| !**seen) else { continue };
        *seen = true;
        let name = KEPT.get(at).copied().unwrap_or_default();
        let value = String::from_utf8_lossy(field.value());
        let value: String =
            value.split(['\r', '\n']).map(str::trim).filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join("\r\n\t");
        let value = if value.is_ascii() { value } else { encode_phrase(name, &value.replace("\r\n\t", " ")) };
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    let has = |name: &str| KEPT.iter().position(|kept| *kept == name).and_then(|at| written.get(at)).copied().unwrap_or(false);
    if !has("MIME-Version") {
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
    }
    if !has("Content-Transfer-Encoding") {
        out.extend_from_slice(b"Content-Transfer-Encoding: 8bit\r\n");
    }
    out.extend_from_slice(b"\r\n");
    let body = raw.get(body_offset(raw)..).unwrap_or_default();
    for line in body.split(|byte| *byte == b'\n') {
        // No bare CR either.
        out.extend(line.iter().filter(|byte| **byte != b'\r'));
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// In an address only what stands before `<` may be encoded.
fn encode_phrase(name: &str, value: &str) -> String {
    match value.rsplit_once('<') {
        Some((phrase, address)) if ["From", "To", "Cc"].contains(&name) => {
            format!("{} <{address}", encode_words(phrase.trim().trim_matches('"')))
        }
        _ => encode_words(value).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_stranger_becomes_a_field() {
        let raw = "From: \"Zoë\" <a@x.org>\r\nSubject: Auto: a\r\nBcc: b@x.org\r\nX-Evil: 1\r\nSubject: again\r\n\
            Auto-Submitted: auto-replied\r\n\r\nline\nother\r\n";
        let sound = String::from_utf8(make_sound(raw.as_bytes())).expect("text");
        assert!(sound.starts_with("From: =?utf-8?B?"), "{sound}");
        for gone in ["Bcc", "X-Evil", "again"] {
            assert!(!sound.contains(gone), "{sound}");
        }
        assert!(sound.contains("\r\n\r\nline\r\nother\r\n"), "{sound:?}");
        assert!(sound.contains("MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"));
    }
}
