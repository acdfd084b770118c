// SPDX-License-Identifier: AGPL-3.0-or-later
//! Letters of the house go from the directory into the queue, once.

use hearth_mailstore::{Durability, Role, mailbox, script};
use hearth_types::Address;

use super::house::House;
use crate::queue::letters;

const LETTER: &[u8] = b"From: <postmaster@home.example>\r\nTo: <carol@there.example>\r\nSubject: hello\r\n\r\nhi\r\n";

#[tokio::test]
async fn a_letter_is_taken_once() {
    let house = House::new().await;
    let carol = Address::parse("carol@there.example").expect("an address");
    let directory = &house.server.directory;
    directory.add_letter(&carol, LETTER.to_vec()).await.expect("written");
    let waiting = directory.list_letters(9).await.expect("a list");
    letters::take(&house.server).await.expect("taken");
    assert!(directory.list_letters(9).await.expect("a list").is_empty());
    let queued = house.server.queue.list().await.expect("a list");
    assert_eq!(queued.len(), 1);
    assert_eq!((queued[0].id, queued[0].sender.is_empty()), (waiting[0].id, true));
    assert_eq!(queued[0].recipients[0].address, carol.to_string());
    letters::take(&house.server).await.expect("nothing to do");
    assert_eq!(house.server.queue.list().await.expect("a list").len(), 1);
}

#[tokio::test]
async fn no_rule_hides_a_letter_of_the_house() {
    let house = House::new().await;
    let written = house.server.store.write(house.alice.id, Durability::Synced, |tx| {
        script::put(tx, "rules", b"redirect \"mallory@elsewhere.example\";")?;
        script::activate(tx, Some("rules"))
    });
    written.await.expect("a script");
    house.server.directory.add_letter(&house.alice.primary, LETTER.to_vec()).await.expect("written");
    letters::take(&house.server).await.expect("taken");
    letters::take(&house.server).await.expect("nothing to do");
    let inbox = house.server.store.read(house.alice.id, |tx| mailbox::find_by_role(tx, Role::Inbox)).await.expect("read");
    assert_eq!(inbox.expect("an INBOX").total, 1);
    assert!(house.server.queue.list().await.expect("a list").is_empty(), "nothing leaves");
}
