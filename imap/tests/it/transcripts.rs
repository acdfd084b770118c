// SPDX-License-Identifier: AGPL-3.0-or-later
//! Replays `tests/transcripts/{imap,pop3,managesieve}/*.txt` in memory against a real store.
//!
//! ```text
//! RFC 9051 §6.1.2: NOOP                line 1: the section, and what is shown
//! @ signed-in                          the session begins after LOGIN; without it, with the greeting as if on port 993
//! @ plain                              without TLS
//! @ mail INBOX plain                   `mail/plain.eml` goes into a mailbox, now
//! C: a NOOP                            sent with CRLF
//! S: a OK <*>                          the next line; <*> is any text
//! S~ a OK <*>                          lines are passed over until this one
//! C2: / S2:                            the same in a second session of the same person, which begins signed in
//! @ script name                        `scripts/name.sieve` becomes a script of the person, as ManageSieve puts it
//! CB: / SB:                            the same in a session of Bob's, the other person of the house
//! @ silent                             nothing is said by itself;  @ silent 2
//! @ closed                             the server closes
//! @ hasty                              long commands give a sign of life at once
//! @ stop | @ revoke                    the node stops; the device is signed out
//! # a remark
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_mailstore::Durability;

use crate::harness::{Client, Home, Protocol};

fn folder(protocol: Protocol) -> PathBuf {
    let name = match protocol {
        Protocol::Imap => "imap",
        Protocol::Pop3 => "pop3",
        Protocol::Sieve => "managesieve",
    };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/transcripts").join(name)
}

/// Does a line fit a pattern with `<*>` for any text?
fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("<*>");
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

struct Replay {
    protocol: Protocol,
    home: Home,
    clients: BTreeMap<char, Client>,
    signed_in: bool,
    tls: bool,
}

impl Replay {
    async fn client(&mut self, session: char) -> &mut Client {
        if !self.clients.contains_key(&session) {
            let mut client = self.home.connect_to(self.protocol, self.tls);
            if session == 'B' {
                client.sign_in_as_other().await;
            } else if self.signed_in || session != '1' {
                client.sign_in_to(self.protocol).await;
            }
            self.clients.insert(session, client);
        }
        self.clients.get_mut(&session).expect("just made")
    }

    async fn step(&mut self, line: &str) -> Result<(), String> {
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(directive) = line.strip_prefix("@ ") {
            return self.direct(directive.trim()).await;
        }
        let (head, text) = line.split_at_checked(2).ok_or("too short")?;
        let (who, session, rest) = match head.as_bytes() {
            [who, b':' | b'~'] => (*who, '1', &line[1..]),
            [who, digit] => (*who, char::from(*digit), text),
            _ => return Err("neither C: nor S:".into()),
        };
        let skips = rest.starts_with('~');
        let text = rest[1..].strip_prefix(' ').unwrap_or(&rest[1..]);
        let client = self.client(session).await;
        match who {
            b'C' => {
                client.send(format!("{text}\r\n").as_bytes()).await;
                Ok(())
            }
            b'S' => loop {
                let said = client.line().await.ok_or_else(|| format!("closed before: {text}"))?;
                if fits(text, &said) {
                    return Ok(());
                }
                if !skips {
                    return Err(format!("\n  wanted {text}\n     got {said}"));
                }
            },
            _ => Err("neither C: nor S:".into()),
        }
    }

    async fn direct(&mut self, directive: &str) -> Result<(), String> {
        let words: Vec<&str> = directive.split(' ').collect();
        match words.as_slice() {
            ["signed-in"] => self.signed_in = true,
            ["plain"] => self.tls = false,
            ["hasty"] => {
                let shared = Arc::get_mut(&mut self.home.shared).ok_or("a session has begun already")?;
                shared.progress_every = std::time::Duration::ZERO;
            }
            ["mail", mailbox, name] => {
                let path = folder(Protocol::Imap).join("mail").join(format!("{name}.eml"));
                let raw = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                // The files have LF, as git likes it; mails have CRLF.
                self.home.add_mail(mailbox, raw.replace('\n', "\r\n").into_bytes()).await;
            }
            ["script", name] => {
                let text = std::fs::read(folder(Protocol::Imap).join("scripts").join(format!("{name}.sieve")));
                let (text, name) = (text.map_err(|error| error.to_string())?, name.to_string());
                let put = move |tx: &mut hearth_mailstore::MailTx<'_>| hearth_mailstore::script::put(tx, &name, &text).map(drop);
                let store = &self.home.shared.store;
                store.write(self.home.account, Durability::Synced, put).await.map_err(|error| error.to_string())?;
            }
            ["silent"] | ["silent", "1"] if self.client('1').await.is_silent().await => {}
            ["silent", "2"] if self.client('2').await.is_silent().await => {}
            ["silent", "B"] if self.client('B').await.is_silent().await => {}
            ["silent", ..] => return Err("something was said".into()),
            ["closed"] => match self.client('1').await.line().await {
                None => {}
                Some(line) => return Err(format!("not closed, but: {line}")),
            },
            ["stop"] => self.home.shared.stop.request(),
            ["revoke"] => {
                self.home.directory.end_session(self.home.session).await.map_err(|error| error.to_string())?;
            }
            _ => return Err(format!("unknown: @ {directive}")),
        }
        Ok(())
    }
}

async fn replay(protocol: Protocol, path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).expect("a transcript");
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if !text.starts_with("RFC ") {
        return Err(format!("{name}: line 1 names no RFC"));
    }
    let mut replay = Replay { protocol, home: Home::new().await, clients: BTreeMap::new(), signed_in: false, tls: true };
    for (number, line) in (1..).zip(text.lines()).skip(1) {
        replay.step(line).await.map_err(|why| format!("{name}:{number}: {why}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transcript() {
    let only = std::env::var("TRANSCRIPT").unwrap_or_default();
    let mut running = Vec::new();
    for protocol in [Protocol::Imap, Protocol::Pop3, Protocol::Sieve] {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder(protocol))
            .expect("the folder of transcripts")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "txt") && path.to_string_lossy().contains(&only))
            .collect();
        paths.sort();
        running.extend(paths.into_iter().map(|path| tokio::spawn(async move { replay(protocol, &path).await })));
    }
    assert!(!running.is_empty());
    let mut failures = Vec::new();
    for one in running {
        match one.await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => failures.push(why),
            Err(panic) => failures.push(panic.to_string()),
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn patterns() {
    for (pattern, line, answer) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a<*>", "ab", true),
        ("<*>b", "ab", true),
        ("a<*>c<*>e", "abcde", true),
        ("a<*>c<*>e", "abde", false),
        ("a<*>ba", "ba", false),
    ] {
        assert_eq!(fits(pattern, line), answer, "{pattern} {line}");
    }
}
