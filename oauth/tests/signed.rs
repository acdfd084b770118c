// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients that sign who they are (RFC 7523) and what they ask (RFC 9101).

mod support;

use hearth_web::axum::http::StatusCode;
use serde_json::{Value, json};
use support::proof::Holder as Signer;
use support::{CALLBACK, CHALLENGE, House, ISSUER, VERIFIER, encode, on_both_engines};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client `signer` with a key.
async fn client(house: &House, more: Value) -> (Signer, String) {
    let signer = Signer::new();
    let mut metadata = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [signer.jwk()]}});
    metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let secret = house.client("signer", |new| new.metadata = metadata.to_string()).await;
    (signer, secret)
}

fn assertion(house: &House, signer: &Signer, jti: &str, aud: &str) -> String {
    let claims = json!({"iss": "signer", "sub": "signer", "aud": aud, "exp": house.clock.now().secs() + 60, "jti": jti});
    signer.sign(&json!({"alg": "ES256"}), &claims)
}

async fn code(house: &House) -> String {
    let mut browser = house.browser();
    browser.sign_in("alice").await;
    browser.code(&support::request(&[("client_id", "signer"), ("scope", "openid offline_access")])).await
}

#[tokio::test]
async fn a_client_proves_itself_with_its_key() {
    on_both_engines(async |house| {
        let (signer, secret) = client(&house, json!({})).await;
        let exchange = async |code: &str, more: &[(&str, &str)]| {
            let fields =
                [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
            house.post_as(None, "/token", &[&fields[..], more].concat()).await
        };
        let first = assertion(&house, &signer, "1", ISSUER);
        let good = [("client_assertion_type", TYPE), ("client_assertion", first.as_str())];
        let tokens = exchange(&code(&house).await, &good).await;
        assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.body);
        let refresh = tokens.json()["refresh_token"].as_str().unwrap().to_string();
        let code = code(&house).await;
        assert_eq!(exchange(&code, &good).await.error(), (401, "invalid_client".into()), "16: replayed");
        let wrong_place = assertion(&house, &signer, "2", "https://other.example/token");
        let strange = assertion(&house, &Signer::new(), "3", ISSUER);
        let fresh = assertion(&house, &signer, "4", &format!("{ISSUER}/token"));
        for fields in [
            vec![("client_assertion_type", TYPE), ("client_assertion", wrong_place.as_str())],
            vec![("client_assertion_type", TYPE), ("client_assertion", strange.as_str())],
            vec![("client_assertion_type", "saml"), ("client_assertion", fresh.as_str())],
            vec![("client_id", "app"), ("client_assertion_type", TYPE), ("client_assertion", fresh.as_str())],
            vec![("client_id", "signer"), ("client_secret", secret.as_str())],
            vec![("client_id", "signer")],
        ] {
            assert_eq!(exchange(&code, &fields).await.error(), (401, "invalid_client".into()), "{fields:?}");
        }
        // 15: two ways at once.
        let twice = [
            ("client_id", "signer"),
            ("client_assertion_type", TYPE),
            ("client_assertion", fresh.as_str()),
            ("client_secret", "x"),
        ];
        assert_eq!(exchange(&code, &twice).await.error(), (400, "invalid_request".into()));
        let good = [("client_id", "signer"), ("client_assertion_type", TYPE), ("client_assertion", fresh.as_str())];
        assert_eq!(exchange(&code, &good).await.status, StatusCode::OK);
        let proof = assertion(&house, &signer, "7", ISSUER);
        let fields = [("token", refresh.as_str()), ("client_assertion_type", TYPE), ("client_assertion", proof.as_str())];
        let shown = house.post_as(None, "/introspect", &fields).await;
        assert_eq!((shown.status, &shown.json()["active"]), (StatusCode::OK, &json!(true)));
        let next = assertion(&house, &signer, "5", ISSUER);
        let fields = [("token", refresh.as_str()), ("client_assertion_type", TYPE), ("client_assertion", next.as_str())];
        assert_eq!(house.post_as(None, "/revoke", &fields).await.status, StatusCode::OK);
        let next = assertion(&house, &signer, "6", ISSUER);
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.as_str()),
            ("client_assertion_type", TYPE),
            ("client_assertion", next.as_str()),
        ];
        assert_eq!(house.post_as(None, "/token", &fields).await.error(), (400, "invalid_grant".into()), "it was revoked");
    })
    .await;
}

#[tokio::test]
async fn a_request_that_its_client_signed_counts_alone() {
    on_both_engines(async |house| {
        let (signer, _) = client(&house, json!({"require_signed_request_object": true})).await;
        let sound = json!({
            "iss": "signer", "aud": ISSUER, "client_id": "signer", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid",
            "state": "signed", "nonce": "n", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        });
        let header = json!({"alg": "ES256", "typ": "oauth-authz-req+jwt"});
        let ask = |object: &str| {
            let fields = [("client_id", "signer"), ("request", object), ("redirect_uri", CALLBACK), ("state", "beside"), ("scope", "openid mail")];
            format!("/authorize?{}", encode(&fields))
        };
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let page = browser.follow(&ask(&signer.sign(&header, &sound))).await;
        assert!(page.status == StatusCode::OK && !page.body.contains("all your mail"), "what is beside it counts for nothing: {}", page.body);
        let reply = browser.consent(&page, "allow").await;
        assert!(reply.param("code").is_some() && reply.param("state").as_deref() == Some("signed"), "{:?}", reply.location());
        // 5: unsigned, of another, changed, or none where one is wanted.
        let mut other = sound.clone();
        other["redirect_uri"] = json!("https://evil.example/");
        let page = browser.get(&ask(&signer.sign(&header, &other))).await;
        assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None));
        let unsigned = signer.sign(&json!({"alg": "none"}), &sound);
        for object in [Signer::new().sign(&header, &sound), unsigned, "x.y.z".into()] {
            let reply = browser.get(&ask(&object)).await;
            assert_eq!(reply.param("error").as_deref(), Some("invalid_request_object"), "{object}");
            assert_eq!((reply.param("state").as_deref(), reply.param("iss").as_deref()), (Some("beside"), Some(ISSUER)));
        }
        let plain = browser.get(&support::request(&[("client_id", "signer")])).await;
        assert_eq!(plain.param("error").as_deref(), Some("invalid_request"));
        let reply = browser.get(&support::request(&[("request", "x.y.z")])).await;
        assert_eq!(reply.param("error").as_deref(), Some("request_not_supported"), "a client without keys");
        // Pushed (RFC 9126 §3).
        let object = signer.sign(&header, &sound);
        let proof = assertion(&house, &signer, "p", ISSUER);
        let fields = [("request", object.as_str()), ("client_assertion_type", TYPE), ("client_assertion", proof.as_str())];
        let pushed = house.post_as(None, "/par", &fields).await;
        assert_eq!(pushed.status, StatusCode::CREATED, "{}", pushed.body);
        let uri = pushed.json()["request_uri"].as_str().unwrap().to_string();
        let reply = browser.get(&format!("/authorize?{}", encode(&[("client_id", "signer"), ("request_uri", &uri)]))).await;
        assert!(reply.param("code").is_some(), "{:?} {}", reply.location(), reply.body);
    })
    .await;
}
