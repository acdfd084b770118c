// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/mail`: away, forwarding, filters. Kept as the person's own Sieve script, beside those of mail programs.

use std::sync::Arc;

use askama::Template;
use hearth_identity::directory::Account;
use hearth_mailstore::{Durability, script};
use hearth_types::{AccountId, Address, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::{Path as Token, State};
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use hearth_web::page;

use super::proof::Proof;
use super::rules::{Absence, Filter, Forward, Place, Rules, SCRIPT, Unfit};
use super::{note, signed_in_lately, signed_in_to_send};
use crate::ctx::Ctx;
use crate::notice::{Notice, ask_for_proof, tell};
use crate::page::done::Done;
use crate::page::sign_in::again::Sent;
use crate::page::visit::{Visit, see_other};
use crate::page::words::n;
use crate::request::params::Params;
use crate::{t, t1, t2};

/// Where the page is.
pub const PATH: &str = "/account/mail";
/// Where the link of a letter leads.
pub const PROOF: &str = "/account/mail/forward/{token}";
const CHANGE: &str = "change what happens to mail";
const PROVE: &str = "prove the address of the forwarding";

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
    /// A filter that was not taken.
    filter: Option<Filter>,
    places: [(&'static str, &'static str); 4],
    form: String,
    once: String,
}

#[derive(Template)]
#[template(path = "forward_proof.html")]
struct ProofPage {
    address: String,
    token: String,
    form: String,
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
    let mut after = match changed(before.clone(), account, form) {
        Ok(after) => after,
        Err(says) => return show_again(ctx, visit, account, form, says).await,
    };
    let mut done = t("That is how it is from now on.").to_string();
    if form.field("do") == "forward"
        && let Some(forward) = &mut after.forward
        && !is_proven(ctx, account, before.forward.as_ref(), forward).await?
    {
        if !Proof::Forward.may_ask(ctx, account.id).await? {
            let says = t("A letter was sent a moment ago. Wait for it, or try again in a few minutes.").to_string();
            return show(ctx, visit, account, Some((false, says))).await;
        }
        forward.unproven = true;
        done = t1(
            "A letter went to {}. Until its link is opened in this browser, your mail goes there and stays here too.",
            &forward.to,
        );
        ask(ctx, account, &forward.to).await?;
    }
    write(ctx, account.id, &after).await?;
    if before != after {
        note(ctx, visit, account.id, "mail-rules.changed", "").await?;
    }
    if let Some(forward) = after.forward.as_ref().filter(|forward| before.forward.as_ref().is_none_or(|old| old.to != forward.to)) {
        // Whoever got in might have mail sent on quietly.
        tell(ctx, visit, account, Notice::Forwarded, &forward.to).await;
    }
    show(ctx, visit, account, Some((true, done))).await
}

/// May mail go there alone? A slip of a letter would lose it all.
async fn is_proven(ctx: &Ctx, account: &Account, before: Option<&Forward>, wanted: &Forward) -> Result<bool, Trouble> {
    let went_there = before.is_some_and(|old| old.to == wanted.to && !old.keep && !old.unproven);
    if wanted.keep || went_there {
        return Ok(true);
    }
    let known = ctx.directory.find_contact(account.id).await?;
    Ok(known.is_some_and(|address| address.to_string() == wanted.to))
}

async fn ask(ctx: &Ctx, account: &Account, to: &str) -> Result<(), Trouble> {
    let to = Address::parse(to)?;
    let link = format!("{}{PATH}/forward/{}", ctx.issuer, Proof::Forward.token(ctx, account.id, &to));
    let why = n("Somebody wants the mail of this account to come here, and to stay there no longer:");
    ask_for_proof(ctx, account, &to, why, &link).await
}

/// GET of the link in the letter: looking decides nothing, for programs look at links before people do.
pub async fn proof(State(ctx): State<Arc<Ctx>>, visit: Visit, Token(token): Token<String>) -> Response {
    let account = match signed_in_lately(&ctx, &visit, "mail").await {
        Ok((_, account)) => account,
        Err(response) => return response,
    };
    match Proof::Forward.read(&ctx, account.id, &token) {
        Some(address) => visit.page(&ProofPage { address: address.to_string(), token, form: visit.form(&ctx, PROVE) }),
        None => gone(),
    }
}

fn gone() -> Response {
    let says = t("It is too old, or was made for somebody else. Save the forwarding again for a new letter.");
    page::error(StatusCode::NOT_FOUND, t("This link leads nowhere"), says, Some(PATH))
}

/// POST: mail comes there, so it need not stay here.
pub async fn prove(State(ctx): State<Arc<Ctx>>, visit: Visit, Token(token): Token<String>, body: Bytes) -> Response {
    if let Err(response) = visit.check_form(&ctx, PROVE, Params::parse(&body).field("form"), PATH) {
        return response;
    }
    let account = match signed_in_lately(&ctx, &visit, "mail").await {
        Ok((_, account)) => account,
        Err(response) => return response,
    };
    let Some(address) = Proof::Forward.read(&ctx, account.id, &token) else { return gone() };
    let proven = async {
        let mut rules = read(&ctx, account.id).await?.rules;
        let Some(forward) = rules.forward.as_mut().filter(|forward| forward.unproven && forward.to == address.to_string()) else {
            return Ok(gone());
        };
        forward.unproven = false;
        write(&ctx, account.id, &rules).await?;
        note(&ctx, &visit, account.id, "mail-rules.changed", "the address of the forwarding is proven").await?;
        Ok::<_, Trouble>(see_other(&Done::ForwardProven.at(PATH)))
    };
    proven.await.unwrap_or_else(page::trouble)
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
            rules.forward = Some(Forward { to: to.to_string(), keep: form.field("keep") == "yes", unproven: false });
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
    let page = page_of(ctx, visit, account, says).await?;
    let status = if page.says.as_ref().is_some_and(|(is_good, _)| !is_good) { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(visit.leaving_page(status, &page, None))
}

/// The page with what was typed, which was not taken.
async fn show_again(ctx: &Ctx, visit: &Visit, account: &Account, form: &Params, says: &str) -> Result<Response, Trouble> {
    let mut page = page_of(ctx, visit, account, Some((false, says.to_string()))).await?;
    let text = |name: &str| form.field(name).to_string();
    let is_on = form.field("on") == "yes";
    match form.field("do") {
        "absence" => {
            page.is_away = is_on;
            page.absence = Absence { subject: text("subject"), message: text("message"), from: text("from"), until: text("until") };
        }
        "forward" => {
            page.is_forwarded = is_on;
            page.forward = Forward { to: text("to"), keep: form.field("keep") == "yes", unproven: false };
        }
        "add-filter" => {
            let place = Place::parse(form.field("place")).unwrap_or(Place::From);
            page.filter = Some(Filter { place, text: text("text"), mailbox: text("mailbox") });
        }
        _ => {}
    }
    Ok(visit.leaving_page(StatusCode::BAD_REQUEST, &page, None))
}

async fn page_of(ctx: &Ctx, visit: &Visit, account: &Account, says: Option<(bool, String)>) -> Result<Page, Trouble> {
    let Kept { rules, other } = read(ctx, account.id).await?;
    let says = says.or_else(|| visit.done().map(|done| (true, done.to_string())));
    Ok(Page {
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
        filter: None,
    })
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
