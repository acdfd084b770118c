// SPDX-License-Identifier: AGPL-3.0-or-later
//! The bounds that stand before every handler: the size of a body, the time to an answer, and a
//! panic that ends one request instead of a process.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use hearth_types::Trouble;
use http::StatusCode;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::limits::{ANSWER_WITHIN, BODY_BYTES_MAX};
use crate::{Problem, headers, lang};

/// What a server lets through.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// Octets of a request body, for every route of the router.
    pub body_bytes_max: usize,
    /// Time until the answer begins, the reading of the body included. A streamed answer (an event
    /// source, a download) may take longer.
    pub answer_within: Duration,
}

impl Default for Guard {
    fn default() -> Self {
        Self { body_bytes_max: BODY_BYTES_MAX, answer_within: ANSWER_WITHIN }
    }
}

/// Puts the bounds and the security headers around all routes of `router`.
pub fn guard(router: Router, guard: Guard) -> Router {
    router
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(guard.body_bytes_max))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, guard.answer_within))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::map_response(headers::dress))
        .layer(axum::middleware::from_fn(lang::listen))
}

fn panicked(what: Box<dyn Any + Send>) -> Response {
    let said = what.downcast_ref::<String>().map(String::as_str).or_else(|| what.downcast_ref::<&str>().copied());
    metrics::counter!("hearth_panics_total").increment(1);
    Problem::from(Trouble::new(format!("a handler panicked: {}", said.unwrap_or("no message")))).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, Bytes};
    use axum::routing::{get, post};
    use http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn status(router: Router, request: Request<Body>) -> StatusCode {
        router.oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn a_body_has_its_size() {
        let router = guard(Router::new().route("/", post(|_: Bytes| async { "read" })), Guard::default());
        let with = |octets: usize| Request::post("/").body(Body::from(vec![b'a'; octets])).unwrap();
        assert_eq!(status(router.clone(), with(BODY_BYTES_MAX)).await, StatusCode::OK);
        assert_eq!(status(router, with(BODY_BYTES_MAX + 1)).await, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_has_its_time() {
        let after = |wait: Duration| {
            let slow = get(move || async move { tokio::time::sleep(wait).await });
            guard(Router::new().route("/", slow), Guard::default())
        };
        let ask = || Request::get("/").body(Body::empty()).unwrap();
        let moment = Duration::from_millis(1);
        assert_eq!(status(after(ANSWER_WITHIN - moment), ask()).await, StatusCode::OK);
        assert_eq!(status(after(ANSWER_WITHIN + moment), ask()).await, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn a_panic_ends_one_request() {
        async fn bad() -> &'static str {
            panic!("on purpose, in a test")
        }
        let router = guard(Router::new().route("/", get(bad)), Guard::default());
        let ask = Request::get("/").body(Body::empty()).unwrap();
        let response = router.oneshot(ask).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }
}
