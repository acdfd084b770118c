// SPDX-License-Identifier: AGPL-3.0-or-later
//! Programs of others that run beside a test, and end with it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a program may take until it is there, on a busy machine.
const THERE_WITHIN: Duration = Duration::from_secs(120);

/// A program that is ended with the test.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it; what it says goes into the log.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let out = fs::File::create(log)?;
        // Apache ends its whole process group when it ends.
        let child = command.process_group(0).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()?;
        Ok(Self { child, log: log.to_path_buf() })
    }

    /// What it said.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Has it ended by itself?
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// A port of 127.0.0.1 that nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits until it is there; an error has its log.
pub fn wait_for(what: &str, is_there: impl Fn() -> bool, log: &Path) -> Result<()> {
    let begun = Instant::now();
    while !is_there() {
        if begun.elapsed() > THERE_WITHIN {
            bail!("{what} did not start:\n{}", fs::read_to_string(log).unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
