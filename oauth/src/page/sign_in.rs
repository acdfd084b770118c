// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/sign-in`: a person proves who they are.
//!
//! Where they go afterwards is a request to [`authorize`], read anew there, or one
//! of our own pages by name: there is no address in it that a stranger could choose.
//!
//! A passkey alone is enough when its device checked who holds it ([`passkey`]). After a password comes
//! the second factor, where the account has one ([`second`]).

pub(crate) mod again;
pub mod passkey;
pub mod second;

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use hearth_identity::login::Refusal;
use hearth_types::{AccountId, Address, Domain, Fault, Secret, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::{RawQuery, State};
use hearth_web::axum::http::{HeaderValue, StatusCode, header};
use hearth_web::axum::response::Response;
use hearth_web::lang;

use again::Still;

use crate::ctx::Ctx;
use crate::endpoint::authorize::{self, Ended, admit, answered, leaving_by};
use crate::gate::SignIn;
use crate::limits::USER_NAME_CHARS_MAX;
use crate::notice::{Notice, tell};
use crate::page::account;
use crate::page::visit::{Visit, see_other};
use crate::request::params::Params;
use crate::{t, t1};

/// Where the page is.
pub const PATH: &str = "/sign-in";
const PURPOSE: &str = "sign-in";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    app: Option<&'a str>,
    domain: &'a str,
    user: &'a str,
    /// Whoever is signed in proves it anew.
    still: Option<Still>,
    /// It is to be somebody else than who is signed in.
    instead_of: Option<String>,
    carried: &'a str,
    says: Option<String>,
    request: &'a str,
    to: &'a str,
    form: String,
    passkey: String,
    has_passkey: bool,
}

/// Where the page is for a request.
pub fn location_for(query: &str) -> String {
    format!("{PATH}?{}", Params::default().with("request", query).encode())
}

/// Where the page is for one of the account pages.
pub fn location_to(to: &str) -> String {
    format!("{PATH}?{}", Params::default().with("to", to).encode())
}

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    answered(&ctx, show(&ctx, &visit, &params, StatusCode::OK, None).await)
}

async fn show(
    ctx: &Ctx,
    visit: &Visit,
    params: &Params,
    status: StatusCode,
    says: Option<String>,
) -> Result<Response, Fault<Ended>> {
    let request = params.field("request");
    let admitted = if request.is_empty() { None } else { Some(admit(ctx, request).await?) };
    let hint = admitted.as_ref().and_then(|admitted| admitted.pending.login_hint.as_deref()).unwrap_or_default();
    let typed = params.find("username").unwrap_or(hint);
    let here = visit.account(ctx).await?;
    let is_other = params.field("other") == "yes";
    let asks_again = request.is_empty() && params.find("to").is_some() && !is_other;
    let still = here.as_ref().filter(|_| asks_again);
    let known: Vec<_> = match still {
        Some(account) => ctx.vault().list_passkeys(account.id).await.map_err(Trouble::from)?,
        // No passkey is named to a stranger: a list would say who lives here and what they have.
        None => Vec::new(),
    };
    let has_passkey = still.is_none() || !known.is_empty();
    let passkey = passkey::options(ctx, visit, passkey::SIGN_IN, known.into_iter().map(|one| one.credential).collect());
    let page = Page {
        app: admitted.as_ref().map(|admitted| admitted.client.name.as_str()),
        domain: &ctx.domain,
        user: if typed.chars().count() <= USER_NAME_CHARS_MAX { typed } else { "" },
        still: still.map(|account| Still::of(account, params)),
        instead_of: here.as_ref().filter(|_| is_other).map(|account| account.primary.to_string()),
        carried: params.field(again::CARRIED),
        says,
        request,
        to: account::place(params.field("to")).0,
        form: visit.form(ctx, PURPOSE),
        passkey,
        has_passkey,
    };
    Ok(visit.script_page(status, &page, admitted.as_ref().and_then(leaving_by)))
}

/// POST.
pub async fn post(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    let again = if form.field("request").is_empty() { PATH.to_string() } else { location_for(form.field("request")) };
    // Without this another site could sign somebody in as its own account and read what they then do (login CSRF).
    if let Err(response) = visit.check_form(&ctx, PURPOSE, form.field("form"), &again) {
        return response;
    }
    answered(&ctx, decide(&ctx, &visit, &form).await)
}

async fn decide(ctx: &Ctx, visit: &Visit, form: &Params) -> Result<Response, Fault<Ended>> {
    let user = match visit.account(ctx).await?.filter(|_| form.field(again::WHO) == again::SAME) {
        Some(here) => here.primary.to_string(),
        None => user_of(form.field("username"), &ctx.domain),
    };
    let password = Secret::new(form.field("password").to_string());
    match ctx.doorkeeper.sign_in(&user, &password, visit.peer.ip, &visit.known).await? {
        SignIn::Done(account) => enter(ctx, visit, form, account.id, "pwd").await,
        SignIn::SecondFactor(account) => second::ask(ctx, visit, form, &account, StatusCode::OK, None).await,
        SignIn::Refused(refusal) => {
            let (status, says, wait) =
                refusal_in_words(refusal, t("That name and password do not go together. Check both and try again."));
            told_to_wait(show(ctx, visit, form, status, Some(says)).await?, wait)
        }
    }
}

/// They proved who they are: begins the session and goes on to where they were going. `methods` are values
/// of RFC 8176 with a space between.
pub async fn enter(ctx: &Ctx, visit: &Visit, form: &Params, account: AccountId, methods: &str) -> Result<Response, Fault<Ended>> {
    // Whoever was asked whether they are still who they were does not become another without a word.
    if form.field(again::WHO) == again::SAME && visit.session.as_ref().is_some_and(|here| here.account != account) {
        let says = t("That is somebody else's. To go on as somebody else, choose so below.").to_string();
        return show(ctx, visit, form, StatusCode::FORBIDDEN, Some(says)).await;
    }
    let (_, signed_in) = visit.sign_in(ctx, account, methods).await?;
    let event = visit.event("login.done", account, methods);
    ctx.directory.add_audit(event).await.map_err(Trouble::from)?;
    if let Some(account) = ctx.directory.find_account(account).await.map_err(Trouble::from)? {
        if account.language.is_none() {
            // The first sign-in says how they want to be written to, until they choose.
            ctx.directory.change_account_language(account.id, lang().tag()).await.map_err(Trouble::from)?;
        }
        if signed_in.is_new_device {
            tell(ctx, visit, &account, Notice::NewDevice, "").await;
        }
    }
    if form.field(again::WHO) == again::SAME
        && let Some(carried) = again::read(ctx, visit, form)
    {
        return Ok(signed_in.set(again::resume(ctx, visit, &signed_in, &carried)));
    }
    let next = match form.field("request") {
        "" => account::place(form.field("to")).1.to_string(),
        request => {
            let request = Params::parse(request.as_bytes()).without(crate::request::authorization::FRESH);
            let mark = signed_in.form(ctx, &authorize::fresh_purpose(&request.encode()));
            authorize::location_of(&request.with(crate::request::authorization::FRESH, &mark).encode())
        }
    };
    Ok(signed_in.set(see_other(&next)))
}

/// What is said of a refusal, and how long to wait.
fn refusal_in_words(refusal: Refusal, wrong: &str) -> (StatusCode, String, Option<Duration>) {
    match refusal {
        Refusal::Wait(wait) => {
            let minutes = wait.as_secs().div_ceil(60).max(1);
            let says = match minutes {
                1 => t("There were too many wrong passwords. Try again in a minute.").to_string(),
                _ => t1("There were too many wrong passwords. Try again in {} minutes.", minutes),
            };
            (StatusCode::TOO_MANY_REQUESTS, says, Some(wait))
        }
        _ => (StatusCode::UNAUTHORIZED, wrong.to_string(), None),
    }
}

fn told_to_wait(mut response: Response, wait: Option<Duration>) -> Result<Response, Fault<Ended>> {
    if let Some(wait) = wait {
        let seconds = HeaderValue::from_str(&wait.as_secs().max(1).to_string()).map_err(Trouble::from)?;
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    Ok(response)
}

/// What a person typed, as an address: `alice` is `alice@` the home's domain.
fn user_of(typed: &str, domain: &str) -> String {
    let typed = typed.trim();
    if typed.contains('@') {
        return typed.to_string();
    }
    Domain::parse(domain)
        .ok()
        .and_then(|domain| Address::new(typed, domain).ok())
        .map_or_else(|| typed.to_string(), |a| a.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_is_of_this_home() {
        for (typed, user) in
            [("alice", "alice@home.example"), (" alice ", "alice@home.example"), ("a@b.example", "a@b.example"), ("", "")]
        {
            assert_eq!(user_of(typed, "home.example"), user);
        }
    }
}
