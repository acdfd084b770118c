// SPDX-License-Identifier: AGPL-3.0-or-later
//! GnuPG finds our certificates with its own dirmngr: over WKD, both ways, and over HKPS.
//!
//! dirmngr takes names from the system and trusts the system's authorities, so it runs in a mount
//! namespace with its own `/etc/hosts` and bundle, against a home on the standard ports.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use hearth_tests::{Home, HomeBuilder, missing, run, stranger};
use serde_json::Value;

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const DOMAIN: &str = "keys-home.test";

/// May we listen on 443 and mount? Where every stranger must be there, this must be so too.
fn may_do_this() -> bool {
    if missing(&["gpg", "dirmngr", "unshare"]) {
        return false;
    }
    let mounts = stranger("unshare").args(["--mount", "true"]).output().is_ok_and(|output| output.status.success());
    let binds = std::net::TcpListener::bind(("127.255.0.2", 443)).is_ok();
    assert!(mounts && binds || std::env::var("HEARTH_TEST_STRANGERS").as_deref() != Ok("all"), "needs root: mounts and port 443");
    mounts && binds
}

/// A machine that finds the home's names and trusts its authority.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new(home: &Home, names: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("gpg").tempdir()?;
        let at = |name: &str| folder.path().join(name);
        fs::write(at("hosts"), format!("127.0.0.1 localhost\n{} {}\n", home.address, names.join(" ")))?;
        fs::write(at("nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files\n")?;
        let authorities = [fs::read(BUNDLE)?, fs::read(home.ca())?].concat();
        fs::write(at("bundle"), authorities)?;
        Ok(Self { folder })
    }

    /// Runs a script with a GnuPG home of its own; what the script printed.
    fn script(&self, gnupg: &str, script: &str) -> Result<String> {
        let gnupg = self.folder.path().join(gnupg);
        if !gnupg.exists() {
            Command::new("mkdir").args(["-m", "700"]).arg(&gnupg).status()?;
            // Without hkp-cacert (which must be named *.pem, or it is read as DER) HKPS trusts the system's authorities too.
            fs::write(gnupg.join("dirmngr.conf"), "standard-resolver\n")?;
        }
        let bind = |file: &str, over: &str| format!("mount --bind {} {over}\n", self.file(file));
        let whole = [
            "set -eu\ntrap 'gpgconf --kill all' EXIT\n",
            &bind("hosts", "/etc/hosts"),
            &bind("nsswitch.conf", "/etc/nsswitch.conf"),
            &bind("bundle", BUNDLE),
            script,
        ]
        .concat();
        let mut shell = stranger("unshare");
        shell.args(["--mount", "sh", "-c", &whole]).env("GNUPGHOME", &gnupg).current_dir(self.folder.path());
        Ok(String::from_utf8_lossy(&run(&mut shell)?.stdout).into_owned())
    }

    fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.folder.path()).join(name)
    }
}

fn home_with_a_key() -> Result<(Home, String)> {
    let home = HomeBuilder::default().domain(DOMAIN).offset(0).start()?;
    let made: Value = serde_json::from_str(&home.hearth(&["key", "generate", &home.alice.address, "--json"])?)?;
    ensure!(made["address"] == home.alice.address.as_str(), "{made}");
    let fingerprint = made["fingerprint"].as_str().unwrap_or_default().to_string();
    ensure!(fingerprint.len() == 40, "{made}");
    Ok((home, fingerprint))
}

#[test]
fn gpg_finds_encrypts_and_decrypts() -> Result<()> {
    if !may_do_this() {
        return Ok(());
    }
    let (home, fingerprint) = home_with_a_key()?;
    let (alice, keys) = (&home.alice.address, format!("keys.{DOMAIN}"));
    let machine = Machine::new(&home, &[DOMAIN, &format!("openpgpkey.{DOMAIN}"), &keys])?;
    let direct = Machine::new(&home, &[DOMAIN])?;

    // WKD, advanced; then with no openpgpkey name, direct.
    for (machine, text) in [(&machine, "found by the advanced method"), (&direct, "found by the direct method")] {
        let script = format!(
            "gpg --batch --auto-key-locate clear,nodefault,wkd --locate-keys {alice} >&2\n\
             printf '{text}' | gpg --batch --trust-model always --encrypt --recipient {alice} > sealed\n\
             gpg --batch --with-colons --fingerprint {alice}"
        );
        let listed = machine.script("finder", &script)?;
        ensure!(listed.contains(&fingerprint) && listed.matches("uid:").count() == 1, "{listed}");

        let exported = home.hearth(&["key", "export", alice, "--secret", "--armor"])?;
        fs::write(machine.path("secret.asc"), exported)?;
        let opened = machine.script("owner", "gpg --batch --import secret.asc >&2\ngpg --batch --decrypt sealed")?;
        ensure!(opened == text, "{opened:?}");
    }

    // HKPS: receive, search, send back, and a revocation that comes with a refresh.
    let server = format!("--batch --keyserver hkps://{keys}");
    let received = machine.script(
        "other",
        &format!(
            "gpg {server} --recv-keys {fingerprint} >&2\n\
             gpg {server} --with-colons --search-keys {alice} 2>&1 </dev/null || true\n\
             gpg {server} --send-keys {fingerprint} >&2"
        ),
    )?;
    ensure!(received.contains(&format!("pub:{fingerprint}:22:256:")), "{received}");
    home.hearth(&["key", "revoke", &fingerprint, "--reason", "superseded"])?;
    let refreshed = machine.script("other", &format!("gpg {server} --refresh-keys >&2\ngpg --batch --with-colons --list-keys"))?;
    ensure!(refreshed.lines().any(|line| line.starts_with("pub:r:")), "{refreshed}");
    Ok(())
}
