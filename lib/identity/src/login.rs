// SPDX-License-Identifier: AGPL-3.0-or-later
//! Asking the gate who somebody is.
//!
//! `hearth-oauth` alone opens the vault and answers on a Unix socket; [`Gate`] is the other end, for
//! servers and for the `hearth` command. A SASL exchange is relayed step by step ([`Exchange`]); a
//! password or a token can be shown in one call. [`Revocations`] tells a process that a session ended,
//! so that it can cut the connection.
//!
//! ```ignore
//! let mut exchange = gate.begin(Mechanism::Plain, Service::Imap, peer, binding);
//! let mut step = exchange.start(initial_response).await?;
//! let login = loop {
//!     match step {
//!         Step::Challenge(octets) => step = exchange.step(&ask_client(octets).await?).await?,
//!         Step::Done(login) => break login,
//!         Step::Refused(refusal) => return refuse(refusal),
//!     }
//! };
//! let watch = revocations.watch(&login);  // select on watch.ended()
//! ```

mod frame;
mod gate;
mod protocol;
mod revocations;

use std::time::Duration;

use hearth_types::{AccountId, Address, SessionId, Timestamp};
pub use hearth_wire::sasl::{ChannelBinding, Mechanism};
use serde::{Deserialize, Serialize};

pub use crate::service::{Service, Services};
pub use frame::{read_frame, write_frame};
pub use gate::{Cannot, Exchange, Gate};
pub use protocol::{Answer, Listed, Question, Showing};
pub use revocations::{Revocations, Watch};

/// Somebody who proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub account: AccountId,
    /// Its primary address.
    pub address: Address,
    /// The device: what to watch, and what revoking ends.
    pub session: SessionId,
    /// What the token admits; `mail` alone for passwords.
    pub scopes: Vec<String>,
}

/// What an exchange came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send these octets (before base64) and pass on what comes back.
    Challenge(Vec<u8>),
    /// It is them.
    Done(Login),
    /// It ended without a login.
    Refused(Refusal),
}

/// Why somebody was not let in. What the peer is told stays as vague as the names here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// Wrong, unknown, ended, disabled: the peer does not learn which (SMTP 535 5.7.8, IMAP NO [AUTHENTICATIONFAILED]).
    Credentials,
    /// Right, but not for this service, or without the scope (SMTP 535 5.7.8, IMAP NO [AUTHORIZATIONFAILED]).
    Forbidden,
    /// The token ended; a new one will do (IMAP NO [EXPIRED]).
    Expired,
    /// The octets are not what the mechanism says (SMTP 501 5.5.2, IMAP BAD).
    Malformed,
    /// Too many failures (SMTP 454 4.7.0, IMAP NO [UNAVAILABLE]); the wait is for a log or a Retry-After.
    Wait(#[serde(with = "seconds")] Duration),
}

/// An app password as its owner sees it in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPassword {
    /// Its id, and that of its session.
    pub id: SessionId,
    /// What its owner called it.
    pub label: String,
    /// What it opens.
    pub services: Services,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(wait: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(wait.as_secs())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}
