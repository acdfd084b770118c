// SPDX-License-Identifier: AGPL-3.0-or-later
//! Letters of the house go from the directory into the queue, once.

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
