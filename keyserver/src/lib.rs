// SPDX-License-Identifier: AGPL-3.0-or-later
//! The house's directory of OpenPGP certificates: WKD, HKP and VKS, behind the router.
//!
//! In come look-ups (by the hashed local part of an address, by address, by fingerprint or key id) and submissions:
//! updates and revocations of certificates that we keep, and others that wait for a proof, over HTTP and by mail. Out go
//! certificates in a form that shows nothing but what their owners published (see `hearth_identity::certs` for the
//! conditions), and letters that ask whether an address is somebody's. For the house's own people, and nobody else, it
//! looks for certificates elsewhere. A look-up parses no OpenPGP; a submission is read within the bounds of [`limits`], one
//! at a time, on a blocking thread.
//!
//! Read first: [`registry`] (what we speak), then `endpoint/wkd.rs`; `submit.rs` and `proof.rs` for what comes in;
//! [`find`] for looking elsewhere; and [`cert`], which knows what is in a certificate and which `hearth key` and the account
//! page use too.
//!
//! To add an endpoint: a row and a route in [`registry`], a file in `endpoint/`, a test in `tests.rs`.

pub mod answer;
pub mod ctx;
pub mod endpoint;
pub mod find;
pub mod finder;
pub mod form;
pub mod index;
mod letter;
pub mod limits;
mod proof;
pub mod rate;
pub mod registry;
pub mod remind;
pub mod search;
mod submit;
#[cfg(test)]
mod tests;
pub mod wks;
mod words;

use std::collections::BTreeMap;

use hearth_web::axum::Router;
use hearth_web::axum::body::Body;
use hearth_web::axum::extract::Request;
use hearth_web::axum::http::{HeaderValue, StatusCode, header};
use hearth_web::axum::middleware::{self, Next};
use hearth_web::axum::response::Response;
use hearth_web::axum::routing::{MethodRouter, any};
use hearth_web::{Guard, guard};

use answer::{Failure, Refusal};
pub use ctx::Ctx;
/// OpenPGP, as this house handles it.
pub use hearth_openpgp as cert;

/// All endpoints, with their bounds. Everything here is public: any web page may read it.
pub fn app(ctx: Ctx) -> Router {
    let mut routes: BTreeMap<&'static str, (MethodRouter<Ctx>, Vec<&'static str>)> = BTreeMap::new();
    for (method, path, answers) in registry::ROWS.iter().filter(|row| row.is_spoken()).filter_map(registry::route_of) {
        let (router, methods) = routes.entry(path).or_default();
        *router = std::mem::take(router).merge(answers);
        methods.push(method);
        methods.extend((method == "GET").then_some("HEAD"));
    }
    let mut router = Router::new();
    for (path, (answers, methods)) in routes {
        let allow = format!("{}, OPTIONS", methods.join(", "));
        let accepts = registry::accepts(path).map(|kind| [(header::ACCEPT, kind)]);
        router = router.route(path, answers.options(|| async move { ([(header::ALLOW, allow)], accepts, ()) }));
    }
    // HKP v2 draft §5.1.7: a category that is none of ours, or one without what is looked for.
    let router = router.route("/pks/v2/{*path}", any(endpoint::hkp_v2::elsewhere));
    let bounds = Guard { body_bytes_max: limits::BODY_BYTES_MAX, ..Guard::default() };
    let router = router.with_state(ctx).merge(hearth_web::asset::routes());
    guard(router, bounds).layer(middleware::from_fn(bounded)).layer(middleware::from_fn(open_to_all))
}

/// Fetch §3.3: any page may read every answer, errors too. RFC 9110 §13.1.2: what the client has already is not sent.
async fn open_to_all(request: Request, next: Next) -> Response {
    let has = request.headers().get(header::IF_NONE_MATCH).cloned();
    let mut response = next.run(request).await;
    let is_same = |tag: &HeaderValue| {
        let tag = tag.to_str().unwrap_or("\"\"");
        has.as_ref()
            .and_then(|has| has.to_str().ok())
            .is_some_and(|has| has.trim() == "*" || has.split(',').any(|one| one.trim().trim_start_matches("W/") == tag))
    };
    if response.status() == StatusCode::OK && response.headers().get(header::ETAG).is_some_and(is_same) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type, authorization, authentication, if-none-match"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "etag, retry-after, allow"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
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
