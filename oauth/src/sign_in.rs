// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/sign-in`: a person proves who they are.
//!
//! Where they go afterwards is a request to [`authorize`](crate::authorize), read anew there, or one
//! of our own pages by name: there is no address in it that a stranger could choose.

use std::sync::Arc;

use askama::Template;
use hearth_identity::login::Refusal;
use hearth_types::{Address, Domain, Fault, Secret, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::{RawQuery, State};
use hearth_web::axum::http::{HeaderValue, StatusCode, header};
use hearth_web::axum::response::Response;
use hearth_web::page;

use crate::account;
use crate::authorize::{self, Ended, admit, answered, leaving_by};
use crate::ctx::Ctx;
use crate::gate::SignIn;
use crate::limits::USER_NAME_CHARS_MAX;
use crate::params::Params;
use crate::visit::{Visit, see_other};

/// Where the page is.
pub const PATH: &str = "/sign-in";
const PURPOSE: &str = "sign-in";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    app: Option<&'a str>,
    domain: &'a str,
    user: &'a str,
    says: Option<String>,
    request: &'a str,
    to: &'a str,
    form: String,
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
    let page = Page {
        app: admitted.as_ref().map(|admitted| admitted.client.name.as_str()),
        domain: &ctx.domain,
        user: if typed.chars().count() <= USER_NAME_CHARS_MAX { typed } else { "" },
        says,
        request,
        to: account::place(params.field("to")).0,
        form: visit.form(ctx, PURPOSE),
    };
    Ok(visit.leaving_page(status, &page, admitted.as_ref().and_then(leaving_by)))
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
    let user = user_of(form.field("username"), &ctx.domain);
    let password = Secret::new(form.field("password").to_string());
    match ctx.doorkeeper.sign_in(&user, &password, visit.peer.ip).await? {
        SignIn::Done(account) => {
            let (_, signed_in) = visit.sign_in(ctx, account.id, "pwd").await?;
            let next = match form.field("request") {
                "" => account::place(form.field("to")).1.to_string(),
                request => {
                    let request = Params::parse(request.as_bytes()).without(crate::request::FRESH);
                    let mark = signed_in.form(ctx, &authorize::fresh_purpose(&request.encode()));
                    authorize::location_of(&request.with(crate::request::FRESH, &mark).encode())
                }
            };
            Ok(signed_in.set(see_other(&next)))
        }
        SignIn::SecondFactor(_) => Ok(page::error(
            StatusCode::FORBIDDEN,
            "A second factor is needed",
            "This account asks for a second factor, and this release cannot check it on this page yet.",
            Some(PATH),
        )),
        SignIn::Refused(refusal) => refused(ctx, visit, form, refusal).await,
    }
}

async fn refused(ctx: &Ctx, visit: &Visit, form: &Params, refusal: Refusal) -> Result<Response, Fault<Ended>> {
    let (status, says, wait) = match refusal {
        Refusal::Wait(wait) => {
            let minutes = wait.as_secs().div_ceil(60).max(1);
            let says = format!(
                "There were too many wrong passwords. Try again in {minutes} minute{}.",
                if minutes == 1 { "" } else { "s" }
            );
            (StatusCode::TOO_MANY_REQUESTS, says, Some(wait))
        }
        _ => (StatusCode::UNAUTHORIZED, "That name and password do not go together. Check both and try again.".to_string(), None),
    };
    let mut response = show(ctx, visit, form, status, Some(says)).await?;
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
