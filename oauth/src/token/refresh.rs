// SPDX-License-Identifier: AGPL-3.0-or-later
//! RFC 6749 §6: a refresh token becomes tokens, and another refresh token takes its place
//! (RFC 9700 §4.14.2). One that is used again, after its successor was, ends the grant.

use hearth_identity::grants::{Client, RefreshRefusal};
use hearth_types::Secret;

use super::{granted, id_token, lives, to_wire};
use crate::ctx::Ctx;
use crate::error::{Answer, ErrorCode, ours, refuse};
use crate::params::Params;
use crate::scope::Scopes;

pub async fn run(ctx: &Ctx, client: &Client, params: &Params) -> Answer {
    let Some(token) = params.find("refresh_token") else {
        return refuse(ErrorCode::InvalidRequest, "refresh_token is missing");
    };
    let token = Secret::new(token.to_string());
    // Scopes that we do not know were not granted; a request of them alone asks for nothing.
    let scopes = params.find("scope").map(|scope| Scopes::parse(scope).iter().map(|scope| scope.name().to_string()).collect());
    if scopes.as_ref().is_some_and(Vec::is_empty) {
        return refuse(ErrorCode::InvalidScope, "none of these scopes was granted");
    }
    let refreshed = ctx.directory.refresh(&token, client.id, scopes, lives(client)).await.map_err(ours)?;
    let tokens = match refreshed {
        Ok(tokens) => tokens,
        Err(RefreshRefusal::Scope) => return refuse(ErrorCode::InvalidScope, "more was asked for than was granted"),
        Err(RefreshRefusal::Unknown) => return refuse(ErrorCode::InvalidGrant, "the refresh token is unknown"),
        Err(RefreshRefusal::Expired) => return refuse(ErrorCode::InvalidGrant, "the refresh token has ended"),
        Err(RefreshRefusal::Reused) => {
            return refuse(ErrorCode::InvalidGrant, "the refresh token was used before; its grant has been ended");
        }
    };
    let session = ctx.directory.find_session(tokens.session).await.map_err(ours)?;
    let granted = match session {
        Some(session) => granted(ctx, &session).await?,
        None => None,
    };
    let Some(granted) = granted else {
        return refuse(ErrorCode::InvalidGrant, "the refresh token has ended");
    };
    // OpenID Connect Core §12.2: the nonce is not repeated.
    let id_token = id_token(ctx, client, &granted, &tokens, None)?;
    Ok(to_wire(&tokens, id_token, ctx.now()))
}
