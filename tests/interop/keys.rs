// SPDX-License-Identifier: AGPL-3.0-or-later
//! GnuPG finds our certificates with its own dirmngr: over WKD, both ways, and over HKPS.
//!
//! dirmngr takes names from the system and trusts the system's authorities, so it runs in a mount
//! namespace with its own `/etc/hosts` and bundle, against a home on the standard ports.

#[path = "keys/homes.rs"]
mod homes;

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

/// GnuPG without the network, in a home of its own.
fn gpg(home: &Path, args: &[&str]) -> Command {
    let mut gpg = stranger("gpg");
    gpg.env("GNUPGHOME", home).arg("--batch").args(args);
    gpg
}

fn new_gpg_home(below: &Path, name: &str) -> Result<std::path::PathBuf> {
    let home = below.join(name);
    run(stranger("mkdir").args(["-m", "700"]).arg(&home))?;
    Ok(home)
}

/// The fields of the first line of a kind in `--with-colons`.
fn fields<'a>(listed: &'a str, kind: &str) -> Vec<Vec<&'a str>> {
    listed.lines().map(|line| line.split(':').collect::<Vec<_>>()).filter(|fields| fields.first() == Some(&kind)).collect()
}

fn json(text: &str) -> Result<Value> {
    Ok(serde_json::from_str(text)?)
}

#[test]
fn the_manager_from_birth_to_end() -> Result<()> {
    if missing(&["gpg", "sq"]) {
        return Ok(());
    }
    let home = HomeBuilder::default().start()?;
    let folder = tempfile::Builder::new().prefix("keys").tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let alice = home.alice.address.as_str();
    let made = json(&home.hearth(&["key", "generate", alice, "--json"])?)?;
    let fingerprint = made["fingerprint"].as_str().unwrap_or_default().to_string();
    let (friend, owner) = (new_gpg_home(folder.path(), "friend")?, new_gpg_home(folder.path(), "owner")?);
    let publish = |name: &str| -> Result<String> {
        fs::write(at(name), home.hearth(&["key", "export", alice, "--armor"])?)?;
        run(gpg(&friend, &["--import"]).arg(at(name)))?;
        let listed = run(&mut gpg(&friend, &["--with-colons", "--list-keys", alice]))?;
        Ok(String::from_utf8(listed.stdout)?)
    };
    let seal = |name: &str, text: &str| -> Result<()> {
        fs::write(at("text"), text)?;
        let mut gpg = gpg(&friend, &["--yes", "--trust-model", "always", "--recipient", alice, "--output"]);
        run(gpg.arg(at(name)).arg("--encrypt").arg(at("text"))).map(drop)
    };
    let open = |name: &str| -> Result<String> {
        let exported = home.hearth(&["key", "export", alice, "--secret", "--armor"])?;
        fs::write(at("secret.asc"), exported)?;
        run(gpg(&owner, &["--import"]).arg(at("secret.asc")))?;
        Ok(String::from_utf8(run(gpg(&owner, &["--decrypt"]).arg(at(name)))?.stdout)?)
    };

    // A later end, of the certificate and of its subkeys.
    let end = |listed: &str, kind: &str| fields(listed, kind)[0][6].parse::<i64>().unwrap_or(0);
    let before = publish("first.asc")?;
    seal("sealed-1", "to the first key")?;
    home.hearth(&["key", "extend", alice, "--days", "3000"])?;
    let extended = publish("extended.asc")?;
    for kind in ["pub", "sub"] {
        ensure!(end(&extended, kind) > end(&before, kind) + 1000 * 86_400, "{kind}: {before}{extended}");
    }

    // A key is dated in seconds, and GnuPG takes the newest.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    // A new encryption key; both open, and GnuPG takes the new one.
    home.hearth(&["key", "rotate", alice])?;
    let rotated = publish("rotated.asc")?;
    let encrypts = |listed: &str| fields(listed, "sub").iter().filter(|fields| fields[11].contains('e')).count();
    ensure!((encrypts(&extended), encrypts(&rotated)) == (1, 2), "{rotated}");
    seal("sealed-2", "to the second key")?;
    ensure!(open("sealed-2")? == "to the second key" && open("sealed-1")? == "to the first key");
    let recipient = |name: &str| -> Result<String> {
        let listed = run(gpg(&owner, &["--list-packets"]).arg(at(name)))?;
        Ok(listed.text.lines().find(|line| line.starts_with(":pubkey enc packet")).unwrap_or_default().to_string())
    };
    ensure!(recipient("sealed-1")? != recipient("sealed-2")?, "the new key is used");

    // Sequoia encrypts to it and opens what GnuPG sealed.
    run(stranger("sq").args(["encrypt", "--recipient-cert"]).arg(at("rotated.asc")).arg("-o").arg(at("sealed-3")).arg(at("text")))?;
    ensure!(open("sealed-3")? == "to the second key");
    let opened = run(stranger("sq").args(["decrypt", "--recipient-key"]).arg(at("secret.asc")).arg(at("sealed-2")))?;
    ensure!(opened.stdout == b"to the second key", "{}", opened.text);

    // Under a passphrase, and as a mail to oneself.
    let device = new_gpg_home(folder.path(), "device")?;
    let wrapped = home.hearth_with_input(&["key", "export", alice, "--secret", "--armor", "--passphrase-stdin"], "white rabbit")?;
    fs::write(at("wrapped.asc"), wrapped)?;
    run(gpg(&device, &["--import"]).arg(at("wrapped.asc")))?;
    let with = |passphrase: &str| {
        let mut gpg = gpg(&device, &["--pinentry-mode", "loopback", "--passphrase", passphrase, "--decrypt"]);
        run(gpg.arg(at("sealed-2")))
    };
    ensure!(with("red queen").is_err(), "a wrong passphrase opens nothing");
    ensure!(with("white rabbit")?.stdout == b"to the second key");
    let (status, mail, code) = home.hearth_status(&["key", "export", alice, "--setup"], "")?;
    let code = code.trim().rsplit(' ').next().unwrap_or_default().to_string();
    ensure!(status == 0 && code.len() == 44 && mail.contains("Autocrypt-Setup-Message: v1"), "{code} {mail}");
    fs::write(at("setup.eml"), mail)?;
    let mut opened = gpg(&device, &["--pinentry-mode", "loopback", "--passphrase", &code, "--decrypt"]);
    let opened = run(opened.arg(at("setup.eml")))?;
    ensure!(opened.text.contains("BEGIN PGP PRIVATE KEY BLOCK") && opened.text.contains("Autocrypt-Prefer-Encrypt: mutual"));

    // What is compared, and what stands in DNS.
    let shown = json(&home.hearth(&["key", "show", alice, "--json"])?)?;
    ensure!(shown["uri"] == format!("OPENPGP4FPR:{fingerprint}"), "{shown}");
    ensure!(home.hearth(&["key", "show", alice, "--qr"])?.contains('\u{2580}'), "a picture");
    let dane = home.hearth(&["key", "dane", alice])?;
    ensure!(dane.contains("._openpgpkey.home.localhost. 3600 IN OPENPGPKEY "), "{dane}");

    // The log holds, and knows every step.
    let log = home.hearth(&["key", "log", alice])?;
    ensure!(log.contains("published") && log.contains(&fingerprint), "{log}");
    home.hearth(&["key", "tend"])?;
    let verified = home.hearth(&["key", "log", "--verify"])?;
    ensure!(verified.contains("the chain holds, and its head is signed"), "{verified}");

    // The revocation of its birth ends it; then its addresses go, and the revocation stays.
    fs::write(at("birth.asc"), home.hearth(&["key", "export", alice, "--revocation", "--armor"])?)?;
    run(gpg(&friend, &["--import"]).arg(at("birth.asc")))?;
    let revoked = String::from_utf8(run(&mut gpg(&friend, &["--with-colons", "--list-keys", alice]))?.stdout)?;
    ensure!(fields(&revoked, "pub")[0][1] == "r", "{revoked}");
    home.hearth(&["key", "revoke", &fingerprint, "--reason", "retired"])?;
    let (refused, ..) = home.hearth_status(&["key", "remove", &fingerprint], "")?;
    ensure!(refused == 1, "its secret key is here");
    let removed = home.hearth(&["key", "remove", &fingerprint, "--secret"])?;
    ensure!(removed.contains("is revoked, so that it stays"), "{removed}");
    Ok(())
}

/// Where `tests/run` puts the packages of `keys/package-lock.json`.
fn packages() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop/keys")
}

/// Are they there? Then the script, beside them.
fn openpgp_js() -> Result<Option<std::path::PathBuf>> {
    if missing(&["node"]) || !packages().join("node_modules/openpgp").is_dir() {
        assert!(std::env::var("HEARTH_TEST_STRANGERS").as_deref() != Ok("all"), "npm packages are not installed");
        return Ok(None);
    }
    let (source, place) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/keys/openpgp.mjs"), packages().join("openpgp.mjs"));
    fs::copy(&source, &place)?;
    Ok(Some(fs::canonicalize(place)?))
}

#[test]
fn sequoia_and_openpgp_js_find_both_profiles() -> Result<()> {
    if !may_do_this() || missing(&["sq"]) {
        return Ok(());
    }
    let Some(script) = openpgp_js()? else { return Ok(()) };
    let home = HomeBuilder::default().domain(DOMAIN).offset(0).start()?;
    let keys = format!("keys.{DOMAIN}");
    let machine = Machine::new(&home, &[DOMAIN, &format!("openpgpkey.{DOMAIN}"), &keys])?;
    for (person, profile) in [(&home.alice.address, "compatible"), (&home.bob.address, "modern")] {
        let made = json(&home.hearth(&["key", "generate", person, "--profile", profile, "--json"])?)?;
        let fingerprint = made["fingerprint"].as_str().unwrap_or_default();
        fs::write(machine.path("js.asc"), home.hearth(&["key", "export", person, "--secret", "--armor"])?)?;
        let said = machine.script(
            "js",
            &format!(
                "ADDRESS={person} KEYS=https://{keys} FINGERPRINT={fingerprint} SECRET=$PWD/js.asc NODE_EXTRA_CA_CERTS={} node {}",
                home.ca().display(),
                script.display()
            ),
        )?;
        ensure!(said.contains("found, sealed, opened"), "{profile}: {said}");
    }
    // Debian's Sequoia (1.12) knows version 4 alone.
    let alice = &home.alice.address;
    let said = machine.script(
        "sq",
        &format!(
            "sq wkd get {alice} -o by-wkd.pgp\nsq keyserver --server hkps://{keys} get {alice} -o by-hkp.pgp\n\
             sq keyserver --server hkps://{keys} send by-wkd.pgp >&2\n\
             printf 'from Sequoia' | sq encrypt --recipient-cert by-wkd.pgp -o sq.sealed\nsq inspect by-hkp.pgp"
        ),
    )?;
    let fingerprint =
        json(&home.hearth(&["key", "show", alice, "--json"])?)?["fingerprint"].as_str().unwrap_or_default().to_string();
    ensure!(said.contains(&fingerprint), "{said}");
    fs::write(machine.path("alice.asc"), home.hearth(&["key", "export", alice, "--secret", "--armor"])?)?;
    let opened = machine.script("sq", "sq decrypt --recipient-key alice.asc sq.sealed")?;
    ensure!(opened == "from Sequoia", "{opened}");
    Ok(())
}

/// Hands a mail to port 465 as a person of the house.
fn submit(home: &Home, from: &hearth_tests::Person, to: &str, mail: &Path) -> Result<()> {
    let mut swaks = stranger("swaks");
    swaks.args(["--server", &home.address.to_string(), "--port", &home.port(465).to_string(), "--tls-on-connect"]);
    swaks.args(["--auth", "PLAIN", "--auth-user", &from.address, "--auth-password", &from.app_password]);
    swaks.args(["--from", &from.address, "--to", to, "--suppress-data", "--data"]).arg(format!("@{}", mail.display()));
    run(&mut swaks).map(drop)
}

/// A message of a person that has a text in it.
async fn message_with(home: &Home, person: &hearth_tests::Person, wanted: &str) -> Result<String> {
    let begun = std::time::Instant::now();
    loop {
        let mut imap = hearth_tests::Imap::sign_in(home, &person.address, &person.app_password).await?;
        imap.ok("SELECT INBOX").await?;
        let found = imap.ok("UID SEARCH ALL").await?;
        let uids = found.iter().find_map(|line| line.strip_prefix("* SEARCH")).unwrap_or_default().to_string();
        for uid in uids.split_whitespace() {
            let fetched = imap.ok(&format!("UID FETCH {uid} BODY.PEEK[]")).await?.join("\n");
            if let Some((_, rest)) = fetched.split_once("}").filter(|_| fetched.contains(wanted)) {
                return Ok(rest.trim_start_matches(['\r', '\n']).to_string());
            }
        }
        ensure!(begun.elapsed() < std::time::Duration::from_secs(30), "no message with {wanted}: {found:?}");
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gnupgs_web_key_service_publishes_by_mail() -> Result<()> {
    const CLIENT: &str = "/usr/lib/gnupg/gpg-wks-client";
    if !may_do_this() || missing(&["swaks"]) {
        return Ok(());
    }
    ensure!(Path::new(CLIENT).exists(), "gpg-wks-client is not installed");
    let home = HomeBuilder::default().domain(DOMAIN).offset(0).start()?;
    home.hearth(&["key", "tend"])?;
    let (alice, submission) = (home.alice.address.clone(), format!("key-submission@{DOMAIN}"));
    let machine = Machine::new(&home, &[DOMAIN, &format!("openpgpkey.{DOMAIN}")])?;
    let made = machine.script(
        "wks",
        &format!(
            "gpg --batch --pinentry-mode loopback --passphrase '' --quick-generate-key 'Alice <{alice}>' future-default default never >&2\n\
             {CLIENT} --supported {alice} >&2\n\
             {CLIENT} --create $(gpg --batch --with-colons --list-keys {alice} | awk -F: '/^fpr/ {{ print $10; exit }}') {alice} > request.eml\n\
             gpg --batch --with-colons --list-keys {alice}"
        ),
    )?;
    let fingerprint = fields(&made, "fpr")[0][9].to_string();
    submit(&home, &home.alice, &submission, &machine.path("request.eml"))?;
    let question = message_with(&home, &home.alice, "WKS-Phase: confirm").await?;
    fs::write(machine.path("question.eml"), question.replace("\r\n", "\n"))?;
    machine.script("wks", &format!("{CLIENT} --receive < question.eml > response.eml"))?;
    submit(&home, &home.alice, &submission, &machine.path("response.eml"))?;
    message_with(&home, &home.alice, "Your key is published").await?;

    let found = machine.script(
        "reader",
        &format!("gpg --batch --auto-key-locate clear,nodefault,wkd --locate-keys {alice} >&2\ngpg --batch --with-colons --fingerprint {alice}"),
    )?;
    ensure!(found.contains(&fingerprint), "{found}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_carries_its_author_s_key_and_the_reader_s_house_remembers_it() -> Result<()> {
    if missing(&["swaks"]) {
        return Ok(());
    }
    let home = HomeBuilder::default().start()?;
    let made = json(&home.hearth(&["key", "generate", &home.alice.address, "--json"])?)?;
    let folder = tempfile::Builder::new().prefix("autocrypt").tempdir()?;
    let mail = folder.path().join("mail.eml");
    fs::write(&mail, format!("From: {}\nTo: {}\nSubject: with a key\n\nhello\n", home.alice.address, home.bob.address))?;
    submit(&home, &home.alice, &home.bob.address, &mail)?;
    let came = message_with(&home, &home.bob, "with a key").await?;
    ensure!(came.contains(&format!("Autocrypt: addr={}; keydata=", home.alice.address)), "{came}");
    // It ends soon: one letter, and one step further there is nothing to say.
    home.hearth(&["key", "extend", &home.alice.address, "--days", "20"])?;
    let tend = || -> Result<Value> { json(&home.hearth(&["key", "tend", "--json"])?) };
    ensure!(tend()?["reminded"] == 1 && tend()?["reminded"] == 0);
    let letter = message_with(&home, &home.alice, "Your_key_ends_on").await?;
    ensure!(letter.contains(&home.url("id", "/account/key")), "{letter}");
    home.hearth(&["key", "extend", &home.alice.address])?;
    ensure!(tend()?["reminded"] == 0);

    // The key leaves the directory; bob's house still has what the mail brought.
    home.hearth(&["key", "remove", made["fingerprint"].as_str().unwrap_or_default(), "--secret"])?;
    let found = json(&home.hearth(&["key", "find", &home.alice.address, "--for", &home.bob.address, "--json"])?)?;
    ensure!(found["found"][0]["source"] == "autocrypt" && found["found"][0]["fingerprint"] == made["fingerprint"], "{found}");
    Ok(())
}
