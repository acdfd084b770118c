// SPDX-License-Identifier: AGPL-3.0-or-later
//! The Autocrypt header field (Autocrypt Level 1 §2.1): a sender's certificate travels with the mail.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hearth_types::Address;

/// Octets of a field's value that are read, and of one that we write (Level 1 §2.1 names 10 KiB).
pub const FIELD_BYTES_MAX: usize = 10 * 1024;
/// Letters of base64 on one line.
const LINE_LETTERS: usize = 72;

/// What a field says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autocrypt {
    /// Whose certificate it is.
    pub address: Address,
    /// Does the sender wish that answers are encrypted?
    pub mutual: bool,
    /// The certificate, binary.
    pub keydata: Vec<u8>,
}

/// Reads a field's value; `None` for all that Level 1 §2.1 tells to ignore: unknown critical attributes, a missing or
/// unreadable address or key.
pub fn parse(value: &str) -> Option<Autocrypt> {
    if value.len() > FIELD_BYTES_MAX {
        return None;
    }
    let (mut address, mut mutual, mut keydata) = (None, false, None);
    for attribute in value.split(';') {
        let Some((name, value)) = attribute.split_once('=') else {
            // What follows the last semicolon.
            if attribute.trim().is_empty() {
                continue;
            }
            return None;
        };
        let value = value.trim();
        match name.trim() {
            "addr" if address.is_none() => address = Some(Address::parse(value).ok()?),
            "prefer-encrypt" => mutual = value == "mutual",
            "keydata" if keydata.is_none() => {
                let letters: String = value.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
                keydata = Some(BASE64_STANDARD.decode(letters).ok().filter(|octets| !octets.is_empty())?);
            }
            name if name.starts_with('_') => {}
            _ => return None,
        }
    }
    Some(Autocrypt { address: address?, mutual, keydata: keydata? })
}

/// The whole field with its line ends; `None` when it would be too long to be read by others.
pub fn encode(field: &Autocrypt) -> Option<String> {
    let mut text = format!("Autocrypt: addr={};", field.address);
    if field.mutual {
        text.push_str(" prefer-encrypt=mutual;");
    }
    text.push_str(" keydata=\r\n");
    let letters = BASE64_STANDARD.encode(&field.keydata);
    let mut rest = letters.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at_checked(LINE_LETTERS).unwrap_or((rest, ""));
        text.push(' ');
        text.push_str(line);
        text.push_str("\r\n");
        rest = more;
    }
    (text.len() <= FIELD_BYTES_MAX).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(octets: usize) -> Autocrypt {
        Autocrypt { address: Address::parse("alice@home.example").unwrap(), mutual: true, keydata: vec![0x99; octets] }
    }

    #[test]
    fn what_is_written_is_read() {
        for octets in [1, 53, 54, 55, 700] {
            for mutual in [true, false] {
                let field = Autocrypt { mutual, ..field(octets) };
                let text = encode(&field).unwrap();
                assert!(text.lines().all(|line| line.len() <= 78), "{text}");
                assert_eq!(parse(text.strip_prefix("Autocrypt:").unwrap()), Some(field));
            }
        }
    }

    #[test]
    fn what_must_be_ignored_is() {
        for value in [
            "",
            "addr=alice@home.example",
            "keydata=mQ==",
            "addr=alice; keydata=mQ==",
            "addr=alice@home.example; keydata=",
            "addr=alice@home.example; keydata=not base64!",
            "addr=alice@home.example; type=1; keydata=mQ==",
            "addr=alice@home.example; addr=bob@home.example; keydata=mQ==",
            "addr=alice@home.example; keydata=mQ==; nonsense",
        ] {
            assert_eq!(parse(value), None, "{value}");
        }
        assert!(parse("addr=alice@home.example; _future=1; prefer-encrypt=nopreference; keydata=mQ==;").is_some());
    }

    #[test]
    fn a_field_has_its_length() {
        assert!(encode(&field(7_000)).is_some());
        assert!(encode(&field(8_000)).is_none());
        let long = |octets: usize| format!("addr=alice@home.example; keydata=mQ=={}", " ".repeat(octets));
        let fits = FIELD_BYTES_MAX - long(0).len();
        assert!(parse(&long(fits)).is_some());
        assert!(parse(&long(fits + 1)).is_none());
    }
}
