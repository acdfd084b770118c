// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/welcome/...`: a one-time link, by which somebody who is new or has lost every way in gets a password.
//!
//! Looking at the page spends nothing, for programs look at links before people do; the form does.

use std::sync::Arc;

use askama::Template;
use hearth_identity::directory::Account;
use hearth_identity::vault::Link;
use hearth_types::{Fault, Secret, Trouble, constant_time_eq};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::{Path, State};
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use hearth_web::page;

use crate::ctx::Ctx;
use crate::endpoint::authorize::{Ended, answered};
use crate::notice::{Notice, tell};
use crate::page::visit::Visit;
use crate::page::{sign_in, words};
use crate::request::params::Params;
use crate::rule::strength;
use crate::t;

/// The route.
pub const ROUTE: &str = "/welcome/{token}";
const PURPOSE: &str = "welcome";

#[derive(Template)]
#[template(path = "welcome.html")]
struct Page<'a> {
    name: &'a str,
    address: String,
    token: &'a str,
    forget_factors: bool,
    says: Option<String>,
    form: String,
}

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit, Path(token): Path<String>) -> Response {
    match find(&ctx, &token).await {
        Ok(Some((link, account))) => show(&ctx, &visit, &token, link, &account, StatusCode::OK, None),
        Ok(None) => gone(),
        Err(trouble) => page::trouble(trouble),
    }
}

async fn find(ctx: &Ctx, token: &str) -> Result<Option<(Link, Account)>, Trouble> {
    let Some(link) = ctx.vault().find_link(token).await? else {
        return Ok(None);
    };
    let account = ctx.directory.find_account(link.account).await?;
    Ok(account.filter(|account| !account.disabled).map(|account| (link, account)))
}

fn gone() -> Response {
    let says = t("It was used before, is too old, or was mistyped. Ask whoever sent it for a new one.");
    page::error(StatusCode::NOT_FOUND, t("This link leads nowhere"), says, None)
}

fn show(
    ctx: &Ctx,
    visit: &Visit,
    token: &str,
    link: Link,
    account: &Account,
    status: StatusCode,
    says: Option<String>,
) -> Response {
    let name = if account.name.is_empty() { account.primary.local() } else { &account.name };
    let form = visit.form(ctx, PURPOSE);
    let page = Page { name, address: account.primary.to_string(), token, forget_factors: link.forget_factors, says, form };
    visit.leaving_page(status, &page, None)
}

/// POST.
pub async fn post(State(ctx): State<Arc<Ctx>>, visit: Visit, Path(token): Path<String>, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, PURPOSE, form.field("form"), sign_in::PATH) {
        return response;
    }
    answered(&ctx, decide(&ctx, &visit, &token, &form).await)
}

async fn decide(ctx: &Ctx, visit: &Visit, token: &str, form: &Params) -> Result<Response, Fault<Ended>> {
    let Some((link, account)) = find(ctx, token).await? else {
        return Ok(gone());
    };
    let again = |says: String| Ok(show(ctx, visit, token, link, &account, StatusCode::BAD_REQUEST, Some(says)));
    if !constant_time_eq(form.field("new").as_bytes(), form.field("again").as_bytes()) {
        return again(t("The two passwords are not the same.").to_string());
    }
    if let Err(error) = hearth_identity::vault::check_new_password(form.field("new")) {
        return again(words::refusal(&error).unwrap_or_default());
    }
    if let Err(says) = strength::check(form.field("new"), &account, ctx.policy().await?.guesses_log10()) {
        return again(says.to_string());
    }
    match ctx.vault().use_link(token, Secret::new(form.field("new").to_string())).await {
        Ok(true) => {}
        Ok(false) => return Ok(gone()),
        Err(error) => match words::refusal(&error) {
            Some(says) => return again(says),
            None => return Err(Fault::Ours(Trouble::from(error))),
        },
    }
    ctx.directory.end_password_sessions(account.id, None).await.map_err(Trouble::from)?;
    let event = visit.event("link.used", account.id, if link.forget_factors { "second factors forgotten" } else { "" });
    ctx.directory.add_audit(event).await.map_err(Trouble::from)?;
    tell(ctx, visit, &account, Notice::LinkUsed, "").await;
    // A link is not a second factor: whoever still has one shows it.
    if ctx.vault().has_second_factor(account.id).await.map_err(Trouble::from)? {
        return sign_in::second::ask(ctx, visit, form, &account, StatusCode::OK, None).await;
    }
    sign_in::enter(ctx, visit, form, account.id, "pwd").await
}
