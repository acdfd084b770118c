// SPDX-License-Identifier: AGPL-3.0-or-later
//! The machine-readable index of HKP (draft-ietf-openpgp-hkp, legacy; first in draft-shaw-openpgp-hkp-00 §5.2), and what
//! the one of HKP v2 calls algorithms.

use std::fmt::Write as _;

use hearth_identity::certs::Shown;
use hearth_types::Timestamp;

/// `info:`, and for each certificate a `pub:` line with its `uid:` lines after it.
pub fn encode_index(certificates: &[Shown], now: Timestamp) -> String {
    let mut index = format!("info:1:{}\n", certificates.len());
    for certificate in certificates {
        let ended = certificate.expires_at.is_some_and(|end| end <= now);
        let flags = format!("{}{}", if certificate.revoked { "r" } else { "" }, if ended { "e" } else { "" });
        // Writing into a String does not fail.
        let _infallible = writeln!(
            index,
            "pub:{}:{}:{}:{}:{}:{flags}",
            certificate.fingerprint,
            certificate.algorithm,
            certificate.bits,
            certificate.created_at.secs(),
            seconds(certificate.expires_at),
        );
        for identity in &certificate.identities {
            let flags = if identity.expires_at.is_some_and(|end| end <= now) { "e" } else { "" };
            let _infallible = writeln!(
                index,
                "uid:{}:{}:{}:{flags}",
                escape(&identity.user_id),
                identity.created_at.secs(),
                seconds(identity.expires_at),
            );
        }
    }
    index
}

/// The name of a primary key's algorithm (RFC 9580 §9.1; RFC 9980 §6.1); without one, the number says it.
pub fn algorithm_name(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "RSA (Encrypt or Sign)",
        3 => "RSA Sign-Only",
        17 => "DSA (Digital Signature Algorithm)",
        19 => "ECDSA public key algorithm",
        22 => "EdDSALegacy",
        27 => "Ed25519",
        28 => "Ed448",
        30 => "ML-DSA-65+Ed25519",
        31 => "ML-DSA-87+Ed448",
        32 => "SLH-DSA-SHAKE-128s",
        33 => "SLH-DSA-SHAKE-128f",
        34 => "SLH-DSA-SHAKE-256s",
        _ => return None,
    })
}

fn seconds(time: Option<Timestamp>) -> String {
    time.map(|time| time.secs().to_string()).unwrap_or_default()
}

/// §5.2: `:`, `%` and whatever is not printable 7-bit is percent-escaped.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b':' | b'%' | 0..=0x1f | 0x7f.. => {
                let _infallible = write!(escaped, "%{octet:02X}");
            }
            plain => escaped.push(char::from(plain)),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_is_escaped() {
        for (text, escaped) in [
            ("Alice Liddell <alice@home.example>", "Alice Liddell <alice@home.example>"),
            ("a:b%c", "a%3Ab%25c"),
            ("Zoë\r\nuid:evil", "Zo%C3%AB%0D%0Auid%3Aevil"),
            ("\u{7f}\t", "%7F%09"),
        ] {
            assert_eq!(escape(text), escaped);
        }
    }

    #[test]
    fn nothing_found_is_a_count_of_none() {
        assert_eq!(encode_index(&[], Timestamp::default()), "info:1:0\n");
    }
}
