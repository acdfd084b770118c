// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/account/authenticator`: an app that shows a new code each half minute.

use std::sync::Arc;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hearth_identity::directory::{Account, Session};
use hearth_types::{Secret, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;
use hearth_web::page;
use qrcode::QrCode;
use qrcode::render::svg::Color;
use url::form_urlencoded::byte_serialize;

use super::{not_there, note, recovery, signed_in_lately, signed_in_to_send};
use crate::ctx::Ctx;
use crate::notice::{Notice, tell};
use crate::page::done::Done;
use crate::page::sign_in::again::Sent;
use crate::page::visit::{Visit, see_other};
use crate::page::{when, words};
use crate::request::params::Params;
use crate::{t, t1};

/// Where the page is.
pub const PATH: &str = "/account/authenticator";
const ADD: &str = "add an authenticator";
const CONFIRM: &str = "confirm an authenticator";
const GIVE_UP: &str = "give up an authenticator";
const END: &str = "end an authenticator";

#[derive(Template)]
#[template(path = "totp.html")]
struct Page {
    says: Option<String>,
    done: Option<&'static str>,
    /// There is one second factor: without it the password is enough again.
    is_last: bool,
    apps: Vec<Line>,
    waiting: Option<Waiting>,
    add: String,
    confirm: String,
    give_up: String,
    end: String,
}

struct Line {
    id: String,
    title: String,
    says: String,
}

struct Waiting {
    label: String,
    picture: String,
    secret: String,
    uri: String,
}

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit) -> Response {
    match signed_in_lately(&ctx, &visit, "authenticator").await {
        Ok((_, account)) => show(&ctx, &visit, &account, StatusCode::OK, None).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn show(ctx: &Ctx, visit: &Visit, account: &Account, status: StatusCode, says: Option<String>) -> Result<Response, Trouble> {
    let now = ctx.now();
    let waiting = match ctx.vault().find_waiting_totp(account.id).await? {
        Some((_, label, secret)) => Some(waiting(&ctx.domain, account, label, &secret)?),
        None => None,
    };
    let line = |one: hearth_identity::vault::StoredTotp| Line {
        id: one.id.to_string(),
        title: one.label,
        says: t1("added {}", when::ago(one.created_at, now)),
    };
    let all = ctx.vault().list_totp(account.id).await?;
    let is_last = all.len() + ctx.vault().list_passkeys(account.id).await?.len() == 1;
    let page = Page {
        says,
        done: visit.done(),
        is_last,
        apps: all.into_iter().map(line).collect(),
        waiting,
        add: visit.form(ctx, ADD),
        confirm: visit.form(ctx, CONFIRM),
        give_up: visit.form(ctx, GIVE_UP),
        end: visit.form(ctx, END),
    };
    Ok(visit.leaving_page(status, &page, None))
}

fn waiting(domain: &str, account: &Account, label: String, secret: &Secret<Vec<u8>>) -> Result<Waiting, Trouble> {
    let letters = base32(secret.expose());
    let uri = uri(domain, &account.primary.to_string(), &letters);
    let code = QrCode::new(&uri).map_err(|error| Trouble::new(format!("a QR code: {error}")))?;
    let picture = code.render::<Color<'_>>().min_dimensions(200, 200).quiet_zone(true).build();
    let groups: Vec<String> = letters.as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).into_owned()).collect();
    let picture = format!("data:image/svg+xml;base64,{}", STANDARD.encode(picture));
    Ok(Waiting { label, picture, secret: groups.join(" "), uri })
}

/// What authenticator apps read from the picture: a URI of Google's, and everybody's since.
fn uri(domain: &str, address: &str, secret: &str) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    format!("otpauth://totp/{}:{}?secret={secret}&issuer={}", encode(domain), encode(address), encode(domain))
}

/// RFC 4648 §6, without padding.
fn base32(octets: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut text, mut held, mut bits) = (String::new(), 0_u32, 0);
    for octet in octets {
        held = held << 8 | u32::from(*octet);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(LETTERS[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(LETTERS[(held << (5 - bits) & 31) as usize]));
    }
    text
}

/// POST: makes a secret that waits for its first code.
pub async fn add(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, ADD, form.field("form"), PATH) {
        return response;
    }
    let sent = Sent { purpose: ADD, path: PATH, form: &form };
    match signed_in_to_send(&ctx, &visit, "authenticator", &sent).await {
        Ok((_, account)) => begin(&ctx, &visit, &account, form.field("label").trim()).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn begin(ctx: &Ctx, visit: &Visit, account: &Account, label: &str) -> Result<Response, Trouble> {
    match ctx.vault().add_totp(account.id, if label.is_empty() { t("Authenticator") } else { label }).await {
        Ok(_) => Ok(see_other(PATH)),
        Err(error) => match words::refusal(&error) {
            Some(says) => show(ctx, visit, account, StatusCode::BAD_REQUEST, Some(says)).await,
            None => Err(Trouble::from(error)),
        },
    }
}

/// POST: its first code.
pub async fn confirm(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, CONFIRM, form.field("form"), PATH) {
        return response;
    }
    let sent = Sent { purpose: CONFIRM, path: "/account/authenticator/confirm", form: &form };
    match signed_in_to_send(&ctx, &visit, "authenticator", &sent).await {
        Ok((_, account)) => first_code(&ctx, &visit, &account, form.field("code")).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn first_code(ctx: &Ctx, visit: &Visit, account: &Account, code: &str) -> Result<Response, Trouble> {
    if !ctx.vault().confirm_totp(account.id, code).await? {
        let says =
            t("That is not the code that the app shows now. Wait for the next one, and see that the phone's clock is right.");
        return show(ctx, visit, account, StatusCode::BAD_REQUEST, Some(says.to_string())).await;
    }
    note(ctx, visit, account.id, "authenticator.added", "").await?;
    tell(ctx, visit, account, Notice::AuthenticatorAdded, "").await;
    recovery::after_a_first_factor(ctx, visit, account, PATH).await
}

/// POST: the one that waits for its first code is given up; it opens nothing yet.
pub async fn give_up(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, GIVE_UP, form.field("form"), PATH) {
        return response;
    }
    let account = match signed_in_lately(&ctx, &visit, "authenticator").await {
        Ok((_, account)) => account,
        Err(response) => return response,
    };
    let forgotten = async {
        if let Some((id, ..)) = ctx.vault().find_waiting_totp(account.id).await? {
            ctx.vault().remove_totp(account.id, id).await?;
        }
        Ok::<_, Trouble>(see_other(PATH))
    };
    forgotten.await.unwrap_or_else(page::trouble)
}

/// POST: forgets one.
pub async fn end(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    if let Err(response) = visit.check_form(&ctx, END, form.field("form"), PATH) {
        return response;
    }
    let sent = Sent { purpose: END, path: "/account/authenticator/end", form: &form };
    match signed_in_to_send(&ctx, &visit, "authenticator", &sent).await {
        Ok((session, account)) => forget(&ctx, &visit, session, &account, form.field("id")).await.unwrap_or_else(page::trouble),
        Err(response) => response,
    }
}

async fn forget(ctx: &Ctx, visit: &Visit, session: &Session, account: &Account, id: &str) -> Result<Response, Trouble> {
    let removed = match id.parse() {
        Ok(id) => ctx.vault().remove_totp(account.id, id).await?,
        Err(_) => false,
    };
    if !removed {
        return Ok(not_there());
    }
    ctx.directory.end_password_sessions(account.id, Some(session.id)).await?;
    note(ctx, visit, account.id, "authenticator.ended", "").await?;
    tell(ctx, visit, account, Notice::AuthenticatorRemoved, "").await;
    Ok(see_other(&Done::AuthenticatorRemoved.at(PATH)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_the_standard() {
        // RFC 4648 §10.
        for (octets, letters) in
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(base32(octets.as_bytes()), letters);
        }
    }

    #[test]
    fn the_uri_holds_nothing_unescaped() {
        assert_eq!(
            uri("home.example", "al ice+x@home.example", "MZXQ"),
            "otpauth://totp/home.example:al%20ice%2Bx%40home.example?secret=MZXQ&issuer=home.example"
        );
    }
}
