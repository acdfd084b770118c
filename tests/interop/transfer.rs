// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth mailbox import` and `export`: mbox, Maildir and another IMAP server; cut short, gone on with, and repeated.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use hearth_tests::{Home, HomeBuilder, Imap, Person, Visitor, between, hearth_command};
use serde_json::Value;

const MBOX: &str = "From a@x.org Thu Jan  1 12:00:00 2026\nSubject: one\nStatus: RO\nX-Status: F\n\nFirst.\n>From here on\n\n\
From b@x.org Fri Jan  2 12:00:00 2026\nSubject: two\nX-Keywords: $work\n\nSecond.\n";

fn import(home: &Home, words: &[&str], input: &str) -> Result<Value> {
    let words = [&["mailbox", "import", "--json"][..], words].concat();
    Ok(serde_json::from_str(&home.hearth_with_input(&words, input)?)?)
}

fn counts(value: &Value) -> (u64, u64, usize) {
    let number = |name: &str| value[name].as_u64().unwrap_or(u64::MAX);
    (number("imported"), number("known"), value["refused"].as_array().map_or(usize::MAX, Vec::len))
}

async fn lines(home: &Home, person: &Person, mailbox: &str, items: &str) -> Result<Vec<String>> {
    let mut imap = Imap::sign_in(home, &person.address, &person.app_password).await?;
    imap.ok(&format!("EXAMINE {mailbox}")).await?;
    imap.ok(&format!("FETCH 1:* ({items})")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_mbox_comes_in_once_with_flags_and_dates() -> Result<()> {
    let home = Home::start()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("Holiday.mbox");
    fs::write(&file, MBOX)?;
    let words = [home.alice.address.as_str(), &file.display().to_string()];
    ensure!(counts(&import(&home, &words, "")?) == (2, 0, 0));
    ensure!(counts(&import(&home, &words, "")?) == (0, 2, 0));
    // One more came there.
    fs::write(&file, format!("{MBOX}\nFrom c@x.org Sat Jan  3 12:00:00 2026\nSubject: three\n\nThird.\n"))?;
    ensure!(counts(&import(&home, &words, "")?) == (1, 2, 0));
    let told = lines(&home, &home.alice, "Holiday", "FLAGS INTERNALDATE BODY.PEEK[TEXT]").await?;
    let text = told.join("\n");
    for wanted in [
        "FLAGS (\\Seen \\Flagged) INTERNALDATE \" 1-Jan-2026 12:00:00 +0000\"",
        "FLAGS ($work) INTERNALDATE \" 2-Jan-2026 12:00:00 +0000\"",
        "First.",
        "From here on",
        "Third.",
    ] {
        ensure!(text.contains(wanted), "{wanted}: {text}");
    }
    ensure!(!text.contains(">From"), "{text}");
    let (status, _, said) = home.hearth_status(&["mailbox", "import", &home.alice.address, "/nowhere"], "")?;
    ensure!(status == 1 && said.contains("is not there"), "{said}");
    let (status, _, said) =
        home.hearth_status(&["mailbox", "import", &home.alice.address, &home.ca().display().to_string()], "")?;
    ensure!(status == 1 && said.contains("no mbox"), "{said}");
    Ok(())
}

/// A Maildir as other programs have it.
fn write_maildir(root: &Path, letters: usize) -> Result<()> {
    for folder in ["", ".Sent", ".Lists.rust"] {
        for below in ["cur", "new", "tmp"] {
            fs::create_dir_all(root.join(folder).join(below))?;
        }
    }
    for number in 0..letters {
        let path = root.join(format!("cur/17000{number:05}.1.x:2,{}", ["", "S", "FS", "RS"][number % 4]));
        fs::write(&path, format!("From: a@x.org\nSubject: mail {number}\nMessage-ID: <{number}@x.org>\n\nbody {number}\n"))?;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600 + number as u64);
        fs::File::options().write(true).open(&path)?.set_modified(time)?;
    }
    fs::write(root.join(".Sent/cur/1.1.x:2,S"), "Subject: sent\n\nx\n")?;
    fs::write(root.join(".Lists.rust/new/2.1.x"), "Subject: list\n\nx\n")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maildir_comes_in_and_goes_out_and_comes_in_again() -> Result<()> {
    let home = Home::start()?;
    let dir = tempfile::tempdir()?;
    write_maildir(&dir.path().join("old"), 120)?;
    let old = dir.path().join("old").display().to_string();
    ensure!(counts(&import(&home, &[&home.alice.address, &old], "")?) == (122, 0, 0));
    ensure!(counts(&import(&home, &[&home.alice.address, &old], "")?) == (0, 122, 0));
    ensure!(lines(&home, &home.alice, "Sent", "FLAGS").await?[0].contains("\\Seen"));
    ensure!(lines(&home, &home.alice, "Lists/rust", "FLAGS").await?[0].contains("FLAGS ()"));

    for (format, person) in [("maildir", None), ("mbox", Some("--into"))] {
        let out = dir.path().join(format).display().to_string();
        let export = ["mailbox", "export", &home.alice.address, &out, "--format", format, "--json"];
        let first: Value = serde_json::from_str(&home.hearth(&export)?)?;
        ensure!(first["written"] == 122 && first["there"] == 0, "{first}");
        let again: Value = serde_json::from_str(&home.hearth(&export)?)?;
        ensure!(again["there"] == if format == "maildir" { 122 } else { 0 }, "{again}");
        let mut words = vec![home.bob.address.as_str(), &out];
        words.extend(person.map(|into| [into, "Old"]).into_iter().flatten());
        ensure!(counts(&import(&home, &words, "")?).0 >= 120, "{format}");
    }
    let items = "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE";
    let alice = lines(&home, &home.alice, "INBOX", items).await?;
    ensure!(alice.len() == 120 && alice == lines(&home, &home.bob, "INBOX", items).await?);
    ensure!(alice == lines(&home, &home.bob, "Old/INBOX", items).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_imported_resumed_and_repeated() -> Result<()> {
    let theirs = Home::start()?;
    let dir = tempfile::tempdir()?;
    write_maildir(&dir.path().join("old"), 130)?;
    import(&theirs, &[&theirs.alice.address, &dir.path().join("old").display().to_string()], "")?;
    let ours = HomeBuilder::default().domain("ours.test").init("--extra-root").init(theirs.ca().display().to_string()).start()?;
    let source = format!("imaps://mail.{}:{}", theirs.domain, theirs.port(993));
    let address = theirs.address.to_string();
    let words = [ours.alice.address.as_str(), &source, "--connect", &address, "--user", &theirs.alice.address, "--password-stdin"];
    let (status, _, said) = ours.hearth_status(&[&["mailbox", "import"][..], &words].concat(), "wrong")?;
    ensure!(status == 1 && said.contains("AUTHENTICATIONFAILED"), "{said}");

    // Cut short.
    let mut child = hearth_command()?
        .args(["mailbox", "import"])
        .args(words)
        .arg("--dir")
        .arg(&ours.dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), theirs.alice.app_password.as_bytes())?;
    std::thread::sleep(Duration::from_millis(700));
    child.kill()?;
    child.wait()?;
    let went_on = counts(&import(&ours, &words, &theirs.alice.app_password)?);
    ensure!(went_on.0 + went_on.1 == 132 && went_on.2 == 0, "{went_on:?}");
    ensure!(counts(&import(&ours, &words, &theirs.alice.app_password)?) == (0, 132, 0));
    let items = "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE";
    let mut of_both = Vec::new();
    for (home, mailbox) in [(&theirs, "INBOX"), (&ours, "INBOX")] {
        of_both.push(lines(home, &home.alice, mailbox, items).await?);
    }
    ensure!(of_both[0].len() == 130 && of_both[0] == of_both[1]);
    ensure!(lines(&ours, &ours.alice, "Lists/rust", "FLAGS").await?.len() == 1);
    let mut imap = Imap::sign_in(&theirs, &theirs.alice.address, &theirs.alice.app_password).await?;
    imap.ok("APPEND Sent {17+}\r\nSubject: new\r\n\r\nx").await?;
    ensure!(counts(&import(&ours, &words, &theirs.alice.app_password)?) == (1, 132, 0));
    Ok(())
}

/// What a person does with the code that `hearth mailbox import --oauth` shows: on the pages of the other home.
async fn let_in(home: &Home, person: &Person, code: &str) -> Result<()> {
    let mut visitor = Visitor::sign_in(home, person).await?;
    let page = visitor.get(&format!("/device?user_code={code}")).await?;
    let form = between(&page, "name=\"form\" value=\"", "\"")?.to_string();
    let page = visitor.post("/device", &[("form", &form), ("user_code", code)]).await?;
    ensure!(page.contains("Importer"), "{page}");
    let form = between(&page, "name=\"form\" value=\"", "\"")?.to_string();
    visitor.post("/device/decide", &[("form", &form), ("user_code", code), ("decision", "allow")]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_provider_is_signed_in_at_by_oauth() -> Result<()> {
    let theirs = Home::start()?;
    let add = ["client", "add", "Importer", "--public", "--device", "--scope", "mail", "--json"];
    let client: Value = serde_json::from_str(&theirs.hearth(&add)?)?;
    let client = client["client_id"].as_str().context("a client id")?;
    let mut imap = Imap::sign_in(&theirs, &theirs.alice.address, &theirs.alice.app_password).await?;
    imap.ok("APPEND INBOX {20+}\r\nSubject: theirs\r\n\r\n").await?;
    let ours = HomeBuilder::default().domain("ours.test").init("--extra-root").init(theirs.ca().display().to_string()).start()?;
    let source = format!("imaps://mail.{}:{}", theirs.domain, theirs.port(993));
    let (issuer, address) = (theirs.url("id", ""), theirs.address.to_string());
    let mut child = hearth_command()?
        .args(["mailbox", "import", &ours.alice.address, &source, "--connect", &address, "--user", &theirs.alice.address])
        .args(["--oauth", &issuer, "--oauth-client", client, "--json", "--dir"])
        .arg(&ours.dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().context("piped")?);
    stderr.read_line(&mut said)?;
    ensure!(said.contains(&format!("{issuer}/device")), "{said}");
    let code = said.trim().rsplit(' ').next().unwrap_or_default();
    let_in(&theirs, &theirs.alice, code).await?;
    let output = child.wait_with_output()?;
    let counted: Value = serde_json::from_slice(&output.stdout).with_context(|| said.clone())?;
    // The other home has told its alice by mail that a device came in.
    ensure!(counts(&counted).0 >= 1, "{counted}");
    ensure!(lines(&ours, &ours.alice, "INBOX", "ENVELOPE").await?.iter().any(|line| line.contains("theirs")));
    let words = ["mailbox", "import", &ours.alice.address, &source, "--oauth", "http://id.example.org", "--oauth-client", "x"];
    let (status, _, said) = ours.hearth_status(&words, "")?;
    ensure!(status == 1 && said.contains("https://"), "{said}");
    Ok(())
}
