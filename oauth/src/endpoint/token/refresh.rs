// SPDX-License-Identifier: AGPL-3.0-or-later
//! RFC 6749 §6: a refresh token becomes tokens, and another refresh token takes its place
//! (RFC 9700 §4.14.2). One that is used again, after its successor was, ends the grant.

use hearth_identity::grants::RefreshRefusal;
use hearth_types::Secret;

use super::{Asked, Owed, finish};
use crate::ctx::Ctx;
use crate::error::{Answer, ErrorCode, ours, refuse};
use crate::request::params::Params;
use crate::request::scope::Scopes;
use crate::rule::two_factors;

pub async fn run(ctx: &Ctx, asked: &Asked, params: &Params) -> Answer {
    let Some(token) = params.find("refresh_token") else {
        return refuse(ErrorCode::InvalidRequest, "refresh_token is missing");
    };
    let token = Secret::new(token.to_string());
    // Scopes that we do not know were not granted; a request of them alone asks for nothing.
    let narrowed = params.find("scope").map(Scopes::parse);
    if narrowed.is_some_and(Scopes::is_empty) {
        return refuse(ErrorCode::InvalidScope, "none of these scopes was granted");
    }
    let found = ctx.directory.find_refresh_token(&token).await.map_err(ours)?;
    if let Some(found) = found.as_ref().filter(|found| found.client == asked.client.id)
        && let Some(account) = ctx.directory.find_account(found.account).await.map_err(ours)?
        && two_factors::falls_short(ctx, found.session, &account).await?
    {
        ctx.directory.end_session(found.session).await.map_err(ours)?;
        return refuse(ErrorCode::InvalidGrant, "this home asks for two factors now: sign in again");
    }
    let granted = found.map(|found| Scopes::parse(&found.scopes.join(" "))).unwrap_or_default();
    let Some(lives) = asked.tokens(narrowed.unwrap_or(granted), &[]) else {
        return refuse(ErrorCode::InvalidTarget, "no such resource for this client");
    };
    let scopes = narrowed.map(|scopes| scopes.iter().map(|scope| scope.name().to_string()).collect());
    // OpenID Connect Core §12.2: the nonce is not repeated.
    match asked.directory(ctx).refresh(&token, asked.client.id, scopes, lives).await.map_err(ours)? {
        Ok(tokens) => finish(ctx, asked, tokens, Owed::default()).await,
        Err(RefreshRefusal::Scope) => refuse(ErrorCode::InvalidScope, "more was asked for than was granted"),
        Err(RefreshRefusal::Target) => refuse(ErrorCode::InvalidTarget, "the grant is for other resources"),
        Err(RefreshRefusal::Confirmation) => refuse(ErrorCode::InvalidGrant, "the refresh token is bound to another key"),
        Err(RefreshRefusal::Unknown) => refuse(ErrorCode::InvalidGrant, "the refresh token is unknown"),
        Err(RefreshRefusal::Expired) => refuse(ErrorCode::InvalidGrant, "the refresh token has ended"),
        Err(RefreshRefusal::Reused(account)) => {
            asked.tell_of_theft(ctx, account).await?;
            refuse(ErrorCode::InvalidGrant, "the refresh token was used before; its grant has been ended")
        }
    }
}
