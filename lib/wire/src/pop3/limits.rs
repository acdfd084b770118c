// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound on what a POP3 client may send.

/// Octets of a command (RFC 2449 §4: 255).
pub const LINE_BYTES_MAX: usize = 512;
/// Octets of AUTH and of its lines: an access token has to fit (RFC 5034 §4: 12,288).
pub const AUTH_LINE_BYTES_MAX: usize = 16 * 1024;
