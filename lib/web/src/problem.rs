// SPDX-License-Identifier: AGPL-3.0-or-later
//! RFC 9457: what went wrong, for programs.

use axum::response::{IntoResponse, Response};
use hearth_types::Trouble;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

/// An answer of type `application/problem+json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    status: StatusCode,
    members: Map<String, Value>,
}

impl Problem {
    /// A status, and one sentence that says what to do about it.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let problem = Self { status, members: Map::new() };
        problem.with("status", status.as_u16()).with("detail", detail.into())
    }

    /// RFC 9457 §3.1.1: a URI that names the kind of problem; `about:blank` when there is none.
    pub fn kind(self, uri: &str) -> Self {
        self.with("type", uri)
    }

    /// RFC 9457 §3.2: another member, such as JMAP's `limit`.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_string(), value.into());
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<Trouble> for Problem {
    /// Logs the cause, and tells the peer the id alone.
    fn from(trouble: Trouble) -> Self {
        tracing::error!(id = trouble.id(), %trouble, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("Something failed here. Try again later [{}].", trouble.id()))
            .with("id", trouble.id())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let fresh = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        (self.status, [kind, fresh], Value::Object(self.members).to_string()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_problem_names_its_kind() {
        let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "Ask for less.").kind("urn:x:limit").with("limit", "maxSize");
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, serde_json::json!({"type": "urn:x:limit", "status": 413, "detail": "Ask for less.", "limit": "maxSize"}));
    }

    #[tokio::test]
    async fn trouble_shows_its_id_and_not_its_cause() {
        let trouble = Trouble::from(std::io::Error::other("the disk is on fire"));
        let id = trouble.id().to_string();
        let response = Problem::from(trouble).into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains(&id) && !body.contains("fire"), "{body}");
    }
}
