// SPDX-License-Identifier: AGPL-3.0-or-later
//! Refresh tokens rotate; a thief and an owner cannot both hold one (RFC 9700 §4.14.2).

mod support;

use std::time::Duration;

use hearth_web::axum::http::StatusCode;
use support::{CALLBACK, VERIFIER, claims, client, on_both_engines, request};

fn text<'j>(json: &'j serde_json::Value, name: &str) -> &'j str {
    json[name].as_str().unwrap_or_else(|| panic!("no {name}: {json}"))
}

#[tokio::test]
async fn rotated_and_the_same_person() {
    on_both_engines(async |house| {
        let first = house.tokens("openid email offline_access").await;
        house.clock.advance(Duration::from_secs(3599));
        assert_eq!(house.userinfo(text(&first, "access_token")).await.status, StatusCode::OK);
        house.clock.advance(Duration::from_secs(1));
        assert_eq!(house.userinfo(text(&first, "access_token")).await.status, StatusCode::UNAUTHORIZED);
        let second = house.refresh(text(&first, "refresh_token")).await.json();
        assert_ne!(second["refresh_token"], first["refresh_token"]);
        assert_eq!(house.userinfo(text(&second, "access_token")).await.status, StatusCode::OK);
        let (before, after) = (claims(text(&first, "id_token")), claims(text(&second, "id_token")));
        for same in ["iss", "sub", "aud", "auth_time", "sid", "amr"] {
            assert_eq!(before[same], after[same], "{same}");
        }
        // OpenID Connect Core §12.2.
        assert!(after["nonce"].is_null() && after["iat"].as_i64() > before["iat"].as_i64());
    })
    .await;
}

#[tokio::test]
async fn used_again_it_ends_the_grant() {
    on_both_engines(async |house| {
        let first = house.tokens("openid offline_access").await;
        let second = house.refresh(text(&first, "refresh_token")).await.json();
        let third = house.refresh(text(&second, "refresh_token")).await.json();
        assert_eq!(house.refresh(text(&first, "refresh_token")).await.error(), (400, "invalid_grant".into()));
        assert_eq!(house.refresh(text(&third, "refresh_token")).await.error(), (400, "invalid_grant".into()));
        assert_eq!(house.userinfo(text(&third, "access_token")).await.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

#[tokio::test]
async fn a_lost_answer_is_given_again() {
    on_both_engines(async |house| {
        let first = house.tokens("openid offline_access").await;
        let lost = house.refresh(text(&first, "refresh_token")).await.json();
        let again = house.refresh(text(&first, "refresh_token")).await;
        assert_eq!(again.status, StatusCode::OK, "{}", again.body);
        let next = house.refresh(text(&again.json(), "refresh_token")).await;
        assert_eq!(next.status, StatusCode::OK, "{}", next.body);
        // Whoever has the answer that was lost took it from somebody.
        assert_eq!(house.refresh(text(&lost, "refresh_token")).await.error(), (400, "invalid_grant".into()));
        assert_eq!(house.refresh(text(&next.json(), "refresh_token")).await.error(), (400, "invalid_grant".into()));
    })
    .await;
}

#[tokio::test]
async fn but_not_when_the_answer_was_used() {
    on_both_engines(async |house| {
        let first = house.tokens("openid offline_access").await;
        let second = house.refresh(text(&first, "refresh_token")).await.json();
        assert_eq!(house.userinfo(text(&second, "access_token")).await.status, StatusCode::OK);
        assert_eq!(house.refresh(text(&first, "refresh_token")).await.error(), (400, "invalid_grant".into()));
        assert_eq!(house.userinfo(text(&second, "access_token")).await.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

#[tokio::test]
async fn narrowed_but_never_widened() {
    on_both_engines(async |house| {
        let first = house.tokens("openid email offline_access").await;
        let ask = async |token: &str, scope: &str| {
            house.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)]).await
        };
        for scope in ["openid mail", "mail", "nothing"] {
            assert_eq!(ask(text(&first, "refresh_token"), scope).await.error(), (400, "invalid_scope".into()), "{scope}");
        }
        let narrow = ask(text(&first, "refresh_token"), "openid").await.json();
        assert_eq!(text(&narrow, "scope"), "openid");
        let person = house.userinfo(text(&narrow, "access_token")).await.json();
        assert!(person["email"].is_null());
        let wide = house.refresh(text(&narrow, "refresh_token")).await.json();
        assert_eq!(text(&wide, "scope"), "openid email offline_access");
    })
    .await;
}

#[tokio::test]
async fn of_another_client() {
    on_both_engines(async |house| {
        house.directory.add_client(client("other", true, CALLBACK)).await.unwrap();
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let code = browser.code(&request(&[("client_id", "other")])).await;
        let fields =
            [("grant_type", "authorization_code"), ("code", code.as_str()), ("client_id", "other"), ("code_verifier", VERIFIER)];
        let tokens = house.post_as(None, "/token", &fields).await.json();
        assert_eq!(house.refresh(text(&tokens, "refresh_token")).await.error(), (400, "invalid_grant".into()));
        let fields = [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token")), ("client_id", "other")];
        assert_eq!(house.post_as(None, "/token", &fields).await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn signing_out_leaves_what_may_stay() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let staying = house.exchange(&browser.code(&request(&[("scope", "openid offline_access")])).await).await.json();
        let bound = house.exchange(&browser.code(&request(&[("scope", "openid")])).await).await.json();
        let account = browser.get("/account").await;
        browser.post("/sign-out", &[("form", &account.field("form"))]).await;
        assert_eq!(house.refresh(text(&bound, "refresh_token")).await.error(), (400, "invalid_grant".into()));
        assert_eq!(house.userinfo(text(&bound, "access_token")).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(house.refresh(text(&staying, "refresh_token")).await.status, StatusCode::OK);
    })
    .await;
}
