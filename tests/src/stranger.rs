// SPDX-License-Identifier: AGPL-3.0-or-later
//! Programs that we did not write.

use std::process::{Command, Output};

use anyhow::{Result, ensure};

/// What a program printed.
#[derive(Debug)]
pub struct Ran {
    /// Its exit status; -1 when a signal ended it.
    pub status: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard output and standard error as text, for messages.
    pub text: String,
}

/// Is one of these programs missing? `tests/run` installs them and sets `HEARTH_TEST_STRANGERS=all`,
/// and then a missing one fails the test; without it the test says why it does nothing.
pub fn missing(programs: &[&str]) -> bool {
    let absent: Vec<_> = programs.iter().filter(|name| !is_installed(name)).collect();
    if absent.is_empty() {
        return false;
    }
    assert!(std::env::var("HEARTH_TEST_STRANGERS").as_deref() != Ok("all"), "not installed: {absent:?}");
    println_skip(&format!("skipped: {absent:?} not installed; tests/run installs them"));
    true
}

#[expect(clippy::print_stderr, reason = "a skip states its reason where the runner shows it")]
fn println_skip(reason: &str) {
    eprintln!("{reason}");
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A program of the system, its language and zone fixed.
pub fn stranger(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").stdin(std::process::Stdio::null());
    command
}

/// Runs it to its end; fails when its exit status is not 0.
pub fn run(command: &mut Command) -> Result<Ran> {
    let Output { status, stdout, stderr } = command.output()?;
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    ensure!(status.success(), "{:?} {:?}: {status}\n{text}", command.get_program(), command.get_args().collect::<Vec<_>>());
    Ok(Ran { status: status.code().unwrap_or(-1), stdout, text })
}
