// SPDX-License-Identifier: AGPL-3.0-or-later
//! `GET /find/{address}`: the certificate of anybody, for the people of this house alone, who show an access token (RFC 6750)
//! or an app password (RFC 7617). Strangers get 401 and no look-up is made.

use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hearth_identity::Service;
use hearth_identity::login::Login;
use hearth_types::{Secret, Timestamp};
use hearth_web::Peer;
use hearth_web::axum::Json;
use hearth_web::axum::extract::{Path, State};
use hearth_web::axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use hearth_web::axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::answer::{self, Failure, Refusal};
use crate::ctx::{Ctx, People};
use crate::find::{Answer, Found};
use crate::limits::AUTHORIZATION_BYTES_MAX;
use crate::rate::Bucket;
use crate::search::{Search, parse_address};

/// One look-up.
pub(crate) async fn run(State(ctx): State<Ctx>, peer: Peer, headers: HeaderMap, Path(address): Path<String>) -> Response {
    let mut response = find(&ctx, &peer, &headers, &address).await.unwrap_or_else(answer::as_json);
    if response.status() == StatusCode::UNAUTHORIZED {
        let schemes = HeaderValue::from_static("Bearer, Basic realm=\"Hearth\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, schemes);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn find(ctx: &Ctx, peer: &Peer, headers: &HeaderMap, address: &str) -> Result<Response, Failure> {
    ctx.admit(Bucket::ByAddress, peer)?;
    let people = ctx.people().ok_or_else(|| Failure::Peer(Refusal::not_found()))?;
    let login = admit(people, headers, peer.ip).await?;
    let Some(Search::Address(address)) = parse_address(address) else {
        return Err(Failure::Peer(Refusal::new(StatusCode::BAD_REQUEST, "Want an e-mail address.")));
    };
    let _place = people.places.try_acquire().map_err(|_| Failure::Peer(Refusal::busy()))?;
    let finder = people.finder().await?;
    let answer = finder.find(login.account, &address, false).await?;
    Ok(Json(describe(&answer)).into_response())
}

async fn admit(people: &People, headers: &HeaderMap, peer: IpAddr) -> Result<Login, Failure> {
    let unauthorized = || Failure::Peer(Refusal::new(StatusCode::UNAUTHORIZED, "Sign in with an access token or an app password."));
    let field = headers.get(header::AUTHORIZATION).and_then(|field| field.to_str().ok()).ok_or_else(unauthorized)?;
    let (scheme, shown) = field.split_once(' ').filter(|_| field.len() <= AUTHORIZATION_BYTES_MAX).ok_or_else(unauthorized)?;
    let shown = shown.trim();
    let asked = if scheme.eq_ignore_ascii_case("bearer") && !shown.is_empty() {
        people.gate.bearer(&Secret::new(shown.to_string()), Service::Keys, peer).await
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = Secret::new(BASE64_STANDARD.decode(shown).map_err(|_| unauthorized())?);
        let (user, password) =
            std::str::from_utf8(pair.expose()).ok().and_then(|pair| pair.split_once(':')).ok_or_else(unauthorized)?;
        people.gate.password(user, &Secret::new(password.to_string()), Service::Keys, peer).await
    } else {
        return Err(unauthorized());
    };
    asked?.map_err(|_| unauthorized())
}

/// As a program reads it.
pub fn describe(answer: &Answer) -> Value {
    let changed = answer.changed_from.as_ref().map(|(fingerprint, at)| json!({ "fingerprint": fingerprint, "told_at": at.secs() }));
    let asked: Vec<Value> = answer
        .asked
        .iter()
        .map(|(source, via, said)| json!({ "source": source.as_str(), "via": via, "says": said.says() }))
        .collect();
    json!({
        "found": answer.found.iter().map(describe_found).collect::<Vec<_>>(),
        "changed_from": changed,
        "asked": asked,
    })
}

fn describe_found(found: &Found) -> Value {
    json!({
        "fingerprint": found.fingerprint,
        "source": found.source.as_str(),
        "via": found.via,
        "confidence": found.confidence,
        "usable": found.usable,
        "revoked": found.revoked,
        "first_seen_at": found.first_seen_at.map(Timestamp::secs),
        "remembered_at": found.remembered_at.map(Timestamp::secs),
        "key": BASE64_STANDARD.encode(&found.bytes),
    })
}
