// SPDX-License-Identifier: AGPL-3.0-or-later
//! The plan Form post: what Basic asks, answered by a form.

use hearth_web::axum::http::StatusCode;

use crate::support::{Browser, House, ISSUER, PASSWORD, Reply, claims, client, on_both_engines, request};

/// A request whose answer is posted.
fn posted(changes: &[(&str, &str)]) -> String {
    request(&[&[("response_mode", "form_post")][..], changes].concat())
}

/// The form that takes an answer to the client.
fn is_answer(reply: &Reply) -> bool {
    reply.status == StatusCode::OK
        && reply.location().is_none()
        && reply.body.contains("method=\"post\" action=\"https://app.example/cb?from=hearth\"")
}

async fn answer(browser: &mut Browser, changes: &[(&str, &str)]) -> Reply {
    let mut reply = browser.follow(&posted(changes)).await;
    if reply.body.contains("/consent") {
        reply = browser.consent(&reply, "allow").await;
    }
    assert!(is_answer(&reply), "{changes:?}: {}", reply.body);
    reply
}

async fn tokens(house: &House, browser: &mut Browser, changes: &[(&str, &str)]) -> serde_json::Value {
    let code = answer(browser, changes).await.field("code");
    let reply = house.exchange(&code).await;
    assert_eq!(reply.status, StatusCode::OK, "{changes:?}: {}", reply.body);
    reply.json()
}

#[tokio::test]
async fn by_form_whatever_a_request_says() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        for (name, value) in [
            ("display", "page"),
            ("display", "popup"),
            ("ui_locales", "fr en-US"),
            ("claims_locales", "se"),
            ("acr_values", "1 2"),
            ("extra", "foobar"),
            ("scope", "openid"),
            ("scope", "openid profile"),
            ("scope", "openid email"),
            ("scope", "openid profile email address phone"),
            ("claims", "{\"userinfo\":{\"name\":{\"essential\":true}}}"),
            ("nonce", ""),
            ("max_age", "10000"),
        ] {
            let tokens = tokens(&house, &mut browser, &[(name, value)]).await;
            let said = claims(tokens["id_token"].as_str().unwrap());
            assert_eq!(said["nonce"].is_null(), name == "nonce");
            assert!(said["auth_time"].is_i64());
            let person = house.userinfo(tokens["access_token"].as_str().unwrap()).await;
            assert_eq!((person.status, &person.json()["sub"]), (StatusCode::OK, &said["sub"]), "{name}={value}");
        }
        let reply = answer(&mut browser, &[]).await;
        assert_eq!((reply.field("state"), reply.field("iss")), ("s&t".into(), ISSUER.into()));
    })
    .await;
}

#[tokio::test]
async fn by_form_who_signs_in_and_when() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        let nobody = browser.get(&posted(&[("prompt", "none")])).await;
        assert!(is_answer(&nobody) && nobody.field("error") == "login_required");
        browser.sign_in("alice").await;
        let first = tokens(&house, &mut browser, &[]).await;
        let hint = first["id_token"].as_str().unwrap().to_string();
        for silent in [&[("prompt", "none")][..], &[("prompt", "none"), ("id_token_hint", &hint)]] {
            let tokens = tokens(&house, &mut browser, silent).await;
            let (before, after) = (claims(&hint), claims(tokens["id_token"].as_str().unwrap()));
            assert_eq!((&before["sub"], &before["auth_time"]), (&after["sub"], &after["auth_time"]));
        }
        house.clock.advance(std::time::Duration::from_secs(2));
        for again in [("prompt", "login"), ("max_age", "1")] {
            house.clock.advance(std::time::Duration::from_secs(2));
            let page = browser.follow(&posted(&[again, ("login_hint", "alice@home.example")])).await;
            assert!(page.body.contains("value=\"alice@home.example\""), "{again:?}");
            let reply = browser.fill_sign_in(&page, "alice", PASSWORD).await;
            let reply = browser.follow(&reply.location().unwrap()).await;
            assert!(is_answer(&reply), "{again:?}");
            let tokens = house.exchange(&reply.field("code")).await.json();
            let said = claims(tokens["id_token"].as_str().unwrap());
            assert_eq!(said["auth_time"], house.clock.now().secs(), "{again:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn by_form_what_is_refused() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        for (changes, error) in [
            (vec![("response_type", "")], "invalid_request"),
            (vec![("code_challenge_method", "plain")], "invalid_request"),
            (vec![("request_uri", "https://app.example/r")], "request_uri_not_supported"),
            (vec![("request", "eyJhbGciOiJub25lIn0.e30.")], "request_not_supported"),
        ] {
            let reply = browser.get(&posted(&changes)).await;
            assert!(is_answer(&reply), "{changes:?}: {}", reply.body);
            assert_eq!((reply.field("error"), reply.field("state")), (error.into(), "s&t".into()), "{changes:?}");
        }
        let elsewhere = browser.get(&posted(&[("redirect_uri", "https://evil.example/")])).await;
        assert!(elsewhere.status == StatusCode::BAD_REQUEST && !elsewhere.body.contains("evil.example"));
        let page = browser.follow(&posted(&[])).await;
        let denied = browser.consent(&page, "deny").await;
        assert!(is_answer(&denied) && denied.field("error") == "access_denied");
        // A code is a code, however it came.
        let code = answer(&mut browser, &[]).await.field("code");
        let tokens = house.exchange(&code).await.json();
        house.clock.advance(std::time::Duration::from_secs(30));
        assert_eq!(house.exchange(&code).await.error(), (400, "invalid_grant".into()));
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(house.userinfo(access).await.status, StatusCode::UNAUTHORIZED);
        // By the other way for a client to prove itself, and with a refresh token.
        house.directory.add_client(client("post", true, crate::support::CALLBACK)).await.unwrap();
        let code = answer(&mut browser, &[("client_id", "post"), ("scope", "openid offline_access")]).await.field("code");
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("client_id", "post"),
            ("redirect_uri", crate::support::CALLBACK),
            ("code_verifier", crate::support::VERIFIER),
        ];
        let tokens = house.post_as(None, "/token", &fields).await.json();
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", "post")];
        assert_eq!(house.post_as(None, "/token", &fields).await.status, StatusCode::OK);
    })
    .await;
}
