// SPDX-License-Identifier: AGPL-3.0-or-later
//! ManageSieve (RFC 5804) on port 4190: a person's Sieve scripts, over the script store.
//!
//! A script is compiled before it is kept, by the very room that will run it; what is wrong with it is said with its place.
//!
//! To add a command: a row in `registry.rs`, a variant in `hearth_wire::sieve_protocol::Command`, its arm in
//! `session.rs`, a transcript in `tests/transcripts/managesieve/`.

pub mod registry;
mod session;

pub use session::serve;
