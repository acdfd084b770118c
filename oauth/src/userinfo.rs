// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/userinfo` (OpenID Connect Core §5.3): who an access token speaks of. GET or POST.

use std::sync::Arc;

use hearth_types::{Fault, Secret, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hearth_web::axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::ctx::Ctx;
use crate::error::{Answer, answered, json};
use crate::params::Params;
use crate::profile::Profile;
use crate::scope::{Scope, Scopes};
use crate::{claims, dpop, registry, resource};

/// Why a token does not open this (RFC 6750 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerRefusal {
    /// No token: the challenge names no error.
    Missing,
    /// Two tokens, or one that cannot be read.
    InvalidRequest,
    /// Unknown, expired or revoked.
    InvalidToken,
    /// RFC 9449 §7.1: the proof does not hold, or is not there.
    InvalidProof,
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
            Self::InvalidProof => (StatusCode::UNAUTHORIZED, "DPoP error=\"invalid_dpop_proof\", algs=\"ES256 EdDSA RS256\""),
            Self::InsufficientScope => (StatusCode::FORBIDDEN, "Bearer error=\"insufficient_scope\", scope=\"openid\""),
        };
        (status, [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))]).into_response()
    }
}

/// GET and POST.
pub async fn run(State(ctx): State<Arc<Ctx>>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    let body = if method == Method::POST { Params::parse(&body) } else { Params::default() };
    answered(respond(&ctx, &method, &headers, &body).await)
}

async fn respond(ctx: &Ctx, method: &Method, headers: &HeaderMap, body: &Params) -> Answer<BearerRefusal> {
    let (token, with_proof) = read_token(headers, body).map_err(Fault::Peer)?;
    let found = ctx.directory.find_access_token(&token).await.map_err(Trouble::from)?;
    let found = found.filter(|token| !token.is_over).ok_or(Fault::Peer(BearerRefusal::InvalidToken))?;
    // RFC 8707: a token that is for others alone does not open this.
    if !resource::is_for(&found.audience, &ctx.issuer) {
        return Err(Fault::Peer(BearerRefusal::InvalidToken));
    }
    // RFC 9449 §7.1: a bound token wants its proof, and one that is not bound has none.
    let proof = match (&found.confirmation, with_proof) {
        (None, false) => None,
        (Some(_), true) => {
            let path = registry::path("userinfo_endpoint");
            dpop::read(ctx, headers, method.as_str(), path, Some(token.expose()))
                .await?
                .map_err(|_| Fault::Peer(BearerRefusal::InvalidProof))?
        }
        _ => return Err(Fault::Peer(BearerRefusal::InvalidToken)),
    };
    if found.confirmation.is_some() && proof.map(|proof| proof.thumbprint) != found.confirmation {
        return Err(Fault::Peer(BearerRefusal::InvalidProof));
    }
    let scopes = Scopes::parse(&found.scopes.join(" "));
    if !scopes.has(Scope::Openid) {
        return Err(Fault::Peer(BearerRefusal::InsufficientScope));
    }
    let account = ctx.directory.find_account(found.account).await.map_err(Trouble::from)?;
    let account = account.ok_or(Fault::Peer(BearerRefusal::InvalidToken))?;
    let client = ctx.directory.find_client_by_id(found.client).await.map_err(Trouble::from)?;
    let client = client.ok_or(Fault::Peer(BearerRefusal::InvalidToken))?;
    let mut claims = claims::person(ctx, &client, &account, scopes).await?.claims(scopes, &ctx.domain);
    let Some(algorithm) = Profile::of(&client).userinfo else {
        return Ok(json(StatusCode::OK, &Value::Object(claims)));
    };
    // OpenID Connect Core §5.3.2.
    claims.insert("iss".into(), ctx.issuer.clone().into());
    claims.insert("aud".into(), client.identifier.into());
    let signed = ctx.keys().sign(algorithm, "JWT", &Value::Object(claims))?;
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/jwt"));
    Ok(([kind, (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], signed).into_response())
}

/// RFC 6750 §2.1 and §2.2. Not §2.3: a token in an address is written to logs. True: shown by the scheme DPoP.
fn read_token(headers: &HeaderMap, body: &Params) -> Result<(Secret<String>, bool), BearerRefusal> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let in_body = body.find("access_token");
    match (fields.next(), fields.next(), in_body) {
        (None, _, None) => Err(BearerRefusal::Missing),
        (None, _, Some(token)) => Ok((Secret::new(token.to_string()), false)),
        (Some(field), None, None) => {
            let (scheme, token) = field.to_str().ok().and_then(|field| field.split_once(' ')).ok_or(BearerRefusal::Missing)?;
            let with_proof = scheme.eq_ignore_ascii_case("DPoP");
            if with_proof || scheme.eq_ignore_ascii_case("Bearer") {
                Ok((Secret::new(token.trim().to_string()), with_proof))
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
            read_token(&map, &Params::parse(body.as_bytes())).map(|(token, with_proof)| (token.expose().clone(), with_proof))
        };
        assert_eq!(read(&["Bearer abc"], ""), Ok(("abc".into(), false)));
        assert_eq!(read(&["bearer abc"], ""), Ok(("abc".into(), false)));
        assert_eq!(read(&[], "access_token=abc"), Ok(("abc".into(), false)));
        assert_eq!(read(&["DPoP abc"], ""), Ok(("abc".into(), true)));
        assert_eq!(read(&[], ""), Err(BearerRefusal::Missing));
        assert_eq!(read(&["Basic abc"], ""), Err(BearerRefusal::Missing));
        assert_eq!(read(&["Bearer abc"], "access_token=abc"), Err(BearerRefusal::InvalidRequest));
        assert_eq!(read(&["Bearer abc", "Bearer def"], ""), Err(BearerRefusal::InvalidRequest));
    }
}
