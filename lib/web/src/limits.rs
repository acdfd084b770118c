// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of the HTTP side, named.

use std::time::Duration;

/// Octets of request line and header together; hyper does not go below 8 KiB (RFC 9112 §3 wants 8000 for the line).
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Header fields of one request.
pub const HEADER_FIELDS_MAX: usize = 64;
/// How long a peer may take over the header of a request; also how long an idle connection is kept.
pub const HEAD_READ_WITHIN: Duration = Duration::from_secs(60);
/// Connections at once. The router keeps few; the rest waits in the kernel's queue.
pub const CONNECTIONS_MAX: u32 = 512;
/// How long answers under way may take once the process was asked to stop.
pub const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// Octets of a request body, where a server does not say otherwise: forms and small JSON.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a handler may take until its answer begins, where a server does not say otherwise.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);
