// SPDX-License-Identifier: AGPL-3.0-or-later
//! `sequence-set` (RFC 9051 §9): message numbers or UIDs, ranges, `*`, and `$` for the saved result.

use std::ops::RangeInclusive;

use super::cursor::{Bad, Cursor, Parsed};
use super::limits::SET_RANGES_MAX;

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// A number, never zero.
    Number(u32),
    /// `*`: the largest number in use.
    Star,
}

/// A set as a client writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SequenceSet {
    /// Numbers and ranges; a single number is a range of one.
    Ranges(Vec<(End, End)>),
    /// `$`: what the last SEARCH RETURN (SAVE) found (RFC 9051 §6.4.4.1).
    Saved,
}

impl SequenceSet {
    /// The ranges with `*` put in, low end first, in the order written. With `largest` 0 (an empty
    /// mailbox), `*` stands for nothing.
    pub fn resolve(&self, largest: u32) -> Vec<RangeInclusive<u32>> {
        let Self::Ranges(ranges) = self else { return Vec::new() };
        let number = |end: End| match end {
            End::Number(number) => number,
            End::Star => largest,
        };
        ranges
            .iter()
            .map(|&(from, to)| (number(from), number(to)))
            .filter(|&(from, to)| from != 0 && to != 0)
            .map(|(from, to)| from.min(to)..=from.max(to))
            .collect()
    }

    /// The same, sorted and joined, so that each number is met once.
    pub fn normalize(&self, largest: u32) -> Vec<RangeInclusive<u32>> {
        let mut ranges = self.resolve(largest);
        ranges.sort_unstable_by_key(|range| *range.start());
        let mut joined: Vec<RangeInclusive<u32>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match joined.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=(*last.end()).max(*range.end());
                }
                _ => joined.push(range),
            }
        }
        joined
    }
}

/// Is a number in ranges that [`SequenceSet::normalize`] made?
pub fn contains(ranges: &[RangeInclusive<u32>], number: u32) -> bool {
    let at = ranges.partition_point(|range| *range.end() < number);
    ranges.get(at).is_some_and(|range| range.contains(&number))
}

/// sequence-set
pub fn parse_sequence_set(cursor: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    if cursor.eat(b'$') {
        return Ok(SequenceSet::Saved);
    }
    let mut ranges = Vec::new();
    loop {
        if ranges.len() >= SET_RANGES_MAX {
            return Err(Bad("a sequence set has too many ranges"));
        }
        let from = parse_end(cursor)?;
        let to = if cursor.eat(b':') { parse_end(cursor)? } else { from };
        ranges.push((from, to));
        if !cursor.eat(b',') {
            return Ok(SequenceSet::Ranges(ranges));
        }
    }
}

pub(crate) fn parse_end(cursor: &mut Cursor<'_>) -> Parsed<End> {
    if cursor.eat(b'*') { Ok(End::Star) } else { cursor.nz_number().map(End::Number) }
}

/// sequence-set as a client writes it.
pub fn encode_sequence_set(out: &mut Vec<u8>, set: &SequenceSet) {
    let SequenceSet::Ranges(ranges) = set else { return out.push(b'$') };
    let write_end = |out: &mut Vec<u8>, end: End| match end {
        End::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        End::Star => out.push(b'*'),
    };
    for (at, &(from, to)) in ranges.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_end(out, from);
        if from != to {
            out.push(b':');
            write_end(out, to);
        }
    }
}

/// Ascending numbers as the shortest set: `1:3,7`.
pub fn encode_numbers(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u32>) {
    let mut run: Option<(u32, u32)> = None;
    let mut first = true;
    let mut flush = |out: &mut Vec<u8>, (from, to): (u32, u32)| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        out.extend_from_slice(from.to_string().as_bytes());
        if from != to {
            out.extend_from_slice(format!(":{to}").as_bytes());
        }
    };
    for number in numbers {
        run = match run {
            Some((from, to)) if to.checked_add(1) == Some(number) => Some((from, number)),
            Some(done) => {
                flush(out, done);
                Some((number, number))
            }
            None => Some((number, number)),
        };
    }
    if let Some(done) = run {
        flush(out, done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Parsed<SequenceSet> {
        let mut cursor = Cursor::new(text.as_bytes());
        let set = parse_sequence_set(&mut cursor)?;
        cursor.end().map(|()| set)
    }

    #[test]
    fn written_and_read_again() {
        for text in ["1", "1:*", "*", "2,4:7,9,12:*", "$", "*:4", "4294967295"] {
            let mut out = Vec::new();
            encode_sequence_set(&mut out, &parse(text).expect(text));
            assert_eq!(out, text.as_bytes());
        }
        for text in ["", "0", "1:", ",1", "1,,2", "1:2:3", "4294967296", "a", "-1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn resolved() {
        // RFC 9051 §9: "2,4:7,9,12:*" in a mailbox of 15; "*:4,5:7" with 10; 3291:* always holds *.
        for (text, largest, ranges) in [
            ("2,4:7,9,12:*", 15, vec![2..=2, 4..=7, 9..=9, 12..=15]),
            ("*:4,5:7", 10, vec![4..=10]),
            ("3291:*", 20, vec![20..=3291]),
            ("1:3,2:9", 9, vec![1..=9]),
            ("5,1:2,3", 9, vec![1..=3, 5..=5]),
            ("*", 0, vec![]),
        ] {
            assert_eq!(parse(text).expect(text).normalize(largest), ranges, "{text}");
        }
        let ranges = parse("2,4:7").expect("a set").normalize(9);
        let found: Vec<u32> = (0..10).filter(|&number| contains(&ranges, number)).collect();
        assert_eq!(found, [2, 4, 5, 6, 7]);
    }

    #[test]
    fn a_set_has_a_bound() {
        let fits = vec!["1"; SET_RANGES_MAX].join(",");
        assert!(parse(&fits).is_ok());
        assert!(parse(&format!("{fits},1")).is_err());
    }

    #[test]
    fn numbers_are_joined() {
        for (numbers, text) in [(&[1, 2, 3, 7][..], "1:3,7"), (&[4], "4"), (&[], ""), (&[1, 3, 5, 6], "1,3,5:6")] {
            let mut out = Vec::new();
            encode_numbers(&mut out, numbers.iter().copied());
            assert_eq!(out, text.as_bytes());
        }
    }
}
