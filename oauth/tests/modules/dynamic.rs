// SPDX-License-Identifier: AGPL-3.0-or-later
//! The plan Dynamic: a client that registers itself, in a home that lets them in (`hearth client registration open`).

use hearth_identity::grants::Registration;
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Request, StatusCode};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::support::proof::Holder;
use crate::support::{CHALLENGE, House, ISSUER, Reply, VERIFIER, ask, encode, on_both_engines};

const PLACE: &str = "https://rp.example/cb";

async fn send(house: &House, method: &str, path: &str, token: Option<&str>, body: &Value) -> Reply {
    let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    ask(&house.router, request.body(Body::from(body.to_string())).unwrap()).await
}

/// Registers, with members in the place of the usual ones.
async fn register(house: &House, members: Value) -> Value {
    house.directory.change_registration(Registration::Open).await.unwrap();
    let mut wants = json!({"redirect_uris": [PLACE], "client_name": "RP", "scope": "openid email offline_access"});
    wants.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let reply = send(house, "POST", "/register", None, &wants).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
    reply.json()
}

fn asks(client: &str, place: &str) -> String {
    let fields = [
        ("client_id", client),
        ("redirect_uri", place),
        ("response_type", "code"),
        ("scope", "openid email offline_access"),
        ("nonce", "n"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let fields: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    format!("/authorize?{}", encode(&fields))
}

/// From the request to the tokens, by a client with a secret.
async fn tokens(house: &House, told: &Value, place: &str) -> Value {
    let (client, secret) = (told["client_id"].as_str().unwrap(), told["client_secret"].as_str().unwrap());
    let mut browser = house.browser();
    browser.sign_in("alice").await;
    let page = browser.follow(&asks(client, place)).await;
    let done = browser.consent(&page, "allow").await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &done.param("code").unwrap()),
        ("redirect_uri", place),
        ("code_verifier", VERIFIER),
    ];
    let reply = house.post_as(Some((client, secret)), "/token", &fields).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    reply.json()
}

/// What a token of ours says, when its signature holds.
async fn verified(house: &House, token: &str, algorithm: Algorithm, audience: &str) -> Value {
    let set: JwkSet = serde_json::from_value(house.get("/jwks.json").await.json()).unwrap();
    let header = decode_header(token).unwrap();
    assert_eq!(header.alg, algorithm);
    let key = DecodingKey::from_jwk(set.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["iss", "aud"]);
    decode::<Value>(token, &key, &validation).unwrap().claims
}

#[tokio::test]
async fn registered_and_signed_in() {
    on_both_engines(async |house| {
        let told =
            register(&house, json!({"userinfo_signed_response_alg": "RS256", "id_token_signed_response_alg": "RS256"})).await;
        let client = told["client_id"].as_str().unwrap();
        let tokens = tokens(&house, &told, PLACE).await;
        let said = verified(&house, tokens["id_token"].as_str().unwrap(), Algorithm::RS256, client).await;
        let person = house.userinfo(tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(person.headers["content-type"], "application/jwt");
        let person = verified(&house, &person.body, Algorithm::RS256, client).await;
        assert_eq!((&person["sub"], &person["email"]), (&said["sub"], &json!("alice@home.example")));
        let secret = told["client_secret"].as_str().unwrap();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
        assert_eq!(house.post_as(Some((client, secret)), "/token", &fields).await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn a_registered_redirect_uri_with_a_query() {
    on_both_engines(async |house| {
        let query = "https://rp.example/cb?foo=bar";
        let told = register(&house, json!({"redirect_uris": [query]})).await;
        let client = told["client_id"].as_str().unwrap();
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let page = browser.follow(&asks(client, query)).await;
        let done = browser.consent(&page, "allow").await.location().unwrap();
        assert!(done.starts_with("https://rp.example/cb?foo=bar&code="), "{done}");
        for place in ["", "https://rp.example/cb", "https://rp.example/cb?foo=baz", "https://rp.example/cb?foo=bar&more=1"] {
            let page = browser.get(&asks(client, place)).await;
            assert_eq!((page.status, page.location()), (StatusCode::BAD_REQUEST, None), "{place}");
        }
        for place in ["https://rp.example/cb#fragment", "https://rp.example/cb#"] {
            let wants = json!({ "redirect_uris": [place] });
            let reply = send(&house, "POST", "/register", None, &wants).await;
            assert_eq!(reply.error(), (400, "invalid_redirect_uri".into()), "{place}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_sector_that_nobody_fetches() {
    on_both_engines(async |house| {
        let told = register(&house, json!({"subject_type": "pairwise"})).await;
        let client = told["client_id"].as_str().unwrap();
        let tokens = tokens(&house, &told, PLACE).await;
        let said = verified(&house, tokens["id_token"].as_str().unwrap(), Algorithm::RS256, client).await;
        assert_ne!(said["sub"], json!(house.alice.id.to_string()), "its own");
        for uri in ["https://rp.example/sector.json", "https://other.example/sector.json"] {
            let wants = json!({"redirect_uris": [PLACE], "subject_type": "pairwise", "sector_identifier_uri": uri});
            let reply = send(&house, "POST", "/register", None, &wants).await;
            assert_eq!(reply.error(), (400, "invalid_client_metadata".into()), "{uri}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_turns_its_own_keys() {
    on_both_engines(async |house| {
        let (old, new) = (Holder::new(), Holder::new());
        let keys = |holder: &Holder| json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [holder.jwk()]}});
        let told = register(&house, keys(&old)).await;
        let client = told["client_id"].as_str().unwrap();
        let prove = async |holder: &Holder, jti: &str, fields: &[(&str, &str)]| {
            let claims = json!({"iss": client, "sub": client, "aud": ISSUER, "exp": house.clock.now().secs() + 60, "jti": jti});
            let assertion = holder.sign(&json!({"alg": "ES256"}), &claims);
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            let proof = [("client_assertion_type", kind), ("client_assertion", assertion.as_str())];
            house.post_as(None, "/token", &[fields, &proof].concat()).await
        };
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let page = browser.follow(&asks(client, PLACE)).await;
        let code = browser.consent(&page, "allow").await.param("code").unwrap();
        let fields = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", PLACE), ("code_verifier", VERIFIER)];
        let tokens = prove(&old, "1", &fields).await;
        assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.body);
        let tokens = tokens.json();
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
        assert_eq!(prove(&new, "2", &refresh).await.error(), (401, "invalid_client".into()));
        let path = told["registration_client_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap();
        let mut changed = keys(&new);
        changed["client_id"] = json!(client);
        changed["redirect_uris"] = json!([PLACE]);
        changed["client_name"] = json!("RP");
        changed["scope"] = json!("openid email offline_access");
        let token = told["registration_access_token"].as_str();
        assert_eq!(send(&house, "PUT", path, token, &changed).await.status, StatusCode::OK);
        assert_eq!(prove(&old, "3", &refresh).await.error(), (401, "invalid_client".into()), "the old key is gone");
        assert_eq!(prove(&new, "4", &refresh).await.status, StatusCode::OK, "the grant goes on with the new one");
    })
    .await;
}

/// What becomes of a registration with these members in the place of the usual ones.
async fn refused(house: &House, members: Value) -> (u16, String) {
    house.directory.change_registration(Registration::Open).await.unwrap();
    let mut wants = json!({"redirect_uris": [PLACE], "client_name": "RP", "scope": "openid email offline_access"});
    wants.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let reply = send(house, "POST", "/register", None, &wants).await;
    (reply.status.as_u16(), reply.json()["error"].as_str().unwrap_or_default().to_string())
}

#[tokio::test]
async fn subjects_of_another_are_not_to_be_had() {
    on_both_engines(async |house| {
        let victim = "https://victim.example/cb";
        let told = register(&house, json!({"redirect_uris": [victim], "subject_type": "pairwise"})).await;
        let tokens = tokens(&house, &told, victim).await;
        let own =
            verified(&house, tokens["id_token"].as_str().unwrap(), Algorithm::RS256, told["client_id"].as_str().unwrap()).await;
        let both = json!([victim, "https://evil.example/cb"]);
        let bad = (400, "invalid_client_metadata".to_string());
        assert_eq!(refused(&house, json!({"redirect_uris": both, "subject_type": "pairwise"})).await, bad);
        let same = json!({"redirect_uris": [victim, "https://victim.example/other"], "subject_type": "pairwise"});
        assert_eq!(refused(&house, same).await.0, 201, "one host, two addresses");
        // Nor afterwards.
        let evil = register(&house, json!({"redirect_uris": ["https://evil.example/cb"], "subject_type": "pairwise"})).await;
        let path = evil["registration_client_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap();
        let wants = json!({"redirect_uris": both, "subject_type": "pairwise", "client_id": evil["client_id"], "client_name": "RP"});
        let reply = send(&house, "PUT", path, evil["registration_access_token"].as_str(), &wants).await;
        assert_eq!(reply.error(), bad);
        // One that was registered when that was still taken has a sector of its own; so has every app on somebody's device.
        let metadata = json!({"subject_type": "pairwise", "hearth_registration": "00"}).to_string();
        for (name, uris) in [("old", vec![victim, PLACE]), ("one", vec!["http://127.0.0.1/"]), ("two", vec!["http://127.0.0.1/"])] {
            let secret = house
                .client(name, |new| {
                    new.redirect_uris = uris.iter().map(ToString::to_string).collect();
                    new.metadata = metadata.clone();
                })
                .await;
            let told = json!({"client_id": name, "client_secret": secret});
            let place = uris.last().unwrap();
            let tokens = crate::dynamic::tokens(&house, &told, place).await;
            let said = crate::support::claims(tokens["id_token"].as_str().unwrap());
            assert_ne!(said["sub"], own["sub"], "{name}");
            let rest = house.directory.find_client(name).await.unwrap().unwrap();
            let sector = hearth_oauth::client::profile::Profile::of(&rest).sector;
            assert_eq!(sector.as_deref(), Some(name));
        }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_and_the_rest_kept() {
    on_both_engines(async |house| {
        for (name, value) in [
            ("request_object_signing_alg", json!("none")),
            ("request_object_signing_alg", json!("HS256")),
            ("request_object_encryption_alg", json!("RSA-OAEP")),
            ("token_endpoint_auth_signing_alg", json!("HS256")),
            ("token_endpoint_auth_signing_alg", json!("none")),
            ("id_token_encrypted_response_alg", json!("RSA-OAEP")),
            ("id_token_encrypted_response_enc", json!("A128CBC-HS256")),
            ("userinfo_encrypted_response_alg", json!("RSA-OAEP")),
            ("authorization_signed_response_alg", json!("RS256")),
            ("tls_client_certificate_bound_access_tokens", json!(true)),
            ("default_max_age", json!("soon")),
            ("default_max_age", json!(-1)),
            ("require_auth_time", json!("yes")),
            ("request_uris", json!(["https://rp.example/request"])),
        ] {
            let reply = refused(&house, json!({ name: value })).await;
            assert_eq!(reply, (400, "invalid_client_metadata".into()), "{name} {value}");
        }
        let device = "urn:ietf:params:oauth:grant-type:device_code";
        let tv = json!({"redirect_uris": null, "grant_types": [device], "token_endpoint_auth_method": "none"});
        assert_eq!(register(&house, tv).await["redirect_uris"], json!([]), "it is sent nowhere");
        let both = json!({"redirect_uris": null, "grant_types": [device, "authorization_code"]});
        assert_eq!(refused(&house, both).await, (400, "invalid_redirect_uri".into()));
        // What is kept is told, and done.
        let told = register(&house, json!({"default_max_age": 60, "require_auth_time": true, "tls_client_certificate_bound_access_tokens": false})).await;
        assert_eq!((&told["default_max_age"], &told["require_auth_time"]), (&json!(60), &json!(true)));
        let client = told["client_id"].as_str().unwrap();
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let page = browser.follow(&asks(client, PLACE)).await;
        browser.consent(&page, "allow").await;
        house.clock.advance(std::time::Duration::from_secs(61));
        let silent = format!("{}&prompt=none", asks(client, PLACE));
        assert_eq!(browser.get(&silent).await.param("error").as_deref(), Some("login_required"));
        let reply = browser.get(&format!("{silent}&max_age=3600")).await;
        assert!(reply.param("code").is_some(), "a request that says so itself: {:?}", reply.location());
        // It signs in the one way that it named, and its requests so too.
        let signer = Holder::new();
        let keys = json!({"keys": [signer.jwk()]});
        for (member, value, works) in [
            ("token_endpoint_auth_signing_alg", "ES256", true),
            ("token_endpoint_auth_signing_alg", "RS256", false),
            ("request_object_signing_alg", "ES256", true),
            ("request_object_signing_alg", "RS256", false),
        ] {
            let told = register(&house, json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": keys, member: value})).await;
            assert_eq!(told[member], value);
            let client = told["client_id"].as_str().unwrap();
            let now = house.clock.now().secs();
            if member == "request_object_signing_alg" {
                let object = json!({
                    "iss": client, "aud": ISSUER, "client_id": client, "redirect_uri": PLACE, "response_type": "code", "scope": "openid",
                    "code_challenge": CHALLENGE, "code_challenge_method": "S256", "prompt": "none", "max_age": 3600,
                });
                let object = signer.sign(&json!({"alg": "ES256"}), &object);
                let fields = [("client_id", client), ("redirect_uri", PLACE), ("request", &object)];
                let reply = browser.get(&format!("/authorize?{}", encode(&fields))).await;
                assert_eq!(reply.param("error").as_deref() == Some("consent_required"), works, "{value} {:?}", reply.location());
            } else {
                let jti = hearth_identity::grants::new_token().expose().clone();
                let says = json!({"iss": client, "sub": client, "aud": ISSUER, "exp": now + 60, "jti": jti});
                let proof = signer.sign(&json!({"alg": "ES256"}), &says);
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                let fields = [("token", "x"), ("client_assertion_type", kind), ("client_assertion", &proof)];
                let status = house.post_as(None, "/revoke", &fields).await.status;
                assert_eq!(status == StatusCode::OK, works, "{value} {status}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_registered_can_be_read_and_replaced() {
    on_both_engines(async |house| {
        let told = register(&house, json!({})).await;
        let path = told["registration_client_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap();
        let token = told["registration_access_token"].as_str();
        let read = send(&house, "GET", path, token, &json!(null)).await;
        assert_eq!(read.headers["cache-control"], "no-store");
        let read = read.json();
        for name in ["client_id", "registration_access_token", "registration_client_uri", "redirect_uris", "grant_types"] {
            assert_eq!(read[name], told[name], "{name}");
        }
        for scheme in ["bearer", "BEARER"] {
            let request = Request::get(path).header("authorization", format!("{scheme} {}", token.unwrap()));
            assert_eq!(ask(&house.router, request.body(Body::empty()).unwrap()).await.status, StatusCode::OK, "{scheme}");
        }
        let wants = |more: Value| {
            let mut wants = json!({"redirect_uris": [PLACE], "client_name": "RP", "scope": "openid email offline_access"});
            wants["client_id"] = told["client_id"].clone();
            wants.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            wants
        };
        for (more, admitted) in [
            (json!({}), true),
            (json!({"client_secret": told["client_secret"]}), true),
            (json!({"client_secret": "chosen by the client"}), false),
            (json!({"client_secret": 1}), false),
            (json!({"client_id": "another"}), false),
            (json!({"registration_access_token": token}), false),
            (json!({"registration_client_uri": told["registration_client_uri"]}), false),
            (json!({"client_secret_expires_at": 0}), false),
            (json!({"client_id_issued_at": told["client_id_issued_at"]}), false),
        ] {
            let reply = send(&house, "PUT", path, token, &wants(more.clone())).await;
            assert_eq!(reply.status, if admitted { StatusCode::OK } else { StatusCode::BAD_REQUEST }, "{more}: {}", reply.body);
            if admitted {
                assert_eq!(reply.json()["registration_access_token"], told["registration_access_token"]);
            }
        }
        let mut without = wants(json!({}));
        without.as_object_mut().unwrap().remove("client_id");
        assert_eq!(send(&house, "PUT", path, token, &without).await.error(), (400, "invalid_client_metadata".into()));
    })
    .await;
}
