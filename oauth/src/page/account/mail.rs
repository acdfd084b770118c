// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/mail`: away, forwarding, filters. Kept as the person's own Sieve script, beside those of mail programs.

use std::sync::Arc;

use askama::Template;
use hearth_identity::directory::Account;
use hearth_mailstore::{Durability, script};
use hearth_types::{AccountId, Address, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use hearth_web::page;

use super::rules::{Absence, Filter, Forward, Place, Rules, SCRIPT, Unfit};
use super::{note, signed_in_lately, signed_in_to_send};
use crate::ctx::Ctx;
use crate::notice::{Notice, tell};
use crate::page::done::Done;
use crate::page::sign_in::again::Sent;
use crate::page::visit::{Visit, see_other};
use crate::request::params::Params;
use crate::{t, t1, t2};

/// Where the page is.
pub const PATH: &str = "/account/mail";
const CHANGE: &str = "change what happens to mail";

#[derive(Template)]
#[template(path = "mail.html")]
struct Page {
    says: Option<(bool, String)>,
    /// The name of a script of a mail program that runs.
    other: Option<String>,
    is_away: bool,
    absence: Absence,
    is_forwarded: bool,
    forward: Forward,
    filters: Vec<(usize, String)>,
    places: [(&'static str, &'static str); 4],
    form: String,
    once: String,
}

/// What is kept of somebody's rules.
struct Kept {
    rules: Rules,
    other: Option<String>,
}

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match signed_in_lately(&ctx, &visit, "mail").await {
        Ok((_, account)) => show(&ctx, &visit, &account, None).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

/// POST.
pub async fn change(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, CHANGE, form.field("form"), PATH) {
        return response;
    }
    let sent = Sent { purpose: CHANGE, path: PATH, form: &form };
    match signed_in_to_send(&ctx, &visit, "mail", &sent).await {
        Ok((_, account)) => decide(&ctx, &visit, &account, &form).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn decide(ctx: &Ctx, visit: &Visit, account: &Account, form: &Params) -> Result<Response, Trouble> {
    if visit.is_repeated(ctx, form).await? {
        return Ok(see_other(&Done::Before.at(PATH)));
    }
    let before = read(ctx, account.id).await?.rules;
    let after = match changed(before.clone(), account, form) {
        Ok(after) => after,
        Err(says) => return show(ctx, visit, account, Some((false, says.to_string()))).await,
    };
    write(ctx, account.id, &after).await?;
    if before != after {
        note(ctx, visit, account.id, "mail-rules.changed", "").await?;
    }
    if let Some(forward) = after.forward.as_ref().filter(|forward| before.forward.as_ref().is_none_or(|old| old.to != forward.to)) {
        // Whoever got in might have mail sent on quietly.
        tell(ctx, visit, account, Notice::Forwarded, &forward.to).await;
    }
    show(ctx, visit, account, Some((true, t("That is how it is from now on.").to_string()))).await
}

/// The wishes after a form. Pure.
fn changed(mut rules: Rules, account: &Account, form: &Params) -> Result<Rules, &'static str> {
    let text = |name: &str| form.field(name).trim().to_string();
    match form.field("do") {
        "absence" => {
            let absence = Absence { subject: text("subject"), message: text("message"), from: text("from"), until: text("until") };
            rules.absence = (form.field("on") == "yes").then_some(absence);
        }
        "forward" if form.field("on") != "yes" => rules.forward = None,
        "forward" => {
            let to = Address::parse(form.field("to").trim()).map_err(|_| t("That is not an address. Write it as name@domain."))?;
            if to.key() == account.primary.key() {
                return Err(t("That is your own address: the mail would go round in a circle."));
            }
            rules.forward = Some(Forward { to: to.to_string(), keep: form.field("keep") == "yes" });
        }
        "add-filter" => {
            let place = Place::parse(form.field("place")).ok_or(t("Nothing was changed."))?;
            rules.filters.push(Filter { place, text: text("text"), mailbox: text("mailbox") });
        }
        "remove-filter" => {
            // The text goes with the number: the list may be another by now.
            let at = form
                .field("id")
                .parse::<usize>()
                .ok()
                .filter(|at| rules.filters.get(*at).is_some_and(|filter| filter_says(filter) == form.field("filter")));
            rules.filters.remove(at.ok_or(t("Nothing was changed."))?);
        }
        _ => return Err(t("Nothing was changed.")),
    }
    rules.check().map_err(|unfit| match unfit {
        Unfit::Message => t("An answer has a text, of four thousand characters at most."),
        Unfit::Date => t("Those days cannot be used: the last one comes after the first."),
        Unfit::Filter => t("A filter has something to look for and a mailbox, in one line each."),
        Unfit::TooMany => t("There are too many filters."),
    })?;
    Ok(rules)
}

fn filter_says(filter: &Filter) -> String {
    t2("{} → {}", t2("{}: “{}”", place_says(filter.place), &filter.text), &filter.mailbox)
}

fn place_says(place: Place) -> &'static str {
    match place {
        Place::From => t("Sender has"),
        Place::To => t("Recipient has"),
        Place::Subject => t("Subject has"),
        Place::List => t("Mailing list has"),
    }
}

async fn show(ctx: &Ctx, visit: &Visit, account: &Account, says: Option<(bool, String)>) -> Result<Response, Trouble> {
    let Kept { rules, other } = read(ctx, account.id).await?;
    let says = says.or_else(|| visit.done().map(|done| (true, done.to_string())));
    let status = if says.as_ref().is_some_and(|(is_good, _)| !is_good) { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = Page {
        says,
        other: other
            .map(|name| t1("The script “{}” of a mail program runs now. What you save here takes its place; it is kept.", name)),
        is_away: rules.absence.is_some(),
        absence: rules.absence.unwrap_or_default(),
        is_forwarded: rules.forward.is_some(),
        forward: rules.forward.unwrap_or(Forward { keep: true, ..Forward::default() }),
        filters: rules.filters.iter().map(filter_says).enumerate().collect(),
        places: Place::ALL.map(|place| (place.name(), place_says(place))),
        form: visit.form(ctx, CHANGE),
        once: Visit::once(),
    };
    Ok(visit.leaving_page(status, &page, None))
}

async fn read(ctx: &Ctx, account: AccountId) -> Result<Kept, Trouble> {
    let store = ctx.mail().await?;
    let read = store.read(account, |tx| {
        let own = script::script(tx, SCRIPT)?;
        let active = script::active(tx)?;
        Ok::<_, hearth_mailstore::Error>((own, active))
    });
    let (own, active) = read.await?;
    let active = active.map(|(script, _)| script.name);
    let runs = active.as_deref() == Some(SCRIPT);
    // What does not run is not how things are.
    let rules = own.filter(|_| runs).map(|(_, text)| Rules::of_script(&text)).unwrap_or_default();
    Ok(Kept { rules, other: active.filter(|_| !runs) })
}

async fn write(ctx: &Ctx, account: AccountId, rules: &Rules) -> Result<(), Trouble> {
    let (text, is_empty) = (rules.to_script(), rules.is_empty());
    if hearth_filter::sieve::compile(text.as_bytes()).is_err() {
        return Err(Trouble::new("a script of our own does not compile"));
    }
    let store = ctx.mail().await?;
    let written = store.write(account, Durability::Synced, move |tx| {
        script::put(tx, SCRIPT, text.as_bytes())?;
        script::activate(tx, (!is_empty).then_some(SCRIPT))
    });
    Ok(written.await?)
}
