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
use hearth_web::axum::http::{StatusCode, header};
use hearth_web::axum::response::Response;
use hearth_web::{headers, page};
use url::Url;

use crate::client::profile::Profile;
use crate::client::redirect;
use crate::ctx::Ctx;
use crate::limits::AUTHORIZATION_REQUEST_BYTES_MAX;
use crate::page::sign_in;
use crate::page::visit::{Visit, see_other};
use crate::registry;
use crate::request::claims;
use crate::request::params::Params;

const PURPOSE: &str = "sign-out";
/// Clients that are told through the browser.
const FRAMES_MAX: usize = 20;
/// Where the confirmation is posted, and the sign-out button of our pages.
pub const PATH: &str = "/sign-out";

#[derive(Template)]
#[template(path = "logout.html")]
struct Page {
    form: String,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOut<'a> {
    sign_in: &'static str,
    then: Option<&'a str>,
    frames: &'a [String],
}

/// What a client asked, as far as it could prove it.
struct Asked {
    /// Who asks.
    client: Option<Client>,
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

/// POST: §2 wants it. The browser sends no cookies with another site's form, so the request goes on as a GET, which has
/// them. What is too long for that proves nothing: then the person decides.
pub async fn post(body: Bytes) -> Response {
    let asked = Some(body).filter(|body| body.len() <= AUTHORIZATION_REQUEST_BYTES_MAX);
    see_other(&format!("{}?{}", registry::path("end_session_endpoint"), Params::parse(&asked.unwrap_or_default()).encode()))
}

/// POST `/sign-out`: the person decided.
pub async fn confirm(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    if let Err(response) = visit.check_form(&ctx, PURPOSE, Params::parse(&body).field("form"), "/account") {
        return response;
    }
    match after(&ctx, &visit, None).await {
        Ok(after) => visit.sign_out(&ctx, after).await.unwrap_or_else(page::trouble),
        Err(trouble) => page::trouble(trouble),
    }
}

/// The token for a sign-out button.
pub fn form(ctx: &Ctx, visit: &Visit) -> String {
    visit.form(ctx, PURPOSE)
}

async fn respond(ctx: &Ctx, visit: &Visit, params: &Params) -> Result<Response, Trouble> {
    let asked = read(ctx, params).await?;
    let after = after(ctx, visit, asked.then.as_deref()).await?;
    let is_of = |account| {
        asked.client.as_ref().map(|client| claims::subject(ctx, client, account)) == asked.subject && asked.subject.is_some()
    };
    match &visit.session {
        None => Ok(after),
        Some(session) if is_of(session.account) => visit.sign_out(ctx, after).await,
        // §6: without proof, or with another's, it may be an attack.
        Some(_) => Ok(visit.page(&Page { form: form(ctx, visit) })),
    }
}

/// What is shown when it is done. Clients that want to be told through the browser are loaded in frames that
/// nobody sees (OpenID Connect Front-Channel Logout §2): the page then goes on by itself, or by its link.
async fn after(ctx: &Ctx, visit: &Visit, then: Option<&str>) -> Result<Response, Trouble> {
    let frames = frames(ctx, visit).await?;
    if frames.is_empty() {
        return Ok(match then {
            Some(location) => see_other(location),
            None => visit.page(&SignedOut { sign_in: sign_in::PATH, then: None, frames: &[] }),
        });
    }
    let mut response = visit.script_page(StatusCode::OK, &SignedOut { sign_in: sign_in::PATH, then, frames: &frames }, None);
    let origins: Vec<String> = frames.iter().filter_map(|uri| Some(Url::parse(uri).ok()?.origin().ascii_serialization())).collect();
    let policy = headers::policy_with_frames(&origins.iter().map(String::as_str).collect::<Vec<_>>());
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

async fn frames(ctx: &Ctx, visit: &Visit) -> Result<Vec<String>, Trouble> {
    let Some(session) = &visit.session else {
        return Ok(Vec::new());
    };
    let sid = session.id.to_string();
    let mut frames = Vec::new();
    for client in ctx.directory.list_clients_of_session(session.id).await?.into_iter().take(FRAMES_MAX) {
        let client = ctx.directory.find_client_by_id(client).await?;
        if let Some(uri) = client.and_then(|client| Profile::of(&client).frontchannel) {
            frames.push(redirect::with_params(&uri, &[("iss", &ctx.issuer), ("sid", &sid)]));
        }
    }
    Ok(frames)
}

async fn read(ctx: &Ctx, params: &Params) -> Result<Asked, Trouble> {
    // §2: an ID token that has expired counts, for it often has.
    let hint = params.find("id_token_hint").and_then(|hint| ctx.keys().verify(hint, "JWT"));
    let Some(hint) = hint.filter(|hint| hint["iss"] == ctx.issuer.as_str()) else {
        return Ok(Asked { client: None, subject: None, then: None });
    };
    let audience = hint["aud"].as_str().unwrap_or_default();
    let client = match params.find("client_id") {
        Some(client) if client != audience => None,
        _ => ctx.directory.find_client(audience).await?,
    };
    let client = client.filter(|client| !client.disabled);
    let then = client.as_ref().and_then(|client| then_of(client, params));
    Ok(Asked { client, subject: hint["sub"].as_str().map(str::to_string), then })
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
