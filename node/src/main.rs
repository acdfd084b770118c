// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth`: see `hearth --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hearth_node::run()
}
