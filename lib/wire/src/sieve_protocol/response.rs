// SPDX-License-Identifier: AGPL-3.0-or-later
//! Responses (RFC 5804 §1.2, §1.3).

use crate::imap::Charset;
use crate::imap::response::encode_string;

/// How a command went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It was done.
    Ok,
    /// It could not be done, or was not understood.
    No,
    /// The connection ends.
    Bye,
}

/// The end of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// How it went.
    pub condition: Condition,
    /// `NONEXISTENT`, `QUOTA/MAXSIZE` ..., or one with an argument: `TAG "x"`, `SASL "..."`.
    pub code: Option<(&'static str, Option<String>)>,
    /// For a person; may have several lines.
    pub text: String,
}

impl Response {
    /// OK
    pub fn ok(text: impl Into<String>) -> Self {
        Self { condition: Condition::Ok, code: None, text: text.into() }
    }

    /// NO
    pub fn no(text: impl Into<String>) -> Self {
        Self { condition: Condition::No, code: None, text: text.into() }
    }

    /// BYE
    pub fn bye(text: impl Into<String>) -> Self {
        Self { condition: Condition::Bye, code: None, text: text.into() }
    }

    /// With a code.
    #[must_use]
    pub fn code(self, code: &'static str) -> Self {
        Self { code: Some((code, None)), ..self }
    }

    /// With a code and its argument.
    #[must_use]
    pub fn code_with(self, code: &'static str, argument: impl Into<String>) -> Self {
        Self { code: Some((code, Some(argument.into()))), ..self }
    }

    /// `OK (CODE) "text"` CRLF
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.condition {
            Condition::Ok => b"OK",
            Condition::No => b"NO",
            Condition::Bye => b"BYE",
        });
        if let Some((code, argument)) = &self.code {
            out.extend_from_slice(format!(" ({code}").as_bytes());
            if let Some(argument) = argument {
                out.push(b' ');
                encode_string(out, argument.as_bytes(), Charset::Utf8);
            }
            out.push(b')');
        }
        if !self.text.is_empty() {
            out.push(b' ');
            encode_string(out, self.text.as_bytes(), Charset::Utf8);
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// A line of strings: `"IMPLEMENTATION" "Hearth"`, or `"name" ACTIVE` with a bare word at the end.
pub fn encode_line(out: &mut Vec<u8>, strings: &[&str], word: Option<&str>) {
    for (at, text) in strings.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b" " } else { b"" });
        encode_string(out, text.as_bytes(), Charset::Utf8);
    }
    if let Some(word) = word {
        out.push(b' ');
        out.extend_from_slice(word.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// A script, always as a literal.
pub fn encode_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(format!("{{{}}}\r\n", text.len()).as_bytes());
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        for (response, line) in [
            (Response::ok(""), "OK\r\n"),
            (Response::ok("done").code_with("TAG", "a\"b"), "OK (TAG \"a\\\"b\") \"done\"\r\n"),
            (Response::no("no such script").code("NONEXISTENT"), "NO (NONEXISTENT) \"no such script\"\r\n"),
            (Response::no("a\r\nb"), "NO {4}\r\na\r\nb\r\n"),
            (Response::bye("x"), "BYE \"x\"\r\n"),
        ] {
            let mut out = Vec::new();
            response.encode(&mut out);
            assert_eq!(String::from_utf8(out).as_deref(), Ok(line));
        }
        let mut out = Vec::new();
        encode_line(&mut out, &["main"], Some("ACTIVE"));
        encode_line(&mut out, &["SIEVE", "fileinto"], None);
        encode_text(&mut out, b"keep;");
        assert_eq!(String::from_utf8(out).as_deref(), Ok("\"main\" ACTIVE\r\n\"SIEVE\" \"fileinto\"\r\n{5}\r\nkeep;\r\n"));
    }
}
