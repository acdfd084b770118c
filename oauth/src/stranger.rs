// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a client may leave in the house before any person came: requests that wait, and values that are seen once.
//!
//! Anybody who reads a public client's `client_id` can speak as that client, and anybody may register one, so both are
//! strangers here: one network leaves so much and no more, with room for a family behind one address. A client that proves
//! itself with what the household gave it is bound by its own number of requests alone. What does not fit is told to come
//! back (RFC 9126 §2.3).

use hearth_identity::Error;
use hearth_identity::grants::{Client, NewPending};
use hearth_types::Fault;
use hearth_web::Peer;
use hearth_web::axum::http::HeaderMap;

use crate::client::profile::Profile;
use crate::ctx::Ctx;
use crate::error::{Refusal, ours};
use crate::gate::throttle::Deed;
use crate::limits::FULL_WAIT;

/// May this client, from there, do this once more?
pub fn admit(ctx: &Ctx, client: &Client, headers: &HeaderMap, deed: Deed) -> Result<(), Fault<Refusal>> {
    if !client.is_public() && Profile::of(client).registration.is_none() {
        return Ok(());
    }
    let peer = Peer::from_headers(headers).ip;
    ctx.doorkeeper.admit(deed, peer).map_err(|wait| Fault::Peer(Refusal::busy(wait)))
}

/// Keeps a request of a client until a person comes, as long as there is room.
pub async fn leave(ctx: &Ctx, client: &Client, headers: &HeaderMap, new: NewPending) -> Result<(), Fault<Refusal>> {
    admit(ctx, client, headers, Deed::Waiting)?;
    match ctx.directory.add_pending(new).await {
        Err(Error::TooMany { .. }) => Err(Fault::Peer(Refusal::busy(FULL_WAIT))),
        added => added.map_err(ours),
    }
}

/// Before a proof of a key is looked at (RFC 9449), where there is one.
pub fn admit_proof(ctx: &Ctx, client: &Client, headers: &HeaderMap) -> Result<(), Fault<Refusal>> {
    if headers.contains_key("dpop") { admit(ctx, client, headers, Deed::Proof) } else { Ok(()) }
}
