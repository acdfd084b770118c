// SPDX-License-Identifier: AGPL-3.0-or-later
//! Programs outside that judge mail, by the owner's configuration: milters (rspamd, ClamAV, opendkim) and rspamd's HTTP API.
//!
//! They are asked after our own checks, one after the other, of mail that these let in. What they say is one more voice:
//! refuse, later, junk, or nothing against it; and fields that they add. One that does not answer is passed over, or the
//! mail is put off, as configured; nothing that one says can lose a mail: what it would throw away goes into Junk.

mod milter;
mod rspamd;

use std::net::IpAddr;

use anyhow::{Context, bail};
use hearth_types::Address;
use hearth_wire::smtp::Reply;
use metrics::counter;
use tokio::time::timeout;

use crate::limits::{JUDGE_ANSWER, JUDGE_FIELDS_BYTES_MAX};
use crate::message::Message;

/// Where a judge is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judge {
    /// A milter on TCP or on a Unix socket.
    Milter(Place),
    /// rspamd's own HTTP API.
    Rspamd(Place),
}

/// An address to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `HOST:PORT`.
    Tcp(String),
    /// A socket's path.
    Unix(std::path::PathBuf),
}

impl Judge {
    /// `milter:HOST:PORT`, `milter:/PATH` or `rspamd:HOST:PORT`.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let says = || format!("smtp.judges: {text:?} is none of milter:HOST:PORT, milter:/PATH, rspamd:HOST:PORT");
        let (kind, at) = text.split_once(':').with_context(says)?;
        let place = match at.rsplit_once(':') {
            _ if at.starts_with('/') => Place::Unix(at.into()),
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Place::Tcp(at.to_string()),
            _ => bail!(says()),
        };
        match kind {
            "milter" => Ok(Self::Milter(place)),
            "rspamd" => Ok(Self::Rspamd(place)),
            _ => bail!(says()),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Milter(_) => "milter",
            Self::Rspamd(_) => "rspamd",
        }
    }
}

/// A mail to be judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    /// Our name for it.
    pub id: &'a str,
    /// Who we are.
    pub hostname: &'a str,
    /// The peer.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
    /// Its name, where that leads back to it.
    pub host: Option<&'a str>,
    /// What it calls itself.
    pub hello: &'a str,
    /// The envelope sender.
    pub sender: Option<&'a Address>,
    /// For whom.
    pub recipients: &'a [Address],
    /// The mail.
    pub message: &'a Message,
}

/// What a judge thinks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Opinion {
    /// Nothing speaks against it.
    #[default]
    Fine,
    /// It is junk, and why.
    Junk(String),
    /// Not now.
    Later(Reply),
    /// Never.
    Refuse(Reply),
}

/// A change to the mail's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A field in front, whole with its CRLF.
    Add(String),
    /// The field of this name, counted from 1, has this value; `None`: it goes.
    Set(String, u32, Option<String>),
}

/// Opinion and changes of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// What it thinks.
    pub opinion: Opinion,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// Asks all of them; each sees the mail as the one before left it. Gives the worst that any thought, and the mail where one
/// changed it. With `must_answer`, one that is silent puts the mail off.
pub(crate) async fn ask(judges: &[Judge], must_answer: bool, case: &Case<'_>) -> (Opinion, Option<Message>) {
    let (mut opinion, mut message) = (Opinion::Fine, None::<Message>);
    for judge in judges {
        let shown = message.clone();
        let case = Case { message: shown.as_ref().unwrap_or(case.message), ..*case };
        let asked = match judge {
            Judge::Milter(place) => timeout(JUDGE_ANSWER, milter::ask(place, &case)).await,
            Judge::Rspamd(place) => timeout(JUDGE_ANSWER, rspamd::ask(place, &case)).await,
        };
        let heard = match asked {
            Ok(Ok(heard)) => heard,
            Ok(Err(error)) => silent(judge, must_answer, &error),
            Err(_) => silent(judge, must_answer, &"it does not answer in time"),
        };
        let word = match &heard.opinion {
            Opinion::Fine => "fine",
            Opinion::Junk(_) => "junk",
            Opinion::Later(_) => "later",
            Opinion::Refuse(_) => "refuse",
        };
        counter!("smtp_judged_total", "judge" => judge.name(), "opinion" => word).increment(1);
        if let Some(start) = changed(case.message.start(), &heard.changes) {
            message = Some(case.message.with_start(start));
        }
        opinion = worse(opinion, heard.opinion);
        if matches!(opinion, Opinion::Refuse(_) | Opinion::Later(_)) {
            break;
        }
    }
    (opinion, message)
}

fn silent(judge: &Judge, must_answer: bool, error: &dyn std::fmt::Display) -> Heard {
    tracing::warn!(judge = judge.name(), ?judge, %error, put_off = must_answer, "a judge of mail does not answer");
    counter!("smtp_judges_silent_total", "judge" => judge.name()).increment(1);
    let later = Reply::named(451, 7, 1, "what judges mail here does not answer, try later");
    Heard { opinion: if must_answer { Opinion::Later(later) } else { Opinion::Fine }, changes: Vec::new() }
}

fn worse(one: Opinion, other: Opinion) -> Opinion {
    let rank = |opinion: &Opinion| match opinion {
        Opinion::Fine => 0,
        Opinion::Junk(_) => 1,
        Opinion::Later(_) => 2,
        Opinion::Refuse(_) => 3,
    };
    if rank(&other) > rank(&one) { other } else { one }
}

/// The start of a message with the changes to its header; `None` when nothing changes. What passes a bound is left out.
fn changed(raw: &[u8], changes: &[Change]) -> Option<Vec<u8>> {
    use hearth_wire::smtp::Fields;
    if changes.is_empty() {
        return None;
    }
    let (mut added, mut header) = (String::new(), 0);
    for change in changes {
        if let Change::Add(field) = change
            && added.len() + field.len() <= JUDGE_FIELDS_BYTES_MAX
        {
            added.push_str(field);
        }
    }
    let mut out = added.into_bytes();
    let mut seen: std::collections::HashMap<String, u32> = std::collections::HashMap::new();
    for field in Fields::of(raw) {
        header += field.raw.len();
        let name = String::from_utf8_lossy(field.name).to_lowercase();
        let count = seen.entry(name.clone()).and_modify(|count| *count += 1).or_insert(1);
        let set = changes.iter().rev().find_map(|change| match change {
            Change::Set(of, index, value) if *index == *count && of.eq_ignore_ascii_case(&name) => Some(value),
            _ => None,
        });
        match set {
            None => out.extend_from_slice(field.raw),
            Some(None) => {}
            Some(Some(value)) => out.extend_from_slice(format!("{}: {value}\r\n", String::from_utf8_lossy(field.name)).as_bytes()),
        }
    }
    out.extend_from_slice(raw.get(header..).unwrap_or_default());
    Some(out)
}

/// A value of a judge's as it may stand in a header: lines folded, no control characters.
pub(crate) fn folded(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let lines = text.split('\n').map(|line| line.chars().filter(|c| !c.is_control() || *c == '\t').collect::<String>());
    let lines: Vec<String> = lines.map(|line| line.trim().to_string()).filter(|line| !line.is_empty()).collect();
    lines.join("\r\n\t").chars().take(JUDGE_FIELDS_BYTES_MAX / 4).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for (text, judge) in [
            ("milter:127.0.0.1:11332", Judge::Milter(Place::Tcp("127.0.0.1:11332".into()))),
            ("milter:/run/opendkim.sock", Judge::Milter(Place::Unix("/run/opendkim.sock".into()))),
            ("rspamd:localhost:11333", Judge::Rspamd(Place::Tcp("localhost:11333".into()))),
        ] {
            assert_eq!(Judge::parse(text).ok(), Some(judge), "{text}");
        }
        for text in ["", "milter", "milter:", "milter:host", "milter::25", "spamd:host:1", "rspamd:host:99999"] {
            assert!(Judge::parse(text).is_err_and(|error| error.to_string().contains("smtp.judges")), "{text}");
        }
    }

    #[test]
    fn headers_are_changed_and_the_body_is_not() {
        let raw = b"A: 1\r\nB: 1\r\nA: 2\r\n\tmore\r\n\r\nA: body\r\n";
        let change = |changes: &[Change]| changed(raw, changes).map(|raw| String::from_utf8(raw).expect("text"));
        assert_eq!(change(&[]), None);
        let add = Change::Add("X: y\r\n".into());
        assert_eq!(change(&[add]).as_deref(), Some("X: y\r\nA: 1\r\nB: 1\r\nA: 2\r\n\tmore\r\n\r\nA: body\r\n"));
        let changes =
            [Change::Set("a".into(), 2, None), Change::Set("b".into(), 1, Some("new".into())), Change::Set("C".into(), 1, None)];
        assert_eq!(change(&changes).as_deref(), Some("A: 1\r\nB: new\r\n\r\nA: body\r\n"));
        for (size, kept) in [(JUDGE_FIELDS_BYTES_MAX, true), (JUDGE_FIELDS_BYTES_MAX + 1, false)] {
            let field = format!("X: {}\r\n", "y".repeat(size - 5));
            assert_eq!(change(&[Change::Add(field.clone())]).is_some_and(|raw| raw.starts_with(&field)), kept, "{size}");
        }
    }

    #[test]
    fn a_value_stays_in_its_field() {
        assert_eq!(folded(b" a\r\n b\nEvil: x\r\n\r\nbody"), "a\r\n\tb\r\n\tEvil: x\r\n\tbody");
        assert_eq!(folded(b"a\rb\x07"), "ab");
    }

    /// Time goes on by itself to the end of the wait.
    #[tokio::test(start_paused = true)]
    async fn one_that_is_silent_is_passed_over_or_puts_the_mail_off() {
        let port = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            (listener.local_addr().expect("an address").to_string(), listener)
        };
        let (closed, open) = (port().0, port());
        let case = Case {
            id: "1",
            hostname: "mail.home.example",
            ip: "192.0.2.1".parse().expect("an address"),
            port: 1,
            host: None,
            hello: "x",
            sender: None,
            recipients: &[],
            message: &Message::from(b"\r\n".as_slice()),
        };
        for place in [closed, open.0].map(Place::Tcp) {
            for judge in [Judge::Milter(place.clone()), Judge::Rspamd(place.clone())] {
                assert_eq!(ask(std::slice::from_ref(&judge), false, &case).await, (Opinion::Fine, None), "{judge:?}");
                let begun = tokio::time::Instant::now();
                let (opinion, _) = ask(std::slice::from_ref(&judge), true, &case).await;
                assert!(matches!(opinion, Opinion::Later(reply) if reply.code == 451), "{judge:?}");
                assert!(begun.elapsed() < JUDGE_ANSWER * 2, "{judge:?}");
            }
        }
    }
}
