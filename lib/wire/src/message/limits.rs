// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of the message grammar, named. What is over a bound is cut or taken as text, never refused.

/// Levels of multipart and message/rfc822 together. Below that, a part is a leaf.
pub const NESTING_MAX: usize = 32;
/// Parts of one message. What comes after belongs to the last one.
pub const PARTS_MAX: usize = 1_000;
/// Bytes of one header (all its fields). Fields after that are not read (RFC 5322 sets no bound).
pub const HEADER_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one field that is parsed; a longer one is cut.
pub const FIELD_BYTES_MAX: usize = 64 * 1024;
/// Parameters of one Content-Type or Content-Disposition, continuations (RFC 2231 §3) included.
pub const PARAMETERS_MAX: usize = 64;
/// Addresses of one field that are kept.
pub const ADDRESSES_MAX: usize = 1_000;
/// Message ids of one field that are kept (the last ones).
pub const MESSAGE_IDS_MAX: usize = 100;
/// Bytes of a boundary that are compared (RFC 2046 §5.1.1: at most 70).
pub const BOUNDARY_BYTES_MAX: usize = 256;
/// Encoded bytes of one text part that are decoded for preview and search.
pub const TEXT_PART_BYTES_MAX: usize = 512 * 1024;
/// Bytes of text for the search index.
pub const TEXT_BYTES_MAX: usize = 512 * 1024;
/// RFC 8970 §3.1, RFC 8621 §4.1.4: characters of a preview.
pub const PREVIEW_CHARS_MAX: usize = 256;
/// Levels of inner messages that mail-parser may meet when it is given a whole message.
pub const NESTING_SAFE_MAX: usize = 50;
/// Continuations (RFC 2231 §3) of one field that it may meet.
pub const CONTINUATIONS_SAFE_MAX: usize = 200;
/// Bytes of a field that has continuations.
pub const CONTINUED_BYTES_SAFE_MAX: usize = 64 * 1024;
