// SPDX-License-Identifier: AGPL-3.0-or-later
//! A judge outside, over a socket, and what becomes of the mail.

use hearth_mailstore::Role;
use hearth_types::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::house::House;
use crate::judges::Judge;
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
