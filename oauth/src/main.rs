// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth-oauth`: the login of the house. With `--gate-only` it answers the gate's socket and no HTTP,
//! for a command that needs the vault while the house is down.

use std::process::ExitCode;

fn main() -> ExitCode {
    hearth_boot::run_with_flags("oauth", &["--gate-only"], hearth_oauth::serve)
}
