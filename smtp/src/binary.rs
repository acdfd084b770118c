// SPDX-License-Identifier: AGPL-3.0-or-later
//! A message that came as BINARYMIME (RFC 3030 §3) made into one of lines.
//!
//! IMAP and most servers know no binary parts, so a message is converted once, when it is taken: after its signatures were
//! checked, before it is filtered, signed by us, stored or sent on. Parts that are no lines become base64 (RFC 2045 §6.8);
//! all else stays octet for octet. So nothing behind this ever has to ask a peer for BINARYMIME.

use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hearth_types::{Fault, Trouble};
use hearth_wire::message::{Part, Scanner, TransferEncoding};
use hearth_wire::smtp::{DataFault, Fields, HEADER_BYTES_MAX, LineCheck, Reply};

use crate::command::data::of_fault;
use crate::ctx::Server;
use crate::message::{Message, Reader, Spool};

/// Octets of content on a line of base64: 76 characters.
const LINE_OCTETS: u64 = 57;

/// The message in lines; the reply when what is no part of it (its header, the text between parts) has none.
pub(crate) async fn to_lines(server: &Server, message: Message) -> Result<Message, Fault<Reply>> {
    let dir = server.queue.dir().to_path_buf();
    let converted = tokio::task::spawn_blocking(move || convert(&message, &dir)).await.map_err(Trouble::from)?;
    converted.map_err(|error| Fault::Ours(Trouble::from(error)))?.map_err(|fault| Fault::Peer(of_fault(fault)))
}

/// A change: what it says of its encoding; or a body that is to be base64.
enum Edit {
    Says(String),
    ToBase64,
}

fn convert(message: &Message, dir: &Path) -> io::Result<Result<Message, DataFault>> {
    let (mut scanner, mut check) = (Scanner::new(), LineCheck::default());
    message.each(|piece| {
        scanner.push(piece);
        check.push(piece);
    })?;
    let structure = scanner.finish().structure;
    let parts = structure.walk();
    if check.finish().is_none() && !parts.iter().any(|part| part.encoding == TransferEncoding::Binary) {
        return Ok(Ok(message.clone()));
    }
    let mut edits: Vec<(Range<u64>, Edit)> = Vec::new();
    let mut whole = Walk { reader: message.reader()?, at: 0 };
    for part in parts {
        edit(&mut whole, part, &mut edits)?;
    }
    edits.sort_by_key(|(range, _)| range.start);
    let mut lines = Lines { to: Spool::new(dir), check: LineCheck::default() };
    let mut from = Walk { reader: message.reader()?, at: 0 };
    for (range, edit) in edits {
        // Parts are inside each other or apart; an edit that overlaps another is of a part that was misread.
        if range.start < from.at {
            continue;
        }
        from.copy_to(range.start, &mut lines)?;
        match edit {
            Edit::Says(field) => {
                lines.write_all(field.as_bytes())?;
                from.copy_to(range.end, &mut io::sink())?;
            }
            Edit::ToBase64 => encode(&mut from, range.end, &mut lines)?,
        }
    }
    from.copy_to(message.len(), &mut lines)?;
    if !lines.check.is_at_line_start() {
        lines.write_all(b"\r\n")?;
    }
    match lines.check.finish() {
        None => Ok(Ok(lines.to.finish()?)),
        Some(fault) => Ok(Err(fault)),
    }
}

/// Goes through a message, in its order.
struct Walk {
    reader: Reader,
    at: u64,
}

impl Walk {
    fn copy_to(&mut self, end: u64, to: &mut dyn Write) -> io::Result<()> {
        self.at += io::copy(&mut (&mut self.reader).take(end.saturating_sub(self.at)), to)?;
        Ok(())
    }

    fn bytes_to(&mut self, end: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.copy_to(end, &mut bytes)?;
        Ok(bytes)
    }
}

/// What is written, watched for its line ends.
struct Lines {
    to: Spool,
    check: LineCheck,
}

impl Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.check.push(octets);
        self.to.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Watches alone.
#[derive(Default)]
struct Faults(LineCheck);

impl Write for Faults {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.push(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The edits that a part wants: its transfer encoding, and its body when that is to be base64. Parts are asked in their
/// order; one whose header has no bound stays as it is.
fn edit(whole: &mut Walk, part: &Part, edits: &mut Vec<(Range<u64>, Edit)>) -> io::Result<()> {
    let has_parts = part.is_multipart() || part.is_message();
    let is_binary = part.encoding == TransferEncoding::Binary;
    let is_plain = matches!(part.encoding, TransferEncoding::SevenBit | TransferEncoding::EightBit);
    if part.header.start < whole.at || part.header.end.saturating_sub(part.header.start) > HEADER_BYTES_MAX as u64 {
        return Ok(());
    }
    whole.copy_to(part.header.start, &mut io::sink())?;
    let fields = whole.bytes_to(part.header.end)?;
    let mut faults = Faults::default();
    if !has_parts && is_plain {
        whole.copy_to(part.body.end, &mut faults)?;
    }
    let to_base64 = !has_parts && (is_binary || faults.0.finish().is_some());
    if !to_base64 && !is_binary {
        return Ok(());
    }
    // RFC 2045 §6.4: what has parts says no more than what they are.
    let said = format!("Content-Transfer-Encoding: {}\r\n", if to_base64 { "base64" } else { "8bit" });
    let mut at = part.header.start;
    let mut place = None;
    for field in Fields::of(&fields) {
        let range = at..at + field.raw.len() as u64;
        at = range.end;
        if field.is("Content-Transfer-Encoding") {
            place = Some(range);
        }
    }
    // Without such a field it is put behind the last.
    edits.push((place.unwrap_or(at..at), Edit::Says(said)));
    if to_base64 {
        edits.push((part.body.clone(), Edit::ToBase64));
    }
    Ok(())
}

fn encode(from: &mut Walk, end: u64, to: &mut dyn Write) -> io::Result<()> {
    let mut is_first = true;
    while from.at < end {
        let line = from.bytes_to(end.min(from.at + LINE_OCTETS))?;
        if line.is_empty() {
            break;
        }
        if !std::mem::take(&mut is_first) {
            to.write_all(b"\r\n")?;
        }
        to.write_all(BASE64_STANDARD.encode(line).as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: &str = "From: a@b.c\r\nMIME-Version: 1.0\r\n";

    fn to_lines(raw: Vec<u8>) -> Result<Vec<u8>, DataFault> {
        let converted = convert(&Message::from(raw), Path::new("/nowhere")).expect("in memory");
        converted.map(|message| message.whole().expect("small").to_vec())
    }

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
        let parsed = hearth_wire::message::parse(lines.as_bytes());
        let image = parsed.structure.leaves()[1];
        let body = &lines.as_bytes()[image.body.start as usize..image.body.end as usize];
        assert_eq!(hearth_wire::message::decode_bytes(image, body).expect("sound"), "x\0".repeat(60).into_bytes());
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
                let mut check = LineCheck::default();
                check.push(&lines);
                assert_eq!(check.finish(), None);
            }
        }
    }
}
