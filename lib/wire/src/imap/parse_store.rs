// SPDX-License-Identifier: AGPL-3.0-or-later
//! STORE (RFC 9051 §6.4.6) and flag lists.

use super::command::{Command, Store, StoreAction};
use super::cursor::{Bad, Cursor, Parsed};
use super::limits::{FLAGS_MAX, KEYWORD_BYTES_MAX};
use super::set::parse_sequence_set;

/// store = "STORE" SP sequence-set [SP store-modifiers] SP store-att-flags
pub(crate) fn parse_store(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    cursor.space()?;
    let set = parse_sequence_set(cursor)?;
    cursor.space()?;
    let mut unchanged_since = None;
    if cursor.eat(b'(') {
        if !cursor.word("UNCHANGEDSINCE") {
            return Err(Bad("unknown modifier of STORE"));
        }
        cursor.space()?;
        unchanged_since = Some(cursor.number64()?);
        cursor.expect(b')', "a closing parenthesis is missing")?;
        cursor.space()?;
    }
    let action = match (cursor.eat(b'+'), cursor.eat(b'-')) {
        (true, false) => StoreAction::Add,
        (false, true) => StoreAction::Remove,
        (false, false) => StoreAction::Replace,
        (true, true) => return Err(Bad("unknown item of STORE")),
    };
    let silent = match cursor.keyword()?.as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err(Bad("unknown item of STORE")),
    };
    cursor.space()?;
    let flags = if cursor.peek() == Some(b'(') { parse_flag_list(cursor)? } else { parse_bare_flags(cursor)? };
    Ok(Command::Store(Store { uid, set, unchanged_since, action, silent, flags }))
}

/// flag-list = "(" [flag *(SP flag)] ")"
pub(crate) fn parse_flag_list(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    cursor.list(FLAGS_MAX, true, parse_flag)
}

fn parse_bare_flags(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    let mut flags = vec![parse_flag(cursor)?];
    while !cursor.is_at_end() {
        cursor.space()?;
        if flags.len() >= FLAGS_MAX {
            return Err(Bad("a list is too long"));
        }
        flags.push(parse_flag(cursor)?);
    }
    Ok(flags)
}

/// flag = system flag / flag-keyword. Which of them may be set is the session's business.
fn parse_flag(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let system = cursor.eat(b'\\');
    let name = cursor.atom()?;
    if name.len() > KEYWORD_BYTES_MAX {
        return Err(Bad("a keyword is too long"));
    }
    Ok(if system { format!("\\{name}") } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Parsed<Command> {
        let mut cursor = Cursor::new(text.as_bytes());
        let command = parse_store(&mut cursor, false)?;
        cursor.end().map(|()| command)
    }

    #[test]
    fn flags_have_bounds() {
        let flags = |count| format!(" 1 FLAGS ({})", vec!["k"; count].join(" "));
        assert!(parse(&flags(FLAGS_MAX)).is_ok());
        assert!(parse(&flags(FLAGS_MAX + 1)).is_err());
        let keyword = |length| format!(" 1 FLAGS {}", "k".repeat(length));
        assert!(parse(&keyword(KEYWORD_BYTES_MAX)).is_ok());
        assert!(parse(&keyword(KEYWORD_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn what_is_no_store() {
        for text in [" 1 FLAGS", " 1 FLAG x", " 1 +-FLAGS x", " 1 (CHANGEDSINCE 1) FLAGS x", " 1 FLAGS (x", " 1 FLAGS \\*"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
