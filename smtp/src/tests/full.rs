// SPDX-License-Identifier: AGPL-3.0-or-later
//! A mailbox that is full: what of a mail comes again, what is given up and said, and that nothing goes twice.

use std::sync::Arc;
use std::time::Duration;

use hearth_mailstore::{Durability, Role, quota};
use hearth_types::{AccountId, Address};

use super::filtering::{leaving, outbound, rules};
use super::house::House;
use crate::queue::{Waits, worker};

const MESSAGE: &str = "From: Carol <carol@else.example>\r\nSubject: Hello\r\nMessage-ID: <1@else.example>\r\n\r\nhi\r\n";

async fn limit(house: &House, account: AccountId, bytes: Option<u64>) {
    let limited = house.server.store.write(account, Durability::Synced, move |tx| quota::set_limit(tx, bytes));
    limited.await.expect("a limit");
}

/// Room enough for RCPT, and for no mail.
async fn fill(house: &House, account: AccountId) {
    limit(house, account, Some(10)).await;
}

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

async fn queue(house: &House, to: &str) {
    let sender = Some(house.alice.primary.clone());
    let queued = crate::local::leaving(sender, vec![address(to)], Vec::new(), MESSAGE.as_bytes().into());
    house.server.queue.enqueue(queued).await.expect("queued");
}

fn work(house: &House) -> tokio::task::JoinHandle<()> {
    tokio::spawn(worker::run(Arc::clone(&house.server), outbound(house)))
}

/// What is said of family@, of which one member does not take the mail.
async fn report_of_family(house: &House) -> String {
    let family = address("family@home.example");
    let members = [house.alice.primary.clone(), house.bob.primary.clone()];
    house.server.directory.add_alias(&family, &members).await.expect("an alias");
    queue(house, "family@home.example").await;
    let working = work(house);
    let mails = house.wait_for(house.alice.id, Role::Inbox, 2).await;
    house.server.stop.request();
    working.await.expect("ended");
    assert_eq!(house.mails(house.bob.id, Role::Inbox).await.len(), 0);
    assert_eq!(leaving(house).await.len(), 0, "nothing is tried again");
    mails
        .into_iter()
        .find(|mail| mail.contains("Final-Recipient: rfc822; family@home.example\r\nAction: failed"))
        .expect("a report")
}

#[tokio::test]
async fn that_one_of_a_group_is_full_is_reported() {
    let house = House::new().await;
    fill(&house, house.bob.id).await;
    let report = report_of_family(&house).await;
    assert!(report.contains("Status: 5.2.2\r\n"), "{report}");
}

#[tokio::test]
async fn that_one_of_a_group_rejects_is_reported() {
    let house = House::new().await;
    rules(&house, house.bob.id, "require \"ereject\"; ereject \"Not me.\";").await;
    let report = report_of_family(&house).await;
    assert!(report.contains("Status: 5.7.1\r\n") && report.contains("Not me."), "{report}");
}

const REDIRECT: &str = "require \"copy\"; redirect :copy \"x@phone.invalid\";";

#[tokio::test]
async fn a_redirect_from_the_queue_waits_for_room() {
    let house = House::new().await;
    rules(&house, house.bob.id, REDIRECT).await;
    fill(&house, house.bob.id).await;
    queue(&house, "bob@home.example").await;
    let working = work(&house);
    for attempt in 1..=3 {
        loop {
            let queued = house.server.queue.list().await.expect("a list");
            assert!(queued.len() == 1 && queued[0].recipients[0].address == "bob@home.example", "{attempt}: {queued:?}");
            if queued[0].recipients[0].attempts == attempt {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        house.server.queue.retry(None).await.expect("tried again");
    }
    house.server.stop.request();
    working.await.expect("ended");
}

#[tokio::test]
async fn a_redirect_of_a_mail_that_comes_again_leaves_once() {
    let house = House::new().await;
    rules(&house, house.bob.id, REDIRECT).await;
    fill(&house, house.bob.id).await;
    let mut pipe = house.talk();
    let reply = pipe.send("carol@else.example", &["bob@home.example"], MESSAGE).await;
    assert_eq!(reply, "452 4.2.2 the mailbox is full\r\n");
    assert_eq!(leaving(&house).await, []);
    limit(&house, house.bob.id, None).await;
    let reply = pipe.transact("carol@else.example", &["bob@home.example"], MESSAGE).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let [(_, to, _)] = &leaving(&house).await[..] else { panic!("one redirect") };
    assert_eq!(to, &["x@phone.invalid"]);
    assert_eq!(house.server.queue.due_in().await.expect("known"), Some(Duration::ZERO), "at once");
    let queued = house.server.queue.list().await.expect("a list");
    assert_eq!(queued[0].recipients[0].waits, Waits::Time);
}
