// SPDX-License-Identifier: AGPL-3.0-or-later
//! The device grant (RFC 8628): a program without a browser shows a code, and a person types it on a page.
//!
//! The page says which program asks and from where, and wants a click: a code that a stranger sent along is a
//! way to be tricked (§5.4).

use std::sync::Arc;

use askama::Template;
use hearth_identity::grants::{Client, NewPending, Pending, hash_token, new_token};
use hearth_types::Trouble;
use hearth_web::Peer;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::{RawQuery, State};
use hearth_web::axum::http::{HeaderMap, StatusCode};
use hearth_web::axum::response::Response;
use hearth_web::page;
use serde_json::{Value, json};

use crate::client::authentication::authenticate;
use crate::ctx::Ctx;
use crate::endpoint::token::read_body;
use crate::error::{Answer, ErrorCode, answered, json as json_response, refuse};
use crate::gate::throttle::Deed;
use crate::limits::{DEVICE_CODE_LIFE, DEVICE_POLL_EVERY};
use crate::notice::{Notice, tell};
use crate::page::account::signed_in;
use crate::page::visit::Visit;
use crate::request::params::Params;
use crate::request::scope::{Scope, Scopes};
use crate::stranger;
use crate::t;

/// Its name at the token endpoint.
pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Where a person types the code.
pub const PATH: &str = crate::registry::at("/device");
const KIND: &str = "device";
const LOOK: &str = "look at a device";
/// RFC 8628 §6.1: letters that make no words and are not taken for others. Eight of twenty: 34 bits.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

#[derive(Template)]
#[template(path = "device.html")]
struct AskPage<'a> {
    says: Option<&'static str>,
    code: &'a str,
    form: String,
}

#[derive(Template)]
#[template(path = "device_confirm.html")]
struct ConfirmPage<'a> {
    app: &'a str,
    from: &'a str,
    code: String,
    can: Vec<&'static str>,
    is_mail: bool,
    form: String,
}

#[derive(Template)]
#[template(path = "device_done.html")]
struct DonePage {
    allowed: bool,
}

/// POST by the program (§3.1).
pub async fn run(State(ctx): State<Arc<Ctx>>, headers: HeaderMap, body: Bytes) -> Response {
    answered(begin(&ctx, &headers, &body).await)
}

async fn begin(ctx: &Ctx, headers: &HeaderMap, body: &[u8]) -> Answer {
    let params = read_body(headers, body, &["client_id", "client_secret", "scope"])?;
    let client = authenticate(ctx, headers, &params).await?;
    if !client.grant_types.iter().any(|kind| kind == GRANT) {
        return refuse(ErrorCode::UnauthorizedClient, "this client may not use this grant");
    }
    let scopes = Scopes::parse(params.field("scope")).and(Scopes::parse(&client.scopes.join(" ")));
    if scopes.iter().all(|scope| scope == Scope::OfflineAccess) {
        return refuse(ErrorCode::InvalidScope, "none of these scopes is for this client");
    }
    let (device_code, user_code) = (new_token(), user_code());
    let from = Peer::from_headers(headers).ip.to_string();
    let new = NewPending {
        kind: KIND,
        client: client.id,
        hash: hash_token(device_code.expose()),
        user_code: Some(user_code.clone()),
        request: json!({ "scope": scopes.to_string(), "from": from }).to_string(),
        lives: DEVICE_CODE_LIFE,
    };
    stranger::leave(ctx, &client, headers, new).await?;
    let (shown, page) = (shown(&user_code), format!("{}{PATH}", ctx.issuer));
    let body = json!({
        "device_code": device_code.expose(),
        "user_code": shown,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?{}", Params::default().with("user_code", &shown).encode()),
        "expires_in": DEVICE_CODE_LIFE.as_secs(),
        "interval": DEVICE_POLL_EVERY.as_secs(),
    });
    Ok(json_response(StatusCode::OK, &body))
}

fn user_code() -> String {
    let mut octets = [0; 16];
    aws_lc_rs::rand::fill(&mut octets).expect("the random source answers");
    let mut rest = u128::from_be_bytes(octets);
    let mut code = String::new();
    for _ in 0..8 {
        code.push(char::from(LETTERS[(rest % 20) as usize]));
        rest /= 20;
    }
    code
}

fn shown(code: &str) -> String {
    let (left, right) = code.split_at_checked(4).unwrap_or((code, ""));
    format!("{left}-{right}")
}

/// What was meant by what was typed.
fn normal(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphanumeric).take(16).map(|c| c.to_ascii_uppercase()).collect()
}

/// What a device asked for.
pub fn scopes_of(pending: &Pending) -> Scopes {
    let request: Value = serde_json::from_str(&pending.request).unwrap_or_default();
    Scopes::parse(request["scope"].as_str().unwrap_or_default())
}

/// GET: the page. A code in the address is filled in, and no more.
pub async fn show(State(ctx): State<Arc<Ctx>>, visit: Visit, RawQuery(query): RawQuery) -> Response {
    if let Err(response) = signed_in(&ctx, &visit, "device").await {
        return response;
    }
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    ask(&ctx, &visit, params.field("user_code"), StatusCode::OK, None)
}

fn ask(ctx: &Ctx, visit: &Visit, code: &str, status: StatusCode, says: Option<&'static str>) -> Response {
    let code = if code.len() <= 32 { code } else { "" };
    visit.leaving_page(status, &AskPage { says, code, form: visit.form(ctx, LOOK) }, None)
}

/// POST: a code was typed.
pub async fn look(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, LOOK, form.field("form"), PATH) {
        return response;
    }
    confirm(&ctx, &visit, form.field("user_code")).await.unwrap_or_else(page::trouble)
}

async fn find(ctx: &Ctx, code: &str) -> Result<Option<(Pending, Client)>, Trouble> {
    let Some(pending) = ctx.directory.find_device(code).await? else {
        return Ok(None);
    };
    let client = ctx.directory.find_client_by_id(pending.client).await?;
    Ok(client.filter(|client| !client.disabled).map(|client| (pending, client)))
}

async fn confirm(ctx: &Ctx, visit: &Visit, typed: &str) -> Result<Response, Trouble> {
    if let Err(response) = signed_in(ctx, visit, "device").await {
        return Ok(response);
    }
    let code = normal(typed);
    // §5.1: nobody tries codes until one fits.
    if ctx.doorkeeper.admit(Deed::UserCode, visit.peer.ip).is_err() {
        let says = t("There were too many wrong codes. Try again in a few minutes.");
        return Ok(ask(ctx, visit, typed, StatusCode::TOO_MANY_REQUESTS, Some(says)));
    }
    let Some((pending, client)) = find(ctx, &code).await? else {
        let says = t("No device waits with that code. Check it, or begin again on the device.");
        return Ok(ask(ctx, visit, typed, StatusCode::NOT_FOUND, Some(says)));
    };
    ctx.doorkeeper.give_back(Deed::UserCode, visit.peer.ip);
    let request: Value = serde_json::from_str(&pending.request).unwrap_or_default();
    let scopes = scopes_of(&pending);
    let page = ConfirmPage {
        app: &client.name,
        from: request["from"].as_str().unwrap_or_default(),
        can: scopes.iter().filter(|scope| *scope != Scope::Openid).map(|scope| t(scope.says())).collect(),
        is_mail: scopes.has(Scope::Mail),
        form: visit.form(ctx, &decide_purpose(&code)),
        code: shown(&code),
    };
    Ok(visit.page(&page))
}

fn decide_purpose(code: &str) -> String {
    format!("decide about the device {code}")
}

/// POST: the person decided about the very device that the page showed.
pub async fn decide(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    let code = normal(form.field("user_code"));
    if let Err(response) = visit.check_form(&ctx, &decide_purpose(&code), form.field("form"), PATH) {
        return response;
    }
    answer(&ctx, &visit, &code, form.field("decision") == "allow").await.unwrap_or_else(page::trouble)
}

async fn answer(ctx: &Ctx, visit: &Visit, code: &str, allowed: bool) -> Result<Response, Trouble> {
    let (Some(session), Some((pending, client))) = (&visit.session, find(ctx, code).await?) else {
        let says = t("No device waits with that code any more. Begin again on the device.");
        return Ok(ask(ctx, visit, "", StatusCode::NOT_FOUND, Some(says)));
    };
    let account = match signed_in(ctx, visit, "device").await {
        Ok((_, account)) => account,
        Err(response) => return Ok(response),
    };
    let may = ctx.directory.may_use_client(session.account, client.id).await?;
    if !ctx.directory.answer_device(code, allowed && may, session.account, session.id).await? {
        return Ok(ask(ctx, visit, "", StatusCode::NOT_FOUND, Some(t("That device was answered already."))));
    }
    let event = visit.event(
        if allowed && may { "device.allowed" } else { "device.denied" },
        session.account,
        format!("{} ({})", client.name, scopes_of(&pending)),
    );
    ctx.directory.add_audit(event).await?;
    if allowed && may {
        tell(ctx, visit, &account, Notice::DeviceAdmitted, &client.name).await;
    }
    Ok(visit.page(&DonePage { allowed: allowed && may }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = user_code();
        assert!(code.len() == 8 && code.bytes().all(|letter| LETTERS.contains(&letter)), "{code}");
        assert_eq!(normal(&shown(&code).to_lowercase().replace('-', " ")), code);
        assert_eq!(normal(&"x".repeat(1000)).len(), 16);
        assert_ne!(user_code(), user_code());
    }
}
