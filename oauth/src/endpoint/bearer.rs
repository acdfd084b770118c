// SPDX-License-Identifier: AGPL-3.0-or-later
//! The access token of a request to one of our own resources: userinfo, SCIM (RFC 6750, RFC 9449 §7).

use std::sync::Arc;

use hearth_identity::grants::AccessToken;
use hearth_types::{Fault, Secret, Trouble};
use hearth_web::axum::extract::State;
use hearth_web::axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use hearth_web::axum::response::{IntoResponse, Response};

use crate::ctx::Ctx;
use crate::endpoint::protected_resource;
use crate::jose::dpop;
use crate::request::params::Params;
use crate::request::resource;
use crate::request::scope::{Scope, Scopes};

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
    /// It does not have this scope.
    InsufficientScope(Scope),
}

impl IntoResponse for BearerRefusal {
    fn into_response(self) -> Response {
        let (status, challenge) = match self {
            Self::Missing => (StatusCode::UNAUTHORIZED, "Bearer".to_string()),
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "Bearer error=\"invalid_request\"".to_string()),
            Self::InvalidToken => (
                StatusCode::UNAUTHORIZED,
                "Bearer error=\"invalid_token\", error_description=\"the token is unknown or has ended\"".to_string(),
            ),
            Self::InvalidProof => {
                (StatusCode::UNAUTHORIZED, "DPoP error=\"invalid_dpop_proof\", algs=\"ES256 EdDSA RS256\"".to_string())
            }
            Self::InsufficientScope(scope) => {
                (StatusCode::FORBIDDEN, format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", scope.name()))
            }
        };
        let challenge = HeaderValue::from_str(&challenge).unwrap_or(HeaderValue::from_static("Bearer"));
        (status, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
    }
}

/// RFC 9728 §5.1: who is refused learns where the resource is described, and there whom to ask for a token.
pub async fn described(State(ctx): State<Arc<Ctx>>, mut response: Response) -> Response {
    let place = format!("resource_metadata=\"{}{}\"", ctx.issuer, protected_resource::PATH);
    if let Some(field) = response.headers_mut().get_mut(header::WWW_AUTHENTICATE) {
        let said = field.to_str().unwrap_or("Bearer");
        let sign = if said.contains(' ') { "," } else { "" };
        *field = HeaderValue::from_str(&format!("{said}{sign} {place}")).unwrap_or(HeaderValue::from_static("Bearer"));
    }
    response
}

/// The live token of a request to `path`, which is for us and has `scope`. `body`: RFC 6750 §2.2, where that is taken.
pub async fn admit(
    ctx: &Ctx,
    method: &str,
    path: &str,
    headers: &HeaderMap,
    body: &Params,
    scope: Scope,
) -> Result<AccessToken, Fault<BearerRefusal>> {
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
        (Some(_), true) => dpop::read(ctx, headers, method, path, Some(token.expose()))
            .await?
            .map_err(|_| Fault::Peer(BearerRefusal::InvalidProof))?,
        _ => return Err(Fault::Peer(BearerRefusal::InvalidToken)),
    };
    if found.confirmation.is_some() && proof.map(|proof| proof.thumbprint) != found.confirmation {
        return Err(Fault::Peer(BearerRefusal::InvalidProof));
    }
    if !Scopes::parse(&found.scopes.join(" ")).has(scope) {
        return Err(Fault::Peer(BearerRefusal::InsufficientScope(scope)));
    }
    Ok(found)
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
