// SPDX-License-Identifier: AGPL-3.0-or-later
//! `+OK` and `-ERR` (RFC 1939 §3), with response codes (RFC 2449 §8, RFC 3206).

/// A status line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// `+OK`?
    pub ok: bool,
    /// `[AUTH]`, `[SYS/TEMP]` ...
    pub code: Option<&'static str>,
    /// For a person.
    pub text: String,
}

impl Reply {
    /// +OK
    pub fn ok(text: impl Into<String>) -> Self {
        Self { ok: true, code: None, text: text.into() }
    }

    /// -ERR
    pub fn err(text: impl Into<String>) -> Self {
        Self { ok: false, code: None, text: text.into() }
    }

    /// With a response code.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// The line with its CRLF; the text stays on it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.ok { b"+OK" } else { b"-ERR" });
        if let Some(code) = self.code {
            out.extend_from_slice(format!(" [{code}]").as_bytes());
        }
        if !self.text.is_empty() {
            out.push(b' ');
            out.extend(self.text.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        for (reply, line) in [
            (Reply::ok(""), "+OK\r\n"),
            (Reply::ok("2 320"), "+OK 2 320\r\n"),
            (Reply::err("no\r\n+OK").code("SYS/TEMP"), "-ERR [SYS/TEMP] no  +OK\r\n"),
        ] {
            let mut out = Vec::new();
            reply.encode(&mut out);
            assert_eq!(String::from_utf8(out).as_deref(), Ok(line));
        }
    }
}
