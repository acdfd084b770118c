// SPDX-License-Identifier: AGPL-3.0-or-later
//! Is a script's last command ended? RFC 5228 §8.2 wants `;` or a block; sieve-rs takes the end of the text for it.

/// The line, from 1, of a last command that nothing ends. The script compiles, so that its strings are whole.
pub(super) fn open_end(text: &[u8]) -> Option<usize> {
    let (mut rest, mut last) = (text, None);
    while let Some((&first, behind)) = rest.split_first() {
        let token = match first {
            b'"' => string(rest),
            b'#' => line(rest),
            b'/' if behind.first() == Some(&b'*') => find(rest, b"*/"),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'0'..=b'9' => word(rest),
            _ => 1,
        };
        let is_comment = first == b'#' || (first == b'/' && token > 1);
        if !is_comment && !first.is_ascii_whitespace() {
            last = Some((first, text.len() - rest.len() + token));
        }
        rest = rest.get(token..).unwrap_or_default();
    }
    let (_, end) = last.filter(|(octet, _)| !matches!(octet, b';' | b'}'))?;
    // Counted for the last one alone: for each, a long script would take minutes.
    Some(text.get(..end).unwrap_or(text).iter().filter(|octet| **octet == b'\n').count() + 1)
}

/// Octets up to the closing quote and with it.
fn string(rest: &[u8]) -> usize {
    let mut escaped = false;
    let end = rest.iter().skip(1).position(|octet| {
        let is_end = *octet == b'"' && !escaped;
        escaped = *octet == b'\\' && !escaped;
        is_end
    });
    end.map_or(rest.len(), |at| at + 2)
}

fn line(rest: &[u8]) -> usize {
    rest.iter().position(|octet| *octet == b'\n').map_or(rest.len(), |at| at + 1)
}

fn find(rest: &[u8], end: &[u8]) -> usize {
    rest.windows(end.len()).skip(2).position(|at| at == end).map_or(rest.len(), |at| at + 2 + end.len())
}

/// A word; `text:` goes to the line that is a dot (RFC 5228 §2.4.2).
fn word(rest: &[u8]) -> usize {
    let length = rest.iter().position(|octet| !(octet.is_ascii_alphanumeric() || *octet == b'_')).unwrap_or(rest.len());
    let (word, behind) = rest.split_at(length);
    if !word.eq_ignore_ascii_case(b"text") || behind.first() != Some(&b':') {
        return length;
    }
    let mut at = length + line(behind);
    while at < rest.len() {
        let next = rest.get(at..).unwrap_or_default();
        let taken = line(next);
        at += taken;
        if next.get(..taken).unwrap_or_default().trim_ascii_end() == b"." {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_command_is_ended() {
        for (text, want) in [
            ("", None),
            ("# only; this", None),
            ("keep;", None),
            ("keep", Some(1)),
            ("keep; stop # ;", Some(1)),
            ("keep;\r\nredirect \"a;b@x.example\"\r\n", Some(2)),
            ("redirect \"a\\\";\";", None),
            ("if true { keep; }", None),
            ("if true { keep; } /* } stop; */", None),
            ("stop /* ; */", Some(1)),
            ("vacation text:\r\nAway;\r\n..\r\n.\r\n", Some(5)),
            ("vacation text:\r\nAway\r\n.\r\n;", None),
            ("vacation text: # x\nkeep\n.\n;\n# end", None),
        ] {
            assert_eq!(open_end(text.as_bytes()), want, "{text:?}");
        }
    }
}
