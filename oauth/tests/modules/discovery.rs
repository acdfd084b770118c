// SPDX-License-Identifier: AGPL-3.0-or-later
//! The plan Config, and its like of the other plans: the metadata holds, and tells all that works.

use hearth_web::axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{House, ISSUER, Reply, claims, encode, on_both_engines};

/// Members of the metadata that are registered (RFC 8414 §7.1, OpenID Connect Discovery §3 and the logouts).
const MEMBERS: [&str; 42] = [
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "registration_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "end_session_endpoint",
    "pushed_authorization_request_endpoint",
    "device_authorization_endpoint",
    "scopes_supported",
    "response_types_supported",
    "response_modes_supported",
    "grant_types_supported",
    "acr_values_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
    "userinfo_signing_alg_values_supported",
    "request_object_signing_alg_values_supported",
    "dpop_signing_alg_values_supported",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported",
    "introspection_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_signing_alg_values_supported",
    "claims_supported",
    "claims_parameter_supported",
    "request_parameter_supported",
    "request_uri_parameter_supported",
    "require_request_uri_registration",
    "ui_locales_supported",
    "prompt_values_supported",
    "code_challenge_methods_supported",
    "authorization_response_iss_parameter_supported",
    "client_id_metadata_document_supported",
    "backchannel_logout_supported",
    "backchannel_logout_session_supported",
    "frontchannel_logout_supported",
    "frontchannel_logout_session_supported",
    "protected_resources",
];

fn words<'v>(document: &'v Value, member: &str) -> Vec<&'v str> {
    document[member].as_array().unwrap_or_else(|| panic!("{member}")).iter().map(|word| word.as_str().unwrap()).collect()
}

async fn metadata(house: &House) -> Value {
    let reply = house.get("/.well-known/openid-configuration").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers["content-type"], "application/json");
    reply.json()
}

#[tokio::test]
async fn the_discovery_document_holds() {
    on_both_engines(async |house| {
        let told = metadata(&house).await;
        assert_eq!(told["issuer"], ISSUER);
        for (member, value) in told.as_object().unwrap() {
            assert!(MEMBERS.contains(&member.as_str()), "{member} is nobody's");
            let sound = if member.ends_with("_endpoint") || member.ends_with("_uri") {
                value.as_str().is_some_and(|url| url.starts_with(&format!("{ISSUER}/")))
            } else if member == "issuer" {
                true
            } else if value.is_array() {
                let list = words(&told, member);
                !list.is_empty() && list.iter().enumerate().all(|(at, word)| !word.is_empty() && !list[..at].contains(word))
            } else {
                value.is_boolean()
            };
            assert!(sound, "{member}: {value}");
        }
        for (member, value) in [
            ("response_types_supported", "code"),
            ("response_modes_supported", "form_post"),
            ("subject_types_supported", "public"),
            ("id_token_signing_alg_values_supported", "RS256"),
            ("userinfo_signing_alg_values_supported", "RS256"),
            ("grant_types_supported", "authorization_code"),
            ("token_endpoint_auth_methods_supported", "client_secret_basic"),
            ("scopes_supported", "openid"),
            ("code_challenge_methods_supported", "S256"),
        ] {
            assert!(words(&told, member).contains(&value), "{member} {value}");
        }
        // RFC 6749 §3.3: the letters of a scope. RFC 5646 §2.1.1: the case of a language.
        assert!(
            words(&told, "scopes_supported")
                .iter()
                .all(|scope| scope.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\'))
        );
        assert_eq!(words(&told, "ui_locales_supported"), ["en", "fr"]);
        for flag in [
            "claims_parameter_supported",
            "request_parameter_supported",
            "backchannel_logout_supported",
            "backchannel_logout_session_supported",
            "frontchannel_logout_supported",
            "frontchannel_logout_session_supported",
        ] {
            assert_eq!(told[flag], true, "{flag}");
        }
        assert_eq!(told["request_uri_parameter_supported"], false);
        assert!(told["registration_endpoint"].is_string() && told["end_session_endpoint"].is_string());
        // The keys can be fetched and used, and are named apart.
        let keys = house.get(told["jwks_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap()).await.json();
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys.clone()).unwrap();
        for key in &set.keys {
            assert!(jsonwebtoken::DecodingKey::from_jwk(key).is_ok(), "{key:?}");
        }
        let names: Vec<_> = set.keys.iter().map(|key| key.common.key_id.clone().unwrap()).collect();
        assert!(names.iter().enumerate().all(|(at, name)| !names[..at].contains(name)), "{names:?}");
        let algorithms: Vec<_> = keys["keys"].as_array().unwrap().iter().map(|key| &key["alg"]).collect();
        for algorithm in words(&told, "id_token_signing_alg_values_supported") {
            assert!(algorithms.contains(&&json!(algorithm)), "{algorithm}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_works_is_told() {
    on_both_engines(async |house| {
        let told = metadata(&house).await;
        // Whatever is said of a person or a token.
        let tokens = house.tokens("openid email profile groups").await;
        let said = claims(tokens["id_token"].as_str().unwrap());
        let person = house.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
        let known = words(&told, "claims_supported");
        for name in said.as_object().unwrap().keys().chain(person.as_object().unwrap().keys()) {
            assert!(known.contains(&name.as_str()), "the claim {name} is given and not told");
        }
        // Whatever is granted by another name.
        let scopes = words(&told, "scopes_supported");
        for scope in ["urn:ietf:params:oauth:scope:mail", "imap", "smtp", "pop3", "jmap", "sieve"] {
            let granted = house.tokens(&format!("openid {scope}")).await;
            assert_eq!(granted["scope"], "openid mail", "{scope}");
            assert!(scopes.contains(&scope), "{scope} is granted and not told");
        }
        // Whatever can be said of a request, or asked by a client.
        for prompt in ["none", "login", "consent", "select_account"] {
            assert!(words(&told, "prompt_values_supported").contains(&prompt), "{prompt}");
        }
        for acr in ["1", "2", "phr"] {
            assert!(words(&told, "acr_values_supported").contains(&acr), "{acr}");
        }
    })
    .await;
}

fn challenges(reply: &Reply) -> Vec<String> {
    reply.headers.get_all("www-authenticate").iter().map(|field| field.to_str().unwrap().to_string()).collect()
}

#[tokio::test]
async fn a_resource_says_where_it_is_described() {
    on_both_engines(async |house| {
        let told = metadata(&house).await;
        assert_eq!(told["protected_resources"], json!([ISSUER, "https://mail.home.example"]));
        let place = format!("resource_metadata=\"{ISSUER}/.well-known/oauth-protected-resource\"");
        let narrow = house.tokens("mail").await;
        let narrow = narrow["access_token"].as_str().unwrap();
        for path in ["/userinfo", "/scim/v2/Users"] {
            for (field, status) in [("", 401), ("Bearer unknown", 401), ("DPoP unknown", 401)] {
                let request = hearth_web::axum::http::Request::get(path).header("authorization", field);
                let reply = crate::support::ask(&house.router, request.body(hearth_web::axum::body::Body::empty()).unwrap()).await;
                assert_eq!(reply.status.as_u16(), status, "{path} {field}");
                assert!(challenges(&reply).iter().any(|field| field.contains(&place)), "{path} {field}: {:?}", challenges(&reply));
            }
            let request = hearth_web::axum::http::Request::get(path).header("authorization", format!("Bearer {narrow}"));
            let reply = crate::support::ask(&house.router, request.body(hearth_web::axum::body::Body::empty()).unwrap()).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN);
            assert!(challenges(&reply).concat().contains("insufficient_scope"), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_domain_alone_leads_to_the_issuer() {
    on_both_engines(async |house| {
        let ask = async |resource: &str| house.get(&format!("/.well-known/webfinger?{}", encode(&[("resource", resource)]))).await;
        for resource in [
            "https://home.example",
            "https://home.example/",
            "https://Home.Example",
            "https://home.example:10443",
            "acct:alice@home.example",
            ISSUER,
        ] {
            let reply = ask(resource).await;
            assert_eq!(reply.status, StatusCode::OK, "{resource}");
            assert_eq!(reply.json()["links"][0]["href"], ISSUER, "{resource}");
            assert_eq!(reply.json()["subject"], resource);
        }
        for resource in [
            "https://evil.example",
            "https://home.example/alice",
            "https://home.example?x",
            "https://home.example#x",
            "https://alice@home.example",
            "https://home.example.evil.example",
            "ftp://home.example",
            "home.example/x",
        ] {
            assert_eq!(ask(resource).await.status, StatusCode::NOT_FOUND, "{resource}");
        }
    })
    .await;
}
