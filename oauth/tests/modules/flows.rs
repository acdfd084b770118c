// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the modules of Basic, Form post, Dynamic and the logouts do, step by step, where their steps are more than a request and
//! a look at its answer.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::support::proof::Holder;
use crate::support::{Browser, CALLBACK, CHALLENGE, House, ISSUER, Reply, ask, claims, encode, on_both_engines, request};

/// Both ways in which an answer travels.
const MODES: [&str; 2] = ["query", "form_post"];

/// A parameter of an answer, however it travelled.
fn answered(reply: &Reply, name: &str) -> Option<String> {
    match reply.location() {
        Some(_) => reply.param(name),
        None => reply.body.contains(&format!("name=\"{name}\" value=\"")).then(|| reply.field(name)),
    }
}

async fn agreed(browser: &mut Browser, request: &str) -> Reply {
    let reply = browser.follow(request).await;
    if reply.body.contains("/consent") { browser.consent(&reply, "allow").await } else { reply }
}

async fn tokens(house: &House, browser: &mut Browser, changes: &[(&str, &str)]) -> Value {
    let reply = agreed(browser, &request(changes)).await;
    let code = answered(&reply, "code").unwrap_or_else(|| panic!("{changes:?}: {:?} {}", reply.location(), reply.body));
    let reply = house.exchange(&code).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    reply.json()
}

async fn alice(house: &House) -> Browser {
    let mut browser = house.browser();
    browser.sign_in("alice").await;
    browser
}

#[tokio::test]
async fn the_order_of_words_and_parameters_makes_no_difference() {
    on_both_engines(async |house| {
        let mut browser = alice(&house).await;
        for mode in MODES {
            let turned = request(&[("scope", "email openid"), ("response_mode", mode)]);
            let (path, query) = turned.split_once('?').unwrap();
            let turned: Vec<_> = query.split('&').rev().collect();
            let reply = agreed(&mut browser, &format!("{path}?{}", turned.join("&"))).await;
            let tokens = house.exchange(&answered(&reply, "code").unwrap()).await.json();
            let person = house.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
            assert_eq!(person["email"], "alice@home.example", "{mode}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_posted_request_comes_to_a_code_either_way() {
    on_both_engines(async |house| {
        let mut browser = alice(&house).await;
        for mode in MODES {
            let asks = request(&[("response_mode", mode)]);
            let (path, query) = asks.split_once('?').unwrap();
            // Another site's form: no cookies come with it.
            let post = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
            let posted = ask(&house.router, post.body(Body::from(query.to_string())).unwrap()).await;
            assert_eq!(posted.status, StatusCode::SEE_OTHER);
            let reply = agreed(&mut browser, &posted.location().unwrap()).await;
            assert_eq!(answered(&reply, "state").as_deref(), Some("s&t"), "{mode}");
            assert_eq!(house.exchange(&answered(&reply, "code").unwrap()).await.status, StatusCode::OK, "{mode}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_essential_claim_is_given_without_its_scope() {
    on_both_engines(async |house| {
        let mut browser = alice(&house).await;
        let wish = json!({"userinfo": {"name": {"essential": true}}}).to_string();
        for mode in MODES {
            let tokens = tokens(&house, &mut browser, &[("scope", "openid"), ("claims", &wish), ("response_mode", mode)]).await;
            let person = house.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
            assert_eq!((&person["name"], person.get("email")), (&json!("Alice Example"), None), "{mode}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_generous_max_age_asks_nobody_again() {
    on_both_engines(async |house| {
        let mut browser = alice(&house).await;
        for mode in MODES {
            let first = tokens(&house, &mut browser, &[("response_mode", mode)]).await;
            house.clock.advance(Duration::from_secs(60));
            let again = [("max_age", "10000"), ("prompt", "none"), ("response_mode", mode)];
            let second = tokens(&house, &mut browser, &again).await;
            let (first, second) = (claims(first["id_token"].as_str().unwrap()), claims(second["id_token"].as_str().unwrap()));
            assert!(first["auth_time"].is_i64());
            assert_eq!((&first["auth_time"], &first["sub"]), (&second["auth_time"], &second["sub"]), "{mode}");
        }
    })
    .await;
}

#[tokio::test]
async fn in_silence_nobody_is_signed_in() {
    on_both_engines(async |house| {
        for mode in MODES {
            let reply = house.browser().get(&request(&[("prompt", "none"), ("response_mode", mode)])).await;
            assert_eq!(answered(&reply, "error").as_deref(), Some("login_required"), "{mode}");
            assert_eq!((answered(&reply, "state").as_deref(), answered(&reply, "code")), (Some("s&t"), None), "{mode}");
        }
    })
    .await;
}

#[tokio::test]
async fn userinfo_by_post_with_the_token_in_its_field() {
    on_both_engines(async |house| {
        let tokens = house.tokens("openid email").await;
        let field = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        for kind in [None, Some("application/x-www-form-urlencoded")] {
            let mut post = Request::post("/userinfo").header("authorization", &field);
            if let Some(kind) = kind {
                post = post.header("content-type", kind);
            }
            let reply = ask(&house.router, post.body(Body::empty()).unwrap()).await;
            assert_eq!((reply.status, &reply.json()["email"]), (StatusCode::OK, &json!("alice@home.example")), "{kind:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_is_its_clients_alone() {
    on_both_engines(async |house| {
        let secret = house.client("second", |_| ()).await;
        let mut browser = alice(&house).await;
        let asks = [("client_id", "second"), ("scope", "openid offline_access"), ("prompt", "consent")];
        let code = browser.code(&request(&asks)).await;
        let second = house.exchange_as(("second", &secret), &code, &[]).await.json();
        let refresh = second["refresh_token"].as_str().unwrap();
        assert!(refresh.bytes().all(|b| b.is_ascii_graphic() || b == b' '), "RFC 6749 A.17");
        assert_eq!(house.refresh(refresh).await.error(), (400, "invalid_grant".into()), "the first client's it is not");
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let renewed = house.post_as(Some(("second", &secret)), "/token", &fields).await;
        assert_eq!(renewed.status, StatusCode::OK, "and nothing is lost by the attempt: {}", renewed.body);
        let (before, after) = (claims(second["id_token"].as_str().unwrap()), claims(renewed.json()["id_token"].as_str().unwrap()));
        for same in ["iss", "sub", "aud", "auth_time"] {
            assert_eq!(before[same], after[same], "OpenID Connect Core §12.2: {same}");
        }
        assert_eq!(house.userinfo(renewed.json()["access_token"].as_str().unwrap()).await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn the_address_in_a_signed_request_counts_and_the_one_beside_it_does_not() {
    on_both_engines(async |house| {
        let signer = Holder::new();
        house.client("signer", |new| new.metadata = json!({"jwks": {"keys": [signer.jwk()]}}).to_string()).await;
        let object = json!({
            "iss": "signer", "aud": ISSUER, "client_id": "signer", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid",
            "state": "signed", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        });
        let object = signer.sign(&json!({"alg": "ES256", "typ": "oauth-authz-req+jwt"}), &object);
        let mut browser = alice(&house).await;
        for outside in ["https://invalid.example/cb", ""] {
            let fields = [("client_id", "signer"), ("scope", "openid"), ("response_type", "code"), ("redirect_uri", outside), ("request", &object)];
            let fields: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
            let reply = agreed(&mut browser, &format!("/authorize?{}", encode(&fields))).await;
            assert!(reply.location().is_some_and(|to| to.starts_with(CALLBACK)), "{outside}: {}", reply.body);
            assert!(reply.param("code").is_some() && reply.param("state").as_deref() == Some("signed"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_logout_with_a_hint_that_we_did_not_sign_leads_nowhere() {
    on_both_engines(async |house| {
        let mut browser = alice(&house).await;
        let tokens = tokens(&house, &mut browser, &[]).await;
        let hint = tokens["id_token"].as_str().unwrap();
        let said = claims(hint);
        let mut parts = hint.split('.');
        let (header, body) = (parts.next().unwrap(), parts.next().unwrap());
        let unsigned = format!("{}.{body}.", URL_SAFE_NO_PAD.encode("{\"alg\":\"none\",\"typ\":\"JWT\"}"));
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        let foreign = Holder::new().sign(&json!({"alg": "ES256", "typ": "JWT", "kid": header["kid"]}), &said);
        for bad in [unsigned, foreign, format!("{hint}x"), "nonsense".into()] {
            let fields = [("id_token_hint", bad.as_str()), ("post_logout_redirect_uri", "https://app.example/bye"), ("state", "s")];
            let page = browser.get(&format!("/logout?{}", encode(&fields))).await;
            assert!(page.location().is_none() && page.body.contains("Sign out?"), "{bad}: {:?}", page.location());
            assert_eq!(browser.get("/account").await.status, StatusCode::OK, "nobody is signed out by it");
        }
    })
    .await;
}

/// What a client receives that is told of a sign-out (OpenID Connect Back-Channel Logout §2.5): the token that it was posted.
async fn receiver() -> (String, tokio::task::JoinHandle<String>) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = format!("http://{}/backchannel", listener.local_addr().unwrap());
    let told = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
            let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
            if body.is_some_and(|body| Some(body) >= length) {
                break;
            }
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncache-control: no-store\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(read).unwrap()
    });
    (at, told)
}

#[tokio::test]
async fn a_client_is_told_behind_its_back_and_nobody_is_signed_in_afterwards() {
    on_both_engines(async |house| {
        let (at, told) = receiver().await;
        let metadata = json!({"backchannel_logout_uri": at}).to_string();
        let secret = house.client("told", |new| new.metadata = metadata).await;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let following = tokio::spawn(hearth_oauth::endpoint::logout_token::follow(house.ctx.clone(), vec![], async {
            let _ = stopped.await;
        }));
        // What it tells is what comes after it began.
        while house.directory.find_setting("oauth.logout.seen").await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut browser = alice(&house).await;
        let code = browser.code(&request(&[("client_id", "told")])).await;
        let tokens = house.exchange_as(("told", &secret), &code, &[]).await.json();
        let said = claims(tokens["id_token"].as_str().unwrap());
        let fields =
            [("id_token_hint", tokens["id_token"].as_str().unwrap()), ("post_logout_redirect_uri", "https://app.example/bye")];
        let bye = browser.get(&format!("/logout?{}", encode(&fields))).await;
        assert_eq!(bye.location().as_deref(), Some("https://app.example/bye"), "{}", bye.body);
        let posted = told.await.unwrap();
        assert!(posted.starts_with("POST /backchannel HTTP/1.1\r\n"), "{posted}");
        assert!(posted.to_ascii_lowercase().contains("content-type: application/x-www-form-urlencoded"), "{posted}");
        let body = posted.split_once("\r\n\r\n").unwrap().1;
        let token = body.strip_prefix("logout_token=").unwrap();
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(house.get("/jwks.json").await.json()).unwrap();
        let header = jsonwebtoken::decode_header(token).unwrap();
        assert_eq!((header.typ.as_deref(), header.alg), (Some("logout+jwt"), jsonwebtoken::Algorithm::RS256));
        let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&header.kid.unwrap()).unwrap()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.set_audience(&["told"]);
        validation.set_issuer(&[ISSUER]);
        let signed = jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims;
        assert_eq!((&signed["sub"], &signed["sid"], signed.get("nonce")), (&said["sub"], &said["sid"], None));
        assert_eq!(signed["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
        let silent = browser.get(&request(&[("client_id", "told"), ("prompt", "none")])).await;
        assert_eq!(silent.param("error").as_deref(), Some("login_required"));
        stop.send(()).unwrap();
        following.await.unwrap();
    })
    .await;
}
