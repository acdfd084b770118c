// SPDX-License-Identifier: AGPL-3.0-or-later
//! 1 to 12: the authorization endpoint and its pages.

use std::time::Duration;

use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Request, StatusCode};
use serde_json::json;

use crate::support::{Browser, CALLBACK, CHALLENGE, House, ISSUER, PASSWORD, Reply, ask, client, encode, on_both_engines, request};

async fn signed_in(house: &House, who: &str) -> Browser {
    let mut browser = house.browser();
    browser.sign_in(who).await;
    browser
}

fn is_a_page(reply: &Reply) -> bool {
    reply.status == StatusCode::BAD_REQUEST && reply.location().is_none()
}

#[tokio::test]
async fn attack_01_a_redirect_uri_that_is_nearly_the_one() {
    on_both_engines(async |house| {
        let mut browser = signed_in(&house, "alice").await;
        for uri in [
            "https://evil.example/cb?from=hearth",
            "https://app.example/other?from=hearth",
            "https://app.example/cb",
            "https://app.example/cb?from=hearth&more=1",
            "https://app.example/CB?from=hearth",
            "https://APP.example/cb?from=hearth",
            "https://app.example/cb/?from=hearth",
            "https://app.example/cb?from=hearth#x",
            "//evil.example",
            "https://app.example@evil.example/cb?from=hearth",
            "https://app.example\\@evil.example/cb?from=hearth",
            "https://app.example/%2e%2e/cb?from=hearth",
            "https://app.example:443/cb?from=hearth",
            "https://app.example.evil.example/cb?from=hearth",
        ] {
            assert!(is_a_page(&browser.get(&request(&[("redirect_uri", uri)])).await), "{uri}");
        }
        assert!(browser.follow(&request(&[])).await.body.contains("/consent"), "the one itself is let in");
    })
    .await;
}

#[tokio::test]
async fn attack_02_a_loopback_address_that_is_none() {
    on_both_engines(async |house| {
        house.directory.add_client(client("tls", true, "https://127.0.0.1/cb")).await.unwrap();
        let mut browser = signed_in(&house, "alice").await;
        house.directory.add_client(client("six", true, "http://[::1]/cb")).await.unwrap();
        for (who, uri, admitted) in [
            ("phone", "http://127.0.0.1:50123/cb", true),
            ("six", "http://[::1]:50123/cb", true),
            ("phone", "http://127.0.0.1:50123/other", false),
            ("phone", "http://localhost.evil.example/cb", false),
            ("phone", "http://127.0.0.1.evil.example/cb", false),
            ("phone", "http://127.0.0.1:1@evil.example/cb", false),
            ("phone", "https://127.0.0.1:50123/cb", false),
            ("tls", "https://127.0.0.1:50123/cb", false),
            ("app", "http://127.0.0.1:50123/cb", false),
        ] {
            let page = browser.follow(&request(&[("client_id", who), ("redirect_uri", uri)])).await;
            assert_eq!((page.body.contains("/consent"), is_a_page(&page)), (admitted, !admitted), "{who} {uri}");
        }
    })
    .await;
}

#[tokio::test]
async fn attack_03_parameters_that_come_twice() {
    on_both_engines(async |house| {
        let mut browser = signed_in(&house, "alice").await;
        let sound = request(&[]);
        let ignored = browser.follow(&format!("{sound}&utm_source=a&utm_source=b&%00=x")).await;
        assert!(ignored.body.contains("/consent"), "what is unknown counts for nothing");
        for twice in ["client_id=phone", "client_id=app", "redirect_uri=https%3A%2F%2Fevil.example%2F"] {
            assert!(is_a_page(&browser.get(&format!("{sound}&{twice}")).await), "{twice}");
        }
        for twice in ["scope=mail", "state=x", "code_challenge=x", "response_type=token", "prompt=none"] {
            let reply = browser.get(&format!("{}&{twice}", request(&[("prompt", "login")]))).await;
            assert_eq!(reply.param("error").as_deref(), Some("invalid_request"), "{twice}");
        }
    })
    .await;
}

#[tokio::test]
async fn attack_04_without_pkce_or_with_less_of_it() {
    on_both_engines(async |house| {
        let mut browser = signed_in(&house, "alice").await;
        let of_phone = [("client_id", "phone"), ("redirect_uri", "http://127.0.0.1/cb")];
        for changes in [
            [("code_challenge", ""), ("code_challenge_method", "")],
            [("code_challenge_method", "plain"), ("nonce", "n")],
            [("code_challenge_method", ""), ("nonce", "n")],
            [("code_challenge", &CHALLENGE[..42]), ("nonce", "n")],
            [("code_challenge", "not base64url, not base64url, not base64url"), ("nonce", "n")],
        ] {
            for who in [&of_phone[..], &[]] {
                let reply = browser.get(&request(&[who, &changes[..]].concat())).await;
                assert_eq!(reply.param("error").as_deref(), Some("invalid_request"), "{who:?} {changes:?}");
            }
        }
        // A verifier for a code that was asked for without one: somebody took the challenge out of the request.
        let secret = house.client("old", |new| new.metadata = json!({"hearth_pkce": "optional"}).to_string()).await;
        let without = [("client_id", "old"), ("code_challenge", ""), ("code_challenge_method", "")];
        let code = browser.code(&request(&without)).await;
        let reply = house.exchange_as(("old", &secret), &code, &[]).await;
        assert_eq!(reply.error(), (400, "invalid_grant".into()));
    })
    .await;
}

#[tokio::test]
async fn attack_05_a_request_that_lies_somewhere_else() {
    on_both_engines(async |house| {
        // Whatever listens there would be seen to be asked.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = format!("http://{}/request.jwt", listener.local_addr().unwrap());
        let mut browser = signed_in(&house, "alice").await;
        for uri in [place.as_str(), "https://evil.example/r", "http://169.254.169.254/", "file:///etc/passwd"] {
            let reply = browser.get(&request(&[("request_uri", uri)])).await;
            assert_eq!(reply.param("error").as_deref(), Some("request_uri_not_supported"), "{uri}");
        }
        assert!(tokio::time::timeout(Duration::from_millis(50), listener.accept()).await.is_err(), "it was fetched");
        // A request object that nobody signed, where the client registered keys and where it did not.
        let signer = crate::support::proof::Holder::new();
        let keys = json!({"jwks": {"keys": [signer.jwk()]}}).to_string();
        house.client("signer", |new| new.metadata = keys).await;
        let claims = json!({"client_id": "signer", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid mail"});
        let unsigned = signer.sign(&json!({"alg": "none"}), &claims);
        let empty = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
        for object in [&unsigned, &empty] {
            let reply = browser.get(&request(&[("client_id", "signer"), ("request", object)])).await;
            assert_eq!(reply.param("error").as_deref(), Some("invalid_request_object"));
            let reply = browser.get(&request(&[("request", object)])).await;
            assert_eq!(reply.param("error").as_deref(), Some("request_not_supported"));
        }
    })
    .await;
}

#[tokio::test]
async fn attack_06_a_pushed_request_again_and_elsewhere() {
    on_both_engines(async |house| {
        let fields = [
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let push = async || house.post("/par", &fields).await.json()["request_uri"].as_str().unwrap().to_string();
        let at = |client: &str, uri: &str| format!("/authorize?{}", encode(&[("client_id", client), ("request_uri", uri)]));
        house.client("other", |_| {}).await;
        let mut browser = signed_in(&house, "alice").await;
        let uri = push().await;
        assert!(is_a_page(&browser.get(&at("other", &uri)).await), "another client's");
        browser.code(&at("app", &uri)).await;
        assert!(is_a_page(&browser.get(&at("app", &uri)).await), "after it was completed");
        let inside = [&fields[..], &[("request_uri", uri.as_str())]].concat();
        assert_eq!(house.post("/par", &inside).await.error(), (400, "invalid_request".into()), "one in the other");
        for method in ["GET", "PUT", "DELETE"] {
            let reply = ask(&house.router, Request::builder().method(method).uri("/par").body(Body::empty()).unwrap()).await;
            assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        }
        let late = push().await;
        house.clock.advance(Duration::from_secs(600));
        assert!(is_a_page(&browser.get(&at("app", &late)).await), "expired");
        assert!(is_a_page(&browser.get(&at("app", "urn:ietf:params:oauth:request_uri:guess")).await), "a guess");
    })
    .await;
}

#[tokio::test]
async fn attack_07_an_error_as_an_open_redirector() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        for more in [("scope", "nothing"), ("response_type", "token"), ("prompt", "none"), ("code_challenge_method", "plain")] {
            let reply = browser.get(&request(&[("redirect_uri", "https://evil.example/"), more])).await;
            assert!(is_a_page(&reply), "{more:?}");
        }
        // RFC 9700 §4.11.2: anybody can register, so an error of such a client is a page before anybody agreed.
        let stranger = json!({"hearth_registration": "00"}).to_string();
        house.client("stranger", |new| new.metadata = stranger).await;
        for more in [("scope", "nothing"), ("prompt", "none login"), ("max_age", "x")] {
            assert!(is_a_page(&browser.get(&request(&[("client_id", "stranger"), more])).await), "{more:?}");
        }
        // What it excepts: who asks in silence wants an answer, at an address that was registered.
        let silent = browser.get(&request(&[("client_id", "stranger"), ("prompt", "none")])).await;
        assert_eq!(silent.param("error").as_deref(), Some("login_required"));
        browser.sign_in("alice").await;
        let page = browser.follow(&request(&[("client_id", "stranger")])).await;
        let denied = browser.consent(&page, "deny").await;
        assert_eq!(denied.param("error").as_deref(), Some("access_denied"), "a person decided");
    })
    .await;
}

#[tokio::test]
async fn attack_08_a_password_that_is_sent_on() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        let page = browser.follow(&request(&[])).await;
        let reply = browser.fill_sign_in(&page, "alice", PASSWORD).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "303, never 307");
        let consent = browser.follow(&reply.location().unwrap()).await;
        let done = browser.consent(&consent, "allow").await;
        assert_eq!(done.status, StatusCode::SEE_OTHER);
        for shown in [&page, &consent] {
            let policy = shown.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-"), "{policy}");
            assert!(policy.contains("default-src 'none'") && policy.contains("base-uri 'none'"), "{policy}");
        }
        for reply in [&page, &reply, &consent, &done] {
            assert_eq!(reply.headers["cache-control"], "no-store");
            // Not even the address of a page of ours is told to another site.
            let referrer = reply.headers["referrer-policy"].to_str().unwrap();
            assert!(["no-referrer", "same-origin"].contains(&referrer), "{referrer}");
            assert_eq!(reply.headers["x-frame-options"], "DENY");
        }
    })
    .await;
}

#[tokio::test]
async fn attack_09_a_form_that_another_site_sends() {
    on_both_engines(async |house| {
        let device = "urn:ietf:params:oauth:grant-type:device_code";
        let secret = house.client("tv", |new| new.grant_types = vec![device.into()]).await;
        let asked = house.post_as(Some(("tv", &secret)), "/device-authorization", &[("scope", "openid")]).await.json();
        let code = asked["user_code"].as_str().unwrap().to_string();
        let mut browser = house.browser();
        let sign_in = browser.get("/sign-in").await.field("form");
        let mut stranger = house.browser();
        let foreign = stranger.get("/sign-in").await.field("form");
        for token in ["", "x", &foreign] {
            let reply = browser.post("/sign-in", &[("form", token), ("username", "bob"), ("password", PASSWORD)]).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "login");
        }
        browser.sign_in("alice").await;
        for (path, fields) in [
            ("/device", vec![("user_code", code.as_str())]),
            ("/device/decide", vec![("user_code", &code), ("decision", "allow")]),
            ("/sign-out", vec![]),
            ("/account/passkeys", vec![("credential", "{}")]),
            ("/account/passkeys/end", vec![("id", "x")]),
            ("/account/authenticator", vec![("label", "x")]),
            ("/account/recovery", vec![]),
            ("/account/password", vec![("new", "x")]),
            ("/account/app-passwords/new", vec![("label", "x")]),
            ("/account/app-passwords/end", vec![("id", "x")]),
            ("/account/apps/end", vec![("id", "x")]),
            ("/account/sessions/end", vec![("id", "x")]),
            ("/account/sign-out-everywhere", vec![]),
            ("/account/mail", vec![("do", "forward")]),
        ] {
            for token in ["", sign_in.as_str(), &foreign] {
                let fields = [&[("form", token)][..], &fields].concat();
                assert_eq!(browser.post(path, &fields).await.status, StatusCode::FORBIDDEN, "{path} {token}");
            }
        }
        // A decision is about the very request that was shown, on our own page.
        let page = browser.follow(&request(&[])).await;
        let (form, shown) = (page.field("form"), page.field("request"));
        for other in [shown.replace("email", "mail"), shown.replace("state=s%26t", "state=other"), String::new()] {
            let reply = browser.post("/consent", &[("form", &form), ("request", &other), ("decision", "allow")]).await;
            assert!(reply.status == StatusCode::FORBIDDEN && reply.param("code").is_none(), "{other}");
        }
        for origin in ["https://evil.example", "null", "http://id.home.example", "https://id.home.example.evil.example"] {
            browser.origin = Some(origin.into());
            let reply = browser.post("/consent", &[("form", &form), ("request", &shown), ("decision", "allow")]).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{origin}");
        }
        assert_eq!(browser.get("/account").await.status, StatusCode::OK, "still signed in");
    })
    .await;
}

#[tokio::test]
async fn attack_10_signed_in_without_being_asked() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        let silent = |more: &[(&str, &str)]| request(&[&[("prompt", "none")][..], more].concat());
        // Nobody, somebody who did not agree, and somebody unknown to the hint: an error, and no page.
        for (who, error) in [(None, "login_required"), (Some("alice"), "consent_required")] {
            if let Some(who) = who {
                browser.sign_in(who).await;
            }
            let reply = browser.get(&silent(&[])).await;
            assert_eq!((reply.status, reply.param("error").as_deref()), (StatusCode::SEE_OTHER, Some(error)));
            assert!(reply.body.is_empty(), "{}", reply.body);
        }
        browser.code(&request(&[])).await;
        house.clock.advance(Duration::from_secs(5));
        assert_eq!(browser.get(&silent(&[("max_age", "0")])).await.param("error").as_deref(), Some("login_required"));
        for again in [("max_age", "0"), ("prompt", "login")] {
            house.clock.advance(Duration::from_secs(5));
            let page = browser.follow(&request(&[again])).await;
            assert!(page.body.contains("name=\"password\""), "{again:?}");
            let reply = browser.fill_sign_in(&page, "alice", PASSWORD).await;
            let reply = browser.follow(&reply.location().unwrap()).await;
            let tokens = house.exchange(&reply.param("code").unwrap()).await.json();
            let claims = crate::support::claims(tokens["id_token"].as_str().unwrap());
            assert_eq!(claims["auth_time"], house.clock.now().secs(), "{again:?} is a sign-in of now");
        }
        // Who signs in for a request that wants alice is not let through as her.
        let hint = house.tokens("openid").await["id_token"].as_str().unwrap().to_string();
        let mut bob = house.browser();
        let page = bob.follow(&request(&[("id_token_hint", &hint)])).await;
        let reply = bob.fill_sign_in(&page, "bob", PASSWORD).await;
        assert_eq!(bob.get(&reply.location().unwrap()).await.param("error").as_deref(), Some("login_required"));
    })
    .await;
}

#[tokio::test]
async fn attack_11_a_name_that_is_a_script() {
    on_both_engines(async |house| {
        let evil = "<script>alert(1)</script><img src=x onerror=y>\"'";
        house
            .client("evil", |new| {
                new.name = evil.into();
                new.metadata = json!({"logo_uri": "https://evil.example/l.svg", "client_uri": "javascript:alert(1)"}).to_string();
            })
            .await;
        house.directory.change_account_name(house.alice.id, evil).await.unwrap();
        let carol = house.admin().await;
        let mut alice = signed_in(&house, "alice").await;
        let mut admin = signed_in(&house, carol).await;
        let app_password = alice.get("/account/app-passwords/new").await.field("form");
        let fields = [("form", app_password.as_str()), ("label", evil)];
        let shown = alice.post("/account/app-passwords/new", &fields).await;
        let hinted = house.browser().follow(&request(&[("client_id", "evil"), ("login_hint", evil)])).await;
        let consent = alice.follow(&request(&[("client_id", "evil")])).await;
        assert!(consent.body.contains("&#60;script&#62;") && !consent.body.contains("l.svg"), "{}", consent.body);
        let person = format!("/admin/people/{}", house.alice.id);
        let pages = [
            hinted,
            consent,
            shown,
            alice.get("/account").await,
            alice.get("/account/passkeys").await,
            admin.get("/admin/people").await,
            admin.get(&person).await,
            admin.get("/admin/apps").await,
            admin.get("/admin/log").await,
        ];
        for page in pages {
            assert_eq!(page.status, StatusCode::OK);
            assert!(!page.body.contains("<script>") && !page.body.contains("<img src=x"), "{}", page.body);
            let policy = page.headers["content-security-policy"].to_str().unwrap();
            assert!(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"), "{policy}");
        }
    })
    .await;
}

#[tokio::test]
async fn attack_12_an_answer_that_another_provider_gave() {
    on_both_engines(async |house| {
        let mut browser = signed_in(&house, "alice").await;
        let page = browser.follow(&request(&[])).await;
        for (reply, name) in [
            (browser.consent(&page, "allow").await, "code"),
            (browser.get(&request(&[("scope", "nothing")])).await, "error"),
            (browser.get(&request(&[("prompt", "none"), ("max_age", "0")])).await, "error"),
        ] {
            assert!(reply.param(name).is_some());
            assert_eq!(reply.param("iss").as_deref(), Some(ISSUER), "RFC 9207, with {name}");
            assert_eq!(reply.location().unwrap().matches("iss=").count(), 1);
        }
    })
    .await;
}
