// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail that is sealed on the disk: swaks sends it in the open, curl reads armour, GnuPG opens it with the exported key.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use hearth_tests::{Home, missing, run, stranger};

/// More than is held in memory of a message.
const LARGE_BYTES: usize = 5 * 1024 * 1024 / 2;

#[test]
fn gpg_opens_what_was_sealed_at_delivery() -> Result<()> {
    if missing(&["swaks", "curl", "gpg", "gpgconf"]) {
        return Ok(());
    }
    let home = Home::start()?;
    let (alice, mail) = (&home.alice, format!("mail.{}", home.domain));
    home.hearth(&["key", "generate", &alice.address])?;
    home.hearth(&["key", "seal", &alice.address])?;
    let send = |subject: &str, body: &str| {
        let mut swaks = stranger("swaks");
        swaks
            .args(["--server", &home.address.to_string(), "--port", &home.port(25).to_string()])
            .args(["--from", "bob@stranger.example", "--ehlo", "mx.stranger.example", "--to", &alice.address])
            .args(["--header", &format!("Subject: {subject}"), "--body", body]);
        run(&mut swaks)
    };
    let curl = |at: &str| {
        let mut curl = stranger("curl");
        curl.args(["--silent", "--show-error", "--max-time", "60", "--cacert"])
            .arg(home.ca())
            .args(["--resolve", &format!("{mail}:{}:{}", home.port(993), home.address)])
            .args(["--user", &format!("{}:{}", alice.address, alice.app_password)])
            .arg(format!("imaps://{mail}:{}/INBOX{at}", home.port(993)));
        Ok::<_, anyhow::Error>(String::from_utf8(run(&mut curl)?.stdout)?)
    };
    // Between them may stand what the home itself writes to Alice.
    let fetch = |nth: usize| {
        let found = curl("?FROM%20bob@stranger.example")?;
        let number = found.split_whitespace().skip(2).nth(nth - 1).with_context(|| format!("{nth} mails: {found}"))?;
        curl(&format!(";MAILINDEX={number}"))
    };
    let gnupg = tempfile::Builder::new().prefix("gpg").tempdir()?;
    let at = |name: &str| gnupg.path().join(name);
    fs::write(at("secret.asc"), home.hearth(&["key", "export", &alice.address, "--secret", "--armor"])?)?;
    let open = |sealed: &str| {
        fs::write(at("sealed.eml"), sealed)?;
        let script = "set -eu; chmod 700 .; trap 'gpgconf --kill all' EXIT; gpg --batch --quiet --import secret.asc; gpg --batch --quiet --decrypt sealed.eml";
        let opened = run(stranger("sh").args(["-c", script]).env("GNUPGHOME", gnupg.path()).current_dir(gnupg.path()))?;
        Ok::<_, anyhow::Error>(String::from_utf8(opened.stdout)?.replace("\r\n", "\n"))
    };
    send("a secret plan", "Dear Alice")?;
    let sealed = fetch(1)?;
    ensure!(sealed.contains("\r\nSubject: [...]\r\n") && sealed.contains("-----BEGIN PGP MESSAGE-----"), "{sealed}");
    ensure!(sealed.starts_with("Return-Path: <bob@stranger.example>\r\n"), "{sealed}");
    ensure!(!sealed.contains("secret plan") && !sealed.contains("Dear Alice"), "{sealed}");
    let opened = open(&sealed)?;
    ensure!(opened.contains("Subject: a secret plan") && opened.contains("hp=\"cipher\""), "{opened}");
    ensure!(opened.trim_end().ends_with("Dear Alice"), "{opened}");

    // One that is never in memory as a whole.
    let plan: String = (0..LARGE_BYTES / 64).map(|n| format!("step {n:<58}\n")).collect();
    fs::write(at("plan"), &plan)?;
    send("a large plan", &format!("@{}", at("plan").display()))?;
    let sealed = fetch(2)?;
    ensure!(sealed.contains("\r\nSubject: [...]\r\n") && !sealed.contains("step 7"), "it is not sealed");
    let opened = open(&sealed)?;
    ensure!(opened.contains("Subject: a large plan"), "the subject is not in it");
    ensure!(opened.trim_end().ends_with(plan.trim_end()), "{} octets were opened", opened.len());

    home.hearth(&["key", "seal", "--off", &alice.address])?;
    send("an open plan", "Dear Alice")?;
    ensure!(fetch(3)?.contains("Subject: an open plan"));
    Ok(())
}
