// SPDX-License-Identifier: AGPL-3.0-or-later
//! Programs of others that judge mail, started for one test.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{run, stranger};

/// A program that is ended with the test.
pub struct Running(Child);

impl Running {
    /// Starts it; what it says goes into the log.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let log = fs::File::create(log)?;
        Ok(Self(command.stdout(log.try_clone()?).stderr(log).spawn()?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// A port that nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits until it is there; an error has its log.
pub fn wait_for(what: &str, is_there: impl Fn() -> bool, log: &Path) -> Result<()> {
    let begun = Instant::now();
    while !is_there() {
        if begun.elapsed() > Duration::from_secs(120) {
            bail!("{what} did not start:\n{}", fs::read_to_string(log).unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// rspamd with a scanner at the first port and a milter at the second.
pub fn rspamd(folder: &Path, dns: SocketAddr) -> Result<(Running, u16, u16)> {
    let (scan, milter) = (free_port()?, free_port()?);
    let of = |name: &str| folder.join(name);
    for name in ["run", "db", "log", "local.d"] {
        fs::create_dir_all(of(name))?;
    }
    let write = |name: &str, text: String| fs::write(of("local.d").join(name), text);
    write(
        "options.inc",
        format!(
            "disable_hyperscan = true;\ndns {{ nameserver = [\"{dns}\"]; timeout = 1s; retransmits = 1; }}\nlocal_addrs = [];\n"
        ),
    )?;
    write("worker-normal.inc", format!("bind_socket = \"127.0.0.1:{scan}\";\n"))?;
    write(
        "worker-proxy.inc",
        format!("bind_socket = \"127.0.0.1:{milter}\";\nmilter = yes;\nupstream \"local\" {{ default = yes; self_scan = yes; }}\n"),
    )?;
    write("worker-controller.inc", format!("bind_socket = \"127.0.0.1:{}\";\n", free_port()?))?;
    write("worker-fuzzy.inc", "enabled = false;\n".into())?;
    for module in ["redis", "fuzzy_check", "rbl", "greylist", "ratelimit", "neural", "asn", "phishing"] {
        write(&format!("{module}.conf"), "enabled = false;\n".into())?;
    }
    run(stranger("chown").args(["-R", "_rspamd"]).arg(folder))?;
    let var = |name: &str, at: &str| format!("--var={name}={}", of(at).display());
    let mut command = stranger("rspamd");
    command.args(["-f", "-i", "-u", "_rspamd", "-g", "_rspamd", &var("DBDIR", "db"), &var("RUNDIR", "run"), &var("LOGDIR", "log")]);
    command.arg(format!("--var=LOCAL_CONFDIR={}", folder.display()));
    let log = of("out");
    let running = Running::start(&mut command, &log)?;
    let answers = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_ok();
    wait_for("rspamd", || answers(scan) && answers(milter), &log)?;
    Ok((running, scan, milter))
}
