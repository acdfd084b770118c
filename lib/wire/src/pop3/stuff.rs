// SPDX-License-Identifier: AGPL-3.0-or-later
//! Octets as a multi-line reply (RFC 1939 §3): dots doubled at the begin of lines, a line with a dot at the end.

/// Takes a message in pieces, cut anywhere.
///
/// A bare LF becomes CRLF and a bare CR a space (deviates: else a client that reads either as the end of a line could be made
/// to see the end of the message where it is not).
#[derive(Clone, Debug)]
pub struct Stuffer {
    at_line_start: bool,
    after_cr: bool,
    /// After the header, so many lines of the body are still wanted (TOP); `None` for all.
    lines_left: Option<u32>,
    in_body: bool,
    line_is_empty: bool,
}

impl Stuffer {
    /// The whole message.
    pub fn new() -> Self {
        Self { at_line_start: true, after_cr: false, lines_left: None, in_body: false, line_is_empty: true }
    }

    /// The header, the empty line, and so many lines of the body.
    pub fn top(lines: u32) -> Self {
        Self { lines_left: Some(lines), ..Self::new() }
    }

    /// Is all of the message wanted?
    pub fn is_whole(&self) -> bool {
        self.lines_left.is_none()
    }

    /// Is no more wanted?
    pub fn is_done(&self) -> bool {
        self.in_body && self.lines_left == Some(0)
    }

    /// The next octets.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        for &byte in input {
            if self.is_done() {
                return;
            }
            let was_cr = std::mem::take(&mut self.after_cr);
            match byte {
                b'\n' => self.end_line(out),
                b'\r' if was_cr => {
                    self.put(b' ', out);
                    self.after_cr = true;
                }
                b'\r' => self.after_cr = true,
                other => {
                    if was_cr {
                        self.put(b' ', out);
                    }
                    self.put(other, out);
                }
            }
        }
    }

    fn put(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.at_line_start && byte == b'.' {
            out.push(b'.');
        }
        out.push(byte);
        self.at_line_start = false;
        self.line_is_empty = false;
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n");
        if self.in_body {
            self.lines_left = self.lines_left.map(|left| left.saturating_sub(1));
        } else if self.line_is_empty {
            self.in_body = true;
        }
        (self.at_line_start, self.line_is_empty) = (true, true);
    }

    /// The end of the reply.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if self.after_cr {
            self.put(b' ', out);
        }
        if !self.at_line_start {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

impl Default for Stuffer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuffed(stuffer: &Stuffer, input: &[u8], piece: usize) -> String {
        let (mut stuffer, mut out) = (stuffer.clone(), Vec::new());
        input.chunks(piece).for_each(|chunk| stuffer.push(chunk, &mut out));
        stuffer.finish(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn messages() {
        let all = Stuffer::new();
        for (input, output) in [
            (&b""[..], ".\r\n"),
            (b"a\r\n", "a\r\n.\r\n"),
            (b"a", "a\r\n.\r\n"),
            (b".\r\n..\r\na.\r\n", "..\r\n...\r\na.\r\n.\r\n"),
            (b"a\n.\n", "a\r\n..\r\n.\r\n"),
            (b"a\r.\r\rb\r", "a .  b \r\n.\r\n"),
        ] {
            for piece in 1..8 {
                assert_eq!(stuffed(&all, input, piece), output, "{input:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn the_top_of_a_message() {
        let mail = b"A: b\r\nC: d\r\n\r\none\r\n.two\r\nthree\r\n";
        for (lines, end) in [(0, ""), (1, "one\r\n"), (2, "one\r\n..two\r\n"), (9, "one\r\n..two\r\nthree\r\n")] {
            for piece in [1, 3, 100] {
                assert_eq!(stuffed(&Stuffer::top(lines), mail, piece), format!("A: b\r\nC: d\r\n\r\n{end}.\r\n"), "{lines}");
            }
        }
        assert_eq!(stuffed(&Stuffer::top(5), b"A: b", 9), "A: b\r\n.\r\n");
    }
}
