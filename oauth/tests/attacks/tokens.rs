// SPDX-License-Identifier: AGPL-3.0-or-later
//! 23 to 31: tokens, keys, what they open, and what programs may register.

use std::time::Duration;

use hearth_identity::directory::{Kind, NewAccount};
use hearth_identity::grants::Registration;
use hearth_identity::login::{Refusal, Revocations, Service};
use hearth_oauth::endpoint::logout_token;
use hearth_oauth::gate::Doorkeeper;
use hearth_types::Secret;
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Request, StatusCode, header};
use hearth_wire::scim::FILTER_DEPTH_MAX;
use serde_json::{Value, json};

use crate::support::proof::Holder;
use crate::support::{CALLBACK, CHALLENGE, House, ISSUER, Reply, ask, claims, encode, on_both_engines, request};
use crate::token_endpoint::visitor;

const PEER: &str = "192.0.2.9";

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}"))
}

fn doorkeeper(house: &House) -> Doorkeeper {
    Doorkeeper::with_issuer(house.vault.clone(), house.directory.clone(), house.clock.clone(), ISSUER.into())
}

async fn opens_mail(house: &House, token: &str) -> Result<(), Refusal> {
    let token = Secret::new(token.to_string());
    doorkeeper(house).bearer(&token, Service::Imap, PEER.parse().unwrap()).await.unwrap().map(drop)
}

/// SCIM: what is deep is refused before anybody descends into it.
async fn deep_questions_of_a_program(house: &House) {
    let address = "sync@home.example".parse().unwrap();
    let service = NewAccount { address, kind: Kind::Service, name: String::new(), admin: true };
    let service = house.directory.add_account(service).await.unwrap();
    let secret = house.client("sync", |new| {
        new.grant_types = vec!["client_credentials".into()];
        new.scopes = vec!["scim".into()];
        new.metadata = json!({ "hearth_service_account": service.id.to_string() }).to_string();
    });
    let fields = [("grant_type", "client_credentials"), ("scope", "scim")];
    let tokens = house.post_as(Some(("sync", &secret.await)), "/token", &fields).await.json();
    let bearer = format!("Bearer {}", text(&tokens, "access_token"));
    let send = async |method: &str, path: &str, body: String| {
        let request = Request::builder().method(method).uri(format!("/scim/v2{path}"));
        let request = request.header(header::AUTHORIZATION, &bearer).header(header::CONTENT_TYPE, "application/scim+json");
        ask(&house.router, request.body(Body::from(body)).unwrap()).await
    };
    let search = async |filter: String| send("POST", "/Users/.search", json!({ "filter": filter }).to_string()).await;
    let deep = |depth: usize| format!("{}userName pr{}", "(".repeat(depth), ")".repeat(depth));
    let denied = |depth: usize| format!("{}userName pr{}", "not (".repeat(depth), ")".repeat(depth));
    assert_eq!(search(deep(FILTER_DEPTH_MAX)).await.status, StatusCode::OK);
    for filter in [deep(FILTER_DEPTH_MAX + 1), deep(30_000), denied(FILTER_DEPTH_MAX + 1), denied(10_000), "(".repeat(60_000)] {
        let reply = search(filter).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}", reply.body);
        assert_eq!(reply.json()["scimType"], "invalidFilter");
    }
    let alice = format!("/Users/{}", house.alice.id);
    let path = format!("emails[{}]", deep(FILTER_DEPTH_MAX + 1));
    let patch =
        json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{ "op": "remove", "path": path }] });
    assert_eq!(send("PATCH", &alice, patch.to_string()).await.status, StatusCode::BAD_REQUEST);
    let nested = format!("{}{}", "{\"name\":".repeat(7_000), "1");
    for body in ["[".repeat(60_000), format!("{nested}{}", "}".repeat(7_000)), nested] {
        assert_eq!(send("POST", "/Users", body).await.status, StatusCode::BAD_REQUEST);
    }
    house.directory.remove_client("sync").await.unwrap();
}

async fn register(house: &House, body: &Value) -> Reply {
    let request = Request::post("/register").header(header::CONTENT_TYPE, "application/json");
    ask(&house.router, request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn attack_23_a_private_key_in_the_key_set() {
    on_both_engines(async |house| {
        house.clock.advance(Duration::from_secs(90 * 24 * 3600));
        house.ctx.turn_keys().await.unwrap();
        let set = house.get("/jwks.json").await.json();
        let keys = set["keys"].as_array().unwrap();
        assert!(keys.len() > 3, "the next ones too");
        for key in keys {
            assert!(matches!(text(key, "kty"), "RSA" | "EC" | "OKP"), "{key}");
            let allowed = ["kty", "use", "alg", "kid", "n", "e", "crv", "x", "y"];
            for member in key.as_object().unwrap().keys() {
                assert!(allowed.contains(&member.as_str()), "{member}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn attack_24_a_token_of_another_kind() {
    on_both_engines(async |house| {
        let tokens = house.tokens("openid mail").await;
        let (access, id_token) = (text(&tokens, "access_token"), text(&tokens, "id_token"));
        assert_eq!(house.userinfo(id_token).await.status, StatusCode::UNAUTHORIZED, "an ID token opens nothing");
        assert!(opens_mail(&house, id_token).await.is_err() && opens_mail(&house, access).await.is_ok());
        assert_eq!(house.post("/introspect", &[("token", id_token)]).await.json(), json!({"active": false}));
        // A logout token, and a signed access token, are no proof of who is signed in.
        let signed = json!({"hearth_access_token": "jwt", "backchannel_logout_uri": "https://jwt.example/out"}).to_string();
        let secret = house.client("jwt", |new| new.metadata = signed).await;
        let mut browser = visitor(&house, "alice").await;
        let code = browser.code(&request(&[("client_id", "jwt"), ("scope", "openid")])).await;
        let jwt = house.exchange_as(("jwt", &secret), &code, &[]).await.json();
        let seq = house.directory.newest_logout().await.unwrap();
        let form = browser.get("/account").await.field("form");
        browser.post("/sign-out", &[("form", &form)]).await;
        let (_, notices) = house.directory.list_logouts_since(seq).await.unwrap();
        let owner = house.directory.find_client("jwt").await.unwrap().unwrap();
        let notice = notices.iter().find(|notice| notice.client == owner.id).expect("it is told");
        let logout = logout_token::sign(&house.ctx, &owner, notice).unwrap();
        browser.sign_in("alice").await;
        for hint in [text(&jwt, "access_token"), &logout, access] {
            let page = browser.get(&format!("/logout?{}", encode(&[("id_token_hint", hint)]))).await;
            assert!(page.body.contains("Sign out?"), "nothing is done by it");
            let reply = browser.get(&request(&[("id_token_hint", hint)])).await;
            assert_eq!(reply.param("error").as_deref(), Some("invalid_request"));
        }
        // What a client signs for one thing does not count as another.
        let signer = Holder::new();
        house.client("signer", |new| new.metadata = json!({"jwks": {"keys": [signer.jwk()]}}).to_string()).await;
        let asks = json!({"client_id": "signer", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256"});
        for kind in ["dpop+jwt", "entity-statement+jwt", "logout+jwt", "at+jwt", "client-authentication+jwt"] {
            let object = signer.sign(&json!({"alg": "ES256", "typ": kind}), &asks);
            let reply = browser.get(&request(&[("client_id", "signer"), ("request", &object)])).await;
            assert_eq!(reply.param("error").as_deref(), Some("invalid_request_object"), "{kind}");
        }
    })
    .await;
}

#[tokio::test]
async fn attack_25_a_token_where_it_was_not_given() {
    on_both_engines(async |house| {
        let secret = house.client("other", |_| {}).await;
        let tokens = house.tokens("openid").await;
        let access = text(&tokens, "access_token");
        for token in [access, text(&tokens, "refresh_token")] {
            let reply = house.post_as(Some(("other", &secret)), "/introspect", &[("token", token)]).await;
            assert_eq!(reply.json(), json!({"active": false}), "and not a word more");
        }
        let mail = house.tokens("mail").await;
        assert_eq!(house.userinfo(text(&mail, "access_token")).await.status, StatusCode::FORBIDDEN, "without openid");
        for place in [format!("/userinfo?access_token={access}"), format!("/userinfo?token={access}")] {
            assert_eq!(house.get(&place).await.status, StatusCode::UNAUTHORIZED, "in an address");
        }
        assert_eq!(house.post_as(None, &format!("/introspect?token={access}"), &[]).await.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

#[tokio::test]
async fn attack_26_a_token_for_something_else() {
    on_both_engines(async |house| {
        let api = "https://api.example/v1";
        let secret = house.client("api", |new| new.metadata = json!({"hearth_resources": [api]}).to_string()).await;
        let mut browser = visitor(&house, "alice").await;
        for (resource, mail, userinfo) in [(api, false, false), ("https://mail.home.example", true, false), (ISSUER, false, true)] {
            let asked = [("client_id", "api"), ("scope", "openid mail"), ("resource", resource)];
            let code = browser.code(&request(&asked)).await;
            let tokens = house.exchange_as(("api", &secret), &code, &[]).await.json();
            let access = text(&tokens, "access_token");
            assert_eq!(opens_mail(&house, access).await.is_ok(), mail, "{resource} at mail");
            assert_eq!(house.userinfo(access).await.status == StatusCode::OK, userinfo, "{resource} at userinfo");
        }
        let elsewhere = browser.get(&request(&[("client_id", "api"), ("resource", "https://mail.other.example")])).await;
        assert_eq!(elsewhere.param("error").as_deref(), Some("invalid_target"), "another home");
        // The pages, those of the admin among them, take no token at all.
        let carol = house.admin().await;
        let mut admin = visitor(&house, carol).await;
        let code = admin.code(&request(&[("scope", "openid mail")])).await;
        let tokens = house.exchange(&code).await.json();
        for path in ["/admin", "/admin/people", "/account"] {
            let asked = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {}", text(&tokens, "access_token")));
            let reply = ask(&house.router, asked.body(Body::empty()).unwrap()).await;
            assert_eq!(reply.status, StatusCode::SEE_OTHER, "{path}: to the sign-in");
        }
    })
    .await;
}

#[tokio::test]
async fn attack_27_a_key_that_is_gone() {
    on_both_engines(async |house| {
        let old = house.tokens("openid").await;
        let old = text(&old, "id_token").to_string();
        let day = Duration::from_secs(24 * 3600);
        let counts = async |house: &House| {
            let bye = [("id_token_hint", old.as_str()), ("post_logout_redirect_uri", "https://app.example/bye")];
            visitor(house, "alice").await.get(&format!("/logout?{}", encode(&bye))).await.location().is_some()
        };
        // Keys turn while requests come in; every ID token verifies with what is published at that moment.
        for step in [90, 2, 6] {
            house.clock.advance(day * step);
            let (turned, tokens) = tokio::join!(house.ctx.turn_keys(), house.tokens("openid"));
            turned.unwrap();
            let kid = header_of(text(&tokens, "id_token"))["kid"].clone();
            let set = house.get("/jwks.json").await.json();
            assert!(set["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid), "{kid}");
            assert!(counts(&house).await, "through the overlap");
        }
        house.clock.advance(day * 2);
        house.ctx.turn_keys().await.unwrap();
        assert!(!counts(&house).await, "its key is gone, and it with it");
    })
    .await;
}

fn header_of(token: &str) -> Value {
    use base64::Engine;
    let head = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice(&head).unwrap()
}

#[tokio::test]
async fn attack_28_what_was_taken_back_and_goes_on() {
    on_both_engines(async |house| {
        let tokens = house.tokens("openid mail offline_access").await;
        let access = Secret::new(text(&tokens, "access_token").to_string());
        let login = doorkeeper(&house).bearer(&access, Service::Imap, PEER.parse().unwrap()).await.unwrap().unwrap();
        // The connection of a mail program keeps an eye on its session.
        let lookout = Revocations::start(house.directory.clone());
        let mut eye = lookout.watch(&login);
        assert!(!eye.has_ended());
        assert_eq!(house.post("/revoke", &[("token", text(&tokens, "refresh_token"))]).await.status, StatusCode::OK);
        tokio::time::timeout(Duration::from_secs(5), eye.ended()).await.expect("the connection is cut");
        assert_eq!(house.userinfo(access.expose()).await.status, StatusCode::UNAUTHORIZED, "opaque: at once");
        assert!(opens_mail(&house, access.expose()).await.is_err());
        // One that is only verified somewhere lives five minutes at most.
        let secret = house.client("jwt", |new| new.metadata = json!({"hearth_access_token": "jwt"}).to_string()).await;
        let code = visitor(&house, "alice").await.code(&request(&[("client_id", "jwt")])).await;
        let signed = house.exchange_as(("jwt", &secret), &code, &[]).await.json();
        let said = claims(text(&signed, "access_token"));
        assert!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap() <= 300);
    })
    .await;
}

#[tokio::test]
async fn attack_29_a_logout_that_leads_away() {
    on_both_engines(async |house| {
        let tokens = house.tokens("openid").await;
        let hint = text(&tokens, "id_token").to_string();
        let broken = format!("{}AAAA", &hint[..hint.len() - 4]);
        let bye = "https://app.example/bye";
        let logout =
            |hint: &str, uri: &str| format!("/logout?{}", encode(&[("id_token_hint", hint), ("post_logout_redirect_uri", uri)]));
        for uri in
            ["https://evil.example/", "https://app.example/bye?x=1", "https://app.example/bye/", "//app.example/bye", CALLBACK]
        {
            let reply = visitor(&house, "alice").await.get(&logout(&hint, uri)).await;
            assert_eq!(reply.location(), None, "{uri}");
        }
        for hint in ["", "x.y.z", &broken] {
            let mut browser = visitor(&house, "alice").await;
            let reply = browser.get(&logout(hint, bye)).await;
            assert_eq!((reply.location(), browser.get("/account").await.status), (None, StatusCode::OK), "{hint}");
        }
        let reply = visitor(&house, "bob").await.get(&logout(&hint, bye)).await;
        assert_eq!(reply.location(), None, "another's");
        // Who may be called at the back: what the household wrote down. A stranger cannot name an address.
        house.directory.change_registration(Registration::Open).await.unwrap();
        let wants = json!({"redirect_uris": ["https://app.example/cb"], "backchannel_logout_uri": "http://169.254.169.254/"});
        let told = register(&house, &wants).await.json();
        assert!(told.get("backchannel_logout_uri").is_none(), "{told}");
        // And who does not answer holds up nobody: the sign-out is done before anybody is called.
        house.client("slow", |new| new.metadata = json!({"backchannel_logout_uri": "https://127.0.0.1:1/"}).to_string()).await;
        let mut browser = visitor(&house, "alice").await;
        browser.code(&request(&[("client_id", "slow")])).await;
        let form = browser.get("/account").await.field("form");
        assert_eq!(browser.post("/sign-out", &[("form", &form)]).await.status, StatusCode::OK);
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test]
async fn attack_30_another_site_that_reads_our_answers() {
    on_both_engines(async |house| {
        for origin in ["https://evil.example", "null"] {
            let of = async |method: &str, path: &str| {
                let request = Request::builder().method(method).uri(path).header(header::ORIGIN, origin);
                ask(&house.router, request.body(Body::empty()).unwrap()).await.headers
            };
            for (method, path) in [
                ("OPTIONS", "/token"),
                ("OPTIONS", "/userinfo"),
                ("GET", "/jwks.json"),
                ("GET", "/.well-known/openid-configuration"),
            ] {
                let fields = of(method, path).await;
                assert_eq!(fields["access-control-allow-origin"], "*", "{path}: never the origin that asked");
                assert!(!fields.contains_key("access-control-allow-credentials"), "{path}");
            }
            for path in ["/authorize", "/sign-in", "/account", "/introspect", "/logout", "/admin"] {
                for method in ["GET", "OPTIONS"] {
                    assert!(!of(method, path).await.contains_key("access-control-allow-origin"), "{method} {path}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn attack_31_metadata_that_is_a_weapon() {
    on_both_engines(async |house| {
        house.directory.change_registration(Registration::Open).await.unwrap();
        let uri = "https://app.example/cb";
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        let long = format!("https://app.example/{}", "a".repeat(3_000));
        for body in [
            json!({"redirect_uris": vec![uri; 10_000]}),
            json!({"redirect_uris": [null, uri]}),
            json!({"redirect_uris": {"0": uri, "4294967295": uri}}),
            json!({"redirect_uris": [[uri]]}),
            json!({"redirect_uris": [long]}),
            json!({"redirect_uris": ["javascript:alert(1)"]}),
            json!({"redirect_uris": ["data:text/html,<script>"]}),
            json!({"redirect_uris": [uri], "post_logout_redirect_uris": ["javascript:alert(1)"]}),
            json!({"redirect_uris": [uri], "grant_types": vec!["password"; 1_000]}),
            json!({"redirect_uris": [uri], "jwks": {"keys": vec![json!({"kty": "RSA"}); 1_000]}}),
            json!({"redirect_uris": [uri], "jwks": {"keys": [{"kty": "oct", "k": "AA"}]}}),
            json!({"redirect_uris": [uri], "jwks_uri": "http://127.0.0.1/"}),
            json!({"redirect_uris": [uri], "sector_identifier_uri": "http://127.0.0.1/"}),
            json!(7),
            json!(null),
        ] {
            let status = register(&house, &body).await.status;
            let refused = [StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE].contains(&status);
            assert!(refused, "{status} {}", body.to_string().chars().take(60).collect::<String>());
        }
        let raw = Request::post("/register").header(header::CONTENT_TYPE, "application/json");
        assert_eq!(ask(&house.router, raw.body(Body::from(deep)).unwrap()).await.status, StatusCode::BAD_REQUEST, "depth");
        assert_eq!(house.directory.list_clients().await.unwrap().len(), 2, "nobody new");
        deep_questions_of_a_program(&house).await;
        // Nor can a request grow without bound.
        let flood: String = (0..100).map(|n| format!("&p{n}=x")).collect();
        let reply = house.browser().get(&format!("{}{flood}", request(&[]))).await;
        assert!(reply.status == StatusCode::BAD_REQUEST || reply.param("error").is_some());
    })
    .await;
}
