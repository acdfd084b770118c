// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound of this room.

use std::time::Duration;

/// Threads that run sessions; a home has few cores and a stack costs memory.
pub const WORKER_THREADS: usize = 2;
/// Threads for what blocks (databases, files) at once.
pub const BLOCKING_THREADS_MAX: usize = 16;
/// How long an idle blocking thread is kept.
pub const BLOCKING_THREAD_IDLE: Duration = Duration::from_secs(10);
/// Address space of a thread's stack; only touched pages cost memory.
pub const THREAD_STACK_BYTES: usize = 2 * 1024 * 1024;
/// A request on the metrics socket: the line and its headers.
pub const METRICS_REQUEST_BYTES_MAX: usize = 4096;
/// How long a client of the metrics socket may take.
pub const METRICS_DEADLINE: Duration = Duration::from_secs(2);
/// How often histograms are folded, so that they do not grow between scrapes.
pub const METRICS_UPKEEP: Duration = Duration::from_secs(60);
/// `hearth.toml` is small; more is not ours.
pub const CONFIG_BYTES_MAX: u64 = 256 * 1024;
/// After this a process has started up, and gives back what only that needed ...
pub const STARTED_WITHIN: Duration = Duration::from_secs(5);
/// ... and then what it does not need any more, this often.
pub const GIVE_BACK_EVERY: Duration = Duration::from_secs(60);
/// What remains of the runtime is abandoned this long after `main`'s future returned.
pub const RUNTIME_SHUTDOWN: Duration = Duration::from_millis(500);
