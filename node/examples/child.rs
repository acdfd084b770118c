// SPDX-License-Identifier: AGPL-3.0-or-later
//! A process for the supervisor's tests: it starts as every server does, says that it is ready, and waits.
//!
//! It fails to start when `DIR/fail` holds its program's name, with the line that follows the name.

use std::process::ExitCode;

fn main() -> ExitCode {
    hearth_boot::run("child", |boot| async move {
        let own = std::env::args().next().unwrap_or_default();
        let plan = std::fs::read_to_string(boot.config.path("fail")).unwrap_or_default();
        if let Some((name, says)) = plan.split_once(' ')
            && own.ends_with(name)
        {
            anyhow::bail!("{}", says.trim());
        }
        tracing::info!("a line in the log");
        boot.ready();
        boot.stop.requested().await;
        Ok(())
    })
}
