// SPDX-License-Identifier: AGPL-3.0-or-later
//! A DPoP key, and the proofs that its holder shows.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_types::Timestamp;
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Request, header};
use serde_json::{Value, json};

use super::{House, ISSUER, Reply, ask, encode};

pub struct Holder(EcdsaKeyPair);

impl Holder {
    pub fn new() -> Self {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref()).unwrap())
    }

    pub fn jwk(&self) -> Value {
        let point = self.0.public_key().as_ref();
        let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])})
    }

    pub fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let text = format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":{},\"y\":{}}}", jwk["x"], jwk["y"]);
        URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
    }

    /// A proof, with claims and members of the header in the place of its own.
    pub fn proof(&self, method: &str, path: &str, now: Timestamp, token: Option<&str>, header: Value, claims: Value) -> String {
        let mut head = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()});
        let jti = hearth_identity::grants::new_token();
        let mut body = json!({"htm": method, "htu": format!("{ISSUER}{path}"), "iat": now.secs(), "jti": jti.expose()});
        if let Some(token) = token {
            body["ath"] = json!(URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes())));
        }
        for (into, from) in [(&mut head, header), (&mut body, claims)] {
            for (name, value) in from.as_object().unwrap() {
                into[name] = value.clone();
            }
        }
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head.to_string()), URL_SAFE_NO_PAD.encode(body.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// Any token.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    pub fn simple(&self, house: &House, method: &str, path: &str, token: Option<&str>) -> String {
        self.proof(method, path, house.clock.now(), token, json!({}), json!({}))
    }
}

/// What a client posts with these proofs.
pub async fn post_with(house: &House, client: (&str, &str), path: &str, proofs: &[&str], fields: &[(&str, &str)]) -> Reply {
    let credential = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", client.0, client.1));
    let mut request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, format!("Basic {credential}"));
    for proof in proofs {
        request = request.header("DPoP", *proof);
    }
    ask(&house.router, request.body(Body::from(encode(fields))).unwrap()).await
}

/// Userinfo by a scheme, with a proof.
pub async fn userinfo_with(house: &House, scheme: &str, token: &str, proof: Option<&str>) -> Reply {
    let mut request = Request::get("/userinfo").header(header::AUTHORIZATION, format!("{scheme} {token}"));
    if let Some(proof) = proof {
        request = request.header("DPoP", proof);
    }
    ask(&house.router, request.body(Body::empty()).unwrap()).await
}
