// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail that is sealed on the disk: swaks sends it in the open, curl reads armour, GnuPG opens it with the exported key.

use std::fs;

use anyhow::{Result, ensure};
use hearth_tests::{Home, missing, run, stranger};

#[test]
fn gpg_opens_what_was_sealed_at_delivery() -> Result<()> {
    if missing(&["swaks", "curl", "gpg", "gpgconf"]) {
        return Ok(());
    }
    let home = Home::start()?;
    let (alice, mail) = (&home.alice, format!("mail.{}", home.domain));
    home.hearth(&["key", "generate", &alice.address])?;
    home.hearth(&["key", "seal", &alice.address])?;
    let send = |subject: &str| {
        let mut swaks = stranger("swaks");
        swaks
            .args(["--server", &home.address.to_string(), "--port", &home.port(25).to_string()])
            .args(["--from", "bob@stranger.example", "--ehlo", "mx.stranger.example", "--to", &alice.address])
            .args(["--header", &format!("Subject: {subject}"), "--body", "Dear Alice"]);
        run(&mut swaks)
    };
    let fetch = |uid: u32| {
        let mut curl = stranger("curl");
        curl.args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
            .arg(home.ca())
            .args(["--resolve", &format!("{mail}:{}:{}", home.port(993), home.address)])
            .args(["--user", &format!("{}:{}", alice.address, alice.app_password)])
            .arg(format!("imaps://{mail}:{}/INBOX;UID={uid}", home.port(993)));
        Ok::<_, anyhow::Error>(String::from_utf8(run(&mut curl)?.stdout)?)
    };
    send("a secret plan")?;
    let sealed = fetch(1)?;
    ensure!(sealed.contains("\r\nSubject: [...]\r\n") && sealed.contains("-----BEGIN PGP MESSAGE-----"), "{sealed}");
    ensure!(sealed.starts_with("Return-Path: <bob@stranger.example>\r\n"), "{sealed}");
    ensure!(!sealed.contains("secret plan") && !sealed.contains("Dear Alice"), "{sealed}");

    let gnupg = tempfile::Builder::new().prefix("gpg").tempdir()?;
    let at = |name: &str| gnupg.path().join(name);
    fs::write(at("sealed.eml"), &sealed)?;
    fs::write(at("secret.asc"), home.hearth(&["key", "export", &alice.address, "--secret", "--armor"])?)?;
    let script = "set -eu; chmod 700 .; trap 'gpgconf --kill all' EXIT; gpg --batch --quiet --import secret.asc; gpg --batch --quiet --decrypt sealed.eml";
    let opened = run(stranger("sh").args(["-c", script]).env("GNUPGHOME", gnupg.path()).current_dir(gnupg.path()))?;
    let opened = String::from_utf8(opened.stdout)?;
    ensure!(opened.contains("Subject: a secret plan") && opened.contains("hp=\"cipher\""), "{opened}");
    ensure!(opened.trim_end().ends_with("Dear Alice"), "{opened}");

    home.hearth(&["key", "seal", "--off", &alice.address])?;
    send("an open plan")?;
    ensure!(fetch(2)?.contains("Subject: an open plan"));
    Ok(())
}
