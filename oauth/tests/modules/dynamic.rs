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
