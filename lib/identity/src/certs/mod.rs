// SPDX-License-Identifier: AGPL-3.0-or-later
//! OpenPGP certificates of the people of this house, as pieces of opaque bytes.
//!
//! This room knows which account a certificate belongs to, which addresses it names and which of them
//! may be shown; what the bytes mean is known to `hearth_openpgp`, which takes a certificate
//! apart before it comes here. A certificate is `head` (primary key and the signatures over it), a
//! block per user id, and `tail` (subkeys): any head with some of its blocks and its tail, one after
//! the other, is again a certificate (RFC 9580 §10.1). So what is shown of a certificate is chosen by a
//! query, and answering a stranger's look-up parses nothing.
//!
//! An identity is shown while three things hold: its owner published it, it is not revoked, and the
//! address still belongs to the same account, which is not disabled. Nothing needs to be told here
//! when an address is taken away. An address of somebody else's domain is shown once its owner answered a letter that
//! only the key could open (see `proof.rs`); a certificate with such addresses alone belongs to no account.

mod house;
mod known;
pub mod log;
mod proof;
mod sealing;
pub(crate) mod seen;
mod shown;
mod stored;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_house;

pub use house::{HouseMail, TrustedHome, Vouch};
pub use known::Known;
pub use log::{LogEntry, SignedHead};
pub use proof::{Kept, Purpose, Token, Waiting};
pub use sealing::Sealing;
pub use seen::{AutocryptPeer, Seen, Told};
pub use shown::{Shown, ShownIdentity};
pub use stored::{Held, NamedAddress, Removed, Summary};

use hearth_types::{AccountId, Address, Timestamp};

/// Certificates that one look-up may give; several carry one key only when a subkey was borrowed.
pub const SHOWN_MAX: usize = 4;

/// The account under which the vault keeps the secret key of the house itself: nobody's.
pub const HOUSE: AccountId = AccountId::from_i64(0);

/// A certificate taken apart, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Of the primary key: upper-case hexadecimal, 40 letters (version 4) or 64 (version 6).
    pub fingerprint: String,
    /// Whose it is; nobody's here when it is a stranger's.
    pub account: Option<AccountId>,
    /// Where it came from.
    pub source: Source,
    /// Is its secret key sealed in the vault?
    pub secret_stored: bool,
    /// The number of the primary key's algorithm (RFC 9580 §9.1).
    pub algorithm: u8,
    /// Bits of the primary key.
    pub bits: u32,
    /// When the primary key was made.
    pub created_at: Timestamp,
    /// When the certificate ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// Is the whole certificate revoked?
    pub revoked: bool,
    /// All that we hold, shown or not.
    pub whole: Vec<u8>,
    /// The primary key and the signatures over it.
    pub head: Vec<u8>,
    /// The subkeys with their signatures.
    pub tail: Vec<u8>,
    /// The primary key and every subkey.
    pub keys: Vec<Key>,
    /// The user ids that name an address.
    pub identities: Vec<Identity>,
}

/// How a key is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Upper-case hexadecimal.
    pub fingerprint: String,
    /// Upper-case hexadecimal, 16 letters.
    pub key_id: String,
}

/// A user id that names an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// As it stands in the certificate, such as `Alice <alice@home.example>`.
    pub user_id: String,
    /// The address in it.
    pub address: Address,
    /// When the owner last bound it to the key.
    pub created_at: Timestamp,
    /// When that binding ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// Did the owner revoke it?
    pub revoked: bool,
    /// The user id with its signatures.
    pub block: Vec<u8>,
}

/// Where a certificate came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Made on this node.
    Generated,
    /// Brought by its owner.
    Imported,
    /// The house's own: it belongs to no person and is shown for the house's domains.
    House,
}

impl Source {
    /// As the table spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Imported => "imported",
            Self::House => "house",
        }
    }
}
