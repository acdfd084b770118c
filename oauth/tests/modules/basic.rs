// SPDX-License-Identifier: AGPL-3.0-or-later
//! The plan Basic, where no other test has it, and the logouts that say little.

use crate::support::{self, PASSWORD, claims, on_both_engines, request};

#[tokio::test]
async fn what_a_request_may_say_besides() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        for (name, value) in [
            ("display", "page"),
            ("display", "popup"),
            ("ui_locales", "fr en-US nonsense"),
            ("claims_locales", "se"),
            ("acr_values", "1 2"),
            ("extra", "foobar"),
            ("scope", "openid profile email address phone"),
            ("scope", "openid profile"),
            ("scope", "openid email"),
            ("nonce", ""),
            ("state", ""),
        ] {
            let acr = name == "acr_values";
            let code = browser.code(&request(&[(name, value)])).await;
            let tokens = house.exchange(&code).await.json();
            let said = claims(tokens["id_token"].as_str().unwrap());
            assert_eq!(said["nonce"].is_null(), name == "nonce", "{name}");
            assert!(!acr || said["acr"] == "1");
            let person = house.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
            assert_eq!(person["sub"], said["sub"], "{name}={value}");
            assert_eq!(person.get("email").is_some(), value.contains("email") || name != "scope", "{name}={value}");
        }
        // A hint fills the name in, and decides nothing.
        let mut fresh = house.browser();
        let page = fresh.follow(&request(&[("login_hint", "bob@home.example")])).await;
        assert!(page.body.contains("value=\"bob@home.example\""));
        let reply = fresh.fill_sign_in(&page, "alice", PASSWORD).await;
        let page = fresh.follow(&reply.location().unwrap()).await;
        let tokens = house.exchange(&page.param("code").unwrap()).await.json();
        assert_eq!(claims(tokens["id_token"].as_str().unwrap())["preferred_username"], "alice");
    })
    .await;
}

#[tokio::test]
async fn a_code_twice_half_a_minute_later() {
    on_both_engines(async |house| {
        let code = house.code("openid email").await;
        let tokens = house.exchange(&code).await.json();
        house.clock.advance(std::time::Duration::from_secs(30));
        assert_eq!(house.exchange(&code).await.error(), (400, "invalid_grant".into()));
        let reply = house.userinfo(tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(reply.status, hearth_web::axum::http::StatusCode::UNAUTHORIZED, "what it gave is taken back");
    })
    .await;
}

#[tokio::test]
async fn a_logout_that_says_little() {
    on_both_engines(async |house| {
        let bye = "https://app.example/bye";
        let to = |fields: &[(&str, &str)]| format!("/logout?{}", support::encode(fields));
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let tokens = house.exchange(&browser.code(&request(&[])).await).await.json();
        let hint = tokens["id_token"].as_str().unwrap();
        // No hint, nothing, or only a state: a person is asked, signs out all the same, and is sent nowhere.
        for fields in [vec![("post_logout_redirect_uri", bye), ("state", "s")], vec![], vec![("state", "s")]] {
            let mut other = house.browser();
            other.sign_in("alice").await;
            let page = other.get(&to(&fields)).await;
            assert!(page.location().is_none() && page.body.contains("Sign out?"), "{fields:?}");
            let done = other.post("/sign-out", &[("form", &page.field("form"))]).await;
            assert!(done.location().is_none() && done.body.contains("You are signed out"), "{fields:?}");
            assert!(other.get("/account").await.location().is_some());
        }
        let mut other = house.browser();
        other.sign_in("alice").await;
        let done = other.get(&to(&[("id_token_hint", hint)])).await;
        assert!(done.location().is_none() && done.body.contains("You are signed out"), "no address");
        let done = browser.get(&to(&[("id_token_hint", hint), ("post_logout_redirect_uri", bye)])).await;
        assert_eq!(done.location().as_deref(), Some(bye), "no state");
    })
    .await;
}
