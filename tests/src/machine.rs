// SPDX-License-Identifier: AGPL-3.0-or-later
//! A machine of somebody who lives in a home: it finds the home's names and trusts its authority, and nothing of the
//! machine below changes. A mount namespace has its own `/etc/hosts` and bundle of authorities.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::{Home, missing, stranger};

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Folder and files of it; gone when it is dropped.
pub struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// May we mount, and listen on the standard ports? Where every stranger must be there, this must be so too.
    pub fn is_possible(programs: &[&str]) -> bool {
        if missing(programs) || missing(&["unshare", "script", "stty"]) {
            return false;
        }
        let mounts = stranger("unshare").args(["--mount", "true"]).output().is_ok_and(|output| output.status.success());
        let binds = std::net::TcpListener::bind(("127.255.0.3", 443)).is_ok();
        let is_asked = std::env::var("HEARTH_TEST_STRANGERS").as_deref() == Ok("all");
        assert!(mounts && binds || !is_asked, "needs root: mounts and port 443");
        mounts && binds
    }

    /// One for this home.
    pub fn new(home: &Home) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("machine").tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let domain = &home.domain;
        let names = ["mail", "id", "openpgpkey", "keys", "autoconfig"].map(|name| format!("{name}.{domain}")).join(" ");
        fs::write(at("hosts"), format!("127.0.0.1 localhost\n{} {domain} {names}\n", home.address))?;
        fs::write(at("nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files\n")?;
        let authorities = [fs::read(BUNDLE)?, fs::read(home.ca())?].concat();
        fs::write(at("bundle"), authorities)?;
        Ok(Self { folder })
    }

    /// Its folder, which is HOME for what runs there.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file below the folder, with its folders, for nobody else to read.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().unwrap_or(self.folder()))?;
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(path)
    }

    /// A line of shell that runs there.
    pub fn shell(&self, line: &str) -> Command {
        let bind = |file: &str, over: &str| format!("mount --bind {} {over}\n", self.folder().join(file).display());
        let binds = [bind("hosts", "/etc/hosts"), bind("nsswitch.conf", "/etc/nsswitch.conf"), bind("bundle", BUNDLE)].concat();
        let mut shell = stranger("unshare");
        shell
            .args(["--mount", "sh", "-c", &format!("set -eu\n{binds}{line}")])
            .env("HOME", self.folder())
            .env("SSL_CERT_FILE", self.folder().join("bundle"))
            .env("TERM", "xterm")
            .current_dir(self.folder());
        shell
    }
}
