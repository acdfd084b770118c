// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/revoke` (RFC 7009): a client gives a token back.

use std::sync::Arc;

use hearth_types::Secret;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::{HeaderMap, StatusCode};
use hearth_web::axum::response::{IntoResponse, Response};

use crate::client::authentication::authenticate;
use crate::ctx::Ctx;
use crate::endpoint::token::read_body;
use crate::error::{Answer, ErrorCode, answered, ours, refuse};

/// POST.
pub async fn run(State(ctx): State<Arc<Ctx>>, headers: HeaderMap, body: Bytes) -> Response {
    answered(respond(&ctx, &headers, &body).await)
}

async fn respond(ctx: &Ctx, headers: &HeaderMap, body: &[u8]) -> Answer {
    let params = read_body(headers, body, &["token", "token_type_hint", "client_id", "client_secret"])?;
    let client = authenticate(ctx, headers, &params).await?;
    let Some(token) = params.find("token") else {
        return refuse(ErrorCode::InvalidRequest, "token is missing");
    };
    // The hint may be wrong (§2.1), and looking in both places costs two keyed reads: it is not needed.
    let token = Secret::new(token.to_string());
    let another = "the token is another client's";
    if let Some(found) = ctx.directory.find_access_token(&token).await.map_err(ours)? {
        if found.client != client.id {
            return refuse(ErrorCode::UnauthorizedClient, another);
        }
        ctx.directory.remove_access_token(&token).await.map_err(ours)?;
    } else if let Some(found) = ctx.directory.find_refresh_token(&token).await.map_err(ours)? {
        if found.client != client.id {
            return refuse(ErrorCode::UnauthorizedClient, another);
        }
        // §2.1: with a refresh token the access tokens of its grant go too.
        ctx.directory.end_session(found.session).await.map_err(ours)?;
    }
    // §2.2: a token that is not there is as good as revoked.
    Ok(StatusCode::OK.into_response())
}
