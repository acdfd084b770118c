// SPDX-License-Identifier: AGPL-3.0-or-later
//! The shapes of our answers. Never a 502: GnuPG's dirmngr then takes the whole host for dead.

use std::time::Duration;

use hearth_identity::certs::Shown;
use hearth_types::{Fault, Trouble};
use hearth_web::axum::Json;
use hearth_web::axum::http::{HeaderValue, StatusCode, header};
use hearth_web::axum::response::{IntoResponse as _, Response};
use sequoia_openpgp::armor::Kind;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::cert;
use crate::limits::BODY_BYTES_MAX;

/// Why an endpoint does not give what was asked.
pub type Failure = Fault<Refusal>;

/// The peer's doing: a status, and a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    says: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// A status and what to say.
    pub fn new(status: StatusCode, says: impl Into<String>) -> Self {
        Self { status, says: says.into(), retry_after: None }
    }

    /// Absent, or not shown: the same words for both.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "No key is published here for this.")
    }

    /// A body that was not read to its end: too large, or cut off.
    pub fn body(status: StatusCode) -> Self {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(status, format!("The request is too large: {BODY_BYTES_MAX} octets at most."))
            }
            _ => Self::new(status, "The request could not be read to its end."),
        }
    }

    /// The sentence for a person.
    pub fn says(&self) -> &str {
        &self.says
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Over a rate.
    pub fn come_back(wait: Duration) -> Self {
        let says = "Too many requests from your network. Try again later.";
        Self { status: StatusCode::TOO_MANY_REQUESTS, says: says.into(), retry_after: Some(wait) }
    }

    /// Too much at once.
    pub fn busy() -> Self {
        let says = "Other keys are being looked at. Try again in a minute.";
        Self { status: StatusCode::SERVICE_UNAVAILABLE, says: says.into(), retry_after: Some(Duration::from_secs(60)) }
    }
}

impl From<cert::Refusal> for Refusal {
    fn from(refusal: cert::Refusal) -> Self {
        let status = match refusal {
            cert::Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            cert::Refusal::NoKey | cert::Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, format!("{refusal}."))
    }
}

/// A failure as HKP and WKD say it: a line of text.
pub fn as_text(failure: Failure) -> Response {
    let refusal = refusal_of(failure);
    let mut response = text(refusal.status, format!("{}\n", refusal.says));
    retry_after(&mut response, &refusal);
    response
}

/// A failure as VKS says it.
pub fn as_json(failure: Failure) -> Response {
    let refusal = refusal_of(failure);
    let mut response = (refusal.status, Json(json!({ "error": refusal.says }))).into_response();
    retry_after(&mut response, &refusal);
    response
}

/// Text for a person, or an index.
pub fn text(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))], text).into_response()
}

/// Certificates one after the other, as WKD wants them.
pub fn binary(certificates: &[Shown]) -> Response {
    keys("application/octet-stream", concatenate(certificates))
}

/// Certificates one after the other, as HKP v2 wants them.
pub fn bundle(certificates: &[Shown]) -> Response {
    keys("application/pgp-keys;armor=no", concatenate(certificates))
}

/// Certificates in one armoured block, as HKP and VKS want them.
pub fn armored(certificates: &[Shown]) -> Result<Response, Failure> {
    let text = cert::armor(&concatenate(certificates), Kind::PublicKey).map_err(Trouble::from)?;
    Ok(keys("application/pgp-keys", text))
}

fn keys(kind: &'static str, body: Vec<u8>) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Kept by nobody without asking: a copy from before a revocation is worse than none.
    let fresh = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let tag = (header::ETAG, etag(&body));
    ([kind, fresh, tag], body).into_response()
}

/// RFC 9110 §8.8.3: a name for these octets.
pub fn etag(body: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(body);
    let hex: String = digest.iter().take(16).map(|octet| format!("{octet:02x}")).collect();
    HeaderValue::from_str(&format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn concatenate(certificates: &[Shown]) -> Vec<u8> {
    certificates.iter().flat_map(Shown::to_bytes).collect()
}

/// What the peer is told; a trouble of ours is logged, and only its id is told.
pub fn refusal_of(failure: Failure) -> Refusal {
    match failure {
        Fault::Peer(refusal) => refusal,
        Fault::Ours(trouble) => {
            tracing::error!(id = trouble.id(), %trouble, "a request failed");
            let says = format!("Something failed here. Try again later [{}].", trouble.id());
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, says)
        }
    }
}

/// When to come again.
pub fn retry_after(response: &mut Response, refusal: &Refusal) {
    if let Some(wait) = refusal.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
}
