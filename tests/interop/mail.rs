// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail in and read, by programs that we did not write: swaks sends; curl, mbsync and neomutt read.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hearth_tests::{Home, Imap, Person, missing, run, stranger};

const LETTER: &str = include_str!("letter.eml");
/// From the 250 to the EXISTS of a session that idles, in another process.
const IDLE_WITHIN: Duration = Duration::from_millis(200);

/// The letter as it goes over the wire.
fn letter() -> String {
    LETTER.replace('\n', "\r\n")
}

/// swaks to port 25, with STARTTLS and the certificate checked.
fn swaks_from_outside(home: &Home, to: &str) -> Command {
    let mut swaks = stranger("swaks");
    swaks
        .args(["--server", &home.address.to_string(), "--port", &home.port(25).to_string()])
        .args(["--from", "stranger@stranger.example", "--ehlo", "mx.stranger.example", "--to", to])
        .args(["--tls", "--tls-verify", "--tls-ca-path"])
        .arg(home.ca())
        .args(["--tls-sni", &format!("mail.{}", home.domain)])
        // swaks ends the last line itself.
        .args(["--data", letter().trim_end()]);
    swaks
}

fn curl(home: &Home, person: &Person, path: &str) -> Command {
    let mail = format!("mail.{}", home.domain);
    let mut curl = stranger("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
        .arg(home.ca())
        .args(["--resolve", &format!("{mail}:{}:{}", home.port(993), home.address)])
        .args(["--user", &format!("{}:{}", person.address, person.app_password)])
        .arg(format!("imaps://{mail}:{}/{path}", home.port(993)));
    curl
}

#[test]
fn a_letter_from_a_stranger_is_read_byte_for_byte() -> Result<()> {
    if missing(&["swaks", "curl", "mbsync", "neomutt", "script"]) {
        return Ok(());
    }
    let home = Home::start()?;
    run(&mut swaks_from_outside(&home, &home.alice.address))?;

    let maildir = mbsync(&home, &home.alice)?;
    let [(name, read_by_mbsync)] = &messages_in(&maildir.path().join("INBOX"))?[..] else { panic!("one message") };
    ensure!(read_by_mbsync.ends_with(body_of(LETTER)), "mbsync read\n{read_by_mbsync}");
    ensure!(!name.contains(",S"), "nobody has seen it yet: {name}");

    let read_by_curl = String::from_utf8(run(&mut curl(&home, &home.alice, "INBOX;UID=1"))?.stdout)?;
    ensure!(read_by_curl.ends_with(&letter()), "curl read\n{read_by_curl}");
    ensure!(read_by_curl.starts_with("Return-Path: <stranger@stranger.example>\r\n"), "{read_by_curl}");
    ensure!(read_by_curl.contains("spf=pass"), "{read_by_curl}");

    let read_by_neomutt = neomutt(&home, &home.alice)?;
    ensure!(read_by_neomutt.ends_with(LETTER), "neomutt read\n{read_by_neomutt}");
    Ok(())
}

#[test]
fn a_letter_is_read_by_pop3_over_both_kinds_of_tls() -> Result<()> {
    if missing(&["swaks", "curl"]) {
        return Ok(());
    }
    let home = Home::start()?;
    run(&mut swaks_from_outside(&home, &home.alice.address))?;
    let mail = format!("mail.{}", home.domain);
    let pop3 = |scheme: &str, port: u16, path: &str| {
        let mut curl = stranger("curl");
        curl.args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
            .arg(home.ca())
            .args(["--resolve", &format!("{mail}:{}:{}", home.port(port), home.address)])
            .args(["--user", &format!("{}:{}", home.alice.address, home.alice.app_password)])
            .arg(format!("{scheme}://{mail}:{}/{path}", home.port(port)));
        curl
    };
    let listing = String::from_utf8(run(&mut pop3("pop3s", 995, ""))?.stdout)?;
    ensure!(listing.lines().count() == 1 && listing.starts_with("1 "), "{listing}");
    let read = String::from_utf8(run(pop3("pop3", 110, "1").arg("--ssl-reqd"))?.stdout)?;
    ensure!(read.ends_with(&letter()), "curl read\n{read}");
    let in_clear = pop3("pop3", 110, "").output()?;
    ensure!(!in_clear.status.success(), "a password was taken without TLS");
    Ok(())
}

#[test]
fn a_flag_set_by_one_program_shows_in_another() -> Result<()> {
    if missing(&["swaks", "curl", "mbsync"]) {
        return Ok(());
    }
    let home = Home::start()?;
    run(&mut swaks_from_outside(&home, &home.alice.address))?;
    run(curl(&home, &home.alice, "INBOX").args(["--request", "STORE 1 +FLAGS (\\Seen \\Flagged)"]))?;
    let maildir = mbsync(&home, &home.alice)?;
    let [(name, _)] = &messages_in(&maildir.path().join("INBOX"))?[..] else { panic!("one message") };
    ensure!(name.ends_with(":2,FS"), "mbsync has {name}");
    Ok(())
}

#[test]
fn a_person_sends_to_another_through_submission() -> Result<()> {
    if missing(&["swaks", "curl"]) {
        return Ok(());
    }
    let home = Home::start()?;
    for (port, tls) in [(465, "--tls-on-connect"), (587, "--tls")] {
        run(&mut submit(&home, port, tls, &home.alice.app_password))?;
    }
    let refused = submit(&home, 465, "--tls-on-connect", "wrong").output()?;
    ensure!(String::from_utf8_lossy(&refused.stdout).contains(" 535 5.7.8 "), "{}", String::from_utf8_lossy(&refused.stdout));

    let begun = Instant::now();
    let both = loop {
        let listing = String::from_utf8(run(curl(&home, &home.bob, "INBOX").args(["--request", "SEARCH ALL"]))?.stdout)?;
        if listing.trim_end() == "* SEARCH 1 2" || begun.elapsed() > Duration::from_secs(10) {
            break listing;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    ensure!(both.trim_end() == "* SEARCH 1 2", "bob has {both}");
    let read = String::from_utf8(run(&mut curl(&home, &home.bob, "INBOX;UID=1"))?.stdout)?;
    ensure!(read.contains("Hello Bob") && read.contains("DKIM-Signature:"), "{read}");
    Ok(())
}

fn submit(home: &Home, port: u16, tls: &str, password: &str) -> Command {
    let mut swaks = stranger("swaks");
    swaks
        .args(["--server", &home.address.to_string(), "--port", &home.port(port).to_string(), tls])
        .args(["--from", &home.alice.address, "--to", &home.bob.address, "--auth", "PLAIN"])
        .args(["--auth-user", &home.alice.address, "--auth-password", password])
        .args(["--header", "Subject: through submission", "--body", "Hello Bob"]);
    swaks
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_hears_of_a_mail_at_once() -> Result<()> {
    if missing(&["swaks"]) {
        return Ok(());
    }
    let home = Home::start()?;
    let mut idle = Imap::sign_in(&home, &home.alice.address, &home.alice.app_password).await?;
    idle.ok("SELECT INBOX").await?;
    idle.send("i IDLE").await?;
    ensure!(idle.line().await?.starts_with('+'));
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let swaks = swaks_from_outside(&home, &home.alice.address);
        let accepted = tokio::task::spawn_blocking(move || moment_of_acceptance(swaks));
        let exists = loop {
            if idle.line().await?.ends_with(" EXISTS") {
                break Instant::now();
            }
        };
        fastest = fastest.min(exists.saturating_duration_since(accepted.await??));
    }
    ensure!(fastest <= IDLE_WITHIN, "EXISTS came {fastest:?} after the 250");
    Ok(())
}

/// Runs swaks to its end; when its DATA was answered with 250.
fn moment_of_acceptance(mut swaks: Command) -> Result<Instant> {
    let mut child = swaks.stdout(Stdio::piped()).spawn()?;
    let mut accepted = None;
    let mut dot_sent = false;
    for line in BufReader::new(child.stdout.take().context("piped")?).lines() {
        let line = line?;
        dot_sent |= line.trim_end() == " ~> .";
        if dot_sent && accepted.is_none() && line.starts_with("<~  250") {
            accepted = Some(Instant::now());
        }
    }
    ensure!(child.wait()?.success());
    accepted.context("swaks saw no 250 after the dot")
}

/// A Maildir that mbsync filled.
fn mbsync(home: &Home, person: &Person) -> Result<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    let at = dir.path().display();
    let config = format!(
        "IMAPAccount home\nHost {host}\nPort {port}\nUser {user}\nPass {password}\nSSLType IMAPS\nCertificateFile {ca}\nAuthMechs PLAIN\n\n\
         IMAPStore far\nAccount home\n\nMaildirStore near\nPath {at}/\nInbox {at}/INBOX\nSubFolders Verbatim\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSync Pull\nSyncState *\n",
        host = home.address,
        port = home.port(993),
        user = person.address,
        password = person.app_password,
        // mbsync looks for names alone and is given an address; a certificate in this file is trusted as it is.
        ca = home.dir.join("tls/node.pem").display(),
    );
    let file = dir.path().join("mbsyncrc");
    fs::write(&file, config)?;
    run(stranger("mbsync").arg("--config").arg(&file).arg("--all"))?;
    Ok(dir)
}

/// Names and texts of the messages in a Maildir.
fn messages_in(maildir: &Path) -> Result<Vec<(String, String)>> {
    let mut messages = Vec::new();
    for folder in ["new", "cur"] {
        for entry in fs::read_dir(maildir.join(folder))? {
            let entry = entry?;
            messages.push((entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path())?));
        }
    }
    Ok(messages)
}

fn body_of(message: &str) -> &str {
    message.split_once("\n\n").map_or("", |(_, body)| body)
}

/// What neomutt pipes out of the first message, read over IMAPS in a pseudo-terminal.
fn neomutt(home: &Home, person: &Person) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let at = dir.path().display();
    let out = dir.path().join("out.eml");
    let config = format!(
        "set imap_user=\"{user}\"\nset imap_pass=\"{password}\"\nset certificate_file=\"{ca}\"\nset ssl_verify_host=no\n\
         set folder=\"{at}\"\nset header_cache=\"\"\nset message_cachedir=\"\"\nset pipe_decode=no\nset wait_key=no\nset quit=yes\nset mail_check=600\n\
         push \"<first-entry><pipe-message>cat > {out}<enter><exit>\"\n",
        user = person.address,
        password = person.app_password,
        ca = home.ca().display(),
        out = out.display(),
    );
    fs::write(dir.path().join("neomuttrc"), config)?;
    // In the foreground: a shell that forks for its last command would leave neomutt behind the terminal, stopped for ever.
    let command = format!(
        "timeout --foreground --kill-after=5 30 neomutt -n -F {at}/neomuttrc -f imaps://{}:{}/INBOX",
        home.address,
        home.port(993)
    );
    run(stranger("script").env("TERM", "xterm").env("HOME", dir.path()).args(["-qec", &command, "/dev/null"]))?;
    Ok(fs::read_to_string(&out)?)
}
