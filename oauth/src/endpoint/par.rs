// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/par` (RFC 9126): an authorization request that is handed over before the browser comes.

use std::sync::Arc;

use hearth_identity::grants::{NewPending, hash_token, new_token};
use hearth_types::Fault;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::{HeaderMap, StatusCode};
use hearth_web::axum::response::Response;
use serde_json::json;

use crate::client::authentication::authenticate_at;
use crate::ctx::Ctx;
use crate::endpoint::authorize::{asked, registered};
use crate::endpoint::token::read_body;
use crate::error::{Answer, ErrorCode, Refusal, answered, json as json_response, refuse};
use crate::jose::dpop;
use crate::limits::{AUTHORIZATION_REQUEST_BYTES_MAX, PUSHED_REQUEST_LIFE};
use crate::registry;
use crate::request::authorization;
use crate::stranger;

/// Its row.
const ENDPOINT: &str = "pushed_authorization_request_endpoint";
/// The kind under which it waits.
pub const KIND: &str = "par";
/// RFC 9126 §2.2.
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// The hash of a handle that a `request_uri` is.
pub fn handle(request_uri: &str) -> Option<[u8; 32]> {
    request_uri.strip_prefix(PREFIX).map(hash_token)
}

/// POST.
pub async fn run(State(ctx): State<Arc<Ctx>>, headers: HeaderMap, body: Bytes) -> Response {
    answered(respond(&ctx, &headers, &body).await)
}

async fn respond(ctx: &Ctx, headers: &HeaderMap, body: &[u8]) -> Answer {
    let params = read_body(headers, body, &["client_id", "client_secret", "redirect_uri"])?;
    let client = authenticate_at(ctx, headers, &params, Some(ENDPOINT)).await?;
    if params.find("request_uri").is_some() {
        return refuse(ErrorCode::InvalidRequest, "a pushed request does not point to another");
    }
    let params = params
        .without("client_secret")
        .without("client_assertion")
        .without("client_assertion_type")
        .without("client_id")
        .with("client_id", &client.identifier);
    let registered = registered(ctx, &client);
    let mut asked = asked(ctx, &client, &registered, &params).map_err(|(code, says)| Fault::Peer(Refusal::new(code, says)))?;
    stranger::admit_proof(ctx, &client, headers)?;
    let proof = dpop::read(ctx, headers, "POST", const { registry::path(ENDPOINT) }, None).await?;
    match proof {
        Err(error) => return refuse(ErrorCode::InvalidDpopProof, error.0),
        // RFC 9449 §10.1: the proof stands for the parameter, in a request object too, or must agree with it.
        Ok(Some(proof)) => match asked.find("dpop_jkt") {
            Some(named) if named != proof.thumbprint => return refuse(ErrorCode::InvalidDpopProof, "dpop_jkt names another key"),
            _ => asked = asked.without("dpop_jkt").with("dpop_jkt", &proof.thumbprint),
        },
        Ok(None) => {}
    }
    let redirect_uri = authorization::redirect_of(&asked, &registered)
        .map_err(|_| Fault::Peer(Refusal::new(ErrorCode::InvalidRequest, "redirect_uri is not registered")))?;
    authorization::admit(&asked, &registered, redirect_uri)
        .map_err(|cancelled| Fault::Peer(Refusal::new(cancelled.code, cancelled.says)))?;
    let text = asked.encode();
    if text.len() > AUTHORIZATION_REQUEST_BYTES_MAX {
        return refuse(ErrorCode::InvalidRequest, "the request is too long");
    }
    let token = new_token();
    let new = NewPending {
        kind: KIND,
        client: client.id,
        hash: hash_token(token.expose()),
        user_code: None,
        request: text,
        lives: PUSHED_REQUEST_LIFE,
    };
    stranger::leave(ctx, &client, headers, new).await?;
    let body = json!({ "request_uri": format!("{PREFIX}{}", token.expose()), "expires_in": PUSHED_REQUEST_LIFE.as_secs() });
    Ok(json_response(StatusCode::CREATED, &body))
}
