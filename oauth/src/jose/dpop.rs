// SPDX-License-Identifier: AGPL-3.0-or-later
//! DPoP (RFC 9449): whoever holds the token shows that they hold a key too.
//!
//! Pure until the `jti`, which is seen once. Mail is never bound: a mail program's SASL has no place for a proof.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_identity::Error;
use hearth_identity::grants::hash_token;
use hearth_types::{Timestamp, Trouble};
use hearth_web::axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::ctx::Ctx;
use crate::limits::{DPOP_PROOF_BYTES_MAX, DPOP_SKEW};

/// Members of a private or symmetric key: RFC 9449 §4.3 point 7.
const SECRETS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// A proof that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The key's thumbprint (RFC 7638).
    pub thumbprint: String,
    jti: String,
}

/// A proof that does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unproven(pub &'static str);

/// The proof of a request to `path`; `None` when there is none. `token`: the access token that it must be for.
pub async fn read(
    ctx: &Ctx,
    headers: &HeaderMap,
    method: &str,
    path: &str,
    token: Option<&str>,
) -> Result<Result<Option<Proof>, Unproven>, Trouble> {
    let mut fields = headers.get_all("dpop").iter();
    let Some(field) = fields.next() else {
        return Ok(Ok(None));
    };
    if fields.next().is_some() {
        return Ok(Err(Unproven("there are two DPoP fields")));
    }
    let url = format!("{}{path}", ctx.issuer);
    let proof = match check(field.to_str().unwrap_or_default(), method, &url, token, ctx.now()) {
        Ok(proof) => proof,
        Err(error) => return Ok(Err(error)),
    };
    // As long as the proof could still be fresh, on either side of our clock.
    let seen = hash_token(&format!("{} {}", proof.thumbprint, proof.jti));
    match ctx.directory.see_once("dpop", seen, DPOP_SKEW * 3).await {
        Ok(true) => Ok(Ok(Some(proof))),
        Ok(false) => Ok(Err(Unproven("the proof was used before"))),
        Err(Error::TooMany { .. }) => Ok(Err(Unproven("too many proofs are remembered: try again in a few minutes"))),
        Err(error) => Err(error.into()),
    }
}

/// RFC 9449 §4.3.
pub fn check(proof: &str, method: &str, url: &str, token: Option<&str>, now: Timestamp) -> Result<Proof, Unproven> {
    let malformed = || Unproven("the proof cannot be read");
    if proof.len() > DPOP_PROOF_BYTES_MAX {
        return Err(malformed());
    }
    let parts: Vec<&str> = proof.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        return Err(malformed());
    };
    let signed = format!("{header}.{claims}");
    let decode = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let (header, claims) = (decode(header).ok_or_else(malformed)?, decode(claims).ok_or_else(malformed)?);
    if header["typ"] != "dpop+jwt" || header.get("crit").is_some() {
        return Err(Unproven("the proof is a token of another kind"));
    }
    let key = &header["jwk"];
    if SECRETS.iter().any(|secret| key.get(secret).is_some()) {
        return Err(Unproven("the proof shows a secret key"));
    }
    let algorithm = header["alg"].as_str().unwrap_or_default();
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
    if !verify(key, algorithm, signed.as_bytes(), &signature) {
        return Err(Unproven("the proof is not signed by its key"));
    }
    let jti = claims["jti"].as_str().filter(|jti| !jti.is_empty()).ok_or_else(malformed)?;
    if claims["htm"] != method {
        return Err(Unproven("the proof is for another method"));
    }
    let htu = claims["htu"].as_str().and_then(|htu| htu.split(['?', '#']).next());
    if htu != Some(url) {
        return Err(Unproven("the proof is for another address"));
    }
    let made_at = claims["iat"].as_i64().map(Timestamp::from_secs).ok_or_else(malformed)?;
    if now.since(made_at) > DPOP_SKEW || made_at.since(now) > DPOP_SKEW {
        return Err(Unproven("the proof is not of now"));
    }
    // RFC 7519 §4.1.4, §4.1.5: they need not be there, and count where they are.
    let time = |name: &str| claims[name].as_i64().map(Timestamp::from_secs);
    if time("exp").is_some_and(|end| now.since(end) > DPOP_SKEW) || time("nbf").is_some_and(|at| at.since(now) > DPOP_SKEW) {
        return Err(Unproven("the proof is not of now"));
    }
    if token.is_some_and(|token| claims["ath"] != hash(token)) {
        return Err(Unproven("the proof is for another token"));
    }
    Ok(Proof { thumbprint: thumbprint(key).ok_or_else(malformed)?, jti: jti.to_string() })
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

pub(crate) fn verify(key: &Value, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
    let octets = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap_or_default()).unwrap_or_default();
    match (key["kty"].as_str(), key["crv"].as_str(), algorithm) {
        (Some("EC"), Some("P-256"), "ES256") => {
            let point = [&[4], &octets("x")[..], &octets("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
        }
        (Some("OKP"), Some("Ed25519"), "EdDSA" | "Ed25519") => {
            UnparsedPublicKey::new(&ED25519, octets("x")).verify(message, signature).is_ok()
        }
        (Some("RSA"), _, "RS256") => RsaPublicKeyComponents { n: octets("n"), e: octets("e") }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            .is_ok(),
        _ => false,
    }
}

/// RFC 7638 §3: the members that make the key, in their order.
fn thumbprint(key: &Value) -> Option<String> {
    let names: &[&str] = match key["kty"].as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    let members: Option<Vec<String>> =
        names.iter().map(|name| Some(format!("\"{name}\":{}", json!(key[*name].as_str()?)))).collect();
    Some(hash(&format!("{{{}}}", members?.join(","))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_of_the_standard() {
        // RFC 7638 §3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let key = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
        assert_eq!(thumbprint(&key).as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    }

    #[test]
    fn a_proof_of_the_standard() {
        // RFC 9449 §4.1, figures 1 and 2; made at 1562262616.
        let proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
        let now = Timestamp::from_secs(1_562_262_616);
        let url = "https://server.example.com/token";
        let proven = check(proof, "POST", url, None, now).unwrap();
        assert_eq!(proven.thumbprint, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        let edge = now.after(DPOP_SKEW);
        assert!(check(proof, "POST", url, None, edge).is_ok() && check(proof, "POST", url, None, now.before(DPOP_SKEW)).is_ok());
        for (method, url, token, at) in [
            ("GET", url, None, now),
            ("POST", "https://server.example.com/tokens", None, now),
            ("POST", "https://evil.example/token", None, now),
            ("POST", url, Some("token"), now),
            ("POST", url, None, edge.after(std::time::Duration::from_millis(1))),
            ("POST", url, None, now.before(DPOP_SKEW).before(std::time::Duration::from_millis(1))),
        ] {
            assert!(check(proof, method, url, token, at).is_err(), "{method} {url}");
        }
        for cut in [0, 10, proof.len() - 1] {
            assert!(check(&proof[..cut], "POST", url, None, now).is_err());
        }
    }
}
