// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/profile`: what somebody is called, and the language that letters come to them in. Pages speak as the browser asks.

use std::sync::Arc;

use askama::Template;
use hearth_identity::directory::Account;
use hearth_types::Trouble;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use hearth_web::{Lang, lang, page};

use super::{note, signed_in};
use crate::ctx::Ctx;
use crate::page::done::Done;
use crate::page::visit::{Visit, see_other};
use crate::page::words;
use crate::request::params::Params;

/// Where the page is.
pub const PATH: &str = "/account/profile";
const CHANGE: &str = "change the profile";

#[derive(Template)]
#[template(path = "profile.html")]
struct Page<'a> {
    says: Option<String>,
    name: &'a str,
    languages: [(&'static str, &'static str); 2],
    chosen: &'a str,
    form: String,
}

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match signed_in(&ctx, &visit, "profile").await {
        Ok((_, account)) => show(&ctx, &visit, &account.name, account.language.as_deref(), None),
        Err(response) => response,
    }
}

fn show(ctx: &Ctx, visit: &Visit, name: &str, language: Option<&str>, says: Option<String>) -> Response {
    let status = if says.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = Page {
        says,
        name,
        // Each in its own words: whoever reads it looks for theirs.
        languages: Lang::ALL.map(|lang| (lang.tag(), lang.pick("English", "Français"))),
        chosen: language.unwrap_or_else(|| lang().tag()),
        form: visit.form(ctx, CHANGE),
    };
    visit.leaving_page(status, &page, None)
}

/// POST.
pub async fn change(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, CHANGE, form.field("form"), PATH) {
        return response;
    }
    match signed_in(&ctx, &visit, "profile").await {
        Ok((_, account)) => decide(&ctx, &visit, &account, &form).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn decide(ctx: &Ctx, visit: &Visit, account: &Account, form: &Params) -> Result<Response, Trouble> {
    let name = form.field("name").trim();
    if name != account.name
        && let Err(error) = visit.directory(ctx).change_account_name(account.id, name).await
    {
        return match words::refusal(&error) {
            Some(says) => Ok(show(ctx, visit, name, form.find("language"), Some(says))),
            None => Err(Trouble::from(error)),
        };
    }
    if let Some(language) = Lang::find([form.field("language")]).filter(|lang| account.language.as_deref() != Some(lang.tag())) {
        ctx.directory.change_account_language(account.id, language.tag()).await?;
        note(ctx, visit, account.id, "account.language", language.tag()).await?;
    }
    Ok(see_other(&Done::ProfileChanged.at("/account")))
}
