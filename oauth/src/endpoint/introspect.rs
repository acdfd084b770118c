// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/introspect` (RFC 7662): what an access or refresh token is, for servers that were shown one.
//!
//! A client learns of its own tokens; a client that belongs to the house (`trusted`, such as a mail
//! server of the household) of all. Everybody else reads `active: false`, whatever the token is.

use std::sync::Arc;

use hearth_identity::grants::Client;
use hearth_types::{AccountId, ClientId, Fault, Secret, SessionId, Timestamp};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::{HeaderMap, StatusCode};
use hearth_web::axum::response::Response;
use serde_json::{Value, json};

use crate::client::authentication::authenticate;
use crate::ctx::Ctx;
use crate::endpoint::token::{self, exchange, read_body};
use crate::error::{Answer, ErrorCode, Refusal, answered, json as json_response, ours, refuse};
use crate::request::claims;
use crate::request::level::Level;

/// POST.
pub async fn run(State(ctx): State<Arc<Ctx>>, headers: HeaderMap, body: Bytes) -> Response {
    answered(respond(&ctx, &headers, &body).await)
}

async fn respond(ctx: &Ctx, headers: &HeaderMap, body: &[u8]) -> Answer {
    let params = read_body(headers, body, &["token", "token_type_hint", "client_id", "client_secret"])?;
    let client = authenticate(ctx, headers, &params).await?;
    // §2.1: not for anybody who merely knows a client_id.
    if client.is_public() {
        return refuse(ErrorCode::InvalidClient, "a public client cannot ask");
    }
    let Some(token) = params.find("token") else {
        return refuse(ErrorCode::InvalidRequest, "token is missing");
    };
    let shown = find(ctx, &Secret::new(token.to_string())).await?;
    let body = match shown.filter(|token| client.trusted || token.client == client.id) {
        Some(token) => describe(ctx, &client, &token).await?,
        // §2.2: and nothing else.
        None => json!({ "active": false }),
    };
    Ok(json_response(StatusCode::OK, &body))
}

/// A live token of either kind. RFC 7662 §2.1: the hint may be wrong, so both places are looked at.
struct Shown {
    client: ClientId,
    account: AccountId,
    session: SessionId,
    scopes: Vec<String>,
    created_at: Timestamp,
    expires_at: Timestamp,
    is_access: bool,
    audience: String,
    confirmation: Option<String>,
    actors: Vec<String>,
}

async fn find(ctx: &Ctx, token: &Secret<String>) -> Result<Option<Shown>, Fault<Refusal>> {
    if let Some(found) = ctx.directory.find_access_token(token).await.map_err(ours)? {
        return Ok((!found.is_over).then_some(Shown {
            client: found.client,
            account: found.account,
            session: found.session,
            scopes: found.scopes,
            created_at: found.created_at,
            expires_at: found.expires_at,
            is_access: true,
            audience: found.audience,
            confirmation: found.confirmation,
            actors: found.actors,
        }));
    }
    let found = ctx.directory.find_refresh_token(token).await.map_err(ours)?;
    Ok(found.filter(|found| !found.is_over).map(|found| Shown {
        client: found.client,
        account: found.account,
        session: found.session,
        scopes: found.scopes,
        created_at: found.created_at,
        expires_at: found.expires_at,
        is_access: false,
        audience: String::new(),
        confirmation: None,
        actors: Vec::new(),
    }))
}

async fn describe(ctx: &Ctx, asking: &Client, shown: &Shown) -> Result<Value, Fault<Refusal>> {
    let owner = ctx.directory.find_client_by_id(shown.client).await.map_err(ours)?;
    let account = ctx.directory.find_account(shown.account).await.map_err(ours)?;
    let (Some(owner), Some(account)) = (owner, account) else {
        return Ok(json!({ "active": false }));
    };
    let mut body = json!({
        "active": true,
        "iss": ctx.issuer,
        "sub": claims::subject(ctx, &owner, account.id),
        "client_id": owner.identifier,
        "scope": shown.scopes.join(" "),
        "iat": shown.created_at.secs(),
        "exp": shown.expires_at.secs(),
    });
    // RFC 7662 §2.2: as RFC 6749 §5.1 has it, which a refresh token has not.
    if shown.is_access {
        body["token_type"] = json!(if shown.confirmation.is_some() { "DPoP" } else { "Bearer" });
    }
    let session = ctx.directory.find_session(shown.session).await.map_err(ours)?;
    let granted = match session {
        Some(session) => token::granted(ctx, &session).await?,
        None => None,
    };
    // RFC 9470 §6.2: by this a resource knows whether to ask for more.
    if let Some(granted) = granted.filter(|granted| !granted.auth_methods.is_empty()) {
        body["auth_time"] = json!(granted.auth_time.secs());
        body["acr"] = json!(Level::of(&granted.auth_methods).name());
        body["amr"] = granted.auth_methods.split(' ').map(Value::from).collect();
    }
    if !shown.audience.is_empty() {
        body["aud"] = shown.audience.split(' ').collect();
    }
    if let Some(key) = &shown.confirmation {
        body["cnf"] = json!({ "jkt": key });
    }
    if let Some(act) = exchange::act(&shown.actors) {
        body["act"] = act;
    }
    if asking.trusted {
        body["username"] = json!(account.primary.to_string());
        body["email"] = json!(account.primary.to_string());
    }
    Ok(body)
}
