// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account`: who am I, what is signed in, and what have I let in.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use hearth_identity::directory::{Account, Session, SessionKind};
use hearth_identity::service::{Service, Services};
use hearth_types::{SessionId, Trouble};
use hearth_web::axum::extract::State;
use hearth_web::axum::response::Response;
use hearth_web::page;

use super::signed_in;
use crate::ctx::Ctx;
use crate::endpoint::logout;
use crate::page::visit::Visit;
use crate::page::{user_agent, when};
use crate::request::scope::{Scope, Scopes};
use crate::{t, t1, t2};

#[derive(Template)]
#[template(path = "account.html")]
struct Page {
    name: String,
    address: String,
    initial: char,
    is_admin: bool,
    more_addresses: Vec<String>,
    passkeys: usize,
    authenticators: usize,
    recovery_codes: usize,
    contact: Option<String>,
    keys: Vec<String>,
    app_passwords: Vec<Line>,
    apps: Vec<App>,
    devices: Vec<Line>,
    app_password_form: String,
    app_form: String,
    device_form: String,
    sign_out: String,
    everywhere_form: String,
    done: Option<&'static str>,
}

/// One thing that can be ended.
struct Line {
    id: String,
    title: String,
    says: String,
    is_here: bool,
}

/// An app that was let in.
struct App {
    id: String,
    title: String,
    says: String,
    /// What it may see and do, in words.
    can: Vec<&'static str>,
}

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match signed_in(&ctx, &visit, "account").await {
        Ok((session, account)) => show(&ctx, &visit, session.id, account).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn show(ctx: &Ctx, visit: &Visit, here: SessionId, account: Account) -> Result<Response, Trouble> {
    let sessions = ctx.directory.list_sessions(account.id).await?;
    let addresses = ctx.directory.list_addresses(account.id).await?;
    let name = if account.name.is_empty() { account.primary.local().to_string() } else { account.name.clone() };
    let page = Page {
        initial: name.chars().next().and_then(|first| first.to_uppercase().next()).unwrap_or('?'),
        name,
        address: account.primary.to_string(),
        is_admin: account.admin,
        more_addresses: addresses
            .into_iter()
            .map(|entry| entry.address)
            .filter(|address| *address != account.primary)
            .map(|address| address.to_string())
            .collect(),
        passkeys: ctx.vault().list_passkeys(account.id).await?.len(),
        authenticators: ctx.vault().list_totp(account.id).await?.len(),
        recovery_codes: ctx.vault().count_recovery_codes(account.id).await?,
        contact: ctx.directory.find_contact(account.id).await?.map(|address| address.to_string()),
        keys: keys(ctx, &account).await?,
        app_passwords: app_passwords(ctx, &account, &sessions).await?,
        apps: apps(ctx, &account).await?,
        devices: devices(ctx, &sessions, here),
        app_password_form: visit.form(ctx, super::app_password::END),
        app_form: visit.form(ctx, super::app::END),
        device_form: visit.form(ctx, super::session::END),
        sign_out: logout::form(ctx, visit),
        everywhere_form: visit.form(ctx, super::everywhere::END),
        done: visit.done(),
    };
    Ok(visit.page(&page))
}

async fn app_passwords(ctx: &Ctx, account: &Account, sessions: &[Session]) -> Result<Vec<Line>, Trouble> {
    let now = ctx.now();
    let used: HashMap<SessionId, String> =
        sessions.iter().map(|session| (session.id, when::ago(session.last_used_at, now))).collect();
    let all = ctx.vault().list_app_passwords(account.id).await?;
    Ok(all
        .into_iter()
        .map(|one| Line {
            says: {
                let used = match used.get(&one.id) {
                    Some(used) => t2("used {}, made {}", used, when::ago(one.created_at, now)),
                    None => t1("not used yet, made {}", when::ago(one.created_at, now)),
                };
                match one.expires_at {
                    Some(end) => t2("{}, ends {}", may(one.services, used), when::on(end)),
                    None => may(one.services, used),
                }
            },
            id: one.id.to_string(),
            title: one.label,
            is_here: false,
        })
        .collect())
}

/// What an app password opens, before when it did.
fn may(services: Services, used: String) -> String {
    let says = match (services.admits(Service::Imap), services.admits(Service::Smtp)) {
        (true, true) => t("Reads and sends mail"),
        (true, false) => t("Reads mail"),
        (false, true) => t("Sends mail"),
        (false, false) => return t2("{} · {}", services, used),
    };
    t2("{} · {}", says, used)
}

/// Certificates of theirs, in a line each.
async fn keys(ctx: &Ctx, account: &Account) -> Result<Vec<String>, Trouble> {
    let all = ctx.directory.list_certs(Some(account.id)).await?;
    let of_use = all.into_iter().filter(|cert| !cert.revoked && cert.expires_at.is_none_or(|end| end > ctx.now()));
    Ok(of_use
        .map(|cert| {
            let groups = hearth_openpgp::show::in_groups(&cert.fingerprint);
            if cert.addresses.iter().any(|named| named.published) { groups } else { t1("{}, not shown to others", groups) }
        })
        .collect())
}

/// Apps, each once, signed in or remembered, with what each may see.
async fn apps(ctx: &Ctx, account: &Account) -> Result<Vec<App>, Trouble> {
    let now = ctx.now();
    let all = ctx.directory.list_apps(account.id).await?;
    Ok(all
        .into_iter()
        .map(|app| App {
            says: match (app.last_used_at, app.allowed_at) {
                (Some(used), _) => t1("used {}", when::ago(used, now)),
                (None, Some(allowed)) => t1("allowed {}, not signed in", when::ago(allowed, now)),
                (None, None) => String::new(),
            },
            can: {
                let scopes = Scopes::parse(&app.scopes.join(" "));
                scopes.iter().filter(|scope| *scope != Scope::Openid).map(|scope| t(scope.says())).collect()
            },
            id: app.client.to_string(),
            title: app.name,
        })
        .collect())
}

/// What it is, in the language of this page.
fn name_of(session: &Session) -> String {
    match session.kind {
        SessionKind::Password => t("Mail programs with your password").to_string(),
        _ => user_agent::name(session.user_agent.as_deref().unwrap_or_default()),
    }
}

fn devices(ctx: &Ctx, sessions: &[Session], here: SessionId) -> Vec<Line> {
    let now = ctx.now();
    sessions
        .iter()
        .filter(|session| matches!(session.kind, SessionKind::Browser | SessionKind::Password))
        .map(|session| {
            let used = when::ago(session.last_used_at, now);
            Line {
                id: session.id.to_string(),
                title: name_of(session),
                says: match &session.last_peer {
                    Some(peer) => t2("used {} from {}", used, peer),
                    None => t1("used {}", used),
                },
                is_here: session.id == here,
            }
        })
        .collect()
}
