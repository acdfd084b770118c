// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: a message that came as BINARYMIME (RFC 3030 §3) made into one of lines.
//!
//! IMAP and most servers know no binary parts, so a message is converted once, when it is taken: after its signatures were
//! checked, before it is filtered, signed by us, stored or sent on. Parts that are no lines become base64 (RFC 2045 §6.8);
//! all else stays octet for octet. So nothing behind this ever has to ask a peer for BINARYMIME.

use std::ops::Range;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hearth_wire::message::{self, Part, TransferEncoding};
use hearth_wire::smtp::{DataFault, Fields, LineCheck};

/// Octets of content on a line of base64: 76 characters.
const LINE_OCTETS: usize = 57;

/// The message in lines; `Err` when what is no part of it (its header, the text between parts) has none.
pub(crate) fn to_lines(raw: Vec<u8>) -> Result<Vec<u8>, DataFault> {
    if fault(&raw).is_none() && !says_binary(&raw) {
        return Ok(raw);
    }
    let parsed = message::parse(&raw);
    let mut edits: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
    for part in parsed.structure.walk() {
        edit(&raw, part, &mut edits);
    }
    edits.sort_by_key(|(range, _)| range.start);
    let mut out = Vec::with_capacity(raw.len() / 2 * 3);
    let mut at = 0;
    for (range, new) in edits {
        // Parts are inside each other or apart; an edit that overlaps another is of a part that was misread.
        if range.start < at {
            continue;
        }
        out.extend_from_slice(raw.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(&new);
        at = range.end;
    }
    out.extend_from_slice(raw.get(at..).unwrap_or_default());
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    match fault(&out) {
        None => Ok(out),
        Some(fault) => Err(fault),
    }
}

fn fault(raw: &[u8]) -> Option<DataFault> {
    let mut check = LineCheck::default();
    check.push(raw);
    check.finish()
}

fn says_binary(raw: &[u8]) -> bool {
    message::parse(raw).structure.walk().iter().any(|part| part.encoding == TransferEncoding::Binary)
}

/// The edits that a part wants: its transfer encoding, and its body when that is to be base64.
fn edit(raw: &[u8], part: &Part, edits: &mut Vec<(Range<usize>, Vec<u8>)>) {
    let usual = |range: &Range<u64>| Some(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?);
    let (Some(header), Some(body)) = (usual(&part.header), usual(&part.body)) else { return };
    let (Some(fields), Some(content)) = (raw.get(header.clone()), raw.get(body.clone())) else { return };
    let has_parts = part.is_multipart() || part.is_message();
    let is_binary = part.encoding == TransferEncoding::Binary;
    let is_plain = matches!(part.encoding, TransferEncoding::SevenBit | TransferEncoding::EightBit);
    let to_base64 = !has_parts && (is_binary || (is_plain && fault(content).is_some()));
    if !to_base64 && !is_binary {
        return;
    }
    // RFC 2045 §6.4: what has parts says no more than what they are.
    let said = format!("Content-Transfer-Encoding: {}\r\n", if to_base64 { "base64" } else { "8bit" });
    let mut at = header.start;
    let mut place = None;
    for field in Fields::of(fields) {
        let range = at..at + field.raw.len();
        at = range.end;
        if field.is("Content-Transfer-Encoding") {
            place = Some(range);
        }
    }
    // Without such a field it is put behind the last.
    edits.push((place.unwrap_or(at..at), said.into_bytes()));
    if to_base64 {
        let mut lines = Vec::with_capacity(content.len() / 2 * 3);
        for (number, line) in content.chunks(LINE_OCTETS).enumerate() {
            if number > 0 {
                lines.extend_from_slice(b"\r\n");
            }
            lines.extend_from_slice(BASE64_STANDARD.encode(line).as_bytes());
        }
        edits.push((body, lines));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: &str = "From: a@b.c\r\nMIME-Version: 1.0\r\n";

    fn converted(text: &str) -> Result<String, DataFault> {
        to_lines(text.as_bytes().to_vec()).map(|raw| String::from_utf8(raw).expect("text"))
    }

    #[test]
    fn what_has_lines_stays() {
        for text in ["From: a@b.c\r\n\r\nhi\r\n", "From: a@b.c\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n"] {
            assert_eq!(converted(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_binary_body_becomes_base64() {
        let text = format!("{TOP}Content-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\na\nb\rc\0\r\n");
        let lines = converted(&text).expect("lines");
        assert_eq!(
            lines,
            format!(
                "{TOP}Content-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
                BASE64_STANDARD.encode("a\nb\rc\0\r\n")
            )
        );
    }

    #[test]
    fn parts_are_converted_one_by_one() {
        let text = format!(
            "{TOP}Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n--b\r\n\r\nplain text\r\n--b\r\n\
             Content-Type: image/x\r\nContent-Transfer-Encoding: BINARY\r\n\r\n{}\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
             unix\nlines\r\n--b--\r\n",
            "x\0".repeat(60)
        );
        let lines = converted(&text).expect("lines");
        let encoded = BASE64_STANDARD.encode("x\0".repeat(60));
        assert!(lines.contains("boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--b\r\n\r\nplain text\r\n--b\r\n"), "{lines}");
        assert!(lines.contains(&format!("base64\r\n\r\n{}\r\n{}\r\n", &encoded[..76], &encoded[76..152])), "{lines}");
        assert!(
            lines.contains(&format!(
                "text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
                BASE64_STANDARD.encode("unix\nlines")
            )),
            "{lines}"
        );
        // What a program reads is what was sent.
        let parsed = message::parse(lines.as_bytes());
        let image = parsed.structure.leaves()[1];
        let body = &lines.as_bytes()[image.body.start as usize..image.body.end as usize];
        assert_eq!(message::decode_bytes(image, body).expect("sound"), "x\0".repeat(60).into_bytes());
        assert_eq!(converted(&lines).as_deref(), Ok(lines.as_str()), "once");
    }

    #[test]
    fn a_message_inside_is_converted_inside() {
        let inner = "Subject: in\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n\x01\0\n";
        let text = format!(
            "{TOP}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\
             Content-Transfer-Encoding: binary\r\n\r\n{inner}\r\n--b--\r\n"
        );
        let lines = converted(&text).expect("lines");
        assert!(lines.contains("message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: in\r\n"), "{lines}");
        assert!(
            lines.contains(&format!("Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--", BASE64_STANDARD.encode("\x01\0\n"))),
            "{lines}"
        );
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for text in [
            "From: a@b.c\nSubject: x\r\n\r\nhi\r\n".to_string(),
            format!("{TOP}Content-Type: multipart/mixed; boundary=b\r\n\r\na\0b\r\n--b\r\n\r\nx\r\n--b--\r\n"),
            format!("{TOP}Content-Transfer-Encoding: base64\r\n\r\na\nb\r\n"),
        ] {
            assert!(converted(&text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn any_bytes_become_lines_or_are_refused() {
        let mut state = 7_u32;
        let alphabet = [
            b"--b\r\n".as_slice(),
            b"Content-Transfer-Encoding: binary\r\n",
            b"\r\n",
            b"\n",
            b"\0",
            b"Content-Type: message/rfc822\r\n",
            b"x",
        ];
        for _ in 0..2_000 {
            let mut raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
            for _ in 0..20 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                raw.extend_from_slice(alphabet[(state >> 24) as usize % alphabet.len()]);
            }
            if let Ok(lines) = to_lines(raw) {
                assert_eq!(fault(&lines), None);
            }
        }
    }
}
