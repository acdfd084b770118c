// SPDX-License-Identifier: AGPL-3.0-or-later
//! hearth-jmap: opens the mail and the directory, and serves `DIR/run/jmap.sock`.

use std::process::ExitCode;

use hearth_jmap::serve;

fn main() -> ExitCode {
    hearth_boot::run("jmap", serve::serve)
}
