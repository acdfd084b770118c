// SPDX-License-Identifier: AGPL-3.0-or-later
//! The mailbox and the address book over HTTP and JSON: JMAP (RFC 8620, RFC 8621, RFC 9610), with push.
//!
//! What comes in are HTTP requests from the router, on the socket `DIR/run/jmap.sock`; what goes out is
//! JSON, blobs and an event stream. Mail and cards are in `hearth_mailstore`; who somebody is, the gate says.
//!
//! Read first: `endpoint.rs` (the routes), then `dispatch.rs` (a request's calls, one after the other),
//! then any file of `method/`. The walk of a request:
//!
//! 1. `auth.rs`: a bearer token or an app password becomes a [`ctx::Caller`].
//! 2. `request.rs`, pure: octets become calls, bounded by `limits.rs`; a back-reference becomes a value.
//! 3. `registry.rs`: the name of a call leads to its file, if we speak it and the client asked for its capability.
//! 4. `method/<type>/<verb>.rs`: reading methods get a snapshot of the account, changing ones the store.
//!    Calls that only read and follow each other share one snapshot.
//! 5. `error.rs`: what could not be done, at the level where it belongs.
//!
//! State strings are the account's modseq, so one number serves every type.
//!
//! The commonest change, a new method: a file in `method/` with `run`, a row in `registry.rs`, a line in
//! `docs/protocols/jmap.md` (generated), a test at its foot for what is pure and one in `tests/`.

pub mod auth;
pub mod blob;
pub mod blob_id;
pub mod ctx;
pub mod dispatch;
pub mod download;
pub mod endpoint;
pub mod error;
pub mod ijson;
pub mod limits;
pub mod method;
pub mod pointer;
pub mod push;
pub mod registry;
pub mod request;
pub mod serve;
pub mod session;
#[cfg(test)]
mod tests;
pub mod upload;
