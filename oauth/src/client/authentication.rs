// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which client speaks (RFC 6749 §2.3): at the token, revocation and introspection endpoints.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hearth_identity::grants::Client;
use hearth_types::{Fault, Secret};
use hearth_web::axum::http::{HeaderMap, header};
use serde_json::Value;
use url::form_urlencoded;

use crate::client::profile::Profile;
use crate::ctx::Ctx;
use crate::error::{ErrorCode, Refusal, refuse};
use crate::gate::throttle::Deed;
use crate::jose::assertion;
use crate::request::params::Params;
use crate::stranger;

/// What a request says of its client.
#[derive(Debug)]
struct Claimed {
    identifier: String,
    secret: Option<Secret<String>>,
    /// RFC 7523: it signs who it is.
    assertion: Option<String>,
}

/// The client that sent this, proven when it has a secret.
pub async fn authenticate(ctx: &Ctx, headers: &HeaderMap, params: &Params) -> Result<Client, Fault<Refusal>> {
    authenticate_at(ctx, headers, params, None).await
}

/// The same at an endpoint that what it signs may name (RFC 9126 §2).
pub async fn authenticate_at(ctx: &Ctx, headers: &HeaderMap, params: &Params, at: Option<&str>) -> Result<Client, Fault<Refusal>> {
    let claimed = read(headers, params).map_err(Fault::Peer)?;
    let found = ctx.directory.find_client(&claimed.identifier).await.map_err(crate::error::ours)?;
    let signs = |client: &Client| Profile::of(client).signs_in;
    let proven = |client: &Client| match (&claimed.assertion, &claimed.secret) {
        // Looked at below, where there are keys.
        (Some(_), _) => signs(client),
        // A public client has no secret, so none that it sends can be right.
        (None, Some(secret)) => !signs(client) && client.secret_matches(secret),
        (None, None) => client.is_public(),
    };
    let Some(client) = found.filter(|client| proven(client) && !client.disabled) else {
        return refuse(ErrorCode::InvalidClient, "the client is unknown or did not prove who it is");
    };
    if let Some(assertion) = &claimed.assertion {
        stranger::admit(ctx, &client, headers, Deed::Proof)?;
        assertion::prove(ctx, &client, assertion, at).await?;
    }
    Ok(client)
}

fn read(headers: &HeaderMap, params: &Params) -> Result<Claimed, Refusal> {
    let invalid = |says: &str| Refusal::new(ErrorCode::InvalidRequest, says);
    let in_body = params.find("client_id");
    let secret = params.find("client_secret");
    if let Some(assertion) = params.find("client_assertion") {
        if params.find("client_assertion_type") != Some(assertion::TYPE) {
            return Err(Refusal::new(ErrorCode::InvalidClient, "this client_assertion_type is not spoken here"));
        }
        if secret.is_some() || headers.contains_key(header::AUTHORIZATION) {
            return Err(invalid("the client proves itself in two ways at once"));
        }
        // RFC 7521 §4.2: client_id may be left out, for the assertion names the client.
        let named = in_body.map(str::to_string).or_else(|| subject_of(assertion));
        let identifier = named.ok_or_else(|| Refusal::new(ErrorCode::InvalidClient, "no client named itself"))?;
        return Ok(Claimed { identifier, secret: None, assertion: Some(assertion.to_string()) });
    }
    match read_basic(headers)? {
        // RFC 6749 §2.3: not more than one method.
        Some(_) if secret.is_some() => Err(invalid("the client proves itself in two ways at once")),
        Some(basic) if in_body.is_some_and(|client| client != basic.identifier) => {
            Err(invalid("client_id is not the client of the Authorization field"))
        }
        Some(basic) => Ok(basic),
        None => match in_body {
            Some(identifier) => Ok(Claimed {
                identifier: identifier.to_string(),
                secret: secret.map(|secret| Secret::new(secret.to_string())),
                assertion: None,
            }),
            None => Err(Refusal::new(ErrorCode::InvalidClient, "no client named itself")),
        },
    }
}

/// RFC 6749 §2.3.1: identifier and secret are form-encoded before they become a Basic credential. The
/// secrets that we make have no character that this would change, so clients that forget it get in too.
fn read_basic(headers: &HeaderMap) -> Result<Option<Claimed>, Refusal> {
    let unreadable = || Refusal::new(ErrorCode::InvalidClient, "the Authorization field cannot be read");
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(unreadable());
    }
    let (scheme, credential) = field.to_str().ok().and_then(|field| field.split_once(' ')).ok_or_else(unreadable)?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return Err(unreadable());
    }
    let decoded =
        STANDARD.decode(credential.trim()).ok().and_then(|octets| String::from_utf8(octets).ok()).ok_or_else(unreadable)?;
    let (identifier, secret) = decoded.split_once(':').ok_or_else(unreadable)?;
    let identifier = form_decode(identifier);
    let secret = Some(form_decode(secret)).filter(|secret| !secret.is_empty()).map(Secret::new);
    Ok(Some(Claimed { identifier, secret, assertion: None }))
}

/// Whom an assertion speaks of, before anybody looked whether it holds.
fn subject_of(assertion: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims["sub"].as_str().map(str::to_string)
}

fn form_decode(text: &str) -> String {
    // A text without `=` and `&` is one name.
    let text = text.replace('=', "%3D").replace('&', "%26");
    form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(credential: &str) -> HeaderMap {
        raw(&format!("Basic {}", STANDARD.encode(credential)))
    }

    fn raw(field: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, field.parse().unwrap())])
    }

    fn seen(headers: &HeaderMap, body: &str) -> Result<(String, Option<String>), ErrorCode> {
        read(headers, &Params::parse(body.as_bytes()))
            .map(|claimed| (claimed.identifier, claimed.secret.map(|secret| secret.expose().clone())))
            .map_err(|refusal| refusal.code)
    }

    #[test]
    fn who_speaks() {
        let some = |client: &str, secret: &str| Ok((client.to_string(), Some(secret.to_string())));
        assert_eq!(seen(&basic("app:s3-_"), ""), some("app", "s3-_"));
        assert_eq!(seen(&basic("app:s3-_"), "client_id=app"), some("app", "s3-_"));
        assert_eq!(seen(&basic("a%3Ab:c%25+d=&"), ""), some("a:b", "c% d=&"));
        assert_eq!(seen(&raw(&format!("bASIC {}", STANDARD.encode("app:x"))), ""), some("app", "x"));
        assert_eq!(seen(&HeaderMap::new(), "client_id=app&client_secret=x"), some("app", "x"));
        assert_eq!(seen(&HeaderMap::new(), "client_id=app"), Ok(("app".into(), None)));
        assert_eq!(seen(&HeaderMap::new(), "client_id=app&client_secret="), Ok(("app".into(), None)));
    }

    #[test]
    fn what_cannot_be_told() {
        assert_eq!(seen(&basic("app:x"), "client_secret=x"), Err(ErrorCode::InvalidRequest));
        assert_eq!(seen(&basic("app:x"), "client_id=other"), Err(ErrorCode::InvalidRequest));
        assert_eq!(seen(&HeaderMap::new(), ""), Err(ErrorCode::InvalidClient));
        assert_eq!(seen(&HeaderMap::new(), "client_id=a&client_assertion=x"), Err(ErrorCode::InvalidClient));
        for field in ["Basic", "Basic !!!", "Bearer abc", &format!("Basic {}", STANDARD.encode("no colon")), "Basic /w=="] {
            assert_eq!(seen(&raw(field), "client_id=app"), Err(ErrorCode::InvalidClient), "{field}");
        }
    }
}
