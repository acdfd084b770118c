// SPDX-License-Identifier: AGPL-3.0-or-later
//! Distinguished names as text (RFC 4514): `uid=alice,ou=people,dc=home,dc=example`.

use super::{DN_BYTES_MAX, LdapError, Result};

/// One step of a name: the attribute in lower case, and its value. Of several values (`+`) none is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rdn {
    /// `uid`
    pub attribute: String,
    /// `alice`
    pub value: String,
}

/// The steps of a name, the nearest first.
pub fn parse_dn(text: &str) -> Result<Vec<Rdn>> {
    if text.len() > DN_BYTES_MAX {
        return Err(LdapError::TooMuch);
    }
    let mut steps = Vec::new();
    let mut rest = text.trim_start_matches(' ');
    while !rest.is_empty() {
        let (attribute, after) = rest.split_once('=').ok_or(LdapError::Syntax)?;
        let attribute = attribute.trim_matches(' ').to_ascii_lowercase();
        let sound = attribute.starts_with(|c: char| c.is_ascii_alphanumeric())
            && attribute.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
        if !sound {
            return Err(LdapError::Syntax);
        }
        // Blanks are spaces alone (RFC 4514 §2.4): any other white space is the value's own.
        let (value, after) = read_value(after.trim_start_matches(' '))?;
        steps.push(Rdn { attribute, value });
        rest = match after {
            // A comma wants a step behind it.
            Some(after) if after.trim_matches(' ').is_empty() => return Err(LdapError::Syntax),
            Some(after) => after,
            None => "",
        };
    }
    Ok(steps)
}

/// A value, and what follows its comma.
fn read_value(text: &str) -> Result<(String, Option<&str>)> {
    let mut octets: Vec<u8> = Vec::new();
    // Blanks at the end do not count, but those that are escaped (RFC 4514 §2.4).
    let mut solid = 0;
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b',' => {
                octets.truncate(solid);
                let value = String::from_utf8(octets).map_err(|_| LdapError::Syntax)?;
                return Ok((value, text.get(at + 1..)));
            }
            b'\\' => {
                let next = *bytes.get(at + 1).ok_or(LdapError::Syntax)?;
                let pair = text.get(at + 1..at + 3).and_then(|pair| u8::from_str_radix(pair, 16).ok());
                match pair {
                    Some(octet) if next.is_ascii_hexdigit() => {
                        octets.push(octet);
                        at += 3;
                    }
                    _ if b" \"#+,;<=>\\".contains(&next) => {
                        octets.push(next);
                        at += 2;
                    }
                    _ => return Err(LdapError::Syntax),
                }
                solid = octets.len();
            }
            b'+' | b'"' | b';' | b'<' | b'>' | 0 => return Err(LdapError::Syntax),
            byte => {
                octets.push(*byte);
                at += 1;
                if *byte != b' ' {
                    solid = octets.len();
                }
            }
        }
    }
    octets.truncate(solid);
    Ok((String::from_utf8(octets).map_err(|_| LdapError::Syntax)?, None))
}

/// A value as it stands in a name.
pub fn encode_value(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, c) in value.chars().enumerate() {
        let edge = (c == ' ' && (at == 0 || at == last)) || (c == '#' && at == 0);
        if c == '\0' {
            text.push_str("\\00");
            continue;
        }
        if edge || "\"+,;<>\\=".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// The same for every way of writing a name: what names are compared by. `None` for a text that is no name.
pub fn normalize_dn(text: &str) -> Option<String> {
    let steps = parse_dn(text).ok()?;
    let steps = steps.iter().map(|step| format!("{}={}", step.attribute, encode_value(&step.value.to_lowercase())));
    Some(steps.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names() {
        let dn =
            |text: &str| parse_dn(text).map(|steps| steps.into_iter().map(|step| (step.attribute, step.value)).collect::<Vec<_>>());
        let step = |attribute: &str, value: &str| (attribute.to_string(), value.to_string());
        assert_eq!(dn(""), Ok(vec![]));
        assert_eq!(dn("UID=Alice , OU=people"), Ok(vec![step("uid", "Alice"), step("ou", "people")]));
        // RFC 4514 §4.
        assert_eq!(
            dn("CN=James \\\"Jim\\\" Smith\\, III,DC=net"),
            Ok(vec![step("cn", "James \"Jim\" Smith, III"), step("dc", "net")])
        );
        assert_eq!(dn("CN=Before\\0dAfter"), Ok(vec![step("cn", "Before\rAfter")]));
        assert_eq!(dn("CN=Lu\\C4\\8Di\\C4\\87"), Ok(vec![step("cn", "Lu\u{10d}i\u{107}")]));
        assert_eq!(dn("cn=a\\ "), Ok(vec![step("cn", "a ")]));
        assert_eq!(dn("cn= \u{2000}x"), Ok(vec![step("cn", "\u{2000}x")]));
        assert_eq!(dn("cn=\\0ca"), Ok(vec![step("cn", "\u{c}a")]));
        assert_eq!(dn(&normalize_dn("cn=\\0ca").unwrap()), dn("cn=\\0ca"));
        for bad in ["alice", "=x", "a=b,", "a=b+c=d", "a=b\\", "a=b\\zz", "a=\\ff", "a b=c", "a=\"b\""] {
            assert_eq!(dn(bad), Err(LdapError::Syntax), "{bad}");
        }
        let long = |bytes: usize| format!("cn={}", "x".repeat(bytes - 3));
        assert!(parse_dn(&long(DN_BYTES_MAX)).is_ok());
        assert_eq!(parse_dn(&long(DN_BYTES_MAX + 1)), Err(LdapError::TooMuch));
        assert_eq!(normalize_dn("UID=Alice, OU=People").as_deref(), Some("uid=alice,ou=people"));
    }

    proptest! {
        #[test]
        fn a_value_is_read_as_it_was_written(value in "\\PC{1,40}") {
            let dn = format!("cn={},dc=x", encode_value(&value));
            let steps = parse_dn(&dn).unwrap();
            prop_assert_eq!(&steps[0].value, &value);
            prop_assert_eq!(steps.len(), 2);
        }

        #[test]
        fn any_text_is_read_to_its_end(text in ".{0,80}") {
            let _ = parse_dn(&text);
        }
    }
}
