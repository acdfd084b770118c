// SPDX-License-Identifier: AGPL-3.0-or-later
//! People: who lives here, what they are reachable as, how they prove it, and what they let in.
//!
//! Two doors. The [`Directory`] holds public facts and every server reads it. The [`vault`] holds
//! secrets and `hearth-oauth` alone opens it; the others ask through [`login`], a Unix socket that
//! `oauth/src/gate.rs` answers.
//!
//! - `directory/`: domains, accounts, addresses, aliases, lists, groups, sessions, the audit log
//! - `grants/`: OAuth clients, authorization codes, access and refresh tokens, all by hash
//! - `vault/`: passwords, app passwords, signing keys, sealed OpenPGP secret keys
//! - `login.rs`: the face of the gate for servers and for the `hearth` command; news of ended sessions
//! - `desk.rs`: the face of the mail server's desk for the admin pages: what waits, what others report
//! - `finding.rs`: the face of the key server for the account page: somebody else's certificate
//! - `preset.rs`: apps that households run, and what each wants of a provider
//! - `certs/`: OpenPGP certificates; `trust/`: other homes and what each may do
//!
//! What enters are values of `hearth-types`; what leaves are values, `Option` for what is not there,
//! and [`Error`] for what failed. To add a fact: a column in a new migration step, a method on
//! [`Directory`] in the file of its noun, a test that runs on both engines.

pub mod certs;
pub mod desk;
pub mod directory;
mod error;
pub mod finding;
pub mod grants;
pub mod limits;
pub mod login;
pub mod naming;
pub mod preset;
mod random;
pub mod service;
#[cfg(test)]
mod tests;
pub mod trust;
pub mod vault;

pub use directory::Directory;
pub use error::{Error, Result};
pub use service::{Service, Services};
