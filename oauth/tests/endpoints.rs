// SPDX-License-Identifier: AGPL-3.0-or-later
//! The endpoints for programs: metadata, userinfo, revocation, introspection, webfinger, logout.

mod support;

use hearth_oauth::endpoint::metadata;
use hearth_oauth::limits::AUTHORIZATION_REQUEST_BYTES_MAX;
use hearth_oauth::registry;
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Request, StatusCode, header};
use serde_json::json;
use support::{CALLBACK, ISSUER, ask, client, encode, on_both_engines, request};

#[tokio::test]
async fn the_metadata_is_the_registry_and_every_endpoint_is_there() {
    on_both_engines(async |house| {
        for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
            // The issuer is never taken from what a request says.
            let hostile = Request::get(path).header(header::HOST, "evil.example").header("x-forwarded-host", "evil.example");
            let reply = ask(&house.router, hostile.body(Body::empty()).unwrap()).await;
            assert_eq!(reply.json(), metadata::document(ISSUER));
            assert_eq!(reply.headers["access-control-allow-origin"], "*");
        }
        let host = ISSUER.strip_prefix("https://").unwrap();
        for path in registry::endpoints().map(|(_, path)| path).chain(registry::paths()) {
            let path = path.replace(['{', '}'], "");
            let request = Request::get(&path).header("x-forwarded-host", host).body(Body::empty()).unwrap();
            let reply = ask(&house.router, request).await;
            assert!(!reply.body.contains("There is nothing here"), "{path}: {}", reply.status);
        }
        // What programs know without being told has its row.
        for path in [
            "/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server",
            "/.well-known/change-password",
            "/.well-known/passkey-endpoints",
            "/forward/check",
        ] {
            assert!(registry::ROWS.iter().any(|row| row.name == path), "{path}");
        }
        let set = house.get("/jwks.json").await.json();
        let algorithms: Vec<_> =
            set["keys"].as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap().to_string()).collect();
        for algorithm in registry::values("id_token_signing_alg_values_supported") {
            assert!(algorithms.iter().any(|known| known == algorithm), "{algorithm}");
        }
    })
    .await;
}

#[tokio::test]
async fn userinfo_says_why_not() {
    on_both_engines(async |house| {
        let reply = house.get("/userinfo").await;
        let challenge = "Bearer resource_metadata=\"https://id.home.example/.well-known/oauth-protected-resource\"";
        assert_eq!((reply.status, &reply.headers["www-authenticate"]), (StatusCode::UNAUTHORIZED, &challenge.parse().unwrap()));
        let reply = house.userinfo("nonsense").await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert!(reply.headers["www-authenticate"].to_str().unwrap().contains("error=\"invalid_token\""));
        let tokens = house.tokens("mail").await;
        let reply = house.userinfo(tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        assert!(reply.headers["www-authenticate"].to_str().unwrap().contains("insufficient_scope"));
        let tokens = house.tokens("openid").await;
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(house.get(&format!("/userinfo?access_token={access}")).await.status, StatusCode::UNAUTHORIZED, "not in a query");
        assert_eq!(house.post_as(None, "/userinfo", &[("access_token", access)]).await.status, StatusCode::OK);
        assert_eq!(house.userinfo(tokens["id_token"].as_str().unwrap()).await.status, StatusCode::UNAUTHORIZED, "an ID token");
        assert_eq!(house.userinfo(tokens["refresh_token"].as_str().unwrap()).await.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

#[tokio::test]
async fn revoked_tokens_open_nothing() {
    on_both_engines(async |house| {
        house.directory.add_client(client("other", true, CALLBACK)).await.unwrap();
        let tokens = house.tokens("openid offline_access").await;
        let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
        for token in [access, refresh] {
            let reply = house.post_as(None, "/revoke", &[("token", token), ("client_id", "other")]).await;
            assert_eq!(reply.error(), (400, "unauthorized_client".into()));
        }
        assert_eq!(house.post_as(Some(("app", "wrong")), "/revoke", &[("token", access)]).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(house.userinfo(access).await.status, StatusCode::OK);
        assert_eq!(house.post("/revoke", &[("token", access)]).await.status, StatusCode::OK);
        assert_eq!(house.userinfo(access).await.status, StatusCode::UNAUTHORIZED);
        let next = house.refresh(refresh).await.json();
        let (access, refresh) = (next["access_token"].as_str().unwrap(), next["refresh_token"].as_str().unwrap());
        let fields = [("token", refresh), ("token_type_hint", "access_token")];
        assert_eq!(house.post("/revoke", &fields).await.status, StatusCode::OK);
        assert_eq!(house.userinfo(access).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(house.refresh(refresh).await.error(), (400, "invalid_grant".into()));
        assert_eq!(house.post("/revoke", &[("token", "nonsense")]).await.status, StatusCode::OK);
        assert_eq!(house.post("/revoke", &[]).await.error(), (400, "invalid_request".into()));
    })
    .await;
}

#[tokio::test]
async fn introspection_tells_whom_it_concerns() {
    on_both_engines(async |house| {
        let tokens = house.tokens("openid mail").await;
        let access = tokens["access_token"].as_str().unwrap();
        let mine = house.post("/introspect", &[("token", access)]).await.json();
        assert_eq!(
            (mine["active"].as_bool(), mine["client_id"].as_str(), mine["scope"].as_str()),
            (Some(true), Some("app"), Some("openid mail"))
        );
        assert!(mine["username"].is_null());
        let (_, other) = house.directory.add_client(client("other", false, CALLBACK)).await.unwrap();
        let mut house_client = client("dovecot", false, CALLBACK);
        house_client.trusted = true;
        let (_, trusted) = house.directory.add_client(house_client).await.unwrap();
        let (other, trusted) = (other.unwrap(), trusted.unwrap());
        let of_other = house.post_as(Some(("other", other.expose())), "/introspect", &[("token", access)]).await;
        assert_eq!(of_other.json(), json!({"active": false}));
        let of_house = house.post_as(Some(("dovecot", trusted.expose())), "/introspect", &[("token", access)]).await.json();
        assert_eq!((of_house["active"].as_bool(), of_house["username"].as_str()), (Some(true), Some("alice@home.example")));
        assert_eq!(house.post("/introspect", &[("token", "nonsense")]).await.json(), json!({"active": false}));
        let public = house.post_as(None, "/introspect", &[("token", access), ("client_id", "phone")]).await;
        assert_eq!(public.error(), (401, "invalid_client".into()));
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let of_refresh = house.post("/introspect", &[("token", refresh), ("token_type_hint", "access_token")]).await.json();
        assert_eq!((of_refresh["active"].as_bool(), of_refresh["scope"].as_str()), (Some(true), Some("openid mail")));
        assert!(of_refresh.get("token_type").is_none());
        let of_other = house.post_as(Some(("other", other.expose())), "/introspect", &[("token", refresh)]).await;
        assert_eq!(of_other.json(), json!({"active": false}));
        assert_eq!(house.refresh(refresh).await.status, StatusCode::OK);
        assert_eq!(house.post("/introspect", &[("token", refresh)]).await.json(), json!({"active": false}), "spent");
        house.post("/revoke", &[("token", access)]).await;
        assert_eq!(house.post("/introspect", &[("token", access)]).await.json(), json!({"active": false}));
    })
    .await;
}

#[tokio::test]
async fn webfinger_names_the_issuer_and_nobody() {
    on_both_engines(async |house| {
        let at = async |query: &[(&str, &str)]| house.get(&format!("/.well-known/webfinger?{}", encode(query))).await;
        let relation = "http://openid.net/specs/connect/1.0/issuer";
        for resource in ["acct:alice@home.example", "acct:nobody@home.example", ISSUER] {
            let reply = at(&[("resource", resource), ("rel", relation)]).await;
            assert_eq!(reply.headers["content-type"], "application/jrd+json");
            assert_eq!(reply.json(), json!({"subject": resource, "links": [{"rel": relation, "href": ISSUER}]}));
        }
        assert_eq!(at(&[("resource", "acct:alice@home.example"), ("rel", "other")]).await.json()["links"], json!([]));
        assert_eq!(at(&[("resource", "acct:alice@elsewhere.example")]).await.status, StatusCode::NOT_FOUND);
        assert_eq!(at(&[]).await.status, StatusCode::BAD_REQUEST);
    })
    .await;
}

/// RP-Initiated Logout §2: POST too. The browser sends a cookie that is SameSite=Lax with the GET that follows, and with
/// no form of another site.
#[tokio::test]
async fn logout_by_a_form_of_another_site() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let tokens = house.exchange(&browser.code(&request(&[])).await).await.json();
        let bye = "https://app.example/bye";
        let fields = [("id_token_hint", tokens["id_token"].as_str().unwrap()), ("post_logout_redirect_uri", bye), ("state", "s&t")];
        let mut without = house.browser();
        without.origin = Some("https://app.example".into());
        let posted = without.post("/logout", &fields).await;
        assert_eq!(posted.status, StatusCode::SEE_OTHER, "{}", posted.body);
        let next = posted.location().unwrap();
        assert!(next.starts_with("/logout?"), "{next}");
        let reply = browser.get(&next).await;
        assert_eq!(reply.location().as_deref(), Some("https://app.example/bye?state=s%26t"));
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER, "signed out");
        // What does not fit into an address goes on as a question.
        let long = "x".repeat(AUTHORIZATION_REQUEST_BYTES_MAX);
        assert_eq!(without.post("/logout", &[("id_token_hint", &long)]).await.location().as_deref(), Some("/logout?"));
        let fits = &long["id_token_hint=".len()..];
        let whole = without.post("/logout", &[("id_token_hint", fits)]).await.location().unwrap();
        assert_eq!(whole.len(), "/logout?".len() + AUTHORIZATION_REQUEST_BYTES_MAX);
    })
    .await;
}

#[tokio::test]
async fn logout_goes_only_where_it_may() {
    on_both_engines(async |house| {
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let tokens = house.exchange(&browser.code(&request(&[])).await).await.json();
        let hint = tokens["id_token"].as_str().unwrap();
        let bye = "https://app.example/bye";
        let logout = |fields: &[(&str, &str)]| format!("/logout?{}", encode(fields));
        // Without proof a person is asked, and nothing happens by itself.
        for fields in [
            vec![],
            vec![("post_logout_redirect_uri", bye)],
            vec![("post_logout_redirect_uri", bye), ("id_token_hint", "nonsense")],
            vec![("post_logout_redirect_uri", bye), ("id_token_hint", &hint[..hint.len() - 4])],
        ] {
            let page = browser.get(&logout(&fields)).await;
            assert_eq!((page.status, page.location()), (StatusCode::OK, None), "{fields:?}");
            assert!(page.body.contains("Sign out?"));
        }
        assert_eq!(browser.get("/account").await.status, StatusCode::OK);
        // Another person's token is no proof.
        let mut bob = house.browser();
        bob.sign_in("bob").await;
        let reply = bob.get(&logout(&[("id_token_hint", hint), ("post_logout_redirect_uri", bye)])).await;
        assert_eq!((reply.status, reply.location()), (StatusCode::OK, None));
        assert_eq!(bob.get("/account").await.status, StatusCode::OK);
        // With proof it is done, and the browser goes where the client registered, or nowhere.
        let reply = browser.get(&logout(&[("id_token_hint", hint), ("post_logout_redirect_uri", bye), ("state", "x y")])).await;
        assert_eq!(reply.location().as_deref(), Some("https://app.example/bye?state=x+y"));
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
        for uri in ["https://evil.example/", "https://app.example/bye?x=y", CALLBACK] {
            let reply = browser.get(&logout(&[("id_token_hint", hint), ("post_logout_redirect_uri", uri)])).await;
            assert_eq!((reply.status, reply.location()), (StatusCode::OK, None), "{uri}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_in_a_browser_may_ask_without_cookies() {
    on_both_engines(async |house| {
        for path in ["/token", "/userinfo", "/revoke"] {
            let preflight = Request::options(path).header(header::ORIGIN, "https://app.example");
            let reply = ask(&house.router, preflight.body(Body::empty()).unwrap()).await;
            assert_eq!(
                (reply.status, &reply.headers["access-control-allow-origin"]),
                (StatusCode::NO_CONTENT, &"*".parse().unwrap())
            );
            assert!(!reply.headers.contains_key("access-control-allow-credentials"));
        }
        let preflight = Request::options("/authorize").header(header::ORIGIN, "https://app.example");
        let reply = ask(&house.router, preflight.body(Body::empty()).unwrap()).await;
        assert!(!reply.headers.contains_key("access-control-allow-origin"));
    })
    .await;
}
