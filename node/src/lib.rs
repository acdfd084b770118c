// SPDX-License-Identifier: AGPL-3.0-or-later
//! The program a person types: set up, start, look after.
//!
//! What comes in: a command line ([`cli`]). What leaves: lines for a person, or one JSON value with `--json`; an exit
//! status (0, 1 it failed and one line on standard error says why and what to do, 2 the command line is wrong).
//!
//! - `command/X.rs` is `hearth X`; [`place`] finds the data directory and opens what a command needs
//! - `init/` writes a data directory: configuration, certificates, DKIM keys, databases
//! - `supervisor/` is `hearth up`: starts the processes, keeps them running, stops them gently
//! - `gate.rs` reaches the vault, which only `hearth-oauth` opens
//! - `records.rs` (pure) is the DNS zone of a domain, for `domain records` and `domain check`
//!
//! The commonest change is a new command: a variant with a doc comment (it is the help) in [`cli`], a file in
//! `command/`, a line in `command/mod.rs`.

pub mod cli;
mod command;
mod elsewhere;
mod gate;
mod init;
pub mod limits;
mod out;
mod place;
mod prompt;
mod sample;
mod supervisor;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use out::Out;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let out = Out::new(cli.json);
    hearth_boot::rights::keep_files_private();
    let result = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(limits::BLOCKING_THREADS_MAX)
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let result = runtime.block_on(command::run(cli, &out));
            runtime.shutdown_timeout(limits::RUNTIME_SHUTDOWN);
            result
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out.fail(&error);
            ExitCode::FAILURE
        }
    }
}
