// SPDX-License-Identifier: AGPL-3.0-or-later
//! Values that cannot be wrong.
//!
//! Everything here is plain data: an [`Address`] that exists has been checked, a [`Timestamp`] is
//! milliseconds, a [`Secret`] does not show itself. There is no I/O; the only clock and the only
//! random source of the house are [`Clock`] and [`Id::new`](id::Id::new), which are handed around.
//!
//! To add a value: one file, a private field, a `parse` that returns a named error, `Display` that
//! writes what `parse` reads.

mod address;
mod clock;
mod fault;
pub mod id;
mod secret;

pub use address::{Address, AddressError, Domain, LOCAL_PART_BYTES_MAX, REPORTS};
pub use clock::{Clock, Timestamp};
pub use fault::{Fault, Trouble};
pub use id::{AccountId, AddressBookId, BlobId, CardId, ClientId, DomainId, MailboxId, MessageId, ScriptId, SessionId, ThreadId};
pub use secret::{Secret, constant_time_eq};
