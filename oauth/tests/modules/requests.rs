// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a request may ask for, and what becomes of one that cannot be met; the audience of what a client signs.

use hearth_identity::grants::Registration;
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::support::device::Device;
use crate::support::factors::{add_passkey, by_passkey};
use crate::support::proof::Holder;
use crate::support::{Browser, CALLBACK, CHALLENGE, House, ISSUER, ask, claims, encode, on_both_engines, request};

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

async fn alice(house: &House) -> Browser {
    let mut browser = house.browser();
    browser.sign_in("alice").await;
    browser
}

fn acr(wish: Value) -> String {
    json!({"id_token": {"acr": wish}}).to_string()
}

#[tokio::test]
async fn an_essential_acr_is_one_of_those_or_an_error() {
    on_both_engines(async |house| {
        let mut browser = alice(&house).await;
        browser.code(&request(&[])).await;
        let silver = "urn:mace:incommon:iap:silver";
        for wish in [json!({"essential": true, "value": silver}), json!({"essential": true, "values": [silver, "gold"]})] {
            for prompt in ["", "none"] {
                let reply = browser.follow(&request(&[("claims", &acr(wish.clone())), ("prompt", prompt)])).await;
                let error = reply.param("error");
                assert_eq!(error.as_deref(), Some("unmet_authentication_requirements"), "{wish} {prompt} {}", reply.status);
            }
        }
        // A wish is a wish, and one that we know is given by its name.
        for wish in
            [json!(null), json!({"essential": true}), json!({"value": silver}), json!({"essential": true, "values": [silver, "1"]})]
        {
            let code = browser.code(&request(&[("claims", &acr(wish.clone())), ("prompt", "none")])).await;
            let tokens = house.exchange(&code).await.json();
            assert_eq!(claims(tokens["id_token"].as_str().unwrap())["acr"], "1", "{wish}");
        }
        for empty in [json!({"userinfo": null}), json!({"id_token": null, "userinfo": {}})] {
            let reply = browser.follow(&request(&[("claims", &empty.to_string())])).await;
            assert!(reply.param("code").is_some(), "{empty}: {:?}", reply.location());
        }
    })
    .await;
}

#[tokio::test]
async fn a_wish_for_more_is_no_error_where_nothing_may_be_shown() {
    on_both_engines(async |house| {
        let mut browser = alice(&house).await;
        browser.code(&request(&[])).await;
        let code = browser.code(&request(&[("prompt", "none"), ("acr_values", "phr 2")])).await;
        let tokens = house.exchange(&code).await.json();
        assert_eq!(claims(tokens["id_token"].as_str().unwrap())["acr"], "1", "what it is, is told");
        let essential = acr(json!({"essential": true, "values": ["2"]}));
        let reply = browser.get(&request(&[("prompt", "none"), ("claims", &essential)])).await;
        assert_eq!(reply.param("error").as_deref(), Some("unmet_authentication_requirements"));
    })
    .await;
}

#[tokio::test]
async fn more_than_was_wished_for_has_the_name_that_was_wished_for() {
    on_both_engines(async |house| {
        let (mut first, mut device) = (alice(&house).await, Device::new(7));
        add_passkey(&mut first, &mut device).await;
        let mut browser = house.browser();
        let page = browser.follow(&request(&[])).await;
        let reply = by_passkey(&mut browser, &page, &device.sign(&page)).await;
        let page = browser.follow(&reply.location().unwrap()).await;
        browser.consent(&page, "allow").await;
        for (wish, told) in [
            (json!({"essential": true, "values": ["2"]}), "2"),
            (json!({"essential": true, "values": ["1", "2"]}), "2"),
            (json!({"value": "2"}), "phr"),
        ] {
            let code = browser.code(&request(&[("claims", &acr(wish.clone()))])).await;
            let tokens = house.exchange(&code).await.json();
            assert_eq!(claims(tokens["id_token"].as_str().unwrap())["acr"], told, "{wish}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_stranger_that_asks_in_silence_is_answered() {
    on_both_engines(async |house| {
        house.directory.change_registration(Registration::Approved).await.unwrap();
        let wants = json!({"redirect_uris": ["https://rp.example/cb"], "client_name": "RP", "scope": "openid email"});
        let post = Request::post("/register").header("content-type", "application/json");
        let told = ask(&house.router, post.body(Body::from(wants.to_string())).unwrap()).await.json();
        let client = house.directory.find_client(told["client_id"].as_str().unwrap()).await.unwrap().unwrap();
        house.directory.enable_client(client.id).await.unwrap();
        let rp = [("client_id", client.identifier.as_str()), ("redirect_uri", "https://rp.example/cb"), ("scope", "openid")];
        let asks = |more: &[(&str, &str)]| request(&[&rp[..], more].concat());
        let error = async |browser: &mut Browser, more: &[(&str, &str)]| {
            let reply = browser.get(&asks(more)).await;
            assert!(reply.location().is_none_or(|location| location.starts_with("https://rp.example/cb?")), "{more:?}");
            reply.param("error").unwrap_or_else(|| reply.status.to_string())
        };
        let (mut nobody, mut alice) = (house.browser(), alice(&house).await);
        assert_eq!(error(&mut nobody, &[("prompt", "none")]).await, "login_required");
        assert_eq!(error(&mut alice, &[("prompt", "none")]).await, "consent_required");
        assert_eq!(error(&mut alice, &[("prompt", "none"), ("max_age", "0")]).await, "login_required");
        // Whatever else is wrong with what it asks, a person sees it first.
        for (name, value) in [("response_type", "token"), ("prompt", "none login"), ("request_uri", "https://rp.example/r")] {
            assert_eq!(error(&mut nobody, &[(name, value)]).await, "400 Bad Request", "{name}");
        }
        // An address that nobody looked at is no place to send a browser to, silent or not.
        let url = [("client_id", "https://app.example/client.json"), ("redirect_uri", "https://evil.example/"), ("prompt", "none")];
        let page = nobody.get(&request(&url)).await;
        assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None));
    })
    .await;
}

async fn signer(house: &House) -> Holder {
    let signer = Holder::new();
    let metadata = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [signer.jwk()]}});
    house.client("signer", |new| new.metadata = metadata.to_string()).await;
    signer
}

fn assertion(house: &House, signer: &Holder, aud: &Value) -> String {
    let jti = hearth_identity::grants::new_token().expose().clone();
    let exp = house.clock.now().secs() + 60;
    signer.sign(&json!({"alg": "ES256"}), &json!({"iss": "signer", "sub": "signer", "aud": aud, "exp": exp, "jti": jti}))
}

#[tokio::test]
async fn what_is_pushed_is_signed_for_us() {
    on_both_engines(async |house| {
        let signer = signer(&house).await;
        let push = async |aud: Value| {
            let proof = assertion(&house, &signer, &aud);
            let fields = [
                ("redirect_uri", CALLBACK),
                ("response_type", "code"),
                ("scope", "openid"),
                ("code_challenge", CHALLENGE),
                ("code_challenge_method", "S256"),
                ("client_assertion_type", KIND),
                ("client_assertion", &proof),
            ];
            house.post_as(None, "/par", &fields).await.status
        };
        for aud in [ISSUER.to_string(), format!("{ISSUER}/token"), format!("{ISSUER}/par")] {
            assert_eq!(push(json!(aud)).await, StatusCode::CREATED, "{aud}");
        }
        for aud in [json!(format!("{ISSUER}/revoke")), json!("https://other.example/par"), json!([ISSUER, "https://other.example"])]
        {
            assert_eq!(push(aud.clone()).await, StatusCode::UNAUTHORIZED, "{aud}");
        }
        // What is signed for the one endpoint is not for the other.
        let proof = assertion(&house, &signer, &json!(format!("{ISSUER}/par")));
        let fields = [("token", "x"), ("client_assertion_type", KIND), ("client_assertion", &proof)];
        assert_eq!(house.post_as(None, "/revoke", &fields).await.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

#[tokio::test]
async fn a_request_object_for_us_alone() {
    on_both_engines(async |house| {
        let signer = signer(&house).await;
        let mut browser = alice(&house).await;
        for (aud, admitted) in [
            (json!(ISSUER), true),
            (json!([ISSUER]), true),
            (json!([]), false),
            (json!([ISSUER, "https://evil.example"]), false),
            (json!(["https://evil.example"]), false),
            (json!({"iss": ISSUER}), false),
        ] {
            let object = json!({
                "iss": "signer", "aud": aud, "client_id": "signer", "redirect_uri": CALLBACK, "response_type": "code",
                "scope": "openid", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
            });
            let signed = signer.sign(&json!({"alg": "ES256", "typ": "oauth-authz-req+jwt"}), &object);
            let fields = [("client_id", "signer"), ("redirect_uri", CALLBACK), ("request", &signed)];
            let reply = browser.follow(&format!("/authorize?{}", encode(&fields))).await;
            assert_eq!(reply.status == StatusCode::OK, admitted, "{aud}: {:?}", reply.location());
            assert_eq!(reply.param("error").as_deref(), (!admitted).then_some("invalid_request_object"), "{aud}");
        }
    })
    .await;
}
