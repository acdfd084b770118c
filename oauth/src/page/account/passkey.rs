// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/passkeys`: the keys in somebody's devices; added, named, forgotten.

use std::sync::Arc;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_identity::directory::{Account, Session};
use hearth_identity::vault::NewPasskey;
use hearth_types::Trouble;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use hearth_web::page;
use serde::Deserialize;
use serde_json::json;

use super::{not_there, note, recovery, signed_in_lately, signed_in_to_send};
use crate::ctx::Ctx;
use crate::limits::CREDENTIAL_BYTES_MAX;
use crate::notice::{Notice, tell};
use crate::page::done::Done;
use crate::page::sign_in::again::Sent;
use crate::page::sign_in::passkey::user_handle;
use crate::page::visit::{Visit, see_other};
use crate::page::{when, words};
use crate::request::params::Params;
use crate::webauthn::ceremony::{self, Made, Party};
use crate::webauthn::{challenge, rp_id};
use crate::{t, t1, t2};

/// Where the page is.
pub const PATH: &str = "/account/passkeys";
const ADD: &str = "add a passkey";
const END: &str = "end a passkey";
const RENAME: &str = "rename a passkey";

#[derive(Template)]
#[template(path = "passkeys.html")]
struct Page {
    says: Option<String>,
    done: Option<&'static str>,
    /// There is one second factor: without it the password is enough again.
    is_last: bool,
    passkeys: Vec<Line>,
    options: String,
    add: String,
    end: String,
    rename: String,
}

struct Line {
    id: String,
    title: String,
    says: String,
}

/// What the script of the page brings; octets as base64url.
#[derive(Deserialize)]
struct New {
    client_data: String,
    attestation: String,
}

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match signed_in_lately(&ctx, &visit, "passkeys").await {
        Ok((_, account)) => show(&ctx, &visit, &account, StatusCode::OK, None).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn show(ctx: &Ctx, visit: &Visit, account: &Account, status: StatusCode, says: Option<String>) -> Result<Response, Trouble> {
    let all = ctx.vault().list_passkeys(account.id).await?;
    let is_last = all.len() + ctx.vault().list_totp(account.id).await?.len() == 1;
    let now = ctx.now();
    let name = if account.name.is_empty() { account.primary.to_string() } else { account.name.clone() };
    let known: Vec<String> = all.iter().map(|one| URL_SAFE_NO_PAD.encode(&one.credential)).collect();
    let options = json!({
        "challenge": challenge::make(ctx, visit, ADD),
        "rp": rp_id(&ctx.issuer),
        "home": ctx.domain,
        "user": URL_SAFE_NO_PAD.encode(user_handle(account.id)),
        "address": account.primary.to_string(),
        "name": name,
        "known": known,
    });
    let line = |one: hearth_identity::vault::StoredPasskey| Line {
        id: URL_SAFE_NO_PAD.encode(&one.credential),
        title: one.label,
        says: match one.last_used_at {
            Some(at) => t2("used {}, added {}", when::ago(at, now), when::ago(one.created_at, now)),
            None => t1("not used yet, added {}", when::ago(one.created_at, now)),
        },
    };
    let page = Page {
        says,
        done: visit.done(),
        is_last,
        passkeys: all.into_iter().map(line).collect(),
        options: options.to_string(),
        add: visit.form(ctx, ADD),
        end: visit.form(ctx, END),
        rename: visit.form(ctx, RENAME),
    };
    Ok(visit.script_page(status, &page, None))
}

/// POST.
pub async fn add(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, ADD, form.field("form"), PATH) {
        return response;
    }
    let sent = Sent { purpose: ADD, path: PATH, form: &form };
    match signed_in_to_send(&ctx, &visit, "passkeys", &sent).await {
        Ok((_, account)) => keep(&ctx, &visit, &account, &form).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn keep(ctx: &Ctx, visit: &Visit, account: &Account, form: &Params) -> Result<Response, Trouble> {
    let Some(made) = read(ctx, visit, form.field("credential")).await? else {
        let says = t("The passkey could not be added: the page was open for too long, or the device did not answer. Try again.");
        return show(ctx, visit, account, StatusCode::BAD_REQUEST, Some(says.to_string())).await;
    };
    let typed = form.field("label").trim();
    let label = if typed.is_empty() { visit.device() } else { typed.to_string() };
    let new = NewPasskey {
        credential: made.credential,
        account: account.id,
        label: label.clone(),
        public_key: made.public_key,
        sign_count: made.says.sign_count,
        backup_eligible: made.says.synced,
    };
    match ctx.vault().add_passkey(new).await {
        Ok(()) => {}
        Err(error) => match words::refusal(&error) {
            Some(says) => return show(ctx, visit, account, StatusCode::BAD_REQUEST, Some(says)).await,
            None => return Err(Trouble::from(error)),
        },
    }
    note(ctx, visit, account.id, "passkey.added", &label).await?;
    tell(ctx, visit, account, Notice::PasskeyAdded, &label).await;
    recovery::after_a_first_factor(ctx, visit, account, PATH).await
}

async fn read(ctx: &Ctx, visit: &Visit, said: &str) -> Result<Option<Made>, Trouble> {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let said = Some(said).filter(|said| said.len() <= CREDENTIAL_BYTES_MAX).and_then(|said| serde_json::from_str::<New>(said).ok());
    let Some(said) = said else {
        return Ok(None);
    };
    let client_data = decode(&said.client_data);
    let Some(challenge) = ceremony::challenge_of(&client_data) else {
        return Ok(None);
    };
    if !challenge::is_sound(ctx, visit, ADD, &challenge) {
        return Ok(None);
    }
    let rp_id = rp_id(&ctx.issuer);
    let party = Party { origin: &ctx.issuer, rp_id: &rp_id, challenge: &challenge };
    let made = ceremony::make(&party, &client_data, &decode(&said.attestation)).ok();
    Ok(if made.is_some() && challenge::take(ctx, &challenge).await? { made } else { None })
}

/// POST: one is called something else.
pub async fn rename(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, RENAME, form.field("form"), PATH) {
        return response;
    }
    let sent = Sent { purpose: RENAME, path: "/account/passkeys/rename", form: &form };
    match signed_in_to_send(&ctx, &visit, "passkeys", &sent).await {
        Ok((_, account)) => call(&ctx, &visit, &account, &form).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn call(ctx: &Ctx, visit: &Visit, account: &Account, form: &Params) -> Result<Response, Trouble> {
    let credential = URL_SAFE_NO_PAD.decode(form.field("id")).unwrap_or_default();
    match ctx.vault().rename_passkey(account.id, &credential, form.field("label").trim()).await {
        Ok(true) => Ok(see_other(&Done::PasskeyRenamed.at(PATH))),
        Ok(false) => Ok(not_there()),
        Err(error) => match words::refusal(&error) {
            Some(says) => show(ctx, visit, account, StatusCode::BAD_REQUEST, Some(says)).await,
            None => Err(Trouble::from(error)),
        },
    }
}

/// POST: forgets one.
pub async fn end(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, END, form.field("form"), PATH) {
        return response;
    }
    let sent = Sent { purpose: END, path: "/account/passkeys/end", form: &form };
    match signed_in_to_send(&ctx, &visit, "passkeys", &sent).await {
        Ok((session, account)) => forget(&ctx, &visit, session, &account, form.field("id")).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn forget(ctx: &Ctx, visit: &Visit, session: &Session, account: &Account, id: &str) -> Result<Response, Trouble> {
    let credential = URL_SAFE_NO_PAD.decode(id).unwrap_or_default();
    let Some(label) = ctx.vault().remove_passkey(account.id, &credential).await? else {
        return Ok(not_there());
    };
    ctx.directory.end_password_sessions(account.id, Some(session.id)).await?;
    note(ctx, visit, account.id, "passkey.ended", &label).await?;
    tell(ctx, visit, account, Notice::PasskeyRemoved, &label).await;
    Ok(see_other(&Done::PasskeyRemoved.at(PATH)))
}
