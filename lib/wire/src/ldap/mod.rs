// SPDX-License-Identifier: AGPL-3.0-or-later
//! LDAP version 3 as far as a directory that is only read needs it (RFC 4511): messages in, results out.
//!
//! Comes in: octets. Leaves: a [`Message`] with one [`Request`], or why it is none. `ber.rs` knows the encoding (definite
//! lengths alone, RFC 4511 §5.1), `message.rs` the requests and results, `filter.rs` the filters, `dn.rs` distinguished
//! names as text (RFC 4514).

mod ber;
mod dn;
mod filter;
mod message;

pub use dn::{Rdn, encode_value, normalize_dn, parse_dn};
pub use filter::Filter;
pub use message::{
    Credentials, Message, Request, ResultCode, Scope, Search, encode_entry, encode_extended, encode_notice, encode_result,
    message_length, parse_message,
};

/// Octets of one message from a client.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// Filters within filters.
pub const FILTER_DEPTH_MAX: usize = 8;
/// Filters of one search, counted through.
pub const FILTER_TERMS_MAX: usize = 64;
/// Attributes that one search names.
pub const ATTRIBUTES_MAX: usize = 64;
/// Controls of one message.
pub const CONTROLS_MAX: usize = 8;
/// Octets of a distinguished name.
pub const DN_BYTES_MAX: usize = 1024;

/// Why octets are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LdapError {
    /// It does not follow the encoding or the grammar.
    #[error("the message does not follow the protocol")]
    Syntax,
    /// One of the bounds.
    #[error("the message is too long, too deep or has too many parts")]
    TooMuch,
}

type Result<T> = std::result::Result<T, LdapError>;
