// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bounds of what a sender hears, each from both sides.

use hearth_mailstore::Role;
use hearth_types::Address;

use super::filtering::{rules, work_until_alice_has_mail};
use super::house::House;
use crate::limits::{REJECTION_CHARS_MAX, RETURNED_BYTES_MAX};
use crate::queue::NewMail;

const MESSAGE: &str = "From: carol@else.example\r\nSubject: Hello\r\n\r\nhi\r\n";

#[tokio::test]
async fn what_a_script_says_to_a_sender() {
    let house = House::new().await;
    for (chars, said) in [(REJECTION_CHARS_MAX, REJECTION_CHARS_MAX), (REJECTION_CHARS_MAX + 1, REJECTION_CHARS_MAX)] {
        rules(&house, house.alice.id, &format!("require \"ereject\"; ereject \"{}\";", "n".repeat(chars))).await;
        let reply = house.talk().send("carol@else.example", &["alice@home.example"], MESSAGE).await;
        assert_eq!(reply, format!("550 5.7.1 {}\r\n", "n".repeat(said)));
    }
}

/// RFC 3461 §4.3: RET=FULL is a wish.
#[tokio::test]
async fn what_comes_back_whole() {
    for (size, whole) in [(RETURNED_BYTES_MAX, true), (RETURNED_BYTES_MAX + 1, false)] {
        let house = House::new().await;
        let head = "From: alice@home.example\r\nSubject: Hello\r\n\r\n";
        let body = "x".repeat(size - head.len() - "\r\nneedle\r\n".len());
        let nobody: Address = "nobody@home.example".parse().expect("an address");
        let message = format!("{head}{body}\r\nneedle\r\n").into_bytes();
        assert_eq!(message.len(), size);
        let mail = NewMail {
            return_full: true,
            ..crate::local::leaving(Some(house.alice.primary.clone()), vec![nobody], Vec::new(), message.into())
        };
        house.server.queue.enqueue(mail).await.expect("queued");
        work_until_alice_has_mail(&house).await;
        let told = house.wait_for(house.alice.id, Role::Inbox, 1).await;
        assert!(told[0].contains("nobody@home.example") && told[0].contains("Subject: Hello"), "{}", told[0].len());
        assert_eq!(told[0].contains("needle"), whole, "{size}");
    }
}
