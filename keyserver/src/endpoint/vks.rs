// SPDX-License-Identifier: AGPL-3.0-or-later
//! The interface of keys.openpgp.org (VKS v1): look-ups by one exact thing, upload, and proof of addresses by letter.
//!
//! Upload updates what we keep; what we do not keep waits, shown to nobody, for one of its addresses to answer a letter.

use std::collections::BTreeMap;

use hearth_identity::certs::{Purpose, Token};
use hearth_types::{Address, Secret, Trouble};
use hearth_web::Peer;
use hearth_web::axum::Json;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::rejection::{BytesRejection, JsonRejection};
use hearth_web::axum::extract::{Path, State};
use hearth_web::axum::http::{HeaderMap, StatusCode};
use hearth_web::axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::hkp_add::content_type;
use super::hkp_lookup::find;
use crate::answer::{self, Failure, Refusal};
use crate::cert::clean::NamedUserId;
use crate::ctx::Ctx;
use crate::form::wipe;
use crate::limits::USER_IDS_MAX;
use crate::rate::Bucket;
use crate::search::{Search, parse_address, parse_key};
use crate::submit::{Outcome, compute, submit};
use crate::words::Lang;
use crate::{cert, proof};

/// A fingerprint, 40 or 64 upper-case digits.
pub(crate) async fn run_by_fingerprint(State(ctx): State<Ctx>, peer: Peer, Path(digits): Path<String>) -> Response {
    let search = parse_key(&digits).filter(|_| digits.len() > 16);
    look_up(&ctx, &peer, search, "a fingerprint of 40 or 64 digits").await.unwrap_or_else(answer::as_text)
}

/// A key id of 16 digits, of the primary key or of any subkey.
pub(crate) async fn run_by_key_id(State(ctx): State<Ctx>, peer: Peer, Path(digits): Path<String>) -> Response {
    let search = parse_key(&digits).filter(|_| digits.len() == 16);
    look_up(&ctx, &peer, search, "a key id of 16 digits").await.unwrap_or_else(answer::as_text)
}

/// An address.
pub(crate) async fn run_by_email(State(ctx): State<Ctx>, peer: Peer, Path(email): Path<String>) -> Response {
    look_up(&ctx, &peer, parse_address(&email), "an e-mail address").await.unwrap_or_else(answer::as_text)
}

/// VKS gives one certificate: the one whose primary key was asked for, else the first.
async fn look_up(ctx: &Ctx, peer: &Peer, search: Option<Search>, want: &str) -> Result<Response, Failure> {
    let search = search.ok_or_else(|| Failure::Peer(Refusal::new(StatusCode::BAD_REQUEST, format!("Want {want}."))))?;
    let mut found = find(ctx, peer, &search).await?;
    found.truncate(1);
    if found.is_empty() { Err(Failure::Peer(Refusal::not_found())) } else { answer::armored(&found) }
}

/// What is uploaded.
#[derive(Debug, Deserialize)]
pub(crate) struct Upload {
    keytext: String,
}

/// What was uploaded, and where its addresses stand.
#[derive(Debug, Serialize)]
pub(crate) struct Uploaded {
    pub(crate) token: String,
    pub(crate) key_fpr: String,
    pub(crate) status: BTreeMap<String, &'static str>,
}

/// An update, as JSON.
pub(crate) async fn run_upload(
    State(ctx): State<Ctx>,
    peer: Peer,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let refused = |status| answer::as_json(Failure::Peer(Refusal::new(status, "Send {\"keytext\": \"...\"}, 4 MiB at most.")));
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return refused(rejection.status()),
    };
    if !content_type(&headers).is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("application/json")) {
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let read = Json::<Upload>::from_bytes(&body);
    wipe(body);
    match read {
        Ok(Json(upload)) => take(&ctx, &peer, upload).await.unwrap_or_else(answer::as_json),
        Err(rejection) => refused(rejection.status()),
    }
}

async fn take(ctx: &Ctx, peer: &Peer, upload: Upload) -> Result<Response, Failure> {
    ctx.admit(Bucket::Upload, peer)?;
    Ok(Json(upload_keys(ctx, decode(upload.keytext)).await?).into_response())
}

/// Takes an upload, and gives it a token with which its addresses can be asked.
pub(crate) async fn upload_keys(ctx: &Ctx, keytext: Vec<u8>) -> Result<Uploaded, Failure> {
    let outcomes = submit(ctx, keytext).await?.outcomes;
    // One upload is one certificate; of several the first is answered for, as keys.openpgp.org does.
    let (submitted, outcome) = outcomes.into_iter().next().ok_or_else(|| Failure::Peer(crate::cert::Refusal::NoKey.into()))?;
    let bytes = match (outcome, submitted.stranger) {
        (Outcome::Refused(refusal), _) => return Err(Failure::Peer(refusal.into())),
        (Outcome::Unknown, None) => return Err(Failure::Peer(crate::cert::Refusal::Unbound.into())),
        (Outcome::Unknown, Some(bytes)) => bytes,
        (Outcome::Updated | Outcome::Unchanged, _) => {
            let kept = ctx.directory.find_kept(&submitted.fingerprint).await.map_err(Trouble::from)?;
            kept.map(|kept| kept.whole).unwrap_or_default()
        }
    };
    let token = Token::fresh();
    ctx.directory.add_upload(&token, &submitted.fingerprint, bytes).await.map_err(Trouble::from)?;
    let status = status_of(ctx, &submitted.fingerprint, &submitted.named).await?;
    Ok(Uploaded { token: token.as_str().to_string(), key_fpr: submitted.fingerprint, status })
}

/// Which letters are wanted.
#[derive(Debug, Deserialize)]
pub(crate) struct Verify {
    token: String,
    addresses: Vec<String>,
    #[serde(default)]
    locale: Vec<String>,
}

/// Letters to addresses of an upload, as JSON.
pub(crate) async fn run_request_verify(State(ctx): State<Ctx>, peer: Peer, body: Result<Json<Verify>, JsonRejection>) -> Response {
    match body {
        Ok(Json(verify)) => {
            let lang = Lang::choose(verify.locale.iter().map(String::as_str));
            let asked = ask(&ctx, &peer, &verify.token, &verify.addresses, lang).await;
            asked.map_or_else(answer::as_json, |uploaded| Json(uploaded).into_response())
        }
        Err(rejection) => {
            let says = "Send {\"token\": \"...\", \"addresses\": [\"...\"]}.";
            answer::as_json(Failure::Peer(Refusal::new(rejection.status(), says)))
        }
    }
}

/// Writes to addresses of an upload, as far as it names them.
pub(crate) async fn ask(ctx: &Ctx, peer: &Peer, token: &str, addresses: &[String], lang: Lang) -> Result<Uploaded, Failure> {
    ctx.admit(Bucket::Upload, peer)?;
    if addresses.len() > USER_IDS_MAX {
        return Err(Failure::Peer(cert::Refusal::TooLarge { what: "the number of addresses", max: USER_IDS_MAX }.into()));
    }
    let Some((_, waiting)) = proof::find(ctx, token, Purpose::Upload).await? else {
        return Err(Failure::Peer(Refusal::new(StatusCode::BAD_REQUEST, "This token is not good any more. Upload the key again.")));
    };
    let (bytes, now) = (waiting.bytes.clone(), ctx.system_time());
    let clean = compute(move || cert::Clean::from_stored(&bytes, now)).await?.map_err(Trouble::from)?;
    let named = clean.named_user_ids();
    let asked = async {
        for NamedUserId { address, .. } in &named {
            let is_wanted = addresses.iter().any(|wanted| wanted.eq_ignore_ascii_case(&address.to_string()));
            if is_wanted && !is_shown(ctx, &waiting.fingerprint, address).await? {
                proof::ask_to_publish(ctx, &waiting.bytes, address, lang).await?;
            }
        }
        Ok::<_, Failure>(())
    };
    proof::in_the_time_of_a_letter(asked).await?;
    let status = status_of(ctx, &waiting.fingerprint, &named).await?;
    Ok(Uploaded { token: token.to_string(), key_fpr: waiting.fingerprint, status })
}

async fn is_shown(ctx: &Ctx, fingerprint: &str, address: &Address) -> Result<bool, Failure> {
    let shown = ctx.directory.find_shown_certs_by_address(address).await.map_err(Trouble::from)?;
    Ok(shown.iter().any(|shown| shown.fingerprint == fingerprint))
}

/// Only of addresses that the sender named: what else we hold of the certificate is not told. `pending` says that somebody
/// asked, not that a letter was written: whether an address of this house is somebody's is not told either.
async fn status_of(ctx: &Ctx, fingerprint: &str, named: &[NamedUserId]) -> Result<BTreeMap<String, &'static str>, Failure> {
    let mut status = BTreeMap::new();
    for NamedUserId { address, revoked } in named {
        let word = if is_shown(ctx, fingerprint, address).await? {
            "published"
        } else if *revoked {
            "revoked"
        } else if ctx.directory.is_proof_pending(fingerprint, address).await.map_err(Trouble::from)? {
            "pending"
        } else {
            "unpublished"
        };
        status.insert(address.to_string(), word);
    }
    Ok(status)
}

/// Armour as it is, or binary in base64.
fn decode(keytext: String) -> Vec<u8> {
    use base64::Engine as _;
    if keytext.contains("-----BEGIN PGP ") {
        return keytext.into_bytes();
    }
    let keytext = Secret::new(keytext.into_bytes());
    let letters: Vec<u8> = keytext.expose().iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    let letters = Secret::new(letters);
    base64::engine::general_purpose::STANDARD.decode(letters.expose()).unwrap_or_else(|_| keytext.expose().clone())
}
