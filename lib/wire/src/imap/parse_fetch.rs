// SPDX-License-Identifier: AGPL-3.0-or-later
//! FETCH (RFC 9051 §6.4.5), with RFC 7162, RFC 8474, RFC 8514 and RFC 8970.

use super::command::{Command, Fetch, FetchItem, Section, SectionText};
use super::cursor::{Bad, Cursor, Parsed};
use super::limits::{FETCH_ITEMS_MAX, HEADER_FIELDS_MAX, LIST_ITEMS_MAX, PART_DEPTH_MAX};
use super::parse_search::parse_partial_range;
use super::set::parse_sequence_set;

/// fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")") [fetch-modifiers]
pub(crate) fn parse_fetch(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    cursor.space()?;
    let set = parse_sequence_set(cursor)?;
    cursor.space()?;
    let items = if let Some(items) = parse_macro(cursor) {
        items
    } else if cursor.peek() == Some(b'(') {
        cursor.list(FETCH_ITEMS_MAX, false, parse_items)?.concat()
    } else {
        parse_items(cursor)?
    };
    let (mut changed_since, mut vanished, mut partial) = (None, false, None);
    if !cursor.is_at_end() {
        cursor.space()?;
        cursor.list(LIST_ITEMS_MAX, false, |cursor| {
            if cursor.word("CHANGEDSINCE") {
                cursor.space()?;
                changed_since = Some(cursor.number64()?);
            } else if cursor.word("VANISHED") {
                vanished = true;
            } else if uid && partial.is_none() && cursor.word("PARTIAL") {
                cursor.space()?;
                partial = Some(parse_partial_range(cursor)?);
            } else {
                return Err(Bad("unknown modifier of FETCH"));
            }
            Ok(())
        })?;
    }
    // RFC 7162 §3.2.6: VANISHED only with UID FETCH and CHANGEDSINCE.
    if vanished && (!uid || changed_since.is_none()) {
        return Err(Bad("VANISHED stands with UID FETCH and CHANGEDSINCE"));
    }
    Ok(Command::Fetch(Fetch { uid, set, items, changed_since, vanished, partial }))
}

fn parse_macro(cursor: &mut Cursor<'_>) -> Option<Vec<FetchItem>> {
    let fast = vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size];
    if cursor.word("FAST") {
        return Some(fast);
    }
    if cursor.word("ALL") {
        return Some([fast, vec![FetchItem::Envelope]].concat());
    }
    cursor.word("FULL").then(|| [fast, vec![FetchItem::Envelope, FetchItem::Body]].concat())
}

/// One fetch-att. (quirk: a macro inside the parentheses is taken too, as Dovecot and Cyrus do.)
pub(crate) fn parse_items(cursor: &mut Cursor<'_>) -> Parsed<Vec<FetchItem>> {
    match parse_macro(cursor) {
        Some(items) => Ok(items),
        None => Ok(vec![parse_item(cursor)?]),
    }
}

fn parse_item(cursor: &mut Cursor<'_>) -> Parsed<FetchItem> {
    for (prefix, peek) in [("BODY[", false), ("BODY.PEEK[", true)] {
        if cursor.prefix(prefix) {
            let section = parse_section(cursor)?;
            return Ok(FetchItem::Section { section, peek, partial: parse_partial(cursor)? });
        }
    }
    for (prefix, peek) in [("BINARY[", false), ("BINARY.PEEK[", true)] {
        if cursor.prefix(prefix) {
            let part = parse_part(cursor)?;
            cursor.expect(b']', "a section does not end")?;
            return Ok(FetchItem::Binary { part, peek, partial: parse_partial(cursor)? });
        }
    }
    if cursor.prefix("BINARY.SIZE[") {
        let part = parse_part(cursor)?;
        cursor.expect(b']', "a section does not end")?;
        return Ok(FetchItem::BinarySize(part));
    }
    if cursor.word("PREVIEW") {
        return parse_preview(cursor);
    }
    let name = cursor.keyword()?;
    FETCH_ITEMS.iter().find(|(known, _)| *known == name).map(|(_, item)| item.clone()).ok_or(Bad("unknown item of FETCH"))
}

/// The items that are a name and nothing else.
pub(crate) const FETCH_ITEMS: [(&str, FetchItem); 14] = [
    ("ENVELOPE", FetchItem::Envelope),
    ("FLAGS", FetchItem::Flags),
    ("INTERNALDATE", FetchItem::InternalDate),
    ("RFC822.SIZE", FetchItem::Size),
    ("UID", FetchItem::Uid),
    ("BODY", FetchItem::Body),
    ("BODYSTRUCTURE", FetchItem::BodyStructure),
    ("MODSEQ", FetchItem::ModSeq),
    ("EMAILID", FetchItem::EmailId),
    ("THREADID", FetchItem::ThreadId),
    ("SAVEDATE", FetchItem::SaveDate),
    ("RFC822", FetchItem::Rfc822),
    ("RFC822.HEADER", FetchItem::Rfc822Header),
    ("RFC822.TEXT", FetchItem::Rfc822Text),
];

/// RFC 8970 §3.1: PREVIEW [SP "(" preview-mod ")"]
fn parse_preview(cursor: &mut Cursor<'_>) -> Parsed<FetchItem> {
    let mut ahead = cursor.clone();
    if ahead.space().is_ok() && ahead.prefix("(LAZY)") {
        *cursor = ahead;
        return Ok(FetchItem::Preview { lazy: true });
    }
    Ok(FetchItem::Preview { lazy: false })
}

/// section-part = nz-number *("." nz-number), or nothing.
fn parse_part(cursor: &mut Cursor<'_>) -> Parsed<Vec<u32>> {
    let mut part = Vec::new();
    while cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        if part.len() >= PART_DEPTH_MAX {
            return Err(Bad("a part number is too long"));
        }
        part.push(cursor.nz_number()?);
        let mut ahead = cursor.clone();
        if ahead.eat(b'.') && ahead.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            *cursor = ahead;
        } else {
            break;
        }
    }
    Ok(part)
}

/// section-spec and the closing bracket.
pub(crate) fn parse_section(cursor: &mut Cursor<'_>) -> Parsed<Section> {
    let part = parse_part(cursor)?;
    if !part.is_empty() && !cursor.eat(b'.') {
        cursor.expect(b']', "a section does not end")?;
        return Ok(Section { part, text: SectionText::All });
    }
    let text = if cursor.prefix("HEADER.FIELDS.NOT") {
        SectionText::HeaderFieldsNot(parse_fields(cursor)?)
    } else if cursor.prefix("HEADER.FIELDS") {
        SectionText::HeaderFields(parse_fields(cursor)?)
    } else if cursor.prefix("HEADER") {
        SectionText::Header
    } else if cursor.prefix("TEXT") {
        SectionText::Text
    } else if !part.is_empty() && cursor.prefix("MIME") {
        SectionText::Mime
    } else if part.is_empty() {
        SectionText::All
    } else {
        return Err(Bad("unknown section"));
    };
    cursor.expect(b']', "a section does not end")?;
    Ok(Section { part, text })
}

fn parse_fields(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    cursor.space()?;
    cursor.list(HEADER_FIELDS_MAX, false, Cursor::astring_utf8)
}

/// partial = "<" number64 "." nz-number64 ">"
fn parse_partial(cursor: &mut Cursor<'_>) -> Parsed<Option<(u32, u32)>> {
    if !cursor.eat(b'<') {
        return Ok(None);
    }
    let start = cursor.number()?;
    cursor.expect(b'.', "a partial is written <start.count>")?;
    let count = cursor.nz_number()?;
    cursor.expect(b'>', "a partial does not end")?;
    Ok(Some((start, count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Parsed<Command> {
        let mut cursor = Cursor::new(text.as_bytes());
        let command = parse_fetch(&mut cursor, true)?;
        cursor.end().map(|()| command)
    }

    #[test]
    fn what_is_no_fetch() {
        for text in [
            " 1",
            " 1 ()",
            " 1 FROB",
            " 1 BODY[",
            " 1 BODY[MIME]",
            " 1 BODY[1.FROB]",
            " 1 BODY[0]",
            " 1 BODY[]<1>",
            " 1 BODY[]<0.0>",
            " 1 BODY[HEADER.FIELDS ()]",
            " 1 (FLAGS) (VANISHED)",
            " 0 FLAGS",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bounds() {
        let items = |count| format!(" 1 ({})", vec!["UID"; count].join(" "));
        assert!(parse(&items(FETCH_ITEMS_MAX)).is_ok());
        assert!(parse(&items(FETCH_ITEMS_MAX + 1)).is_err());
        let part = |count| format!(" 1 BODY[{}]", vec!["1"; count].join("."));
        assert!(parse(&part(PART_DEPTH_MAX)).is_ok());
        assert!(parse(&part(PART_DEPTH_MAX + 1)).is_err());
        let fields = |count| format!(" 1 BODY[HEADER.FIELDS ({})]", vec!["To"; count].join(" "));
        assert!(parse(&fields(HEADER_FIELDS_MAX)).is_ok());
        assert!(parse(&fields(HEADER_FIELDS_MAX + 1)).is_err());
    }
}
