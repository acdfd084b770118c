// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/jwks.json` (RFC 7517 §5): the public keys that verify ID tokens.

use std::sync::Arc;

use hearth_web::axum::extract::State;
use hearth_web::axum::response::Response;

use crate::ctx::Ctx;
use crate::endpoint::metadata::public_json;

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>) -> Response {
    public_json(&ctx.keys().set())
}
