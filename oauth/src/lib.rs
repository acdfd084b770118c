// SPDX-License-Identifier: AGPL-3.0-or-later
//! The login of the house: an OAuth and OpenID provider, the account pages, and the gate.
//!
//! What comes in: requests that the router passes on (a Unix socket), and questions of the other
//! processes (the gate's socket). What leaves: codes and tokens for clients, pages for people, yes or
//! no for the processes. This process alone opens the vault.
//!
//! Read first: [`registry`] (what we speak), then [`grant`] (the life of an authorization, pure), then
//! [`authorize`] and [`token`], which wait for the stores and carry it out. One file per endpoint:
//!
//! | path | file |
//! |---|---|
//! | `/.well-known/openid-configuration` | [`metadata`] |
//! | `/.well-known/webfinger` | [`webfinger`] |
//! | `/.well-known/oauth-protected-resource` | [`protected_resource`] |
//! | `/authorize` | [`authorize`]; the request itself in [`request`] |
//! | `/sign-in` and below, `/consent` | [`sign_in`], [`consent`] |
//! | `/welcome/...` | [`welcome`] |
//! | `/par` | [`par`] |
//! | `/token` | [`token`] |
//! | `/device-authorization`, `/device` | [`device_grant`] |
//! | `/register` | [`register`]; clients that are their own address: [`cimd`] |
//! | `/forward/...` | [`forward`]: apps that know no OpenID, by their proxy |
//! | `/lists/leave/...` | [`leave_list`]: the link in a mailing list's copies |
//! | `/userinfo`, `/jwks.json`, `/revoke`, `/introspect`, `/logout` | the file of that name |
//! | `/scim/v2` and below | [`scim`] |
//! | `/account` and below | [`account`] |
//! | `/admin` and below | [`admin`] |
//!
//! Beside HTTP: [`ldap`], when it is on, and the gate.
//!
//! To add an endpoint: a row in `registry.rs`, a file, a line in `server.rs`; the metadata follows.
//! What pages say stands in [`words`], in English and French.
//! To add a scope: a variant in `scope.rs` with its sentence for the consent page, and its row.

pub mod account;
pub mod admin;
pub mod assertion;
pub mod authorize;
pub mod bearer;
pub mod cimd;
pub mod claims;
pub mod client_auth;
pub mod consent;
pub mod ctx;
pub mod device;
pub mod device_grant;
pub mod documents;
pub mod dpop;
pub mod error;
pub mod forward;
pub mod gate;
pub mod grant;
pub mod home;
pub mod introspect;
pub mod jwks;
pub mod jws;
pub mod keyring;
pub mod ldap;
pub mod leave_list;
pub mod level;
pub mod limits;
pub mod logout;
pub mod logout_token;
pub mod metadata;
pub mod notice;
pub mod par;
pub mod params;
pub mod pkce;
pub mod policy;
pub mod profile;
pub mod protected_resource;
pub mod redirect;
pub mod register;
pub mod registry;
pub mod request;
pub mod resource;
pub mod revoke;
pub mod scim;
pub mod scope;
pub mod script;
mod serve;
pub mod server;
pub mod sign_in;
pub mod strength;
pub mod token;
pub mod userinfo;
pub mod visit;
pub mod wanted;
pub mod webauthn;
pub mod webfinger;
pub mod welcome;
pub mod when;
pub mod words;

pub use serve::serve;
pub use words::{t, t1, t2};
