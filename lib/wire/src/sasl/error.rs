// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is wrong with a client's message.

/// The octets are not what the mechanism's grammar says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {mechanism} message: {what}")]
pub struct Malformed {
    /// The mechanism's name.
    pub mechanism: &'static str,
    /// What is wrong, in a few words.
    pub what: &'static str,
}
