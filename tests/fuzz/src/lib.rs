// SPDX-License-Identifier: AGPL-3.0-or-later
//! What strangers send, one target per grammar: any bytes go in, and what must hold of them is asserted.
//!
//! `fuzz_targets/` hands each function to libFuzzer (`tests/fuzz/run`, or `cargo fuzz run TARGET`); `replay.rs` runs them as an
//! ordinary test over the inputs in `crashes/`, each of which once broke something.
//!
//! To add a target: a function here, a row in [`TARGETS`], a file in `fuzz_targets/` and its `[[bin]]`.

pub mod imap;
pub mod keys;
pub mod login;
pub mod mail;
pub mod people;
pub mod seeds;
pub mod smtp;

/// A target: any bytes in; it panics when something that must hold does not.
pub type Target = fn(&[u8]);

/// All of them, by the names of their programs.
pub const TARGETS: &[(&str, Target)] = &[
    ("smtp_command", smtp::command),
    ("smtp_data", smtp::data),
    ("smtp_bdat", smtp::bdat),
    ("smtp_reply", smtp::reply),
    ("smtp_report", smtp::report),
    ("address", smtp::address),
    ("milter", smtp::milter),
    ("proxy", smtp::proxy),
    ("sieve", mail::sieve),
    ("mime", mail::mime),
    ("imap_command", imap::command),
    ("imap_literal", imap::literal),
    ("imap_mailbox", imap::mailbox),
    ("imap_search", imap::search),
    ("pop3", imap::pop3),
    ("managesieve", imap::managesieve),
    ("sasl", login::sasl),
    ("oauth_redirect", login::redirect),
    ("oauth_request", login::request),
    ("oauth_token", login::token),
    ("webauthn", login::webauthn),
    ("ldap", people::ldap),
    ("scim", people::scim),
    ("jmap_request", login::jmap_request),
    ("openpgp", keys::openpgp),
    ("key_query", keys::query),
    ("wks_mail", keys::wks_mail),
];

/// Runs one by its name.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target has a row");
    target(data);
}

/// The rest of the bytes in pieces, as the first bytes cut them; a network cuts where it likes.
pub(crate) fn pieces(data: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let count = usize::from(data.first().copied().unwrap_or(0) % 8);
    let (head, whole) = data.split_at((1 + count).min(data.len()));
    let (mut rest, mut pieces) = (whole, Vec::new());
    for cut in head.iter().skip(1) {
        let (piece, after) = rest.split_at(usize::from(*cut).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    (pieces, whole)
}
