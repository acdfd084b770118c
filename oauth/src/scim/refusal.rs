// SPDX-License-Identifier: AGPL-3.0-or-later
//! Why something is refused, as RFC 7644 §3.12 has it.

use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::{IntoResponse, Response};
use serde_json::json;

use super::answer;
use crate::endpoint::bearer::BearerRefusal;

/// The statuses and the words of §3.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The body is not what it should be.
    InvalidSyntax,
    /// The filter cannot be read.
    InvalidFilter,
    /// A path that leads nowhere.
    InvalidPath,
    /// A path that finds nothing.
    NoTarget,
    /// A value that cannot be.
    InvalidValue,
    /// It cannot be changed.
    Mutability,
    /// Another has it.
    Uniqueness,
    /// There is none.
    Missing,
    /// Not by this door.
    Forbidden,
    /// RFC 7644 §3.14: it was changed meanwhile.
    Changed,
    /// Not done here.
    NotImplemented,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The token does not open this.
    Bearer(BearerRefusal),
    /// The request is not sound.
    Scim(Kind, String),
}

impl Kind {
    const fn status(self) -> StatusCode {
        match self {
            Self::InvalidSyntax
            | Self::InvalidFilter
            | Self::InvalidPath
            | Self::NoTarget
            | Self::InvalidValue
            | Self::Mutability => StatusCode::BAD_REQUEST,
            Self::Uniqueness => StatusCode::CONFLICT,
            Self::Missing => StatusCode::NOT_FOUND,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Changed => StatusCode::PRECONDITION_FAILED,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        }
    }

    /// `scimType`; only some have one.
    const fn word(self) -> Option<&'static str> {
        match self {
            Self::InvalidSyntax => Some("invalidSyntax"),
            Self::InvalidFilter => Some("invalidFilter"),
            Self::InvalidPath => Some("invalidPath"),
            Self::NoTarget => Some("noTarget"),
            Self::InvalidValue => Some("invalidValue"),
            Self::Mutability => Some("mutability"),
            Self::Uniqueness => Some("uniqueness"),
            Self::Missing | Self::Forbidden | Self::Changed | Self::NotImplemented => None,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (kind, says) = match self {
            Self::Bearer(refusal) => return refusal.into_response(),
            Self::Scim(kind, says) => (kind, says),
        };
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": kind.status().as_u16().to_string(),
            "detail": says,
        });
        if let Some(word) = kind.word() {
            body["scimType"] = json!(word);
        }
        answer(kind.status(), &body)
    }
}
