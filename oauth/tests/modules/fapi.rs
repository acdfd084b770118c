// SPDX-License-Identifier: AGPL-3.0-or-later
//! The FAPI 2.0 Security Profile: a client that pushes what it asks, signs who it is, and holds a key for its tokens.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::support::proof::{Holder, userinfo_with};
use crate::support::{Browser, CALLBACK, CHALLENGE, House, ISSUER, Reply, VERIFIER, ask, encode, on_both_engines};

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A house with such a client, and a browser in which alice is signed in.
struct Bank<'h> {
    house: &'h House,
    client: &'static str,
    /// What the client signs who it is with.
    signer: Holder,
    /// What its tokens are bound to.
    holder: Holder,
}

impl<'h> Bank<'h> {
    async fn open(house: &'h House, client: &'static str) -> Self {
        let signer = Holder::new();
        let metadata = json!({
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [signer.jwk()]},
            "require_pushed_authorization_requests": true,
            "dpop_bound_access_tokens": true,
        });
        house.client(client, |new| new.metadata = metadata.to_string()).await;
        Self { house, client, signer, holder: Holder::new() }
    }

    /// An assertion, with claims in the place of the usual ones.
    fn assertion(&self, change: Value) -> String {
        let now = self.house.clock.now().secs();
        let jti = hearth_identity::grants::new_token().expose().clone();
        let mut claims = json!({"iss": self.client, "sub": self.client, "aud": ISSUER, "exp": now + 60, "jti": jti});
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.signer.sign(&json!({"alg": "ES256"}), &claims)
    }

    async fn post(&self, path: &str, assertion: Option<&str>, proof: Option<&str>, fields: &[(&str, &str)]) -> Reply {
        let mut all = fields.to_vec();
        if let Some(assertion) = assertion {
            all.extend([("client_assertion_type", KIND), ("client_assertion", assertion)]);
        }
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        if let Some(proof) = proof {
            request = request.header("DPoP", proof);
        }
        ask(&self.house.router, request.body(Body::from(encode(&all))).unwrap()).await
    }

    /// What is pushed, with parameters in the place of the usual ones; an empty one is left out.
    async fn push_with(&self, assertion: &str, proof: Option<&str>, changes: &[(&str, &str)]) -> Reply {
        let mut fields = vec![
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid email"),
            ("state", "s"),
            ("nonce", "n"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for change in changes {
            fields.retain(|(name, _)| *name != change.0);
            fields.push(*change);
        }
        fields.retain(|(_, value)| !value.is_empty());
        self.post("/par", Some(assertion), proof, &fields).await
    }

    async fn push(&self, changes: &[(&str, &str)]) -> Reply {
        self.push_with(&self.assertion(json!({})), None, changes).await
    }

    fn pointed(&self, pushed: &Reply, more: &[(&str, &str)]) -> String {
        assert_eq!(pushed.status, StatusCode::CREATED, "{}", pushed.body);
        let uri = pushed.json()["request_uri"].as_str().unwrap().to_string();
        format!("/authorize?{}", encode(&[&[("client_id", self.client), ("request_uri", &uri)][..], more].concat()))
    }

    async fn answer(&self, browser: &mut Browser, pushed: &Reply, more: &[(&str, &str)]) -> Reply {
        let mut reply = browser.follow(&self.pointed(pushed, more)).await;
        if reply.status == StatusCode::OK {
            reply = browser.consent(&reply, "allow").await;
        }
        reply
    }

    async fn code(&self, browser: &mut Browser) -> String {
        let pushed = self.push(&[]).await;
        self.answer(browser, &pushed, &[]).await.param("code").unwrap()
    }

    fn proof(&self, claims: Value) -> String {
        self.holder.proof("POST", "/token", self.house.clock.now(), None, json!({}), claims)
    }

    async fn exchange(&self, code: &str) -> Reply {
        self.exchange_with(Some(&self.assertion(json!({}))), Some(&self.proof(json!({}))), code, &[]).await
    }

    async fn exchange_with(&self, assertion: Option<&str>, proof: Option<&str>, code: &str, more: &[(&str, &str)]) -> Reply {
        let mut fields =
            vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        for change in more {
            fields.retain(|(name, _)| *name != change.0);
            fields.push(*change);
        }
        fields.retain(|(_, value)| !value.is_empty());
        self.post("/token", assertion, proof, &fields).await
    }
}

async fn alice(house: &House) -> Browser {
    let mut browser = house.browser();
    browser.sign_in("alice").await;
    browser
}

#[tokio::test]
async fn fapi_from_the_push_to_the_resource() {
    on_both_engines(async |house| {
        let bank = Bank::open(&house, "bank").await;
        let mut browser = alice(&house).await;
        let said = house.get("/.well-known/openid-configuration").await.json();
        for (member, value) in [
            ("code_challenge_methods_supported", "S256"),
            ("token_endpoint_auth_methods_supported", "private_key_jwt"),
            ("dpop_signing_alg_values_supported", "ES256"),
        ] {
            assert!(said[member].as_array().unwrap().contains(&json!(value)), "{member}");
        }
        assert_eq!(said["authorization_response_iss_parameter_supported"], true);
        let (long, nonce) = ("x".repeat(384), "n".repeat(64));
        let wish = "{\"userinfo\":{\"name\":null},\"id_token\":{\"email\":null}}";
        for changes in [
            vec![],
            vec![("state", "")],
            vec![("nonce", "")],
            vec![("nonce", nonce.as_str())],
            vec![("nonce", &long)],
            vec![("state", &long)],
            vec![("scope", "email openid")],
            vec![("claims", wish)],
        ] {
            let pushed = bank.push(&changes).await;
            let reply = bank.answer(&mut browser, &pushed, &[]).await;
            assert_eq!(reply.param("iss").as_deref(), Some(ISSUER));
            let state = changes.iter().find(|(name, _)| *name == "state").map_or("s", |(_, value)| value);
            assert_eq!(reply.param("state").unwrap_or_default(), state);
            let tokens = bank.exchange(&reply.param("code").unwrap()).await;
            assert_eq!(tokens.status, StatusCode::OK, "{changes:?}: {}", tokens.body);
            let tokens = tokens.json();
            assert_eq!(tokens["token_type"], "DPoP");
            // FAPI 2.0 Security Profile §5.4.1: PS256, ES256 or EdDSA.
            let header = jsonwebtoken::decode_header(tokens["id_token"].as_str().unwrap()).unwrap();
            assert_eq!(header.alg, jsonwebtoken::Algorithm::ES256);
            let access = tokens["access_token"].as_str().unwrap();
            for scheme in ["DPoP", "dpop", "DPOP"] {
                let proof = bank.holder.simple(&house, "GET", "/userinfo", Some(access));
                let reply = userinfo_with(&house, scheme, access, Some(&proof)).await;
                assert_eq!(reply.status, StatusCode::OK, "{scheme}");
            }
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
            let reply = bank.post("/token", Some(&bank.assertion(json!({}))), Some(&bank.proof(json!({}))), &refresh).await;
            assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        }
        let pushed = bank.push(&[("prompt", "consent")]).await;
        let page = browser.follow(&bank.pointed(&pushed, &[])).await;
        let denied = browser.consent(&page, "deny").await;
        assert_eq!((denied.param("error").as_deref(), denied.param("iss").as_deref()), (Some("access_denied"), Some(ISSUER)));
    })
    .await;
}

#[tokio::test]
async fn fapi_what_is_pushed_alone_counts() {
    on_both_engines(async |house| {
        let bank = Bank::open(&house, "bank").await;
        Bank::open(&house, "other").await;
        let mut browser = alice(&house).await;
        // What stands beside it in the address is not used, whether it was pushed or not.
        let pushed = bank.push(&[]).await;
        let reply = bank.answer(&mut browser, &pushed, &[("state", "other"), ("nonce", "other")]).await;
        assert_eq!(reply.param("state").as_deref(), Some("s"));
        let tokens = bank.exchange(&reply.param("code").unwrap()).await.json();
        assert_eq!(crate::support::claims(tokens["id_token"].as_str().unwrap())["nonce"], "n");
        let pushed = bank.push(&[("state", "")]).await;
        assert_eq!(bank.answer(&mut browser, &pushed, &[("state", "outside")]).await.param("state"), None);
        // Looked at twice before it is decided it is still good; afterwards, late, or of another client it is not.
        let pushed = bank.push(&[("prompt", "consent")]).await;
        let at = bank.pointed(&pushed, &[]);
        for _ in 0..2 {
            assert!(browser.follow(&at).await.body.contains("/consent"));
        }
        assert!(bank.answer(&mut browser, &pushed, &[]).await.param("code").is_some());
        let is_page = |reply: &Reply| reply.status == StatusCode::BAD_REQUEST && reply.location().is_none();
        assert!(is_page(&browser.get(&at).await), "used");
        let pushed = bank.push(&[]).await;
        let foreign = bank.pointed(&pushed, &[]).replace("client_id=bank", "client_id=other");
        assert!(is_page(&browser.get(&foreign).await), "another client's");
        house.clock.advance(Duration::from_secs(600));
        assert!(is_page(&browser.get(&bank.pointed(&pushed, &[])).await), "expired");
        let plain = crate::support::request(&[("client_id", "bank")]);
        assert!(is_page(&browser.get(&plain).await), "without a push");
    })
    .await;
}

#[tokio::test]
async fn fapi_what_cannot_be_pushed() {
    on_both_engines(async |house| {
        let bank = Bank::open(&house, "bank").await;
        for (changes, error) in [
            (vec![("code_challenge", ""), ("code_challenge_method", "")], "invalid_request"),
            (vec![("code_challenge_method", "plain")], "invalid_request"),
            (vec![("redirect_uri", "")], "invalid_request"),
            (vec![("redirect_uri", "https://unregistered.example/cb")], "invalid_request"),
            (vec![("response_type", "token")], "unsupported_response_type"),
            (vec![("response_type", "code id_token")], "unsupported_response_type"),
            (vec![("request_uri", "urn:ietf:params:oauth:request_uri:x")], "invalid_request"),
        ] {
            assert_eq!(bank.push(&changes).await.error(), (400, error.into()), "{changes:?}");
        }
        // Once each.
        let assertion = bank.assertion(json!({}));
        let twice = [("redirect_uri", CALLBACK), ("redirect_uri", CALLBACK), ("response_type", "code"), ("scope", "openid")];
        assert_eq!(bank.post("/par", Some(&assertion), None, &twice).await.error(), (400, "invalid_request".into()));
        assert_eq!(house.get("/par").await.status, StatusCode::METHOD_NOT_ALLOWED);
        let now = house.clock.now().secs();
        for (change, status) in [
            (json!({"nbf": now + 8}), StatusCode::CREATED),
            (json!({"iat": now + 8}), StatusCode::CREATED),
            (json!({"nbf": now + 61}), StatusCode::UNAUTHORIZED),
            (json!({"aud": [ISSUER]}), StatusCode::UNAUTHORIZED),
            (json!({"aud": format!("{ISSUER}/par")}), StatusCode::UNAUTHORIZED),
            (json!({"aud": format!("{ISSUER}/token")}), StatusCode::UNAUTHORIZED),
        ] {
            assert_eq!(bank.push_with(&bank.assertion(change.clone()), None, &[]).await.status, status, "{change}");
        }
    })
    .await;
}

#[tokio::test]
async fn fapi_a_code_for_who_asked() {
    on_both_engines(async |house| {
        let bank = Bank::open(&house, "bank").await;
        let other = Bank::open(&house, "other").await;
        let mut browser = alice(&house).await;
        let code = bank.code(&mut browser).await;
        assert_eq!(other.exchange(&code).await.error(), (400, "invalid_grant".into()), "bound to its client");
        let now = house.clock.now().secs();
        for (why, assertion) in [
            ("none", None),
            ("an end five minutes ago", Some(bank.assertion(json!({"exp": now - 300})))),
            ("another's audience", Some(bank.assertion(json!({"aud": "https://other.example"})))),
            ("no subject", Some(bank.assertion(json!({"sub": null})))),
        ] {
            let reply = bank.exchange_with(assertion.as_deref(), Some(&bank.proof(json!({}))), &code, &[]).await;
            assert_eq!(reply.error(), (401, "invalid_client".into()), "{why}");
        }
        let (mine, proof) = (bank.assertion(json!({})), bank.proof(json!({})));
        let reply = bank.exchange_with(Some(&mine), Some(&proof), &code, &[("client_id", "other")]).await;
        assert_eq!(reply.error(), (401, "invalid_client".into()), "client_id names another");
        for verifier in ["", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"] {
            let more = [("code_verifier", verifier)];
            let reply = bank.exchange_with(Some(&bank.assertion(json!({}))), Some(&bank.proof(json!({}))), &code, &more).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{verifier}");
        }
        let reply = bank.exchange_with(Some(&bank.assertion(json!({}))), None, &code, &[]).await;
        assert_eq!(reply.error(), (400, "invalid_dpop_proof".into()), "without a key");
        assert_eq!(bank.exchange(&code).await.status, StatusCode::OK, "nothing of that spent it");
        house.clock.advance(Duration::from_secs(1));
        assert_eq!(bank.exchange(&code).await.error(), (400, "invalid_grant".into()), "again, a second later");
        let late = bank.code(&mut browser).await;
        house.clock.advance(Duration::from_secs(60));
        assert_eq!(bank.exchange(&late).await.error(), (400, "invalid_grant".into()), "expired");
    })
    .await;
}

#[tokio::test]
async fn fapi_a_key_for_its_tokens() {
    on_both_engines(async |house| {
        let bank = Bank::open(&house, "bank").await;
        let mut browser = alice(&house).await;
        let now = house.clock.now().secs();
        // Clocks are not the same everywhere, and nbf and exp may stand there too.
        for claims in [json!({"iat": now - 10}), json!({"iat": now + 10}), json!({"nbf": now, "exp": now + 300})] {
            let code = bank.code(&mut browser).await;
            let reply = bank.exchange_with(Some(&bank.assertion(json!({}))), Some(&bank.proof(claims.clone())), &code, &[]).await;
            assert_eq!(reply.status, StatusCode::OK, "{claims}: {}", reply.body);
        }
        // Bound where it is pushed, by the parameter or by a proof; they must agree.
        let thief = Holder::new();
        let (own, foreign) = (bank.holder.thumbprint(), thief.thumbprint());
        let at_par = || bank.holder.simple(&house, "POST", "/par", None);
        for (proof, parameter) in [(None, own.as_str()), (Some(at_par()), ""), (Some(at_par()), &own)] {
            let pushed = bank.push_with(&bank.assertion(json!({})), proof.as_deref(), &[("dpop_jkt", parameter)]).await;
            let code = bank.answer(&mut browser, &pushed, &[]).await.param("code").unwrap();
            let stolen = thief.simple(&house, "POST", "/token", None);
            let reply = bank.exchange_with(Some(&bank.assertion(json!({}))), Some(&stolen), &code, &[]).await;
            assert_eq!(reply.error(), (400, "invalid_grant".into()), "{parameter}");
            assert_eq!(bank.exchange(&code).await.status, StatusCode::OK, "{parameter}");
        }
        let reply = bank.push_with(&bank.assertion(json!({})), Some(&at_par()), &[("dpop_jkt", &foreign)]).await;
        assert_eq!(reply.error(), (400, "invalid_dpop_proof".into()));
        // The proofs that do not hold, at the resource.
        let code = bank.code(&mut browser).await;
        let tokens = bank.exchange(&code).await.json();
        let access = tokens["access_token"].as_str().unwrap();
        let proof =
            |claims: Value, header: Value| bank.holder.proof("GET", "/userinfo", house.clock.now(), Some(access), header, claims);
        for bad in [
            proof(json!({"htm": "POST"}), json!({})),
            proof(json!({"htu": "https://other.example/userinfo"}), json!({})),
            proof(json!({"iat": now - 3_600}), json!({})),
            proof(json!({"ath": "x"}), json!({})),
            proof(json!({"jti": null}), json!({})),
            proof(json!({}), json!({"typ": "JWT"})),
            proof(json!({}), json!({"alg": "none"})),
            proof(json!({}), json!({"jwk": thief.jwk()})),
            thief.simple(&house, "GET", "/userinfo", Some(access)),
        ] {
            assert_eq!(userinfo_with(&house, "DPoP", access, Some(&bad)).await.status, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(userinfo_with(&house, "Bearer", access, None).await.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

/// An RSA key: how it is published, and an assertion that it signed with RS256.
fn rsa_assertion(house: &House, client: &str, pair: &RsaKeyPair) -> (Value, String) {
    let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
    let public = pair.public_key();
    let (n, e) = (public.modulus(), public.exponent());
    let jwk = json!({
        "kty": "RSA", "n": encode(n.big_endian_without_leading_zero()), "e": encode(e.big_endian_without_leading_zero()),
    });
    let jti = hearth_identity::grants::new_token().expose().clone();
    let claims = json!({"iss": client, "sub": client, "aud": ISSUER, "exp": house.clock.now().secs() + 60, "jti": jti});
    let signed = format!("{}.{}", encode(b"{\"alg\":\"RS256\"}"), encode(claims.to_string().as_bytes()));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    (jwk, format!("{signed}.{}", encode(&signature)))
}

#[tokio::test]
async fn fapi_no_rs256_of_who_pushes_and_holds_a_key() {
    on_both_engines(async |house| {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let jwk = rsa_assertion(&house, "x", &pair).0;
        let usual = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [jwk]}});
        let mut strict = usual.clone();
        strict["require_pushed_authorization_requests"] = json!(true);
        strict["dpop_bound_access_tokens"] = json!(true);
        let mut chosen = strict.clone();
        chosen["token_endpoint_auth_signing_alg"] = json!("RS256");
        for (client, metadata, status) in [
            ("usual", usual, StatusCode::CREATED),
            ("strict", strict, StatusCode::UNAUTHORIZED),
            ("chosen", chosen, StatusCode::CREATED),
        ] {
            house.client(client, |new| new.metadata = metadata.to_string()).await;
            let assertion = rsa_assertion(&house, client, &pair).1;
            let fields = [
                ("client_id", client),
                ("redirect_uri", CALLBACK),
                ("response_type", "code"),
                ("scope", "openid"),
                ("code_challenge", CHALLENGE),
                ("code_challenge_method", "S256"),
                ("client_assertion_type", KIND),
                ("client_assertion", &assertion),
            ];
            assert_eq!(house.post_as(None, "/par", &fields).await.status, status, "{client}");
        }
    })
    .await;
}
