// SPDX-License-Identifier: AGPL-3.0-or-later
//! DNSSEC with Knot as the authority for a root of its own, a signed zone, one that is not, and one whose key is another.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hearth_net::dns::{DnsError, Options, Resolver};
use hearth_tests::{Dns, HomeBuilder, missing, own_loopback_address, run, stranger};
use serde_json::Value;

const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// Free on an address of our own.
const KNOT_PORT: u16 = 5300;
const SIGNED: [&str; 3] = [".", "signed", "forged"];

/// A running authority, which ends when it is dropped.
struct Knot {
    process: Child,
    address: SocketAddr,
    trust_anchor: PathBuf,
    _folder: tempfile::TempDir,
}

impl Drop for Knot {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Knot {
    fn start() -> Result<Self> {
        Self::start_with("")
    }

    /// It answers no more; its files stay.
    fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Until it answers.
    async fn wait(&self) -> Result<()> {
        let begun = Instant::now();
        while !self.resolver(Some(false))?.ipv4("mx.signed").await.is_ok_and(|answer| !answer.records.is_empty()) {
            ensure!(begun.elapsed() < STARTS_WITHIN, "Knot does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// With these lines in the zones `signed`, `plain` and `forged`, whose own name stands for `ZONE`.
    fn start_with(more: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("hearth-knot-").tempdir()?;
        let address = SocketAddr::new(own_loopback_address(), KNOT_PORT);
        let config = folder.path().join("knot.conf");
        std::fs::write(&config, configuration(folder.path(), address))?;
        for zone in SIGNED {
            run(keymgr(&config, zone).args(["generate", "algorithm=ecdsap256sha256", "ksk=yes", "zsk=yes"]))?;
        }
        let mut root = zone(".", "@ NS ns.signed.\nsigned NS ns.signed.\nplain NS ns.signed.\nforged NS ns.signed.\n");
        root.push_str(&delegation_signer(&config, "signed")?);
        // The digest of another key.
        let forged = delegation_signer(&config, "forged")?;
        let end = forged.trim_end().len() - 8;
        root.push_str(&format!("{}deadbeef\n", &forged[..end]));
        std::fs::write(folder.path().join("root.zone"), root)?;
        for name in ["signed", "plain", "forged"] {
            let lines = "@ NS ns.signed.\n@ MX 10 mx\nmx A 192.0.2.1\nns A 192.0.2.2\nbob OPENPGPKEY AQID\n";
            let lines = format!("{lines}{}", more.replace("ZONE", name));
            std::fs::write(folder.path().join(format!("{name}.zone")), zone(&format!("{name}."), &lines))?;
        }
        let trust_anchor = folder.path().join("root.key");
        let key = String::from_utf8(run(keymgr(&config, ".").arg("dnskey"))?.stdout)?;
        std::fs::write(&trust_anchor, key.replace("DNSKEY", "3600 IN DNSKEY"))?;
        let process = stranger("knotd").arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { process, address, trust_anchor, _folder: folder })
    }

    fn resolver(&self, validate: Option<bool>) -> Result<Resolver> {
        let trust_anchor = Some(self.trust_anchor.clone());
        Ok(Resolver::new(&Options { servers: vec![self.address], validate, trust_anchor })?)
    }
}

fn configuration(folder: &Path, address: SocketAddr) -> String {
    let (dir, ip, port) = (folder.display(), address.ip(), address.port());
    let mut text = format!(
        "server:\n  rundir: {dir}\n  listen: {ip}@{port}\ndatabase:\n  storage: {dir}\npolicy:\n  - id: home\n    manual: on\n    \
         algorithm: ecdsap256sha256\n    single-type-signing: on\ntemplate:\n  - id: default\n    storage: {dir}\n    \
         zonefile-load: difference-no-serial\n    zonefile-sync: -1\n    journal-content: all\nzone:\n"
    );
    for name in SIGNED {
        let file = if name == "." { "root" } else { name };
        text.push_str(&format!("  - domain: {name}\n    file: {file}.zone\n    dnssec-signing: on\n    dnssec-policy: home\n"));
    }
    text + "  - domain: plain\n    file: plain.zone\n"
}

fn zone(origin: &str, lines: &str) -> String {
    format!("$ORIGIN {origin}\n$TTL 60\n@ SOA ns.signed. hostmaster.signed. 1 3600 600 86400 60\n{lines}")
}

fn keymgr(config: &Path, zone: &str) -> Command {
    let mut command = stranger("keymgr");
    command.arg("-c").arg(config).arg(zone);
    command
}

/// The DS record by SHA-256 (RFC 4509) as a line of the root's zone.
fn delegation_signer(config: &Path, zone: &str) -> Result<String> {
    let records = String::from_utf8(run(keymgr(config, zone).arg("ds"))?.stdout)?;
    let record = records.lines().find(|line| line.split_whitespace().nth(4) == Some("2")).context("no digest by SHA-256")?;
    Ok(format!("{record}\n"))
}

#[tokio::test]
async fn what_is_signed_is_secure_and_what_is_forged_is_refused() -> Result<()> {
    if missing(&["knotd", "keymgr"]) {
        return Ok(());
    }
    let knot = Knot::start()?;
    let resolver = knot.resolver(None)?;
    knot.wait().await?;
    ensure!(resolver.validates().await, "the root is signed");
    let signed = resolver.mx("signed").await?;
    ensure!(signed.secure && signed.records[0].host == "mx.signed", "{signed:?}");
    let plain = resolver.mx("plain").await?;
    ensure!(!plain.secure && plain.records[0].host == "mx.plain", "{plain:?}");
    let forged = resolver.mx("forged").await;
    ensure!(matches!(forged, Err(DnsError::Bogus(_))), "{forged:?}");
    for absent in ["nobody.signed", "nobody.plain", "nobody"] {
        ensure!(resolver.ipv4(absent).await?.records.is_empty(), "{absent}");
    }
    ensure!(resolver.txt("mx.signed").await?.records.is_empty(), "a name without such a record");

    // A certificate in DNS (RFC 7929) is worth what its signatures are.
    for (zone, is_secure) in [("signed", true), ("plain", false)] {
        let keys = resolver.openpgpkey(&format!("bob.{zone}")).await?;
        ensure!(keys.secure == is_secure && keys.records == [[1, 2, 3]], "{zone}: {keys:?}");
    }

    let trusting = knot.resolver(Some(false))?.mx("forged").await?;
    ensure!(!trusting.secure && trusting.records.len() == 1, "{trusting:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_found_in_dns_when_the_zone_is_signed_and_not_otherwise() -> Result<()> {
    if missing(&["knotd", "keymgr"]) {
        return Ok(());
    }
    // The home of bob, which is down: its zone has his certificate, and nothing answers at its names.
    let theirs = HomeBuilder::default().domain("home.signed").prepare()?;
    let bob = theirs.bob.address.clone();
    let made: Value = serde_json::from_str(&theirs.hearth(&["key", "generate", &bob, "--json"])?)?;
    let line = theirs.hearth(&["key", "dane", &bob])?;
    let mut knot = Knot::start_with(&line.replace("home.signed.", "home.ZONE."))?;
    knot.wait().await?;

    let home = HomeBuilder::default().dns(knot.address).prepare()?;
    home.set_env("HEARTH_DNS__TRUST_ANCHOR", &knot.trust_anchor.display().to_string())?;
    home.set_env("HEARTH_DNS__DNSSEC", "on")?;
    home.set_env("HEARTH_FETCH__PRIVATE_NETWORKS", "127.0.0.0/8")?;
    let find = |zone: &str| -> Result<Value> {
        let address = bob.replace("home.signed", &format!("home.{zone}"));
        Ok(serde_json::from_str(&home.hearth(&["key", "find", &address, "--json"])?)?)
    };
    let signed = find("signed")?;
    let best = &signed["found"][0];
    ensure!(best["source"] == "dane" && best["confidence"] == 80 && best["fingerprint"] == made["fingerprint"], "{signed}");
    for (zone, says) in [("plain", "the zone is not signed"), ("forged", "the signature of the zone is wrong")] {
        let found = find(zone)?;
        ensure!(found["found"] == Value::Array(Vec::new()) && found["asked"].to_string().contains(says), "{zone}: {found}");
    }

    // For a person of the house over HTTP too.
    let mut home = home;
    home.up()?;
    let ask = home.http()?.get(home.url("keys", &format!("/find/{bob}")));
    let told = ask.basic_auth(&home.alice.address, Some(&home.alice.app_password)).send().await?;
    ensure!(told.status() == 200, "{told:?}");
    let told: Value = told.json().await?;
    ensure!(told["found"][0]["source"] == "dane" && told["found"][0]["remembered_at"].is_i64(), "{told}");

    // Nobody answers any more: what is remembered comes at once, and who was never looked for is given up soon.
    knot.stop();
    let begun = Instant::now();
    let again: Value = serde_json::from_str(&home.hearth(&["key", "find", &bob, "--fresh", "--json"])?)?;
    ensure!(again["found"][0]["remembered_at"].is_i64(), "{again}");
    ensure!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn servers_that_strip_signatures_are_asked_all_the_same_unless_told_otherwise() -> Result<()> {
    let dns = Dns::start(&[("plain.test", "@ 60 IN MX 10 mx.plain.test.\n".to_string())])?;
    let resolver = |validate| Resolver::new(&Options { servers: vec![dns.address], validate, trust_anchor: None });
    let auto = resolver(None)?;
    ensure!(!auto.validates().await);
    ensure!(auto.mx("plain.test").await?.records.len() == 1);
    let strict = resolver(Some(true))?.mx("plain.test").await;
    ensure!(strict.is_err(), "{strict:?}");
    Ok(())
}
