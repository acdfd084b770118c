// SPDX-License-Identifier: AGPL-3.0-or-later
//! The interface of keys.openpgp.org (VKS v1): look-ups by one exact thing, and upload.
//!
//! Upload updates what we keep. Publishing needs no proof mail here: it is for people of this house, who are
//! signed in when they do it; so `token` is empty and there is no `request-verify`.

use std::collections::BTreeMap;

use hearth_types::Trouble;
use hearth_web::Peer;
use hearth_web::axum::Json;
use hearth_web::axum::extract::rejection::JsonRejection;
use hearth_web::axum::extract::{Path, State};
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::hkp_lookup::find;
use crate::answer::{self, Failure, Refusal};
use crate::cert::clean::NamedUserId;
use crate::ctx::Ctx;
use crate::rate::Bucket;
use crate::search::{Search, parse_address, parse_key};
use crate::submit::{Outcome, Submitted, submit};

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

#[derive(Debug, Serialize)]
struct Uploaded {
    token: String,
    key_fpr: String,
    status: BTreeMap<String, &'static str>,
}

/// An update, as JSON.
pub(crate) async fn run_upload(State(ctx): State<Ctx>, peer: Peer, body: Result<Json<Upload>, JsonRejection>) -> Response {
    match body {
        Ok(Json(upload)) => take(&ctx, &peer, upload).await.unwrap_or_else(answer::as_json),
        Err(rejection) => {
            answer::as_json(Failure::Peer(Refusal::new(rejection.status(), "Send {\"keytext\": \"...\"}, 4 MiB at most.")))
        }
    }
}

async fn take(ctx: &Ctx, peer: &Peer, upload: Upload) -> Result<Response, Failure> {
    ctx.admit(Bucket::Upload, peer)?;
    let outcomes = submit(ctx, decode(upload.keytext)).await?.outcomes;
    // One upload is one certificate; of several the first is answered for, as keys.openpgp.org does.
    let (submitted, outcome) = outcomes.into_iter().next().ok_or_else(|| Failure::Peer(crate::cert::Refusal::NoKey.into()))?;
    match outcome {
        Outcome::Updated | Outcome::Unchanged => {}
        Outcome::Refused(refusal) => return Err(Failure::Peer(refusal.into())),
        Outcome::Unknown => {
            let says = "This server keeps the keys of the people of this house only; they publish a new one when they are signed in, \
                        or with `hearth key import`.";
            return Err(Failure::Peer(Refusal::new(StatusCode::FORBIDDEN, says)));
        }
    }
    let status = status_of(ctx, &submitted).await?;
    Ok(Json(Uploaded { token: String::new(), key_fpr: submitted.fingerprint, status }).into_response())
}

/// Only of addresses that the sender named: what else we hold of the certificate is not told.
async fn status_of(ctx: &Ctx, submitted: &Submitted) -> Result<BTreeMap<String, &'static str>, Failure> {
    let mut status = BTreeMap::new();
    for NamedUserId { address, revoked } in &submitted.named {
        let shown = ctx.directory.find_shown_certs_by_address(address).await.map_err(Trouble::from)?;
        let is_shown = shown.iter().any(|shown| shown.fingerprint == submitted.fingerprint);
        let word = match (is_shown, revoked) {
            (true, _) => "published",
            (false, true) => "revoked",
            (false, false) => "unpublished",
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
    let letters: String = keytext.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(letters).unwrap_or_else(|_| keytext.into_bytes())
}
