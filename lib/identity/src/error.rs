// SPDX-License-Identifier: AGPL-3.0-or-later
//! Why a change to the people of the house was not made.

use hearth_types::{Address, Domain};

/// A result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a change was not made, or a question not answered. Absence is `Option`, not an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address already leads somewhere.
    #[error("{0} is already in use")]
    AddressTaken(Address),
    /// The domain is already here.
    #[error("the domain {0} is already here")]
    DomainTaken(Domain),
    /// The domain is not one of this home's.
    #[error("{0} is not a domain of this home; `hearth domain add {0}` makes it one")]
    UnknownDomain(Domain),
    /// The change would leave something that hangs on the thing that goes.
    #[error("{0}")]
    InUse(String),
    /// There is no such account, alias, list or client.
    #[error("there is no {0}")]
    Missing(String),
    /// A value that cannot be stored.
    #[error("{0}")]
    Invalid(String),
    /// A bound of `limits.rs` is reached.
    #[error("there can be {max} {what} at most")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// The key file, or what it sealed, is not what this vault was made with.
    #[error("{0}")]
    Sealed(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] hearth_db::Error),
    /// A file beside the store failed.
    #[error("{place}: {cause}")]
    Io {
        /// Which file.
        place: String,
        /// What the system said.
        cause: std::io::Error,
    },
}
