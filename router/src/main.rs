// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth-router --dir DIR`: started by `hearth up`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hearth_boot::run("router", hearth_router::serve)
}
