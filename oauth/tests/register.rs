// SPDX-License-Identifier: AGPL-3.0-or-later
//! Clients that register themselves, and clients that are told of a sign-out.

mod support;

use std::time::Duration;

use hearth_identity::directory::{NewSession, SessionKind};
use hearth_identity::grants::{LogoutNotice, Registration};
use hearth_identity::service::Services;
use hearth_oauth::endpoint::logout_token;
use hearth_oauth::gate::throttle::Deed;
use hearth_oauth::limits::{REGISTERED_CLIENT_KEEP, REGISTERED_CLIENTS_MAX};
use hearth_types::{ClientId, SessionId};
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use support::{CHALLENGE, House, ISSUER, Reply, VERIFIER, ask, claims, encode, on_both_engines, request};

const HOME: &str = "192.0.2.7";
const LOOPBACK: &str = "http://127.0.0.1/cb";

async fn send(house: &House, method: &str, path: &str, token: Option<&str>, body: &Value) -> Reply {
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    ask(&house.router, request.body(Body::from(body.to_string())).unwrap()).await
}

async fn register_from(house: &House, from: &str) -> Reply {
    let wants = json!({"redirect_uris": [LOOPBACK], "token_endpoint_auth_method": "none"});
    let request = Request::post("/register").header("content-type", "application/json").header("x-forwarded-for", from);
    ask(&house.router, request.body(Body::from(wants.to_string())).unwrap()).await
}

/// Alice lets a client in.
async fn use_client(house: &House, client: ClientId) -> SessionId {
    house.clock.advance(Duration::from_millis(1));
    let new = NewSession {
        account: house.alice.id,
        kind: SessionKind::Client,
        label: String::new(),
        services: Services::default(),
        parent: None,
        client: Some(client),
        secret_hash: None,
        auth_methods: String::new(),
        authenticated_at: house.clock.now(),
        peer: None,
        user_agent: None,
        expires_at: None,
    };
    house.directory.add_session(new).await.unwrap().id
}

async fn open(house: &House) {
    house.directory.change_registration(Registration::Open).await.unwrap();
}

fn path_of(told: &Value) -> String {
    told["registration_client_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap().to_string()
}

#[tokio::test]
async fn a_mail_program_introduces_itself() {
    on_both_engines(async |house| {
        open(&house).await;
        let wants = json!({"client_name": "Mail <b>", "redirect_uris": [LOOPBACK], "token_endpoint_auth_method": "none", "scope": "openid mail offline_access"});
        let reply = send(&house, "POST", "/register", None, &wants).await;
        let told = reply.json();
        assert_eq!((reply.status, told.get("client_secret")), (StatusCode::CREATED, None));
        let client = told["client_id"].as_str().unwrap();
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let asks = encode(&[("client_id", client), ("redirect_uri", "http://127.0.0.1:5000/cb"), ("response_type", "code"),
            ("scope", "openid mail"), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]);
        let page = browser.follow(&format!("/authorize?{asks}")).await;
        assert!(page.body.contains("introduced itself") && page.body.contains("Mail &#60;b&#62;"), "11: {}", page.body);
        let code = browser.consent(&page, "allow").await.param("code").unwrap();
        let fields = [("grant_type", "authorization_code"), ("code", &code), ("client_id", client), ("code_verifier", VERIFIER)];
        assert_eq!(house.post_as(None, "/token", &fields).await.status, StatusCode::OK);
        // 7: before anybody was asked anything, an error is a page and not a redirect.
        let wrong = asks.replace("openid+mail", "nothing");
        let page = browser.get(&format!("/authorize?{wrong}")).await;
        assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None));
        assert_eq!(send(&house, "POST", "/register", None, &json!([])).await.error(), (400, "invalid_client_metadata".into()));
    })
    .await;
}

#[tokio::test]
async fn a_client_changes_itself_and_nobody_elses() {
    on_both_engines(async |house| {
        open(&house).await;
        let wants = json!({"redirect_uris": ["https://app.example/cb"], "client_name": "One"});
        let one = send(&house, "POST", "/register", None, &wants).await.json();
        let two = send(&house, "POST", "/register", None, &wants).await.json();
        assert_eq!(
            (one["token_endpoint_auth_method"].as_str(), one["client_secret_expires_at"].as_i64()),
            (Some("client_secret_basic"), Some(0))
        );
        let (path, token) = (path_of(&one), one["registration_access_token"].as_str().unwrap());
        let of_two = two["registration_access_token"].as_str();
        let told = send(&house, "GET", &path, Some(token), &json!({})).await;
        assert_eq!((told.status, told.json()["client_name"].as_str()), (StatusCode::OK, Some("One")));
        assert!(told.json().get("hearth_registration").is_none());
        for (method, path, token) in [
            ("GET", path.as_str(), of_two),
            ("DELETE", &path, of_two),
            ("PUT", &path, None),
            ("GET", "/register/app", Some(token)),
            ("GET", "/register/nobody", Some(token)),
        ] {
            assert_eq!(send(&house, method, path, token, &wants).await.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
        let new = json!({"redirect_uris": ["https://app.example/new"], "client_name": "Uno", "client_id": one["client_id"]});
        let changed = send(&house, "PUT", &path, Some(token), &new).await;
        assert_eq!((changed.status, changed.json()["redirect_uris"].clone()), (StatusCode::OK, json!(["https://app.example/new"])));
        let public = json!({"redirect_uris": ["https://app.example/new"], "token_endpoint_auth_method": "none"});
        assert_eq!(send(&house, "PUT", &path, Some(token), &public).await.error(), (400, "invalid_client_metadata".into()));
        assert_eq!(send(&house, "DELETE", &path, Some(token), &json!({})).await.status, StatusCode::NO_CONTENT);
        assert_eq!(send(&house, "GET", &path, Some(token), &json!({})).await.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

#[tokio::test]
async fn strangers_are_counted_and_forgotten() {
    on_both_engines(async |house| {
        open(&house).await;
        // 31: one machine locks nobody out.
        let rule = Deed::Registration.rule();
        for _ in 0..=rule.free {
            assert_eq!(register_from(&house, HOME).await.status, StatusCode::CREATED);
        }
        let refused = register_from(&house, HOME).await;
        assert_eq!(refused.error(), (429, "temporarily_unavailable".into()));
        assert_eq!(refused.headers["retry-after"], rule.first_wait.as_secs().to_string().as_str());
        // Many machines: the oldest that nobody ever used makes room; what somebody used stays.
        let strangers = async || {
            let mut clients = house.directory.list_clients().await.unwrap();
            clients.retain(|client| client.metadata.contains("hearth_registration"));
            clients.sort_by_key(|client| (client.created_at, client.id));
            clients.into_iter().map(|client| client.id).collect::<Vec<_>>()
        };
        let first = strangers().await;
        let used = first[0];
        house.directory.end_session(use_client(&house, used).await).await.unwrap();
        house.clock.advance(Duration::from_secs(1));
        for number in first.len()..REGISTERED_CLIENTS_MAX {
            assert_eq!(register_from(&house, &format!("198.51.100.{number}")).await.status, StatusCode::CREATED);
        }
        assert_eq!(strangers().await.len(), REGISTERED_CLIENTS_MAX);
        assert_eq!(register_from(&house, "203.0.113.1").await.status, StatusCode::CREATED);
        let now = strangers().await;
        assert_eq!((now.len(), now[0], now[1]), (REGISTERED_CLIENTS_MAX, used, first[2]), "the second came next");
        // Each is somebody's: then nobody else comes in.
        let mut sessions = Vec::new();
        for client in now {
            sessions.push(use_client(&house, client).await);
        }
        assert_eq!(register_from(&house, "203.0.113.2").await.error(), (400, "invalid_client_metadata".into()));
        house.clock.advance(REGISTERED_CLIENT_KEEP);
        assert_eq!(register_from(&house, "203.0.113.2").await.error(), (400, "invalid_client_metadata".into()));
        for session in sessions {
            house.directory.end_session(session).await.unwrap();
        }
        assert_eq!(register_from(&house, HOME).await.status, StatusCode::CREATED, "a day later");
        assert_eq!(house.directory.list_clients().await.unwrap().len(), 3, "the unused are gone; the household's own stay");
    })
    .await;
}

#[tokio::test]
async fn clients_are_told_of_a_sign_out() {
    on_both_engines(async |house| {
        let secret = house
            .client("told", |new| {
                new.metadata = json!({
                    "backchannel_logout_uri": "https://told.example/backchannel",
                    "frontchannel_logout_uri": "https://told.example:8443/front?a=b",
                })
                .to_string();
            })
            .await;
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let code = browser.code(&request(&[("client_id", "told")])).await;
        let tokens = house.exchange_as(("told", &secret), &code, &[]).await.json();
        let said = claims(tokens["id_token"].as_str().unwrap());
        let seq = house.directory.newest_logout().await.unwrap();
        let hint =
            [("id_token_hint", tokens["id_token"].as_str().unwrap()), ("post_logout_redirect_uri", "https://app.example/bye")];
        let page = browser.get(&format!("/logout?{}", encode(&hint))).await;
        // By the browser: a frame that nobody sees, then on by a link.
        let sid = said["sid"].as_str().unwrap();
        assert_eq!((page.status, page.location()), (StatusCode::OK, None));
        let frame = format!("https://told.example:8443/front?a=b&#38;iss=https%3A%2F%2Fid.home.example&#38;sid={sid}");
        assert!(page.body.contains(&frame) && page.body.contains("href=\"https://app.example/bye\""), "{}", page.body);
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("frame-src https://told.example:8443; script-src 'self'"), "{policy}");
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
        // Behind its back: a token of its own kind.
        let (_, notices) = house.directory.list_logouts_since(seq).await.unwrap();
        let client = house.directory.find_client("told").await.unwrap().unwrap();
        let [notice] = notices.as_slice() else { panic!("{notices:?}") };
        assert_eq!((notice.client, notice.account), (client.id, house.alice.id));
        let token = logout_token::sign(&house.ctx, &client, notice).unwrap();
        let told = claims(&token);
        assert_eq!(
            (told["sid"].as_str(), &told["sub"], told["aud"].as_str(), told["iss"].as_str()),
            (Some(sid), &said["sub"], Some("told"), Some(ISSUER))
        );
        assert_eq!(told["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
        assert!(
            told.get("nonce").is_none()
                && told["jti"].is_string()
                && told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap() <= 120
        );
        // 24: a logout token is no ID token.
        browser.sign_in("alice").await;
        let page = browser.get(&format!("/logout?{}", encode(&[("id_token_hint", &token)]))).await;
        assert!(page.body.contains("Sign out?"));
        let LogoutNotice { session, .. } = *notice;
        assert_eq!(session.to_string(), sid);
    })
    .await;
}

#[tokio::test]
async fn a_stranger_waits_until_somebody_lets_it_in() {
    on_both_engines(async |house| {
        let wants = json!({"redirect_uris": [LOOPBACK], "token_endpoint_auth_method": "none", "scope": "openid"});
        let told = send(&house, "POST", "/register", None, &wants).await.json();
        let (client, token) = (told["client_id"].as_str().unwrap(), told["registration_access_token"].as_str().unwrap());
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let asks = encode(&[
            ("client_id", client),
            ("redirect_uri", LOOPBACK),
            ("response_type", "code"),
            ("scope", "openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let asks = format!("/authorize?{asks}");
        let page = browser.get(&asks).await;
        assert!(page.status == StatusCode::BAD_REQUEST && page.body.contains("waits to be let in"), "{}", page.body);
        let fields = [("grant_type", "authorization_code"), ("code", "x"), ("client_id", client), ("code_verifier", VERIFIER)];
        assert_eq!(house.post_as(None, "/token", &fields).await.error(), (401, "invalid_client".into()));
        assert_eq!(send(&house, "GET", &path_of(&told), Some(token), &json!({})).await.status, StatusCode::OK);

        let id = house.directory.find_client(client).await.unwrap().unwrap().id;
        house.directory.enable_client(id).await.unwrap();
        assert!(browser.follow(&asks).await.body.contains("introduced itself"));
        // What was let in is what it was then.
        let mut other = wants.clone();
        other["client_id"] = json!(client);
        assert_eq!(send(&house, "PUT", &path_of(&told), Some(token), &other).await.status, StatusCode::OK);
        assert_eq!(browser.follow(&asks).await.status, StatusCode::OK, "nothing is other");
        other["client_name"] = json!("Your bank");
        assert_eq!(send(&house, "PUT", &path_of(&told), Some(token), &other).await.status, StatusCode::OK);
        assert_eq!(browser.follow(&asks).await.status, StatusCode::BAD_REQUEST, "another name waits anew");

        house.directory.change_registration(Registration::Off).await.unwrap();
        assert_eq!(send(&house, "POST", "/register", None, &wants).await.error(), (400, "access_denied".into()));
        let metadata = house.get("/.well-known/openid-configuration").await.json();
        assert!(metadata.get("registration_endpoint").is_none(), "nothing is advertised that does not work");
    })
    .await;
}
