// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/userinfo` (OpenID Connect Core §5.3): who an access token speaks of. GET or POST.

use std::sync::Arc;

use hearth_types::{Fault, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hearth_web::axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::client::profile::Profile;
use crate::ctx::Ctx;
use crate::endpoint::bearer::{self, BearerRefusal};
use crate::error::{Answer, answered, json};
use crate::registry;
use crate::request::claims;
use crate::request::params::Params;
use crate::request::scope::{Scope, Scopes};

/// GET and POST.
pub async fn run(State(ctx): State<Arc<Ctx>>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    let body = if method == Method::POST { Params::parse(&body) } else { Params::default() };
    answered(respond(&ctx, &method, &headers, &body).await)
}

async fn respond(ctx: &Ctx, method: &Method, headers: &HeaderMap, body: &Params) -> Answer<BearerRefusal> {
    let path = const { registry::path("userinfo_endpoint") };
    let found = bearer::admit(ctx, method.as_str(), path, headers, body, Scope::Openid).await?;
    let scopes = Scopes::parse(&found.scopes.join(" "));
    let account = ctx.directory.find_account(found.account).await.map_err(Trouble::from)?;
    let account = account.ok_or(Fault::Peer(BearerRefusal::InvalidToken))?;
    let client = ctx.directory.find_client_by_id(found.client).await.map_err(Trouble::from)?;
    let client = client.ok_or(Fault::Peer(BearerRefusal::InvalidToken))?;
    let mut claims = claims::person(ctx, &client, &account, scopes).await?.claims(scopes, &ctx.domain);
    let Some(algorithm) = Profile::of(&client).userinfo else {
        return Ok(json(StatusCode::OK, &Value::Object(claims)));
    };
    // OpenID Connect Core §5.3.2.
    claims.insert("iss".into(), ctx.issuer.clone().into());
    claims.insert("aud".into(), client.identifier.into());
    let signed = ctx.keys().sign(algorithm, "JWT", &Value::Object(claims))?;
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/jwt"));
    Ok(([kind, (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], signed).into_response())
}
