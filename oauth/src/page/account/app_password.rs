// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/app-passwords`: a password for one mail program on one device.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use hearth_identity::directory::Account;
use hearth_identity::service::{Service, Services};
use hearth_types::{Secret, SessionId, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use hearth_web::page;

use super::kit::Kit;
use super::{not_there, note, signed_in, signed_in_lately, signed_in_to_send};
use crate::ctx::Ctx;
use crate::limits::FORM_TEXT_BYTES_MAX;
use crate::notice::{Notice, tell};
use crate::page::done::Done;
use crate::page::sign_in::again::Sent;
use crate::page::visit::{Visit, see_other};
use crate::page::words;
use crate::request::params::Params;
use crate::t;

/// The purposes of the forms.
pub const END: &str = "end an app password";
const ADD: &str = "add an app password";
const KIT: &str = "settings for a mail program";
const PATH: &str = "/account/app-passwords/new";
const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Template)]
#[template(path = "app_password_new.html")]
struct NewPage<'a> {
    says: Option<String>,
    label: &'a str,
    /// What was chosen before it came to nothing.
    what: &'a str,
    days: u32,
    lives: [(u32, &'static str); 3],
    form: String,
    once: String,
}

#[derive(Template)]
#[template(path = "app_password_shown.html")]
struct ShownPage<'a> {
    label: &'a str,
    address: String,
    password: &'a str,
    host: &'a str,
    imap: u16,
    submission: u16,
    /// It may read mail: there are files for mail programs, and a picture.
    reads: bool,
    picture: String,
    form: String,
}

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match signed_in_lately(&ctx, &visit, "app-password").await {
        Ok(_) => ask(&ctx, &visit, &Params::default(), None),
        Err(response) => response,
    }
}

fn ask(ctx: &Ctx, visit: &Visit, typed: &Params, says: Option<String>) -> Response {
    let label = Some(typed.field("label")).filter(|label| label.len() <= FORM_TEXT_BYTES_MAX).unwrap_or_default();
    let (what, days) = (typed.field("for"), typed.field("days").parse().unwrap_or_default());
    visit.page(&NewPage { says, label, what, days, lives: lives(), form: visit.form(ctx, ADD), once: Visit::once() })
}

/// POST: the answer shows the password, once.
pub async fn add(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, ADD, form.field("form"), PATH) {
        return response;
    }
    let sent = Sent { purpose: ADD, path: PATH, form: &form };
    match signed_in_to_send(&ctx, &visit, "app-password", &sent).await {
        Ok((_, account)) => make(&ctx, &visit, &account, &form).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn make(ctx: &Ctx, visit: &Visit, account: &Account, form: &Params) -> Result<Response, Trouble> {
    if visit.is_repeated(ctx, form).await? {
        return Ok(see_other(&Done::Before.at("/account")));
    }
    let label = form.field("label").trim();
    let services: Services = match form.field("for") {
        "send-only" => [Service::Smtp].into_iter().collect(),
        "read-only" => Service::MAIL.into_iter().filter(|service| *service != Service::Smtp).collect(),
        _ => Services::mail(),
    };
    let days = form.field("days").parse::<u32>().ok().filter(|days| lives().iter().any(|(known, _)| known == days));
    let expires_at = days.map(|days| ctx.now().after(DAY * days));
    if label.is_empty() || label.len() > FORM_TEXT_BYTES_MAX {
        let says = t("Give it a name, such as the device that it is for.").to_string();
        return Ok(ask(ctx, visit, form, Some(says)));
    }
    match ctx.doorkeeper.add_app_password(account, label, services, expires_at).await {
        Ok((_, password)) => {
            note(ctx, visit, account.id, "app-password.added", label).await?;
            tell(ctx, visit, account, Notice::AppPasswordAdded, label).await;
            shown(ctx, visit, account, label, services, password.expose())
        }
        Err(error) => match words::refusal(&error) {
            Some(says) => Ok(ask(ctx, visit, form, Some(says))),
            None => Err(Trouble::from(error)),
        },
    }
}

/// How long it can live, in days.
fn lives() -> [(u32, &'static str); 3] {
    [(7, t("A week")), (90, t("Three months")), (365, t("A year"))]
}

fn shown(
    ctx: &Ctx,
    visit: &Visit,
    account: &Account,
    label: &str,
    services: Services,
    password: &str,
) -> Result<Response, Trouble> {
    let reads = services.admits(Service::Imap);
    let kit = Kit::of(&ctx.home, account, password);
    let page = ShownPage {
        label,
        address: account.primary.to_string(),
        password,
        host: &ctx.home.hostname,
        imap: ctx.home.port(993),
        submission: ctx.home.port(465),
        reads,
        picture: if reads { kit.picture()? } else { String::new() },
        form: visit.form(ctx, KIT),
    };
    Ok(visit.script_page(StatusCode::OK, &page, None))
}

/// POST: the profile that an iPhone or a Mac takes.
pub async fn profile(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    hand_out(&ctx, &visit, &body, |kit| Ok(kit.profile())).await
}

/// POST: the add-on that Thunderbird takes.
pub async fn addon(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    hand_out(&ctx, &visit, &body, |kit| kit.addon()).await
}

/// A file with the password that its page showed. Nothing is kept for it.
async fn hand_out(ctx: &Ctx, visit: &Visit, body: &[u8], file: impl FnOnce(&Kit<'_>) -> Result<Response, Trouble>) -> Response {
    let form = Params::parse(body);
    if let Err(response) = visit.check_form(ctx, KIT, form.field("form"), PATH) {
        return response;
    }
    let account = match signed_in_lately(ctx, visit, "app-password").await {
        Ok((_, account)) => account,
        Err(response) => return response,
    };
    let password = Secret::new(form.field("password").to_string());
    match ctx.vault().find_app_password(account.id, &password).await {
        Ok(Some(_)) => file(&Kit::of(&ctx.home, &account, password.expose())).unwrap_or_else(page::trouble),
        Ok(None) => not_there(),
        Err(error) => page::trouble(Trouble::from(error)),
    }
}

/// POST: takes one back.
pub async fn end(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, END, form.field("form"), "/account") {
        return response;
    }
    match signed_in(&ctx, &visit, "account").await {
        Ok((_, account)) => end_one(&ctx, &visit, &account, form.field("id")).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn end_one(ctx: &Ctx, visit: &Visit, account: &Account, id: &str) -> Result<Response, Trouble> {
    let all = ctx.vault().list_app_passwords(account.id).await?;
    // Looked for among their own: an id says nothing of whose it is.
    let Some(one) = id.parse::<SessionId>().ok().and_then(|id| all.into_iter().find(|one| one.id == id)) else {
        return Ok(not_there());
    };
    ctx.vault().remove_app_password(one.id).await?;
    ctx.directory.end_session(one.id).await?;
    note(ctx, visit, account.id, "app-password.ended", &one.label).await?;
    tell(ctx, visit, account, Notice::AppPasswordRemoved, &one.label).await;
    Ok(see_other(&Done::AppPasswordEnded.at("/account")))
}
