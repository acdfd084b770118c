// SPDX-License-Identifier: AGPL-3.0-or-later
//! RFC 8628 §3.4: a device asks whether somebody let it in.

use hearth_identity::grants::{NewGrant, Pending, Poll, hash_token};

use super::{Asked, Owed, finish};
use crate::ctx::Ctx;
use crate::endpoint::device_grant::scopes_of;
use crate::error::{Answer, ErrorCode, ours, refuse};
use crate::limits::DEVICE_POLL_EVERY;
use crate::request::params::Params;

pub async fn run(ctx: &Ctx, asked: &Asked, params: &Params) -> Answer {
    let Some(code) = params.find("device_code") else {
        return refuse(ErrorCode::InvalidRequest, "device_code is missing");
    };
    match ctx.directory.poll_device(hash_token(code), asked.client.id, DEVICE_POLL_EVERY).await.map_err(ours)? {
        Poll::Unknown => refuse(ErrorCode::InvalidGrant, "the device code is unknown"),
        Poll::Expired => refuse(ErrorCode::ExpiredToken, "nobody answered in time"),
        Poll::SlowDown => refuse(ErrorCode::SlowDown, "ask less often"),
        Poll::Waiting => refuse(ErrorCode::AuthorizationPending, "nobody has answered yet"),
        Poll::Denied => refuse(ErrorCode::AccessDenied, "the person said no"),
        Poll::Allowed(pending) => allowed(ctx, asked, &pending).await,
    }
}

async fn allowed(ctx: &Ctx, asked: &Asked, pending: &Pending) -> Answer {
    let session = match pending.session {
        Some(session) => ctx.directory.find_session(session).await.map_err(ours)?,
        None => None,
    };
    // Who let it in has been signed out since, perhaps because of this.
    let Some(session) = session.filter(|session| session.is_live(ctx.now())) else {
        return refuse(ErrorCode::AccessDenied, "who let the device in is signed out");
    };
    if !ctx.directory.may_use_client(session.account, asked.client.id).await.map_err(ours)? {
        return refuse(ErrorCode::AccessDenied, "this client is not for who let the device in any more");
    }
    let scopes = scopes_of(pending);
    let Some(lives) = asked.tokens(scopes, &[]) else {
        return refuse(ErrorCode::InvalidTarget, "no such resource for this client");
    };
    let grant = NewGrant {
        client: asked.client.id,
        account: session.account,
        // A device outlives the browser in which it was let in.
        parent: None,
        label: asked.client.name.clone(),
        scopes: scopes.iter().map(|scope| scope.name().to_string()).collect(),
        auth_methods: session.auth_methods.clone(),
        authenticated_at: session.authenticated_at,
    };
    let tokens = ctx.directory.add_grant(grant, lives, false).await.map_err(ours)?;
    finish(ctx, asked, tokens, Owed::default()).await
}
