// SPDX-License-Identifier: AGPL-3.0-or-later
//! PLAIN (RFC 4616).

use hearth_types::Secret;

use super::error::Malformed;
use super::prep;
use super::server::PasswordClaim;

/// RFC 4616 §2: each part may have up to 255 octets; a password longer than that is read too and fails to match.
const NAME_BYTES_MAX: usize = 255;

/// `[authzid] NUL authcid NUL passwd`.
pub(super) fn parse_message(octets: &[u8]) -> Result<PasswordClaim, Malformed> {
    let malformed = |what| Malformed { mechanism: "PLAIN", what };
    let text = std::str::from_utf8(octets).map_err(|_| malformed("not UTF-8"))?;
    let mut parts = text.split('\0');
    let (Some(authzid), Some(authcid), Some(password), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(malformed("want two NUL"));
    };
    if authcid.is_empty() || password.is_empty() {
        return Err(malformed("no name or no password"));
    }
    if authzid.len() > NAME_BYTES_MAX || authcid.len() > NAME_BYTES_MAX {
        return Err(malformed("a name is longer than 255 octets"));
    }
    Ok(PasswordClaim {
        authorization: (!authzid.is_empty()).then(|| prep::prepare(authzid).into_owned()),
        user: prep::prepare(authcid).into_owned(),
        password: Secret::new(password.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_the_rfc() {
        // RFC 4616 §4.
        let tim = parse_message(b"\0tim\0tanstaaftanstaaf").expect("the first example");
        assert_eq!((tim.authorization, tim.user.as_str()), (None, "tim"));
        assert!(tim.password.matches("tanstaaftanstaaf"));
        let kurt = parse_message(b"Ursel\0Kurt\0xipj3plmq").expect("the second example");
        assert_eq!((kurt.authorization.as_deref(), kurt.user.as_str()), (Some("Ursel"), "Kurt"));
    }

    #[test]
    fn what_is_malformed() {
        let long = format!("\0{}\0p", "a".repeat(NAME_BYTES_MAX + 1));
        for octets in [&b""[..], b"tim", b"\0tim", b"\0\0pass", b"\0tim\0", b"\0tim\0a\0b", b"\0t\xffm\0p", long.as_bytes()] {
            assert!(parse_message(octets).is_err(), "{octets:?}");
        }
        assert!(parse_message(format!("\0{}\0p", "a".repeat(NAME_BYTES_MAX)).as_bytes()).is_ok());
    }
}
