// SPDX-License-Identifier: AGPL-3.0-or-later
//! A login by code: RFC 6749 §4.1 with PKCE, and what must not get through.

mod support;

use std::time::Duration;

use hearth_web::axum::http::StatusCode;
use support::{CALLBACK, ISSUER, PASSWORD, VERIFIER, claims, client, on_both_engines, request};

#[tokio::test]
async fn from_the_request_to_the_claims() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        let page = browser.follow(&request(&[("login_hint", "alice@home.example")])).await;
        assert!(page.body.contains("The app &#60;b&#62;"), "the name of the app, escaped: {}", page.body);
        assert!(page.body.contains("value=\"alice@home.example\""), "{}", page.body);
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("form-action 'self' https: https:") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(page.headers["cache-control"], "no-store");

        let reply = browser.fill_sign_in(&page, "alice", PASSWORD).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER);
        let page = browser.follow(&reply.location().unwrap()).await;
        assert!(page.body.contains("See your mail address") && page.body.contains("app.example"), "{}", page.body);

        let reply = browser.consent(&page, "allow").await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER);
        assert!(reply.location().unwrap().starts_with(&format!("{CALLBACK}&code=")));
        assert_eq!((reply.param("state").as_deref(), reply.param("iss").as_deref()), (Some("s&t"), Some(ISSUER)));

        let reply = house.exchange(&reply.param("code").unwrap()).await;
        assert_eq!(
            (reply.status, &reply.headers["cache-control"]),
            (StatusCode::OK, &"no-store".parse().unwrap()),
            "{}",
            reply.body
        );
        let tokens = reply.json();
        assert_eq!((tokens["token_type"].as_str(), tokens["scope"].as_str()), (Some("Bearer"), Some("openid email profile")));
        let id_token = claims(tokens["id_token"].as_str().unwrap());
        assert_eq!(
            (id_token["iss"].as_str(), id_token["aud"].as_str(), id_token["nonce"].as_str()),
            (Some(ISSUER), Some("app"), Some("n-1"))
        );
        assert_eq!(id_token["amr"], serde_json::json!(["pwd"]));

        let person = house.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
        assert_eq!(person["sub"], id_token["sub"]);
        assert_eq!(person["sub"], house.alice.id.to_string());
        assert_eq!(
            (
                person["email"].as_str(),
                person["email_verified"].as_bool(),
                person["name"].as_str(),
                person["preferred_username"].as_str()
            ),
            (Some("alice@home.example"), Some(true), Some("Alice Example"), Some("alice"))
        );
    })
    .await;
}

#[tokio::test]
async fn the_id_token_verifies_with_the_published_keys() {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
    on_both_engines(async |house| {
        let set: JwkSet = serde_json::from_value(house.get("/jwks.json").await.json()).unwrap();
        for (name, algorithm) in [("RS256", Algorithm::RS256), ("ES256", Algorithm::ES256), ("EdDSA", Algorithm::EdDSA)] {
            let mut new = client(&format!("app-{name}"), true, CALLBACK);
            new.metadata = format!("{{\"id_token_signed_response_alg\": \"{name}\"}}");
            house.directory.add_client(new).await.unwrap();
            let mut browser = house.browser();
            browser.sign_in("alice").await;
            let identifier = format!("app-{name}");
            let code = browser.code(&request(&[("client_id", &identifier)])).await;
            let fields =
                [("grant_type", "authorization_code"), ("code", &code), ("client_id", &identifier), ("code_verifier", VERIFIER)];
            let tokens = house.post_as(None, "/token", &fields).await.json();
            let token = tokens["id_token"].as_str().unwrap();
            let header = decode_header(token).unwrap();
            assert_eq!(header.alg, algorithm);
            let key = DecodingKey::from_jwk(set.find(&header.kid.unwrap()).unwrap()).unwrap();
            let mut validation = Validation::new(algorithm);
            validation.set_audience(&[&identifier]);
            validation.set_issuer(&[ISSUER]);
            decode::<serde_json::Value>(token, &key, &validation).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_code_that_does_not_fit() {
    on_both_engines(async |house| {
        house.directory.add_client(client("other", true, CALLBACK)).await.unwrap();
        let code = house.code("openid").await;
        let base = [("grant_type", "authorization_code"), ("code", code.as_str())];
        let with = |more: &[(&'static str, &'static str)]| [&base[..], more].concat();
        let wrong = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK";
        for (fields, error) in [
            (with(&[("redirect_uri", CALLBACK), ("code_verifier", wrong)]), "invalid_grant"),
            (with(&[("redirect_uri", "https://app.example/cb"), ("code_verifier", VERIFIER)]), "invalid_grant"),
            (with(&[("redirect_uri", CALLBACK)]), "invalid_request"),
            (with(&[("redirect_uri", CALLBACK), ("code_verifier", VERIFIER), ("code", "x")]), "invalid_request"),
        ] {
            assert_eq!(house.post("/token", &fields).await.error(), (400, error.to_string()), "{fields:?}");
        }
        let fields = [&base[..], &[("client_id", "other"), ("code_verifier", VERIFIER)]].concat();
        assert_eq!(house.post_as(None, "/token", &fields).await.error(), (400, "invalid_grant".into()), "another client");
        // None of these spent it.
        assert_eq!(house.exchange(&code).await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn a_code_ends_after_a_minute() {
    on_both_engines(async |house| {
        let (in_time, late) = (house.code("openid").await, house.code("openid").await);
        house.clock.advance(Duration::from_millis(59_999));
        assert_eq!(house.exchange(&in_time).await.status, StatusCode::OK);
        house.clock.advance(Duration::from_millis(1));
        assert_eq!(house.exchange(&late).await.error(), (400, "invalid_grant".into()));
    })
    .await;
}

#[tokio::test]
async fn a_code_is_good_once_and_its_theft_ends_the_grant() {
    on_both_engines(async |house| {
        let code = house.code("openid offline_access").await;
        let tokens = house.exchange(&code).await.json();
        let access = tokens["access_token"].as_str().unwrap();
        // A retry right away is refused, and costs the client nothing.
        assert_eq!(house.exchange(&code).await.error(), (400, "invalid_grant".into()));
        assert_eq!(house.userinfo(access).await.status, StatusCode::OK);
        house.clock.advance(Duration::from_secs(21));
        assert_eq!(house.exchange(&code).await.error(), (400, "invalid_grant".into()));
        assert_eq!(house.userinfo(access).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(house.refresh(tokens["refresh_token"].as_str().unwrap()).await.error(), (400, "invalid_grant".into()));
    })
    .await;
}

#[tokio::test]
async fn of_many_at_once_one_wins() {
    on_both_engines(async |house| {
        let code = house.code("openid").await;
        let tries = (0..20).map(|_| house.exchange(&code));
        let mut won = 0;
        for reply in futures_util::future::join_all(tries).await {
            won += usize::from(reply.status == StatusCode::OK);
        }
        assert_eq!(won, 1);
    })
    .await;
}

#[tokio::test]
async fn the_browser_is_never_sent_to_an_unknown_address() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        for changes in [
            [("redirect_uri", "https://evil.example/cb")],
            [("redirect_uri", "https://app.example/cb")],
            [("redirect_uri", "https://app.example/cb?from=hearth&x=y")],
            [("redirect_uri", "//evil.example")],
            [("redirect_uri", "javascript:alert(1)")],
            [("redirect_uri", "")],
            [("client_id", "nobody")],
            [("client_id", "")],
        ] {
            // Not even with an error that another check would find.
            for more in [("response_type", "code"), ("response_type", "token"), ("prompt", "none")] {
                let reply = browser.get(&request(&[&changes[..], &[more]].concat())).await;
                assert_eq!((reply.status, reply.location()), (StatusCode::BAD_REQUEST, None), "{changes:?}");
            }
        }
        let twice = format!("{}&redirect_uri=https://evil.example/", request(&[]));
        assert_eq!(browser.get(&twice).await.status, StatusCode::BAD_REQUEST);
        let huge = request(&[("login_hint", &"x".repeat(9000))]);
        assert_eq!(browser.get(&huge).await.status, StatusCode::BAD_REQUEST);
    })
    .await;
}

#[tokio::test]
async fn errors_go_back_to_the_client() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        for (changes, error) in [
            (vec![("code_challenge", "")], "invalid_request"),
            (vec![("code_challenge_method", "plain")], "invalid_request"),
            (vec![("response_type", "token")], "unsupported_response_type"),
            (vec![("scope", "nothing")], "invalid_scope"),
            (vec![("request_uri", "http://127.0.0.1/x")], "request_uri_not_supported"),
            (vec![("prompt", "none")], "login_required"),
        ] {
            let reply = browser.get(&request(&changes)).await;
            assert_eq!(reply.status, StatusCode::SEE_OTHER, "{changes:?}");
            assert!(reply.location().unwrap().starts_with("https://app.example/cb?"));
            assert_eq!(
                (reply.param("error").as_deref(), reply.param("state").as_deref()),
                (Some(error), Some("s&t")),
                "{changes:?}"
            );
            assert_eq!(reply.param("iss").as_deref(), Some(ISSUER));
            assert_eq!(reply.param("code"), None);
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_can_be_posted() {
    on_both_engines(async |house| {
        let (path, query) = request(&[]).split_once('?').map(|(path, query)| (path.to_string(), query.to_string())).unwrap();
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut browser = house.browser();
        browser.origin = Some("https://app.example".into());
        let reply = browser.post(&path, &fields).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER);
        let page = browser.follow(&reply.location().unwrap()).await;
        assert!(page.body.contains("to continue to"), "{}", page.body);
    })
    .await;
}

#[tokio::test]
async fn a_public_client_on_any_port() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let uri = "http://127.0.0.1:54321/cb";
        let code = browser.code(&request(&[("client_id", "phone"), ("redirect_uri", uri), ("scope", "mail offline_access")])).await;
        let fields =
            [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", uri), ("code_verifier", VERIFIER)];
        assert_eq!(house.post("/token", &fields).await.error(), (400, "invalid_grant".into()), "app is not phone");
        let tokens = house.post_as(None, "/token", &[&fields[..], &[("client_id", "phone")]].concat()).await.json();
        assert!(
            tokens["access_token"].is_string() && tokens["refresh_token"].is_string() && tokens["id_token"].is_null(),
            "{tokens}"
        );
        // RFC 8252 §8.6: asked again the next time.
        let page =
            browser.follow(&request(&[("client_id", "phone"), ("redirect_uri", uri), ("scope", "mail offline_access")])).await;
        assert!(page.body.contains("an app on this device") && page.body.contains("all your mail"), "{}", page.body);
    })
    .await;
}

#[tokio::test]
async fn who_is_a_client() {
    on_both_engines(async |house| {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", "x")];
        let with = |more: &[(&'static str, &str)]| -> Vec<(String, String)> {
            fields.iter().chain(more).map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        for (basic, more, error) in [
            (Some(("app", "wrong")), vec![], (401, "invalid_client")),
            (Some(("nobody", "x")), vec![], (401, "invalid_client")),
            (Some(("app", "")), vec![], (401, "invalid_client")),
            (None, vec![], (401, "invalid_client")),
            (None, vec![("client_id", "app")], (401, "invalid_client")),
            (None, vec![("client_id", "phone"), ("client_secret", "x")], (401, "invalid_client")),
            (Some(("phone", "x")), vec![], (401, "invalid_client")),
            (Some(("app", house.secret.as_str())), vec![("client_secret", house.secret.as_str())], (400, "invalid_request")),
            (Some(("app", house.secret.as_str())), vec![], (400, "invalid_grant")),
            (None, vec![("client_id", "app"), ("client_secret", house.secret.as_str())], (400, "invalid_grant")),
            (None, vec![("client_id", "phone")], (400, "invalid_grant")),
        ] {
            let fields = with(&more);
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let reply = house.post_as(basic, "/token", &fields).await;
            assert_eq!(reply.error(), (error.0, error.1.to_string()), "{basic:?} {more:?}");
            assert_eq!(reply.headers.contains_key("www-authenticate"), error.0 == 401);
        }
        let secret_in_query = format!("/token?client_id=app&client_secret={}", house.secret);
        assert_eq!(house.post_as(None, &secret_in_query, &fields).await.error(), (401, "invalid_client".into()));
        let reply = house.post("/token", &[("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)]).await;
        assert_eq!(reply.error(), (400, "unsupported_grant_type".into()));
    })
    .await;
}
