// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a client signs with a key that it registered: who it is (RFC 7523, OpenID Connect Core §9) and what it asks for
//! (RFC 9101). Pure until the `jti`, which is seen once.
//!
//! The keys stand in the client's metadata, `jwks`. A key that a token brings along, or an address of keys, counts for
//! nothing: we fetch nothing that a stranger names.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_identity::grants::{Client, hash_token};
use hearth_types::{Fault, Timestamp};
use serde_json::{Map, Value};

use crate::client::profile::Profile;
use crate::ctx::Ctx;
use crate::error::{ErrorCode, Refusal, ours, refuse};
use crate::jose::dpop::verify;
use crate::limits::{ASSERTION_BYTES_MAX, ASSERTION_LIFE_MAX, CLIENT_KEYS_MAX, DPOP_SKEW};
use crate::registry;
use crate::request::params::Params;

/// Its name as `client_assertion_type`.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// RFC 9101 §10.8.
const REQUEST_TYPE: &str = "oauth-authz-req+jwt";
/// RFC 7518 §6.2.2 and on: members of a private or symmetric key.
const SECRETS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// Are these keys that a client may register? Public ones, of kinds that we read, and not too many.
pub fn are_keys(jwks: &Value) -> bool {
    let Some(keys) = jwks["keys"].as_array() else { return false };
    let is_public = |key: &Value| SECRETS.iter().all(|secret| key.get(secret).is_none());
    let is_known = |key: &Value| matches!(key["kty"].as_str(), Some("RSA" | "EC" | "OKP"));
    (1..=CLIENT_KEYS_MAX).contains(&keys.len()) && keys.iter().all(|key| is_public(key) && is_known(key))
}

/// Does the client prove who it is? RFC 7523 §3.
pub async fn prove(ctx: &Ctx, client: &Client, assertion: &str) -> Result<(), Fault<Refusal>> {
    let bad = |says: &str| Fault::Peer(Refusal::new(ErrorCode::InvalidClient, says));
    let profile = Profile::of(client);
    let mut audiences = vec![ctx.issuer.clone()];
    // FAPI 2.0 Security Profile §5.3.2.1: the issuer alone. Others name the token endpoint (RFC 7523 §3).
    if !profile.is_strict() {
        audiences.push(format!("{}{}", ctx.issuer, const { registry::path("token_endpoint") }));
    }
    let jti = check(assertion, &profile.keys, &client.identifier, &audiences, ctx.now()).map_err(bad)?;
    let seen = hash_token(&format!("{} {jti}", client.identifier));
    match ctx.directory.see_once("assertion", seen, ASSERTION_LIFE_MAX + DPOP_SKEW).await.map_err(ours)? {
        true => Ok(()),
        false => refuse(ErrorCode::InvalidClient, "the assertion was used before"),
    }
}

/// Who signed, by its `jti`: RFC 7523 §3 but for what is seen once.
pub fn check(assertion: &str, keys: &[Value], client: &str, audiences: &[String], now: Timestamp) -> Result<String, &'static str> {
    let (header, claims) = read(assertion, keys).ok_or("the assertion is not signed by a key of the client")?;
    // A member that is not there reads as null.
    let claims = Value::Object(claims);
    // A request object, a proof or a logout token is signed by the same kind of key, and is none.
    if header.get("typ").is_some_and(|kind| kind != "JWT" && kind != "client-authentication+jwt") {
        return Err("the assertion is a token of another kind");
    }
    if claims["iss"] != client || claims["sub"] != client {
        return Err("the assertion speaks of another client");
    }
    // An array could name another server as well, which could then use it here.
    if !claims["aud"].as_str().is_some_and(|audience| audiences.iter().any(|own| own == audience)) {
        return Err("the assertion is for somebody else");
    }
    let time = |name: &str| claims[name].as_i64().map(Timestamp::from_secs);
    let expires = time("exp").ok_or("the assertion has no end")?;
    let is_early = |at: Timestamp| at.since(now) > DPOP_SKEW;
    if expires <= now
        || expires.since(now) > ASSERTION_LIFE_MAX
        || time("nbf").is_some_and(is_early)
        || time("iat").is_some_and(is_early)
    {
        return Err("the assertion is not of now");
    }
    claims["jti"].as_str().filter(|jti| !jti.is_empty()).map(str::to_string).ok_or("the assertion has no jti")
}

/// The parameters of a request object (RFC 9101 §4), when the client registered keys and it holds. Those beside it count for
/// nothing (§6.3).
pub fn request(ctx: &Ctx, client: &Client, object: &str) -> Result<Params, &'static str> {
    read_request(object, &Profile::of(client).keys, &client.identifier, &ctx.issuer, ctx.now())
}

/// The same with what the client is known by.
pub fn read_request(object: &str, keys: &[Value], client: &str, issuer: &str, now: Timestamp) -> Result<Params, &'static str> {
    let (header, claims) = read(object, keys).ok_or("the request object is not signed by a key of the client")?;
    if header.get("typ").is_some_and(|kind| kind != "JWT" && kind != REQUEST_TYPE) {
        return Err("the request object is a token of another kind");
    }
    // §10.8: with a subject it could be taken for a proof of the client.
    if claims.contains_key("sub") || claims.contains_key("request") || claims.contains_key("request_uri") {
        return Err("the request object holds what it must not");
    }
    if claims.get("client_id").is_none_or(|named| named != client) || claims.get("iss").is_some_and(|issuer| issuer != client) {
        return Err("the request object is of another client");
    }
    if claims.get("aud").is_some_and(|audience| audience != issuer) {
        return Err("the request object is for somebody else");
    }
    let time = |name: &str| claims.get(name).and_then(Value::as_i64).map(Timestamp::from_secs);
    if time("exp").is_some_and(|end| end <= now) || time("nbf").is_some_and(|begin| begin.since(now) > DPOP_SKEW) {
        return Err("the request object is not of now");
    }
    let mut params = Params::default();
    for (name, value) in claims.iter().filter(|(name, _)| !["iss", "aud", "exp", "nbf", "iat", "jti"].contains(&name.as_str())) {
        params = match value {
            Value::String(text) => params.with(name, text),
            // Several resources (RFC 8707 §2.1 in a request object).
            Value::Array(all) if name == "resource" => {
                all.iter().filter_map(Value::as_str).fold(params, |params, one| params.with(name, one))
            }
            Value::Number(number) => params.with(name, &number.to_string()),
            other => params.with(name, &other.to_string()),
        };
    }
    Ok(params)
}

/// Header and claims of a token that one of these keys signed.
fn read(token: &str, keys: &[Value]) -> Option<(Map<String, Value>, Map<String, Value>)> {
    if token.len() > ASSERTION_BYTES_MAX {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.').filter(|(_, claims)| !claims.contains('.'))?;
    let object = |part: &str| serde_json::from_slice::<Map<String, Value>>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let (header, claims) = (object(header)?, object(claims)?);
    if header.contains_key("crit") {
        return None;
    }
    let algorithm = header.get("alg")?.as_str()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let fits = |key: &&Value| match (header.get("kid"), key.get("kid")) {
        (Some(named), Some(own)) => named == own,
        _ => true,
    };
    let is_signed = keys.iter().filter(fits).any(|key| verify(key, algorithm, signed.as_bytes(), &signature));
    is_signed.then_some((header, claims))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    struct Signer(EcdsaKeyPair);

    impl Signer {
        fn new() -> Self {
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
            Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap())
        }

        fn key(&self, kid: &str) -> Value {
            let point = self.0.public_key().as_ref();
            json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..])})
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", encode(header), encode(claims));
            let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
        }
    }

    fn claims(changes: &[(&str, Value)]) -> Value {
        let mut claims = json!({"iss": "app", "sub": "app", "aud": "https://id.example", "exp": NOW + 60, "jti": "1"});
        for (name, value) in changes {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(*name),
                value => claims.as_object_mut().unwrap().insert((*name).into(), value.clone()),
            };
        }
        claims
    }

    fn proves(token: &str, keys: &[Value]) -> bool {
        let audiences = ["https://id.example".to_string(), "https://id.example/token".to_string()];
        check(token, keys, "app", &audiences, Timestamp::from_secs(NOW)).is_ok()
    }

    #[test]
    fn who_a_client_is() {
        // 16: each way in which an assertion can be wrong.
        let signer = Signer::new();
        let keys = [signer.key("a")];
        let header = json!({"alg": "ES256", "kid": "a"});
        assert!(proves(&signer.sign(&header, &claims(&[])), &keys));
        assert!(proves(&signer.sign(&json!({"alg": "ES256"}), &claims(&[("aud", json!("https://id.example/token"))])), &keys));
        assert!(proves(&signer.sign(&header, &claims(&[("exp", json!(NOW + ASSERTION_LIFE_MAX.as_secs() as i64))])), &keys));
        for change in [
            ("aud", json!("https://other.example")),
            ("aud", json!(["https://id.example"])),
            ("aud", Value::Null),
            ("exp", json!(NOW)),
            ("exp", json!(NOW + ASSERTION_LIFE_MAX.as_secs() as i64 + 1)),
            ("exp", json!("tomorrow")),
            ("exp", Value::Null),
            ("nbf", json!(NOW + 3600)),
            ("iat", json!(NOW + 3600)),
            ("jti", Value::Null),
            ("jti", json!("")),
            ("sub", Value::Null),
            ("sub", json!("other")),
            ("iss", json!("other")),
        ] {
            assert!(!proves(&signer.sign(&header, &claims(std::slice::from_ref(&change))), &keys), "{change:?}");
        }
        let other = Signer::new();
        for bad in [
            other.sign(&header, &claims(&[])),
            other.sign(&json!({"alg": "ES256", "jwk": other.key("a"), "jku": "https://evil.example/jwks"}), &claims(&[])),
            signer.sign(&json!({"alg": "none"}), &claims(&[])),
            signer.sign(&json!({"alg": "HS256", "kid": "a"}), &claims(&[])),
            signer.sign(&json!({"alg": "ES256", "kid": "../a' OR 1=1"}), &claims(&[])),
            signer.sign(&json!({"alg": "ES256", "kid": "a", "crit": ["x"]}), &claims(&[])),
            signer.sign(&json!({"alg": "ES256", "kid": "a", "typ": "dpop+jwt"}), &claims(&[])),
            signer.sign(&json!({"alg": "ES256", "kid": "a", "typ": REQUEST_TYPE}), &claims(&[])),
            String::new(),
            "a.b.c".into(),
            "x".repeat(ASSERTION_BYTES_MAX + 1),
        ] {
            assert!(!proves(&bad, &keys), "{bad}");
        }
        assert!(!proves(&signer.sign(&header, &claims(&[])), &[]));
    }

    #[test]
    fn what_a_client_asks() {
        let signer = Signer::new();
        let keys = [signer.key("a")];
        let header = json!({"alg": "ES256", "kid": "a", "typ": REQUEST_TYPE});
        let now = Timestamp::from_secs(NOW);
        let ask =
            |claims: &Value, header: &Value| read_request(&signer.sign(header, claims), &keys, "app", "https://id.example", now);
        let sound = json!({"iss": "app", "aud": "https://id.example", "client_id": "app", "scope": "openid", "max_age": 60, "claims": {"id_token": {}}, "resource": ["https://a.example", "https://b.example"]});
        let params = ask(&sound, &header).unwrap();
        assert_eq!(
            (params.find("scope"), params.find("max_age"), params.find("claims")),
            (Some("openid"), Some("60"), Some("{\"id_token\":{}}"))
        );
        assert_eq!((params.all("resource").count(), params.find("iss")), (2, None));
        for (name, value) in [
            ("client_id", json!("other")),
            ("iss", json!("other")),
            ("aud", json!(["https://id.example", "https://evil.example"])),
            ("sub", json!("app")),
            ("request", json!("x")),
            ("request_uri", json!("https://127.0.0.1/")),
            ("exp", json!(NOW)),
            ("nbf", json!(NOW + 3600)),
        ] {
            let mut bad = sound.clone();
            bad[name] = value;
            assert!(ask(&bad, &header).is_err(), "{name}");
        }
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "ES256", "typ": "logout+jwt"}),
            json!({"alg": "ES256", "typ": "entity-statement+jwt"}),
        ] {
            assert!(ask(&sound, &header).is_err(), "{header}");
        }
    }

    #[test]
    fn which_keys_may_be_registered() {
        let key = Signer::new().key("a");
        assert!(are_keys(&json!({"keys": [key]})) && are_keys(&json!({"keys": vec![key.clone(); CLIENT_KEYS_MAX]})));
        let mut private = key.clone();
        private["d"] = json!("x");
        for bad in [
            json!({}),
            json!({"keys": []}),
            json!({"keys": [private]}),
            json!({"keys": [{"kty": "oct", "k": "x"}]}),
            json!({"keys": vec![key; CLIENT_KEYS_MAX + 1]}),
            json!([]),
        ] {
            assert!(!are_keys(&bad), "{bad}");
        }
    }
}
