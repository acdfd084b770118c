// SPDX-License-Identifier: AGPL-3.0-or-later
//! `GET /pks/lookup` (draft-ietf-openpgp-hkp-01, legacy requests): `get`, `index` and `stats`, always machine-readable.

use hearth_identity::certs::Shown;
use hearth_spec::Status;
use hearth_types::Trouble;
use hearth_web::Peer;
use hearth_web::axum::Json;
use hearth_web::axum::extract::rejection::QueryRejection;
use hearth_web::axum::extract::{Query, State};
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use crate::answer::{self, Failure, Refusal};
use crate::ctx::Ctx;
use crate::index::encode_index;
use crate::rate::Bucket;
use crate::registry;
use crate::search::Search;

/// What we read of a query; `options=`, `exact=` and `fingerprint=` change nothing, as our answers
/// are machine-readable, exact and name fingerprints whatever they say.
#[derive(Debug, Deserialize)]
pub(crate) struct Lookup {
    #[serde(default)]
    op: String,
    #[serde(default)]
    search: String,
}

/// One look-up.
pub(crate) async fn run(State(ctx): State<Ctx>, peer: Peer, query: Result<Query<Lookup>, QueryRejection>) -> Response {
    match query {
        Ok(Query(lookup)) => look_up(&ctx, &peer, &lookup).await.unwrap_or_else(answer::as_text),
        Err(_) => answer::as_text(refuse(StatusCode::BAD_REQUEST, "The query cannot be read.")),
    }
}

async fn look_up(ctx: &Ctx, peer: &Peer, lookup: &Lookup) -> Result<Response, Failure> {
    if lookup.op.is_empty() {
        return Err(refuse(StatusCode::BAD_REQUEST, "op= is missing. This server answers op=get and op=index."));
    }
    match registry::operation(&lookup.op).map(|row| row.status) {
        Some(Status::Spoken | Status::Partial(_)) => {}
        Some(Status::Declined(why)) => return Err(refuse(StatusCode::NOT_IMPLEMENTED, format!("Not answered here: {why}."))),
        Some(Status::Later) | None => return Err(refuse(StatusCode::NOT_IMPLEMENTED, "This operation is not known here.")),
    }
    if lookup.op.eq_ignore_ascii_case("stats") {
        return Ok(Json(super::hkp_v2::statistics(ctx)).into_response());
    }
    let search = Search::parse(&lookup.search).map_err(|error| refuse(StatusCode::BAD_REQUEST, format!("{error}.")))?;
    let found = find(ctx, peer, &search).await?;
    if found.is_empty() {
        return Err(Failure::Peer(Refusal::not_found()));
    }
    if lookup.op.eq_ignore_ascii_case("get") {
        return answer::armored(&found);
    }
    Ok(answer::text(StatusCode::OK, encode_index(&found, ctx.clock.now())))
}

/// What may be shown for a search; counted in the bucket of its kind.
pub(crate) async fn find(ctx: &Ctx, peer: &Peer, search: &Search) -> Result<Vec<Shown>, Failure> {
    let found = match search {
        Search::Key(handle) => {
            ctx.admit(Bucket::ByKey, peer)?;
            ctx.directory.find_shown_certs_by_key(handle).await
        }
        Search::Address(address) => {
            ctx.admit(Bucket::ByAddress, peer)?;
            ctx.directory.find_shown_certs_by_address(address).await
        }
    };
    let found = found.map_err(Trouble::from)?;
    ctx.count(!found.is_empty());
    Ok(found)
}

fn refuse(status: StatusCode, says: impl Into<String>) -> Failure {
    Failure::Peer(Refusal::new(status, says))
}
