// SPDX-License-Identifier: AGPL-3.0-or-later
//! `size` (RFC 5228 §5.9) in a script that is run against part of a large mail: sieve-rs would measure the part. So each
//! limit becomes one that the part is above or below as the whole mail is.

/// A limit that no part of a mail reaches; RFC 5228 §2.4.1 wants numbers up to here.
const OUT_OF_REACH: &str = "2147483647";

/// The script, whose `size` tests give what they would for a mail of `size_bytes`.
pub(super) fn answered(script: &[u8], size_bytes: u64) -> Vec<u8> {
    let (mut out, mut copied) = (Vec::with_capacity(script.len()), 0);
    let (mut state, mut at) = (State::Elsewhere, 0);
    while let Some(token) = next(script, at) {
        at = token.end;
        let text = script.get(token.start..token.end).unwrap_or_default();
        state = match (state, token.kind) {
            (state, Kind::Blank) => state,
            (_, Kind::Word) if text.eq_ignore_ascii_case(b"size") => State::Size,
            (State::Size, Kind::Tag) if text.eq_ignore_ascii_case(b":over") => State::Limit { over: true },
            (State::Size, Kind::Tag) if text.eq_ignore_ascii_case(b":under") => State::Limit { over: false },
            (State::Limit { over }, Kind::Number) => {
                let limit = number(text);
                let holds = if over { size_bytes > limit } else { size_bytes < limit };
                out.extend_from_slice(script.get(copied..token.start).unwrap_or_default());
                out.extend_from_slice(if holds == over { b"0" } else { OUT_OF_REACH.as_bytes() });
                copied = token.end;
                State::Elsewhere
            }
            _ => State::Elsewhere,
        };
    }
    out.extend_from_slice(script.get(copied..).unwrap_or_default());
    out
}

enum State {
    Elsewhere,
    /// Behind `size`.
    Size,
    /// Behind its tag.
    Limit {
        over: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// White space and comments.
    Blank,
    Word,
    Tag,
    Number,
    Other,
}

struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

/// The token at this place (RFC 5228 §8.1).
fn next(script: &[u8], start: usize) -> Option<Token> {
    let rest = script.get(start..)?;
    let span = |of: fn(&u8) -> bool, from: usize| from + rest.iter().skip(from).take_while(|byte| of(byte)).count();
    let is_word: fn(&u8) -> bool = |byte| byte.is_ascii_alphanumeric() || *byte == b'_';
    let (kind, length) = match rest {
        [] => return None,
        [b'#', ..] => (Kind::Blank, until(rest, 1, b"\n")),
        [b'/', b'*', ..] => (Kind::Blank, until(rest, 2, b"*/")),
        [b'"', ..] => (Kind::Other, quoted(rest)),
        [b':', ..] => (Kind::Tag, span(is_word, 1)),
        [byte, ..] if byte.is_ascii_whitespace() => (Kind::Blank, span(u8::is_ascii_whitespace, 1)),
        [byte, ..] if byte.is_ascii_digit() => (Kind::Number, span(is_word, 1)),
        [byte, ..] if is_word(byte) => match span(is_word, 1) {
            // RFC 5228 §2.4.2: a text in lines, up to a dot of its own line.
            4 if rest.get(..5).is_some_and(|word| word.eq_ignore_ascii_case(b"text:")) => (Kind::Other, until_dot(rest)),
            length => (Kind::Word, length),
        },
        _ => (Kind::Other, 1),
    };
    Some(Token { kind, start, end: start + length })
}

/// Behind the next `end`; at the end of all when there is none.
fn until(rest: &[u8], from: usize, end: &[u8]) -> usize {
    let found = rest.get(from..).unwrap_or_default().windows(end.len()).position(|window| window == end);
    found.map_or(rest.len(), |at| from + at + end.len())
}

fn until_dot(rest: &[u8]) -> usize {
    let ends: [&[u8]; 2] = [b"\n.\r\n", b"\n.\n"];
    ends.iter().map(|end| until(rest, 5, end)).min().unwrap_or(rest.len())
}

fn quoted(rest: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// RFC 5228 §2.4.1.
fn number(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    let value = digits.fold(0_u64, |value, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    let shift = match text.last().map(u8::to_ascii_uppercase) {
        Some(b'K') => 10,
        Some(b'M') => 20,
        Some(b'G') => 30,
        _ => 0,
    };
    value.saturating_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_answered() {
        let size = 50 * 1024 * 1024;
        for (script, answer) in [
            ("if size :over 1M {stop;}", "if size :over 0 {stop;}"),
            ("if size :over 50M {stop;}", "if size :over 2147483647 {stop;}"),
            ("if size :under 50M {stop;}", "if size :under 0 {stop;}"),
            ("if size :under 51m {stop;}", "if size :under 2147483647 {stop;}"),
            ("if not SIZE /* a */ :Over # b\n 52428799 {stop;}", "if not SIZE /* a */ :Over # b\n 0 {stop;}"),
            ("if size :over 99999999999999999999G {}", "if size :over 2147483647 {}"),
            ("if anyof (size :over 1K, size :under 1K) {}", "if anyof (size :over 0, size :under 0) {}"),
        ] {
            assert_eq!(String::from_utf8_lossy(&answered(script.as_bytes(), size)), answer);
        }
    }

    #[test]
    fn what_is_no_test_stays() {
        for script in [
            "",
            "# size :over 1\nkeep;",
            "/* size :over 1 */ keep;",
            "fileinto \"size :over 1 \\\" size :over 2\";",
            "reject text:\r\nsize :over 1\r\n.\r\n;",
            "set \"size\" \"1\"; if header :count \"size\" :over 1 {}",
            "sizes :over 1; size over 1; size :over \"1\"; size :over",
            "\"no end size :over 1",
        ] {
            assert_eq!(String::from_utf8_lossy(&answered(script.as_bytes(), 5)), script);
        }
        let behind = "reject text: # c\r\na\r\n.\r\n;size :over 1;";
        assert_eq!(String::from_utf8_lossy(&answered(behind.as_bytes(), 5)), behind.replace("over 1", "over 0"));
    }
}
