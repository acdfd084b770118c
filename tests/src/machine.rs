// SPDX-License-Identifier: AGPL-3.0-or-later
//! A machine on which strangers find a home's names and trust its authority, with nothing set in the strangers
//! themselves: a mount namespace with its own `/etc/hosts` and bundle of authorities.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::{Home, missing, stranger};

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// How long a server may take until it answers, on a busy machine.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// The machine, and a folder for what runs on it.
pub struct Machine {
    folder: TempDir,
}

/// A program that runs until it is dropped.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Machine {
    /// May we mount? Where every stranger must be there, this must be so too.
    pub fn is_possible(programs: &[&str]) -> bool {
        if missing(programs) || missing(&["unshare"]) {
            return false;
        }
        let mounts = stranger("unshare").args(["--mount", "true"]).output().is_ok_and(|output| output.status.success());
        assert!(mounts || std::env::var("HEARTH_TEST_STRANGERS").as_deref() != Ok("all"), "needs root: mounts");
        mounts
    }

    /// One that knows the home's names, and `others` at the same address.
    pub fn new(home: &Home, others: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("machine").tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let names = ["", "id.", "mail."].map(|name| format!("{name}{}", home.domain)).join(" ");
        fs::write(at("hosts"), format!("127.0.0.1 localhost\n{} {names} {}\n", home.address, others.join(" ")))?;
        fs::write(at("nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files\n")?;
        fs::write(at("bundle"), [fs::read(BUNDLE)?, b"\n".to_vec(), fs::read(home.ca())?].concat())?;
        // Servers give up their rights and still have to read what is written here.
        crate::run(stranger("chmod").arg("755").arg(folder.path()))?;
        Ok(Self { folder })
    }

    /// A file or a folder of this machine.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text, for settings.
    pub fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Writes a file for a program.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        fs::write(self.path(name), text)?;
        Ok(self.path(name))
    }

    /// A program of this machine.
    pub fn command(&self, program: &str) -> Command {
        let mounts = format!(
            "mount --bind {} /etc/hosts && mount --bind {} /etc/nsswitch.conf && mount --bind {} {BUNDLE} && exec \"$0\" \"$@\"",
            self.at("hosts"),
            self.at("nsswitch.conf"),
            self.at("bundle")
        );
        let mut command = stranger("unshare");
        command.args(["--mount", "sh", "-c", &mounts, program]).current_dir(self.folder.path());
        command.env("HOME", self.folder.path()).env("SSL_CERT_FILE", BUNDLE);
        command
    }

    /// Starts a server, and waits until it answers at `at`.
    pub fn serve(&self, command: &mut Command, at: SocketAddr) -> Result<Running> {
        let log = self.path(&format!("{}.log", at.port()));
        let out = fs::File::create(&log)?;
        // Apache ends its whole process group when it ends.
        let child = command.process_group(0).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()?;
        let mut running = Running { child, log };
        let begun = Instant::now();
        while TcpStream::connect_timeout(&at, Duration::from_secs(1)).is_err() {
            if begun.elapsed() > ANSWERS_WITHIN || running.child.try_wait()?.is_some() {
                bail!("{:?} does not answer at {at}: {}", command.get_args().collect::<Vec<_>>(), running.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(running)
    }
}

impl Running {
    /// What it printed.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
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
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
