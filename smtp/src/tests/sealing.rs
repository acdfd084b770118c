// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail that should be sealed and cannot be is kept, and its owner told.

use hearth_mailstore::{Role, mailbox, message};

use super::house::House;

const MESSAGE: &str = "From: Carol <carol@else.example>\r\nTo: alice@home.example\r\nSubject: Hello\r\n\r\nhi\r\n";

#[tokio::test]
async fn a_certificate_that_is_gone_costs_no_mail_and_is_told_once() {
    let house = House::new().await;
    house.server.directory.change_sealing(house.alice.id, Some("AB12")).await.expect("chosen");
    for _ in 0..2 {
        let reply = house.talk().send("carol@else.example", &["alice@home.example", "bob@home.example"], MESSAGE).await;
        assert!(reply.starts_with("250 "), "{reply}");
    }
    let seen = house.server.store.read(house.alice.id, |tx| {
        let inbox = mailbox::find_by_role(tx, Role::Inbox)?.expect("an INBOX");
        let ids: Vec<_> = message::view(tx, inbox.id)?.into_iter().map(|entry| entry.id).collect();
        message::summaries(tx, &ids)
    });
    let mut subjects: Vec<_> =
        seen.await.expect("read").into_iter().filter_map(|summary| summary.parsed.envelope.subject.clone()).collect();
    subjects.sort();
    assert_eq!(subjects, ["Hello", "Hello", "Your mail is not encrypted on the disk"]);
}
