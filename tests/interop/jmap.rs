// SPDX-License-Identifier: AGPL-3.0-or-later
//! JMAP over the front door, with an app password and with an access token, beside an IMAP session.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use hearth_tests::{Dns, Home, HomeBuilder, Imap, run};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

const LETTER: &str = include_str!("letter.eml");

/// How a client says who it is.
enum Credential {
    AppPassword(String, String),
    Bearer(String),
}

struct Jmap<'h> {
    home: &'h Home,
    http: Client,
    credential: Credential,
    session: Value,
}

impl<'h> Jmap<'h> {
    async fn open(home: &'h Home, credential: Credential) -> Result<Self> {
        let mut jmap = Self { home, http: home.http()?, credential, session: Value::Null };
        let mut answer = jmap.with_credential(jmap.http.get(home.url("mail", "/.well-known/jmap"))).send().await?;
        if answer.status().is_redirection() {
            let to = answer.headers()["location"].to_str()?.to_string();
            let to = if to.starts_with('/') { home.url("mail", &to) } else { to };
            answer = jmap.with_credential(jmap.http.get(to)).send().await?;
        }
        ensure!(answer.status().is_success(), "session: {}", answer.text().await?);
        jmap.session = answer.json().await?;
        Ok(jmap)
    }

    fn with_credential(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.credential {
            Credential::AppPassword(user, password) => request.basic_auth(user, Some(password)),
            Credential::Bearer(token) => request.bearer_auth(token),
        }
    }

    fn account(&self) -> &str {
        self.session["primaryAccounts"]["urn:ietf:params:jmap:mail"].as_str().expect("a primary account for mail")
    }

    fn url(&self, name: &str) -> &str {
        let url = self.session[name].as_str().expect("the session names its URLs");
        assert!(url.starts_with(&self.home.url("mail", "/")), "{url}");
        url
    }

    async fn call(&self, calls: Value) -> Result<Vec<Value>> {
        let using = ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail", "urn:ietf:params:jmap:contacts"];
        let body = json!({"using": using, "methodCalls": calls});
        let answer = self.with_credential(self.http.post(self.url("apiUrl"))).json(&body).send().await?;
        ensure!(answer.status().is_success(), "{}", answer.text().await?);
        let answer: Value = answer.json().await?;
        Ok(answer["methodResponses"].as_array().context("methodResponses")?.clone())
    }
}

/// alice's home with one letter in her INBOX.
async fn home_with_a_letter() -> Result<(Home, Imap)> {
    let home = Home::start()?;
    let mut imap = Imap::sign_in(&home, &home.alice.address, &home.alice.app_password).await?;
    let letter = LETTER.replace('\n', "\r\n");
    imap.ok(&format!("APPEND INBOX {{{}+}}\r\n{letter}", letter.len())).await?;
    imap.ok("SELECT INBOX").await?;
    Ok((home, imap))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_lists_a_mailbox_and_a_flag_shows_in_imap() -> Result<()> {
    let (home, mut imap) = home_with_a_letter().await?;
    let with_password = Credential::AppPassword(home.alice.address.clone(), home.alice.app_password.clone());
    let with_token = Credential::Bearer(home.access_token(&home.alice).await?);
    for (credential, keyword, flag) in [(with_password, "$flagged", "\\Flagged"), (with_token, "$seen", "\\Seen")] {
        let jmap = Jmap::open(&home, credential).await?;
        let account = jmap.account();
        let answers = jmap
            .call(json!([
                ["Mailbox/get", {"accountId": account, "ids": null}, "0"],
                ["Email/query", {"accountId": account, "filter": {"text": "Grüße"}, "sort": [{"property": "receivedAt", "isAscending": false}]}, "1"],
                ["Email/get", {"accountId": account, "#ids": {"resultOf": "1", "name": "Email/query", "path": "/ids"},
                    "properties": ["id", "subject", "hasAttachment", "mailboxIds", "attachments", "bodyValues", "textBody"],
                    "fetchTextBodyValues": true}, "2"],
            ]))
            .await?;
        let inbox =
            answers[0][1]["list"].as_array().and_then(|all| all.iter().find(|m| m["role"] == "inbox")).context("an inbox")?;
        ensure!(inbox["totalEmails"] == 1, "{inbox}");
        let email = &answers[2][1]["list"][0];
        ensure!(email["subject"] == "Grüße aus Évry ✓" && email["hasAttachment"] == true, "{answers:?}");
        ensure!(email["mailboxIds"][inbox["id"].as_str().context("id")?] == true, "{email}");
        ensure!(email["attachments"][0]["name"] == "dot.png", "{email}");
        let text = email["bodyValues"][email["textBody"][0]["partId"].as_str().context("a text part")?]["value"]
            .as_str()
            .unwrap_or_default();
        ensure!(text.contains("Schöne Grüße!") && text.contains("\n.A line that begins with a dot."), "{text:?}");

        let update = json!({email["id"].as_str().context("id")?: {format!("keywords/{keyword}"): true}});
        let set = jmap.call(json!([["Email/set", {"accountId": account, "update": update}, "0"]])).await?;
        ensure!(set[0][0] == "Email/set" && set[0][1]["notUpdated"].as_object().is_none_or(serde_json::Map::is_empty), "{set:?}");
        let news = imap.ok("NOOP").await?;
        ensure!(news.iter().any(|line| line.contains("FETCH") && line.contains(flag)), "IMAP hears of {flag}: {news:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_go_up_and_come_down() -> Result<()> {
    let (home, _imap) = home_with_a_letter().await?;
    let jmap = Jmap::open(&home, Credential::AppPassword(home.alice.address.clone(), home.alice.app_password.clone())).await?;
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let up = jmap.url("uploadUrl").replace("{accountId}", jmap.account());
    let uploaded =
        jmap.with_credential(jmap.http.post(up)).header("content-type", "application/x-test").body(bytes.clone()).send().await?;
    ensure!(uploaded.status() == StatusCode::CREATED, "{}", uploaded.text().await?);
    let uploaded: Value = uploaded.json().await?;
    ensure!(uploaded["size"] == 300_000 && uploaded["type"] == "application/x-test", "{uploaded}");

    let download = |blob: &str, name: &str| {
        let url = jmap.url("downloadUrl").replace("{accountId}", jmap.account()).replace("{blobId}", blob);
        jmap.with_credential(jmap.http.get(url.replace("{name}", name).replace("{type}", "application%2Foctet-stream")))
    };
    let down = download(uploaded["blobId"].as_str().context("blobId")?, "bytes.bin").send().await?;
    ensure!(down.status() == StatusCode::OK && down.bytes().await? == bytes, "the same bytes come down");

    let answers = jmap
        .call(json!([
            ["Email/query", {"accountId": jmap.account()}, "0"],
            ["Email/get", {"accountId": jmap.account(), "#ids": {"resultOf": "0", "name": "Email/query", "path": "/ids"}, "properties": ["blobId"]}, "1"],
        ]))
        .await?;
    let blob = answers[1][1]["list"][0]["blobId"].as_str().context("blobId")?;
    let letter = download(blob, "letter.eml").send().await?.text().await?;
    ensure!(letter == LETTER.replace('\n', "\r\n"), "the letter came down as it went in");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_credential_there_is_nothing() -> Result<()> {
    let home = Home::start()?;
    let http = home.http()?;
    for (request, what) in [
        (http.get(home.url("mail", "/.well-known/jmap")), "nothing"),
        (http.get(home.url("mail", "/.well-known/jmap")).basic_auth(&home.alice.address, Some("wrong")), "a wrong password"),
        (http.get(home.url("mail", "/.well-known/jmap")).bearer_auth("wrong"), "a wrong token"),
    ] {
        let mut answer = request.try_clone().context("no body")?.send().await?;
        if answer.status().is_redirection() {
            let to = answer.headers()["location"].to_str()?.to_string();
            answer = http.get(if to.starts_with('/') { home.url("mail", &to) } else { to }).send().await?;
        }
        ensure!(answer.status() == StatusCode::UNAUTHORIZED, "{what}: {}", answer.status());
        ensure!(answer.headers().contains_key("www-authenticate"), "{what}");
    }
    Ok(())
}

/// A mail of a stranger to alice: who sends it, and who it says wrote it.
fn stranger_writes(at: SocketAddr, sender: &str, from: &str, to: &str) -> Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(at)?);
    let pitch = "Congratulations winner! Claim your lottery prize now, click the link, viagra and casino bonus inside.";
    let mail = format!("From: <{from}>\r\nTo: {to}\r\nSubject: x\r\n\r\n{pitch}\r\n.\r\n");
    let (sender, to) = (format!("MAIL FROM:<{sender}>\r\n"), format!("RCPT TO:<{to}>\r\n"));
    for say in ["", "EHLO mx.stranger.example\r\n", &sender, &to, "DATA\r\n", &mail, "QUIT\r\n"] {
        stream.get_mut().write_all(say.as_bytes())?;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            ensure!(line.starts_with(['2', '3']), "after {say:?}: {line:?}");
            if line.get(3..4) == Some(" ") {
                break;
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_makes_a_stranger_known_and_helps_no_forger() -> Result<()> {
    let spf = || "@ 60 IN TXT \"v=spf1 ip4:127.0.0.0/8 -all\"\n".to_string();
    let dns = Dns::start(&[("friend.example", spf()), ("forger.example", spf())])?;
    let home = HomeBuilder::default().dns(dns.address).env("HEARTH_SMTP__FIRST_SENDER_DELAY_SECONDS", "0").start()?;
    let alice = &home.alice.address;
    let jmap = Jmap::open(&home, Credential::AppPassword(alice.clone(), home.alice.app_password.clone())).await?;
    let account = jmap.account();
    let (friend, forger) = ("carol@friend.example", "eve@forger.example");
    let counts = async || -> Result<(u64, u64)> {
        let answers = jmap.call(json!([["Mailbox/get", {"accountId": account, "ids": null}, "0"]])).await?;
        let list = answers[0][1]["list"].as_array().cloned().context("mailboxes")?;
        let of =
            |role: &str| list.iter().find(|mailbox| mailbox["role"] == role).and_then(|mailbox| mailbox["totalEmails"].as_u64());
        of("inbox").zip(of("junk")).context("counts")
    };
    stranger_writes(home.at(25), friend, friend, alice)?;
    ensure!(counts().await? == (0, 1), "a stranger's: {:?}\n{}", counts().await?, home.log());

    let answers = jmap
        .call(json!([
            ["AddressBook/get", {"accountId": account}, "0"],
            ["ContactCard/query", {"accountId": account, "filter": {"email": friend}}, "1"],
        ]))
        .await?;
    ensure!(answers[1][1]["ids"] == json!([]), "{answers:?}");
    let book = answers[0][1]["list"][0]["id"].as_str().with_context(|| format!("{answers:?}"))?;
    let card = json!({"addressBookIds": {book: true}, "name": {"full": "Carol"}, "emails": {"e": {"address": friend}}});
    let done = jmap.call(json!([["ContactCard/set", {"accountId": account, "create": {"c": card}}, "0"]])).await?;
    ensure!(done[0][1]["created"]["c"]["id"].is_string(), "{done:?}");

    stranger_writes(home.at(25), friend, friend, alice)?;
    ensure!(counts().await? == (1, 1), "a friend's: {:?}\n{}", counts().await?, home.log());
    stranger_writes(home.at(25), forger, friend, alice)?;
    ensure!(counts().await? == (1, 2), "a forger's: {:?}\n{}", counts().await?, home.log());

    let mut imap = Imap::sign_in(&home, alice, &home.alice.app_password).await?;
    imap.ok("SELECT INBOX").await?;
    let reason = imap.ok("FETCH 1 BODY[HEADER.FIELDS (X-Hearth-Reason)]").await?;
    ensure!(reason.iter().any(|line| line.contains("carol@friend.example is in your address book.")), "{reason:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn jmaplib_keeps_an_address_book() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Where `tests/run` puts the packages of `relying/requirements.txt`.
    let python = folder.join("../target/interop/python/bin/python");
    if !python.is_file() {
        assert!(std::env::var("HEARTH_TEST_STRANGERS").as_deref() != Ok("all"), "Python's packages are not installed");
        return Ok(());
    }
    let home = Home::start()?;
    let mut script = Command::new(python);
    script.arg(folder.join("interop/jmap/contacts.py"));
    script.env("URL", home.url("mail", "/.well-known/jmap")).env("HOST", home.address.to_string()).env("CA", home.ca());
    script.env("ADDRESS", &home.alice.address).env("PASSWORD", &home.alice.app_password);
    let said = run(&mut script).with_context(|| home.log())?.text;
    ensure!(said.contains("2 cards are left"), "{said}");
    Ok(())
}
