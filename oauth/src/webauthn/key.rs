// SPDX-License-Identifier: AGPL-3.0-or-later
//! The public key of a passkey (COSE, RFC 9053): ES256, EdDSA, RS256.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::cbor::{self, Value};

/// Octets of a key as it is kept: an RSA key of 4096 bits fits.
const KEY_BYTES_MAX: usize = 1024;

/// A key that can verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// An uncompressed point of P-256.
    Es256(Vec<u8>),
    /// A point of Ed25519.
    EdDsa(Vec<u8>),
    /// Modulus and exponent.
    Rs256(Vec<u8>, Vec<u8>),
}

impl Key {
    /// Reads a COSE key that takes up all the octets.
    pub fn parse(octets: &[u8]) -> Option<Self> {
        if octets.len() > KEY_BYTES_MAX {
            return None;
        }
        let (value, rest) = cbor::read(octets)?;
        if rest.is_empty() { Self::from_cose(&value) } else { None }
    }

    /// RFC 9053 §7: 1 is the kind of key, 3 the algorithm, the negative ones are the kind's own.
    fn from_cose(value: &Value) -> Option<Self> {
        let number = |name: i64| value.by_number(name).and_then(Value::integer);
        let octets = |name: i64| value.by_number(name).and_then(Value::bytes);
        match (number(1)?, number(3)?) {
            (2, -7) if number(-1) == Some(1) => {
                let (x, y) = (octets(-2)?, octets(-3)?);
                (x.len() == 32 && y.len() == 32).then(|| Self::Es256([&[4], x, y].concat()))
            }
            (1, -8) if number(-1) == Some(6) => octets(-2).filter(|x| x.len() == 32).map(|x| Self::EdDsa(x.to_vec())),
            (3, -257) => Some(Self::Rs256(octets(-1)?.to_vec(), octets(-2)?.to_vec())),
            _ => None,
        }
    }

    /// Did this key sign the message?
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Es256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature).is_ok(),
            Self::EdDsa(point) => UnparsedPublicKey::new(&ED25519, point).verify(message, signature).is_ok(),
            Self::Rs256(n, e) => RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_none() {
        let es256 =
            |x: usize| [&b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58"[..], &[x as u8], &vec![1; x], b"\x22\x58\x20", &[2; 32]].concat();
        assert!(matches!(Key::parse(&es256(32)), Some(Key::Es256(point)) if point.len() == 65));
        assert_eq!(Key::parse(&es256(31)), None);
        assert_eq!(Key::parse(&[es256(32), vec![0]].concat()), None, "more after it");
        assert_eq!(Key::parse(b"\xa2\x01\x02\x03\x26"), None, "no point");
        assert_eq!(Key::parse(b"\xa1\x03\x26"), None, "no kind");
        assert_eq!(Key::parse(&[b"\x59\x04\x01".to_vec(), vec![0; 1025]].concat()), None, "too long");
        assert!(!Key::Es256(vec![4; 65]).verify(b"message", b"signature"));
    }
}
