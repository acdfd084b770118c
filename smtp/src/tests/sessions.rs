// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail comes in, mail is submitted, TLS begins.

use hearth_mailstore::{Role, quota};
use hearth_net::tls::Connector;
use hearth_types::Address;
use tokio::io::BufReader;

use super::house::{House, Pipe};
use crate::state::Kind;

const MESSAGE: &str =
    "From: Carol <carol@else.example>\r\nTo: alice@home.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n..dots\r\nend\r\n";

#[tokio::test]
async fn a_mail_comes_in_byte_for_byte() {
    let house = House::new().await;
    let reply = house.talk().send("carol@else.example", &["alice@home.example", "Alice+Shop@Home.Example"], MESSAGE).await;
    assert!(reply.starts_with("250 2.6.0 accepted as "), "{reply}");
    let mails = house.mails(house.alice.id, Role::Inbox).await;
    let [mail] = mails.as_slice() else { panic!("{mails:?}") };
    assert!(mail.starts_with("Return-Path: <carol@else.example>\r\nDelivered-To: alice@home.example\r\nReceived: from client.example ([127.0.0.1])\r\n"), "{mail}");
    assert!(
        mail.contains(
            "\r\nAuthentication-Results: mail.home.example; none\r\nX-Hearth-Reason: It comes from a server that this home trusts."
        ),
        "{mail}"
    );
    assert!(mail.ends_with(&MESSAGE.replace("..dots", ".dots")), "{mail}");
    assert!(house.mails(house.bob.id, Role::Inbox).await.is_empty());
}

#[tokio::test]
async fn a_stranger_without_dns_is_not_lost() {
    let house = House::new().await;
    let mut pipe = house.talk_from(Kind::Mx, false, "192.0.2.7");
    let reply = pipe.send("carol@else.example", &["alice@home.example"], MESSAGE).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let mails = house.mails(house.alice.id, Role::Inbox).await;
    assert!(mails[0].contains("spf=temperror") && mails[0].contains("could not be looked up"), "{}", mails[0]);
}

#[tokio::test]
async fn an_alias_reaches_all_of_its_people_once() {
    let house = House::new().await;
    let all: Address = "all@home.example".parse().expect("an address");
    let targets: Vec<Address> =
        ["alice@home.example", "bob@home.example", "carol@else.example"].iter().map(|a| a.parse().expect("an address")).collect();
    house.server.directory.add_alias(&all, &targets).await.expect("an alias");
    let reply = house.talk().send("dave@else.example", &["all@home.example", "bob@home.example"], MESSAGE).await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(house.mails(house.alice.id, Role::Inbox).await.len(), 1);
    assert_eq!(house.mails(house.bob.id, Role::Inbox).await.len(), 1);
    let queued = house.server.queue.list().await.expect("a list");
    assert_eq!(queued.len(), 1);
    assert_eq!(queued[0].recipients[0].address, "carol@else.example");
    assert!(queued[0].sender.starts_with("SRS0=") && queued[0].sender.ends_with("=else.example=dave@home.example"));
}

#[tokio::test]
async fn a_full_mailbox_is_said_at_rcpt_and_after_data() {
    let house = House::new().await;
    let limit = |bytes| {
        let store = house.server.store.clone();
        let account = house.alice.id;
        async move {
            store
                .write(account, hearth_mailstore::Durability::Synced, move |tx| quota::set_limit(tx, Some(bytes)))
                .await
                .expect("a limit");
        }
    };
    limit(1000).await;
    let mut pipe = house.talk();
    pipe.reply().await;
    pipe.say("EHLO x").await;
    pipe.say("MAIL FROM:<c@else.example> SIZE=2000").await;
    assert_eq!(pipe.say("RCPT TO:<alice@home.example>").await, "452 4.2.2 the mailbox is full\r\n");
    pipe.say("RSET").await;
    let big = format!("{MESSAGE}{}", "0123456789\r\n".repeat(200));
    let reply = pipe.transact("c@else.example", &["alice@home.example"], &big).await;
    assert_eq!(reply, "452 4.2.2 the mailbox is full\r\n");
    // One of two: accepted, and the sender is told of the other.
    let reply = pipe.transact("c@else.example", &["alice@home.example", "bob@home.example"], &big).await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(house.mails(house.bob.id, Role::Inbox).await.len(), 1);
    let queued = house.server.queue.list().await.expect("a list");
    assert_eq!((queued.len(), queued[0].recipients[0].address.as_str()), (1, "c@else.example"));
}

#[tokio::test]
async fn chunks_are_one_message() {
    let house = House::new().await;
    let mut pipe = house.talk();
    pipe.reply().await;
    pipe.say("EHLO x").await;
    pipe.write("MAIL FROM:<c@else.example>\r\nRCPT TO:<alice@home.example>\r\nBDAT 20\r\nFrom: c@else.exampleBDAT 17 LAST\r\n\r\n\r\n.\r\nQUIT\r\n..\r\n").await;
    for want in ["250 2.1.0", "250 2.1.5", "250 2.0.0 20 octets", "250 2.6.0"] {
        let reply = pipe.reply().await;
        assert!(reply.starts_with(want), "{reply}");
    }
    let mails = house.mails(house.alice.id, Role::Inbox).await;
    assert!(mails[0].ends_with("From: c@else.example\r\n\r\n.\r\nQUIT\r\n..\r\n"), "{}", mails[0]);
}

#[tokio::test]
async fn starttls_then_everything_is_forgotten() {
    let house = House::new().await;
    let mut pipe = house.talk();
    pipe.reply().await;
    assert!(pipe.say("EHLO before.example").await.contains("250-STARTTLS\r\n"));
    assert!(pipe.say("STARTTLS").await.starts_with("220 2.0.0"));
    let connector = Connector::new(&[house.folder.path().join("tls/node.pem")]).expect("a connector");
    let (stream, facts) = connector.verified("mail.home.example", pipe.stream.into_inner()).await.expect("TLS");
    assert_eq!(facts.version, "TLSv1.3");
    let mut stream = BufReader::new(stream);
    let mut say = async |line: &str| {
        use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
        stream.write_all(format!("{line}\r\n").as_bytes()).await.expect("written");
        let mut reply = String::new();
        loop {
            let start = reply.len();
            stream.read_line(&mut reply).await.expect("read");
            if reply.as_bytes().get(start + 3) != Some(&b'-') {
                return reply;
            }
        }
    };
    assert!(say("MAIL FROM:<c@else.example>").await.starts_with("503 "));
    assert!(!say("EHLO after.example").await.contains("STARTTLS"));
    assert!(say("STARTTLS").await.starts_with("503 "));
    say("MAIL FROM:<c@else.example>").await;
    say("RCPT TO:<alice@home.example>").await;
    say("DATA").await;
    assert!(say("From: c@else.example\r\n\r\nhi\r\n.").await.starts_with("250 "));
    let mails = house.mails(house.alice.id, Role::Inbox).await;
    assert!(mails[0].contains("with ESMTPS\r\n\t(TLSv1.3 TLS_"), "{}", mails[0]);
}

#[tokio::test]
async fn what_stands_behind_starttls_is_not_taken_for_said_inside() {
    let house = House::new().await;
    let mut pipe = house.talk();
    pipe.reply().await;
    pipe.say("EHLO x").await;
    pipe.write("STARTTLS\r\nRSET\r\n").await;
    assert!(pipe.reply().await.starts_with("501 "));
    assert_eq!(pipe.rest().await, "");
}

pub(super) async fn submission(house: &House) -> Pipe {
    // The pipe stands for the inside of TLS; the handshake has a test of its own.
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let local = "127.0.0.1:465".parse().expect("an address");
    let peer = hearth_net::listen::Peer { remote: local, local };
    let ctx = crate::ctx::Ctx { server: std::sync::Arc::clone(&house.server), peer, tls: None };
    tokio::spawn(async move {
        crate::session::converse(&ctx, crate::state::State::new(Kind::Submission, true), ours, true).await.map(|_| ())
    });
    let mut pipe = Pipe { stream: BufReader::new(theirs) };
    pipe.reply().await;
    pipe.say("EHLO [127.0.0.1]").await;
    pipe
}

#[tokio::test]
async fn a_submission_is_completed_and_queued() {
    let house = House::new().await;
    let mut pipe = submission(&house).await;
    assert_eq!(pipe.sign_in(&house.alice.primary).await, "235 2.7.0 you are signed in\r\n");
    let message = "From: alice@home.example\r\nBcc: bob@home.example\r\nSubject: x\r\n\r\nhi\r\n";
    let reply = pipe.transact("alice@home.example", &["bob@home.example", "carol@else.example"], message).await;
    assert!(reply.starts_with("250 2.6.0 queued as "), "{reply}");
    let queued = house.server.queue.list().await.expect("a list");
    let raw = house.server.queue.body(queued[0].id).await.expect("a body").expect("there");
    let raw = String::from_utf8(raw).expect("text");
    assert!(raw.starts_with("Received: from [127.0.0.1]\r\n\tby mail.home.example (Hearth) with ESMTPSA\r\n"), "{raw}");
    assert!(raw.contains("\r\nDate: ") && raw.contains("\r\nMessage-ID: <") && !raw.contains("Bcc"), "{raw}");
    assert_eq!(queued[0].recipients.len(), 2);
}

#[tokio::test]
async fn a_submission_is_the_account_s_own() {
    let house = House::new().await;
    let mut pipe = submission(&house).await;
    assert!(pipe.say("MAIL FROM:<alice@home.example>").await.starts_with("530 5.7.0"));
    pipe.sign_in(&house.alice.primary).await;
    assert!(pipe.say("MAIL FROM:<bob@home.example>").await.starts_with("553 5.7.1"));
    assert!(pipe.say("MAIL FROM:<>").await.starts_with("553 5.7.1"));
    for from in [
        "bob@home.example",
        "Alice <alice@home.example>, Bob <bob@home.example>",
        "alice@home.example\r\nFrom: bob@home.example",
        "",
    ] {
        let reply = pipe.transact("alice@home.example", &["carol@else.example"], &format!("From: {from}\r\n\r\nhi\r\n")).await;
        assert!(reply.starts_with("550 "), "{from}: {reply}");
    }
    let reply =
        pipe.transact("alice+tag@home.example", &["carol@else.example"], "From: Alice <alice+x@home.example>\r\n\r\nhi\r\n").await;
    assert!(reply.starts_with("250 "), "{reply}");
}

#[tokio::test]
async fn a_wrong_password_is_refused_three_times() {
    let house = House::new().await;
    let mut pipe = submission(&house).await;
    let wrong = "AUTH PLAIN AGFsaWNlQGhvbWUuZXhhbXBsZQB3cm9uZw==";
    assert!(pipe.say(wrong).await.starts_with("535 5.7.8"));
    assert!(pipe.say(wrong).await.starts_with("535 5.7.8"));
    assert!(pipe.say(wrong).await.starts_with("535 5.7.8"));
    assert!(pipe.reply().await.starts_with("421 4.7.0"));
    assert_eq!(pipe.rest().await, "");
}

#[tokio::test]
async fn a_stopping_server_says_so() {
    let house = House::new().await;
    let mut pipe = house.talk();
    pipe.reply().await;
    house.server.stop.request();
    assert!(pipe.reply().await.starts_with("421 4.3.2"));
    assert_eq!(pipe.rest().await, "");
}

#[tokio::test]
async fn a_device_that_is_taken_back_is_cut() {
    let house = House::new().await;
    let mut pipe = submission(&house).await;
    assert!(pipe.sign_in(&house.alice.primary).await.starts_with("235 "));
    assert!(pipe.say("NOOP").await.starts_with("250 "));
    let sessions = house.server.directory.list_sessions(house.alice.id).await.expect("a list");
    assert!(house.server.directory.end_session(sessions[0].id).await.expect("ended"));
    let told = tokio::time::timeout(std::time::Duration::from_secs(5), pipe.reply()).await.expect("told");
    assert!(told.starts_with("421 4.3.2 your sign-in has ended"), "{told}");
    assert_eq!(pipe.rest().await, "");
}
