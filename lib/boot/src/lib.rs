// SPDX-License-Identifier: AGPL-3.0-or-later
//! What every `main` of the house does before it serves and after it was asked to stop.
//!
//! A server's `main.rs` is one call:
//!
//! ```no_run
//! # async fn serve(_: hearth_boot::Boot) -> anyhow::Result<()> { Ok(()) }
//! fn main() -> std::process::ExitCode {
//!     hearth_boot::run("imap", |boot| async move {
//!         // open the stores, bind the listeners, then:
//!         boot.ready();
//!         serve(boot).await // returns when `boot.stop` was requested and the sessions are done
//!     })
//! }
//! ```
//!
//! What comes in: the command line (`--dir DIR`, or `HEARTH_DIR`), `DIR/hearth.toml`, variables named
//! `HEARTH_<SECTION>__<KEY>`, SIGTERM and SIGINT. What leaves: log lines on standard error, metrics on
//! `DIR/run/<name>.metrics.sock`, one `READY=1` to the supervisor, an exit status (0 stopped as asked, 1 failed,
//! 2 wrong command line). How it fails: one line that says what is wrong and what to do; the supervisor gets the
//! same line as `STATUS=`.
//!
//! Read first: [`run()`], then [`config`]. The commonest change is a new setting: add a field with a doc comment
//! (it is the manual), a default, and, when it has a range, a line in `config/check.rs`.
//!
//! This room imports nothing of ours: addresses of people, domains and the clock belong to the floor above.

pub mod config;
pub mod footprint;
pub mod limits;
pub mod log;
mod metrics;
pub mod rights;
mod run;
mod stop;

pub use config::{Config, ConfigError, Engine, Smtp};
pub use run::{Boot, run, run_with_flags, runtime};
pub use stop::Stop;
