// SPDX-License-Identifier: AGPL-3.0-or-later
//! SASL (RFC 4422): the mechanisms' messages, and the server's half of each exchange as a value.
//!
//! What enters are the octets that a client sent, already out of base64. What leaves is a [`Turn`]:
//! octets to send, or a question that only somebody with secrets can answer. Nonces and verifiers are
//! arguments; nothing here knows a random source or a store.
//!
//! - `server.rs`: the exchange, whatever the mechanism
//! - `plain.rs`, `login.rs`, `scram.rs`, `oauth.rs`: one mechanism (or two that differ in a byte) each
//! - `prep.rs`: SASLprep (RFC 4013)
//!
//! To add a mechanism: a name in [`Mechanism`], a file, an arm in `server.rs`, its RFC's example as a test.

mod error;
mod login;
mod mechanism;
mod oauth;
mod plain;
pub mod prep;
pub mod scram;
mod server;

pub use error::Malformed;
pub use mechanism::{ChannelBinding, Mechanism};
pub use server::{Failure, PasswordClaim, Server, TokenClaim, TokenError, Turn};

/// Octets of one message. RFC 4954 §4 and RFC 9051 §7.5 let a line carry 12,288 octets of base64.
pub const MESSAGE_BYTES_MAX: usize = 9_216;
