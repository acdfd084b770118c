// SPDX-License-Identifier: AGPL-3.0-or-later
//! The account pages: what somebody has here, and how to end each thing of it.

mod app;
mod app_password;
mod contact;
mod everywhere;
mod find;
mod key;
mod kit;
mod mail;
mod overview;
pub mod passkey;
mod password;
mod profile;
mod proof;
mod recovery;
mod rules;
mod session;
mod totp;
mod why;

use std::sync::Arc;

use hearth_identity::directory::{Account, Session};
use hearth_types::{AccountId, Trouble};
use hearth_web::axum::Router;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use hearth_web::axum::routing::{get, post};
use hearth_web::page;
use serde_json::json;

use crate::ctx::Ctx;
use crate::endpoint::metadata::public_json;
use crate::limits::SUDO_WITHIN;
use crate::page::sign_in::again::Sent;
use crate::page::sign_in::{self, again};
use crate::page::visit::{Visit, see_other};
use crate::registry::at;
use crate::rule::two_factors;
use crate::t;

/// The pages that a sign-in can lead to: a name for the form, and the path.
const PLACES: [(&str, &str); 14] = [
    ("account", "/account"),
    ("app-password", "/account/app-passwords/new"),
    ("password", "/account/password"),
    ("passkeys", passkey::PATH),
    ("authenticator", totp::PATH),
    ("recovery", recovery::PATH),
    ("device", crate::endpoint::device_grant::PATH),
    ("admin", "/admin"),
    ("mail", mail::PATH),
    ("key", key::PATH),
    ("find", find::PATH),
    ("contact", contact::PATH),
    ("why", why::PATH),
    ("profile", profile::PATH),
];

/// A page by its name; the first when the name is none of ours.
pub fn place(name: &str) -> (&'static str, &'static str) {
    let [first, ..] = PLACES;
    PLACES.into_iter().find(|(known, _)| *known == name).unwrap_or(first)
}

/// The routes.
pub fn routes() -> Router<Arc<Ctx>> {
    Router::new()
        .route("/", get(|| async { see_other("/account") }))
        // https://www.w3.org/TR/change-password-url/: where password managers look.
        .route(const { at("/.well-known/change-password") }, get(|| async { see_other("/account/password") }))
        .route("/account", get(overview::run))
        .route("/account/app-passwords/new", get(app_password::run).post(app_password::add))
        .route("/account/app-passwords/end", post(app_password::end))
        .route("/account/app-passwords/profile", post(app_password::profile))
        .route("/account/app-passwords/addon", post(app_password::addon))
        .route("/account/sessions/end", post(session::end))
        .route("/account/apps/end", post(app::end))
        .route("/account/password", get(password::run).post(password::change))
        .route(passkey::PATH, get(passkey::run).post(passkey::add))
        .route("/account/passkeys/rename", post(passkey::rename))
        .route("/account/passkeys/end", post(passkey::end))
        .route(totp::PATH, get(totp::run).post(totp::add))
        .route("/account/authenticator/confirm", post(totp::confirm))
        .route("/account/authenticator/forget", post(totp::give_up))
        .route("/account/authenticator/end", post(totp::end))
        .route(recovery::PATH, get(recovery::run).post(recovery::make))
        .route(contact::PATH, get(contact::run).post(contact::change))
        .route(contact::PROOF, get(contact::proof).post(contact::prove))
        .route(profile::PATH, get(profile::run).post(profile::change))
        .route(why::PATH, get(why::run))
        .route(mail::PATH, get(mail::run).post(mail::change))
        .route(mail::PROOF, get(mail::proof).post(mail::prove))
        .route(key::PATH, get(key::run).post(key::change))
        .route(key::SHEET, get(key::sheet))
        .route(find::PATH, get(find::run).post(find::look))
        .route("/account/sign-out-everywhere", post(everywhere::end))
        // https://www.w3.org/TR/passkey-endpoints/: where password managers look.
        .route(const { at("/.well-known/passkey-endpoints") }, get(passkey_endpoints))
}

async fn passkey_endpoints(State(ctx): State<Arc<Ctx>>) -> Response {
    let page = format!("{}{}", ctx.issuer, passkey::PATH);
    public_json(&json!({ "enroll": page, "manage": page }))
}

/// Writes down what somebody changed of their own.
async fn note(ctx: &Ctx, visit: &Visit, account: AccountId, event: &'static str, detail: &str) -> Result<(), Trouble> {
    visit.note(ctx, account, event, detail).await
}

/// Who is signed in, or the sign-in page that leads back to `to`.
pub(crate) async fn signed_in<'v>(ctx: &Ctx, visit: &'v Visit, to: &str) -> Result<(&'v Session, Account), Response> {
    let Some(session) = &visit.session else {
        return Err(see_other(&sign_in::location_to(to)));
    };
    match ctx.directory.find_account(session.account).await {
        Ok(Some(account)) => match two_factors::check(ctx, visit, session, &account, to).await {
            Ok(None) => Ok((session, account)),
            Ok(Some(response)) => Err(response),
            Err(trouble) => Err(page::trouble(trouble)),
        },
        Ok(None) => Err(see_other(&sign_in::location_to(to))),
        Err(error) => Err(page::trouble(Trouble::from(error))),
    }
}

/// The same, for what makes a secret: the person proved who they are a moment ago.
pub(crate) async fn signed_in_lately<'v>(ctx: &Ctx, visit: &'v Visit, to: &str) -> Result<(&'v Session, Account), Response> {
    let (session, account) = signed_in(ctx, visit, to).await?;
    if ctx.now().since(session.authenticated_at) > SUDO_WITHIN {
        return Err(see_other(&sign_in::location_to(to)));
    }
    Ok((session, account))
}

/// The same, for a form: when it is too long ago they prove it anew, and what they typed goes on by itself then.
pub(crate) async fn signed_in_to_send<'v>(
    ctx: &Ctx,
    visit: &'v Visit,
    to: &str,
    sent: &Sent<'_>,
) -> Result<(&'v Session, Account), Response> {
    let (session, account) = signed_in(ctx, visit, to).await?;
    if ctx.now().since(session.authenticated_at) > SUDO_WITHIN {
        return Err(again::ask(ctx, visit, to, sent).await);
    }
    Ok((session, account))
}

/// What was to be ended is not there, or is not theirs.
pub(crate) fn not_there() -> Response {
    page::error(
        StatusCode::NOT_FOUND,
        t("That is gone already"),
        t("It was ended before, here or on another device."),
        Some("/account"),
    )
}
