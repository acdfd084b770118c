// SPDX-License-Identifier: AGPL-3.0-or-later
//! RFC 6749 §4.4: a program acts for itself, as the service account that the household gave it.

use hearth_identity::directory::Kind;
use hearth_identity::grants::{NewGrant, NewTokens};

use super::{Asked, Owed, finish};
use crate::ctx::Ctx;
use crate::error::{Answer, ErrorCode, ours, refuse};
use crate::request::params::Params;
use crate::request::scope::{Scope, Scopes};

pub async fn run(ctx: &Ctx, asked: &Asked, params: &Params) -> Answer {
    if asked.client.is_public() {
        return refuse(ErrorCode::UnauthorizedClient, "a public client cannot act for itself");
    }
    let account = match asked.profile.service {
        Some(id) => ctx.directory.find_account(id).await.map_err(ours)?,
        None => None,
    };
    let Some(account) = account.filter(|account| account.kind == Kind::Service && !account.disabled) else {
        return refuse(ErrorCode::UnauthorizedClient, "this client has no service account");
    };
    let may = Scopes::parse(&asked.client.scopes.join(" "));
    let wanted = params.find("scope").map_or(may, Scopes::parse);
    // Nobody signed in, so there is nobody that an ID token could speak of.
    let scopes: Scopes = wanted.and(may).iter().filter(|scope| !matches!(scope, Scope::Openid | Scope::OfflineAccess)).collect();
    if scopes.is_empty() {
        return refuse(ErrorCode::InvalidScope, "none of these scopes is for this client");
    }
    let Some(lives) = asked.tokens(scopes, &[]) else {
        return refuse(ErrorCode::InvalidTarget, "no such resource for this client");
    };
    let grant = NewGrant {
        client: asked.client.id,
        account: account.id,
        parent: None,
        label: asked.client.name.clone(),
        scopes: scopes.iter().map(|scope| scope.name().to_string()).collect(),
        auth_methods: String::new(),
        authenticated_at: ctx.now(),
    };
    // §4.4.3: no refresh token; the program can always ask again.
    let tokens = ctx.directory.add_grant(grant, NewTokens { refresh_lives: None, ..lives }, true).await.map_err(ours)?;
    finish(ctx, asked, tokens, Owed::default()).await
}
