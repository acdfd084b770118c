// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a client is told when something cannot be done, at each of the three levels of RFC 8620 §3.6:
//! the request ([`Problem`]), one method call ([`MethodError`]), one object of a `/set` ([`SetError`]).

use hearth_types::Trouble;
use serde_json::{Map, Value, json};

/// RFC 8620 §3.6.1: the request as a whole was not run. A problem document (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Not `application/json`, or not I-JSON.
    NotJson(String),
    /// JSON, but not a Request object.
    NotRequest(String),
    /// `using` names a capability that the Session object does not.
    UnknownCapability(String),
    /// One of the limits of the Session object, by its name there.
    Limit(&'static str),
    /// The account behind the URL is not one of this person's, or the thing is not there.
    NotFound(String),
    /// An upload over maxSizeUpload.
    TooLarge(String),
    /// No room: the quota, or the disk.
    OverQuota(String),
    /// Something of ours failed; the id stands in the log.
    Server(String),
}

impl Problem {
    /// A failure of ours, logged here once.
    pub fn ours(trouble: &Trouble) -> Self {
        tracing::error!(trouble = trouble.id(), cause = %trouble, "a request failed");
        metrics::counter!("hearth_jmap_troubles_total").increment(1);
        Self::Server(trouble.id().to_string())
    }

    /// The HTTP status that goes with it.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotJson(_) | Self::NotRequest(_) | Self::UnknownCapability(_) => 400,
            // RFC 8620 §3.6.1: limits are a 400 as well, as its example shows.
            Self::Limit(_) => 400,
            Self::NotFound(_) => 404,
            Self::TooLarge(_) => 413,
            Self::OverQuota(_) => 507,
            Self::Server(_) => 500,
        }
    }

    /// The problem document.
    pub fn to_wire(&self) -> Value {
        let (kind, detail) = match self {
            Self::NotJson(detail) => ("urn:ietf:params:jmap:error:notJSON", detail.clone()),
            Self::NotRequest(detail) => ("urn:ietf:params:jmap:error:notRequest", detail.clone()),
            Self::UnknownCapability(name) => {
                ("urn:ietf:params:jmap:error:unknownCapability", format!("the capability {name} is not spoken here"))
            }
            Self::Limit(limit) => {
                return json!({
                    "type": "urn:ietf:params:jmap:error:limit",
                    "limit": limit,
                    "status": self.status(),
                    "detail": format!("over the limit {limit}; the Session object names it"),
                });
            }
            Self::NotFound(detail) | Self::TooLarge(detail) | Self::OverQuota(detail) => ("about:blank", detail.clone()),
            Self::Server(id) => ("about:blank", format!("something failed here; try later [{id}]")),
        };
        json!({ "type": kind, "status": self.status(), "detail": detail })
    }
}

/// RFC 8620 §3.6.2: one method call was not run, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MethodError {
    /// Something of ours failed; the text holds the id that stands in the log.
    ServerFail(String),
    /// No room on our disk, or we are about to stop: the same call may work later.
    ServerUnavailable(String),
    /// Not a method that we speak, or not one of the capabilities in `using`.
    UnknownMethod,
    /// An argument is missing, of the wrong type, or unknown.
    InvalidArguments(String),
    /// A back-reference leads nowhere (RFC 8620 §3.7).
    InvalidResultReference(String),
    /// Understood, but not allowed.
    Forbidden(String),
    /// Not an account of this person.
    AccountNotFound,
    /// A read-only account.
    AccountReadOnly,
    /// More objects than the Session object allows in one call, or more than an answer may hold.
    RequestTooLarge,
    /// `ifInState` does not match.
    StateMismatch,
    /// The changes since that state are not known any more.
    CannotCalculateChanges,
    /// RFC 8620 §5.5: the anchor is not among the results.
    AnchorNotFound,
    /// RFC 8620 §5.5: a sort that we cannot do.
    UnsupportedSort(String),
    /// RFC 8620 §5.5: a filter that we cannot do.
    UnsupportedFilter(String),
    /// RFC 8620 §5.6: more changes than `maxChanges`.
    TooManyChanges,
    /// RFC 8620 §5.4: copying within one account.
    FromAccountNotSupported,
}

impl MethodError {
    /// A failure of ours, logged here once.
    pub fn ours(trouble: &Trouble) -> Self {
        tracing::error!(trouble = trouble.id(), cause = %trouble, "a method call failed");
        metrics::counter!("hearth_jmap_troubles_total").increment(1);
        Self::ServerFail(format!("something failed here; try later [{}]", trouble.id()))
    }

    /// Its name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ServerFail(_) => "serverFail",
            Self::ServerUnavailable(_) => "serverUnavailable",
            Self::UnknownMethod => "unknownMethod",
            Self::InvalidArguments(_) => "invalidArguments",
            Self::InvalidResultReference(_) => "invalidResultReference",
            Self::Forbidden(_) => "forbidden",
            Self::AccountNotFound => "accountNotFound",
            Self::AccountReadOnly => "accountReadOnly",
            Self::RequestTooLarge => "requestTooLarge",
            Self::StateMismatch => "stateMismatch",
            Self::CannotCalculateChanges => "cannotCalculateChanges",
            Self::AnchorNotFound => "anchorNotFound",
            Self::UnsupportedSort(_) => "unsupportedSort",
            Self::UnsupportedFilter(_) => "unsupportedFilter",
            Self::TooManyChanges => "tooManyChanges",
            Self::FromAccountNotSupported => "fromAccountNotSupportedByMethod",
        }
    }

    /// The arguments of the `error` response.
    pub fn to_wire(&self) -> Map<String, Value> {
        let mut arguments = Map::new();
        arguments.insert("type".into(), self.name().into());
        if let Self::ServerFail(text)
        | Self::ServerUnavailable(text)
        | Self::InvalidArguments(text)
        | Self::InvalidResultReference(text)
        | Self::Forbidden(text)
        | Self::UnsupportedSort(text)
        | Self::UnsupportedFilter(text) = self
        {
            arguments.insert("description".into(), text.as_str().into());
        }
        arguments
    }
}

impl From<hearth_mailstore::Error> for MethodError {
    fn from(error: hearth_mailstore::Error) -> Self {
        use hearth_mailstore::Error;
        match error {
            Error::TooOld => Self::CannotCalculateChanges,
            Error::Full => Self::ServerUnavailable("there is no space left here to store this; it may work later".to_string()),
            Error::Gone => Self::ServerUnavailable("the server is about to stop; it may work later".to_string()),
            error if error.is_peers() => Self::InvalidArguments(error.to_string()),
            error => Self::ours(&Trouble::from(error)),
        }
    }
}

/// RFC 8620 §5.3 and RFC 8621: one object of a `/set`, `/copy` or `/import` was left as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// Understood, but not allowed.
    Forbidden(String),
    /// No room for it.
    OverQuota,
    /// Larger than a message may be.
    TooLarge,
    /// No such object.
    NotFound,
    /// A patch whose pointer leads nowhere, or two of which one holds the other.
    InvalidPatch(String),
    /// The object is also in `destroy`.
    WillDestroy,
    /// The properties named are wrong.
    InvalidProperties(Vec<String>, String),
    /// The same thing is there already.
    AlreadyExists(String),
    /// RFC 8621 §2.5.
    MailboxHasChild,
    /// RFC 8621 §2.5.
    MailboxHasEmail,
    /// RFC 9610 §2.3.
    AddressBookHasContents,
    /// RFC 8621 §4.6.
    TooManyKeywords,
    /// RFC 8621 §4.6.
    TooManyMailboxes,
    /// RFC 8621 §4.6: these blobs are not there.
    BlobNotFound(Vec<String>),
    /// RFC 8621 §4.8: not a message.
    InvalidEmail(String),
}

impl SetError {
    /// One property is wrong, for this reason.
    pub fn property(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self::InvalidProperties(vec![name.into()], why.into())
    }

    /// What the store said to a change of one object: the client's doing becomes a SetError, ours fails the whole call.
    pub fn from_store(error: hearth_mailstore::Error) -> Result<Self, MethodError> {
        use hearth_mailstore::Error;
        Ok(match error {
            Error::NoSuchMailbox | Error::NoSuchMessage | Error::NoSuchAddressBook | Error::NoSuchCard => Self::NotFound,
            Error::MailboxExists => Self::property("name", "a mailbox of that name, or with that role, is there already"),
            Error::HasChildren => Self::MailboxHasChild,
            Error::AddressBookHasContents => Self::AddressBookHasContents,
            Error::TooLarge(_) => Self::TooLarge,
            Error::BadName(why) => Self::property("name", why),
            Error::Forbidden(why) => Self::Forbidden(why.to_string()),
            Error::OverQuota => Self::OverQuota,
            Error::TooMany(what) => Self::Forbidden(format!("too many: {what}")),
            error => return Err(error.into()),
        })
    }

    /// Its name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "forbidden",
            Self::OverQuota => "overQuota",
            Self::TooLarge => "tooLarge",
            Self::NotFound => "notFound",
            Self::InvalidPatch(_) => "invalidPatch",
            Self::WillDestroy => "willDestroy",
            Self::InvalidProperties(..) => "invalidProperties",
            Self::AlreadyExists(_) => "alreadyExists",
            Self::MailboxHasChild => "mailboxHasChild",
            Self::MailboxHasEmail => "mailboxHasEmail",
            Self::AddressBookHasContents => "addressBookHasContents",
            Self::TooManyKeywords => "tooManyKeywords",
            Self::TooManyMailboxes => "tooManyMailboxes",
            Self::BlobNotFound(_) => "blobNotFound",
            Self::InvalidEmail(_) => "invalidEmail",
        }
    }

    /// The SetError object.
    pub fn to_wire(&self) -> Value {
        let mut object = json!({ "type": self.name() });
        match self {
            Self::Forbidden(text) | Self::InvalidPatch(text) | Self::InvalidEmail(text) => {
                object["description"] = text.as_str().into()
            }
            Self::InvalidProperties(names, text) => {
                object["properties"] = names.clone().into();
                object["description"] = text.as_str().into();
            }
            Self::AlreadyExists(id) => object["existingId"] = id.as_str().into(),
            Self::BlobNotFound(ids) => object["notFound"] = ids.clone().into(),
            _ => {}
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_named() {
        // RFC 8620 §3.6.1, the example.
        let wire = Problem::Limit("maxSizeRequest").to_wire();
        assert_eq!(wire["type"], "urn:ietf:params:jmap:error:limit");
        assert_eq!(wire["limit"], "maxSizeRequest");
        assert_eq!(wire["status"], 400);
    }

    #[test]
    fn trouble_shows_its_id_and_nothing_else() {
        let trouble = Trouble::from(std::io::Error::other("the disk at /secret is on fire"));
        let wire = serde_json::to_string(&MethodError::ours(&trouble).to_wire()).expect("JSON");
        assert!(wire.contains(trouble.id()) && !wire.contains("secret"), "{wire}");
        let wire = Problem::ours(&trouble).to_wire().to_string();
        assert!(wire.contains(trouble.id()) && !wire.contains("secret"), "{wire}");
    }

    #[test]
    fn set_errors_carry_what_the_rfc_names() {
        assert_eq!(
            SetError::property("name", "it is empty").to_wire(),
            json!({"type": "invalidProperties", "properties": ["name"], "description": "it is empty"})
        );
        assert_eq!(SetError::AlreadyExists("e1".into()).to_wire(), json!({"type": "alreadyExists", "existingId": "e1"}));
        assert_eq!(SetError::BlobNotFound(vec!["b".into()]).to_wire(), json!({"type": "blobNotFound", "notFound": ["b"]}));
    }
}
