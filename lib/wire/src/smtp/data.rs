// SPDX-License-Identifier: AGPL-3.0-or-later
//! The framing of a message: DATA's final dot and dot-stuffing (RFC 5321 §4.5.2), and strict line ends.
//!
//! Only CRLF ends a line, only CRLF `.` CRLF ends a message. A bare CR or LF (RFC 5321 §2.3.8) is a
//! fault: the message is read to its true end and refused, never rewritten, so that what another
//! server takes for an end of data can never make a second message here ("SMTP smuggling",
//! CVE-2023-51764 and its kin).

/// Octets of a text line with its CRLF. RFC 5321 §4.5.3.1.6 wants 1,000; (quirk: programs that write
/// HTML as one line are common, so more is taken).
pub const TEXT_LINE_BYTES_MAX: usize = 64 * 1024;

/// Why a message is refused for its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFault {
    /// A CR without LF.
    BareCr,
    /// A LF without CR.
    BareLf,
    /// An octet 0: some servers drop it, which makes a line of a dot out of what was none.
    Nul,
    /// A line beyond [`TEXT_LINE_BYTES_MAX`].
    LineTooLong,
}

/// Where the decoder stands after some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataProgress {
    /// All bytes were taken, and the message goes on.
    More,
    /// The message has ended; so many bytes belonged to it.
    End {
        /// Bytes of this input that were the message's.
        consumed: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    LineStart,
    InLine,
    Cr,
    Dot,
    DotCr,
}

/// Takes what follows 354, in pieces of any size.
#[derive(Debug)]
pub struct DataDecoder {
    state: State,
    line_bytes: usize,
    fault: Option<DataFault>,
}

impl Default for DataDecoder {
    fn default() -> Self {
        Self { state: State::LineStart, line_bytes: 0, fault: None }
    }
}

impl DataDecoder {
    /// The first fault, once there was one; nothing is put out after it.
    pub fn fault(&self) -> Option<DataFault> {
        self.fault
    }

    /// Takes bytes, appends the message's own to `out`.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> DataProgress {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match self.state {
                State::LineStart if byte == b'.' => {
                    self.state = State::Dot;
                    at += 1;
                }
                State::Dot if byte == b'\r' => {
                    self.state = State::DotCr;
                    at += 1;
                }
                State::DotCr if byte == b'\n' => {
                    self.state = State::LineStart;
                    return DataProgress::End { consumed: at + 1 };
                }
                State::Cr if byte == b'\n' => {
                    self.put(b"\r\n", out);
                    self.line_bytes = 0;
                    self.state = State::LineStart;
                    at += 1;
                }
                State::Cr | State::DotCr => {
                    self.fail(DataFault::BareCr);
                    self.state = State::InLine;
                }
                // RFC 5321 §4.5.2: the first of a line's dots is the client's addition.
                State::LineStart | State::Dot => self.state = State::InLine,
                State::InLine => at += self.take_line(input.get(at..).unwrap_or_default(), out),
            }
        }
        DataProgress::More
    }

    /// Takes up to the next CR or LF; the number of bytes taken.
    fn take_line(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let length = input.iter().position(|byte| matches!(byte, b'\r' | b'\n' | 0)).unwrap_or(input.len());
        self.put(input.get(..length).unwrap_or_default(), out);
        match input.get(length) {
            Some(b'\r') => self.state = State::Cr,
            Some(0) => self.fail(DataFault::Nul),
            Some(_) => self.fail(DataFault::BareLf),
            None => return length,
        }
        length + 1
    }

    fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.line_bytes += bytes.len();
        if self.line_bytes > TEXT_LINE_BYTES_MAX {
            self.fail(DataFault::LineTooLong);
        }
        if self.fault.is_none() {
            out.extend_from_slice(bytes);
        }
    }

    fn fail(&mut self, fault: DataFault) {
        self.fault.get_or_insert(fault);
    }
}

/// The same strictness for BDAT, whose octets come as they are (RFC 3030 §2; without BINARYMIME they
/// are lines all the same).
#[derive(Debug, Default)]
pub struct LineCheck {
    after_cr: bool,
    line_bytes: usize,
    fault: Option<DataFault>,
}

impl LineCheck {
    /// Looks at some bytes.
    pub fn push(&mut self, input: &[u8]) {
        for &byte in input {
            match (byte, self.after_cr) {
                (b'\n', true) => self.line_bytes = 0,
                (b'\n', false) => self.fail(DataFault::BareLf),
                (_, true) => self.fail(DataFault::BareCr),
                (0, false) => self.fail(DataFault::Nul),
                _ => {}
            }
            self.after_cr = byte == b'\r';
            self.line_bytes += usize::from(byte != b'\n');
            if self.line_bytes >= TEXT_LINE_BYTES_MAX {
                self.fail(DataFault::LineTooLong);
            }
        }
    }

    /// Is the last line ended?
    pub fn is_at_line_start(&self) -> bool {
        self.line_bytes == 0 && !self.after_cr
    }

    /// What was wrong, at the end of the message.
    pub fn finish(&self) -> Option<DataFault> {
        self.fault.or(self.after_cr.then_some(DataFault::BareCr))
    }

    fn fail(&mut self, fault: DataFault) {
        self.fault.get_or_insert(fault);
    }
}

/// Writes a message for DATA, in pieces of any size: dots are stuffed, and what is stored with CRLF
/// goes out with CRLF.
#[derive(Debug)]
pub struct DataEncoder {
    line_start: bool,
}

impl Default for DataEncoder {
    fn default() -> Self {
        Self { line_start: true }
    }
}

impl DataEncoder {
    /// Appends the wire form of some bytes of the message.
    pub fn push(&mut self, message: &[u8], out: &mut Vec<u8>) {
        for line in message.split_inclusive(|byte| *byte == b'\n') {
            if self.line_start && line.first() == Some(&b'.') {
                out.push(b'.');
            }
            out.extend_from_slice(line);
            self.line_start = line.ends_with(b"\n");
        }
    }

    /// Appends the end: a line end where the message lacks it, and the dot.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.line_start { b".\r\n" } else { b"\r\n.\r\n" });
        self.line_start = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message, the fault, and what came after the end.
    fn decode(input: &[u8]) -> (Vec<u8>, Option<DataFault>, Option<Vec<u8>>) {
        let (mut decoder, mut out) = (DataDecoder::default(), Vec::new());
        let rest = match decoder.push(input, &mut out) {
            DataProgress::More => None,
            DataProgress::End { consumed } => Some(input[consumed..].to_vec()),
        };
        (out, decoder.fault(), rest)
    }

    #[test]
    fn dots_and_ends() {
        for (input, message, rest) in [
            (&b".\r\n"[..], &b""[..], Some(&b""[..])),
            (b"a\r\n.\r\nQUIT\r\n", b"a\r\n", Some(b"QUIT\r\n")),
            (b"..\r\n...a\r\n.\r\n", b".\r\n..a\r\n", Some(b"")),
            (b".a\r\n.\r\n", b"a\r\n", Some(b"")),
            (b"a.\r\n.\r\n", b"a.\r\n", Some(b"")),
            (b"\r\n\r\n.\r\n", b"\r\n\r\n", Some(b"")),
            (b"a\r\n.", b"a\r\n", None),
        ] {
            let (out, fault, left) = decode(input);
            assert_eq!((out.as_slice(), fault, left.as_deref()), (message, None, rest), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn every_published_smuggling_form_is_data_and_refused() {
        // Timo Longin, SMTP Smuggling (2023), and what others found after it.
        for end in [
            "\n.\n",
            "\n.\r\n",
            "\r.\r",
            "\r\n.\n",
            "\r\n.\r",
            "\r.\r\n",
            "\n.\r",
            "\r.\n",
            "\r\r\n.\r\r\n",
            "\r\n.\r\r\n",
            "\n\n.\r\n",
            "\r\n\0.\r\n\n.\r\n",
        ] {
            let input = format!("a{end}MAIL FROM:<admin@bank.example>\r\nRCPT TO:<b@x.org>\r\nDATA\r\nfake\r\n.\r\nQUIT\r\n");
            let (_, fault, rest) = decode(input.as_bytes());
            assert!(fault.is_some(), "{}", end.escape_debug());
            assert_eq!(rest.as_deref(), Some(&b"QUIT\r\n"[..]), "{}", end.escape_debug());
        }
    }

    #[test]
    fn faults_have_names() {
        assert_eq!(decode(b"a\nb\r\n.\r\n").1, Some(DataFault::BareLf));
        assert_eq!(decode(b"a\rb\r\n.\r\n").1, Some(DataFault::BareCr));
        assert_eq!(decode(b"a\r\r\n.\r\n").1, Some(DataFault::BareCr));
        assert_eq!(decode(b".\rx\r\n.\r\n").1, Some(DataFault::BareCr));
    }

    #[test]
    fn any_cut_of_the_bytes_is_the_same_message() {
        let input = b"From: a\r\n\r\n..dots\r\n.x\r\nbare\nlf\rcr\r\r\n. \r\n.\r\nNOOP\r\n";
        let whole = decode(input);
        for first in 0..input.len() {
            for second in first..input.len() {
                let (mut decoder, mut out, mut rest) = (DataDecoder::default(), Vec::new(), None);
                let cuts = [0, first, second, input.len()];
                for pair in cuts.windows(2) {
                    let piece = &input[pair[0]..pair[1]];
                    if let Some(rest) = &mut rest {
                        Vec::extend_from_slice(rest, piece);
                    } else if let DataProgress::End { consumed } = decoder.push(piece, &mut out) {
                        rest = Some(piece[consumed..].to_vec());
                    }
                }
                assert_eq!((out, decoder.fault(), rest), whole, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_line_has_a_bound() {
        let line = |length: usize| [vec![b'a'; length - 2], b"\r\n.\r\n".to_vec()].concat();
        assert_eq!(decode(&line(TEXT_LINE_BYTES_MAX)).1, None);
        assert_eq!(decode(&line(TEXT_LINE_BYTES_MAX + 1)).1, Some(DataFault::LineTooLong));
        let check = |length: usize| {
            let mut check = LineCheck::default();
            check.push(&line(length));
            check.finish()
        };
        assert_eq!(check(TEXT_LINE_BYTES_MAX), None);
        assert_eq!(check(TEXT_LINE_BYTES_MAX + 1), Some(DataFault::LineTooLong));
    }

    #[test]
    fn bdat_is_as_strict() {
        for (input, fault) in [
            (&b"a\r\nb"[..], None),
            (b"a\nb", Some(DataFault::BareLf)),
            (b"a\rb", Some(DataFault::BareCr)),
            (b"a\r", Some(DataFault::BareCr)),
            (b"a\r\r\n", Some(DataFault::BareCr)),
        ] {
            for cut in 0..=input.len() {
                let mut check = LineCheck::default();
                check.push(&input[..cut]);
                check.push(&input[cut..]);
                assert_eq!(check.finish(), fault, "{}", input.escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for message in [&b""[..], b"a\r\n", b".\r\n", b"..\r\n.a\r\n", b"a\r\n.b\r\n\r\n"] {
            for cut in 0..=message.len() {
                let (mut encoder, mut wire) = (DataEncoder::default(), Vec::new());
                encoder.push(&message[..cut], &mut wire);
                encoder.push(&message[cut..], &mut wire);
                encoder.finish(&mut wire);
                assert_eq!(decode(&wire), (message.to_vec(), None, Some(Vec::new())));
            }
        }
        let (mut encoder, mut wire) = (DataEncoder::default(), Vec::new());
        encoder.push(b"no end", &mut wire);
        encoder.finish(&mut wire);
        assert_eq!(decode(&wire).0, b"no end\r\n");
    }
}
