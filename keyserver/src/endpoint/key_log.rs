// SPDX-License-Identifier: AGPL-3.0-or-later
//! The log of what was published: `GET /log` gives the newest head that the house signed, `GET /log/{after}` leaves and
//! heads, from which everybody can compute the chain. The entries behind the leaves are shown to nobody here: see
//! `hearth_identity::certs::log`.

use hearth_identity::certs::log::LOG_PAGE_MAX;
use hearth_types::Trouble;
use hearth_web::Peer;
use hearth_web::axum::Json;
use hearth_web::axum::extract::{Path, State};
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::answer::{self, Failure, Refusal};
use crate::ctx::Ctx;
use crate::find::AUTHORITY;
use crate::rate::Bucket;

/// The signed head.
pub(crate) async fn head(State(ctx): State<Ctx>, peer: Peer) -> Response {
    let told = async {
        ctx.admit(Bucket::ByKey, &peer)?;
        let signed = ctx.directory.find_signed_head().await.map_err(Trouble::from)?;
        let signed = signed.ok_or_else(|| Failure::Peer(Refusal::new(StatusCode::NOT_FOUND, "Nothing is signed yet.")))?;
        let by = ctx.directory.find_setting(AUTHORITY).await.map_err(Trouble::from)?;
        Ok(Json(json!({
            "size": signed.size,
            "statement": signed.statement,
            "signature": signed.signature,
            "fingerprint": by,
        }))
        .into_response())
    };
    told.await.unwrap_or_else(answer::as_json)
}

/// A page of leaves and heads.
pub(crate) async fn entries(State(ctx): State<Ctx>, peer: Peer, Path(after): Path<String>) -> Response {
    let told = async {
        ctx.admit(Bucket::ByKey, &peer)?;
        let says = "Want the number of an entry; 0 for the beginning.";
        let after: u64 = after.parse().map_err(|_| Failure::Peer(Refusal::new(StatusCode::BAD_REQUEST, says)))?;
        let entries = ctx.directory.list_cert_log(after, LOG_PAGE_MAX).await.map_err(Trouble::from)?;
        let rows: Vec<Value> =
            entries.iter().map(|entry| json!({ "seq": entry.seq, "leaf": hex(&entry.leaf), "head": hex(&entry.head) })).collect();
        Ok(Json(rows).into_response())
    };
    told.await.unwrap_or_else(answer::as_json)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
