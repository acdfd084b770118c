// SPDX-License-Identifier: AGPL-3.0-or-later
//! A message of 50 MB on every way through a home: no process grows by more than 8 MB, and it comes out as it went in.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hearth_tests::{Home, Imap, missing, run, stranger};
use serde_json::{Value, json};

const LARGE_BYTES: usize = 49 * 1024 * 1024;
const SMALL_BYTES: usize = 4 * 1024;
const GROWTH_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A letter with an attachment of about this size, written to a file.
fn letter(folder: &Path, from: &str, subject: &str, bytes: usize) -> Result<PathBuf> {
    let path = folder.join(subject);
    let mut file = std::io::BufWriter::new(fs::File::create(&path)?);
    write!(
        file,
        "From: {from}\r\nTo: undisclosed:;\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Date: Mon, 23 Nov 2026 01:00:00 +0000\r\nMessage-ID: <{subject}@letters.example>\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee below.\r\n--b\r\nContent-Type: image/x\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    )?;
    // Not all the same, so that it does not vanish when it is compressed.
    let mut state = 1_u64;
    for _ in 0..bytes / 78 {
        let line: String = (0..76)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b'A' + ((state >> 59) % 26) as u8)
            })
            .collect();
        write!(file, "{line}\r\n")?;
    }
    write!(file, "--b--\r\n")?;
    file.flush()?;
    Ok(path)
}

/// What each process has in memory, and has had at most since the last look.
fn memory(home: &Home) -> Result<BTreeMap<String, (u64, u64)>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(home.dir.join("run"))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".pid")) else { continue };
        let pid = fs::read_to_string(&path)?.trim().to_string();
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { continue };
        let of = |field: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(field))?;
            Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
        };
        all.insert(name.to_string(), (of("VmRSS:").context("memory")?, of("VmHWM:").context("a peak")?));
        // proc_pid_clear_refs(5): 5 makes the peak begin anew.
        fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
    }
    Ok(all)
}

/// Does a thing with a small letter, then with a large one; fails when a process grew too much by that.
async fn bounded(home: &Home, what: &str, files: &[PathBuf; 2], mut done: impl AsyncFnMut(&Path) -> Result<()>) -> Result<()> {
    let [small, large] = files;
    done(small).await.with_context(|| format!("{what}, small"))?;
    let before = memory(home)?;
    done(large).await.with_context(|| format!("{what}, large"))?;
    for (name, (_, peak)) in memory(home)? {
        let Some((now, high)) = before.get(&name) else { continue };
        // A process that rested has given back what it reads its own code into; it had that for the small letter.
        let was = now.max(high);
        let growth = peak.saturating_sub(*was);
        eprintln!("{what}: {name} grew by {} KiB from {} KiB", growth >> 10, was >> 10);
        ensure!(growth < GROWTH_BYTES_MAX, "{what}: {name} grew by {} KiB from {} KiB", growth >> 10, was >> 10);
    }
    Ok(())
}

fn curl(home: &Home, user: &str, url: &str, port: u16, args: &[&str]) -> Result<()> {
    let resolve = format!("mail.{}:{}:{}", home.domain, home.port(port), home.address);
    let mut command = stranger("curl");
    command.args(["-sS", "--fail", "--max-time", "300", "--cacert"]).arg(home.ca());
    command.args(["--resolve", &resolve, "--user", user]).args(args).arg(url);
    run(&mut command).map(|_| ())
}

/// Waits for a mail with this subject in somebody's INBOX; its size.
async fn wait_for(home: &Home, address: &str, password: &str, subject: &str) -> Result<u64> {
    for _ in 0..600 {
        let mut imap = Imap::sign_in(home, address, password).await?;
        imap.ok("SELECT INBOX").await?;
        let found = imap.ok(&format!("SEARCH SUBJECT {subject}")).await?;
        let number = found.iter().find_map(|line| line.strip_prefix("* SEARCH ")?.split(' ').next_back()?.parse::<u32>().ok());
        if let Some(number) = number {
            let lines = imap.ok(&format!("FETCH {number} RFC822.SIZE")).await?;
            let size = lines.iter().find_map(|line| line.split("RFC822.SIZE ").nth(1)?.trim_end_matches(')').parse().ok());
            return size.context("a size");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("{subject} did not come")
}

fn send_from_outside(home: &Home, letter: &Path) -> Result<()> {
    let stream = TcpStream::connect(home.at(25))?;
    stream.set_read_timeout(Some(Duration::from_secs(300)))?;
    let mut stream = BufReader::new(stream);
    let expect = |stream: &mut BufReader<TcpStream>, say: &[u8], code: &str| -> Result<()> {
        stream.get_mut().write_all(say)?;
        loop {
            let mut line = String::new();
            ensure!(stream.read_line(&mut line)? > 0, "cut off");
            if line.get(3..4) != Some("-") {
                ensure!(line.starts_with(code), "{line}");
                return Ok(());
            }
        }
    };
    expect(&mut stream, b"", "220")?;
    expect(&mut stream, b"EHLO mx.stranger.example\r\n", "250")?;
    expect(&mut stream, b"MAIL FROM:<a@stranger.example>\r\n", "250")?;
    expect(&mut stream, format!("RCPT TO:<{}>\r\n", home.bob.address).as_bytes(), "250")?;
    expect(&mut stream, b"DATA\r\n", "354")?;
    stream.get_mut().write_all(&fs::read(letter)?)?;
    expect(&mut stream, b".\r\n", "250")
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_megabytes_stream_on_every_way() -> Result<()> {
    if missing(&["curl"]) {
        return Ok(());
    }
    let home = Home::start()?;
    let folder = tempfile::tempdir()?;
    let letters = |name: &str, from: &str| -> Result<[PathBuf; 2]> {
        Ok([
            letter(folder.path(), from, &format!("small-{name}"), SMALL_BYTES)?,
            letter(folder.path(), from, &format!("large-{name}"), LARGE_BYTES)?,
        ])
    };
    let subject = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (alice, bob) = (&home.alice, &home.bob);
    let user = format!("{}:{}", alice.address, alice.app_password);

    let files = letters("stranger", "a@stranger.example")?;
    bounded(&home, "from a stranger", &files, async |path| {
        send_from_outside(&home, path)?;
        let size = wait_for(&home, &bob.address, &bob.app_password, &subject(path)).await?;
        ensure!(size > fs::metadata(path)?.len());
        Ok(())
    })
    .await?;

    let files = letters("submission", &home.alice.address)?;
    let url = format!("smtps://mail.{}:{}", home.domain, home.port(465));
    bounded(&home, "submission and the queue", &files, async |path| {
        let file = path.to_string_lossy();
        curl(&home, &user, &url, 465, &["--mail-from", &alice.address, "--mail-rcpt", &bob.address, "--upload-file", &file])?;
        wait_for(&home, &bob.address, &bob.app_password, &subject(path)).await.map(|_| ())
    })
    .await?;

    let files = letters("append", &home.alice.address)?;
    let imaps = format!("imaps://mail.{}:{}", home.domain, home.port(993));
    bounded(&home, "APPEND", &files, async |path| {
        curl(&home, &user, &format!("{imaps}/INBOX"), 993, &["-T", &path.to_string_lossy()])
    })
    .await?;
    let back = folder.path().join("back");
    let mut number = 0;
    bounded(&home, "FETCH", &files, async |path| {
        number += 1;
        let url = format!("{imaps}/INBOX;MAILINDEX={number}");
        curl(&home, &user, &url, 993, &["-o", &back.to_string_lossy()])?;
        ensure!(fs::read(&back)? == fs::read(path)?, "it is what was appended");
        Ok(())
    })
    .await?;

    let http = home.http()?;
    let with_password = |request: reqwest::RequestBuilder| request.basic_auth(&alice.address, Some(&alice.app_password));
    let session: Value = with_password(http.get(home.url("mail", "/jmap/session"))).send().await?.json().await?;
    let account = session["primaryAccounts"]["urn:ietf:params:jmap:mail"].as_str().context("an account")?.to_string();
    let url = |name: &str| session[name].as_str().unwrap_or_default().replace("{accountId}", &account);
    let calls = async |calls: Value| -> Result<Value> {
        let body = json!({"using": ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"], "methodCalls": calls});
        Ok(with_password(http.post(url("apiUrl"))).json(&body).send().await?.json().await?)
    };
    let inbox = calls(json!([["Mailbox/query", {"accountId": account, "filter": {"role": "inbox"}}, "0"]])).await?;
    let inbox = inbox["methodResponses"][0][1]["ids"][0].as_str().context("an INBOX")?.to_string();
    bounded(&home, "JMAP upload, import and download", &files, async |path| {
        let octets = fs::read(path)?;
        let sent = with_password(http.post(url("uploadUrl"))).header("Content-Type", "message/rfc822").body(octets.clone()).send();
        let blob = sent.await?.json::<Value>().await?["blobId"].as_str().context("a blob")?.to_string();
        let emails = json!({"a": {"blobId": blob, "mailboxIds": {inbox.as_str(): true}}});
        let made = calls(json!([["Email/import", {"accountId": account, "emails": emails}, "0"]])).await?;
        let email = made["methodResponses"][0][1]["created"]["a"]["blobId"].as_str().with_context(|| made.to_string())?;
        let at = url("downloadUrl").replace("{blobId}", email).replace("{name}", "x").replace("{type}", "message/rfc822");
        let down = with_password(http.get(at)).send().await?.bytes().await?;
        ensure!(down == octets, "it is what was uploaded");
        Ok(())
    })
    .await
}
