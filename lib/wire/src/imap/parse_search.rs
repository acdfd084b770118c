// SPDX-License-Identifier: AGPL-3.0-or-later
//! SEARCH (RFC 9051 §6.4.4), with the keys of RFC 5032, RFC 5466, RFC 6203, RFC 7162, RFC 8474 and RFC 8514.

use super::command::{Command, DateOf, Partial, Search, SearchKey, SearchReturn, When};
use super::cursor::{Bad, Cursor, Parsed};
use super::date::parse_date;
use super::limits::{LIST_ITEMS_MAX, SEARCH_DEPTH_MAX, SEARCH_KEYS_MAX};
use super::set::parse_sequence_set;

/// What [`parse_search`] fails with for a charset other than UTF-8 and US-ASCII; the session answers NO [BADCHARSET].
pub const BAD_CHARSET: Bad = Bad("the charset is neither UTF-8 nor US-ASCII");

/// search = "SEARCH" [search-return-opts] SP search-program
pub(crate) fn parse_search(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    cursor.space()?;
    let returns = parse_return(cursor)?;
    if cursor.word("CHARSET") {
        cursor.space()?;
        parse_charset(cursor)?;
        cursor.space()?;
    }
    Ok(Command::Search(Search { uid, returns, sort: Vec::new(), sources: Vec::new(), keys: parse_program(cursor)? }))
}

/// RFC 9051 §6.4.4: US-ASCII and UTF-8 have to be there; the rest is BADCHARSET.
pub(crate) fn parse_charset(cursor: &mut Cursor<'_>) -> Parsed<()> {
    let charset = cursor.astring()?;
    let known = charset.eq_ignore_ascii_case(b"UTF-8") || charset.eq_ignore_ascii_case(b"US-ASCII");
    if known { Ok(()) } else { Err(BAD_CHARSET) }
}

/// search-key *(SP search-key)
pub(crate) fn parse_program(cursor: &mut Cursor<'_>) -> Parsed<Vec<SearchKey>> {
    let mut left = SEARCH_KEYS_MAX;
    parse_keys(cursor, 0, &mut left)
}

/// ["RETURN" SP "(" .. ")" SP]
pub(crate) fn parse_return(cursor: &mut Cursor<'_>) -> Parsed<Option<SearchReturn>> {
    if !cursor.word("RETURN") {
        return Ok(None);
    }
    cursor.space()?;
    let mut returns = SearchReturn::default();
    cursor.list(LIST_ITEMS_MAX, true, |cursor| {
        match cursor.keyword()?.as_str() {
            "MIN" => returns.min = true,
            "MAX" => returns.max = true,
            "ALL" => returns.all = true,
            "COUNT" => returns.count = true,
            "SAVE" => returns.save = true,
            "RELEVANCY" => returns.relevancy = true,
            "PARTIAL" if returns.partial.is_none() => {
                cursor.space()?;
                returns.partial = Some(parse_partial_range(cursor)?);
            }
            _ => return Err(Bad("unknown result option of SEARCH")),
        }
        Ok(())
    })?;
    // RFC 9394 §3.1: the two contradict each other.
    if returns.all && returns.partial.is_some() {
        return Err(Bad("ALL and PARTIAL do not go together"));
    }
    // RFC 9051 §6.4.4: an empty list means ALL.
    if returns.is_empty() {
        returns.all = true;
    }
    cursor.space()?;
    Ok(Some(returns))
}

/// partial-range (RFC 9394 §4): `1:100`, or `-1:-100` from the end.
pub(crate) fn parse_partial_range(cursor: &mut Cursor<'_>) -> Parsed<Partial> {
    let from_end = cursor.eat(b'-');
    let first = cursor.nz_number()?;
    cursor.expect(b':', "a range is two numbers")?;
    if cursor.eat(b'-') != from_end {
        return Err(Bad("both ends of a range are counted from the same side"));
    }
    Ok(Partial { from_end, first, last: cursor.nz_number()? })
}

fn parse_keys(cursor: &mut Cursor<'_>, depth: usize, left: &mut usize) -> Parsed<Vec<SearchKey>> {
    let mut keys = vec![parse_key(cursor, depth, left)?];
    while !cursor.is_at_end() && cursor.peek() != Some(b')') {
        cursor.space()?;
        keys.push(parse_key(cursor, depth, left)?);
    }
    Ok(keys)
}

/// search-key
fn parse_key(cursor: &mut Cursor<'_>, depth: usize, left: &mut usize) -> Parsed<SearchKey> {
    if depth >= SEARCH_DEPTH_MAX {
        return Err(Bad("search keys nest too deeply"));
    }
    *left = left.checked_sub(1).ok_or(Bad("there are too many search keys"))?;
    match cursor.peek() {
        Some(b'(') => {
            cursor.expect(b'(', "an opening parenthesis is missing")?;
            let keys = parse_keys(cursor, depth + 1, left)?;
            cursor.expect(b')', "a closing parenthesis is missing")?;
            Ok(SearchKey::And(keys))
        }
        Some(b'0'..=b'9' | b'*' | b'$') => parse_sequence_set(cursor).map(SearchKey::Numbers),
        _ => {
            let name = cursor.keyword()?;
            if let Some(key) = plain_key(&name) { Ok(key) } else { parse_key_with_argument(cursor, &name, depth, left) }
        }
    }
}

fn flag(name: &str, set: bool) -> SearchKey {
    SearchKey::Flag(name.to_string(), set)
}

fn plain_key(name: &str) -> Option<SearchKey> {
    Some(match name {
        "ALL" => SearchKey::All,
        "ANSWERED" => flag("\\Answered", true),
        "DELETED" => flag("\\Deleted", true),
        "DRAFT" => flag("\\Draft", true),
        "FLAGGED" => flag("\\Flagged", true),
        "SEEN" => flag("\\Seen", true),
        "UNANSWERED" => flag("\\Answered", false),
        "UNDELETED" => flag("\\Deleted", false),
        "UNDRAFT" => flag("\\Draft", false),
        "UNFLAGGED" => flag("\\Flagged", false),
        "UNSEEN" => flag("\\Seen", false),
        "RECENT" => SearchKey::Recent,
        "OLD" => SearchKey::Not(Box::new(SearchKey::Recent)),
        "NEW" => SearchKey::And(vec![SearchKey::Recent, flag("\\Seen", false)]),
        "SAVEDATESUPPORTED" => SearchKey::SaveDateSupported,
        _ => return None,
    })
}

fn parse_key_with_argument(cursor: &mut Cursor<'_>, name: &str, depth: usize, left: &mut usize) -> Parsed<SearchKey> {
    cursor.space().map_err(|_| Bad("unknown search key, or its argument is missing"))?;
    Ok(match name {
        "FROM" | "TO" | "CC" | "BCC" | "SUBJECT" => SearchKey::Header(name.to_ascii_lowercase(), cursor.astring_utf8()?),
        "HEADER" => {
            let field = cursor.astring_utf8()?.to_ascii_lowercase();
            cursor.space()?;
            SearchKey::Header(field, cursor.astring_utf8()?)
        }
        "BODY" => SearchKey::Body(cursor.astring_utf8()?),
        "TEXT" => SearchKey::Text(cursor.astring_utf8()?),
        "KEYWORD" => flag(&cursor.atom()?, true),
        "UNKEYWORD" => flag(&cursor.atom()?, false),
        "LARGER" => SearchKey::Larger(cursor.number64()?),
        "SMALLER" => SearchKey::Smaller(cursor.number64()?),
        "OLDER" => SearchKey::Older(cursor.nz_number()?),
        "YOUNGER" => SearchKey::Younger(cursor.nz_number()?),
        "UID" => SearchKey::Uids(parse_sequence_set(cursor)?),
        "EMAILID" => SearchKey::EmailId(cursor.atom()?),
        "THREADID" => SearchKey::ThreadId(cursor.atom()?),
        "MODSEQ" => parse_modseq(cursor)?,
        "FILTER" => SearchKey::Filter(parse_filter_name(cursor)?),
        "FUZZY" => SearchKey::Fuzzy(Box::new(parse_key(cursor, depth + 1, left)?)),
        "NOT" => SearchKey::Not(Box::new(parse_key(cursor, depth + 1, left)?)),
        "OR" => {
            let one = parse_key(cursor, depth + 1, left)?;
            cursor.space()?;
            SearchKey::Or(Box::new(one), Box::new(parse_key(cursor, depth + 1, left)?))
        }
        _ => parse_date_key(cursor, name)?,
    })
}

/// RFC 5466 §3.1: an atom without a slash, for it becomes a part of an entry's name.
fn parse_filter_name(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let name = cursor.atom()?;
    if name.contains('/') { Err(Bad("the name of a filter has no slash")) } else { Ok(name.to_ascii_lowercase()) }
}

/// The search that a filter stands for: search-criteria, with or without a charset (RFC 5466 §3.2).
pub fn parse_filter(text: &[u8]) -> Parsed<Vec<SearchKey>> {
    let mut cursor = Cursor::new(text);
    if cursor.word("CHARSET") {
        cursor.space()?;
        parse_charset(&mut cursor)?;
        cursor.space()?;
    }
    let keys = parse_program(&mut cursor)?;
    cursor.end().map(|()| keys)
}

fn parse_date_key(cursor: &mut Cursor<'_>, name: &str) -> Parsed<SearchKey> {
    let (of, when) = match name {
        "BEFORE" => (DateOf::Received, When::Before),
        "ON" => (DateOf::Received, When::On),
        "SINCE" => (DateOf::Received, When::Since),
        "SENTBEFORE" => (DateOf::Sent, When::Before),
        "SENTON" => (DateOf::Sent, When::On),
        "SENTSINCE" => (DateOf::Sent, When::Since),
        "SAVEDBEFORE" => (DateOf::Saved, When::Before),
        "SAVEDON" => (DateOf::Saved, When::On),
        "SAVEDSINCE" => (DateOf::Saved, When::Since),
        _ => return Err(Bad("unknown search key")),
    };
    Ok(SearchKey::Date(of, when, parse_date(cursor)?))
}

/// RFC 7162 §3.1.5: the entry of one flag may be named; we keep one modseq for all of a message, which §3.1.5 allows.
fn parse_modseq(cursor: &mut Cursor<'_>) -> Parsed<SearchKey> {
    if cursor.peek() == Some(b'"') {
        cursor.string()?;
        cursor.space()?;
        if !["all", "priv", "shared"].contains(&cursor.keyword()?.to_ascii_lowercase().as_str()) {
            return Err(Bad("the entry's type is all, priv or shared"));
        }
        cursor.space()?;
    }
    cursor.number64().map(SearchKey::ModSeq)
}

/// Does any key look at modseqs (RFC 7162 §3.1.5: the answer then shows one)?
pub fn uses_modseq(keys: &[SearchKey]) -> bool {
    keys.iter().any(|key| match key {
        SearchKey::ModSeq(_) => true,
        SearchKey::Not(key) | SearchKey::Fuzzy(key) => uses_modseq(std::slice::from_ref(key)),
        SearchKey::Or(one, other) => uses_modseq(std::slice::from_ref(one)) || uses_modseq(std::slice::from_ref(other)),
        SearchKey::And(keys) => uses_modseq(keys),
        _ => false,
    })
}

/// Is any key FUZZY? RELEVANCY makes sense beside one alone (RFC 6203 §4).
pub fn is_fuzzy(keys: &[SearchKey]) -> bool {
    keys.iter().any(|key| match key {
        SearchKey::Fuzzy(_) => true,
        SearchKey::Not(key) => is_fuzzy(std::slice::from_ref(key)),
        SearchKey::Or(one, other) => is_fuzzy(std::slice::from_ref(one)) || is_fuzzy(std::slice::from_ref(other)),
        SearchKey::And(keys) => is_fuzzy(keys),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Parsed<Command> {
        let mut cursor = Cursor::new(text.as_bytes());
        let command = parse_search(&mut cursor, false)?;
        cursor.end().map(|()| command)
    }

    #[test]
    fn keys_nest_to_a_bound() {
        let nested = |depth: usize| format!(" {}ALL", "NOT ".repeat(depth - 1));
        assert!(parse(&nested(SEARCH_DEPTH_MAX)).is_ok());
        assert!(parse(&nested(SEARCH_DEPTH_MAX + 1)).is_err());
        let nested = |depth: usize| format!(" {}ALL{}", "(".repeat(depth - 1), ")".repeat(depth - 1));
        assert!(parse(&nested(SEARCH_DEPTH_MAX)).is_ok());
        assert!(parse(&nested(SEARCH_DEPTH_MAX + 1)).is_err());
    }

    #[test]
    fn keys_have_a_bound() {
        assert!(parse(&" ALL".repeat(SEARCH_KEYS_MAX)).is_ok());
        assert!(parse(&" ALL".repeat(SEARCH_KEYS_MAX + 1)).is_err());
    }

    #[test]
    fn partial_ranges() {
        let window = |text: &str, length| parse_partial_range(&mut Cursor::new(text.as_bytes())).expect(text).window(length);
        for (text, length, places) in [
            ("1:3", 10, 0..3),
            ("3:1", 10, 0..3),
            ("9:20", 10, 8..10),
            ("11:20", 10, 10..10),
            ("-1:-3", 10, 7..10),
            ("-9:-20", 10, 0..2),
            ("-11:-20", 10, 0..0),
            ("1:4294967295", 2, 0..2),
            ("-1:-4294967295", 0, 0..0),
        ] {
            assert_eq!(window(text, length), places, "{text}");
        }
        for text in ["", "1", "0:1", "1:0", "-1:2", "1:-2", "--1:-2"] {
            assert!(parse_partial_range(&mut Cursor::new(text.as_bytes())).is_err(), "{text}");
        }
        assert!(parse(" RETURN (PARTIAL 1:2 ALL) ALL").is_err());
        assert!(parse(" RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL").is_err());
    }

    #[test]
    fn charsets() {
        assert!(parse(" CHARSET utf-8 TEXT x").is_ok());
        assert_eq!(parse(" CHARSET KOI8-R TEXT x"), Err(BAD_CHARSET));
    }

    #[test]
    fn filters() {
        let keys = parse_filter("CHARSET UTF-8 OR FROM \"Jürgen\" (SMALLER 5000 UNSEEN)".as_bytes()).expect("RFC 5466");
        assert!(matches!(keys.as_slice(), [SearchKey::Or(..)]));
        assert_eq!(parse_filter(b"SMALLER 5000"), Ok(vec![SearchKey::Smaller(5000)]));
        for text in [&b""[..], b" ALL", b"FROB", b"SUBJECT {3}\r\nabcd", b"CHARSET KOI8-R ALL"] {
            assert!(parse_filter(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_search() {
        for text in [
            "",
            " ",
            " FROB",
            " FROM",
            " FILTER a/b",
            " FILTER \"a\"",
            " FUZZY",
            " BEFORE yesterday",
            " OR ALL",
            " (ALL",
            " ALL)",
            " NOT",
            " RETURN (FROB) ALL",
            " 0",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
