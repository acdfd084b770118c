// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mailbox names: UTF-8 inside, modified UTF-7 towards clients that have not enabled IMAP4rev2.
//!
//! RFC 9051 §5.1 (and its Appendix A) and RFC 3501 §5.1.3. INBOX is the one name that has no letter case.

use super::cursor::{Bad, Cursor, Parsed};
use super::limits::{MAILBOX_NAME_BYTES_MAX, MAILBOX_NAME_LEVELS_MAX};

/// What stands between the levels of a name.
pub const SEPARATOR: char = '/';
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// How names and header texts are written to this client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// IMAP4rev1: modified UTF-7 in names, encoded words in envelopes.
    #[default]
    Utf7,
    /// After ENABLE IMAP4rev2: UTF-8.
    Utf8,
}

/// A mailbox's name: UTF-8, levels separated by `/`, `INBOX` in its one spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MailboxName(String);

impl MailboxName {
    /// Checks a name in UTF-8. One separator at the end is dropped: it only says that children will come
    /// (RFC 9051 §6.3.4).
    pub fn new(name: &str) -> Parsed<Self> {
        let name = name.strip_suffix(SEPARATOR).unwrap_or(name);
        if name.is_empty() {
            return Err(Bad("a mailbox name may not be empty"));
        }
        if name.len() > MAILBOX_NAME_BYTES_MAX {
            return Err(Bad("a mailbox name is too long"));
        }
        if name.chars().any(|c| c.is_control() || c == '\u{2028}' || c == '\u{2029}') {
            return Err(Bad("a mailbox name may not hold control characters"));
        }
        let levels: Vec<&str> = name.split(SEPARATOR).collect();
        if levels.len() > MAILBOX_NAME_LEVELS_MAX {
            return Err(Bad("a mailbox name has too many levels"));
        }
        if levels.iter().any(|level| level.is_empty()) {
            return Err(Bad("a level of a mailbox name may not be empty"));
        }
        Ok(Self(with_inbox(name)))
    }

    /// The name in UTF-8.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 9051 §5.1: INBOX is case-insensitive; so is it as the first level.
fn with_inbox(name: &str) -> String {
    match name.split_once(SEPARATOR) {
        None if name.eq_ignore_ascii_case("INBOX") => "INBOX".to_string(),
        Some((first, rest)) if first.eq_ignore_ascii_case("INBOX") => format!("INBOX{SEPARATOR}{rest}"),
        _ => name.to_string(),
    }
}

/// mailbox = astring, in the client's charset.
pub fn parse_mailbox(cursor: &mut Cursor<'_>, charset: Charset) -> Parsed<MailboxName> {
    let bytes = cursor.astring()?;
    MailboxName::new(&decode_name(&bytes, charset)?)
}

/// A name or a pattern as it came, in UTF-8.
pub(crate) fn decode_name(bytes: &[u8], charset: Charset) -> Parsed<String> {
    let text = std::str::from_utf8(bytes).map_err(|_| Bad("a mailbox name is not UTF-8"))?;
    match charset {
        Charset::Utf8 => Ok(text.to_string()),
        // (quirk: clients that send bare UTF-8 without ENABLE; it cannot be modified UTF-7, so take it as it is)
        Charset::Utf7 if !text.is_ascii() => Ok(text.to_string()),
        Charset::Utf7 => decode_utf7(text).ok_or(Bad("a mailbox name is not in modified UTF-7")),
    }
}

/// Modified UTF-7 to UTF-8; `None` when it is malformed or not in its shortest form (RFC 3501 §5.1.3).
pub fn decode_utf7(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, shifted)) = rest.split_once('&') {
        decoded.push_str(plain);
        let (code, after) = shifted.split_once('-')?;
        if code.is_empty() {
            decoded.push('&')
        } else {
            decoded.push_str(&decode_shifted(code)?)
        }
        rest = after;
        // "a null shift between two base64 runs" is not permitted: "&AOk-&AOk-" must be one run.
        if !code.is_empty() && after.starts_with('&') && !after.starts_with("&-") {
            return None;
        }
    }
    decoded.push_str(rest);
    (text.is_ascii() && !text.chars().any(char::is_control)).then_some(decoded)
}

fn decode_shifted(code: &str) -> Option<String> {
    let (mut bits, mut count) = (0_u32, 0);
    let mut units: Vec<u16> = Vec::new();
    for byte in code.bytes() {
        let value = BASE64.iter().position(|&letter| letter == byte)?;
        bits = (bits << 6 | u32::try_from(value).ok()?) & 0x3f_ffff;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push(u16::try_from((bits >> count) & 0xffff).ok()?);
        }
    }
    // Left over are at most 5 bits of padding, all zero.
    if count >= 6 || bits & ((1 << count) - 1) != 0 {
        return None;
    }
    let text = String::from_utf16(&units).ok()?;
    let needless = |c: char| (' '..='~').contains(&c);
    (!text.is_empty() && !text.chars().any(needless)).then_some(text)
}

/// UTF-8 to modified UTF-7.
pub fn encode_utf7(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    let mut units: Vec<u16> = Vec::new();
    for c in name.chars() {
        if (' '..='~').contains(&c) {
            encode_shifted(&mut encoded, &mut units);
            encoded.push(c);
            if c == '&' {
                encoded.push('-');
            }
        } else {
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }
    encode_shifted(&mut encoded, &mut units);
    encoded
}

fn encode_shifted(encoded: &mut String, units: &mut Vec<u16>) {
    if units.is_empty() {
        return;
    }
    encoded.push('&');
    let (mut bits, mut count) = (0_u32, 0);
    let letter = |value: u32| BASE64.get((value & 63) as usize).map_or('A', |&byte| char::from(byte));
    for unit in units.drain(..) {
        bits = bits << 16 | u32::from(unit);
        count += 16;
        while count >= 6 {
            count -= 6;
            encoded.push(letter(bits >> count));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        encoded.push(letter(bits << (6 - count)));
    }
    encoded.push('-');
}

/// A mailbox name in the client's charset: an atom where it can be, else quoted.
pub fn encode_mailbox(out: &mut Vec<u8>, name: &str, charset: Charset) {
    let text = match charset {
        Charset::Utf8 => name.to_string(),
        Charset::Utf7 => encode_utf7(name),
    };
    super::response::encode_astring(out, text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf7_both_ways() {
        for (utf8, utf7) in [
            // RFC 3501 §5.1.3
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("a&b", "a&-b"),
            ("&", "&-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("Gesendet", "Gesendet"),
            ("😀", "&2D3eAA-"),
            ("é&é", "&AOk-&-&AOk-"),
        ] {
            assert_eq!(encode_utf7(utf8), utf7);
            assert_eq!(decode_utf7(utf7).as_deref(), Some(utf8));
        }
        // RFC 3501 §5.1.3: "&Jjo!" has no end, "&U,BTFw-&ZeVnLIqe-" a null shift, "&AEE-" a needless encoding.
        for bad in ["&Jjo!", "&U,BTFw-&ZeVnLIqe-", "&AEE-", "&2D0-", "&A-", "&AOl-", "\u{e9}", "&"] {
            assert_eq!(decode_utf7(bad), None, "{bad}");
        }
    }

    #[test]
    fn any_name_comes_back() {
        for a in ['a', '&', '-', 'é', '日', '😀', '/', '~', '+', ','] {
            for b in ['z', '&', '-', 'ü', '語', '🎉', '1'] {
                for name in [format!("{a}{b}"), format!("{b}{a}{b}"), format!("x{a}{a}{b}y")] {
                    assert_eq!(decode_utf7(&encode_utf7(&name)).as_deref(), Some(name.as_str()));
                }
            }
        }
    }

    #[test]
    fn names() {
        for (text, name) in [("inbox", "INBOX"), ("InBox/x", "INBOX/x"), ("Inboxes", "Inboxes"), ("a/b/", "a/b"), ("é", "é")] {
            assert_eq!(MailboxName::new(text).map(|n| n.0).as_deref(), Ok(name));
        }
        for bad in ["", "/", "a//b", "/a", "a\nb", "a\0", "a\u{7f}", "a\u{85}b"] {
            assert!(MailboxName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_has_bounds() {
        let fits = "m".repeat(MAILBOX_NAME_BYTES_MAX);
        assert!(MailboxName::new(&fits).is_ok());
        assert!(MailboxName::new(&format!("{fits}m")).is_err());
        let fits = vec!["m"; MAILBOX_NAME_LEVELS_MAX].join("/");
        assert!(MailboxName::new(&fits).is_ok());
        assert!(MailboxName::new(&format!("{fits}/m")).is_err());
    }
}
