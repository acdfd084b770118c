// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/recovery`: a sheet of codes for the day when the phone is gone.

use std::sync::Arc;

use askama::Template;
use hearth_identity::directory::Account;
use hearth_types::Trouble;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::response::Response;
use hearth_web::page;

use super::{note, signed_in_lately, signed_in_to_send};
use crate::ctx::Ctx;
use crate::notice::{Notice, tell};
use crate::page::done::Done;
use crate::page::sign_in::again::Sent;
use crate::page::visit::{Visit, see_other};
use crate::page::when;
use crate::request::params::Params;

/// Where the page is.
pub const PATH: &str = "/account/recovery";
const MAKE: &str = "make recovery codes";

#[derive(Template)]
#[template(path = "recovery.html")]
struct Page {
    home: String,
    address: String,
    made: String,
    left: usize,
    codes: Vec<String>,
    is_first: bool,
    form: String,
    once: String,
    done: Option<&'static str>,
}

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match signed_in_lately(&ctx, &visit, "recovery").await {
        Ok((_, account)) => show(&ctx, &visit, &account, Vec::new(), false).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn show(ctx: &Ctx, visit: &Visit, account: &Account, codes: Vec<String>, is_first: bool) -> Result<Response, Trouble> {
    let left = ctx.vault().count_recovery_codes(account.id).await?;
    Ok(visit.page(&Page {
        home: ctx.domain.clone(),
        address: account.primary.to_string(),
        made: when::day(ctx.now()),
        left,
        codes,
        is_first,
        form: visit.form(ctx, MAKE),
        once: Visit::once(),
        done: visit.done(),
    }))
}

/// POST: the answer shows the new sheet, once.
pub async fn make(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, MAKE, form.field("form"), PATH) {
        return response;
    }
    let sent = Sent { purpose: MAKE, path: PATH, form: &form };
    match signed_in_to_send(&ctx, &visit, "recovery", &sent).await {
        Ok((_, account)) => renew(&ctx, &visit, &account, &form).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn renew(ctx: &Ctx, visit: &Visit, account: &Account, form: &Params) -> Result<Response, Trouble> {
    if visit.is_repeated(ctx, form).await? {
        return Ok(see_other(&Done::Before.at(PATH)));
    }
    new_sheet(ctx, visit, account, false).await
}

async fn new_sheet(ctx: &Ctx, visit: &Visit, account: &Account, is_first: bool) -> Result<Response, Trouble> {
    let codes = ctx.vault().make_recovery_codes(account.id).await?;
    note(ctx, visit, account.id, "recovery-codes.made", "").await?;
    tell(ctx, visit, account, Notice::RecoveryMade, "").await;
    show(ctx, visit, account, codes.iter().map(|code| code.expose().clone()).collect(), is_first).await
}

/// A factor was added: whoever has no sheet gets one at once, before it is needed. Others go back to `path`.
pub(super) async fn after_a_first_factor(
    ctx: &Ctx,
    visit: &Visit,
    account: &Account,
    path: &'static str,
) -> Result<Response, Trouble> {
    if ctx.vault().count_recovery_codes(account.id).await? > 0 {
        return Ok(see_other(path));
    }
    new_sheet(ctx, visit, account, true).await
}
