// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/logout` (OpenID Connect RP-Initiated Logout): a client asks to end the visit here.
//!
//! With an ID token of ours that names the person who is signed in it is done at once, and the browser
//! goes where the client registered. Without one anybody's page could be asking: then a person decides.

use std::sync::Arc;

use askama::Template;
use hearth_identity::grants::Client;
use hearth_types::Trouble;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::{RawQuery, State};
use hearth_web::axum::response::Response;
use hearth_web::page;

use crate::ctx::Ctx;
use crate::params::Params;
use crate::visit::{Visit, see_other};
use crate::{redirect, sign_in};

const PURPOSE: &str = "sign-out";
/// Where the confirmation is posted, and the sign-out button of our pages.
pub const PATH: &str = "/sign-out";

#[derive(Template)]
#[template(path = "logout.html")]
struct Page {
    form: String,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOut {
    sign_in: &'static str,
}

/// What a client asked, as far as it could prove it.
struct Asked {
    /// The `sub` of its ID token.
    subject: Option<String>,
    /// Where the browser goes then.
    then: Option<String>,
}

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    respond(&ctx, &visit, &params).await.unwrap_or_else(page::trouble)
}

/// POST: §2 wants it.
pub async fn post(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    respond(&ctx, &visit, &Params::parse(&body)).await.unwrap_or_else(page::trouble)
}

/// POST `/sign-out`: the person decided.
pub async fn confirm(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    if let Err(response) = visit.check_form(&ctx, PURPOSE, Params::parse(&body).field("form"), "/account") {
        return response;
    }
    visit.sign_out(&ctx, signed_out(&visit)).await.unwrap_or_else(page::trouble)
}

/// The token for a sign-out button.
pub fn form(ctx: &Ctx, visit: &Visit) -> String {
    visit.form(ctx, PURPOSE)
}

async fn respond(ctx: &Ctx, visit: &Visit, params: &Params) -> Result<Response, Trouble> {
    let asked = read(ctx, params).await?;
    let after = match &asked.then {
        Some(location) => see_other(location),
        None => signed_out(visit),
    };
    match &visit.session {
        None => Ok(after),
        Some(session) if asked.subject.as_deref() == Some(&session.account.to_string()) => visit.sign_out(ctx, after).await,
        // §6: without proof, or with another's, it may be an attack.
        Some(_) => Ok(visit.page(&Page { form: form(ctx, visit) })),
    }
}

fn signed_out(visit: &Visit) -> Response {
    visit.page(&SignedOut { sign_in: sign_in::PATH })
}

async fn read(ctx: &Ctx, params: &Params) -> Result<Asked, Trouble> {
    // §2: an ID token that has expired counts, for it often has.
    let hint = params.find("id_token_hint").and_then(|hint| ctx.keys.verify(hint, "JWT"));
    let Some(hint) = hint.filter(|hint| hint["iss"] == ctx.issuer.as_str()) else {
        return Ok(Asked { subject: None, then: None });
    };
    let audience = hint["aud"].as_str().unwrap_or_default();
    let client = match params.find("client_id") {
        Some(client) if client != audience => None,
        _ => ctx.directory.find_client(audience).await?,
    };
    let then = client.filter(|client| !client.disabled).and_then(|client| then_of(&client, params));
    Ok(Asked { subject: hint["sub"].as_str().map(str::to_string), then })
}

/// §3: only to what was registered, letter by letter.
fn then_of(client: &Client, params: &Params) -> Option<String> {
    let uri = params.find("post_logout_redirect_uri")?;
    if !redirect::is_registered(&client.post_logout_redirect_uris, uri) {
        return None;
    }
    Some(match params.find("state") {
        Some(state) => redirect::with_params(uri, &[("state", state)]),
        None => uri.to_string(),
    })
}
