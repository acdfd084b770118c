// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bytes into values, and back.
//!
//! One folder per grammar, one function per rule, named as the ABNF names it. Nothing here knows a
//! socket, a file, a clock or a random source: the same bytes give the same values, so that all of it
//! can be fuzzed. What a stranger sends is bounded here before it is parsed.
//!
//! To add a grammar: a folder, a `parse_` that says what was wrong and an `encode_` that it reads back.
//!
//! - `imap/`: commands in, responses out (RFC 9051, RFC 3501)
//! - `pop3/`: commands in, replies out (RFC 1939)
//! - `sieve_protocol/`: ManageSieve, commands in, responses out (RFC 5804)
//! - `smtp/`: commands in, replies out (RFC 5321)
//! - `proxy.rs`: who is really at the other end (PROXY protocol, version 2)
//! - `sasl/`: the mechanisms' messages, and SCRAM's arithmetic (RFC 4422, RFC 5802)
//! - `message/`: a mail: bounded entry to mail-parser, envelope, structure, preview (RFC 5322, RFC 2045)
//! - `ldap/`: messages of a directory that is only read (RFC 4511)
//! - `scim.rs`: filters and the paths of patches (RFC 7644)
//! - `spf.rs`: can an SPF record be read (RFC 7208)?
//! - `milter.rs`: what a mail server and programs that judge mail say to each other
//! - `wkd.rs`, `openpgpkey.rs`: the names under which a Web Key Directory and DNS keep certificates
//! - `wks.rs`: what is said in the mails of the Web Key Service
//! - `autocrypt.rs`: the field that carries a sender's certificate

pub mod autocrypt;
pub mod imap;
pub mod ldap;
pub mod message;
pub mod milter;
pub mod openpgpkey;
pub mod pop3;
pub mod proxy;
pub mod sasl;
pub mod scim;
pub mod sieve_protocol;
pub mod smtp;
pub mod spf;
pub mod wkd;
pub mod wks;
