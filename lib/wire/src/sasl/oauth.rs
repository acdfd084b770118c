// SPDX-License-Identifier: AGPL-3.0-or-later
//! OAUTHBEARER (RFC 7628) and the older XOAUTH2, which differ in how the message begins and how a failure is told.

use hearth_types::Secret;

use super::error::Malformed;
use super::mechanism::Mechanism;
use super::scram::parse_saslname;
use super::server::TokenClaim;

/// RFC 7628 §3.1: `kvsep`.
const SEPARATOR: char = '\u{1}';

/// Why a token did not do, in the words of RFC 6750 §3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Unknown, ended or taken back.
    Invalid,
    /// Good, but not for this.
    InsufficientScope,
}

/// RFC 7628 §3.1: `gs2-header kvsep *kvpair kvsep`. Host and port are what the client believes it reached;
/// TLS has proved that already, so they are not compared.
pub(super) fn parse_bearer(octets: &[u8]) -> Result<TokenClaim, Malformed> {
    let malformed = |what| Malformed { mechanism: "OAUTHBEARER", what };
    let text = std::str::from_utf8(octets).map_err(|_| malformed("not UTF-8"))?;
    let (header, pairs) = text.split_once(SEPARATOR).ok_or(malformed("no separator after the gs2 header"))?;
    let mut parts = header.split(',');
    let (Some(flag), Some(authzid), Some(""), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(malformed("the gs2 header is not flag,authzid,"));
    };
    // RFC 7628 §3.1: there is no channel binding in OAUTHBEARER.
    if !matches!(flag, "n" | "y") {
        return Err(malformed("the gs2 flag is not n or y"));
    }
    let authorization = match authzid {
        "" => None,
        named => Some(named.strip_prefix("a=").and_then(parse_saslname).ok_or(malformed("the authzid is not a saslname"))?),
    };
    Ok(TokenClaim { authorization, token: parse_pairs("OAUTHBEARER", pairs)?.auth })
}

/// `user=` address kvsep `auth=Bearer ` token kvsep kvsep (Google's and Microsoft's documents).
pub(super) fn parse_xoauth2(octets: &[u8]) -> Result<TokenClaim, Malformed> {
    let text = std::str::from_utf8(octets).map_err(|_| Malformed { mechanism: "XOAUTH2", what: "not UTF-8" })?;
    let pairs = parse_pairs("XOAUTH2", text)?;
    Ok(TokenClaim { authorization: pairs.user, token: pairs.auth })
}

struct Pairs {
    user: Option<String>,
    auth: Secret<String>,
}

fn parse_pairs(mechanism: &'static str, text: &str) -> Result<Pairs, Malformed> {
    let malformed = |what| Malformed { mechanism, what };
    let pairs = text
        .strip_suffix(SEPARATOR)
        .and_then(|text| text.strip_suffix(SEPARATOR).or(text.is_empty().then_some("")))
        .ok_or(malformed("does not end with two separators"))?;
    let (mut user, mut auth) = (None, None);
    for pair in pairs.split(SEPARATOR).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or(malformed("a pair without ="))?;
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Err(malformed("a key that is not letters"));
        }
        match key {
            "user" if user.is_none() => user = Some(value.to_string()).filter(|user| !user.is_empty()),
            "auth" if auth.is_none() => auth = Some(parse_auth(value).ok_or(malformed("the auth is not a bearer token"))?),
            "user" | "auth" => return Err(malformed("a key twice")),
            // RFC 7628 §3.1: unknown keys are ignored.
            _ => {}
        }
    }
    // RFC 7628 §3.1: an empty `auth` asks where tokens come from; it is answered like a bad token.
    Ok(Pairs { user, auth: auth.unwrap_or_default() })
}

/// RFC 6750 §2.1: `Bearer` in any case, one space at least, and a b64token.
fn parse_auth(value: &str) -> Option<Secret<String>> {
    if value.is_empty() {
        return Some(Secret::default());
    }
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    let is_b64token = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    (scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty() && token.bytes().all(is_b64token))
        .then(|| Secret::new(token.to_string()))
}

/// RFC 7628 §3.2.2: the failure as JSON, which the client acknowledges before the exchange fails.
pub(super) fn encode_error(mechanism: Mechanism, error: TokenError, issuer: &str) -> Vec<u8> {
    let status = match (mechanism, error) {
        (Mechanism::XOAuth2, TokenError::Invalid) => "401",
        (Mechanism::XOAuth2, TokenError::InsufficientScope) => "403",
        (_, TokenError::Invalid) => "invalid_token",
        (_, TokenError::InsufficientScope) => "insufficient_scope",
    };
    // The issuer is a URL of our own configuration: nothing in it needs an escape, and what would is left out.
    let issuer: String = issuer.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect();
    let json = match mechanism {
        Mechanism::XOAuth2 => format!(r#"{{"status":"{status}","schemes":"bearer","scope":"mail"}}"#),
        _ if issuer.is_empty() => format!(r#"{{"status":"{status}","scope":"mail"}}"#),
        _ => {
            format!(r#"{{"status":"{status}","scope":"mail","openid-configuration":"{issuer}/.well-known/openid-configuration"}}"#)
        }
    };
    json.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_rfc_7628() {
        // RFC 7628 §4.1.
        let message = b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01\
                        auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        let claim = parse_bearer(message).expect("the example");
        assert_eq!(claim.authorization.as_deref(), Some("user@example.com"));
        assert!(claim.token.matches("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="));
    }

    #[test]
    fn google_s_form() {
        let claim =
            parse_xoauth2(b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01")
                .expect("the example");
        assert_eq!(claim.authorization.as_deref(), Some("someuser@example.com"));
        assert!(claim.token.matches("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"));
    }

    #[test]
    fn a_question_for_the_metadata_has_no_token() {
        for message in [&b"n,,\x01auth=\x01\x01"[..], b"n,,\x01\x01", b"y,,\x01host=a\x01\x01"] {
            let claim = parse_bearer(message).expect("a message");
            assert!(claim.token.expose().is_empty());
        }
    }

    #[test]
    fn what_is_malformed() {
        for message in [
            &b""[..],
            b"n,,",
            b"n,,\x01auth=Bearer x\x01",
            b"p=tls-exporter,,\x01auth=Bearer x\x01\x01",
            b"n,b=x,\x01auth=Bearer x\x01\x01",
            b"n,a==3,\x01auth=Bearer x\x01\x01",
            b"n,,\x01auth=Basic x\x01\x01",
            b"n,,\x01auth=Bearer x y\x01\x01",
            b"n,,\x01auth=Bearer x\x01auth=Bearer y\x01\x01",
            b"n,,\x01auth\x01\x01",
            b"n,,\x011=2\x01\x01",
            b"n,,\x01auth=Bearer \xff\x01\x01",
        ] {
            assert!(parse_bearer(message).is_err(), "{:?}", String::from_utf8_lossy(message));
        }
    }

    #[test]
    fn a_failure_in_json() {
        let json = |mechanism, error| String::from_utf8(encode_error(mechanism, error, "https://id.x.org")).unwrap();
        assert_eq!(
            json(Mechanism::OAuthBearer, TokenError::Invalid),
            r#"{"status":"invalid_token","scope":"mail","openid-configuration":"https://id.x.org/.well-known/openid-configuration"}"#
        );
        assert_eq!(json(Mechanism::XOAuth2, TokenError::Invalid), r#"{"status":"401","schemes":"bearer","scope":"mail"}"#);
    }
}
