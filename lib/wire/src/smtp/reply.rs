// SPDX-License-Identifier: AGPL-3.0-or-later
//! Replies (RFC 5321 §4.2) with their enhanced codes (RFC 2034, RFC 3463): a server's, as names that
//! carry the numbers ([`replies`](super::replies)), and a client's reader of what another server says.

use std::borrow::Cow;
use std::fmt;

/// RFC 5321 §4.5.3.1.5: octets of a reply line, CRLF included. What we read may be longer.
pub const REPLY_LINE_BYTES_MAX: usize = 512;
/// Lines of one reply that a client reads; EHLO keywords are the longest replies there are.
pub const REPLY_LINES_MAX: usize = 128;
/// What a client keeps of a reply's text, for the log and the report.
const REPLY_TEXT_BYTES_MAX: usize = 4096;

/// An enhanced status code: class, subject, detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enhanced(pub u8, pub u16, pub u16);

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Enhanced {
    /// The code that begins a reply's text, when it agrees with the reply's own class.
    fn parse_start(text: &str, code: u16) -> Option<(Self, &str)> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut parts = word.split('.');
        let mut number = || parts.next().filter(|part| (1..=3).contains(&part.len()))?.parse::<u16>().ok();
        let (class, subject, detail) = (number()?, number()?, number()?);
        if parts.next().is_some() || class != code / 100 {
            return None;
        }
        Some((Self(u8::try_from(class).ok()?, subject, detail), rest))
    }
}

/// What a reply's first digit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// 2yz: done.
    Done,
    /// 3yz: go on.
    Continue,
    /// 4yz: not now.
    Transient,
    /// 5yz: not ever.
    Permanent,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Three digits.
    pub code: u16,
    /// The enhanced code, where the reply has one.
    pub enhanced: Option<Enhanced>,
    /// The text; a line break begins another line of the reply.
    pub text: Cow<'static, str>,
}

impl Reply {
    /// A reply with an enhanced code whose class is the code's own.
    pub const fn named(code: u16, subject: u16, detail: u16, text: &'static str) -> Self {
        let class = match code / 100 {
            4 => 4,
            5 => 5,
            _ => 2,
        };
        Self { code, enhanced: Some(Enhanced(class, subject, detail)), text: Cow::Borrowed(text) }
    }

    /// A reply that has no enhanced code: greetings, EHLO, 334 and 354 (RFC 2034 §4).
    pub fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: None, text: text.into() }
    }

    /// The same reply in other words.
    #[must_use]
    pub fn saying(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.text = text.into();
        self
    }

    /// What the first digit says.
    pub fn severity(&self) -> Severity {
        match self.code / 100 {
            2 => Severity::Done,
            3 => Severity::Continue,
            4 => Severity::Transient,
            _ => Severity::Permanent,
        }
    }

    /// As bytes with CRLF. Control characters become `?`, and a line ends at its bound.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let lines: Vec<&str> = self.text.split('\n').collect();
        for (at, line) in lines.iter().enumerate() {
            let start = out.len();
            let separator = if at + 1 == lines.len() { ' ' } else { '-' };
            out.extend_from_slice(format!("{:03}{separator}", self.code).as_bytes());
            if let Some(enhanced) = self.enhanced {
                out.extend_from_slice(format!("{enhanced} ").as_bytes());
            }
            let mut buffer = [0; 4];
            for c in line.chars().map(|c| if c.is_control() { '?' } else { c }) {
                if out.len() - start + c.len_utf8() + 2 > REPLY_LINE_BYTES_MAX {
                    break;
                }
                out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            }
            out.extend_from_slice(b"\r\n");
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} ", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, "{enhanced} ")?;
        }
        f.write_str(&self.text.replace('\n', " / "))
    }
}

/// Why what a server says is not a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The line does not begin with three digits and a space or hyphen.
    #[error("the server does not speak SMTP")]
    Malformed,
    /// The lines of one reply disagree on its code.
    #[error("the lines of the server's reply disagree")]
    Mixed,
    /// Too many lines.
    #[error("the server's reply does not end")]
    TooLong,
}

/// Puts a reply together from its lines.
#[derive(Debug, Default)]
pub struct ReplyReader {
    code: Option<u16>,
    enhanced: Option<Enhanced>,
    text: String,
    lines: usize,
}

impl ReplyReader {
    /// Takes a line without its CRLF; gives the reply when that was its last.
    pub fn push(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let line = String::from_utf8_lossy(line);
        let digits = line.get(..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit())).ok_or(ReplyError::Malformed)?;
        let code: u16 = digits.parse().map_err(|_| ReplyError::Malformed)?;
        let last = match line.as_bytes().get(3) {
            None | Some(b' ') => true,
            Some(b'-') => false,
            Some(_) => return Err(ReplyError::Malformed),
        };
        if !(200..600).contains(&code) {
            return Err(ReplyError::Malformed);
        }
        if self.code.is_some_and(|first| first != code) {
            return Err(ReplyError::Mixed);
        }
        self.lines += 1;
        if self.lines > REPLY_LINES_MAX {
            return Err(ReplyError::TooLong);
        }
        self.take_text(code, line.get(4..).unwrap_or_default());
        self.code = Some(code);
        if !last {
            return Ok(None);
        }
        let read = std::mem::take(self);
        Ok(Some(Reply { code, enhanced: read.enhanced, text: Cow::Owned(read.text) }))
    }

    fn take_text(&mut self, code: u16, text: &str) {
        let text = match Enhanced::parse_start(text, code) {
            Some((enhanced, rest)) => {
                self.enhanced.get_or_insert(enhanced);
                rest
            }
            None => text,
        };
        if self.lines > 1 {
            self.text.push('\n');
        }
        let room = REPLY_TEXT_BYTES_MAX.saturating_sub(self.text.len());
        let printable = text.chars().map(|c| if c.is_control() { '?' } else { c });
        self.text.extend(printable.scan(room, |room, c| {
            *room = room.checked_sub(c.len_utf8())?;
            Some(c)
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.encode(&mut out);
        String::from_utf8(out).expect("text")
    }

    fn read(text: &str) -> Result<Option<Reply>, ReplyError> {
        let mut reader = ReplyReader::default();
        for line in text.split("\r\n").filter(|line| !line.is_empty()) {
            if let Some(reply) = reader.push(line.as_bytes())? {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    #[test]
    fn written_and_read_again() {
        for reply in [
            Reply::named(550, 1, 1, "no such user"),
            Reply::named(250, 0, 0, "one\ntwo"),
            Reply::plain(250, "mail.example\nPIPELINING\nSIZE 1000"),
            Reply::plain(354, "go on"),
        ] {
            assert_eq!(read(&encoded(&reply)), Ok(Some(reply)));
        }
        assert_eq!(encoded(&Reply::named(250, 0, 0, "a\nb")), "250-2.0.0 a\r\n250 2.0.0 b\r\n");
    }

    #[test]
    fn nothing_breaks_out_of_a_line() {
        let reply = Reply::plain(250, "a\rb\0c");
        assert_eq!(encoded(&reply), "250 a?b?c\r\n");
        let long = Reply::named(250, 0, 0, "").saying("é".repeat(600));
        assert!(encoded(&long).len() <= REPLY_LINE_BYTES_MAX && encoded(&long).ends_with("é\r\n"));
    }

    #[test]
    fn what_is_not_a_reply() {
        for (text, error) in [
            ("HTTP/1.1 200 OK", ReplyError::Malformed),
            ("25", ReplyError::Malformed),
            ("250x", ReplyError::Malformed),
            ("150 no", ReplyError::Malformed),
            ("999 no", ReplyError::Malformed),
            ("250-a\r\n251 b", ReplyError::Mixed),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
        }
        assert_eq!(read("250"), Ok(Some(Reply::plain(250, ""))));
    }

    #[test]
    fn a_reply_ends() {
        let endless = |lines: usize| "250-x\r\n".repeat(lines - 1) + "250 x";
        assert!(matches!(read(&endless(REPLY_LINES_MAX)), Ok(Some(_))));
        assert_eq!(read(&endless(REPLY_LINES_MAX + 1)), Err(ReplyError::TooLong));
    }

    #[test]
    fn an_enhanced_code_agrees_with_the_reply() {
        let reply = read("550 5.1.1 no").expect("a reply").expect("whole");
        assert_eq!((reply.enhanced, &*reply.text), (Some(Enhanced(5, 1, 1)), "no"));
        let reply = read("550 4.1.1 no").expect("a reply").expect("whole");
        assert_eq!((reply.enhanced, &*reply.text), (None, "4.1.1 no"));
    }

    #[test]
    fn the_text_of_a_reply_is_bounded_on_both_sides() {
        let line = "x".repeat(400);
        let said = |lines: usize, last: &str| {
            let text = format!("{}550 {last}", format!("550-{line}\r\n").repeat(lines));
            read(&text).expect("a reply").expect("whole").text
        };
        let whole = REPLY_TEXT_BYTES_MAX / 401;
        let room = REPLY_TEXT_BYTES_MAX - whole * 401;
        assert_eq!(said(whole, &"y".repeat(room)).len(), REPLY_TEXT_BYTES_MAX, "all of it");
        assert_eq!(said(whole, &"y".repeat(room + 1)).len(), REPLY_TEXT_BYTES_MAX, "and no more");
    }
}
