// SPDX-License-Identifier: AGPL-3.0-or-later
//! The login of the house: an OAuth and OpenID provider, the account pages, and the gate.
//!
//! What comes in: requests that the router passes on (a Unix socket), and questions of the other
//! processes (the gate's socket). What leaves: codes and tokens for clients, pages for people, yes or
//! no for the processes. This process alone opens the vault.
//!
//! Read first: [`registry`] (what we speak), then [`request::grant`] (the life of an authorization, pure), then
//! [`endpoint::authorize`] and [`endpoint::token`], which wait for the stores and carry it out. The rooms:
//!
//! | room | what is in it |
//! |---|---|
//! | [`endpoint`] | what programs ask for, one file each: `/authorize`, `/token`, `/userinfo`, ... |
//! | [`request`] | what a request says, and what may follow of it; pure |
//! | [`client`] | who a client is and where its answers may go |
//! | [`jose`] | signed JSON, ours and others' |
//! | [`page`] | what people see: sign-in, consent, `/account`, `/admin`; in English and French by [`page::words`] |
//! | [`rule`] | what the household decided |
//! | [`notice`] | the letters that tell people what happened to their account |
//! | [`webauthn`] | passkeys; pure |
//! | [`keyring`] | the OpenPGP keys of the people here |
//! | [`stranger`] | what a client may leave here before any person came |
//! | [`gate`] | yes or no for the other processes, and the throttle |
//! | [`ldap`], [`scim`] | people for programs that know no OpenID |
//!
//! To add an endpoint: a row in `registry.rs`, a file in `endpoint/`, a line in `server.rs`; the metadata follows.
//! To add a scope: a variant in `request/scope.rs` with its sentence for the consent page, and its row.

pub mod client;
pub mod ctx;
pub mod endpoint;
pub mod error;
pub mod gate;
pub mod home;
pub mod jose;
pub mod keyring;
pub mod ldap;
pub mod limits;
pub mod notice;
pub mod page;
pub mod registry;
pub mod request;
pub mod rule;
pub mod scim;
mod serve;
pub mod server;
pub mod stranger;
pub mod webauthn;

pub use page::words::{t, t1, t2};
pub use serve::serve;
