// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reads the shape of a message line by line.
//!
//! The open parts are a stack: the innermost is in its header or its body, the others wait for one of
//! their boundaries. A line is all that is looked at, so a message may come in pieces of any size; what
//! is kept is the header being read, the text that is wanted, and the tree.

use super::entity::{self, Shape};
use super::limits::{
    BOUNDARY_BYTES_MAX, HEADER_BYTES_MAX, NESTING_MAX, PARTS_MAX, PREVIEW_CHARS_MAX, TEXT_BYTES_MAX, TEXT_PART_BYTES_MAX,
};
use super::structure::Part;
use super::{Envelope, Parsed, text};

/// Bytes of a line that decide whether it is a boundary: two dashes before, two after, and the line end.
const LINE_BYTES_KEPT: usize = BOUNDARY_BYTES_MAX + 8;

/// Takes a message in pieces of any size; [`Scanner::finish`] gives what it is.
pub struct Scanner {
    open: Vec<Open>,
    /// Bytes and lines before the current line.
    line_start: u64,
    line_number: u64,
    /// Of the current line: its first bytes (all, up to the header's bound, inside a header), and its length so far.
    line: Vec<u8>,
    line_len: u64,
    /// Length of the line end before the current line: it belongs to a boundary that follows.
    last_end_len: u64,
    header: Vec<u8>,
    captured: Vec<u8>,
    parts: usize,
    found: Found,
}

/// What was gathered on the way.
#[derive(Default)]
struct Found {
    root: Option<Part>,
    envelope: Envelope,
    text: String,
    preview: String,
    has_attachment: bool,
}

/// A part that has not ended.
struct Open {
    part: Part,
    state: State,
    envelope: Option<Box<Envelope>>,
    /// Line at which its body begins.
    body_line: u64,
    /// Of a multipart/alternative: a plain text was kept, so that its HTML says nothing new.
    has_plain: bool,
    in_digest: bool,
    captures: bool,
}

#[derive(PartialEq, Eq)]
enum State {
    Header,
    /// A leaf's body, or a message/rfc822 part around its inner message.
    Body,
    /// A multipart whose boundary is awaited.
    Multipart(Vec<u8>),
    /// A multipart after its last boundary.
    Epilogue,
}

impl Open {
    fn new(start: u64, in_digest: bool) -> Self {
        let part = Part { header: start..start, body: start..start, ..Part::default() };
        Self { part, state: State::Header, envelope: None, body_line: 0, has_plain: false, in_digest, captures: false }
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// At the first byte of a message.
    pub fn new() -> Self {
        Self {
            open: vec![Open::new(0, false)],
            line_start: 0,
            line_number: 0,
            line: Vec::new(),
            line_len: 0,
            last_end_len: 0,
            header: Vec::new(),
            captured: Vec::new(),
            parts: 1,
            found: Found::default(),
        }
    }

    /// The next piece.
    pub fn push(&mut self, piece: &[u8]) {
        for run in piece.split_inclusive(|&b| b == b'\n') {
            self.line_len += run.len() as u64;
            let in_header = self.in_header();
            let kept_max = if in_header { HEADER_BYTES_MAX } else { LINE_BYTES_KEPT };
            let room = kept_max.saturating_sub(self.line.len());
            self.line.extend_from_slice(run.get(..room).unwrap_or(run));
            if self.open.last().is_some_and(|top| top.captures) {
                let room = TEXT_PART_BYTES_MAX.saturating_sub(self.captured.len());
                self.captured.extend_from_slice(run.get(..room).unwrap_or(run));
            }
            if run.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    /// There is no more.
    pub fn finish(mut self) -> Parsed {
        if self.line_len > 0 {
            self.last_end_len = 0;
            self.end_line();
        }
        let size_bytes = self.line_start;
        if self.in_header() {
            self.end_header(size_bytes);
        }
        while !self.open.is_empty() {
            self.close_top(size_bytes, self.line_number);
        }
        let mut structure = self.found.root.unwrap_or_default();
        entity::number(&mut structure);
        Parsed {
            envelope: self.found.envelope,
            structure,
            preview: self.found.preview,
            text: self.found.text,
            has_attachment: self.found.has_attachment,
            size_bytes,
            lines: self.line_number,
        }
    }

    fn in_header(&self) -> bool {
        self.open.last().is_some_and(|top| top.state == State::Header)
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line_end = self.line_start + self.line_len;
        let end_len = if line.ends_with(b"\r\n") { 2 } else { 1 };
        match self.boundary(&line) {
            Some((level, is_last)) => self.at_boundary(level, is_last, line_end),
            None if self.in_header() => self.header_line(&line, line_end),
            None => {}
        }
        self.line_start = line_end;
        self.line_number += 1;
        self.line_len = 0;
        self.last_end_len = end_len;
        self.line = line;
        self.line.clear();
    }

    /// RFC 2046 §5.1.1: two dashes, the boundary, two dashes for the last, white space.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let said = line.strip_prefix(b"--")?.trim_ascii_end();
        self.open.iter().enumerate().rev().find_map(|(level, open)| {
            let State::Multipart(boundary) = &open.state else { return None };
            match said.strip_prefix(boundary.as_slice())? {
                b"" => Some((level, false)),
                b"--" => Some((level, true)),
                _ => None,
            }
        })
    }

    fn at_boundary(&mut self, level: usize, is_last: bool, line_end: u64) {
        let end = self.line_start.saturating_sub(self.last_end_len);
        if self.in_header() {
            // The part ends before its header did: all of it is header.
            self.end_header(self.line_start);
        }
        while self.open.len() > level + 1 {
            self.close_top(end, self.line_number);
        }
        let Some(multipart) = self.open.last_mut() else { return };
        let in_digest = multipart.part.subtype == "digest";
        multipart.captures = false;
        if is_last {
            multipart.state = State::Epilogue;
        } else if self.parts < PARTS_MAX {
            self.parts += 1;
            self.open.push(Open::new(line_end, in_digest));
            self.header.clear();
        } else {
            multipart.state = State::Epilogue;
        }
    }

    fn header_line(&mut self, line: &[u8], line_end: u64) {
        let is_empty = matches!(line, b"\n" | b"\r\n");
        let is_first = self.header.is_empty() && self.open.last().is_some_and(|top| top.part.header.start == self.line_start);
        if is_first && !is_empty && !looks_like_a_field(line) {
            // No header at all: it is the body already.
            self.end_header(self.line_start);
            self.captured.clear();
            if self.open.last().is_some_and(|top| top.captures) {
                self.captured.extend_from_slice(line.get(..TEXT_PART_BYTES_MAX).unwrap_or(line));
            }
            return;
        }
        if is_empty {
            self.end_header(line_end);
        } else if self.header.len() + line.len() <= HEADER_BYTES_MAX {
            self.header.extend_from_slice(line);
        }
    }

    /// The innermost part's header ends at `end`: what is it?
    fn end_header(&mut self, end: u64) {
        let depth = self.open.len();
        let Some(top) = self.open.last_mut() else { return };
        let start = top.part.header.start;
        let is_root = depth == 1;
        let is_message = is_root || top.envelope.is_some();
        let (part, shape, envelope) = entity::read(&self.header, top.in_digest, is_message);
        self.header.clear();
        top.part = part;
        top.part.header = start..end;
        top.part.body = end..end;
        // The empty line, when there is one, is the header's.
        top.body_line = self.line_number + u64::from(end > self.line_start);
        top.state = State::Body;
        match (is_root, is_message) {
            (true, _) => self.found.envelope = envelope,
            (false, true) => top.envelope = Some(Box::new(envelope)),
            _ => {}
        }
        match shape {
            Shape::Multipart(boundary) if depth < NESTING_MAX => {
                top.state = State::Multipart(boundary);
                // Its preamble, in case that is all there is.
                top.captures = true;
                self.captured.clear();
            }
            Shape::Message if depth < NESTING_MAX && self.parts < PARTS_MAX => {
                self.parts += 1;
                let mut inner = Open::new(end, false);
                inner.envelope = Some(Box::default());
                self.open.push(inner);
            }
            Shape::Text if self.found.text.len() < TEXT_BYTES_MAX => {
                top.captures = true;
                self.captured.clear();
            }
            _ => {}
        }
    }

    fn close_top(&mut self, end: u64, line: u64) {
        if self.in_header() {
            self.end_header(end);
            if self.open.len() > 1 && self.in_header() {
                // A message/rfc822 part without a byte of message: its inner one ends at once.
                self.close_top(end, line);
            }
        }
        let Some(mut closed) = self.open.pop() else { return };
        let part = &mut closed.part;
        part.body.end = end.max(part.body.start);
        part.lines = if part.body.is_empty() { 0 } else { line.saturating_sub(closed.body_line) };
        part.envelope = closed.envelope;
        if part.is_multipart() && part.parts.is_empty() {
            // RFC 9051 §9 (body-type-mpart) wants at least one part: what has none is a text.
            (part.kind, part.subtype) = ("text".into(), "plain".into());
        }
        if closed.captures {
            self.keep_text(&closed.part);
        }
        self.found.has_attachment |= entity::is_attachment(&closed.part);
        match self.open.last_mut() {
            None => self.found.root = Some(closed.part),
            Some(parent) => parent.part.parts.push(closed.part),
        }
    }

    fn keep_text(&mut self, part: &Part) {
        let length = usize::try_from(part.size_bytes()).unwrap_or(usize::MAX).min(self.captured.len());
        let encoded = self.captured.get(..length).unwrap_or_default();
        let is_html = part.subtype == "html";
        let parent = self.open.last_mut().filter(|parent| parent.part.subtype == "alternative");
        match parent {
            Some(parent) if is_html && parent.has_plain => return,
            Some(parent) => parent.has_plain |= !is_html && length > 0,
            None => {}
        }
        let (decoded, _) = text::decode_part(part, encoded);
        let said = if is_html { text::html_to_text(&decoded) } else { decoded };
        if self.found.preview.chars().count() < PREVIEW_CHARS_MAX / 8 {
            let preview = text::preview(&said);
            if preview.len() > self.found.preview.len() {
                self.found.preview = preview;
            }
        }
        let mut room = TEXT_BYTES_MAX.saturating_sub(self.found.text.len()).min(said.len());
        while !said.is_char_boundary(room) {
            room -= 1;
        }
        self.found.text.push_str(said.get(..room).unwrap_or_default());
        self.found.text.push('\n');
        self.captured.clear();
    }
}

/// RFC 5322 §3.6.8: a name of visible characters, white space at most, a colon. Also the `From ` line of an mbox.
fn looks_like_a_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|&b| b == b':') else { return false };
    let name = line.get(..colon).unwrap_or_default();
    let is_name = !name.is_empty() && name.trim_ascii_end().iter().all(|b| b.is_ascii_graphic());
    is_name || name.starts_with(b"From ")
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const MIXED: &str = "From: a@x\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nContent-Type: multipart/mixed; boundary=\"b 1\"\r\n\r\n\
        preamble\r\n--b 1\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n\
        --in\r\n\r\nplain text\r\n--in\r\nContent-Type: text/html\r\n\r\n<p>html <b>text</b></p>\r\n--in--\r\n\
        --b 1 \r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner body\r\n\
        --b 1\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b 1--\r\nepilogue\r\n";

    fn slice(raw: &str, range: &std::ops::Range<u64>) -> String {
        raw[range.start as usize..range.end as usize].to_string()
    }

    #[test]
    fn the_tree_and_its_slices() {
        let parsed = parse(MIXED.as_bytes());
        assert_eq!(parsed.envelope.subject.as_deref(), Some("grüße"));
        assert!(parsed.has_attachment);
        assert_eq!(parsed.preview, "plain text");
        let numbers: Vec<_> = parsed.structure.walk().iter().map(|p| (p.number.clone(), p.mime_type())).collect();
        let numbers: Vec<_> = numbers.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
        assert_eq!(
            numbers,
            [
                ("", "multipart/mixed"),
                ("1", "multipart/alternative"),
                ("1.1", "text/plain"),
                ("1.2", "text/html"),
                ("2", "message/rfc822"),
                ("2.1", "text/plain"),
                ("3", "application/pdf"),
            ]
        );
        let at = |number: &[u32]| parsed.structure.find(number).expect("a part");
        assert_eq!(slice(MIXED, &at(&[1, 1]).body), "plain text");
        assert_eq!(slice(MIXED, &at(&[1, 1]).header), "\r\n");
        assert_eq!(slice(MIXED, &at(&[1, 2]).body), "<p>html <b>text</b></p>");
        assert_eq!(slice(MIXED, &at(&[2]).body), "Subject: inner\r\n\r\ninner body");
        assert_eq!(slice(MIXED, &at(&[2, 1]).body), "inner body");
        assert_eq!(at(&[2]).parts[0].envelope.as_ref().and_then(|e| e.subject.as_deref()), Some("inner"));
        assert_eq!(slice(MIXED, &at(&[3]).body), "AAAA");
        assert_eq!(
            slice(MIXED, &at(&[3]).header),
            "Content-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        );
        assert_eq!((at(&[1, 1]).lines, at(&[2]).lines), (1, 3));
        assert!(parsed.structure.find(&[4]).is_none() && parsed.structure.find(&[2, 2]).is_none());
    }

    #[test]
    fn any_cut_gives_the_same() {
        let whole = parse(MIXED.as_bytes());
        for size in [1, 2, 3, 7, 64] {
            let mut scanner = Scanner::new();
            MIXED.as_bytes().chunks(size).for_each(|piece| scanner.push(piece));
            assert_eq!(scanner.finish(), whole, "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_not_a_mail_is_text() {
        for raw in ["", "hello\r\nworld\r\n", "\r\nbody", "\0\u{1}\n\n", "no end of line", "Subject: x", "Subject: x\r\n"] {
            let parsed = parse(raw.as_bytes());
            assert_eq!((parsed.structure.mime_type().as_str(), parsed.structure.number.as_str()), ("text/plain", "1"), "{raw:?}");
            assert_eq!(parsed.size_bytes, raw.len() as u64);
            assert_eq!(parsed.structure.body.end, raw.len() as u64);
        }
        assert_eq!(parse(b"hello\r\nworld\r\n").preview, "hello world");
        assert_eq!(parse(b"hello\r\nworld\r\n").structure.body, 0..14);
        assert_eq!(parse(b"Subject: x\r\n\r\none\r\ntwo").structure.lines, 2);
    }

    #[test]
    fn a_multipart_without_end_or_boundary() {
        let cut = parse(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst\r\n--b\r\nContent-Type: te");
        assert_eq!(cut.structure.parts.len(), 2);
        let none = parse(b"Content-Type: multipart/mixed\r\n\r\nhello\r\n");
        assert_eq!(none.structure.mime_type(), "text/plain");
        let unused = parse(b"Content-Type: multipart/mixed; boundary=b\r\n\r\nhello\r\n");
        assert_eq!((unused.structure.mime_type().as_str(), unused.preview.as_str()), ("text/plain", "hello"));
    }

    #[test]
    fn nesting_is_bounded_on_both_sides() {
        let inner = |levels: usize| {
            let raw = "Content-Type: message/rfc822\r\n\r\n".repeat(levels) + "\r\nhello\r\n";
            parse(raw.as_bytes()).structure.walk().len()
        };
        assert_eq!(inner(NESTING_MAX - 1), NESTING_MAX);
        assert_eq!(inner(NESTING_MAX), NESTING_MAX);
        assert_eq!(inner(200_000), NESTING_MAX);
        let mut deep = String::new();
        for n in 0..1_000 {
            deep += &format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
        }
        assert!(parse(deep.as_bytes()).structure.walk().len() <= NESTING_MAX);
    }

    #[test]
    fn parts_are_bounded_on_both_sides() {
        let count = |parts: usize| {
            let raw = "Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_string() + &"--b\r\n\r\nx\r\n".repeat(parts);
            parse(raw.as_bytes()).structure.parts.len()
        };
        assert_eq!(count(PARTS_MAX - 1), PARTS_MAX - 1);
        assert_eq!(count(PARTS_MAX), PARTS_MAX - 1);
    }

    #[test]
    fn a_header_is_bounded() {
        let long = format!("Subject: kept\r\nX: {}\r\nTo: lost@x\r\n\r\nbody", "a".repeat(HEADER_BYTES_MAX));
        let parsed = parse(long.as_bytes());
        assert_eq!(parsed.envelope.subject.as_deref(), Some("kept"));
        assert_eq!(slice(&long, &parsed.structure.body), "body");
    }

    #[test]
    fn a_digest_holds_messages() {
        let raw = "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: one\r\n\r\ntext\r\n--b--\r\n";
        let parsed = parse(raw.as_bytes());
        assert_eq!(parsed.structure.parts[0].mime_type(), "message/rfc822");
        assert_eq!(parsed.structure.find(&[1, 1]).map(|p| slice(raw, &p.body)).as_deref(), Some("text"));
    }

    #[test]
    fn continuations_take_no_time() {
        let mut raw = "Content-Type: text/plain".to_string();
        (0..60_000).for_each(|n| raw += &format!(";\r\n name*{n}=x"));
        let parsed = parse((raw + "\r\n\r\nhello").as_bytes());
        assert_eq!(parsed.structure.mime_type(), "text/plain");
    }

    #[test]
    fn parameters_and_boundaries_are_bounded_on_both_sides() {
        use super::super::limits::PARAMETERS_MAX;
        let named = |before: usize| {
            let others: String = (0..before).map(|number| format!("; p{number}=x")).collect();
            let parsed = parse(format!("Content-Type: text/plain{others}; name=here\r\n\r\nx\r\n").as_bytes());
            parsed.structure.parameter("name").is_some()
        };
        assert!(named(PARAMETERS_MAX - 1) && !named(PARAMETERS_MAX));
        let parts = |length: usize| {
            let edge = "b".repeat(length);
            let raw = format!("Content-Type: multipart/mixed; boundary={edge}\r\n\r\n--{edge}\r\n\r\nx\r\n--{edge}--\r\n");
            parse(raw.as_bytes()).structure.walk().len()
        };
        assert_eq!((parts(BOUNDARY_BYTES_MAX), parts(BOUNDARY_BYTES_MAX + 1)), (2, 1));
    }

    /// Of a long part the first octets are words for the index; the same of a long line.
    #[test]
    fn the_text_of_a_part_is_bounded_on_both_sides() {
        for line in ["x\r\n".to_string(), "x".repeat(1000) + "\r\n", String::new()] {
            let has = |octets: usize| {
                let filler = match line.len() {
                    0 => "x".repeat(octets),
                    length => line.repeat(octets / length) + &" ".repeat(octets % length),
                };
                parse(format!("Content-Type: text/plain\r\n\r\n{filler}needle\r\n").as_bytes()).text.contains("needle")
            };
            assert!(has(TEXT_PART_BYTES_MAX - 200) && !has(TEXT_PART_BYTES_MAX), "{} octets", line.len());
        }
    }
}
