// SPDX-License-Identifier: AGPL-3.0-or-later
//! HKP v2 (draft-ietf-openpgp-hkp-01): look-ups by one exact thing in binary, an index in JSON, submission, the
//! canonical certificate of an address, and the prefix log, with which a client refreshes its keyring without saying
//! which keys it has.

use hearth_identity::certs::{Purpose, Shown};
use hearth_types::{Secret, Timestamp, Trouble};
use hearth_web::Peer;
use hearth_web::axum::Json;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::rejection::BytesRejection;
use hearth_web::axum::extract::{Path, State};
use hearth_web::axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use hearth_web::axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::hkp_add::content_type;
use super::hkp_lookup::find;
use crate::answer::{self, Failure, Refusal};
use crate::cert::{self, Clean, read_submission};
use crate::ctx::Ctx;
use crate::form::{Accepts, keytext, wipe};
use crate::index::algorithm_name;
use crate::proof;
use crate::rate::Bucket;
use crate::registry::{PROVEN_BY_TOKEN, ROWS};
use crate::search::{Search, parse_address, parse_key};
use crate::submit::{Outcome, compute, submit};

const DAY_SECONDS: i64 = 24 * 3600;

/// `04` and 40 digits, or `06` and 64.
pub(crate) async fn by_vfingerprint(State(ctx): State<Ctx>, peer: Peer, Path(digits): Path<String>) -> Response {
    let bundle = async {
        let found = find(&ctx, &peer, &versioned(&digits).ok_or_else(not_found)?).await?;
        as_bundle(found)
    };
    bundle.await.unwrap_or_else(answer::as_text)
}

/// 16 digits. Version 6 certificates are never found by key id (they share no digits that could be trusted).
pub(crate) async fn by_key_id(State(ctx): State<Ctx>, peer: Peer, Path(digits): Path<String>) -> Response {
    let bundle = async {
        let search = parse_key(&digits).filter(|_| digits.len() == 16).ok_or_else(not_found)?;
        let mut found = find(&ctx, &peer, &search).await?;
        found.retain(|shown| shown.fingerprint.len() == 40);
        as_bundle(found)
    };
    bundle.await.unwrap_or_else(answer::as_text)
}

/// An address, exact but for its case.
pub(crate) async fn by_identity(State(ctx): State<Ctx>, peer: Peer, Path(identity): Path<String>) -> Response {
    let bundle = async { as_bundle(by_address(&ctx, &peer, &identity).await?) };
    bundle.await.unwrap_or_else(answer::as_text)
}

/// The certificate that the address's owner chose; there is never another one here.
pub(crate) async fn canonical(State(ctx): State<Ctx>, peer: Peer, Path(identity): Path<String>) -> Response {
    let bundle = async { as_bundle(by_address(&ctx, &peer, &identity).await?) };
    let mut response = bundle.await.unwrap_or_else(answer::as_text);
    response.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(PROVEN_BY_TOKEN));
    response
}

async fn by_address(ctx: &Ctx, peer: &Peer, identity: &str) -> Result<Vec<Shown>, Failure> {
    let search = (!identity.contains('<')).then(|| parse_address(identity)).flatten();
    find(ctx, peer, &search.ok_or_else(not_found)?).await
}

/// What is shown for a versioned fingerprint, a key id or an address, as JSON.
pub(crate) async fn index(State(ctx): State<Ctx>, peer: Peer, Path(identity): Path<String>) -> Response {
    let listed = async {
        let search = match versioned(&identity) {
            Some(search) => search,
            None if identity.contains('@') => parse_address(&identity).ok_or_else(not_found)?,
            None => parse_key(&identity).filter(|_| identity.len() == 16).ok_or_else(not_found)?,
        };
        let found = find(&ctx, &peer, &search).await?;
        if found.is_empty() {
            return Err(not_found());
        }
        let listed: Vec<Value> = found.iter().map(|shown| describe(shown, ctx.clock.now())).collect();
        let body = Value::from(listed).to_string();
        let tag = answer::etag(body.as_bytes());
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let fresh = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Ok(([kind, fresh, (header::ETAG, tag)], body).into_response())
    };
    listed.await.unwrap_or_else(answer::as_text)
}

/// The first eight digits of every fingerprint that changed on a day (UTC), each on a line.
pub(crate) async fn prefix_log(State(ctx): State<Ctx>, peer: Peer, Path(day): Path<String>) -> Response {
    let logged = async {
        ctx.admit(Bucket::ByKey, &peer)?;
        let says = "Want a day as YYYY-MM-DD.";
        let day = Date::parse(&day, format_description!("[year]-[month]-[day]"))
            .map_err(|_| Failure::Peer(Refusal::new(StatusCode::BAD_REQUEST, says)))?;
        let from = day.midnight().assume_utc().unix_timestamp();
        let changed = ctx.directory.list_changed_certs(Timestamp::from_secs(from), Timestamp::from_secs(from + DAY_SECONDS));
        let mut prefixes: Vec<String> =
            changed.await.map_err(Trouble::from)?.iter().filter_map(|digits| digits.get(..8)).map(str::to_string).collect();
        prefixes.dedup();
        let lines: String = prefixes.iter().map(|prefix| format!("{prefix}\r\n")).collect();
        Ok(answer::text(StatusCode::OK, lines))
    };
    logged.await.unwrap_or_else(answer::as_text)
}

/// A submission; what came of it, as JSON.
pub(crate) async fn add(State(ctx): State<Ctx>, peer: Peer, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    let added = async {
        ctx.admit(Bucket::Upload, &peer)?;
        let body = body.map_err(|rejection| Failure::Peer(Refusal::body(rejection.status())))?;
        let keytext = keytext(content_type(&headers), &body, Accepts::Keys);
        wipe(body);
        let keytext = keytext.map_err(|refusal| unprocessable(Failure::Peer(refusal)))?;
        let taken = submit(&ctx, keytext).await.map_err(unprocessable)?;
        let is = |wanted: fn(&Outcome) -> bool| -> Vec<Value> {
            let wanted = taken.outcomes.iter().filter(|(_, outcome)| wanted(outcome));
            wanted.map(|(submitted, outcome)| result(&submitted.fingerprint, outcome)).collect()
        };
        Ok(Json(json!({
            "inserted": [],
            "updated": is(|outcome| *outcome == Outcome::Updated),
            "deleted": [],
            "ignored": is(|outcome| matches!(outcome, Outcome::Unchanged | Outcome::Unknown)),
            "invalid": is(|outcome| matches!(outcome, Outcome::Refused(_))),
        }))
        .into_response())
    };
    added.await.unwrap_or_else(answer::as_text)
}

/// Asks for a token with which the canonical certificate of an address is put. The answer tells nobody who lives here.
pub(crate) async fn send_token(State(ctx): State<Ctx>, peer: Peer, body: Result<Bytes, BytesRejection>) -> Response {
    let sent = async {
        ctx.admit(Bucket::Upload, &peer)?;
        let body = body.map_err(|rejection| Failure::Peer(Refusal::body(rejection.status())))?;
        let Some(Search::Address(address)) = std::str::from_utf8(&body).ok().and_then(|text| parse_address(text.trim())) else {
            return Err(Failure::Peer(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "Send an e-mail address as text/plain.")));
        };
        proof::in_the_time_of_a_letter(proof::ask_for_canonical(&ctx, &address)).await?;
        Ok(StatusCode::OK.into_response())
    };
    sent.await.unwrap_or_else(answer::as_text)
}

/// Puts the canonical certificate of an address.
pub(crate) async fn put_canonical(
    State(ctx): State<Ctx>,
    peer: Peer,
    headers: HeaderMap,
    Path(identity): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let put = async {
        ctx.admit(Bucket::Upload, &peer)?;
        let unauthorized = || Failure::Peer(Refusal::new(StatusCode::UNAUTHORIZED, "The token is missing, used or too old."));
        let Some(Search::Address(address)) = parse_address(&identity) else { return Err(not_found()) };
        let (token, waiting) =
            proof::find(&ctx, bearer(&headers).unwrap_or_default(), Purpose::Canonical).await?.ok_or_else(unauthorized)?;
        if waiting.address.is_none_or(|asked| asked.key() != address.key()) {
            return Err(unauthorized());
        }
        let body = body.map_err(|rejection| Failure::Peer(Refusal::body(rejection.status())))?;
        let keys = keytext(content_type(&headers), &body, Accepts::Keys);
        wipe(body);
        let keys = Secret::new(keys.map_err(|refusal| unprocessable(Failure::Peer(refusal)))?);
        let now = ctx.system_time();
        let clean = compute(move || {
            let raw = read_submission(keys.expose(), now)?.certs.into_iter().next().ok_or(cert::Refusal::NoKey)?;
            let clean = Clean::from_raw(raw, now)?;
            clean.check_safe(now).map(|()| clean)
        });
        let clean = clean.await?.map_err(|refusal| unprocessable(Failure::Peer(refusal.into())))?;
        if !proof::publish(&ctx, clean.fingerprint(), &clean.whole(), &address).await? {
            let says = "This certificate does not name the address, or is somebody else's.";
            return Err(Failure::Peer(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, says)));
        }
        ctx.directory.remove_waiting(&token).await.map_err(Trouble::from)?;
        Ok(StatusCode::OK.into_response())
    };
    put.await.unwrap_or_else(answer::as_text)
}

/// A look-up without what is looked for: there is no list here.
pub(crate) async fn no_list() -> Response {
    answer::as_text(Failure::Peer(Refusal::new(StatusCode::FORBIDDEN, "This directory cannot be listed.")))
}

/// A category with nothing behind its slash cannot be listed either; what is no category is not implemented.
pub(crate) async fn elsewhere(Path(path): Path<String>) -> Response {
    let is_category = |row: &hearth_spec::Row| {
        row.is_spoken() && row.name.strip_prefix("GET /pks/v2/").is_some_and(|category| category == path.trim_end_matches('/'))
    };
    if ROWS.iter().any(is_category) {
        return no_list().await;
    }
    answer::as_text(Failure::Peer(Refusal::new(StatusCode::NOT_IMPLEMENTED, "HKP v2 has no such category here.")))
}

/// What `op=stats` tells: what was done, never who or how many live here.
pub(crate) fn statistics(ctx: &Ctx) -> Value {
    use std::sync::atomic::Ordering::Relaxed;
    let counts = ctx.counts();
    json!({
        "software": "Hearth",
        "version": env!("CARGO_PKG_VERSION"),
        "hostname": ctx.site.url,
        "lookups": { "found": counts.found.load(Relaxed), "not_found": counts.not_found.load(Relaxed) },
        "uploads": counts.uploads.load(Relaxed),
        "letters": counts.letters.load(Relaxed),
    })
}

/// The draft writes `Authentication:`; clients also send the field of RFC 6750.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let field = headers.get("authentication").or_else(|| headers.get(header::AUTHORIZATION))?.to_str().ok()?;
    let (scheme, token) = field.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What `by-vfingerprint` asks for: the version of the key and its fingerprint.
pub fn versioned(digits: &str) -> Option<Search> {
    let (version, fingerprint) = digits.split_at_checked(2)?;
    let length = match version {
        "04" => 40,
        "06" => 64,
        _ => return None,
    };
    parse_key(fingerprint).filter(|_| fingerprint.len() == length)
}

fn as_bundle(found: Vec<Shown>) -> Result<Response, Failure> {
    if found.is_empty() { Err(not_found()) } else { Ok(answer::bundle(&found)) }
}

fn not_found() -> Failure {
    Failure::Peer(Refusal::not_found())
}

/// What cannot be read is 422 here.
fn unprocessable(failure: Failure) -> Failure {
    match failure {
        Failure::Peer(refusal) if refusal.status() == StatusCode::BAD_REQUEST => {
            Failure::Peer(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, refusal.says()))
        }
        other => other,
    }
}

fn version_of(fingerprint: &str) -> u8 {
    if fingerprint.len() == 64 { 6 } else { 4 }
}

fn result(fingerprint: &str, outcome: &Outcome) -> Value {
    let mut result = json!({ "version": version_of(fingerprint), "fingerprint": fingerprint.to_ascii_lowercase() });
    // Draft §7.2: a comment on what was ignored or is invalid, and on nothing else.
    if let (false, Some(members)) = (*outcome == Outcome::Updated, result.as_object_mut()) {
        members.insert("comment".into(), outcome.says().into());
    }
    result
}

fn describe(shown: &Shown, now: Timestamp) -> Value {
    let user_id = |identity: &hearth_identity::certs::ShownIdentity| {
        json!({
            "uidString": identity.user_id,
            "confidence": identity.confidence(),
            "creation": date(Some(identity.created_at)),
            "expiration": date(identity.expires_at),
            // One that its owner ended is not shown at all.
            "isRevoked": false,
        })
    };
    json!({
        "version": version_of(&shown.fingerprint),
        "fingerprint": shown.fingerprint.to_ascii_lowercase(),
        "algorithm": { "code": shown.algorithm, "name": algorithm_name(shown.algorithm), "bitLength": shown.bits },
        "creation": date(Some(shown.created_at)),
        "expiration": date(shown.expires_at),
        "isRevoked": shown.revoked,
        "isExpired": shown.expires_at.is_some_and(|end| end <= now),
        "userIDs": shown.identities.iter().map(user_id).collect::<Vec<_>>(),
    })
}

fn date(time: Option<Timestamp>) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(time?.secs()).ok()?.format(&Rfc3339).ok()
}
