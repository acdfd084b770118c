// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people let programs do: clients, codes and tokens. All of it is kept by SHA-256 of 256 random bits.
//!
//! A grant is a session of kind `client`: ending it ends its tokens. Each change is one transaction, so
//! that of fifty parallel exchanges of one code exactly one succeeds.
//!
//! - `client.rs`: who may ask; `access.rs`: for whom; `app.rs`: what a person let in
//! - `upstream.rs`: clients whose app is behind our own front door
//! - `metadata.rs`: what a client says of itself beside that
//! - `code.rs`: an authorization code, from the consent to its one exchange
//! - `token.rs`: access tokens, and refresh tokens that rotate
//! - `exchange.rs`: a token that comes of another
//! - `redirect_uri.rs`: where its answers may be sent
//! - `logout.rs`: which clients are to be told that a session ended
//! - `registration.rs`: what becomes of programs that register themselves
//! - `scope.rs`: the words, and which service each admits
//! - `pending.rs`: consent, requests that wait for a person, things that may be seen once

mod access;
mod app;
mod client;
mod code;
mod exchange;
mod logout;
mod metadata;
mod pending;
pub mod redirect_uri;
mod registration;
pub mod scope;
mod token;
pub mod upstream;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_types::Secret;
use sha2::{Digest, Sha256};

pub(crate) use access::end_unadmitted;
pub use app::App;
pub use client::{Client, NewClient};
pub use code::{Code, CodeRefusal, NewCode, NewGrant, Redeemed};
pub use exchange::Exchange;
pub use logout::LogoutNotice;
pub use metadata::{are_keys, has_several_sectors, read_metadata, sector_of};
pub use pending::{NewPending, Pending, Poll};
pub use registration::Registration;
pub use token::{AccessToken, NewTokens, RefreshRefusal, RefreshToken, Tokens};

/// A new opaque token: 256 random bits in base64url.
pub fn new_token() -> Secret<String> {
    Secret::new(URL_SAFE_NO_PAD.encode(crate::random::bytes::<32>()))
}

/// What a table keeps of a token. Of 256 random bits one plain hash suffices.
pub fn hash_token(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
