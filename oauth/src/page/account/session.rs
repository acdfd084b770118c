// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/sessions/end`: a device that is signed in is not any more.

use std::sync::Arc;

use hearth_types::{AccountId, SessionId, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::response::Response;
use hearth_web::page;

use super::{not_there, note, signed_in};
use crate::ctx::Ctx;
use crate::page::done::Done;
use crate::page::user_agent;
use crate::page::visit::{Visit, see_other};
use crate::request::params::Params;

/// The purpose of the form.
pub const END: &str = "end a device";

/// POST.
pub async fn end(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, END, form.field("form"), "/account") {
        return response;
    }
    match signed_in(&ctx, &visit, "account").await {
        Ok((_, account)) => end_one(&ctx, &visit, account.id, form.field("id")).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn end_one(ctx: &Ctx, visit: &Visit, account: AccountId, id: &str) -> Result<Response, Trouble> {
    let session = match id.parse::<SessionId>() {
        Ok(id) => ctx.directory.find_session(id).await?,
        Err(_) => None,
    };
    match session.filter(|session| session.account == account && session.ended_at.is_none()) {
        Some(session) => {
            ctx.directory.end_session(session.id).await?;
            note(ctx, visit, account, "device.signed-out", &user_agent::in_log(&session)).await?;
            Ok(see_other(&Done::DeviceOut.at("/account")))
        }
        None => Ok(not_there()),
    }
}
