// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/admin/log`: what happened here, the newest first; of everybody, or of one.

use std::collections::HashMap;
use std::sync::Arc;

use hearth_identity::directory::{AuditEntry, sentence};
use hearth_types::id::Id;
use hearth_types::{AccountId, Address, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::{RawQuery, State};
use hearth_web::axum::response::Response;
use url::form_urlencoded;

use super::page::{Field, Form, Row, Said, Section, show};
use super::{PURPOSE, admitted};
use crate::ctx::Ctx;
use crate::page::visit::{Visit, see_other};
use crate::page::when;
use crate::page::words::in_language;
use crate::request::params::Params;
use crate::{t, t1};

pub(super) const PATH: &str = "/admin/log";
/// Rows of one page.
const ROWS: u32 = 200;

/// GET. `who` is an address, `before` the row above.
pub(super) async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit, RawQuery(query): RawQuery) -> Response {
    let asked = Params::parse(query.unwrap_or_default().as_bytes());
    match admitted(&ctx, &visit).await {
        Ok(_) => page(&ctx, &visit, &asked).await.unwrap_or_else(hearth_web::page::trouble),
        Err(response) => response,
    }
}

/// POST: somebody typed whose rows they want. Nothing is changed.
pub(super) async fn post(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    match visit.check_form(&ctx, PURPOSE, form.field("form"), PATH) {
        Ok(()) => see_other(&place(form.field("who").trim(), None)),
        Err(response) => response,
    }
}

/// Where the rows of somebody are, those before one.
fn place(who: &str, before: Option<Id>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !who.is_empty() {
        query.append_pair("who", who);
    }
    if let Some(before) = before {
        query.append_pair("before", &before.to_string());
    }
    match query.finish() {
        none if none.is_empty() => PATH.to_string(),
        query => format!("{PATH}?{query}"),
    }
}

async fn page(ctx: &Ctx, visit: &Visit, asked: &Params) -> Result<Response, Trouble> {
    let names = ctx.directory.list_audit_names().await?;
    let typed = asked.field("who");
    let who = find(ctx, &names, typed).await?;
    let said = (!typed.is_empty() && who.is_none()).then(|| Said::bad(t1("There is nobody with the address {} here.", typed)));
    let before = asked.find("before").and_then(|id| id.parse::<Id>().ok());
    let mut rows = Vec::new();
    if said.is_none() {
        let entries = ctx.directory.list_audit_before(before, who, ROWS + 1).await?;
        let is_more = entries.len() > ROWS as usize;
        let shown = entries.into_iter().take(ROWS as usize);
        let shown: Vec<AuditEntry> = shown.collect();
        let last = shown.last().map(|entry| entry.id).filter(|_| is_more);
        rows.extend(shown.into_iter().map(|entry| row(&names, entry)));
        if let Some(last) = last {
            rows.push(Row { title: t("What was before").to_string(), to: Some(place(typed, Some(last))), ..Row::default() });
        }
    }
    let title = match who {
        Some(_) => t1("What happened with {}", typed),
        None => t("The last events").to_string(),
    };
    let mut forms =
        vec![Form::of("who", t("Show these alone"), vec![Field::text("who", t("Address"), t("Of a person or a group"))])];
    if !typed.is_empty() {
        forms.push(Form::of("all", t("Show all"), Vec::new()));
    }
    let text = t("No secret and no content of mail stands here.").to_string();
    let section = Section { title, text, rows, forms, ..Section::default() };
    Ok(show(ctx, visit, t("Log"), PATH, vec![section], said))
}

/// Who that is: by an address of theirs, or by the one that they had.
async fn find(ctx: &Ctx, names: &HashMap<AccountId, String>, typed: &str) -> Result<Option<AccountId>, Trouble> {
    let Ok(address) = Address::parse(typed) else { return Ok(None) };
    let found = ctx.directory.find_account_by_address(&address).await?;
    let had = || names.iter().find(|(_, name)| name.eq_ignore_ascii_case(typed)).map(|(id, _)| *id);
    Ok(found.map(|account| account.id).or_else(had))
}

/// The newest rows of one account.
pub(super) async fn rows(ctx: &Ctx, subject: AccountId, count_max: u32) -> Result<Vec<Row>, Trouble> {
    let names = ctx.directory.list_audit_names().await?;
    let entries = ctx.directory.list_audit(Some(subject), count_max).await?;
    Ok(entries.into_iter().map(|entry| row(&names, entry)).collect())
}

/// A sentence, and below it when, with whom, by whom, from where.
fn row(names: &HashMap<AccountId, String>, entry: AuditEntry) -> Row {
    let name = |id: AccountId| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
    let actor = entry.actor.filter(|actor| Some(*actor) != entry.subject);
    let by = match entry.service.as_deref() {
        Some("command") => Some(t("the hearth command").to_string()),
        other => other.map(str::to_string),
    };
    let detail = if entry.event == "login.done" { proof(&entry.detail) } else { entry.detail };
    let parts = [
        Some(when::exactly(entry.at)),
        entry.subject.map(name),
        (!detail.is_empty()).then_some(detail),
        actor.map(|actor| t1("by {}", name(actor))),
        entry.peer,
        by,
        (entry.count > 1).then(|| format!("×{}", entry.count)),
    ];
    let says: Vec<String> = parts.into_iter().flatten().collect();
    let title = sentence(&entry.event).map_or(entry.event.clone(), |english| in_language(hearth_web::lang(), english).to_string());
    Row { is_bad: is_bad(&entry.event), title, says: says.join(" · "), ..Row::default() }
}

fn is_bad(event: &str) -> bool {
    ["login.failed", "passkey.copied", "refresh.reused", "code.replayed"].contains(&event)
}

/// How somebody proved who they are, from the values of RFC 8176.
fn proof(methods: &str) -> String {
    let said = methods.split(' ').filter_map(|method| match method {
        "pwd" => Some(t("Password")),
        "otp" => Some(t("Code")),
        "hwk" | "swk" => Some(t("Passkey")),
        _ => None,
    });
    said.collect::<Vec<_>>().join(", ")
}
