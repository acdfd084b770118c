// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: where a section of a message is (RFC 9051 §6.4.5.1), and which header fields of it are wanted.

use std::ops::Range;

use hearth_wire::imap::{Section, SectionText};
use hearth_wire::message::{Headers, Part};

/// Where a section is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located<'a> {
    /// These octets of the message.
    Octets(Range<u64>),
    /// Some fields of the header in these octets.
    Fields {
        /// The header.
        header: Range<u64>,
        /// Their names.
        names: &'a [String],
        /// All but these?
        not: bool,
    },
}

/// Finds a section; `None` when the message has no such part (the answer is NIL).
pub fn locate<'a>(root: &Part, size_bytes: u64, section: &'a Section) -> Option<Located<'a>> {
    if section.part.is_empty() {
        return Some(match &section.text {
            SectionText::All => Located::Octets(0..size_bytes),
            text => of_message(root, text),
        });
    }
    let part = root.find(&section.part)?;
    match &section.text {
        SectionText::All => Some(Located::Octets(part.body.clone())),
        SectionText::Mime => Some(Located::Octets(part.header.clone())),
        // RFC 9051 §6.4.5.1: HEADER and TEXT of a part are those of the message in it.
        text if part.is_message() => part.parts.first().map(|inner| of_message(inner, text)),
        _ => None,
    }
}

/// HEADER, TEXT and the fields of a message, by its root part.
fn of_message<'a>(root: &Part, text: &'a SectionText) -> Located<'a> {
    match text {
        SectionText::Text | SectionText::All => Located::Octets(root.body.clone()),
        SectionText::Header | SectionText::Mime => Located::Octets(root.header.clone()),
        SectionText::HeaderFields(names) => Located::Fields { header: root.header.clone(), names, not: false },
        SectionText::HeaderFieldsNot(names) => Located::Fields { header: root.header.clone(), names, not: true },
    }
}

/// The fields of these names, in the order of the header, and the empty line (RFC 9051 §6.4.5.1).
pub fn select_fields(header: &[u8], names: &[String], not: bool) -> Vec<u8> {
    let mut selected = Vec::new();
    for field in Headers::new(header) {
        if names.iter().any(|name| field.is(name)) != not {
            selected.extend_from_slice(field.field);
            if !field.field.ends_with(b"\n") {
                selected.extend_from_slice(b"\r\n");
            }
        }
    }
    selected.extend_from_slice(b"\r\n");
    selected
}

/// The octets of a range that `<start.count>` leaves.
pub fn cut(range: Range<u64>, partial: Option<(u32, u32)>) -> Range<u64> {
    let Some((from, count)) = partial else { return range };
    let start = range.start.saturating_add(u64::from(from)).min(range.end);
    start..start.saturating_add(u64::from(count)).min(range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9051 §6.4.5.1's shape: a mixed of text, and of a message that is a mixed of two texts.
    fn sample() -> Part {
        let leaf = |at: u64| Part {
            kind: "text".into(),
            subtype: "plain".into(),
            header: at..at + 10,
            body: at + 10..at + 20,
            ..Part::default()
        };
        let inner = Part {
            kind: "multipart".into(),
            subtype: "mixed".into(),
            header: 200..210,
            body: 210..300,
            parts: vec![leaf(220), leaf(250)],
            ..Part::default()
        };
        let message = Part {
            kind: "message".into(),
            subtype: "rfc822".into(),
            header: 190..200,
            body: 200..300,
            parts: vec![inner],
            ..Part::default()
        };
        Part {
            kind: "multipart".into(),
            subtype: "mixed".into(),
            header: 0..50,
            body: 50..400,
            parts: vec![leaf(100), message],
            ..Part::default()
        }
    }

    fn octets(part: &[u32], text: SectionText) -> Option<Range<u64>> {
        let section = Section { part: part.to_vec(), text };
        match locate(&sample(), 400, &section)? {
            Located::Octets(range) => Some(range),
            Located::Fields { header, .. } => Some(header),
        }
    }

    #[test]
    fn sections() {
        use SectionText::{All, Header, Mime, Text};
        for (part, text, range) in [
            (&[][..], All, Some(0..400)),
            (&[], Header, Some(0..50)),
            (&[], Text, Some(50..400)),
            (&[1], All, Some(110..120)),
            (&[1], Mime, Some(100..110)),
            (&[1], Header, None),
            (&[2], All, Some(200..300)),
            (&[2], Mime, Some(190..200)),
            (&[2], Header, Some(200..210)),
            (&[2], Text, Some(210..300)),
            (&[2, 1], All, Some(230..240)),
            (&[2, 2], Mime, Some(250..260)),
            (&[2, 3], All, None),
            (&[3], All, None),
            (&[1, 1], All, None),
        ] {
            assert_eq!(octets(part, text.clone()), range, "{part:?} {text:?}");
        }
    }

    #[test]
    fn a_message_without_parts_has_part_1() {
        let root = Part { kind: "text".into(), subtype: "plain".into(), header: 0..10, body: 10..30, ..Part::default() };
        let section = |part: &[u32], text| Section { part: part.to_vec(), text };
        assert_eq!(locate(&root, 30, &section(&[1], SectionText::All)), Some(Located::Octets(10..30)));
        assert_eq!(locate(&root, 30, &section(&[2], SectionText::All)), None);
    }

    #[test]
    fn fields() {
        let header = b"To: a\r\nSubject: b\r\n c\r\nTO: d\r\n\r\n";
        let names = ["to".to_string()];
        assert_eq!(select_fields(header, &names, false), b"To: a\r\nTO: d\r\n\r\n");
        assert_eq!(select_fields(header, &names, true), b"Subject: b\r\n c\r\n\r\n");
        assert_eq!(select_fields(header, &[], false), b"\r\n");
    }

    #[test]
    fn partials() {
        assert_eq!(cut(10..30, None), 10..30);
        assert_eq!(cut(10..30, Some((5, 10))), 15..25);
        assert_eq!(cut(10..30, Some((15, 100))), 25..30);
        assert_eq!(cut(10..30, Some((100, 1))), 30..30);
    }
}
