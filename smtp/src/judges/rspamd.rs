// SPDX-License-Identifier: AGPL-3.0-or-later
//! rspamd's HTTP API (`POST /checkv2`): one request, in HTTP/1.0, whose answer ends with the connection.

use std::io;

use hearth_wire::smtp::Reply;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::{Case, Change, Heard, Opinion, Place};
use crate::limits::{JUDGE_HTTP_BYTES_MAX, REJECTION_CHARS_MAX};

pub(super) async fn ask(place: &Place, case: &Case<'_>) -> io::Result<Heard> {
    let answer = match place {
        Place::Tcp(at) => exchange(TcpStream::connect(at).await?, case).await?,
        Place::Unix(path) => exchange(UnixStream::connect(path).await?, case).await?,
    };
    read(&answer)
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, case: &Case<'_>) -> io::Result<Vec<u8>> {
    stream.write_all(head(case).as_bytes()).await?;
    let mut pieces = case.message.pieces_from(0);
    loop {
        let piece = pieces.next().await?;
        if piece.is_empty() {
            break;
        }
        stream.write_all(piece).await?;
    }
    stream.flush().await?;
    let mut answer = Vec::new();
    stream.take(JUDGE_HTTP_BYTES_MAX as u64 + 1).read_to_end(&mut answer).await?;
    if answer.len() > JUDGE_HTTP_BYTES_MAX {
        return Err(io::Error::other("its answer is too long"));
    }
    Ok(answer)
}

/// A stranger's words stand in it: nothing of them ends a line.
fn head(case: &Case<'_>) -> String {
    let word = |text: &str| text.chars().filter(|c| !c.is_control()).take(500).collect::<String>();
    let mut head = format!(
        "POST /checkv2 HTTP/1.0\r\nContent-Length: {}\r\nIP: {}\r\nHelo: {}\r\nQueue-Id: {}\r\nMTA-Name: {}\r\nFrom: {}\r\n",
        case.message.len(),
        case.ip,
        word(case.hello),
        case.id,
        case.hostname,
        word(&case.sender.map(ToString::to_string).unwrap_or_default()),
    );
    if let Some(host) = case.host {
        head.push_str(&format!("Hostname: {}\r\n", word(host)));
    }
    for recipient in case.recipients {
        head.push_str(&format!("Rcpt: {}\r\n", word(&recipient.to_string())));
    }
    head + "\r\n"
}

fn read(answer: &[u8]) -> io::Result<Heard> {
    let wrong = |what: &str| io::Error::other(format!("no answer of rspamd: {what}"));
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(|| wrong("no header"))?;
    let status = String::from_utf8_lossy(answer.get(..end).unwrap_or_default()).into_owned();
    let status = status.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(wrong(status));
    }
    let said: Value =
        serde_json::from_slice(answer.get(end + 4..).unwrap_or_default()).map_err(|error| wrong(&error.to_string()))?;
    let action = said["action"].as_str().ok_or_else(|| wrong("no action"))?;
    let (score, required) = (said["score"].as_f64().unwrap_or_default(), said["required_score"].as_f64().unwrap_or_default());
    let line = said["messages"]["smtp_message"].as_str().unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).take(REJECTION_CHARS_MAX).collect();
    let or = |usual: &str| if line.is_empty() { usual.to_string() } else { line.clone() };
    let opinion = match action {
        "reject" => Opinion::Refuse(Reply::named(550, 7, 1, "").saying(or("the mail looks like junk"))),
        "soft reject" | "greylist" => Opinion::Later(Reply::named(451, 7, 1, "").saying(or("try later"))),
        "add header" | "rewrite subject" | "quarantine" => {
            Opinion::Junk(format!("rspamd, which judges mail here, gives it {score:.1} of {required:.1} points for junk."))
        }
        "discard" => Opinion::Junk("rspamd, which judges mail here, would throw it away.".to_string()),
        _ => Opinion::Fine,
    };
    // Read by nobody but people who wonder.
    let field = Change::Add(format!("X-Rspamd-Score: {score:.2} / {required:.2}\r\n"));
    Ok(Heard { opinion, changes: vec![field] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn opinion(body: &str) -> Option<Opinion> {
        read(format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}").as_bytes()).ok().map(|heard| heard.opinion)
    }

    #[test]
    fn actions() {
        assert_eq!(opinion("{\"action\":\"no action\",\"score\":1.0,\"required_score\":15.0}"), Some(Opinion::Fine));
        let junk = opinion("{\"action\":\"add header\",\"score\":7.25,\"required_score\":15.0}");
        assert_eq!(junk, Some(Opinion::Junk("rspamd, which judges mail here, gives it 7.2 of 15.0 points for junk.".into())));
        let refused = opinion("{\"action\":\"reject\",\"messages\":{\"smtp_message\":\"Gtube\\r\\npattern\"}}");
        assert!(matches!(refused, Some(Opinion::Refuse(reply)) if reply.code == 550 && reply.text == "Gtubepattern"));
        assert!(matches!(opinion("{\"action\":\"soft reject\"}"), Some(Opinion::Later(_))));
        for body in ["", "{}", "[]", "{\"action\":7}"] {
            assert_eq!(opinion(body), None, "{body}");
        }
        assert!(read(b"HTTP/1.0 403 Forbidden\r\n\r\n{\"action\":\"reject\"}").is_err());
        assert!(read(b"SSH-2.0-x\r\n").is_err());
    }

    #[test]
    fn a_strangers_words_end_no_line() {
        let sender = "a@b.example".parse().expect("an address");
        let case = Case {
            id: "1",
            hostname: "mail.home.example",
            ip: "2001:db8::1".parse().expect("an address"),
            port: 1,
            host: None,
            hello: "x\r\nRcpt: evil@x",
            sender: Some(&sender),
            recipients: std::slice::from_ref(&sender),
            message: &Message::from(b"12345".as_slice()),
        };
        let head = head(&case);
        assert!(head.contains("Content-Length: 5\r\nIP: 2001:db8::1\r\nHelo: xRcpt: evil@x\r\n"), "{head}");
        assert_eq!(head.matches("\r\nRcpt: ").count(), 1);
    }

    #[tokio::test]
    async fn both_sides_of_the_bound() {
        for (size, good) in [(JUDGE_HTTP_BYTES_MAX, true), (JUDGE_HTTP_BYTES_MAX + 1, false)] {
            let (ours, mut theirs) = tokio::io::duplex(1 << 16);
            tokio::spawn(async move {
                let mut request = [0; 1 << 12];
                let _ = theirs.read(&mut request).await;
                let _ = theirs.write_all(&vec![b' '; size]).await;
            });
            let case = Case {
                id: "1",
                hostname: "h",
                ip: "192.0.2.1".parse().expect("an address"),
                port: 1,
                host: None,
                hello: "x",
                sender: None,
                recipients: &[],
                message: &Message::default(),
            };
            assert_eq!(exchange(ours, &case).await.is_ok(), good, "{size}");
        }
    }
}
