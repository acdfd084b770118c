// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/contact`: an address elsewhere, where somebody is told of what concerns the safety of their account.
//!
//! It counts when a letter that went there was answered by its link, by who is signed in as its owner. Nothing is stored
//! until then ([`super::proof`]).

use std::sync::Arc;

use askama::Template;
use hearth_identity::directory::Account;
use hearth_types::{Address, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::{Path, State};
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use hearth_web::page;

use super::proof::Proof;
use super::{note, signed_in_lately, signed_in_to_send};
use crate::ctx::Ctx;
use crate::notice::{Notice, ask_for_proof, tell};
use crate::page::done::Done;
use crate::page::sign_in::again::Sent;
use crate::page::visit::{Visit, see_other};
use crate::page::words::n;
use crate::request::params::Params;
use crate::{t, t1};

/// Where the page is.
pub const PATH: &str = "/account/contact";
/// Where the link of a letter leads.
pub const PROOF: &str = "/account/contact/{token}";
const CHANGE: &str = "change the address elsewhere";
const PROVE: &str = "prove the address elsewhere";

#[derive(Template)]
#[template(path = "contact.html")]
struct Page {
    says: Option<(bool, String)>,
    contact: Option<String>,
    /// The token of a link, and the address that it proves.
    proof: Option<(String, String)>,
    form: String,
    /// An address that was not taken.
    typed: String,
}

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match signed_in_lately(&ctx, &visit, "contact").await {
        Ok((_, account)) => show(&ctx, &visit, &account, None, "").await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn show(ctx: &Ctx, visit: &Visit, account: &Account, says: Option<(bool, String)>, typed: &str) -> Result<Response, Trouble> {
    let says = says.or_else(|| visit.done().map(|done| (true, done.to_string())));
    let status = if says.as_ref().is_some_and(|(is_good, _)| !is_good) { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let contact = ctx.directory.find_contact(account.id).await?.map(|address| address.to_string());
    let page = Page { says, contact, proof: None, form: visit.form(ctx, CHANGE), typed: typed.to_string() };
    Ok(visit.leaving_page(status, &page, None))
}

/// POST: a letter goes to a new address, or the one that is known is forgotten.
pub async fn change(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, CHANGE, form.field("form"), PATH) {
        return response;
    }
    let sent = Sent { purpose: CHANGE, path: PATH, form: &form };
    match signed_in_to_send(&ctx, &visit, "contact", &sent).await {
        Ok((_, account)) => decide(&ctx, &visit, &account, &form).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn decide(ctx: &Ctx, visit: &Visit, account: &Account, form: &Params) -> Result<Response, Trouble> {
    if form.field("do") == "forget" {
        // Told first: whoever takes it away must not be able to do so in silence.
        tell(ctx, visit, account, Notice::ContactRemoved, "").await;
        if ctx.directory.remove_contact(account.id).await? {
            note(ctx, visit, account.id, "contact.removed", "").await?;
        }
        return show(ctx, visit, account, Some((true, t("It is forgotten.").to_string())), "").await;
    }
    let Ok(address) = Address::parse(form.field("address").trim()) else {
        return show(
            ctx,
            visit,
            account,
            Some((false, t("That is not an address. Write it as name@domain.").to_string())),
            form.field("address"),
        )
        .await;
    };
    if ctx.directory.find_account_by_address(&address).await?.is_some_and(|known| known.id == account.id) {
        return show(
            ctx,
            visit,
            account,
            Some((false, t("That address is in this home: choose one elsewhere.").to_string())),
            form.field("address"),
        )
        .await;
    }
    if !Proof::Contact.may_ask(ctx, account.id).await? {
        let says = t("A letter was sent a moment ago. Wait for it, or try again in a few minutes.").to_string();
        return show(ctx, visit, account, Some((false, says)), form.field("address")).await;
    }
    let link = format!("{}{PATH}/{}", ctx.issuer, Proof::Contact.token(ctx, account.id, &address));
    let why = n("Somebody wants to be told here of what concerns the safety of this account:");
    ask_for_proof(ctx, account, &address, why, &link).await?;
    let says = t1("A letter went to {}. Open its link within a day, in this browser.", &address);
    show(ctx, visit, account, Some((true, says)), "").await
}

/// GET of a link: looking decides nothing, for programs look at links before people do.
pub async fn proof(State(ctx): State<Arc<Ctx>>, visit: Visit, Path(token): Path<String>) -> Response {
    let account = match signed_in_lately(&ctx, &visit, "contact").await {
        Ok((_, account)) => account,
        Err(response) => return response,
    };
    let Some(address) = Proof::Contact.read(&ctx, account.id, &token) else { return gone() };
    let page = Page {
        says: None,
        contact: None,
        proof: Some((token, address.to_string())),
        form: visit.form(&ctx, PROVE),
        typed: String::new(),
    };
    visit.leaving_page(StatusCode::OK, &page, None)
}

fn gone() -> Response {
    let says = t("It is too old, or was made for somebody else. Ask for a new letter.");
    page::error(StatusCode::NOT_FOUND, t("This link leads nowhere"), says, Some(PATH))
}

/// POST: it is theirs.
pub async fn prove(State(ctx): State<Arc<Ctx>>, visit: Visit, Path(token): Path<String>, body: Bytes) -> Response {
    if let Err(response) = visit.check_form(&ctx, PROVE, Params::parse(&body).field("form"), PATH) {
        return response;
    }
    let account = match signed_in_lately(&ctx, &visit, "contact").await {
        Ok((_, account)) => account,
        Err(response) => return response,
    };
    let Some(address) = Proof::Contact.read(&ctx, account.id, &token) else { return gone() };
    let kept = async {
        // The one that it takes the place of is told as well.
        tell(&ctx, &visit, &account, Notice::ContactChanged, &address.to_string()).await;
        ctx.directory.change_contact(account.id, &address).await?;
        note(&ctx, &visit, account.id, "contact.changed", &address.to_string()).await
    };
    match kept.await {
        Ok(()) => see_other(&Done::ContactProven.at(PATH)),
        Err(trouble) => page::trouble(trouble),
    }
}
