// SPDX-License-Identifier: AGPL-3.0-or-later
//! POP3 (RFC 1939) on ports 110 and 995: the inbox for programs that fetch and delete.
//!
//! A session sees INBOX as it was at login: [`maildrop`] (pure) knows its messages and which of them are marked.
//! QUIT, and nothing else, deletes. Beside it mail programs may look by IMAP; two POP3 sessions exclude each other
//! (RFC 1939 §4). The unique id of a message is its EMAILID, so that it is the same wherever the mail has been.
//!
//! To add a command: a row in `registry.rs`, a variant in `hearth_wire::pop3::Command`, its arm in `session.rs`, a
//! transcript in `tests/transcripts/pop3/`.

mod lock;
mod maildrop;
pub mod registry;
mod session;

pub use lock::{Locked, Maildrops};
pub use session::serve;
