// SPDX-License-Identifier: AGPL-3.0-or-later
//! `POST /pks/add`: updates and revocations of certificates that this home keeps.

use hearth_web::Peer;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::extract::rejection::BytesRejection;
use hearth_web::axum::http::{HeaderMap, StatusCode, header};
use hearth_web::axum::response::Response;

use crate::answer::{self, Failure, Refusal};
use crate::ctx::Ctx;
use crate::form::{Accepts, keytext, wipe};
use crate::rate::Bucket;
use crate::submit::submit;

/// One submission.
pub(crate) async fn run(State(ctx): State<Ctx>, peer: Peer, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    match body {
        Ok(body) => add(&ctx, &peer, &headers, body).await.unwrap_or_else(answer::as_text),
        Err(rejection) => answer::as_text(Failure::Peer(Refusal::body(rejection.status()))),
    }
}

async fn add(ctx: &Ctx, peer: &Peer, headers: &HeaderMap, body: Bytes) -> Result<Response, Failure> {
    ctx.admit(Bucket::Upload, peer)?;
    let keytext = keytext(content_type(headers), &body, Accepts::Form);
    wipe(body);
    let taken = submit(ctx, keytext.map_err(Failure::Peer)?).await?;
    if taken.is_unknown() {
        // A household's directory is no place for everybody's keys.
        let says = "This server keeps the keys of the people of this house only. Publish this key at keys.openpgp.org.";
        return Err(Failure::Peer(Refusal::new(StatusCode::FORBIDDEN, says)));
    }
    let status = if taken.is_refused() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(answer::text(status, taken.says()))
}

/// The type of a body, as far as it is text.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok())
}
