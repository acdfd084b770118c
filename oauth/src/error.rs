// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a client is told when it may not have what it asked for, in the words of the standards.

use std::time::Duration;

use hearth_types::{Fault, Trouble};
use hearth_web::Problem;
use hearth_web::axum::http::{HeaderValue, StatusCode, header};
use hearth_web::axum::response::{IntoResponse, Response};

/// The codes of RFC 6749 §4.1.2.1 and §5.2, RFC 7009 §2.2.1 and OpenID Connect Core §3.1.2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// A parameter is missing, doubled or malformed.
    InvalidRequest,
    /// The client is unknown, or did not prove who it is.
    InvalidClient,
    /// The code or refresh token is wrong, spent, ended, or another client's.
    InvalidGrant,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// A grant that we do not speak.
    UnsupportedGrantType,
    /// A response type that we do not speak.
    UnsupportedResponseType,
    /// No scope that the client may have.
    InvalidScope,
    /// The person said no.
    AccessDenied,
    /// Nobody is signed in, and no page may be shown.
    LoginRequired,
    /// The person has not agreed, and no page may be shown.
    ConsentRequired,
    /// `request` of a client that registered no keys: anybody could have written it.
    RequestNotSupported,
    /// RFC 9101 §7: the request object does not hold.
    InvalidRequestObject,
    /// `request_uri`: a request is pushed, or sent by value and signed.
    RequestUriNotSupported,
    /// `registration`: clients are registered by the household.
    RegistrationNotSupported,
    /// RFC 8707 §2: a resource that this client cannot have tokens for.
    InvalidTarget,
    /// RFC 9449 §5: the proof does not hold.
    InvalidDpopProof,
    /// RFC 8628 §3.5: nobody has answered yet.
    AuthorizationPending,
    /// RFC 8628 §3.5: ask less often.
    SlowDown,
    /// RFC 8628 §3.5: nobody answered in time.
    ExpiredToken,
    /// OpenID Connect Core Unmet Authentication Requirements §2: we are not as sure of them as was wanted.
    UnmetAuthenticationRequirements,
    /// RFC 7591 §3.2.2.
    InvalidRedirectUri,
    /// RFC 7591 §3.2.2.
    InvalidClientMetadata,
    /// RFC 6749 §4.1.2.1, with the 429 of RFC 9126 §2.3: too many came.
    TemporarilyUnavailable,
    /// Something failed here.
    ServerError,
}

impl ErrorCode {
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::InvalidRequestObject => "invalid_request_object",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }
}

/// A refusal: a code for the client, a sentence for whoever reads its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: ErrorCode,
    /// `error_description`: ASCII without quotes or backslashes (RFC 6749 §5.2).
    pub says: String,
    /// When it is worth another try.
    pub wait: Option<Duration>,
}

impl Refusal {
    /// A code and a sentence.
    pub fn new(code: ErrorCode, says: impl Into<String>) -> Self {
        let says: String = says.into();
        // RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E.
        let says = says.chars().map(|c| if matches!(c, ' '..='~') && c != '"' && c != '\\' { c } else { '?' }).collect();
        Self { code, says, wait: None }
    }

    /// Too many came; when to come back.
    pub fn busy(wait: Duration) -> Self {
        let says = "too many requests came from there or wait here; try again later";
        Self { wait: Some(wait), ..Self::new(ErrorCode::TemporarilyUnavailable, says) }
    }
}

impl IntoResponse for Refusal {
    /// RFC 6749 §5.2.
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.code.name(), "error_description": self.says });
        let status = match self.code {
            ErrorCode::InvalidClient => StatusCode::UNAUTHORIZED,
            ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::TemporarilyUnavailable => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::BAD_REQUEST,
        };
        let mut response = json(status, &body);
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2: a 401 names the scheme.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"clients\""));
        }
        if let Some(wait) = self.wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}

/// A JSON answer that nobody keeps (RFC 6749 §5.1).
pub fn json(status: StatusCode, body: &serde_json::Value) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let fresh = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (status, [kind, fresh], body.to_string()).into_response()
}

/// What an endpoint for programs gives: an answer, or whose fault it is that there is none.
pub type Answer<R = Refusal> = Result<Response, Fault<R>>;

/// Turns the fault of an endpoint for programs into its answer.
pub fn answered<R: IntoResponse>(answer: Answer<R>) -> Response {
    match answer {
        Ok(response) => response,
        Err(Fault::Peer(refusal)) => refusal.into_response(),
        Err(Fault::Ours(trouble)) => Problem::from(trouble).into_response(),
    }
}

/// The peer's fault, short.
pub fn refuse<T>(code: ErrorCode, says: impl Into<String>) -> Result<T, Fault<Refusal>> {
    Err(Fault::Peer(Refusal::new(code, says)))
}

/// Ours, short: for `map_err`.
pub fn ours<R>(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault<R> {
    Fault::Ours(Trouble::new(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refusal_is_json_that_is_not_kept() {
        let response = Refusal::new(ErrorCode::InvalidClient, "who \"are\" you\u{e4}?").into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(response.headers().contains_key("www-authenticate"));
        let body = hearth_web::axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, serde_json::json!({"error": "invalid_client", "error_description": "who ?are? you??"}));
    }
}
