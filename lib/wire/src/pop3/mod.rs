// SPDX-License-Identifier: AGPL-3.0-or-later
//! POP3 (RFC 1939, with CAPA RFC 2449, STLS RFC 2595, AUTH RFC 5034): commands in, replies out.
//!
//! A command is one line; [`parse_command`] reads it. A message goes out through a [`Stuffer`], which makes of any
//! octets a multi-line reply that ends where it should.

mod command;
pub mod limits;
mod reply;
mod stuff;

pub use command::{Command, parse_command};
pub use reply::Reply;
pub use stuff::Stuffer;
