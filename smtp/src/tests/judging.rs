// SPDX-License-Identifier: AGPL-3.0-or-later
//! A judge outside, over a socket, and what becomes of the mail.

use hearth_mailstore::Role;
use hearth_types::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::house::House;
use crate::judges::Judge;
use crate::limits::MESSAGE_IN_MEMORY_BYTES_MAX;
use crate::policy::Policy;
use crate::state::Kind;

/// An rspamd that says this of each mail.
pub(super) async fn rspamd(says: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{says}").as_bytes()).await;
        }
    });
    format!("rspamd:{address}")
}

pub(super) async fn house(judge: &str, must_answer: bool) -> House {
    let judges = vec![Judge::parse(judge).expect("a judge")];
    let policy = Policy { judges, judges_must_answer: must_answer, ..Policy::default() };
    House::of("home.example", &["127.0.0.1:9".parse().expect("an address")], Clock::system(), policy).await
}

pub(super) async fn send(house: &House) -> String {
    let mut pipe = house.talk_from(Kind::Mx, false, "192.0.2.7");
    pipe.send("c@else.example", &["alice@home.example"], "From: c@else.example\r\nSubject: x\r\n\r\nhi\r\n").await
}

#[tokio::test]
async fn what_a_judge_says_is_done() {
    let house = house(&rspamd("{\"action\":\"add header\",\"score\":7,\"required_score\":15}").await, true).await;
    assert!(send(&house).await.starts_with("250 "));
    let junk = house.mails(house.alice.id, Role::Junk).await;
    assert!(junk[0].contains("X-Rspamd-Score: 7.00 / 15.00\r\n"), "{}", junk[0]);
    assert!(junk[0].contains("X-Hearth-Reason: rspamd, which judges mail here, gives it 7.0 of 15.0 points"), "{}", junk[0]);
}

#[tokio::test]
async fn a_refusal_is_the_senders_to_hear() {
    let house = house(&rspamd("{\"action\":\"reject\",\"messages\":{\"smtp_message\":\"Gtube pattern\"}}").await, false).await;
    assert_eq!(send(&house).await, "550 5.7.1 Gtube pattern\r\n");
    assert!(house.mails(house.alice.id, Role::Inbox).await.is_empty());
}

#[tokio::test]
async fn a_silent_judge_costs_no_mail() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let judge = format!("milter:{closed}");
    assert!(send(&house(&judge, true).await).await.starts_with("451 4.7.1 "));
    let open = house(&judge, false).await;
    assert!(send(&open).await.starts_with("250 "));
    assert_eq!(open.mails(open.alice.id, Role::Inbox).await.len(), 1);
}

/// A judge that lets all pass, and tells what it was shown of each mail.
async fn listening<F>(judge: impl Fn(TcpStream) -> F + Send + 'static) -> (String, mpsc::UnboundedReceiver<Vec<u8>>)
where
    F: Future<Output = std::io::Result<Vec<u8>>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (shown, hears) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = shown.send(judge(stream).await.expect("a whole conversation"));
        }
    });
    (address, hears)
}

/// As rspamd does, it reads as much as Content-Length says before it answers.
async fn as_rspamd(mut stream: TcpStream) -> std::io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let body = loop {
        stream.read_buf(&mut request).await?;
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&request[..body]).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok()).expect("a length");
    let read = request.len();
    request.resize(body + length, 0);
    stream.read_exact(&mut request[read..]).await?;
    stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n{\"action\":\"no action\"}").await?;
    Ok(request.split_off(body))
}

/// As a milter does, it takes the body piece by piece and answers each.
async fn as_milter(mut stream: TcpStream) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut packet = vec![0; stream.read_u32().await? as usize];
        stream.read_exact(&mut packet).await?;
        let answer: &[u8] = match packet[0] {
            b'O' => b"O\0\0\0\x06\0\0\0\x31\0\0\0\0",
            b'D' => continue,
            b'Q' => return Ok(body),
            b'B' => {
                body.extend_from_slice(&packet[1..]);
                b"c"
            }
            _ => b"c",
        };
        stream.write_u32(answer.len() as u32).await?;
        stream.write_all(answer).await?;
    }
}

/// Of a mail that is in a file, as of any other.
#[tokio::test(flavor = "multi_thread")]
async fn judges_are_shown_all_of_a_large_mail() {
    let (http, mut http_hears) = listening(as_rspamd).await;
    let (milter, mut milter_hears) = listening(as_milter).await;
    let body: String = (0..5 * MESSAGE_IN_MEMORY_BYTES_MAX / 2 / 64).map(|n| format!("line {n:<57}\r\n")).collect();
    let mail = format!("From: c@else.example\r\nSubject: large\r\n\r\n{body}");
    assert!(mail.len() > 2 * MESSAGE_IN_MEMORY_BYTES_MAX);
    let judges = [format!("rspamd:{http}"), format!("milter:{milter}")];
    let judges = judges.iter().map(|judge| Judge::parse(judge).expect("a judge")).collect();
    let policy = Policy { judges, judges_must_answer: true, ..Policy::default() };
    let house = House::of("home.example", &["127.0.0.1:9".parse().expect("an address")], Clock::system(), policy).await;
    let mut pipe = house.talk_from(Kind::Mx, false, "192.0.2.7");
    let reply = pipe.send("c@else.example", &["alice@home.example"], &mail).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let shown = http_hears.recv().await.expect("a mail");
    assert!(shown.ends_with(mail.as_bytes()), "{} octets of {}", shown.len(), mail.len());
    let shown = milter_hears.recv().await.expect("a mail");
    assert!(shown == body.as_bytes(), "{} octets of {}", shown.len(), body.len());
    let kept = house.mails(house.alice.id, Role::Inbox).await;
    assert!(kept[0].contains("X-Rspamd-Score: ") && kept[0].ends_with(&body), "what they add stands in front of all of it");
}
