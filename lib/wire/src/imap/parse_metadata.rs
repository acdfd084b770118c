// SPDX-License-Identifier: AGPL-3.0-or-later
//! GETMETADATA and SETMETADATA (RFC 5464 §4).

use super::command::{Command, Depth};
use super::cursor::{Bad, Cursor, Parsed};
use super::limits::{ENTRY_NAME_BYTES_MAX, LIST_ITEMS_MAX};
use super::mailbox_name::{Charset, MailboxName, parse_mailbox};

/// getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries
pub(crate) fn parse_get(cursor: &mut Cursor<'_>, charset: Charset) -> Parsed<Command> {
    let (mut size_bytes_max, mut depth) = (None, Depth::Zero);
    let mut options = |cursor: &mut Cursor<'_>| {
        cursor.list(LIST_ITEMS_MAX, false, |cursor| {
            match cursor.keyword()?.as_str() {
                "MAXSIZE" => {
                    cursor.space()?;
                    size_bytes_max = Some(cursor.number()?);
                }
                "DEPTH" => {
                    cursor.space()?;
                    depth = match cursor.keyword()?.as_str() {
                        "0" => Depth::Zero,
                        "1" => Depth::One,
                        "INFINITY" => Depth::Infinity,
                        _ => return Err(Bad("DEPTH is 0, 1 or infinity")),
                    };
                }
                _ => return Err(Bad("unknown option of GETMETADATA")),
            }
            Ok(())
        })
    };
    if cursor.peek() == Some(b'(') {
        options(cursor)?;
        cursor.space()?;
    }
    let mailbox = parse_place(cursor, charset)?;
    cursor.space()?;
    let entries = parse_entries(cursor)?;
    Ok(Command::GetMetadata { mailbox, size_bytes_max, depth, entries })
}

/// entries = entry / "(" entry *(SP entry) ")"
pub(crate) fn parse_entries(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    if cursor.peek() == Some(b'(') { cursor.list(LIST_ITEMS_MAX, false, parse_entry) } else { Ok(vec![parse_entry(cursor)?]) }
}

/// setmetadata = "SETMETADATA" SP mailbox SP "(" entry SP value *(SP entry SP value) ")"
pub(crate) fn parse_set(cursor: &mut Cursor<'_>, charset: Charset) -> Parsed<Command> {
    let mailbox = parse_place(cursor, charset)?;
    cursor.space()?;
    let entries = cursor.list(LIST_ITEMS_MAX, false, |cursor| {
        let entry = parse_entry(cursor)?;
        cursor.space()?;
        // value = nstring / literal8; NUL is not taken.
        cursor.eat(b'~');
        Ok((entry, cursor.nstring()?))
    })?;
    Ok(Command::SetMetadata { mailbox, entries })
}

/// A mailbox, or the server itself, whose name is empty.
fn parse_place(cursor: &mut Cursor<'_>, charset: Charset) -> Parsed<Option<MailboxName>> {
    if cursor.rest().starts_with(b"\"\"") {
        cursor.string()?;
        return Ok(None);
    }
    parse_mailbox(cursor, charset).map(Some)
}

/// RFC 5464 §3.2: slash-separated, `/private/..` or `/shared/..`, letter case aside; kept in lower case.
fn parse_entry(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let name = cursor.astring_utf8()?.to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '*' | '%');
    let root = name == "/private" || name == "/shared" || name.starts_with("/private/") || name.starts_with("/shared/");
    if !root || name.contains("//") || name.ends_with('/') || !name.chars().all(plain) {
        return Err(Bad("not the name of an entry"));
    }
    if name.len() > ENTRY_NAME_BYTES_MAX {
        return Err(Bad("the name of an entry is too long"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let entry = |text: &str| parse_entry(&mut Cursor::new(text.as_bytes()));
        assert_eq!(entry("/Shared/Comment"), Ok("/shared/comment".to_string()));
        for name in ["comment", "/other/x", "/shared//x", "/shared/", "/shared/*", "\"/private/a%\"", "\"/shared/\u{e9}\""] {
            assert!(entry(name).is_err(), "{name}");
        }
        let long = |length: usize| format!("/shared/{}", "x".repeat(length - "/shared/".len()));
        assert!(entry(&long(ENTRY_NAME_BYTES_MAX)).is_ok());
        assert!(entry(&long(ENTRY_NAME_BYTES_MAX + 1)).is_err());
    }
}
