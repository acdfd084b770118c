// SPDX-License-Identifier: AGPL-3.0-or-later
//! Signed tokens (RFC 7515, compact) with the house's own keys, and the key set (RFC 7517).

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_identity::vault::{Algorithm, SigningKey};
use hearth_types::Trouble;
use serde_json::{Value, json};

/// The keys, ready to sign.
pub struct Keys(Vec<Key>);

struct Key {
    kid: String,
    algorithm: Algorithm,
    pair: Pair,
    signs: bool,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// The wire name of an algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
pub const fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Rs256 => "RS256",
        Algorithm::Es256 => "ES256",
        Algorithm::EdDsa => "EdDSA",
    }
}

/// All of them.
pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

/// The algorithm of a wire name.
pub fn parse_algorithm(text: &str) -> Option<Algorithm> {
    ALGORITHMS.into_iter().find(|algorithm| name(*algorithm) == text)
}

/// OpenID Connect Core §3.1.3.6: the left half of the hash that the algorithm uses.
pub fn half_hash(algorithm: Algorithm, text: &str) -> String {
    // Ed25519 hashes with SHA-512 (RFC 8032 §5.1).
    let hash = match algorithm {
        Algorithm::EdDsa => digest::digest(&digest::SHA512, text.as_bytes()),
        Algorithm::Rs256 | Algorithm::Es256 => digest::digest(&digest::SHA256, text.as_bytes()),
    };
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    URL_SAFE_NO_PAD.encode(left)
}

/// Text in 22 letters: the same text has the same, and no two that anybody found.
pub fn short_hash(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    URL_SAFE_NO_PAD.encode(left)
}

impl Keys {
    /// Reads the keys of the vault.
    pub fn read(stored: Vec<SigningKey>) -> Result<Self, Trouble> {
        let keys: Result<Vec<_>, _> = stored.into_iter().map(Key::read).collect();
        Ok(Self(keys?))
    }

    /// Signs claims. `typ` keeps one kind of token from being taken for another (RFC 8725 §3.11).
    pub fn sign(&self, algorithm: Algorithm, typ: &str, claims: &Value) -> Result<String, Trouble> {
        let key = self
            .0
            .iter()
            .find(|key| key.signs && key.algorithm == algorithm)
            .ok_or_else(|| Trouble::new(format!("the vault has no key that signs {}", name(algorithm))))?;
        let header = json!({ "alg": name(algorithm), "typ": typ, "kid": key.kid });
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = key.pair.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The claims of a token that one of these keys signed, expired or not; `None` for any other text.
    /// The header may choose among our keys, and nothing else: not the algorithm, not a key of its own.
    pub fn verify(&self, token: &str, typ: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header = decode(header)?;
        let key = self.0.iter().find(|key| header["kid"] == key.kid.as_str())?;
        if header["alg"] != name(key.algorithm) || header["typ"] != typ || header.get("crit").is_some() {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        key.pair.verify(signed.as_bytes(), &signature).then(|| decode(claims))?
    }

    /// RFC 7517 §5: the public halves, those that no longer sign too.
    pub fn set(&self) -> Value {
        json!({ "keys": self.0.iter().map(Key::public).collect::<Vec<_>>() })
    }
}

impl Key {
    fn read(stored: SigningKey) -> Result<Self, Trouble> {
        let der = stored.pkcs8.expose();
        let unreadable = |_| Trouble::new(format!("the signing key {} in the vault cannot be read", stored.kid));
        let pair = match stored.algorithm {
            Algorithm::Rs256 => Pair::Rsa(RsaKeyPair::from_pkcs8(der).map_err(unreadable)?),
            Algorithm::Es256 => Pair::Ecdsa(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(unreadable)?),
            Algorithm::EdDsa => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(der).map_err(unreadable)?),
        };
        Ok(Self { kid: stored.kid.clone(), algorithm: stored.algorithm, pair, signs: stored.signs })
    }

    fn public(&self) -> Value {
        let mut key = match &self.pair {
            // RFC 7518 §6.3.1.
            Pair::Rsa(pair) => json!({
                "kty": "RSA",
                "n": URL_SAFE_NO_PAD.encode(pair.public_key().modulus().big_endian_without_leading_zero()),
                "e": URL_SAFE_NO_PAD.encode(pair.public_key().exponent().big_endian_without_leading_zero()),
            }),
            // RFC 7518 §6.2.1; the point is 4 || x || y.
            Pair::Ecdsa(pair) => {
                let (x, y) = pair.public_key().as_ref().split_at_checked(33).unwrap_or_default();
                json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x.get(1..).unwrap_or_default()), "y": URL_SAFE_NO_PAD.encode(y) })
            }
            // RFC 8037 §2.
            Pair::Ed25519(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key()) }),
        };
        key["kid"] = json!(self.kid);
        key["alg"] = json!(name(self.algorithm));
        key["use"] = json!("sig");
        key
    }
}

impl Pair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Trouble> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                Ok(signature)
            }
            Self::Ecdsa(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let (algorithm, public): (&'static dyn VerificationAlgorithm, &[u8]) = match self {
            Self::Rsa(pair) => (&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref()),
            Self::Ecdsa(pair) => (&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()),
            Self::Ed25519(pair) => (&ED25519, pair.public_key().as_ref()),
        };
        UnparsedPublicKey::new(algorithm, public).verify(message, signature).is_ok()
    }
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn decode(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rsa::KeySize;
    use hearth_types::{Secret, Timestamp};

    use super::*;

    fn keys() -> Keys {
        let random = SystemRandom::new();
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let rsa = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&rsa).unwrap().as_ref().to_vec();
        let ecdsa = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap().as_ref().to_vec();
        let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref().to_vec();
        let stored = |kid: &str, algorithm, pkcs8| SigningKey {
            kid: kid.into(),
            algorithm,
            pkcs8: Secret::new(pkcs8),
            signs: true,
            created_at: Timestamp::default(),
        };
        Keys::read(vec![
            stored("r", Algorithm::Rs256, rsa),
            stored("e", Algorithm::Es256, ecdsa),
            stored("d", Algorithm::EdDsa, ed25519),
        ])
        .unwrap()
    }

    #[test]
    fn signed_and_verified_by_another_library() {
        use jsonwebtoken::{Algorithm as Other, DecodingKey, Validation, decode, jwk::Jwk};
        let keys = keys();
        let claims = json!({"iss": "https://id.example", "aud": "app", "exp": 4_000_000_000_u64});
        let set = keys.set();
        for (at, (algorithm, other)) in
            [(Algorithm::Rs256, Other::RS256), (Algorithm::Es256, Other::ES256), (Algorithm::EdDsa, Other::EdDSA)]
                .into_iter()
                .enumerate()
        {
            let token = keys.sign(algorithm, "JWT", &claims).unwrap();
            assert_eq!(keys.verify(&token, "JWT").as_ref(), Some(&claims));
            let jwk: Jwk = serde_json::from_value(set["keys"][at].clone()).unwrap();
            let mut validation = Validation::new(other);
            validation.set_audience(&["app"]);
            let read = decode::<Value>(&token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap();
            assert_eq!(read.claims, claims);
        }
    }

    #[test]
    fn the_set_shows_no_private_part() {
        for key in keys().set()["keys"].as_array().unwrap() {
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(key.get(private).is_none(), "{private}");
            }
            assert_eq!(key["use"], "sig");
        }
    }

    #[test]
    fn what_we_did_not_sign() {
        let (keys, others) = (keys(), keys());
        let token = keys.sign(Algorithm::Es256, "JWT", &json!({"sub": "a"})).unwrap();
        let (header, rest) = token.split_once('.').unwrap();
        let (claims, signature) = rest.split_once('.').unwrap();
        let with = |header: &Value| format!("{}.{claims}.{signature}", encode(header));
        for bad in [
            String::new(),
            "a.b".into(),
            format!("{header}.{claims}."),
            format!("{header}.{}.{signature}", encode(&json!({"sub": "b"}))),
            with(&json!({"alg": "none", "typ": "JWT", "kid": "e"})),
            with(&json!({"alg": "ES256", "typ": "JWT", "kid": "r"})),
            with(&json!({"alg": "HS256", "typ": "JWT", "kid": "r"})),
            with(&json!({"alg": "ES256", "typ": "JWT", "kid": "../../key"})),
            with(&json!({"alg": "ES256", "typ": "JWT", "kid": "e", "crit": ["x"]})),
        ] {
            assert_eq!(keys.verify(&bad, "JWT"), None, "{bad}");
        }
        assert_eq!(keys.verify(&token, "at+jwt"), None);
        assert_eq!(others.verify(&token, "JWT"), None);
    }

    #[test]
    fn half_of_a_hash() {
        // OpenID Connect Core, appendix A.3 (its access token and at_hash).
        assert_eq!(
            (short_hash("a").len(), short_hash("a") == short_hash("a"), short_hash("a") == short_hash("b")),
            (22, true, false)
        );
        assert_eq!(half_hash(Algorithm::Rs256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(URL_SAFE_NO_PAD.decode(half_hash(Algorithm::EdDsa, "x")).unwrap().len(), 32);
    }
}
