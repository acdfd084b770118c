// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`: the registry,
//! told to programs (RFC 8414 §3, OpenID Connect Discovery §4).

use std::sync::Arc;

use hearth_identity::grants::Registration;
use hearth_types::Trouble;
use hearth_web::Problem;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::{HeaderValue, header};
use hearth_web::axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::ctx::Ctx;
use crate::limits::METADATA_FRESH;
use crate::registry;
use crate::request::resource;

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>) -> Response {
    let mut document = document(&ctx.issuer);
    match ctx.directory.find_registration().await {
        Ok(Registration::Off) => document.as_object_mut().map(|members| {
            members.insert("client_id_metadata_document_supported".into(), json!(false));
            members.remove("registration_endpoint")
        }),
        Ok(_) => None,
        Err(error) => return Problem::from(Trouble::from(error)).into_response(),
    };
    public_json(&document)
}

/// The metadata of an issuer.
pub fn document(issuer: &str) -> Value {
    let mut members = Map::new();
    members.insert("issuer".into(), json!(issuer));
    // RFC 9728 §4: whose tokens we give.
    members.insert("protected_resources".into(), json!([issuer, resource::of_mail(issuer)]));
    for (name, path) in registry::endpoints() {
        members.insert(name.into(), json!(format!("{issuer}{path}")));
    }
    for name in registry::members() {
        members.insert(name.into(), registry::values(name).collect());
    }
    for (name, set) in registry::flags() {
        members.insert(name.into(), json!(set));
    }
    Value::Object(members)
}

/// JSON that anybody may read from any page, and keep for a while.
pub fn public_json(body: &Value) -> Response {
    let fresh = format!("public, max-age={}", METADATA_FRESH.as_secs());
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_str(&fresh).unwrap_or(HeaderValue::from_static("no-store"))),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (fields, body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_registry() {
        let metadata = document("https://id.example");
        // OpenID Connect Discovery §3: what must be there.
        for required in [
            "issuer",
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "response_types_supported",
            "subject_types_supported",
            "id_token_signing_alg_values_supported",
        ] {
            assert!(metadata.get(required).is_some(), "{required}");
        }
        assert_eq!(metadata["authorization_endpoint"], "https://id.example/authorize");
        assert_eq!(metadata["response_types_supported"], json!(["code"]));
        assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["RS256", "ES256", "EdDSA"]));
        // One room proves clients at all three.
        for endpoint in ["token", "revocation", "introspection"] {
            let told = |what: &str| metadata[format!("{endpoint}_endpoint_auth_{what}_supported")].clone();
            let methods = told("methods");
            assert!(methods.as_array().unwrap().contains(&json!("private_key_jwt")), "{endpoint}: {methods}");
            // RFC 8414 §2: without them, that method would be no use.
            assert_eq!(told("signing_alg_values"), json!(["RS256", "ES256", "EdDSA"]), "{endpoint}");
        }
        // §3: its default would be true.
        assert_eq!(metadata["request_uri_parameter_supported"], json!(false));
        assert_eq!(metadata["authorization_response_iss_parameter_supported"], json!(true));
        assert!(metadata.get("check_session_iframe").is_none());
        for row in registry::ROWS.iter().filter(|row| !row.name.starts_with('/')) {
            let (member, value) = row.name.split_once('=').unwrap_or((row.name, ""));
            let told = match &metadata[member] {
                Value::Array(values) => values.contains(&json!(value)),
                Value::String(url) => url.ends_with(value),
                Value::Bool(set) => *set,
                _ => false,
            };
            assert_eq!(told, row.is_spoken(), "{}", row.name);
        }
    }
}
