// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/sign-out-everywhere`: every device but this one is out; their connections are cut within a second.

use std::sync::Arc;

use hearth_identity::directory::{Account, Session};
use hearth_types::Trouble;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::response::Response;
use hearth_web::page;

use super::{note, signed_in};
use crate::ctx::Ctx;
use crate::notice::{Notice, tell};
use crate::page::done::Done;
use crate::page::visit::{Visit, see_other};
use crate::request::params::Params;

/// The purpose of the form.
pub const END: &str = "sign out everywhere";

/// POST.
pub async fn end(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, END, form.field("form"), "/account") {
        return response;
    }
    let with_app_passwords = form.field("app-passwords") == "end";
    match signed_in(&ctx, &visit, "account").await {
        Ok((session, account)) => end_all(&ctx, &visit, session, &account, with_app_passwords).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn end_all(
    ctx: &Ctx,
    visit: &Visit,
    session: &Session,
    account: &Account,
    with_app_passwords: bool,
) -> Result<Response, Trouble> {
    if with_app_passwords {
        let mut labels = Vec::new();
        for app in ctx.vault().list_app_passwords(account.id).await? {
            // The secret first: whoever is cut off must not come back.
            ctx.vault().remove_app_password(app.id).await?;
            ctx.directory.end_session(app.id).await?;
            labels.push(app.label);
        }
        if !labels.is_empty() {
            tell(ctx, visit, account, Notice::AppPasswordsEnded, &labels.join(", ")).await;
        }
    }
    ctx.directory.end_password_sessions(account.id, Some(session.id)).await?;
    let detail = if with_app_passwords { "with app passwords" } else { "" };
    note(ctx, visit, account.id, "signed-out-everywhere", detail).await?;
    Ok(see_other(&Done::EverywhereOut.at("/account")))
}
