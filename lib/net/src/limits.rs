// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of this room that is not an argument.

use std::time::Duration;

/// Connections that the system holds for us until we accept them.
pub const BACKLOG: i32 = 512;
/// A TLS handshake takes at most this long.
pub const HANDSHAKE: Duration = Duration::from_secs(20);
/// After the system refused to accept (no file descriptors, mostly), we wait this long.
pub const ACCEPT_BACKOFF: Duration = Duration::from_millis(200);
/// A refusal is written to a connection over the limit within this time.
pub const REFUSAL: Duration = Duration::from_millis(500);
/// Connections over the limit that are being told so at once; further ones are closed without a word.
pub const REFUSALS_MAX: usize = 32;
/// Certificate files are looked at when a handshake begins, at most this often.
pub const CERTIFICATE_CHECK: Duration = Duration::from_secs(2);
/// PEM files are small.
pub const PEM_BYTES_MAX: u64 = 1024 * 1024;
/// What rustls may hold for a peer that does not read.
pub const TLS_SEND_BUFFER_BYTES: usize = 64 * 1024;

/// A read after silence uses this much memory, because most connections are silent.
pub const READ_BYTES_IDLE: usize = 256;
/// A read in a stream of data uses at most this much.
pub const READ_BYTES_MAX: usize = 16 * 1024;
/// Replies are sent on when this much waits.
pub const WRITE_BYTES_MAX: usize = 16 * 1024;
/// A line over its bound is skipped up to this much; then the connection counts as closed.
pub const SKIP_BYTES_MAX: usize = 256 * 1024;
/// Buffers above this size are given back when they are empty.
pub const KEEP_BYTES_MAX: usize = 1024;
