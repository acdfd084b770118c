// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/apps/end`: an app is let in no longer.

use std::sync::Arc;

use hearth_types::{AccountId, ClientId, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::response::Response;
use hearth_web::page;

use super::{not_there, signed_in};
use crate::ctx::Ctx;
use crate::page::done::Done;
use crate::page::visit::{Visit, see_other};
use crate::request::params::Params;

/// The purpose of the form.
pub const END: &str = "end an app";

/// POST.
pub async fn end(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, END, form.field("form"), "/account") {
        return response;
    }
    match signed_in(&ctx, &visit, "account").await {
        Ok((_, account)) => end_all_of(&ctx, &visit, account.id, form.field("id")).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

/// Ends every grant of the app, and asks again when it comes back.
async fn end_all_of(ctx: &Ctx, visit: &Visit, account: AccountId, id: &str) -> Result<Response, Trouble> {
    let was_there = match id.parse::<ClientId>() {
        Ok(client) => visit.directory(ctx).disconnect_app(account, client).await?,
        Err(_) => false,
    };
    Ok(if was_there { see_other(&Done::AppDisconnected.at("/account")) } else { not_there() })
}
