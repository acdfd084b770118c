// SPDX-License-Identifier: AGPL-3.0-or-later
//! SORT and THREAD (RFC 5256 §5, RFC 5267 §3, RFC 5957, RFC 6203 §5).

use super::command::{Command, Search, SortCriterion, SortKey, ThreadAlgorithm};
use super::cursor::{Bad, Cursor, Parsed};
use super::limits::SORT_CRITERIA_MAX;
use super::parse_search::{parse_charset, parse_program, parse_return};

/// The names of sort keys, for reading and for writing.
pub(crate) const SORT_KEYS: [(&str, SortKey); 10] = [
    ("ARRIVAL", SortKey::Arrival),
    ("CC", SortKey::Cc),
    ("DATE", SortKey::Date),
    ("DISPLAYFROM", SortKey::DisplayFrom),
    ("DISPLAYTO", SortKey::DisplayTo),
    ("FROM", SortKey::From),
    ("RELEVANCY", SortKey::Relevancy),
    ("SIZE", SortKey::Size),
    ("SUBJECT", SortKey::Subject),
    ("TO", SortKey::To),
];

/// The names of algorithms, for reading and for writing.
pub(crate) const ALGORITHMS: [(&str, ThreadAlgorithm); 3] = [
    ("ORDEREDSUBJECT", ThreadAlgorithm::OrderedSubject),
    ("REFERENCES", ThreadAlgorithm::References),
    ("REFS", ThreadAlgorithm::Refs),
];

/// sort = ["UID" SP] "SORT" [SP "RETURN" SP "(" .. ")"] SP sort-criteria SP search-criteria
pub(crate) fn parse_sort(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    cursor.space()?;
    let returns = parse_return(cursor)?;
    let sort = cursor.list(SORT_CRITERIA_MAX, false, parse_criterion)?;
    cursor.space()?;
    parse_charset(cursor)?;
    cursor.space()?;
    Ok(Command::Search(Search { uid, returns, sort, sources: Vec::new(), keys: parse_program(cursor)? }))
}

/// sort-criterion = ["REVERSE" SP] sort-key
fn parse_criterion(cursor: &mut Cursor<'_>) -> Parsed<SortCriterion> {
    let mut name = cursor.keyword()?;
    let reverse = name == "REVERSE";
    if reverse {
        cursor.space()?;
        name = cursor.keyword()?;
    }
    let key = SORT_KEYS.iter().find(|(known, _)| *known == name).map(|&(_, key)| key);
    Ok(SortCriterion { reverse, key: key.ok_or(Bad("unknown key of SORT"))? })
}

/// thread = ["UID" SP] "THREAD" SP thread-alg SP search-criteria
pub(crate) fn parse_thread(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    cursor.space()?;
    let name = cursor.keyword()?;
    let algorithm = ALGORITHMS.iter().find(|(known, _)| *known == name).map(|&(_, algorithm)| algorithm);
    let algorithm = algorithm.ok_or(Bad("unknown algorithm of THREAD"))?;
    cursor.space()?;
    parse_charset(cursor)?;
    cursor.space()?;
    Ok(Command::Thread { uid, algorithm, keys: parse_program(cursor)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(text: &str) -> Parsed<Command> {
        let mut cursor = Cursor::new(text.as_bytes());
        let command = parse_sort(&mut cursor, false)?;
        cursor.end().map(|()| command)
    }

    #[test]
    fn criteria_have_a_bound() {
        let text = |count: usize| format!(" ({}) UTF-8 ALL", vec!["REVERSE DATE"; count].join(" "));
        assert!(sort(&text(SORT_CRITERIA_MAX)).is_ok());
        assert!(sort(&text(SORT_CRITERIA_MAX + 1)).is_err());
    }

    #[test]
    fn what_is_no_sort() {
        for text in ["", " ()", " () UTF-8 ALL", " (FROB) UTF-8 ALL", " (REVERSE) UTF-8 ALL", " (DATE) ALL", " (DATE) UTF-8"] {
            assert!(sort(text).is_err(), "{text}");
        }
        assert_eq!(sort(" (DATE) KOI8-R ALL"), Err(super::super::BAD_CHARSET));
        let mut cursor = Cursor::new(b" FROB UTF-8 ALL");
        assert!(parse_thread(&mut cursor, false).is_err());
    }
}
