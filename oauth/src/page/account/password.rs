// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/password`: a new password, for somebody who knows the old one.
//!
//! Whoever else knew the old one is out: every other device and every app is signed out. App
//! passwords stay, for they are not it.

use std::sync::Arc;

use askama::Template;
use hearth_identity::directory::{Account, Session};
use hearth_identity::login::Refusal;
use hearth_types::{Secret, Trouble, constant_time_eq};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use hearth_web::page;

use super::signed_in;
use crate::ctx::Ctx;
use crate::gate::SignIn;
use crate::notice::{Notice, tell};
use crate::page::visit::Visit;
use crate::page::words;
use crate::request::params::Params;
use crate::rule::strength;
use crate::t;

const CHANGE: &str = "change the password";
const PATH: &str = "/account/password";

#[derive(Template)]
#[template(path = "password.html")]
struct Page {
    address: String,
    says: Option<String>,
    is_done: bool,
    form: String,
}

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match signed_in(&ctx, &visit, "password").await {
        Ok((_, account)) => show(&ctx, &visit, &account, StatusCode::OK, None, false),
        Err(response) => response,
    }
}

fn show(ctx: &Ctx, visit: &Visit, account: &Account, status: StatusCode, says: Option<String>, is_done: bool) -> Response {
    let page = Page { address: account.primary.to_string(), says, is_done, form: visit.form(ctx, CHANGE) };
    visit.leaving_page(status, &page, None)
}

/// POST.
pub async fn change(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, CHANGE, form.field("form"), PATH) {
        return response;
    }
    match signed_in(&ctx, &visit, "password").await {
        Ok((session, account)) => decide(&ctx, &visit, session, &account, &form).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn decide(ctx: &Ctx, visit: &Visit, session: &Session, account: &Account, form: &Params) -> Result<Response, Trouble> {
    let refused = |status, says: &str| Ok(show(ctx, visit, account, status, Some(says.to_string()), false));
    let field = |name: &str| Secret::new(form.field(name).to_string());
    let (current, new, again) = (field("current"), field("new"), field("again"));
    if !constant_time_eq(new.expose().as_bytes(), again.expose().as_bytes()) {
        return refused(StatusCode::BAD_REQUEST, t("The two new passwords are not the same."));
    }
    if let Err(error) = hearth_identity::vault::check_new_password(new.expose()) {
        return refused(StatusCode::BAD_REQUEST, &words::refusal(&error).unwrap_or_default());
    }
    // Counted like a sign-in: a stolen cookie must not become an oracle for the password.
    match ctx.doorkeeper.sign_in(&account.primary.to_string(), &current, visit.peer.ip, &visit.known).await? {
        SignIn::Done(_) | SignIn::SecondFactor(_) => {}
        SignIn::Refused(Refusal::Wait(_)) => {
            return refused(StatusCode::TOO_MANY_REQUESTS, t("There were too many wrong passwords. Try again in a few minutes."));
        }
        SignIn::Refused(_) => return refused(StatusCode::FORBIDDEN, t("That is not your current password.")),
    }
    if let Err(says) = strength::check(new.expose(), account, ctx.policy().await?.guesses_log10()) {
        return refused(StatusCode::BAD_REQUEST, says);
    }
    match ctx.vault().set_password(account.id, Some(new)).await {
        Ok(()) => {}
        Err(error) => match words::refusal(&error) {
            Some(says) => return refused(StatusCode::BAD_REQUEST, &says),
            None => return Err(Trouble::from(error)),
        },
    }
    ctx.directory.end_password_sessions(account.id, Some(session.id)).await?;
    let event = visit.event("password.changed", account.id, "");
    ctx.directory.add_audit(event).await?;
    tell(ctx, visit, account, Notice::PasswordChanged, "").await;
    Ok(show(ctx, visit, account, StatusCode::OK, None, true))
}
