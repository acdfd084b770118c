// SPDX-License-Identifier: AGPL-3.0-or-later
//! hearth-imap: boot, open the stores, serve.

use std::process::ExitCode;

fn main() -> ExitCode {
    hearth_boot::run("imap", |boot| async move {
        let shared = hearth_imap::serve::open(&boot).await?;
        let doors = hearth_imap::serve::bind(&boot)?;
        boot.ready();
        hearth_imap::serve::run(&boot, shared, doors).await
    })
}
