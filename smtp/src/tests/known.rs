// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a person's history with a sender does to their mail.

use std::time::{Duration, Instant};

use hearth_filter::junk::{SENDER_JUNK_FROM, THROWN_FROM};
use hearth_mailstore::address_book::FIRST;
use hearth_mailstore::{Content, Delivery, FlagSet, Recipient, Role, Target, card, lesson, mailbox, memory, message};
use hearth_types::{AccountId, Clock, Timestamp};

use super::house::House;
use super::sessions::submission;
use super::vectors::{Zone, server, text};
use crate::limits::{LEARNT_BYTES_MAX, LESSONS_AT_ONCE_MAX, SENDER_KNOWN, WRITTEN_TO_KEPT, WRITTEN_TO_MAX};
use crate::local::written_to;
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
    let dns = [server(zone).await];
    let message = format!("From: <carol@else.example>\r\nTo: alice@home.example\r\nSubject: x\r\n\r\n{PITCH}\r\n");
    // A first mail waits, but not that of somebody known: a day is longer than any test takes.
    let (day, second) = (Duration::from_secs(24 * 3600), Duration::from_secs(1));
    for (sender, first_sender_delay) in [("carol@else.example", day), ("eve@liar.example", second)] {
        let policy = Policy { first_sender_delay, ..Policy::default() };
        let house = House::of("home.example", &dns, Clock::system(), policy).await;
        befriend(&house, "carol@else.example").await;
        let begun = Instant::now();
        let reply = house.talk_from(Kind::Mx, false, "192.0.2.7").send(sender, &["alice@home.example"], &message).await;
        assert!(reply.starts_with("250 "), "{sender}: {reply}");
        let (inbox, junk) = (reasons(&house, Role::Inbox).await, reasons(&house, Role::Junk).await);
        if first_sender_delay == day {
            assert_eq!((inbox, junk), (vec!["carol@else.example is in your address book.".to_string()], Vec::new()));
        } else {
            assert!(begun.elapsed() >= second, "it did not wait");
            assert!(inbox.is_empty() && junk.len() == 1 && junk[0].starts_with("It reads like junk: "), "{inbox:?} {junk:?}");
        }
    }
}

fn remembers(house: &House, id: String) -> impl Future<Output = bool> + '_ {
    let read = house.server.store.read(house.alice.id, move |tx| memory::is_remembered(tx, &id));
    async move { read.await.expect("read") }
}

#[tokio::test]
async fn how_many_and_how_long_people_are_known() {
    let clock = Clock::fixed(Timestamp::from_secs(1_795_366_800));
    let house = House::with("home.example", &["192.0.2.53:53".parse().expect("an address")], clock.clone()).await;
    let mut pipe = submission(&house).await;
    pipe.sign_in(&house.alice.primary).await;
    let people: Vec<String> = (0..=WRITTEN_TO_MAX).map(|number| format!("p{number}@else.example")).collect();
    let to: Vec<&str> = people.iter().map(String::as_str).collect();
    let reply = pipe.transact("alice@home.example", &to, "From: alice@home.example\r\n\r\nhi\r\n").await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert!(send(&house, "carol@else.example", "hi").await.starts_with("250 "));
    let written_to = |number: usize| remembers(&house, written_to(&people[number]));
    let sender = || remembers(&house, "sender carol@else.example".to_string());
    assert_eq!((written_to(WRITTEN_TO_MAX - 1).await, written_to(WRITTEN_TO_MAX).await), (true, false));
    let second = Duration::from_secs(1);
    clock.advance(SENDER_KNOWN - second);
    assert!(sender().await);
    clock.advance(second);
    assert!(!sender().await && written_to(0).await);
    clock.advance(WRITTEN_TO_KEPT - SENDER_KNOWN - second);
    assert!(written_to(0).await);
    clock.advance(second);
    assert!(!written_to(0).await);
}

/// Mails put into Alice's INBOX as they are, and then called junk.
async fn junk(house: &House, sizes: &[usize]) {
    for (number, size) in sizes.iter().enumerate() {
        let head = format!("From: <eve{number}@else.example>\r\n\r\n");
        let raw = format!("{head}{}", "word ".repeat(*size)).into_bytes()[..*size].to_vec();
        let recipient = Recipient {
            account: house.alice.id,
            prefix: Vec::new(),
            targets: vec![Target::Role(Role::Inbox)],
            flags: FlagSet::EMPTY,
        };
        let id = format!("junk-{number}-{size}-{}", house.server.clock.now().millis());
        let received_at = house.server.clock.now();
        let delivery = Delivery { id, content: Content::Bytes(raw), received_at, recipients: vec![recipient] };
        house.server.store.deliver(delivery).await.expect("delivered");
    }
    move_all(house, house.alice.id, Role::Inbox, Role::Junk).await;
}

/// How many were learnt, once the next mail has come.
async fn learnt(house: &House) -> u32 {
    assert!(send(house, "bob@home.example", "hi").await.starts_with("250 "));
    let counted = house.server.store.read(house.alice.id, |tx| lesson::counts(tx, &[]));
    counted.await.expect("read").0.junk
}

#[tokio::test]
async fn what_is_learnt_at_once() {
    let house = House::new().await;
    let large = usize::try_from(LEARNT_BYTES_MAX).expect("fits");
    junk(&house, &[large, large + 1]).await;
    assert_eq!(learnt(&house).await, 1, "one is too large");
    let house = House::new().await;
    junk(&house, &vec![100; LESSONS_AT_ONCE_MAX + 1]).await;
    let max = u32::try_from(LESSONS_AT_ONCE_MAX).expect("fits");
    assert_eq!((learnt(&house).await, learnt(&house).await), (max, max + 1), "the rest with the next mail");
}
