// SPDX-License-Identifier: AGPL-3.0-or-later
//! The house's directory of OpenPGP certificates: WKD, HKP and VKS, behind the router.
//!
//! In come look-ups (by the hashed local part of an address, by address, by fingerprint or key id) and
//! submissions (updates and revocations of certificates that we keep). Out go certificates in a form
//! that shows nothing but what their owners published: see `hearth_identity::certs` for the
//! conditions. A look-up parses no OpenPGP; a submission is read within the bounds of [`limits`], one at a
//! time, on a blocking thread.
//!
//! Read first: [`registry`] (what we speak), then `endpoint/wkd.rs`, then [`cert`], which knows what is in a
//! certificate and which the `hearth key` command uses too.
//!
//! To add an endpoint: a row and a route in [`registry`], a file in `endpoint/`, a test in `tests.rs`.

pub mod answer;
pub mod cert;
pub mod ctx;
mod endpoint;
mod form;
pub mod index;
pub mod limits;
pub mod rate;
pub mod registry;
pub mod search;
mod submit;
#[cfg(test)]
mod tests;

use hearth_web::axum::Router;
use hearth_web::axum::extract::Request;
use hearth_web::axum::http::{Method, StatusCode, header};
use hearth_web::axum::middleware::{self, Next};
use hearth_web::axum::response::Response;
use hearth_web::{Guard, guard};
use tower_http::cors::{Any, CorsLayer};

use answer::{Failure, Refusal};
pub use ctx::Ctx;

/// All endpoints, with their bounds. Everything here is public: any web page may read it.
pub fn app(ctx: Ctx) -> Router {
    let mut router = Router::new();
    for (path, answers) in registry::ROWS.iter().filter(|row| row.is_spoken()).filter_map(registry::route_of) {
        router = router.route(path, answers);
    }
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers([header::CONTENT_TYPE]);
    let bounds = Guard { body_bytes_max: limits::BODY_BYTES_MAX, ..Guard::default() };
    guard(router.with_state(ctx), bounds).layer(middleware::from_fn(bounded)).layer(cors)
}

/// What says beforehand that it is too large is refused in the words of the endpoint, and not read.
async fn bounded(request: Request, next: Next) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limits::BODY_BYTES_MAX as u64) {
        let failure = Failure::Peer(Refusal::body(StatusCode::PAYLOAD_TOO_LARGE));
        let is_json = request.uri().path().starts_with("/vks/");
        return if is_json { answer::as_json(failure) } else { answer::as_text(failure) };
    }
    next.run(request).await
}
