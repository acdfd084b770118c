// SPDX-License-Identifier: AGPL-3.0-or-later
//! The machine below: its clock, its disk, the processes of the node.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hearth_boot::Config;
use hearth_types::{Clock, Timestamp};

use super::Finding;
use crate::limits::DISK_FREE_BYTES_MIN;
use crate::supervisor::PROCESSES;

/// A clock that is behind breaks certificates and logins.
pub(super) fn clock(config: &Config) -> Finding {
    let now = Clock::system().now();
    let written = fs::metadata(config.path("tls/node.pem")).map(|facts| Timestamp::from_secs(facts.mtime()));
    match written {
        Ok(written) if written > now => {
            Finding::wrong("clock", "the clock is behind: the certificate was written in its future", "timedatectl set-ntp true")
        }
        _ => Finding::fine("clock", "the clock goes forward"),
    }
}

pub(super) fn disk(config: &Config) -> Finding {
    match rustix::fs::statvfs(&config.dir) {
        Ok(facts) => {
            let free = facts.f_bavail.saturating_mul(facts.f_frsize);
            let says = format!("{} MB are free", free / 1_000_000);
            if free < DISK_FREE_BYTES_MIN {
                Finding::wrong("disk", says, "free some space; mail is refused when there is none")
            } else {
                Finding::fine("disk", says)
            }
        }
        Err(error) => Finding::wrong("disk", format!("the disk cannot be asked: {error}"), "look at the machine's log"),
    }
}

pub(super) fn processes(config: &Config, running: bool) -> Finding {
    if !running {
        return Finding::wrong("processes", "the node is not running", format!("hearth up --dir {}", config.dir.display()));
    }
    let dead: Vec<&str> = PROCESSES.iter().copied().filter(|name| !alive(config, name)).collect();
    match dead.as_slice() {
        [] => Finding::fine("processes", format!("all {} are running", PROCESSES.len())),
        dead => Finding::wrong(
            "processes",
            format!("not running: {}", dead.join(" ")),
            "look at the log for the line that says why; it is started again by itself",
        ),
    }
}

fn alive(config: &Config, name: &str) -> bool {
    fs::read_to_string(config.run_path(&format!("{name}.pid"))).is_ok_and(|pid| Path::new("/proc").join(pid.trim()).exists())
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn a_home_that_is_down_is_told_how_to_start() {
        let dir = tempfile::tempdir().unwrap();
        let finding = processes(&config(dir.path()), false);
        assert!(!finding.ok && finding.step.starts_with("hearth up --dir "));
    }
}
