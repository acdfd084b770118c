// SPDX-License-Identifier: AGPL-3.0-or-later
//! A mail as a value: envelope, structure, preview, text; any bytes give one.
//!
//! [`parse`] reads the shape of a message line by line with a scanner of our own, whose nesting,
//! header size and parameter count are bounded, and hands only single, bounded headers and text parts
//! to mail-parser. So neither of its known faults can be reached: nested `message/rfc822` overflows
//! its stack, RFC 2231 continuations cost it quadratic time. Whoever must give a whole message to
//! mail-parser (or to a crate that does: mail-auth, sieve-rs) asks [`is_safe_for_mail_parser`] first.
//!
//! A [`Scanner`] takes the message in pieces, so that a large one is never in memory as a whole.

mod casemap;
mod cut;
mod entity;
mod envelope;
mod guard;
mod header;
pub mod limits;
mod packed;
mod scanner;
mod shift;
mod structure;
mod subject;
mod text;

pub use casemap::casemap;
pub use cut::kept;
pub use envelope::{Addr, Envelope};
pub use guard::{is_safe_for_mail_parser, parse_with_mail_parser};
pub use header::{Header, Headers, decode_words, encode_words};
pub use scanner::Scanner;
pub use structure::{Disposition, Part, TransferEncoding};
pub use subject::base_subject;
pub use text::{decode_bytes, decode_part, html_to_text};

/// What is known of a message without opening it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The envelope.
    pub envelope: Envelope,
    /// The tree of its parts, with byte ranges.
    pub structure: Part,
    /// At most 256 characters of text (RFC 8970 §4, RFC 8621 §4.1.4).
    pub preview: String,
    /// Text for the search index: what text parts say, decoded, bounded. Empty after [`Parsed::unpack`].
    pub text: String,
    /// RFC 8621 §4.1.4 hasAttachment.
    pub has_attachment: bool,
    /// Size of the whole message.
    pub size_bytes: u64,
    /// Number of lines of the whole message.
    pub lines: u64,
}

/// Reads a whole message. Never fails: what is not a mail is text/plain as a whole.
pub fn parse(raw: &[u8]) -> Parsed {
    let mut scanner = Scanner::new();
    scanner.push(raw);
    scanner.finish()
}

impl Parsed {
    /// In few bytes, for a table; without `text`.
    pub fn pack(&self) -> Vec<u8> {
        packed::pack(self)
    }

    /// What [`Parsed::pack`] wrote; `None` for anything else.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        packed::unpack(bytes)
    }

    /// The envelope alone of what [`Parsed::pack`] wrote.
    pub fn unpack_envelope(bytes: &[u8]) -> Option<Envelope> {
        packed::unpack_envelope(bytes)
    }
}
