// SPDX-License-Identifier: AGPL-3.0-or-later
//! Open, accept, encrypt, resolve, time out. No protocol is known here.
//!
//! | you want to | read |
//! |---|---|
//! | bind ports and accept within limits | [`listen`] |
//! | speak TLS as a server, with certificates that change under way, or as a client | [`tls`] |
//! | read lines and literals that a stranger writes, and answer | [`lines`] |
//! | look up names | [`dns`] |
//! | read what another host publishes, by a name that a stranger gave | [`fetch`] |
//! | know what a domain of mail publishes, and whether it does | [`records`] |
//!
//! Every operation here that waits for a peer has a deadline, and every buffer has an end: both are arguments or
//! stand in [`limits`]. Errors are `std::io::Error` on the wire (a missed deadline is `TimedOut`) and named errors
//! before it.
//!
//! The commonest change is a bound: [`limits`] has them all, each with a test on both sides.

pub mod dns;
pub mod fetch;
pub mod limits;
pub mod lines;
pub mod listen;
pub mod records;
pub mod tls;
