// SPDX-License-Identifier: AGPL-3.0-or-later
//! OpenPGP certificates as this house handles them; the only room that knows what is in one.
//!
//! - [`intake`]: bytes of a stranger into a bounded [`Submission`], nothing believed yet
//! - [`clean`]: what of it the key's owner really signed; merging; taking it apart for the store
//! - [`generate`](mod@generate): making a certificate, for which programs
//! - [`approved`]: certifications by others that the owner wants to be shown
//! - [`authority`]: what the house says of other certificates, and how sure that makes it
//! - [`care`]: a later end, a new encryption key
//! - [`secret`]: sealed secret keys: bringing, revoking, exporting; [`setup`]: to another device
//! - [`show`]: what two people compare
//!
//! All of it is pure: bytes and a time in, bytes out. It computes, so servers call it on a blocking thread.

pub mod approved;
pub mod authority;
pub mod care;
pub mod clean;
#[cfg(any(test, feature = "flood"))]
pub mod flood;
pub mod generate;
pub mod intake;
pub mod limits;
pub mod secret;
pub mod setup;
pub mod show;
#[cfg(test)]
mod tests_bounds;

pub use clean::{Clean, armor};
pub use generate::{Generated, Profile, generate};
pub use intake::{Dropped, Raw, Submission, read_submission};

/// Why bytes were not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing that could be a key.
    #[error("there is no OpenPGP key in this")]
    NoKey,
    /// Neither armour nor packets, or cut off.
    #[error("this is not OpenPGP data, or it was cut off: {0}")]
    Malformed(String),
    /// Over a bound of `limits.rs`.
    #[error("this is too large: {what} may be {max} at most")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// A secret key was sent to a place that publishes.
    #[error("this has a SECRET key in it, which must never be sent to anyone. It was not stored. Export the public key instead")]
    Secret,
    /// No component of it is signed by its own primary key.
    #[error("no user id, subkey or revocation in this certificate is signed by its own key")]
    Unbound,
    /// The policy refuses every signature: SHA-1, tiny keys.
    #[error("this certificate rests on methods that are no longer safe: {0}")]
    Unsafe(String),
    /// The passphrase does not open the secret key, or there is none to open.
    #[error("the secret key cannot be opened: {0}")]
    Locked(String),
    /// The OpenPGP library failed where our own data was concerned.
    #[error("openpgp: {0}")]
    Library(String),
}

impl Refusal {
    /// The bytes are not what they should be.
    pub fn malformed(error: impl std::fmt::Display) -> Self {
        Self::Malformed(error.to_string())
    }

    /// The library failed where it should not.
    pub fn library(error: impl std::fmt::Display) -> Self {
        Self::Library(error.to_string())
    }
}
