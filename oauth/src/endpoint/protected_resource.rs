// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/.well-known/oauth-protected-resource` (RFC 9728 §3): what a program that knows a resource alone learns of it: whom to
//! ask for tokens, and for which scopes. `mail.D` is the mail; `id.D` userinfo and SCIM.

use std::sync::Arc;

use hearth_web::Peer;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::ctx::Ctx;
use crate::endpoint::metadata::public_json;
use crate::registry;
use crate::request::resource;
use crate::request::scope::Scope;

/// Its path.
pub const PATH: &str = registry::at("/.well-known/oauth-protected-resource");

/// GET. The name that was asked for chooses among what the configuration names, and is told nowhere.
pub async fn run(State(ctx): State<Arc<Ctx>>, peer: Peer) -> Response {
    match describe(&ctx.issuer, &peer.host) {
        Some(document) => public_json(&document),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn describe(issuer: &str, host: &str) -> Option<Value> {
    let mail = resource::of_mail(issuer);
    let is_at = |resource: &str| resource.strip_prefix("https://") == Some(host);
    let (resource, scopes, name) = if is_at(&mail) {
        (mail.as_str(), vec![Scope::Mail.name()], "Mail")
    } else if is_at(issuer) {
        (issuer, [Scope::Openid, Scope::Email, Scope::Profile, Scope::Groups, Scope::Scim].map(Scope::name).to_vec(), "People")
    } else {
        return None;
    };
    Some(json!({
        "resource": resource,
        "resource_name": name,
        "authorization_servers": [issuer],
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header"],
        "dpop_bound_access_tokens_required": false,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_is_where_it_was_asked_for() {
        let issuer = "https://id.home.example:10443";
        for (host, resource) in [
            ("mail.home.example:10443", Some("https://mail.home.example:10443")),
            ("id.home.example:10443", Some(issuer)),
            ("home.example:10443", None),
            ("mail.home.example", None),
            ("evil.example", None),
        ] {
            let found = describe(issuer, host);
            assert_eq!(found.as_ref().map(|found| found["resource"].as_str().unwrap()), resource, "{host}");
            assert!(found.is_none_or(|found| found["authorization_servers"] == json!([issuer])));
        }
    }
}
