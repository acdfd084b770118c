// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/token` (RFC 6749 §3.2): a code, or a refresh token, becomes tokens.

mod code;
mod refresh;

use std::sync::Arc;

use hearth_identity::directory::{Account, Session};
use hearth_identity::grants::{Client, NewTokens, Tokens};
use hearth_identity::vault::Algorithm;
use hearth_types::{Fault, SessionId, Timestamp, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::{HeaderMap, StatusCode};
use hearth_web::axum::response::Response;
use serde_json::json;

use crate::claims::{self, IdToken};
use crate::client_auth::authenticate;
use crate::ctx::Ctx;
use crate::error::{Answer, ErrorCode, Refusal, answered, json as json_response, refuse};
use crate::jws;
use crate::limits::{ACCESS_TOKEN_LIFE, REFRESH_TOKEN_LIFE};
use crate::params::{Params, ParamsError};
use crate::registry;
use crate::scope::{Scope, Scopes};

const KNOWN: [&str; 8] =
    ["grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "client_id", "client_secret"];

/// POST.
pub async fn run(State(ctx): State<Arc<Ctx>>, headers: HeaderMap, body: Bytes) -> Response {
    answered(respond(&ctx, &headers, &body).await)
}

async fn respond(ctx: &Ctx, headers: &HeaderMap, body: &[u8]) -> Answer {
    let params = read_body(headers, body, &KNOWN)?;
    let client = authenticate(&ctx.directory, headers, &params).await?;
    let grant = params.find("grant_type").map_or_else(|| refuse(ErrorCode::InvalidRequest, "grant_type is missing"), Ok)?;
    if !registry::speaks("grant_types_supported", grant) {
        return refuse(ErrorCode::UnsupportedGrantType, "grant_type must be authorization_code or refresh_token");
    }
    if !client.grant_types.iter().any(|kind| kind == grant) {
        return refuse(ErrorCode::UnauthorizedClient, "this client may not use this grant");
    }
    match grant {
        "authorization_code" => code::run(ctx, &client, &params).await,
        _ => refresh::run(ctx, &client, &params).await,
    }
}

/// The parameters of a body; RFC 6749 §3.2: each at most once. Those of a query do not count, for
/// queries are written to logs.
pub fn read_body(headers: &HeaderMap, body: &[u8], known: &[&str]) -> Result<Params, Fault<Refusal>> {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return refuse(ErrorCode::InvalidRequest, "the body must be application/x-www-form-urlencoded");
    }
    let params = Params::parse(body);
    match params.check(known) {
        Ok(()) => Ok(params),
        Err(error @ (ParamsError::Twice(_) | ParamsError::TooMany)) => refuse(ErrorCode::InvalidRequest, error.to_string()),
    }
}

/// How long the tokens of a client live.
fn lives(client: &Client) -> NewTokens {
    let refreshes = client.grant_types.iter().any(|kind| kind == "refresh_token");
    NewTokens { access_lives: ACCESS_TOKEN_LIFE, refresh_lives: refreshes.then_some(REFRESH_TOKEN_LIFE) }
}

/// RFC 6749 §5.1, with the ID token of OpenID Connect Core §3.1.3.3.
fn to_wire(tokens: &Tokens, id_token: Option<String>, now: Timestamp) -> Response {
    let mut body = json!({
        "access_token": tokens.access.expose(),
        "token_type": "Bearer",
        "expires_in": tokens.access_expires_at.since(now).as_secs(),
        "scope": tokens.scopes.join(" "),
    });
    if let Some(refresh) = &tokens.refresh {
        body["refresh_token"] = json!(refresh.expose());
    }
    if let Some(id_token) = id_token {
        body["id_token"] = json!(id_token);
    }
    json_response(StatusCode::OK, &body)
}

/// Who a grant speaks for.
struct Granted {
    account: Account,
    auth_time: Timestamp,
    auth_methods: String,
    browser: Option<SessionId>,
}

/// What an ID token needs to know of the session of a grant, and of the browser that it came of.
async fn granted(ctx: &Ctx, session: &Session) -> Result<Option<Granted>, Trouble> {
    let browser = match session.parent {
        Some(parent) => ctx.directory.find_session(parent).await?,
        None => None,
    };
    let account = ctx.directory.find_account(session.account).await?;
    Ok(account.map(|account| Granted {
        account,
        auth_time: session.authenticated_at,
        auth_methods: browser.as_ref().map(|browser| browser.auth_methods.clone()).unwrap_or_default(),
        browser: session.parent,
    }))
}

/// The ID token of a grant, when `openid` is among its scopes.
fn id_token(
    ctx: &Ctx,
    client: &Client,
    granted: &Granted,
    tokens: &Tokens,
    nonce: Option<&str>,
) -> Result<Option<String>, Trouble> {
    let scopes = Scopes::parse(&tokens.scopes.join(" "));
    if !scopes.has(Scope::Openid) {
        return Ok(None);
    }
    let algorithm = algorithm_of(client);
    let person = claims::of_person(&granted.account, scopes, &ctx.domain);
    let token = IdToken {
        issuer: &ctx.issuer,
        client: &client.identifier,
        now: ctx.now(),
        auth_time: granted.auth_time,
        nonce,
        session: granted.browser,
        auth_methods: &granted.auth_methods,
        access_token: tokens.access.expose(),
        algorithm,
    };
    ctx.keys.sign(algorithm, "JWT", &claims::of_id_token(&token, person)).map(Some)
}

/// `id_token_signed_response_alg` (OpenID Connect Dynamic Client Registration §2); RS256 when it says
/// nothing, for more clients fail at anything else than at any other thing.
fn algorithm_of(client: &Client) -> Algorithm {
    serde_json::from_str::<serde_json::Value>(&client.metadata)
        .ok()
        .and_then(|metadata| jws::parse_algorithm(metadata["id_token_signed_response_alg"].as_str()?))
        .unwrap_or(Algorithm::Rs256)
}
