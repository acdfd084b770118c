// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is left of a large message for those who want to look at all of it at once.

use std::ops::Range;

use super::structure::Part;

/// The ranges that are kept of a message of `size` bytes: its headers and all else between the bodies, and the first
/// `part_bytes_max` of each body, as long as all of these together are at most `parts_bytes_max`. The whole is at most twice
/// that: what comes after is cut off.
pub fn kept(structure: &Part, size: u64, part_bytes_max: u64, parts_bytes_max: u64) -> Vec<Range<u64>> {
    let (mut ranges, mut at, mut bodies_left) = (Vec::new(), 0, parts_bytes_max);
    for leaf in structure.walk().into_iter().filter(|part| part.parts.is_empty()) {
        let body = &leaf.body;
        if body.start < at || body.end < body.start {
            continue;
        }
        let kept = (body.end - body.start).min(part_bytes_max).min(bodies_left);
        bodies_left -= kept;
        ranges.push(at..body.start + kept);
        at = body.end;
    }
    ranges.push(at..size.max(at));
    let mut left = parts_bytes_max.saturating_mul(2);
    for range in &mut ranges {
        range.end = range.end.min(range.start.saturating_add(left));
        left -= range.end - range.start;
    }
    ranges.retain(|range| !range.is_empty());
    ranges
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn cut(raw: &str, part: u64, parts: u64) -> String {
        let ranges = kept(&parse(raw.as_bytes()).structure, raw.len() as u64, part, parts);
        ranges.iter().map(|range| &raw[range.start as usize..range.end as usize]).collect()
    }

    #[test]
    fn bodies_are_cut_and_the_structure_stays() {
        let raw = "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n0123456789\r\n--b\r\nContent-Type: image/x\r\n\r\n\
            abcdefghij\r\n--b--\r\n";
        assert_eq!(cut(raw, 10, 100), raw, "at the bound");
        let nine = raw.replace("9\r\n", "\r\n").replace("j\r\n", "\r\n");
        assert_eq!(cut(raw, 9, 100), nine);
        assert_eq!(parse(nine.as_bytes()).structure.parts.len(), 2);
        // Of all bodies 75, of all else as many again.
        let eleven = kept(&parse(raw.as_bytes()).structure, raw.len() as u64, 10, 75);
        assert!(eleven.iter().map(|range| range.end - range.start).sum::<u64>() <= 150);
        assert_eq!(cut(&format!("A: b\r\n\r\n{}", "x".repeat(1000)), 100, 60), format!("A: b\r\n\r\n{}", "x".repeat(60)));
    }

    #[test]
    fn the_whole_is_bounded() {
        let many = "Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_string() + &"--b\r\nX: y\r\n\r\nz\r\n".repeat(900);
        for bound in [1, 10, 1000] {
            assert!(cut(&many, 10, bound).len() as u64 <= 2 * bound);
        }
        assert_eq!(cut("", 1, 1), "");
    }
}
