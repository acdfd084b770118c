// SPDX-License-Identifier: AGPL-3.0-or-later
//! LIST in both its forms (RFC 9051 §6.3.9, RFC 5258 §6, RFC 5819, RFC 6154) and LSUB; matching of patterns.

use super::command::{Command, List};
use super::cursor::{Bad, Cursor, Parsed, is_astring_char};
use super::limits::{LIST_ITEMS_MAX, LIST_PATTERNS_MAX, LIST_WILDCARDS_MAX, MAILBOX_NAME_BYTES_MAX};
use super::mailbox_name::{Charset, SEPARATOR, decode_name};
use super::parse::parse_status_item;
use super::parse_metadata;

/// list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]
pub(crate) fn parse_list(cursor: &mut Cursor<'_>, charset: Charset) -> Parsed<List> {
    let mut list = List::default();
    if cursor.peek() == Some(b'(') {
        list.extended = true;
        cursor.list(LIST_ITEMS_MAX, true, |cursor| parse_select_option(cursor, &mut list))?;
        cursor.space()?;
        // RFC 5258 §3.1: RECURSIVEMATCH needs something to match.
        if list.select_recursive && !list.select_subscribed {
            return Err(Bad("RECURSIVEMATCH stands with SUBSCRIBED"));
        }
    }
    list.reference = decode_name(&cursor.astring()?, charset)?;
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        list.extended = true;
        list.patterns = cursor.list(LIST_PATTERNS_MAX, false, |cursor| parse_list_mailbox(cursor, charset))?;
    } else {
        list.patterns = vec![parse_list_mailbox(cursor, charset)?];
    }
    if !cursor.is_at_end() {
        cursor.space()?;
        if !cursor.word("RETURN") {
            return Err(Bad("RETURN is missing"));
        }
        list.extended = true;
        cursor.space()?;
        cursor.list(LIST_ITEMS_MAX, true, |cursor| parse_return_option(cursor, &mut list))?;
    }
    Ok(list)
}

/// lsub = "LSUB" SP mailbox SP list-mailbox
pub(crate) fn parse_lsub(cursor: &mut Cursor<'_>, charset: Charset) -> Parsed<Command> {
    let reference = decode_name(&cursor.astring()?, charset)?;
    cursor.space()?;
    Ok(Command::Lsub(reference, parse_list_mailbox(cursor, charset)?))
}

fn parse_select_option(cursor: &mut Cursor<'_>, list: &mut List) -> Parsed<()> {
    match cursor.keyword()?.as_str() {
        "SUBSCRIBED" => list.select_subscribed = true,
        "REMOTE" => list.select_remote = true,
        "RECURSIVEMATCH" => list.select_recursive = true,
        "SPECIAL-USE" => list.select_special_use = true,
        _ => return Err(Bad("unknown selection option of LIST")),
    }
    Ok(())
}

fn parse_return_option(cursor: &mut Cursor<'_>, list: &mut List) -> Parsed<()> {
    match cursor.keyword()?.as_str() {
        "SUBSCRIBED" => list.return_subscribed = true,
        "CHILDREN" => list.return_children = true,
        "SPECIAL-USE" => list.return_special_use = true,
        "MYRIGHTS" => list.return_my_rights = true,
        "STATUS" => {
            cursor.space()?;
            list.return_status = cursor.list(LIST_ITEMS_MAX, false, parse_status_item)?;
        }
        "METADATA" => {
            cursor.space()?;
            list.return_metadata = parse_metadata::parse_entries(cursor)?;
        }
        _ => return Err(Bad("unknown return option of LIST")),
    }
    Ok(())
}

/// list-mailbox = 1*list-char / string
fn parse_list_mailbox(cursor: &mut Cursor<'_>, charset: Charset) -> Parsed<String> {
    let bytes = match cursor.peek() {
        Some(b'"' | b'{') => cursor.string()?,
        _ => cursor.take_while(|byte| is_astring_char(byte) || byte == b'%' || byte == b'*', "a pattern is missing")?.to_vec(),
    };
    let pattern = decode_name(&bytes, charset)?;
    let wildcards = pattern.chars().filter(|c| matches!(c, '*' | '%')).count();
    if pattern.len() > MAILBOX_NAME_BYTES_MAX || wildcards > LIST_WILDCARDS_MAX {
        return Err(Bad("a pattern is too long or has too many wildcards"));
    }
    Ok(pattern)
}

/// Does a name match a pattern, the reference put before it (RFC 9051 §6.3.9)? `*` stands for anything,
/// `%` for anything within a level; INBOX has no letter case.
pub fn matches(reference: &str, pattern: &str, name: &str) -> bool {
    let full = if pattern.starts_with(SEPARATOR) { pattern.to_string() } else { format!("{reference}{pattern}") };
    if name.eq_ignore_ascii_case("INBOX") && matches_chars(&full.to_ascii_uppercase(), "INBOX") {
        return true;
    }
    matches_chars(&full, name)
}

/// Dynamic programming over the pattern: linear in name times pattern, whatever the wildcards.
fn matches_chars(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let mut reached = vec![false; pattern.len() + 1];
    let skip_wildcards = |reached: &mut Vec<bool>| {
        for (at, c) in pattern.iter().enumerate() {
            if matches!(c, '*' | '%') && reached.get(at) == Some(&true) {
                set(reached, at + 1);
            }
        }
    };
    set(&mut reached, 0);
    skip_wildcards(&mut reached);
    for letter in name.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for (at, &c) in pattern.iter().enumerate().filter(|&(at, _)| reached.get(at) == Some(&true)) {
            match c {
                '*' => set(&mut next, at),
                '%' if letter != SEPARATOR => set(&mut next, at),
                c if c == letter => set(&mut next, at + 1),
                _ => {}
            }
        }
        skip_wildcards(&mut next);
        reached = next;
    }
    reached.last() == Some(&true)
}

fn set(reached: &mut [bool], at: usize) {
    if let Some(place) = reached.get_mut(at) {
        *place = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (reference, pattern, name, matched) in [
            ("", "*", "a/b", true),
            ("", "%", "a/b", false),
            ("", "%", "a", true),
            ("", "inbox", "INBOX", true),
            ("", "In%", "INBOX", true),
            ("", "in%", "inter", true),
            ("", "IN%", "inter", false),
            ("a/", "%", "a/b", true),
            ("a/", "/b", "a/b", false),
            ("", "a/%/c", "a/b/c", true),
            ("", "a/%/c", "a/b/b/c", false),
            ("", "a*c", "a/b/b/c", true),
            ("", "%/%", "a/b", true),
            ("", "", "a", false),
            ("", "a%", "a", true),
            ("", "*%*", "", true),
        ] {
            assert_eq!(matches(reference, pattern, name), matched, "{reference:?} {pattern:?} {name:?}");
        }
    }

    #[test]
    fn patterns_have_bounds() {
        let parse = |text: &str| parse_list(&mut Cursor::new(text.as_bytes()), Charset::Utf7);
        let wild = |count| format!("\"\" {}\r\n", "*".repeat(count));
        assert!(parse(&wild(LIST_WILDCARDS_MAX)).is_ok());
        assert!(parse(&wild(LIST_WILDCARDS_MAX + 1)).is_err());
        let many = |count| format!("\"\" ({})\r\n", vec!["a"; count].join(" "));
        assert!(parse(&many(LIST_PATTERNS_MAX)).is_ok());
        assert!(parse(&many(LIST_PATTERNS_MAX + 1)).is_err());
    }

    #[test]
    fn items_have_bounds() {
        let parse = |count: usize| {
            let items = vec!["MESSAGES"; count].join(" ");
            parse_list(&mut Cursor::new(format!("\"\" % RETURN (STATUS ({items}))\r\n").as_bytes()), Charset::Utf7).is_ok()
        };
        assert!(parse(LIST_ITEMS_MAX) && !parse(LIST_ITEMS_MAX + 1));
    }
}
