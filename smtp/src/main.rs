// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth-smtp`: boot, open the stores, serve.

fn main() -> std::process::ExitCode {
    hearth_boot::run("smtp", hearth_smtp::serve::run)
}
