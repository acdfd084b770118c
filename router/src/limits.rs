// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of the front door.

use std::time::Duration;

/// Header fields of a request.
pub const HEADERS_MAX: usize = 100;
/// Bytes of a request's head. RFC 9112 §3 wants at least 8,000 for the request line.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// A head arrives within this time, and a connection may be silent between requests as long.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(30);
/// Requests at once on one HTTP/2 connection.
pub const STREAMS_MAX: u32 = 64;
/// What one HTTP/2 stream and one connection may send ahead of us.
pub const WINDOW_BYTES: u32 = 64 * 1024;
/// A silent HTTP/2 connection is asked whether it lives.
pub const PING: Duration = Duration::from_secs(60);
/// The process behind us begins its answer within this time.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
/// A connection to a process behind us waits this long for another request; well below `HEAD_READ_WITHIN` of the process,
/// so that it is we who close it.
pub const IDLE_KEEP: Duration = Duration::from_secs(5);
/// Connections to one process that wait for another request.
pub const IDLE_MAX: usize = 16;
/// A household app takes a connection within this time.
pub const APP_CONNECT: Duration = Duration::from_secs(5);
/// A household app begins its answer within this time: some answer when there is news.
pub const APP_ANSWER_DEADLINE: Duration = Duration::from_secs(300);
/// Connections that became something else (RFC 9110 §7.8), such as WebSockets, at once.
pub const TUNNELS_MAX: usize = 256;
/// Whoever holds one is asked for this often whether they may still.
pub const TUNNEL_LOOK: Duration = Duration::from_secs(10);
/// The list of domains is read again when an unknown name is asked for, at most this often.
pub const DOMAINS_CHECK: Duration = Duration::from_secs(5);
/// How long a browser remembers to come by HTTPS only: half a year.
pub const HSTS_SECONDS: u32 = 15_768_000;
/// How long a sender may keep our MTA-STS policy (RFC 8461 §3.2): a week.
pub const MTA_STS_SECONDS: u32 = 604_800;
