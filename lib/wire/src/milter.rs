// SPDX-License-Identifier: AGPL-3.0-or-later
//! The milter protocol, version 6, from the side of the mail server: what sendmail and Postfix speak with programs that
//! judge mail (rspamd, ClamAV, opendkim). It has no RFC; libmilter of sendmail is its description.
//!
//! A packet is four octets of length (most significant first), one of command, and data. Texts in it end with NUL.

use std::net::IpAddr;

/// The version that we speak; a judge may answer with an older one.
pub const VERSION: u32 = 6;
/// The oldest that knows the packets used here.
pub const VERSION_MIN: u32 = 2;
/// We let a judge add fields (0x01), change and remove them (0x10), and put a mail into quarantine (0x20).
pub const ACTIONS: u32 = 0x31;
/// Steps that a judge may ask to be left out: connect, helo, mail, rcpt, body, header, end of header, unknown, data; and it
/// may end the body with "skip" (0x400). The other bits: that it gives no answer to header (0x80), connect and those after it
/// up to body (0x1000 to 0x80000).
pub const STEPS: u32 = 0xf_f7ff;
/// A piece of a body (`MILTER_CHUNK_SIZE`).
pub const BODY_PIECE_BYTES: usize = 65_535;
/// A judge's packet that is read.
pub const PACKET_BYTES_MAX: usize = 1024 * 1024;

/// A step of a mail, for a judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// What we can do.
    Negotiate,
    /// Values that a step after it may want: the letter of that step, then names and values.
    Macros(u8, &'a [(&'a str, &'a str)]),
    /// Who is at the other end.
    Connect {
        /// Its name, or its address in brackets.
        host: &'a str,
        /// Its address.
        ip: IpAddr,
        /// Its port.
        port: u16,
    },
    /// What it calls itself.
    Helo(&'a str),
    /// The envelope sender, in angle brackets.
    Mail(&'a str),
    /// A recipient, in angle brackets.
    Rcpt(&'a str),
    /// DATA.
    Data,
    /// A field, its value with LF between its lines.
    Header(&'a str, &'a [u8]),
    /// The header is at its end.
    EndOfHeader,
    /// A piece of the body.
    Body(&'a [u8]),
    /// The message is at its end: the judge says what it thinks.
    EndOfBody,
    /// Goodbye.
    Quit,
}

impl Step<'_> {
    /// The bit by which a judge asks to leave the step out; 0 for those that are always there.
    pub const fn left_out_by(&self) -> u32 {
        match self {
            Self::Connect { .. } => 0x01,
            Self::Helo(_) => 0x02,
            Self::Mail(_) => 0x04,
            Self::Rcpt(_) => 0x08,
            Self::Body(_) => 0x10,
            Self::Header(..) => 0x20,
            Self::EndOfHeader => 0x40,
            Self::Data => 0x200,
            Self::Negotiate | Self::Macros(..) | Self::EndOfBody | Self::Quit => 0,
        }
    }

    /// The bit by which a judge says that it gives no answer to the step. (quirk: rspamd 3.4 answers none before the end)
    pub const fn unanswered_by(&self) -> u32 {
        match self {
            Self::Header(..) => 0x80,
            Self::Connect { .. } => 0x1000,
            Self::Helo(_) => 0x2000,
            Self::Mail(_) => 0x4000,
            Self::Rcpt(_) => 0x8000,
            Self::Data => 0x1_0000,
            Self::EndOfHeader => 0x4_0000,
            Self::Body(_) => 0x8_0000,
            Self::Negotiate | Self::Macros(..) | Self::EndOfBody | Self::Quit => 0,
        }
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        match self {
            Self::Negotiate => {
                out.push(b'O');
                for number in [VERSION, ACTIONS, STEPS] {
                    out.extend_from_slice(&number.to_be_bytes());
                }
            }
            Self::Macros(step, pairs) => {
                out.extend_from_slice(&[b'D', *step]);
                for (name, value) in *pairs {
                    text(out, name.as_bytes());
                    text(out, value.as_bytes());
                }
            }
            Self::Connect { host, ip, port } => {
                out.push(b'C');
                text(out, host.as_bytes());
                out.push(if ip.is_ipv4() { b'4' } else { b'6' });
                out.extend_from_slice(&port.to_be_bytes());
                text(out, ip.to_string().as_bytes());
            }
            Self::Helo(name) => command(out, b'H', name),
            Self::Mail(sender) => command(out, b'M', sender),
            Self::Rcpt(recipient) => command(out, b'R', recipient),
            Self::Data => out.push(b'T'),
            Self::Header(name, value) => {
                command(out, b'L', name);
                text(out, value);
            }
            Self::EndOfHeader => out.push(b'N'),
            Self::Body(piece) => {
                out.push(b'B');
                out.extend_from_slice(piece);
            }
            Self::EndOfBody => out.push(b'E'),
            Self::Quit => out.push(b'Q'),
        }
        let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
        if let Some(place) = out.get_mut(start..start + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }
}

fn command(out: &mut Vec<u8>, letter: u8, value: &str) {
    out.push(letter);
    text(out, value.as_bytes());
}

/// A NUL inside would end the text early.
fn text(out: &mut Vec<u8>, value: &[u8]) {
    out.extend(value.iter().copied().filter(|byte| *byte != 0));
    out.push(0);
}

/// What a judge says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What it can do.
    Negotiated {
        /// Its version.
        version: u32,
        /// What it may ask for.
        actions: u32,
        /// Steps that it wants left out.
        steps: u32,
    },
    /// Go on.
    Continue,
    /// It is content, and wants no more of this mail.
    Accept,
    /// The mail (or a recipient) is refused.
    Reject,
    /// Not now.
    TempFail,
    /// The mail is taken and thrown away.
    Discard,
    /// A reply of its own: `550 5.7.1 no`.
    Reply(String),
    /// It still works on it.
    Progress,
    /// No more of the body is wanted.
    Skip,
    /// A field at the end of the header, or at a place.
    AddHeader {
        /// Its place from the top; `None`: at the end.
        index: Option<u32>,
        /// Its name.
        name: String,
        /// Its value.
        value: Vec<u8>,
    },
    /// The field of this name, counted from 1, has another value; none: it goes.
    ChangeHeader {
        /// Which of that name.
        index: u32,
        /// Its name.
        name: String,
        /// The new value.
        value: Vec<u8>,
    },
    /// Held back, and why.
    Quarantine(String),
    /// What we did not offer, and leave be: its letter.
    Other(u8),
}

/// Why a packet cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a packet that is none of the milter protocol's")]
pub struct AnswerError;

impl Answer {
    /// Reads a packet without its length.
    pub fn parse(packet: &[u8]) -> Result<Self, AnswerError> {
        let (&letter, data) = packet.split_first().ok_or(AnswerError)?;
        let number = |at: usize| -> Result<u32, AnswerError> {
            let bytes = data.get(at..at + 4).ok_or(AnswerError)?;
            Ok(u32::from_be_bytes(bytes.try_into().map_err(|_| AnswerError)?))
        };
        Ok(match letter {
            b'O' => Self::Negotiated { version: number(0)?, actions: number(4)?, steps: number(8)? },
            b'c' => Self::Continue,
            b'a' => Self::Accept,
            b'r' => Self::Reject,
            b't' => Self::TempFail,
            b'd' => Self::Discard,
            b'y' => Self::Reply(String::from_utf8_lossy(texts(data)?.0).into_owned()),
            b'p' => Self::Progress,
            b's' => Self::Skip,
            b'q' => Self::Quarantine(String::from_utf8_lossy(texts(data)?.0).into_owned()),
            b'h' => {
                let (name, value) = field(data)?;
                Self::AddHeader { index: None, name, value }
            }
            b'i' => {
                let (name, value) = field(data.get(4..).ok_or(AnswerError)?)?;
                Self::AddHeader { index: Some(number(0)?), name, value }
            }
            b'm' => {
                let (name, value) = field(data.get(4..).ok_or(AnswerError)?)?;
                Self::ChangeHeader { index: number(0)?, name, value }
            }
            letter if letter.is_ascii_graphic() => Self::Other(letter),
            _ => return Err(AnswerError),
        })
    }
}

/// The first text, and what is behind it. (quirk: some leave the last NUL out)
fn texts(data: &[u8]) -> Result<(&[u8], &[u8]), AnswerError> {
    match data.iter().position(|byte| *byte == 0) {
        Some(end) => Ok((data.get(..end).ok_or(AnswerError)?, data.get(end + 1..).unwrap_or_default())),
        None => Ok((data, &[])),
    }
}

/// A name that is one (RFC 5322 §2.2), and a value.
fn field(data: &[u8]) -> Result<(String, Vec<u8>), AnswerError> {
    let (name, rest) = texts(data)?;
    let is_name = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':');
    if !is_name {
        return Err(AnswerError);
    }
    Ok((String::from_utf8_lossy(name).into_owned(), texts(rest)?.0.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(step: &Step<'_>) -> Vec<u8> {
        let mut out = b"before".to_vec();
        step.encode(&mut out);
        let packet = out.split_off(6);
        let length = u32::from_be_bytes(packet[..4].try_into().unwrap());
        assert_eq!(length as usize, packet.len() - 4, "{step:?}");
        packet[4..].to_vec()
    }

    #[test]
    fn steps_as_libmilter_reads_them() {
        assert_eq!(encoded(&Step::Negotiate), b"O\0\0\0\x06\0\0\0\x31\0\x0f\xf7\xff");
        let connect = Step::Connect { host: "c.example", ip: "192.0.2.1".parse().unwrap(), port: 258 };
        assert_eq!(encoded(&connect), b"Cc.example\x004\x01\x02192.0.2.1\0");
        assert_eq!(encoded(&Step::Mail("<a@b.c>")), b"M<a@b.c>\0");
        assert_eq!(encoded(&Step::Header("Subject", b"a\n b")), b"LSubject\0a\n b\0");
        assert_eq!(encoded(&Step::Header("X", b"a\0b")), b"LX\0ab\0", "nothing is smuggled in behind a NUL");
        assert_eq!(encoded(&Step::Macros(b'M', &[("i", "q1"), ("{mail_addr}", "a")])), b"DMi\0q1\0{mail_addr}\0a\0");
        assert_eq!(encoded(&Step::Body(b"a\0b")), b"Ba\0b");
        assert_eq!((encoded(&Step::EndOfBody), encoded(&Step::Quit)), (b"E".to_vec(), b"Q".to_vec()));
    }

    #[test]
    fn answers() {
        let field = |index, name: &str, value: &str| (index, name.to_string(), value.as_bytes().to_vec());
        let (_, name, value) = field(0, "X-Spam", "Yes");
        for (packet, answer) in [
            (&b"O\0\0\0\x06\0\0\0\x01\0\0\0\x02"[..], Answer::Negotiated { version: 6, actions: 1, steps: 2 }),
            (b"c", Answer::Continue),
            (b"y550 5.7.1 no\0", Answer::Reply("550 5.7.1 no".into())),
            (b"hX-Spam\0Yes\0", Answer::AddHeader { index: None, name: name.clone(), value: value.clone() }),
            (b"i\0\0\0\x01X-Spam\0Yes", Answer::AddHeader { index: Some(1), name: name.clone(), value }),
            (b"m\0\0\0\x02X-Spam\0\0", Answer::ChangeHeader { index: 2, name, value: Vec::new() }),
            (b"qheld\0", Answer::Quarantine("held".into())),
            (b"b a new body", Answer::Other(b'b')),
        ] {
            assert_eq!(Answer::parse(packet), Ok(answer));
        }
        for packet in [&b""[..], b"O\0\0", b"h\0x\0", b"hA B\0x\0", b"hA:\0x\0", b"i\0\0", b"m", b"\0", b"\xff"] {
            assert_eq!(Answer::parse(packet), Err(AnswerError), "{packet:?}");
        }
    }

    #[test]
    fn any_bytes_are_an_answer_or_none() {
        let mut state = 1_u32;
        for _ in 0..20_000 {
            let mut packet = Vec::new();
            for _ in 0..state % 40 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                packet.push((state >> 24) as u8);
            }
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if let Some(first) = packet.first_mut() {
                *first = b"Ocartdypsqhim"[(state >> 16) as usize % 13];
            }
            if let Ok(Answer::AddHeader { name, value, .. } | Answer::ChangeHeader { name, value, .. }) = Answer::parse(&packet) {
                assert!(!name.is_empty() && !name.contains([':', ' ', '\n', '\r', '\0']) && !value.contains(&0));
            }
        }
    }
}
