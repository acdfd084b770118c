// SPDX-License-Identifier: AGPL-3.0-or-later
//! Transfer encodings taken off a stream of pieces, for BINARY (RFC 9051 §6.4.5, RFC 2045 §6).

use hearth_wire::message::TransferEncoding;

/// Octets of an unfinished quoted-printable line that are held back to see whether it ends in white space.
const HELD_BYTES_MAX: usize = 1024;

/// Decodes piece by piece; the same bytes give the same result however they are cut.
#[derive(Clone, Debug)]
pub enum Decoder {
    /// 7bit, 8bit, binary.
    Identity,
    /// base64: bits gathered so far.
    Base64 {
        /// The bits.
        bits: u32,
        /// How many of them.
        count: u32,
        /// `=` was met; what follows is not ours.
        ended: bool,
    },
    /// quoted-printable: what of a line is not decided yet.
    QuotedPrintable {
        /// `=` with what follows it, or white space that may end a line.
        held: Vec<u8>,
    },
}

impl Decoder {
    /// For an encoding; `None` for one that we do not know.
    pub fn new(encoding: TransferEncoding) -> Option<Self> {
        match encoding {
            TransferEncoding::SevenBit | TransferEncoding::EightBit | TransferEncoding::Binary => Some(Self::Identity),
            TransferEncoding::Base64 => Some(Self::Base64 { bits: 0, count: 0, ended: false }),
            TransferEncoding::QuotedPrintable => Some(Self::QuotedPrintable { held: Vec::new() }),
            TransferEncoding::Unknown => None,
        }
    }

    /// Decodes a piece onto `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Identity => out.extend_from_slice(piece),
            Self::Base64 { bits, count, ended } => {
                for &byte in piece {
                    let value = match byte {
                        b'A'..=b'Z' => byte - b'A',
                        b'a'..=b'z' => byte - b'a' + 26,
                        b'0'..=b'9' => byte - b'0' + 52,
                        b'+' => 62,
                        b'/' => 63,
                        b'=' => {
                            *ended = true;
                            continue;
                        }
                        // RFC 2045 §6.8: all other characters are passed over.
                        _ => continue,
                    };
                    if *ended {
                        continue;
                    }
                    *bits = *bits << 6 | u32::from(value);
                    *count += 6;
                    if *count >= 8 {
                        *count -= 8;
                        out.push(u8::try_from(*bits >> *count & 0xff).unwrap_or_default());
                        *bits &= (1 << *count) - 1;
                    }
                }
            }
            Self::QuotedPrintable { held } => piece.iter().for_each(|&byte| push_quoted(held, byte, out)),
        }
    }

    /// What was held back until the end.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Self::QuotedPrintable { held } = self {
            if held.first() == Some(&b'=') {
                out.append(held);
            }
            held.clear();
        }
    }
}

/// RFC 2045 §6.7. `held` is empty, or `=` and what followed, or white space.
fn push_quoted(held: &mut Vec<u8>, byte: u8, out: &mut Vec<u8>) {
    match (held.first().copied(), byte) {
        (Some(b'='), b'\n') => held.clear(),
        (Some(b'='), b' ' | b'\t' | b'\r')
            if held.len() < HELD_BYTES_MAX && held.get(1).is_none_or(|b| b.is_ascii_whitespace()) =>
        {
            held.push(byte);
        }
        (Some(b'='), _) => match (held.get(1).copied(), hex(byte)) {
            (None, Some(_)) => held.push(byte),
            (Some(high), Some(low)) if hex(high).is_some() => {
                out.push(hex(high).unwrap_or_default() << 4 | low);
                held.clear();
            }
            // Not what the standard says: left as it is (RFC 2045 §6.7, note on robustness).
            _ => {
                out.append(held);
                push_quoted(held, byte, out);
            }
        },
        (_, b'=') => {
            out.append(held);
            held.push(b'=');
        }
        (_, b' ' | b'\t') => {
            if held.len() >= HELD_BYTES_MAX {
                out.append(held);
            }
            held.push(byte);
        }
        (Some(_), b'\r') => held.push(byte),
        // §6.7 rule 3: white space at the end of a line was added on the way.
        (_, b'\n') => {
            if held.last() == Some(&b'\r') {
                out.push(b'\r');
            }
            held.clear();
            out.push(b'\n');
        }
        _ => {
            out.append(held);
            out.push(byte);
        }
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: TransferEncoding, input: &[u8], piece: usize) -> Vec<u8> {
        let mut decoder = Decoder::new(encoding).expect("known");
        let mut out = Vec::new();
        for piece in input.chunks(piece) {
            decoder.push(piece, &mut out);
        }
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn any_cut_decodes_the_same() {
        for (encoding, input, output) in [
            (TransferEncoding::Base64, &b"aGVs\r\nbG8g\r\nd29ybGQ=\r\n"[..], &b"hello world"[..]),
            (TransferEncoding::Base64, b"aGVsbG8", b"hello"),
            (TransferEncoding::Base64, b"aGk=trailing", b"hi"),
            (TransferEncoding::QuotedPrintable, b"a=C3=A9 b=\r\nc  \r\nd=\n=3D", b"a\xc3\xa9 bc\r\nd="),
            (TransferEncoding::QuotedPrintable, b"a=  \r\nb =zz =", b"ab =zz ="),
            (TransferEncoding::QuotedPrintable, b"x\r\n\r\ny\n", b"x\r\n\r\ny\n"),
            (TransferEncoding::QuotedPrintable, b"=c3=a9", b"\xc3\xa9"),
            (TransferEncoding::EightBit, b"a\0b", b"a\0b"),
        ] {
            for piece in 1..=input.len() {
                assert_eq!(
                    decoded(encoding, input, piece),
                    output,
                    "{encoding:?} {:?} in pieces of {piece}",
                    String::from_utf8_lossy(input)
                );
            }
        }
        assert!(Decoder::new(TransferEncoding::Unknown).is_none());
    }

    #[test]
    fn what_is_held_back_has_a_bound() {
        let mut decoder = Decoder::new(TransferEncoding::QuotedPrintable).expect("known");
        let mut out = Vec::new();
        decoder.push(&vec![b' '; 10 * HELD_BYTES_MAX], &mut out);
        let Decoder::QuotedPrintable { held } = &decoder else { panic!("quoted-printable") };
        assert!(held.len() <= HELD_BYTES_MAX);
    }
}
