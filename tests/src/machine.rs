// SPDX-License-Identifier: AGPL-3.0-or-later
//! A machine of somebody who lives in a home: it finds the home's names and trusts its authority, with nothing set in the
//! programs themselves, and nothing of the machine below changes. A mount namespace has its own `/etc/hosts` and bundle of
//! authorities.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::{Home, Running, missing, stranger};

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How long a server may take until it answers, on a busy machine.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// Folder and files of it; gone when it is dropped.
pub struct Machine {
    folder: TempDir,
}

impl Machine {
    /// May we mount, and listen on the standard ports? Where every stranger must be there, this must be so too.
    pub fn is_possible(programs: &[&str]) -> bool {
        if missing(programs) || missing(&["unshare"]) {
            return false;
        }
        let mounts = stranger("unshare").args(["--mount", "true"]).output().is_ok_and(|output| output.status.success());
        let binds = std::net::TcpListener::bind(("127.255.0.3", 443)).is_ok();
        let is_asked = std::env::var("HEARTH_TEST_STRANGERS").as_deref() == Ok("all");
        assert!(mounts && binds || !is_asked, "needs root: mounts and port 443");
        mounts && binds
    }

    /// One that knows the home's names, and `others` at the same address.
    pub fn new(home: &Home, others: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("machine").tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let domain = &home.domain;
        let names = ["mail", "id", "openpgpkey", "keys", "autoconfig"].map(|name| format!("{name}.{domain}")).join(" ");
        let hosts = format!("127.0.0.1 localhost\n{} {domain} {names} {}\n", home.address, others.join(" "));
        fs::write(at("hosts"), hosts)?;
        fs::write(at("nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files\n")?;
        fs::write(at("bundle"), [fs::read(BUNDLE)?, b"\n".to_vec(), fs::read(home.ca())?].concat())?;
        // Servers give up their rights and still have to read what is written here.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        Ok(Self { folder })
    }

    /// Its folder, which is HOME for what runs there.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file or a folder of this machine.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// The same as text, for settings.
    pub fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Writes a file, with its folders.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(self.folder()))?;
        fs::write(&path, text)?;
        Ok(path)
    }

    /// The same for nobody else to read.
    pub fn write_secret(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.write(name, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(path)
    }

    /// A line of shell that runs there.
    pub fn shell(&self, line: &str) -> Command {
        let bind = |file: &str, over: &str| format!("mount --bind {} {over}\n", self.at(file));
        let binds = [bind("hosts", "/etc/hosts"), bind("nsswitch.conf", "/etc/nsswitch.conf"), bind("bundle", BUNDLE)].concat();
        let mut shell = stranger("unshare");
        shell.args(["--mount", "sh", "-c", &format!("set -eu\n{binds}{line}")]).current_dir(self.folder());
        shell.env("HOME", self.folder()).env("SSL_CERT_FILE", BUNDLE).env("TERM", "xterm");
        shell
    }

    /// A program that runs there.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.shell("exec \"$0\" \"$@\"");
        command.arg(program);
        command
    }

    /// Starts a server, and waits until it answers at `at`.
    pub fn serve(&self, command: &mut Command, at: SocketAddr) -> Result<Running> {
        let mut running = Running::start(command, &self.path(&format!("{}.log", at.port())))?;
        let begun = Instant::now();
        while TcpStream::connect_timeout(&at, Duration::from_secs(1)).is_err() {
            if begun.elapsed() > ANSWERS_WITHIN || running.has_ended()? {
                bail!("{:?} does not answer at {at}: {}", command.get_args().collect::<Vec<_>>(), running.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(running)
    }
}
