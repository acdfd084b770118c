// SPDX-License-Identifier: AGPL-3.0-or-later
//! Replays `tests/transcripts/smtp/*.txt`.
//!
//! Line 1 names the RFC section. `# port 25`, `# port 587 inside TLS` and the like say which door. `C:` lines are sent
//! with CRLF; `\n`, `\r`, `\0` and `\\` stand for themselves, and a `\` at the end of a line leaves out the CRLF. `S:`
//! lines must come as they stand; `*` stands for anything. `S: (closed)` is the end.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use hearth_net::listen::Peer;
use tokio::io::BufReader;

use super::house::{House, Pipe};
use crate::ctx::Ctx;
use crate::session;
use crate::state::{Kind, State};

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

async fn replay(name: &str, text: &str) {
    assert!(text.starts_with("# RFC "), "{name}: line 1 names the section");
    let house = House::new().await;
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

fn door(house: &House, text: &str) -> Pipe {
    let kind = if text.contains("# port 587") { Kind::Submission } else { Kind::Mx };
    if !text.contains("inside TLS") {
        return house.talk_from(kind, false, "127.0.0.1");
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
