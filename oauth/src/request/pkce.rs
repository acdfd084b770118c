// SPDX-License-Identifier: AGPL-3.0-or-later
//! RFC 7636: only who began the exchange of a code can end it. S256 alone, and for every client.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_types::constant_time_eq;

use crate::limits::{VERIFIER_CHARS_MAX, VERIFIER_CHARS_MIN};

/// What an authorization request committed to: base64url of a SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge(String);

/// Why a request's challenge is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// RFC 9700 §2.1.1: a client must use PKCE; here even a confidential one.
    #[error("PKCE is required: send code_challenge and code_challenge_method=S256")]
    Missing,
    /// RFC 7636 §4.3: without a method it is `plain`, which shows the verifier to whoever sees the request.
    #[error("code_challenge_method must be S256")]
    Method,
    /// Not base64url of 32 octets.
    #[error("code_challenge is not the base64url of a SHA-256")]
    Shape,
}

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method`.
    pub fn parse(challenge: Option<&str>, method: Option<&str>) -> Result<Self, ChallengeError> {
        let challenge = challenge.ok_or(ChallengeError::Missing)?;
        if method != Some("S256") {
            return Err(ChallengeError::Method);
        }
        Self::from_stored(challenge).ok_or(ChallengeError::Shape)
    }

    /// From a table.
    pub fn from_stored(challenge: &str) -> Option<Self> {
        let hash = URL_SAFE_NO_PAD.decode(challenge).ok()?;
        (hash.len() == digest::SHA256_OUTPUT_LEN).then(|| Self(challenge.to_string()))
    }

    /// As it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// RFC 7636 §4.6: is this the verifier?
    pub fn admits(&self, verifier: &str) -> bool {
        let is_unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        if !(VERIFIER_CHARS_MIN..=VERIFIER_CHARS_MAX).contains(&verifier.len()) || !verifier.bytes().all(is_unreserved) {
            return false;
        }
        let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
        constant_time_eq(URL_SAFE_NO_PAD.encode(hash.as_ref()).as_bytes(), self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_appendix_b() {
        let challenge = Challenge::parse(Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), Some("S256")).unwrap();
        assert!(challenge.admits("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.admits("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"));
        assert!(!challenge.admits(""));
    }

    #[test]
    fn no_plain_and_no_odd_shapes() {
        let sound = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert_eq!(Challenge::parse(None, None), Err(ChallengeError::Missing));
        assert_eq!(Challenge::parse(None, Some("S256")), Err(ChallengeError::Missing));
        for method in [None, Some("plain"), Some("s256")] {
            assert_eq!(Challenge::parse(Some(sound), method), Err(ChallengeError::Method));
        }
        for shape in
            ["short", &sound[..42], &format!("{sound}A"), &format!("{sound}="), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"]
        {
            assert_eq!(Challenge::parse(Some(shape), Some("S256")), Err(ChallengeError::Shape), "{shape}");
        }
    }

    #[test]
    fn a_verifier_has_its_length() {
        let with = |chars: usize| {
            let verifier = "a".repeat(chars);
            let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
            Challenge::from_stored(&URL_SAFE_NO_PAD.encode(hash.as_ref())).unwrap().admits(&verifier)
        };
        assert!(with(VERIFIER_CHARS_MIN) && with(VERIFIER_CHARS_MAX));
        assert!(!with(VERIFIER_CHARS_MIN - 1) && !with(VERIFIER_CHARS_MAX + 1));
    }
}
