// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a person's history with a sender does to their mail.

use hearth_filter::junk::{SENDER_JUNK_FROM, THROWN_FROM};
use hearth_mailstore::{Role, mailbox, message};
use hearth_types::AccountId;

use super::house::House;
use super::sessions::submission;

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
