// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of the `hearth` command.

use std::time::Duration;

/// Threads for databases and files.
pub const BLOCKING_THREADS_MAX: usize = 4;
/// What remains of the runtime is abandoned this long after the command ended.
pub const RUNTIME_SHUTDOWN: Duration = Duration::from_millis(200);

/// All processes of a starting node must be ready within this time. The aim is one second; an old database may have
/// to be brought up to date first.
pub const READY: Duration = Duration::from_secs(60);
/// A short-lived gate is ready within this time.
pub const GATE_READY: Duration = Duration::from_secs(20);
/// A short-lived gate stops within this time.
pub const GATE_STOP: Duration = Duration::from_secs(5);
/// The first restart of a process that ended.
pub const RESTART_FIRST: Duration = Duration::from_millis(100);
/// Later restarts wait longer and longer, up to this.
pub const RESTART_MAX: Duration = Duration::from_secs(30);
/// A process that ran this long is well again: the next restart is a first one.
pub const RESTART_WELL: Duration = Duration::from_secs(30);
/// Beyond `limits.drain_seconds`, a stopping process has this long before it is killed.
pub const STOP_GRACE: Duration = Duration::from_secs(2);
/// A line of a process' log.
pub const LOG_LINE_BYTES_MAX: usize = 16 * 1024;
/// Lines kept back while the node starts.
pub const LOG_LINES_HELD_MAX: usize = 2000;

/// The certificate is renewed when it has less than this left.
pub const CERTIFICATE_RENEW_DAYS: i64 = 30;
/// Lifetime of the node's certificate.
pub const CERTIFICATE_DAYS: i64 = 365;
/// Lifetime of the node's own certificate authority.
pub const AUTHORITY_DAYS: i64 = 3650;
/// How often a running node looks whether its certificate ends soon.
pub const CERTIFICATE_CHECK: Duration = Duration::from_secs(6 * 3600);

/// Unix(7): the path of a socket has 108 bytes with its final zero; the longest of ours below DIR has 32.
pub const DIR_BYTES_MAX: usize = 74;
/// A port answers within this time, or it does not.
pub const PORT_PROBE: Duration = Duration::from_millis(500);
/// `doctor` warns when less is free.
pub const DISK_FREE_BYTES_MIN: u64 = 500 * 1024 * 1024;
/// Octets of an answer of an OAuth provider.
pub const OAUTH_ANSWER_BYTES_MAX: usize = 256 * 1024;
/// How long a person has to sign in elsewhere, whatever the provider says.
pub const OAUTH_WAIT_MAX: Duration = Duration::from_secs(30 * 60);
/// A provider is asked again after this long at least.
pub const OAUTH_POLL_MIN: Duration = Duration::from_secs(1);
/// Mails that may wait for the text index before it is a fault: it is filled within seconds of a delivery.
pub const INDEX_LAG_MAX: u64 = 2_000;
/// Accounts whose text index is looked at.
pub const INDEXES_LOOKED_AT_MAX: usize = 500;
/// Accounts of which `doctor` looks who may read their mail.
pub const MAILBOXES_LOOKED_AT_MAX: usize = 500;
/// `doctor` warns when a mail has waited longer.
pub const QUEUE_AGE: Duration = Duration::from_secs(4 * 3600);
/// A password that a person chooses has at least so many characters (NIST SP 800-63B §3.1.1.2 wants 8).
pub const PASSWORD_CHARS_MIN: usize = 8;
/// And at most so many.
pub const PASSWORD_CHARS_MAX: usize = 1000;
/// The first round of the house's keys, after the node is ready.
pub const KEYS_TENDED_FIRST: Duration = Duration::from_secs(60);
/// The rounds of the house's keys.
pub const KEYS_TENDED_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How often is looked whether a round is asked for before its time: somebody published a key.
pub const KEYS_LOOKED_AT_EVERY: Duration = Duration::from_secs(10);
