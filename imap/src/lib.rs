// SPDX-License-Identifier: AGPL-3.0-or-later
//! hearth-imap: shows a mailbox to mail programs (IMAP4rev2, RFC 9051, and IMAP4rev1, RFC 3501).
//!
//! Beside it POP3 (`pop3/`) and ManageSieve (`managesieve/`); what these two have in common is in `door.rs`.
//!
//! What comes in: connections on ports 143 (STARTTLS) and 993; the mail of the stores; the answers of
//! the gate. What goes out: responses, and changes to the mail store. What a session does:
//!
//! 1. `session.rs` reads bytes into the fragmentizer until a command is whole, or an APPEND has come to its message;
//! 2. `hearth_wire::imap` makes a value of it, `registry.rs` and `state.rs` say whether it has a place here;
//! 3. `command/X.rs` carries it out: it asks the store on a blocking thread, and writes as fast as it is read;
//! 4. `news.rs` tells what changed meanwhile: the difference of two snapshots (`view.rs`), of which the process
//!    keeps one per open mailbox (`mirror.rs`); what changed in others, `notify.rs` decides for those who asked.
//!
//! Mailboxes of others: `access.rs` says where a name leads and what may be done there.
//!
//! A script of the person may run on what a command did (`event.rs`).
//! By itself it does one thing: mail that was put off comes back (`snooze.rs`).
//!
//! Beside the server: `transfer/` brings mail from elsewhere and back out, for the `hearth` command.
//!
//! Read first: `session.rs`, then `view.rs`, then the command that you came for.
//!
//! How it fails: a mistake costs the client one command (BAD), what cannot be is NO with a code of RFC 5530,
//! what broke here is NO `[SERVERBUG]` with an id that stands in the log. Only a client that sends no commands at
//! all, or too slowly, or too much, is sent away with BYE.
//!
//! To add a command: a row in `registry.rs`, a variant in `hearth_wire::imap::Command` with its grammar, a file
//! in `command/` and its arm in `command/mod.rs`, a transcript in `tests/transcripts/imap/`.

pub mod access;
mod command;
pub mod ctx;
mod deflate;
mod door;
mod event;
pub mod fault;
mod fetch;
mod filters;
mod find;
mod fresh;
pub mod limits;
pub mod listing;
pub mod managesieve;
pub mod mirror;
mod news;
mod notify;
pub mod pop3;
mod progress;
pub mod registry;
pub mod scope;
pub mod search;
pub mod serve;
pub mod session;
pub mod snooze;
mod sort;
pub mod state;
mod thread;
pub mod transfer;
pub mod view;
