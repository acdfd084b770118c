// SPDX-License-Identifier: AGPL-3.0-or-later
//! What transcripts cannot show: STARTTLS with a real handshake, messages that do not fit in memory, bytes cut
//! anywhere, readers that do not read.

use std::sync::Arc;
use std::time::Duration;

use crate::harness::{APPEND_BYTES_MAX, Client, Home, PASSWORD, USER};
use hearth_imap::session;
use hearth_net::tls::{Connector, Tls};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

/// A certificate of its own for the home.
fn certificate(dir: &std::path::Path) -> Tls {
    let made = rcgen::generate_simple_self_signed(["mail.home.localhost".to_string()]).expect("a certificate");
    let (pem, key) = (dir.join("node.pem"), dir.join("node.key"));
    std::fs::write(&pem, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    Tls::load(&pem, &key, &[]).expect("a pair")
}

async fn home_with_tls() -> (Home, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut home = Home::new().await;
    let tls = certificate(dir.path());
    Arc::get_mut(&mut home.shared).expect("nobody else has it yet").tls = Some(tls);
    (home, dir)
}

#[tokio::test]
async fn starttls_and_login() {
    let (home, _dir) = home_with_tls().await;
    let (ours, theirs) = tokio::io::duplex(16 * 1024);
    tokio::spawn(session::serve(Arc::clone(&home.shared), Box::new(theirs), [192, 0, 2, 1].into(), None));
    let mut plain = BufReader::new(ours);
    let mut line = String::new();
    plain.read_line(&mut line).await.expect("a greeting");
    assert!(line.contains(" STARTTLS LOGINDISABLED"), "{line}");
    plain.write_all(b"a STARTTLS\r\n").await.expect("sent");
    line.clear();
    plain.read_line(&mut line).await.expect("an answer");
    assert_eq!(line, "a OK begin TLS now\r\n");
    let connector = Connector::new(&[]).expect("a connector");
    let (tls, _) = connector.opportunistic("mail.home.localhost", plain.into_inner()).await.expect("a handshake");
    let mut tls = BufReader::new(tls);
    tls.write_all(format!("b CAPABILITY\r\nc LOGIN {USER} \"{PASSWORD}\"\r\n").as_bytes()).await.expect("sent");
    line.clear();
    tls.read_line(&mut line).await.expect("an answer");
    assert!(line.contains("AUTH=SCRAM-SHA-256-PLUS") && !line.contains("LOGINDISABLED"), "{line}");
    for start in ["b OK", "c OK [CAPABILITY "] {
        line.clear();
        tls.read_line(&mut line).await.expect("an answer");
        assert!(line.starts_with(start), "{line}");
    }
}

/// CVE-2011-0411 and its kin: what comes in one packet with STARTTLS is not run inside TLS.
#[tokio::test]
async fn nothing_may_follow_starttls() {
    let (home, _dir) = home_with_tls().await;
    let mut client = home.connect(false);
    client.line().await.expect("a greeting");
    client.send(b"a STARTTLS\r\nb NOOP\r\n").await;
    let line = client.line().await.expect("an answer");
    assert!(line.starts_with("* BYE"), "{line}");
    assert_eq!(client.line().await, None);
}

/// A mail of `size` octets, every line of it different.
fn large_mail(size: usize) -> Vec<u8> {
    let mut mail = b"Subject: large\r\n\r\n".to_vec();
    let mut number = 0;
    while mail.len() < size {
        mail.extend_from_slice(format!("line {number}\r\n").as_bytes());
        number += 1;
    }
    mail.truncate(size);
    mail
}

#[tokio::test]
async fn a_large_message_comes_back_byte_for_byte() {
    let home = Home::new().await;
    let mut client = home.connect(true);
    client.sign_in().await;
    let size = usize::try_from(APPEND_BYTES_MAX).expect("fits");
    let mail = large_mail(size);
    client.send(format!("a APPEND Drafts {{{size}+}}\r\n").as_bytes()).await;
    client.send(&mail).await;
    client.send(b"\r\n").await;
    let line = client.line().await.expect("an answer");
    assert!(line.starts_with("a OK [APPENDUID "), "{line}");
    assert_eq!(std::fs::read_dir(&home.shared.spool).expect("the spool").count(), 0, "the spool is empty again");
    client.command("b", "SELECT Drafts").await;
    for (section, from, to) in
        [("BODY.PEEK[]", 0, size), ("BODY.PEEK[]<300000.400000>", 300_000, 700_000), ("BODY.PEEK[TEXT]", 18, size)]
    {
        client.send(format!("c FETCH 1 ({section})\r\n").as_bytes()).await;
        let head = client.line().await.expect("a response");
        assert!(head.ends_with(&format!("{{{}}}", to - from)), "{head}");
        assert_eq!(client.octets(to - from).await, mail[from..to], "{section}");
        assert_eq!(client.line().await.as_deref(), Some(")"));
        assert_eq!(client.line().await.as_deref(), Some("c OK done"));
    }
}

/// A client that asks for much and reads nothing holds up nobody else, and is let on when it reads.
#[tokio::test]
async fn a_slow_reader_waits_alone() {
    let home = Home::new().await;
    for _ in 0..4 {
        home.add_mail("INBOX", large_mail(600_000)).await;
    }
    let mut slow = home.connect(true);
    slow.sign_in().await;
    slow.command("a", "SELECT INBOX").await;
    slow.send(b"b UID FETCH 1:* BODY.PEEK[]\r\n").await;
    let mut other = home.connect(true);
    other.sign_in().await;
    let lines = timeout(Duration::from_secs(10), other.command("a", "STATUS INBOX (MESSAGES)")).await.expect("in time");
    assert_eq!(lines.last().map(String::as_str), Some("a OK done"));
    let mut last = String::new();
    while !last.starts_with("b OK") {
        last = slow.line().await.expect("a line");
    }
}

/// However the bytes are cut, the answers are the same.
#[tokio::test]
async fn any_cut_of_the_bytes_gives_the_same_answers() {
    let script = b"a NOOP\r\nb CREATE {3}\r\nx y\r\nc SELECT \"x y\"\r\nd APPEND \"x y\" (\\Seen) {18+}\r\nSubject: x\r\n\r\nabcd\r\ne FETCH 1 (FLAGS BODY.PEEK[])\r\nf FROB\r\ng DELETE \"x y\"\r\nh LOGOUT\r\n";
    let mut first: Option<Vec<String>> = None;
    for piece in [script.len(), 1, 2, 3, 5, 7, 11, 16, 23, 50] {
        let home = Home::new().await;
        let mut client = home.connect(true);
        client.sign_in().await;
        for part in script.chunks(piece) {
            client.send(part).await;
            tokio::task::yield_now().await;
        }
        let mut lines = Vec::new();
        while let Some(line) = client.line().await {
            // Ids and UIDVALIDITY are of their home.
            lines.push(line.split(['[', '(']).next().unwrap_or_default().to_string());
        }
        assert!(lines.iter().any(|line| line.starts_with("h OK")), "{lines:?}");
        assert_eq!(first.get_or_insert_with(|| lines.clone()), &lines, "in pieces of {piece}");
    }
}

/// A gigabyte without a line end costs no memory: the connection ends at the bound of a line.
#[tokio::test]
async fn an_endless_line_ends_the_connection() {
    let home = Home::new().await;
    let mut client = home.connect(true);
    client.line().await.expect("a greeting");
    client.send(&[b'x'; 20_000]).await;
    let line = client.line().await.expect("a word");
    assert_eq!(line, "* BYE [TOOBIG] the command is too long");
    assert_eq!(client.line().await, None);
}

/// Two people at one mailbox, at random; in the end each knows what the store knows.
#[tokio::test]
async fn sessions_agree_with_the_store() {
    let home = Home::new().await;
    for _ in 0..12 {
        home.add_mail("INBOX", b"Subject: x\r\n\r\nx\r\n".to_vec()).await;
    }
    let mut sessions = [Model::new(&home).await, Model::new(&home).await];
    let mut seed = 7_u32;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as usize % below
    };
    for step in 0..150 {
        let session = &mut sessions[random(2)];
        let count = session.uids.len().max(1);
        let number = random(count) + 1;
        let command = match random(8) {
            0 => format!("STORE {number} +FLAGS (\\Deleted)"),
            1 => format!("UID STORE 1:* FLAGS (k{step})"),
            2 => "EXPUNGE".to_string(),
            3 => format!("COPY {number} INBOX"),
            4 => format!("FETCH {number} (UID FLAGS)"),
            5 => "SEARCH UNDELETED".to_string(),
            _ => "NOOP".to_string(),
        };
        session.run(&command).await;
    }
    let mut views = Vec::new();
    for session in &mut sessions {
        session.run("NOOP").await;
        let fetched = session.client.command("z", "UID FETCH 1:* (UID)").await;
        let uids: Vec<u32> =
            fetched.iter().filter_map(|line| line.split("UID ").nth(1)?.trim_end_matches(')').parse().ok()).collect();
        assert_eq!(session.uids.len(), uids.len());
        assert!(session.uids.iter().zip(&uids).all(|(known, uid)| *known == 0 || known == uid), "{:?} {uids:?}", session.uids);
        views.push(uids);
    }
    assert_eq!(views[0], views[1]);
}

/// What a client believes of its mailbox, from the responses alone.
struct Model {
    client: Client,
    /// By message number; 0 while the UID is not known.
    uids: Vec<u32>,
}

impl Model {
    async fn new(home: &Home) -> Self {
        let mut client = home.connect(true);
        client.sign_in().await;
        let mut model = Self { client, uids: Vec::new() };
        model.run("SELECT INBOX").await;
        model
    }

    async fn run(&mut self, command: &str) {
        let numbers_stand = ["STORE", "FETCH", "SEARCH"].iter().any(|verb| command.starts_with(verb));
        for line in self.client.command("t", command).await {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["*", number, "EXISTS"] => {
                    let count: usize = number.parse().expect("a number");
                    assert!(count >= self.uids.len(), "EXISTS never shrinks");
                    self.uids.resize(count, 0);
                }
                ["*", number, "EXPUNGE"] => {
                    assert!(!numbers_stand, "EXPUNGE within {command}");
                    self.uids.remove(number.parse::<usize>().expect("a number") - 1);
                }
                ["*", number, "FETCH", "(UID", uid, ..] => {
                    let uid: u32 = uid.trim_end_matches(')').parse().expect("a UID");
                    let known = &mut self.uids[number.parse::<usize>().expect("a number") - 1];
                    assert!(*known == 0 || *known == uid, "message {number} was {known}, is {uid}");
                    *known = uid;
                }
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn the_greeting_comes_first_and_alone() {
    let home = Home::new().await;
    let (mut ours, theirs) = tokio::io::duplex(1024);
    tokio::spawn(session::serve(Arc::clone(&home.shared), Box::new(theirs), [192, 0, 2, 1].into(), None));
    let mut bytes = vec![0; 1024];
    let read = ours.read(&mut bytes).await.expect("a greeting");
    assert!(bytes[..read].starts_with(b"* OK [CAPABILITY IMAP4rev2 ") && bytes[..read].ends_with(b"\r\n"));
}
