// SPDX-License-Identifier: AGPL-3.0-or-later
//! The admin pages, for members of the household who look after it: people, groups, addresses, apps, rules,
//! domains, mail that waits, what others report, the log.
//!
//! Every page is a value of [`page`], written by one template. Looking wants the right; changing wants a sign-in within
//! the last minutes besides, and is written down in the audit log with who did it.

mod aliases;
mod app;
mod apps;
mod domains;
mod groups;
mod health;
mod log;
mod page;
mod people;
mod person;
mod queue;
mod reports;
mod rules;

use std::sync::Arc;

use hearth_identity::Error;
use hearth_identity::directory::{Account, Event};
use hearth_types::{AccountId, Address, Trouble};
use hearth_web::axum::Router;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::{Path, State};
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use hearth_web::axum::routing::get;

use crate::ctx::Ctx;
use crate::page::account::{not_there, signed_in, signed_in_to_send};
use crate::page::done::Done;
use crate::page::sign_in::again::Sent;
use crate::page::visit::{Visit, see_other};
use crate::page::words;
use crate::request::params::Params;
use crate::t;

/// The purpose of every form of these pages.
const PURPOSE: &str = "look after the home";

/// The routes.
pub fn routes() -> Router<Arc<Ctx>> {
    Router::new()
        .route(health::PATH, get(health::run).post(health::post))
        .route(people::PATH, get(look::<people::People>).post(post::<people::People>))
        .route(person::ROUTE, get(look_at::<person::Person>).post(post_to::<person::Person>))
        .route(groups::PATH, get(look::<groups::Groups>).post(post::<groups::Groups>))
        .route(aliases::PATH, get(look::<aliases::Aliases>).post(post::<aliases::Aliases>))
        .route(apps::PATH, get(look::<apps::Apps>).post(post::<apps::Apps>))
        .route(app::ROUTE, get(look_at::<app::App>).post(post_to::<app::App>))
        .route(domains::PATH, get(domains::run).post(domains::post))
        .route(rules::PATH, get(look::<rules::Rules>).post(post::<rules::Rules>))
        .route(queue::PATH, get(look::<queue::Queue>).post(post::<queue::Queue>))
        .route(reports::PATH, get(reports::run))
        .route(log::PATH, get(log::run).post(log::post))
}

/// A page with a path of its own: what it shows, and what its forms change.
trait Listing {
    const PATH: &'static str;

    /// Carries out a form.
    async fn change(ctx: &Ctx, visit: &Visit, admin: &Account, form: &Params) -> Outcome;

    /// The page, with what came of a change.
    async fn page(ctx: &Ctx, visit: &Visit, said: Option<page::Said>) -> Result<Response, Trouble>;
}

/// GET.
async fn look<L: Listing>(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match admitted(&ctx, &visit).await {
        Ok(_) => L::page(&ctx, &visit, None).await.unwrap_or_else(hearth_web::page::trouble),
        Err(response) => response,
    }
}

/// POST.
async fn post<L: Listing>(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    let admin = match admitted_to_change(&ctx, &visit, &form, L::PATH).await {
        Ok(admin) => admin,
        Err(response) => return response,
    };
    let done = async {
        if visit.is_repeated(&ctx, &form).await? {
            return Ok(see_other(&Done::Before.at(L::PATH)));
        }
        let said = L::change(&ctx, &visit, &admin, &form).await?.answering(&form);
        L::page(&ctx, &visit, Some(said)).await
    };
    done.await.unwrap_or_else(hearth_web::page::trouble)
}

/// A page of one of many, by its id: what it shows, and what its forms change.
trait Single {
    type One;
    /// The list that it is of.
    const LIST: &'static str;
    /// What is said there when it is gone.
    const GONE: Done;

    /// The one of an id.
    async fn find(ctx: &Ctx, id: &str) -> Result<Option<Self::One>, Trouble>;

    /// Carries out a form; what came of it, or `None` when it is there no longer.
    async fn change(
        ctx: &Ctx,
        visit: &Visit,
        admin: &Account,
        one: &Self::One,
        form: &Params,
    ) -> Result<Option<page::Said>, Trouble>;

    /// The page, with what came of a change.
    async fn page(ctx: &Ctx, visit: &Visit, one: &Self::One, said: Option<page::Said>) -> Result<Response, Trouble>;
}

/// GET.
async fn look_at<S: Single>(State(ctx): State<Arc<Ctx>>, visit: Visit, Path(id): Path<String>) -> Response {
    if let Err(response) = admitted(&ctx, &visit).await {
        return response;
    }
    shown::<S>(&ctx, &visit, &id, None).await.unwrap_or_else(hearth_web::page::trouble)
}

async fn shown<S: Single>(ctx: &Ctx, visit: &Visit, id: &str, said: Option<page::Said>) -> Result<Response, Trouble> {
    match S::find(ctx, id).await? {
        Some(one) => S::page(ctx, visit, &one, said).await,
        None => Ok(not_there()),
    }
}

/// POST.
async fn post_to<S: Single>(State(ctx): State<Arc<Ctx>>, visit: Visit, Path(id): Path<String>, body: Bytes) -> Response {
    let (form, path) = (Params::parse(&body), format!("{}/{id}", S::LIST));
    let admin = match admitted_to_change(&ctx, &visit, &form, &path).await {
        Ok(admin) => admin,
        Err(response) => return response,
    };
    let done = async {
        if visit.is_repeated(&ctx, &form).await? {
            return Ok(see_other(&Done::Before.at(&path)));
        }
        let Some(one) = S::find(&ctx, &id).await? else { return Ok(not_there()) };
        match S::change(&ctx, &visit, &admin, &one, &form).await? {
            Some(said) => shown::<S>(&ctx, &visit, &id, Some(said.answering(&form))).await,
            None => Ok(see_other(&S::GONE.at(S::LIST))),
        }
    };
    done.await.unwrap_or_else(hearth_web::page::trouble)
}

/// Who looks, or why they may not.
async fn admitted(ctx: &Ctx, visit: &Visit) -> Result<Account, Response> {
    let (_, account) = signed_in(ctx, visit, "admin").await?;
    may(account)
}

/// Who changes something: with a form of ours, and proven a moment ago.
async fn admitted_to_change(ctx: &Ctx, visit: &Visit, form: &Params, path: &str) -> Result<Account, Response> {
    visit.check_form(ctx, PURPOSE, form.field("form"), path)?;
    let sent = Sent { purpose: PURPOSE, path, form };
    let (_, account) = signed_in_to_send(ctx, visit, "admin", &sent).await?;
    may(account)
}

#[expect(clippy::result_large_err, reason = "the error is the answer")]
fn may(account: Account) -> Result<Account, Response> {
    if account.admin {
        return Ok(account);
    }
    let heading = t("This page is for those who look after the home");
    Err(hearth_web::page::error(StatusCode::FORBIDDEN, heading, t("Ask one of them for what you need."), Some("/account")))
}

/// What came of a change: a sentence for the page, good or bad; or it is our own fault.
type Outcome = Result<page::Said, Trouble>;

/// A change that was made, or why it was not.
fn outcome<T>(result: Result<T, Error>, done: impl Into<String>) -> Outcome {
    match result {
        Ok(_) => Ok(page::Said::good(done)),
        Err(error) => refused(error),
    }
}

/// Why a change was not made.
fn refused(error: Error) -> Outcome {
    match words::refusal(&error) {
        Some(says) => Ok(page::Said::bad(says)),
        None => Err(Trouble::from(error)),
    }
}

/// An address of a form.
fn address_of(form: &Params, name: &str) -> Option<Address> {
    Address::parse(form.field(name).trim()).ok()
}

fn no_address() -> Outcome {
    Ok(page::Said::bad(t("That is not an address. Write it as name@domain.")))
}

/// Writes down who changed what.
async fn note(
    ctx: &Ctx,
    visit: &Visit,
    admin: &Account,
    event: &'static str,
    subject: Option<AccountId>,
    detail: &str,
) -> Result<(), Trouble> {
    let event = Event { subject, ..visit.event(event, admin.id, detail) };
    Ok(ctx.directory.add_audit(event).await?)
}
