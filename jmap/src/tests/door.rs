// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who is let in, how they are told, and for how long that is remembered.

use std::sync::atomic::Ordering;
use std::time::Duration;

use hearth_web::axum::http::StatusCode;

use super::*;
use crate::limits::AUTHORIZATION_BYTES_MAX;

#[tokio::test]
async fn a_token_and_an_app_password_open_the_session() {
    let home = Home::new().await;
    for credential in ["Bearer good-token".to_string(), basic("alice@home.localhost", "app-password")] {
        for path in ["/.well-known/jmap", "/jmap/session"] {
            let answered = home.send("GET", path, &[("authorization", &credential)], "").await;
            assert_eq!(answered.status, StatusCode::OK);
            let session = answered.json();
            assert_eq!(session["username"], "alice@home.localhost");
            assert_eq!(session["primaryAccounts"][MAIL], home.account.as_str());
            assert_eq!(session["apiUrl"], "https://mail.home.localhost:10443/jmap/api/");
            assert!(session["capabilities"].get("urn:ietf:params:jmap:submission").is_none());
        }
    }
}

#[tokio::test]
async fn urls_do_not_come_from_the_request() {
    let home = Home::new().await;
    let answered = home.send("GET", "/jmap/session", &[("host", "evil.example"), ("x-forwarded-host", "evil.example")], "").await;
    assert!(!String::from_utf8_lossy(&answered.body).contains("evil"));
}

#[tokio::test]
async fn who_is_not_let_in_is_told_how_to() {
    let home = Home::new().await;
    let fits = format!("Bearer {}", "a".repeat(AUTHORIZATION_BYTES_MAX - "Bearer ".len()));
    let long = format!("{fits}a");
    for (credential, status, says) in [
        ("", StatusCode::UNAUTHORIZED, "Bearer realm=\"hearth\""),
        ("Bearer bad-token", StatusCode::UNAUTHORIZED, "invalid_token"),
        ("Digest x", StatusCode::UNAUTHORIZED, "Bearer"),
        (fits.as_str(), StatusCode::UNAUTHORIZED, "invalid_token"),
        (long.as_str(), StatusCode::UNAUTHORIZED, "Bearer realm=\"hearth\""),
        (&basic("alice@home.localhost", "wrong"), StatusCode::UNAUTHORIZED, "invalid_token"),
        ("Bearer narrow-token", StatusCode::FORBIDDEN, "insufficient_scope"),
        ("Bearer hasty-token", StatusCode::TOO_MANY_REQUESTS, "invalid_token"),
    ] {
        for (method, path) in [
            ("GET", "/jmap/session".to_string()),
            ("POST", "/jmap/api/".to_string()),
            ("POST", format!("/jmap/upload/{}/", home.account)),
            ("GET", format!("/jmap/download/{}/x/y", home.account)),
            ("GET", "/jmap/eventsource/".to_string()),
        ] {
            let answered = home.send(method, &path, &[("authorization", credential)], "{}").await;
            assert_eq!(answered.status, status, "{credential} {path}");
            let challenges: Vec<_> = answered
                .headers
                .get_all("www-authenticate")
                .iter()
                .map(|value| value.to_str().expect("text").to_string())
                .collect();
            let place = "resource_metadata=\"https://mail.home.localhost:10443/.well-known/oauth-protected-resource\"";
            assert!(challenges[0].starts_with("Bearer realm=\"hearth\", ") && challenges[0].ends_with(place), "{challenges:?}");
            assert!(challenges[0].contains(says) && challenges[1].starts_with("Basic realm="), "{challenges:?}");
        }
    }
    let hasty = home.send("GET", "/jmap/session", &[("authorization", "Bearer hasty-token")], "").await;
    assert_eq!(hasty.header("retry-after"), "7");
}

#[tokio::test]
async fn the_gate_is_not_asked_for_each_request() {
    let home = Home::new().await;
    for _ in 0..5 {
        assert_eq!(home.send("GET", "/jmap/session", &[], "").await.status, StatusCode::OK);
    }
    assert_eq!(home.asked.load(Ordering::SeqCst), 1);
    // What was refused is asked again: the gate counts failures.
    for _ in 0..2 {
        home.send("GET", "/jmap/session", &[("authorization", "Bearer bad-token")], "").await;
    }
    assert_eq!(home.asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_session_that_ended_is_out_within_a_second() {
    let home = Home::new().await;
    assert_eq!(home.send("GET", "/jmap/session", &[], "").await.status, StatusCode::OK);
    assert!(home.directory.end_session(home.session.id).await.expect("ended"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(home.send("GET", "/jmap/session", &[], "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let home = Home::new().await;
    // White space after the scheme makes each field another one.
    let field = |spaces: usize| format!("Bearer{}good-token", " ".repeat(spaces + 1));
    for spaces in 0..=crate::limits::CREDENTIALS_REMEMBERED_MAX {
        home.send("GET", "/jmap/session", &[("authorization", &field(spaces))], "").await;
    }
    let asked = home.asked.load(Ordering::SeqCst);
    assert_eq!(asked, crate::limits::CREDENTIALS_REMEMBERED_MAX + 1);
    // The newest is remembered; one of the others had to go.
    home.send("GET", "/jmap/session", &[("authorization", &field(crate::limits::CREDENTIALS_REMEMBERED_MAX))], "").await;
    assert_eq!(home.asked.load(Ordering::SeqCst), asked);
}

#[tokio::test]
async fn a_browser_may_ask_from_anywhere() {
    let home = Home::new().await;
    let preflight = [("origin", "https://app.example"), ("access-control-request-method", "POST"), ("authorization", "")];
    let answered = home.send("OPTIONS", "/jmap/api/", &preflight, "").await;
    assert_eq!(answered.status, StatusCode::NO_CONTENT);
    assert_eq!(answered.header("access-control-allow-origin"), "*");
    assert!(answered.header("access-control-allow-headers").contains("Authorization"));
    assert!(answered.headers.get("access-control-allow-credentials").is_none());
    let answered = home.send("GET", "/jmap/session", &[("authorization", "")], "").await;
    assert_eq!(answered.header("access-control-allow-origin"), "*");
}
