// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mails that are never in memory as a whole: the same is found of them, and the same done with them, as of small ones.

use std::io::{Read, Write};
use std::net::Ipv4Addr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hearth_mailstore::{Durability, Role, script};
use hearth_types::Clock;

use super::homes::{DkimKeys, dns};
use super::house::House;
use super::sessions::submission;
use crate::inbound::check::{self, Finding, Findings, Subject};
use crate::limits::MESSAGE_IN_MEMORY_BYTES_MAX;
use crate::message::{Message, Spool};
use crate::policy::Policy;
use crate::seal;

const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const TOP: &str = "From: Alice <alice@one.example>\r\nTo: alice@home.example\r\nSubject: Pictures\r\nMIME-Version: 1.0\r\n\
    Date: Mon, 23 Nov 2026 01:00:00 +0000\r\nMessage-ID: <1@one.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";

/// Lines of base64 that are no picture.
fn picture() -> String {
    let line = format!("{}\r\n", BASE64_STANDARD.encode([0xa5; 57]));
    line.repeat(2 * MESSAGE_IN_MEMORY_BYTES_MAX / line.len())
}

/// A text, a large part, and a text behind it.
fn mail() -> String {
    format!(
        "{TOP}--b\r\n\r\nDear Bob, see below.\r\n--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\
         --b\r\n\r\nYours, Alice\r\n--b--\r\n",
        picture()
    )
}

fn spooled(house: &House, octets: &[u8]) -> Message {
    let mut spool = Spool::new(house.server.queue.dir());
    spool.write_all(octets).expect("written");
    let message = spool.finish().expect("finished");
    assert!(message.whole().is_none());
    message
}

fn read(message: &Message) -> Vec<u8> {
    let mut all = Vec::new();
    message.reader().and_then(|mut reader| reader.read_to_end(&mut all)).expect("read");
    all
}

async fn found(house: &House, message: &Message) -> Findings {
    let sender = "alice@one.example".parse().expect("an address");
    let subject = Subject {
        hostname: "mail.home.example",
        ip: HERE.into(),
        hello: "mail.one.example",
        sender: Some(&sender),
        recipients: &[],
        message,
    };
    check::run(&subject, &house.server.dns, &Policy::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_over_the_last_octet() {
    let keys = DkimKeys::generate();
    let dns = dns(&[("one.example", HERE, &keys)]).await;
    let house = House::with("one.example", &[dns], Clock::system()).await;
    keys.write(&house);
    let signer = house.server.signer.keys_of(&house.domain).await.expect("keys");
    let message = spooled(&house, mail().as_bytes());
    let signed = message.with_fields(signer.sign(&message).expect("signed").as_bytes());
    let octets = read(&signed);
    let large = found(&house, &signed).await;
    assert_eq!(large.dkim.iter().map(|one| one.finding).collect::<Vec<_>>(), [Finding::Pass; 2]);
    assert_eq!(large.dmarc.finding, Finding::Pass);
    assert_eq!(found(&house, &octets.clone().into()).await, large, "in memory it is the same");
    for at in [octets.len() - 5, octets.len() / 2] {
        let mut changed = octets.clone();
        changed[at] ^= 1;
        let large = found(&house, &spooled(&house, &changed)).await;
        assert!(large.dkim.iter().all(|one| one.finding != Finding::Pass), "at {at}");
        assert_eq!(found(&house, &changed.into()).await, large, "in memory it is the same");
    }
    let set = seal::seal(&house.server, &house.domain, &signed, "mail.home.example; dkim=pass").await;
    let sealed = signed.with_fields(set.as_bytes());
    assert_eq!(found(&house, &sealed).await.arc, Finding::Pass);
    let mut changed = read(&sealed);
    let last = changed.len() - 5;
    changed[last] ^= 1;
    assert_ne!(found(&house, &spooled(&house, &changed)).await.arc, Finding::Pass);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_delivered_as_it_came() {
    let house = House::new().await;
    let mail = mail();
    let reply = house.talk().send("c@else.example", &["alice@home.example", "bob@home.example"], &mail).await;
    assert!(reply.starts_with("250 "), "{reply}");
    for person in [house.alice.id, house.bob.id] {
        let mails = house.mails(person, Role::Inbox).await;
        assert!(mails.len() == 1 && mails[0].ends_with(&mail));
        assert!(mails[0].starts_with("Return-Path: <c@else.example>\r\nDelivered-To: "));
    }
    let left = std::fs::read_dir(house.server.queue.dir()).expect("a folder");
    let names: Vec<_> = left.map(|entry| entry.expect("one").file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().all(|name| name.starts_with("queue.db")), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_see_its_size_its_texts_and_its_header() {
    let house = House::new().await;
    let rules = async |text: &str| {
        let text = text.to_string();
        let done = house.server.store.write(house.alice.id, Durability::Synced, move |tx| {
            script::put(tx, "rules", text.as_bytes())?;
            script::activate(tx, Some("rules"))
        });
        done.await.expect("a script");
    };
    let mail = mail();
    rules(
        "require [\"fileinto\", \"mailbox\", \"body\", \"editheader\"];\r\n\
         if not allof (size :over 2M, size :under 3M, body :contains \"Yours, Alice\") { stop; }\r\n\
         addheader \"X-Seen\" \"yes\"; fileinto :create \"Large\";",
    )
    .await;
    assert!(house.talk().send("c@else.example", &["alice@home.example"], &mail).await.starts_with("250 "));
    assert_eq!(house.mails(house.alice.id, Role::Inbox).await.len(), 0);
    let filed = house.server.store.read(house.alice.id, |tx| {
        let large = hearth_mailstore::mailbox::find_by_name(tx, "Large")?.expect("made");
        let entry = hearth_mailstore::message::view(tx, large.id)?.remove(0);
        hearth_mailstore::message::body(tx, entry.id)?.expect("a body").bytes()
    });
    let filed = String::from_utf8(filed.await.expect("read")).expect("text");
    assert!(filed.starts_with("X-Seen: yes\r\n") && filed.contains("Delivered-To: alice@home.example\r\n"));
    let body = mail.split_once("\r\n\r\n").expect("a body").1;
    assert!(filed.ends_with(body), "all of the body");
    // Parts that a script would change stay as they came, and its owner hears of it.
    rules(
        "require [\"foreverypart\", \"replace\"]; \
         foreverypart { if header :contains \"content-type\" \"image\" { replace \"no pictures\"; } }",
    )
    .await;
    assert!(house.talk().send("c@else.example", &["alice@home.example"], &mail).await.starts_with("250 "));
    let mails = house.mails(house.alice.id, Role::Inbox).await;
    assert_eq!(mails.len(), 2);
    assert!(mails.iter().any(|one| one.ends_with(body)) && mails.iter().any(|one| one.contains("too large for its parts")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_signed_and_queued() {
    let keys = DkimKeys::generate();
    let dns = dns(&[("one.example", HERE, &keys)]).await;
    let house = House::with("one.example", &[dns], Clock::system()).await;
    keys.write(&house);
    let mut pipe = submission(&house).await;
    pipe.sign_in(&house.alice.primary).await;
    let reply = pipe.transact("alice@one.example", &["carol@else.example"], &mail()).await;
    assert!(reply.starts_with("250 2.6.0 queued as "), "{reply}");
    let queued = house.server.queue.list().await.expect("a list");
    let message = house.server.queue.body(queued[0].id).await.expect("read").expect("there");
    assert!(message.whole().is_none());
    let body = mail();
    assert!(read(&message).ends_with(body.split_once("\r\n\r\n").expect("a body").1.as_bytes()));
    let dkim = found(&house, &message).await.dkim;
    assert_eq!(dkim.iter().map(|one| one.finding).collect::<Vec<_>>(), [Finding::Pass; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_come_in_chunks_and_binary() {
    let house = House::new().await;
    let octets: Vec<u8> = (0..2 * MESSAGE_IN_MEMORY_BYTES_MAX).map(|n| (n % 251) as u8).collect();
    let head = format!("{TOP}--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n");
    let mut pipe = house.talk();
    pipe.reply().await;
    pipe.say("EHLO client.example").await;
    assert!(pipe.say("MAIL FROM:<c@else.example> BODY=BINARYMIME").await.starts_with("250 "));
    assert!(pipe.say("RCPT TO:<alice@home.example>").await.starts_with("250 "));
    for (piece, last) in [(head.as_bytes(), ""), (&octets, ""), (b"\r\n--b--\r\n", " LAST")] {
        pipe.write(format!("BDAT {}{last}\r\n", piece.len())).await;
        pipe.write(piece).await;
        let reply = pipe.reply().await;
        assert!(reply.starts_with("250 "), "{reply}");
    }
    let mail = house.mails(house.alice.id, Role::Inbox).await.remove(0);
    let body = mail.split_once("Content-Transfer-Encoding: base64\r\n\r\n").expect("converted").1;
    let body: String = body.split_once("\r\n--b--").expect("an end").0.split("\r\n").collect();
    assert_eq!(BASE64_STANDARD.decode(body).expect("base64"), octets);
}
