// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/userinfo` (OpenID Connect Core §5.3): who an access token speaks of. GET or POST.

use std::sync::Arc;

use hearth_types::{Fault, Secret, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hearth_web::axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::claims;
use crate::ctx::Ctx;
use crate::error::{Answer, answered, json};
use crate::params::Params;
use crate::scope::{Scope, Scopes};

/// Why a token does not open this (RFC 6750 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerRefusal {
    /// No token: the challenge names no error.
    Missing,
    /// Two tokens, or one that cannot be read.
    InvalidRequest,
    /// Unknown, expired or revoked.
    InvalidToken,
    /// It does not have the scope `openid`.
    InsufficientScope,
}

impl IntoResponse for BearerRefusal {
    fn into_response(self) -> Response {
        let (status, challenge) = match self {
            Self::Missing => (StatusCode::UNAUTHORIZED, "Bearer"),
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "Bearer error=\"invalid_request\""),
            Self::InvalidToken => (
                StatusCode::UNAUTHORIZED,
                "Bearer error=\"invalid_token\", error_description=\"the token is unknown or has ended\"",
            ),
            Self::InsufficientScope => (StatusCode::FORBIDDEN, "Bearer error=\"insufficient_scope\", scope=\"openid\""),
        };
        (status, [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))]).into_response()
    }
}

/// GET and POST.
pub async fn run(State(ctx): State<Arc<Ctx>>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    let body = if method == Method::POST { Params::parse(&body) } else { Params::default() };
    answered(respond(&ctx, &headers, &body).await)
}

async fn respond(ctx: &Ctx, headers: &HeaderMap, body: &Params) -> Answer<BearerRefusal> {
    let token = read_token(headers, body).map_err(Fault::Peer)?;
    let found = ctx.directory.find_access_token(&token).await.map_err(Trouble::from)?;
    let found = found.filter(|token| !token.is_over).ok_or(Fault::Peer(BearerRefusal::InvalidToken))?;
    let scopes = Scopes::parse(&found.scopes.join(" "));
    if !scopes.has(Scope::Openid) {
        return Err(Fault::Peer(BearerRefusal::InsufficientScope));
    }
    let account = ctx.directory.find_account(found.account).await.map_err(Trouble::from)?;
    let account = account.ok_or(Fault::Peer(BearerRefusal::InvalidToken))?;
    Ok(json(StatusCode::OK, &Value::Object(claims::of_person(&account, scopes, &ctx.domain))))
}

/// RFC 6750 §2.1 and §2.2. Not §2.3: a token in an address is written to logs.
fn read_token(headers: &HeaderMap, body: &Params) -> Result<Secret<String>, BearerRefusal> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let in_body = body.find("access_token");
    match (fields.next(), fields.next(), in_body) {
        (None, _, None) => Err(BearerRefusal::Missing),
        (None, _, Some(token)) => Ok(Secret::new(token.to_string())),
        (Some(field), None, None) => {
            let (scheme, token) = field.to_str().ok().and_then(|field| field.split_once(' ')).ok_or(BearerRefusal::Missing)?;
            if scheme.eq_ignore_ascii_case("Bearer") {
                Ok(Secret::new(token.trim().to_string()))
            } else {
                Err(BearerRefusal::Missing)
            }
        }
        _ => Err(BearerRefusal::InvalidRequest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_in_one_place() {
        let read = |fields: &[&str], body: &str| {
            let mut map = HeaderMap::new();
            for field in fields {
                map.append(header::AUTHORIZATION, field.parse().unwrap());
            }
            read_token(&map, &Params::parse(body.as_bytes())).map(|token| token.expose().clone())
        };
        assert_eq!(read(&["Bearer abc"], ""), Ok("abc".into()));
        assert_eq!(read(&["bearer abc"], ""), Ok("abc".into()));
        assert_eq!(read(&[], "access_token=abc"), Ok("abc".into()));
        assert_eq!(read(&[], ""), Err(BearerRefusal::Missing));
        assert_eq!(read(&["Basic abc"], ""), Err(BearerRefusal::Missing));
        assert_eq!(read(&["Bearer abc"], "access_token=abc"), Err(BearerRefusal::InvalidRequest));
        assert_eq!(read(&["Bearer abc", "Bearer def"], ""), Err(BearerRefusal::InvalidRequest));
    }
}
