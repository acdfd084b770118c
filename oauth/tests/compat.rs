// SPDX-License-Identifier: AGPL-3.0-or-later
//! What apps stumble over, each rule a test: the letters are those of the list that was drawn from their bug trackers.

mod support;

use hearth_identity::grants::new_token;
use hearth_web::axum::http::StatusCode;
use serde_json::{Value, json};
use support::{CALLBACK, CHALLENGE, House, VERIFIER, claims, on_both_engines, request};

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn algorithm(token: &str) -> String {
    use base64::Engine as _;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["alg"].as_str().unwrap().to_string()
}

async fn id_token(house: &House, client: &str, secret: &str, scope: &str) -> String {
    let mut browser = house.browser();
    browser.sign_in("alice").await;
    let code = browser.code(&request(&[("client_id", client), ("scope", scope)])).await;
    let reply = house.exchange_as((client, secret), &code, &[]).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    text(&reply.json(), "id_token").to_string()
}

#[tokio::test]
async fn a_rs256_unless_the_client_wants_another() {
    on_both_engines(async |house| {
        assert_eq!(algorithm(text(&house.tokens("openid").await, "id_token")), "RS256");
        for wanted in ["RS256", "ES256", "EdDSA"] {
            let metadata = json!({ "id_token_signed_response_alg": wanted }).to_string();
            let secret = house.client(wanted, |new| new.metadata = metadata).await;
            assert_eq!(algorithm(&id_token(&house, wanted, &secret, "openid").await), wanted);
        }
    })
    .await;
}

#[tokio::test]
async fn b_basic_and_post_everywhere_and_never_both() {
    on_both_engines(async |house| {
        let secret = house.secret.clone();
        let pushed = [
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("scope", "openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let token = text(&house.tokens("openid").await, "access_token").to_string();
        for (path, fields, expected) in [
            (
                "/token",
                &[("grant_type", "authorization_code"), ("code", "x"), ("code_verifier", VERIFIER)][..],
                StatusCode::BAD_REQUEST,
            ),
            ("/par", &pushed, StatusCode::CREATED),
            ("/introspect", &[("token", token.as_str())], StatusCode::OK),
            ("/revoke", &[("token", "unknown")], StatusCode::OK),
        ] {
            let in_body = [fields, &[("client_id", "app"), ("client_secret", secret.as_str())]].concat();
            assert_eq!(house.post_as(Some(("app", &secret)), path, fields).await.status, expected, "{path} basic");
            assert_eq!(house.post_as(None, path, &in_body).await.status, expected, "{path} post");
            assert_eq!(
                house.post_as(Some(("app", &secret)), path, &in_body).await.error(),
                (400, "invalid_request".into()),
                "{path}"
            );
            let wrong = [fields, &[("client_id", "app"), ("client_secret", "wrong")]].concat();
            assert_eq!(house.post_as(None, path, &wrong).await.error(), (401, "invalid_client".into()), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn c_a_secret_survives_whoever_encodes_it_or_not() {
    on_both_engines(async |house| {
        for nth in 0..20 {
            let secret = house.client(&format!("app-{nth}"), |_| {}).await;
            assert!(secret.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)), "{secret}");
        }
        assert!(new_token().expose().len() >= 43, "256 bits");
    })
    .await;
}

#[tokio::test]
async fn d_e_f_h_what_an_id_token_says_of_somebody() {
    on_both_engines(async |house| {
        // (d) Sixteen apps of the list read nothing but the ID token.
        let secret = house.secret.clone();
        let token = claims(&id_token(&house, "app", &secret, "openid profile email groups").await);
        assert_eq!((text(&token, "email"), &token["email_verified"]), ("alice@home.example", &json!(true)));
        assert_eq!((text(&token, "preferred_username"), text(&token, "name")), ("alice", "Alice Example"));
        // And one that asks userinfo can have it so: who it is, and nothing else of them.
        let lean = house.client("lean", |new| new.metadata = json!({ "hearth_id_token": "lean" }).to_string()).await;
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let code = browser.code(&request(&[("client_id", "lean"), ("scope", "openid profile email groups")])).await;
        let tokens = house.exchange_as(("lean", &lean), &code, &[]).await.json();
        let of_lean = claims(text(&tokens, "id_token"));
        for name in ["email", "email_verified", "preferred_username", "name", "groups"] {
            assert_eq!(of_lean.get(name), None, "{name}");
        }
        assert_eq!((text(&of_lean, "sub"), text(&of_lean, "nonce")), (text(&token, "sub"), "n-1"));
        let person = house.userinfo(text(&tokens, "access_token")).await.json();
        assert_eq!((text(&person, "email"), &person["groups"]), ("alice@home.example", &json!([])));
        // (e) An array, and an empty one rather than none; not there when it was not asked for.
        assert_eq!(token["groups"], json!([]));
        assert_eq!(claims(&id_token(&house, "app", &secret, "openid").await).get("groups"), None);
        // (f) Opaque, short, of few characters, the same each time, for every app.
        let sub = text(&token, "sub");
        assert!(sub.len() <= 64 && sub.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{sub}");
        let other = house.client("other", |_| {}).await;
        assert_eq!(text(&claims(&id_token(&house, "other", &other, "openid").await), "sub"), sub);
        // (h) The name may be changed; who it is does not follow from it.
        house.directory.change_account_name(house.alice.id, "Alice Elsewhere").await.unwrap();
        let token = claims(&id_token(&house, "app", &secret, "openid profile").await);
        assert_eq!(
            (text(&token, "sub"), text(&token, "preferred_username"), text(&token, "name")),
            (sub, "alice", "Alice Elsewhere")
        );
    })
    .await;
}

/// (g) What metadata tells of, apps use at once: a client with Basic at one endpoint and post at the next gets in.
#[tokio::test]
async fn g_what_is_told_of_works_with_every_method() {
    on_both_engines(async |house| {
        let metadata = house.get("/.well-known/openid-configuration").await.json();
        assert!(metadata["pushed_authorization_request_endpoint"].is_string());
        let secret = house.secret.clone();
        let fields = [
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("scope", "openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let pushed = house.post_as(Some(("app", &secret)), "/par", &fields).await.json();
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let asked = support::encode(&[("client_id", "app"), ("request_uri", text(&pushed, "request_uri"))]);
        let code = browser.code(&format!("/authorize?{asked}")).await;
        let posted = [
            ("client_id", "app"),
            ("client_secret", secret.as_str()),
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        assert_eq!(house.post_as(None, "/token", &posted).await.status, StatusCode::OK);
    })
    .await;
}
