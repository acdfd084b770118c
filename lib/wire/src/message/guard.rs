// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whoever gives a whole message to mail-parser asks here first.
//!
//! mail-parser 0.11.9 keeps an inner message inside its outer one, so that dropping thousands of
//! levels overflows the stack; and it joins RFC 2231 continuations by copying what it has, which is
//! quadratic. Both are bounded here from above, on the bytes: what this counts, mail-parser can only
//! see as many of or fewer.

use super::limits::{CONTINUATIONS_SAFE_MAX, CONTINUED_BYTES_SAFE_MAX, NESTING_SAFE_MAX};

/// May mail-parser read this as a whole, without overflowing its stack or taking quadratic time?
pub fn is_safe_for_mail_parser(raw: &[u8]) -> bool {
    let mut count = Count::default();
    raw.split_inclusive(|&b| b == b'\n').all(|line| count.line(line))
}

/// mail-parser's own view of a message, when that is safe.
pub fn parse_with_mail_parser(raw: &[u8]) -> Option<mail_parser::Message<'_>> {
    is_safe_for_mail_parser(raw).then(|| mail_parser::MessageParser::default().parse(raw)).flatten()
}

#[derive(Default)]
struct Count {
    /// Fields that say message/rfc822, message/global or multipart/digest (whose parts are messages by default).
    levels: usize,
    /// In a Content-Type or Content-Disposition field: its stars (continuations) and its bytes so far.
    parameters: Option<(usize, usize)>,
    /// In a Content-Type field: `message` was said, and what follows decides.
    said_message: bool,
    /// Of this header block: a message type, and an encoding that hides what is inside.
    block_has_message: bool,
    block_is_encoded: bool,
    seen_digest: bool,
}

impl Count {
    /// Takes a line; false when a bound is passed.
    fn line(&mut self, line: &[u8]) -> bool {
        let folded = matches!(line.first(), Some(b' ' | b'\t'));
        if line.trim_ascii().is_empty() && !folded {
            (self.block_has_message, self.block_is_encoded, self.parameters) = (false, false, None);
            return true;
        }
        if !(folded && self.parameters.is_some()) {
            self.begin_field(line);
        }
        if let Some((stars, bytes)) = &mut self.parameters {
            *stars += line.iter().filter(|&&b| b == b'*').count();
            *bytes += line.len();
            if *stars > CONTINUATIONS_SAFE_MAX || (*stars > 0 && *bytes > CONTINUED_BYTES_SAFE_MAX) {
                return false;
            }
            self.look_for_types(line);
        }
        // An inner message that is itself base64 would be parsed out of our sight.
        self.levels <= NESTING_SAFE_MAX && !(self.block_is_encoded && (self.block_has_message || self.seen_digest))
    }

    fn begin_field(&mut self, line: &[u8]) {
        self.parameters = None;
        self.said_message = false;
        let Some(colon) = line.iter().position(|&b| b == b':') else { return };
        // mail-parser leaves white space in a name out; names that we look for are short.
        let name: Vec<u8> = line.iter().take(colon).filter(|b| !b.is_ascii_whitespace()).take(32).copied().collect();
        if name.eq_ignore_ascii_case(b"content-type") || name.eq_ignore_ascii_case(b"content-disposition") {
            self.parameters = Some((0, 0));
        } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            // Its value may stand on a folded line: what is not plainly harmless is taken as hiding.
            let value = line.get(colon + 1..).unwrap_or_default().trim_ascii();
            self.block_is_encoded |=
                ![b"7bit".as_slice(), b"8bit", b"binary"].iter().any(|plain| value.eq_ignore_ascii_case(plain));
        }
    }

    fn look_for_types(&mut self, line: &[u8]) {
        let lower = line.to_ascii_lowercase();
        let has = |word: &[u8]| lower.windows(word.len()).any(|window| window == word);
        self.said_message |= has(b"message");
        if self.said_message && (has(b"rfc822") || has(b"global")) {
            self.levels += 1;
            self.block_has_message = true;
            self.said_message = false;
        }
        if has(b"digest") {
            self.levels += 1;
            self.seen_digest = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        let mut raw = b"Content-Type: message/rfc822\r\n\r\n".repeat(levels);
        raw.extend_from_slice(b"Subject: inner\r\n\r\nhello\r\n");
        raw
    }

    fn continued(pieces: usize) -> Vec<u8> {
        let mut raw = b"Content-Type: text/plain".to_vec();
        for n in 0..pieces {
            raw.extend_from_slice(format!(";\r\n name*{n}=x").as_bytes());
        }
        raw.extend_from_slice(b"\r\n\r\nhello\r\n");
        raw
    }

    #[test]
    fn nesting_is_bounded_on_both_sides() {
        assert!(parse_with_mail_parser(&nested(NESTING_SAFE_MAX)).is_some());
        assert!(!is_safe_for_mail_parser(&nested(NESTING_SAFE_MAX + 1)));
        assert!(!is_safe_for_mail_parser(&nested(200_000)));
    }

    #[test]
    fn continuations_are_bounded_on_both_sides() {
        assert!(parse_with_mail_parser(&continued(CONTINUATIONS_SAFE_MAX)).is_some());
        assert!(!is_safe_for_mail_parser(&continued(CONTINUATIONS_SAFE_MAX + 1)));
        assert!(!is_safe_for_mail_parser(&continued(60_000)));
    }

    #[test]
    fn disguises() {
        for unsafe_one in [
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            "Content-Transfer-Encoding:\r\n base64\r\nC o n t e n t-Type: message /\r\n rfc822\r\n\r\n",
            "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        ] {
            assert!(!is_safe_for_mail_parser(unsafe_one.as_bytes()), "{unsafe_one}");
        }
        let spaced = "CONTENT-TYPE : Message\r\n /RFC822\r\n\r\n".repeat(NESTING_SAFE_MAX + 1);
        assert!(!is_safe_for_mail_parser(spaced.as_bytes()));
    }

    #[test]
    fn ordinary_mail_is_safe() {
        let bounce = "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
            Final-Recipient: rfc822; a@x\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n* one\r\n * two\r\n--b--\r\n";
        assert!(parse_with_mail_parser(bounce.as_bytes()).is_some());
        let mut long = b"Subject: x\r\n\r\n".to_vec();
        long.extend(b"* markdown ** rfc822 message digest\r\n".repeat(10_000));
        assert!(is_safe_for_mail_parser(&long));
    }

    #[test]
    fn continued_octets_are_bounded_on_both_sides() {
        let of = |octets: usize| {
            let line = |length: usize| format!(" {}\r\n", "x".repeat(length - 3));
            let first = "Content-Type: text/plain; a*0=b;\r\n";
            let (whole, rest) = ((octets - first.len()) / 1000 - 1, (octets - first.len()) % 1000 + 1000);
            format!("{first}{}{}\r\nx\r\n", line(1000).repeat(whole), line(rest)).into_bytes()
        };
        assert!(is_safe_for_mail_parser(&of(CONTINUED_BYTES_SAFE_MAX)));
        assert!(!is_safe_for_mail_parser(&of(CONTINUED_BYTES_SAFE_MAX + 1)));
    }
}
