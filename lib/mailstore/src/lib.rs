// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail: mailboxes, messages, flags, modseq, blobs, full-text search, the feed of changes.
//!
//! A [`Store`] is opened once per process. What a command does is one closure, run on a blocking
//! thread inside one transaction of one account; the functions that it calls are grouped by noun and
//! all take the [`MailTx`]:
//!
//! ```ignore
//! let boxes = store.read(account, |tx| mailbox::list(tx)).await?;
//! let copied = store.write(account, Durability::Synced, move |tx| message::copy(tx, from, &uids, to)).await?;
//! ```
//!
//! - [`mailbox`]: list, find, add, rename, remove; roles, subscriptions, counts
//! - [`message`]: append, look at, flag, copy, move, expunge; bodies
//! - [`changes`]: what happened since a modseq, for IMAP's CONDSTORE/QRESYNC and JMAP's `/changes`
//! - [`search`]: filters, sorting, text
//! - [`thread`], [`blob`], [`quota`], [`script`], [`annotation`]
//! - [`acl`]: what others may do with a mailbox; which mailboxes of others somebody follows
//! - [`memory`], [`lesson`]: what a person's filter has seen, and what it learns from what they do
//! - [`address_book`], [`card`]: the people whom somebody knows
//! - [`import`]: what was brought from elsewhere
//! - [`snooze`]: what was put off
//! - [`delivery`]: mail on its way in, for hearth-smtp alone: durable before it is answered
//! - [`Store::subscribe`]: wakes when another session, in any process, changed the account
//!
//! One *modseq* per account numbers every change to a mailbox, a message or a thread. It is IMAP's
//! MODSEQ and HIGHESTMODSEQ (RFC 7162) and JMAP's state string. No two changes share a number, so a
//! list of changes may be cut after any of them.
//!
//! Keywords belong to the message and UIDs to (mailbox, message); a message may be in several
//! mailboxes. `\Deleted` alone belongs to the (mailbox, UID), for it says what EXPUNGE will do there.
//!
//! To add a property of messages: a column in a new step of `schema.rs`, a field of
//! [`message::Summary`], the query beside it, and a line in the law test.

mod account;
pub mod acl;
pub mod address_book;
pub mod annotation;
pub mod blob;
pub mod body;
pub mod card;
pub mod changes;
pub mod delivery;
mod dialect;
mod error;
mod feed;
mod flags;
pub mod import;
mod index;
mod journal;
pub mod lesson;
pub mod limits;
pub mod mailbox;
pub mod memory;
pub mod message;
pub mod quota;
pub mod scan;
mod schema;
pub mod script;
pub mod search;
mod snippet;
pub mod snooze;
mod store;
pub mod sweep;
pub mod term;
pub mod thread;
mod tx;

pub use acl::Rights;
pub use body::{Body, Content, Source};
pub use delivery::{Delivered, Delivery, Recipient, Refusal, Target};
pub use error::{Error, Result};
pub use flags::{Flag, FlagSet};
pub use hearth_db::Durability;
pub use mailbox::{Mailbox, Role};
pub use message::{Entry, FlagChange, Summary};
pub use store::{Backend, Store, StoreConfig};
pub use tx::MailTx;
