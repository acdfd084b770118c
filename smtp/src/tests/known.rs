// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a person's history with a sender does to their mail.

use std::time::{Duration, Instant};

use hearth_filter::junk::{SENDER_JUNK_FROM, THROWN_FROM};
use hearth_mailstore::address_book::FIRST;
use hearth_mailstore::{Role, card, mailbox, message};
use hearth_types::{AccountId, Clock};

use super::house::House;
use super::sessions::submission;
use super::vectors::{Zone, server, text};
use crate::policy::Policy;
use crate::state::Kind;

/// The words of a fresh mailbox's prior are enough against it.
const PITCH: &str = "Congratulations winner! Claim your lottery prize now, click the link, viagra and casino bonus inside.";

async fn send(house: &House, from: &str, text: &str) -> String {
    let message = format!("From: <{from}>\r\nTo: alice@home.example\r\nSubject: x\r\n\r\n{text}\r\n");
    house.talk().send(from, &["alice@home.example"], &message).await
}

/// The reasons of the mails of a mailbox.
async fn reasons(house: &House, role: Role) -> Vec<String> {
    let of = |mail: String| mail.split("X-Hearth-Reason: ").nth(1).and_then(|rest| rest.split("\r\n").next().map(str::to_string));
    house.mails(house.alice.id, role).await.into_iter().filter_map(of).collect()
}

async fn move_all(house: &House, account: AccountId, from: Role, to: Role) {
    let moved = house.server.store.write(account, hearth_mailstore::Durability::Synced, move |tx| {
        let (from, to) = (mailbox::find_by_role(tx, from)?.expect("there"), mailbox::find_by_role(tx, to)?.expect("there"));
        let uids: Vec<u32> = message::view(tx, from.id)?.iter().map(|entry| entry.uid).collect();
        message::move_to(tx, from.id, &uids, to.id)
    });
    moved.await.expect("moved");
}

#[tokio::test]
async fn whom_somebody_wrote_to_is_no_stranger() {
    let house = House::new().await;
    assert!(send(&house, "carol@else.example", PITCH).await.starts_with("250 "));
    assert!(reasons(&house, Role::Junk).await[0].starts_with("It reads like junk: "));
    let mut pipe = submission(&house).await;
    pipe.sign_in(&house.alice.primary).await;
    let reply = pipe.transact("alice@home.example", &["Carol@else.example"], "From: alice@home.example\r\n\r\nhi\r\n").await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert!(send(&house, "carol@else.example", PITCH).await.starts_with("250 "));
    assert_eq!(reasons(&house, Role::Inbox).await, ["You have written to carol@else.example."]);
    // Their neighbours are strangers still.
    assert!(send(&house, "eve@else.example", PITCH).await.starts_with("250 "));
    assert_eq!(reasons(&house, Role::Junk).await.len(), 2);
}

#[tokio::test]
async fn who_was_called_junk_is_junk_and_who_was_kept_is_not() {
    let house = House::new().await;
    let (letter, alice) = ("Shall we meet on Thursday?", house.alice.id);
    for _ in 0..SENDER_JUNK_FROM {
        assert!(send(&house, "eve@else.example", letter).await.starts_with("250 "));
    }
    move_all(&house, alice, Role::Inbox, Role::Junk).await;
    assert!(send(&house, "eve@else.example", "Something else altogether").await.starts_with("250 "));
    assert_eq!(
        reasons(&house, Role::Junk).await.last().map(String::as_str),
        Some("You called mail from eve@else.example junk before.")
    );
    // Wanted after all: taken out of Junk, it is kept.
    move_all(&house, alice, Role::Junk, Role::Archive).await;
    assert!(send(&house, "eve@else.example", PITCH).await.starts_with("250 "));
    assert_eq!(reasons(&house, Role::Inbox).await, ["You kept mail from eve@else.example before."]);
}

#[tokio::test]
async fn what_is_thrown_away_unread_is_counted() {
    let house = House::new().await;
    for _ in 0..THROWN_FROM {
        assert!(send(&house, "news@else.example", "This week in the garden").await.starts_with("250 "));
    }
    move_all(&house, house.alice.id, Role::Inbox, Role::Trash).await;
    assert!(send(&house, "news@else.example", "Next week in the garden").await.starts_with("250 "));
    assert_eq!(house.mails(house.alice.id, Role::Inbox).await.len(), 1, "of itself it is no junk");
    let thrown = house.server.store.read(house.alice.id, |tx| {
        let mail = hearth_wire::message::parse(b"From: news@else.example\r\n\r\n");
        let sender = hearth_filter::junk::sender(&mail).expect("a sender");
        hearth_mailstore::lesson::count_of(tx, sender.of_thrown)
    });
    assert_eq!(thrown.await.expect("read").junk, THROWN_FROM);
}

/// alice puts somebody into her address book.
async fn befriend(house: &House, address: &str) -> hearth_types::CardId {
    let content = card::Content { uid: address.to_string(), addresses: vec![address.to_string()], json: "{}".to_string() };
    let write = move |tx: &mut hearth_mailstore::MailTx<'_>| card::add(tx, content, &[FIRST]);
    house.server.store.write(house.alice.id, hearth_mailstore::Durability::Synced, write).await.expect("a card")
}

#[tokio::test]
async fn who_is_in_the_address_book_is_known_while_the_card_is_there() {
    let house = House::new().await;
    let card = befriend(&house, "carol@else.example").await;
    assert!(send(&house, "Carol@Else.example", PITCH).await.starts_with("250 "));
    assert_eq!(reasons(&house, Role::Inbox).await, ["carol@else.example is in your address book."]);
    assert!(send(&house, "dave@else.example", PITCH).await.starts_with("250 "));
    let remove = move |tx: &mut hearth_mailstore::MailTx<'_>| card::remove(tx, card);
    house.server.store.write(house.alice.id, hearth_mailstore::Durability::Synced, remove).await.expect("removed");
    assert!(send(&house, "carol@else.example", PITCH).await.starts_with("250 "));
    assert_eq!(reasons(&house, Role::Inbox).await.len(), 1);
    let junk = reasons(&house, Role::Junk).await;
    assert!(junk.len() == 2 && junk.iter().all(|reason| reason.starts_with("It reads like junk: ")), "{junk:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_borrows_a_name_from_the_address_book_is_a_stranger() {
    let mut zone = Zone::new();
    for domain in ["else.example", "liar.example"] {
        zone.insert(domain.into(), vec![Some(text(&["v=spf1 ip4:192.0.2.7 -all"]))]);
    }
    let delay = Duration::from_secs(5);
    let policy = Policy { first_sender_delay: delay, ..Policy::default() };
    let house = House::of("home.example", &[server(zone).await], Clock::system(), policy).await;
    befriend(&house, "carol@else.example").await;
    let message = format!("From: <carol@else.example>\r\nTo: alice@home.example\r\nSubject: x\r\n\r\n{PITCH}\r\n");
    let mut took = Vec::new();
    for sender in ["carol@else.example", "eve@liar.example"] {
        let begun = Instant::now();
        let reply = house.talk_from(Kind::Mx, false, "192.0.2.7").send(sender, &["alice@home.example"], &message).await;
        assert!(reply.starts_with("250 "), "{sender}: {reply}");
        took.push(begun.elapsed());
    }
    assert_eq!(reasons(&house, Role::Inbox).await, ["carol@else.example is in your address book."]);
    let junk = reasons(&house, Role::Junk).await;
    assert!(junk.len() == 1 && junk[0].starts_with("It reads like junk: "), "{junk:?}");
    assert!(took[0] < delay && took[1] >= delay, "a first mail waits, but not that of somebody known: {took:?}");
}
