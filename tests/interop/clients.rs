// SPDX-License-Identifier: AGPL-3.0-or-later
//! A mailbox through programs that we did not write: POP3 and IMAP by getmail6 and fetchmail; two ways of syncing by
//! mbsync and offlineimap3; orders and threads by Python's imaplib; scripts by sieve-connect.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hearth_tests::{Home, Imap, Person, missing, run, stranger};

const LETTER: &str = include_str!("letter.eml");
/// Mails of the two-way sync.
const MAILS: usize = 5000;

fn curl(home: &Home, person: &Person, scheme: &str, standard: u16, path: &str) -> Command {
    let mail = format!("mail.{}", home.domain);
    let mut curl = stranger("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20", "--ssl-reqd", "--cacert"])
        .arg(home.ca())
        .args(["--resolve", &format!("{mail}:{}:{}", home.port(standard), home.address)])
        .args(["--user", &format!("{}:{}", person.address, person.app_password)])
        .arg(format!("{scheme}://{mail}:{}/{path}", home.port(standard)));
    curl
}

/// A home in whose INBOX alice has so many letters.
fn home_with_letters(count: usize) -> Result<Home> {
    let home = Home::start()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("letter.eml");
    fs::write(&file, LETTER.replace('\n', "\r\n"))?;
    for _ in 0..count {
        run(curl(&home, &home.alice, "imaps", 993, "INBOX").arg("--upload-file").arg(&file))?;
    }
    Ok(home)
}

#[test]
fn getmail_takes_what_is_there_and_deletes_it() -> Result<()> {
    if missing(&["getmail", "curl"]) {
        return Ok(());
    }
    getmail_by("SimplePOP3SSLRetriever", 995, "")?;
    getmail_by("SimpleIMAPSSLRetriever", 993, "mailboxes = (\"INBOX\",)\n")
}

fn getmail_by(retriever: &str, standard: u16, more: &str) -> Result<()> {
    let home = home_with_letters(3)?;
    let dir = tempfile::tempdir()?;
    fs::create_dir(dir.path().join("mail"))?;
    // It refuses to write a Maildir as root.
    let config = format!(
        "[retriever]\ntype = {retriever}\n{more}server = {server}\nport = {port}\nusername = {user}\npassword = {password}\n\
         ca_certs = {ca}\nssl_cert_hostname = mail.{domain}\n\n[destination]\ntype = MDA_external\npath = /bin/sh\narguments = (\"-c\", \"cat > {at}/mail/$$\")\n\
         allow_root_commands = true\n\n\
         [options]\ndelete = true\ndelivered_to = false\nreceived = false\n",
        server = home.address,
        port = home.port(standard),
        user = home.alice.address,
        password = home.alice.app_password,
        ca = home.ca().display(),
        domain = home.domain,
        at = dir.path().display(),
    );
    fs::write(dir.path().join("getmailrc"), config)?;
    let ran = run(stranger("getmail").arg("--getmaildir").arg(dir.path()))?;
    let taken = fs::read_dir(dir.path().join("mail"))?.count();
    ensure!(taken == 3, "{taken} mails\n{}", ran.text);
    let left = String::from_utf8(run(&mut curl(&home, &home.alice, "pop3s", 995, ""))?.stdout)?;
    ensure!(left.trim().is_empty(), "{left}");
    Ok(())
}

#[test]
fn fetchmail_keeps_mail_and_knows_it_again() -> Result<()> {
    if missing(&["fetchmail", "curl"]) {
        return Ok(());
    }
    fetchmail_by("pop3 uidl", 995)?;
    fetchmail_by("imap", 993)
}

fn fetchmail_by(protocol: &str, standard: u16) -> Result<()> {
    let home = home_with_letters(2)?;
    // curl appends what has been seen.
    run(curl(&home, &home.alice, "imaps", 993, "INBOX").args(["--request", "STORE 1:2 -FLAGS (\\Seen)"]))?;
    let dir = tempfile::tempdir()?;
    let out = dir.path().join("out");
    let fetch = || {
        let mut fetchmail = stranger("fetchmail");
        fetchmail
            .env("HOME", dir.path())
            .args(["--fetchmailrc", "-", "--nosyslog", "--idfile"])
            .arg(dir.path().join("ids"))
            .arg("--pidfile")
            .arg(dir.path().join("pid"));
        fetchmail
    };
    let config = format!(
        "poll {server} service {port} protocol {protocol} user \"{user}\" password \"{password}\" ssl sslcertck sslcertfile {ca} \
         sslcommonname mail.{domain} keep mda \"cat >> {out}\"\n",
        server = home.address,
        port = home.port(standard),
        user = home.alice.address,
        password = home.alice.app_password,
        ca = home.ca().display(),
        domain = home.domain,
        out = out.display(),
    );
    let file = dir.path().join("config");
    fs::write(&file, config)?;
    run(fetch().stdin(fs::File::open(&file)?))?;
    let body = LETTER.split_once("\n\n").map_or("", |(_, body)| body).trim();
    let first = fs::read_to_string(&out)?;
    ensure!(first.matches(body).count() == 2, "{first}");
    // Status 1: there is no new mail.
    let again = fetch().stdin(fs::File::open(&file)?).output()?;
    ensure!(again.status.code() == Some(1), "{}", String::from_utf8_lossy(&again.stderr));
    ensure!(fs::read_to_string(&out)? == first);
    Ok(())
}

/// What offlineimap3 wants to know a certificate by.
fn fingerprint(home: &Home) -> Result<String> {
    let mut openssl = stranger("openssl");
    openssl.args(["x509", "-noout", "-fingerprint", "-sha512", "-in"]).arg(home.dir.join("tls/node.pem"));
    let printed = run(&mut openssl)?.text;
    Ok(printed.trim().split_once('=').map(|(_, print)| print.replace(':', "").to_lowercase()).unwrap_or_default())
}

/// Every file below a folder, with its size.
fn files_below(folder: &Path) -> Result<BTreeMap<String, u64>> {
    let mut files = BTreeMap::new();
    let mut next = vec![folder.to_path_buf()];
    while let Some(folder) = next.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                next.push(entry.path());
            } else if !entry.file_name().to_string_lossy().starts_with('.') {
                files.insert(entry.path().display().to_string(), entry.metadata()?.len());
            }
        }
    }
    Ok(files)
}

#[tokio::test(flavor = "multi_thread")]
async fn mbsync_syncs_both_ways_and_the_second_time_nothing() -> Result<()> {
    if missing(&["mbsync"]) {
        return Ok(());
    }
    let home = Home::start()?;
    let dir = tempfile::tempdir()?;
    let at = dir.path().display();
    for below in ["INBOX/new", "INBOX/cur", "INBOX/tmp"] {
        fs::create_dir_all(dir.path().join(below))?;
    }
    for number in 0..MAILS {
        let flags = ["", "S", "FS", "RS"][number % 4];
        let mail = format!("From: a@x.org\nSubject: mail {number}\nMessage-ID: <{number}@x.org>\n\nbody {number}\n");
        fs::write(dir.path().join(format!("INBOX/cur/17000{number:05}.1.x:2,{flags}")), mail)?;
    }
    let config = format!(
        "IMAPAccount home\nHost {host}\nPort {port}\nUser {user}\nPass {password}\nSSLType IMAPS\nCertificateFile {ca}\nAuthMechs PLAIN\n\n\
         IMAPStore far\nAccount home\n\nMaildirStore near\nPath {at}/\nInbox {at}/INBOX\nSubFolders Verbatim\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSync All\nSyncState *\n",
        host = home.address,
        port = home.port(993),
        user = home.alice.address,
        password = home.alice.app_password,
        ca = home.dir.join("tls/node.pem").display(),
    );
    let file = dir.path().join("mbsyncrc");
    fs::write(&file, config)?;
    let sync = || run(stranger("mbsync").arg("--config").arg(&file).arg("--all"));
    sync()?;
    let mut imap = Imap::sign_in(&home, &home.alice.address, &home.alice.app_password).await?;
    imap.ok("APPEND INBOX {16+}\r\nSubject: far\r\n\r\n").await?;
    imap.ok("SELECT INBOX").await?;
    imap.ok("STORE 1:10 +FLAGS (\\Deleted)").await?;
    sync()?;
    let state = "STATUS INBOX (MESSAGES UNSEEN UIDNEXT HIGHESTMODSEQ)";
    let (before, files) = (imap.ok(state).await?, files_below(dir.path())?);
    let told = format!("MESSAGES {}", MAILS + 1 - 10);
    ensure!(before.iter().any(|line| line.contains(&told)), "{before:?}");
    ensure!(files.keys().filter(|name| name.contains("/INBOX/cur/") || name.contains("/INBOX/new/")).count() == MAILS + 1 - 10);
    sync()?;
    let after = imap.ok(state).await?;
    ensure!(before.first() == after.first(), "{before:?} {after:?}");
    ensure!(files == files_below(dir.path())?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn offlineimap_syncs_both_ways_and_the_second_time_nothing() -> Result<()> {
    if missing(&["offlineimap"]) {
        return Ok(());
    }
    let home = home_with_letters(3)?;
    let dir = tempfile::tempdir()?;
    let (at, inbox) = (dir.path().display(), dir.path().join("mail/INBOX"));
    let config = format!(
        "[general]\naccounts = home\nmetadata = {at}/meta\nui = quiet\n\n[Account home]\nlocalrepository = near\n\
         remoterepository = far\n\n[Repository near]\ntype = Maildir\nlocalfolders = {at}/mail\n\n[Repository far]\n\
         type = IMAP\nremotehost = {host}\nremoteport = {port}\nssl = yes\nssl_version = tls1_2\n\
         tls_level = tls_compat\ncert_fingerprint = {print}\nremoteuser = {user}\nremotepass = {password}\n",
        host = home.address,
        port = home.port(993),
        print = fingerprint(&home)?,
        user = home.alice.address,
        password = home.alice.app_password,
    );
    let file = dir.path().join("offlineimaprc");
    fs::write(&file, config)?;
    let sync = || run(stranger("offlineimap").arg("-c").arg(&file).arg("-o").env("HOME", dir.path()));
    sync()?;
    ensure!(files_below(&inbox)?.len() == 3);
    // A mail of our own, and one that is read here.
    fs::write(inbox.join("cur/1700000000.1.x:2,S"), "Subject: near\n\nx\n")?;
    let mut imap = Imap::sign_in(&home, &home.alice.address, &home.alice.app_password).await?;
    imap.ok("SELECT INBOX").await?;
    imap.ok("STORE 1 +FLAGS (\\Flagged)").await?;
    sync()?;
    let state = "STATUS INBOX (MESSAGES UNSEEN UIDNEXT HIGHESTMODSEQ)";
    let (before, files) = (imap.ok(state).await?, files_below(&inbox)?);
    ensure!(before.iter().any(|line| line.contains("MESSAGES 4 UNSEEN 0")), "{before:?}");
    ensure!(files.len() == 4 && files.keys().filter(|name| name.ends_with(",FS")).count() == 1, "{files:?}");
    sync()?;
    ensure!(before.first() == imap.ok(state).await?.first() && files == files_below(&inbox)?);
    Ok(())
}

const IMAPLIB: &str = r#"
import imaplib, ssl, sys
host, port, ca, user, password = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.check_hostname = False
imap = imaplib.IMAP4_SSL(host, int(port), ssl_context=context)
imap.login(user, password)
def mail(subject, date, extra=""):
    return f"From: a@x.org\r\nSubject: {subject}\r\nDate: {date}\r\n{extra}\r\nx\r\n".encode()
imap.append("INBOX", None, None, mail("b", "Fri, 2 Jan 2026 00:00:00 +0000", "Message-ID: <1@x>\r\n"))
imap.append("INBOX", None, None, mail("a", "Thu, 1 Jan 2026 00:00:00 +0000", "Message-ID: <2@x>\r\n"))
imap.append("INBOX", None, None, mail("Re: b", "Sat, 3 Jan 2026 00:00:00 +0000", "References: <1@x>\r\n"))
print(imap.append("INBOX", None, None, "Subject: Grüße\r\n\r\nx\r\n".encode())[0])
imap.select("INBOX")
print(imap.sort("(SUBJECT DATE)", "UTF-8", "ALL")[1])
print(imap.sort("(REVERSE DATE)", "UTF-8", "ALL")[1])
print(imap.thread("REFERENCES", "UTF-8", "ALL")[1])
print(imap.uid("THREAD", "ORDEREDSUBJECT", "UTF-8", "ALL")[1])
imap.unselect()
print(imap.enable("UTF8=ACCEPT")[0])
imap.select("INBOX")
print(imap.uid("SEARCH", "SUBJECT", '"grÜß"')[1])
imap.logout()
"#;

#[test]
fn imaplib_sorts_and_threads() -> Result<()> {
    if missing(&["python3"]) {
        return Ok(());
    }
    let home = Home::start()?;
    let ran = run(stranger("python3")
        .args(["-c", IMAPLIB, &home.address.to_string(), &home.port(993).to_string()])
        .arg(home.ca())
        .args([&home.alice.address, &home.alice.app_password]))?;
    let said: Vec<&str> = ran.text.lines().collect();
    let expected = ["OK", "[b'2 1 3 4']", "[b'4 3 1 2']", "[b'(2)(1 3)(4)']", "[b'(2)(1 3)(4)']", "OK", "[b'4']"];
    ensure!(said == expected, "{}", ran.text);
    Ok(())
}

/// sieve-connect for alice; her password is in a file.
fn sieve_connect(home: &Home, password: &Path, args: &[&str]) -> Result<Command> {
    let mut command = stranger("sieve-connect");
    command
        .args(["--server", &home.address.to_string(), "--port", &home.port(4190).to_string(), "--tlscafile"])
        .arg(home.ca())
        .args(["--tlshostname", &format!("mail.{}", home.domain)])
        .args(["--user", &home.alice.address, "--authmech", "PLAIN", "--passwordfd", "0"])
        .args(args)
        .stdin(fs::File::open(password)?);
    Ok(command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_put_by_sieve_connect_runs_at_delivery() -> Result<()> {
    if missing(&["sieve-connect", "swaks"]) {
        return Ok(());
    }
    let home = Home::start()?;
    let dir = tempfile::tempdir()?;
    let (script, bad, password) = (dir.path().join("main.sieve"), dir.path().join("bad.sieve"), dir.path().join("password"));
    fs::write(&script, "require [\"fileinto\", \"mailbox\"];\nfileinto :create \"Rules/strangers\";\n")?;
    fs::write(&bad, "keep;\n  frobnicate;\n")?;
    fs::write(&password, format!("{}\n", home.alice.app_password))?;
    let speak = |args: &[&str]| -> Result<String> { Ok(run(&mut sieve_connect(&home, &password, args)?)?.text) };
    let local = script.display().to_string();
    speak(&["--upload", "--localsieve", &local, "--remotesieve", "main"])?;
    speak(&["--activate", "--remotesieve", "main"])?;
    let listed = speak(&["--list"])?;
    ensure!(listed.contains("main") && listed.contains("ACTIVE"), "{listed}");
    let refused = sieve_connect(&home, &password, &["--checkscript", "--localsieve", &bad.display().to_string()])?.output()?;
    let said = format!("{}{}", String::from_utf8_lossy(&refused.stdout), String::from_utf8_lossy(&refused.stderr));
    ensure!(said.contains("line 2, column"), "{said}");
    let back = dir.path().join("back.sieve");
    speak(&["--download", "--remotesieve", "main", "--localsieve", &back.display().to_string()])?;
    ensure!(fs::read_to_string(&back)?.replace("\r\n", "\n").trim_end() == fs::read_to_string(&script)?.trim_end());

    let mut swaks = stranger("swaks");
    swaks
        .args(["--server", &home.address.to_string(), "--port", &home.port(25).to_string(), "--tls"])
        .args(["--from", "stranger@stranger.example", "--ehlo", "mx.stranger.example", "--to", &home.alice.address])
        .args(["--data", LETTER.replace('\n', "\r\n").trim_end()]);
    run(&mut swaks)?;
    let mut imap = Imap::sign_in(&home, &home.alice.address, &home.alice.app_password).await?;
    for (mailbox, count) in [("Rules/strangers", 1), ("INBOX", 0)] {
        let told = imap.ok(&format!("STATUS {mailbox} (MESSAGES)")).await?;
        ensure!(told.iter().any(|line| line.contains(&format!("(MESSAGES {count})"))), "{told:?}");
    }
    // Without the script mail goes where it always went.
    speak(&["--deactivate"])?;
    run(&mut swaks)?;
    let told = imap.ok("STATUS INBOX (MESSAGES)").await?;
    ensure!(told.iter().any(|line| line.contains("(MESSAGES 1)")), "{told:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_was_put_off_comes_back_though_the_node_was_down_at_its_time() -> Result<()> {
    let mut home = Home::start()?;
    let time = run(stranger("date").args(["--utc", "--date", "+2 seconds", "+%Y-%m-%dT%H:%M:%SZ"]))?.text;
    let mut imap = Imap::sign_in(&home, &home.alice.address, &home.alice.app_password).await?;
    imap.ok(&format!("CREATE Snoozed/{}", time.trim())).await?;
    imap.ok("APPEND INBOX (\\Seen) {19+}\r\nSubject: later\r\n\r\nx").await?;
    imap.ok("SELECT INBOX").await?;
    imap.ok(&format!("MOVE 1 Snoozed/{}", time.trim())).await?;
    home.down()?;
    std::thread::sleep(Duration::from_secs(2));
    home.up()?;
    let mut imap = Imap::sign_in(&home, &home.alice.address, &home.alice.app_password).await?;
    let begun = Instant::now();
    while !imap.ok("STATUS INBOX (MESSAGES UNSEEN)").await?.iter().any(|line| line.contains("(MESSAGES 1 UNSEEN 1)")) {
        ensure!(begun.elapsed() < Duration::from_secs(30), "it does not come back");
        std::thread::sleep(Duration::from_millis(200));
    }
    ensure!(imap.ok("LIST \"\" Snoozed/*").await?.is_empty());
    Ok(())
}
