// SPDX-License-Identifier: AGPL-3.0-or-later
//! Replays `tests/transcripts/smtp/*.txt`.
//!
//! Line 1 names the RFC section. `# port 25`, `# port 587 inside TLS`, `# LMTP` and `# from 192.0.2.7` say which door, and
//! who is at it; `# greylisting`, `# rate sender=1/1`, `# alice is full` and `# nobody lives here` say what the house is like. `C:` lines are sent
//! with CRLF; `\n`, `\r`, `\0` and `\\` stand for themselves, `\(1000)` for so many letters, and a `\` at the end of a line
//! leaves out the CRLF. `S:` lines must come as they stand; `*` stands for anything. `S: (closed)` is the end.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use hearth_mailstore::{Durability, quota};
use hearth_net::listen::Peer;
use hearth_types::Clock;
use tokio::io::BufReader;

use super::house::{House, Pipe};
use crate::ctx::Ctx;
use crate::policy::Policy;
use crate::state::{Kind, State};
use crate::{registry, session};

#[tokio::test]
async fn each_transcript_is_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/transcripts/smtp");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("transcripts") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("text");
        replay(&path.display().to_string(), &text).await;
        count += 1;
    }
    assert!(count >= 10, "{count} transcripts");
}

/// Replies that no conversation of lines can bring about, and the tests that show them.
const ELSEWHERE: [(&str, &str); 10] = [
    ("TIMEOUT_421_4_4_2", "bounds::silence_ends"),
    ("TOO_MANY_CONNECTIONS_421_4_7_0", "serve"),
    ("TOO_MANY_RECIPIENTS_452_4_5_3", "bounds::recipients"),
    ("NO_SPACE_452_4_3_1", "ctx::memory_is_bounded_and_given_back"),
    ("TRY_LATER_451_4_3_0", "verdict::dmarc_decides_where_there_is_one"),
    ("AUTH_UNAVAILABLE_454_4_7_0", "interop: faults"),
    ("NO_TLS_454_4_7_0", "a house always has a certificate"),
    ("REPORTS_ALONE_550_5_7_1", "filtering::a_redirect_leaves_with_a_rewritten_sender_and_a_bounce_comes_back"),
    ("DMARC_550_5_7_26", "verdict::dmarc_decides_where_there_is_one"),
    ("CLOSING_421_4_3_2", "sessions::a_stopping_server_says_so"),
];

#[test]
fn each_command_keyword_and_reply_is_in_a_transcript() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/transcripts/smtp");
    let files = std::fs::read_dir(folder).expect("transcripts").map(|entry| entry.expect("a file").path());
    let all: String = files.map(|path| std::fs::read_to_string(path).expect("text") + "\n").collect();
    let has = |start: &str| all.lines().any(|line| line.starts_with(start));
    for row in registry::ROWS.iter().take_while(|row| row.name != "PIPELINING") {
        assert!(has(&format!("C: {}", row.name)), "{}", row.name);
    }
    let keywords = registry::ROWS.iter().skip_while(|row| row.name != "PIPELINING").take_while(|row| row.name != "LMTP");
    for row in keywords {
        assert!(has(&format!("S: 250-{}", row.name)) || has(&format!("S: 250 {}", row.name)), "{}", row.name);
    }
    // `NAME_250_2_1_5 = 250 1 5 "text";`
    let names = include_str!("../../../lib/wire/src/smtp/replies.rs").lines().filter_map(|line| line.trim().split_once(" = "));
    let mut count = 0;
    for (name, rest) in names.filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')) {
        let mut words = rest.split(' ');
        let (Some(code), Some(subject), Some(detail)) = (words.next(), words.next(), words.next()) else { panic!("{rest}") };
        let start = format!("S: {code} {}.{subject}.{detail} ", &code[..1]);
        let known = ELSEWHERE.iter().any(|(elsewhere, _)| *elsewhere == name);
        assert!(has(&start) || known, "{name}: no transcript has {start}");
        count += 1;
    }
    assert!(count > 50, "{count}");
}

async fn replay(name: &str, text: &str) {
    assert!(text.starts_with("# RFC "), "{name}: line 1 names the section");
    let house = house(text).await;
    let mut pipe = door(&house, text);
    for (at, line) in text.lines().enumerate() {
        if let Some(sent) = line.strip_prefix("C: ").or((line == "C:").then_some("")) {
            pipe.write(unescape(sent)).await;
        } else if line == "S: (closed)" {
            assert_eq!(pipe.rest().await, "", "{name}:{}", at + 1);
        } else if let Some(want) = line.strip_prefix("S: ") {
            let mut got = String::new();
            let reading = tokio::io::AsyncBufReadExt::read_line(&mut pipe.stream, &mut got);
            let read = tokio::time::timeout(std::time::Duration::from_secs(10), reading).await;
            assert!(read.is_ok(), "{name}:{}: nothing came, want {want}", at + 1);
            let got = got.trim_end_matches("\r\n");
            assert!(matches(want, got), "{name}:{}\n want {want}\n  got {got}", at + 1);
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{name}:{}: {line}", at + 1);
        }
    }
}

/// What a line that begins so says.
fn said<'t>(text: &'t str, what: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(what))
}

async fn house(text: &str) -> House {
    let mut policy = Policy { trusted: vec!["127.0.0.1/32".parse().expect("a network")], ..Policy::default() };
    policy.greylisting = said(text, "# greylisting").is_some();
    if let Some(rate) = said(text, "# rate ") {
        policy.pace_percent = 100;
        assert!(policy.rates.change(rate), "{rate}");
    }
    if said(text, "# nobody lives here").is_some() {
        let house = House::without_admin().await;
        for account in [house.alice.id, house.bob.id] {
            house.server.directory.disable_account(account).await.expect("disabled");
        }
        return house;
    }
    let house = House::of("home.example", &["192.0.2.53:53".parse().expect("an address")], Clock::system(), policy).await;
    if said(text, "# alice is full").is_some() {
        let full = house.server.store.write(house.alice.id, Durability::Synced, |tx| quota::set_limit(tx, Some(0)));
        full.await.expect("a limit");
    }
    house
}

fn door(house: &House, text: &str) -> Pipe {
    let kind = match () {
        () if text.contains("# port 587") => Kind::Submission,
        () if text.contains("\n# LMTP") => Kind::Lmtp,
        () => Kind::Mx,
    };
    if !text.contains("inside TLS") {
        return house.talk_from(kind, false, said(text, "# from ").unwrap_or("127.0.0.1"));
    }
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let local: SocketAddr = "127.0.0.1:587".parse().expect("an address");
    let ctx = Ctx { server: Arc::clone(&house.server), peer: Peer { remote: local, local }, tls: None };
    tokio::spawn(async move { session::converse(&ctx, State::new(kind, true), ours, true).await.map(|_| ()) });
    Pipe { stream: BufReader::new(theirs) }
}

fn unescape(text: &str) -> Vec<u8> {
    let (text, end) = match text.strip_suffix('\\') {
        Some(text) if !text.ends_with('\\') => (text, ""),
        _ => (text, "\r\n"),
    };
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('0') => out.push('\0'),
                Some('(') => {
                    let count: String = chars.by_ref().take_while(|c| *c != ')').collect();
                    out.push_str(&"x".repeat(count.parse().expect("a number")));
                }
                other => out.extend(other),
            },
            (c, false) => out.push(c),
        }
    }
    out.push_str(end);
    out.into_bytes()
}

fn matches(want: &str, got: &str) -> bool {
    let mut rest = got;
    let mut pieces = want.split('*');
    let Some(mut after) = pieces.next().and_then(|first| rest.strip_prefix(first)) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    for (at, piece) in pieces.iter().enumerate() {
        if at + 1 == pieces.len() {
            return after.ends_with(piece);
        }
        let Some(found) = after.find(piece) else { return false };
        rest = after;
        after = rest.get(found + piece.len()..).unwrap_or_default();
    }
    after.is_empty()
}
