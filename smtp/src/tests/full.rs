// SPDX-License-Identifier: AGPL-3.0-or-later
//! A mailbox that is full: what of a mail comes again, what is given up and said, and that nothing goes twice.

use std::sync::Arc;
use std::time::Duration;

use hearth_identity::certs::{Certificate, Identity, Source};
use hearth_mailstore::{Durability, Role, quota};
use hearth_types::{AccountId, Address, Timestamp};

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

/// The house publishes a certificate for this address, and so has its mail.
async fn house_address(house: &House, text: &str) -> Address {
    let identity = Identity {
        user_id: format!("<{text}>"),
        address: address(text),
        created_at: Timestamp::from_secs(1_000),
        expires_at: None,
        revoked: false,
        block: b"block".to_vec(),
    };
    let certificate = Certificate {
        fingerprint: "A".repeat(40),
        account: None,
        source: Source::House,
        secret_stored: false,
        algorithm: 22,
        bits: 256,
        created_at: Timestamp::from_secs(1_000),
        expires_at: None,
        revoked: false,
        whole: b"whole".to_vec(),
        head: b"head".to_vec(),
        tail: b"tail".to_vec(),
        keys: Vec::new(),
        identities: vec![identity],
    };
    house.server.directory.store_cert(certificate).await.expect("stored");
    let unnamed = house.server.directory.publish_cert(&"A".repeat(40), vec![address(text)]).await.expect("published");
    assert_eq!(unnamed, []);
    address(text)
}

/// How many mails wait for the house; none any more.
async fn take_house_mails(house: &House) -> usize {
    let mut count = 0;
    while let Some(mail) = house.server.directory.find_house_mail().await.expect("a look-up") {
        house.server.directory.remove_house_mail(mail.id).await.expect("removed");
        count += 1;
    }
    count
}

#[tokio::test]
async fn the_house_has_a_mail_once_beside_who_is_full() {
    let house = House::new().await;
    house_address(&house, "keys@home.example").await;
    let mut pipe = house.talk();
    let reply = pipe.send("carol@else.example", &["keys@home.example"], MESSAGE).await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!((take_house_mails(&house).await, leaving(&house).await), (1, Vec::new()));
    fill(&house, house.bob.id).await;
    let reply = pipe.transact("carol@else.example", &["keys@home.example", "bob@home.example"], MESSAGE).await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(take_house_mails(&house).await, 1);
    let [(_, to, report)] = &leaving(&house).await[..] else { panic!("one report") };
    assert_eq!(to, &["carol@else.example"]);
    let failed = "Final-Recipient: rfc822; bob@home.example\r\nAction: failed\r\nStatus: 5.2.2\r\n";
    assert!(report.contains(failed) && !report.contains("keys@home.example"), "{report}");
}

#[tokio::test]
async fn the_house_has_no_mail_that_comes_again() {
    let house = House::new().await;
    house_address(&house, "keys@home.example").await;
    let alias = address("away@home.example");
    house.server.directory.add_alias(&alias, &[address("x@phone.invalid")]).await.expect("an alias");
    let round = format!("Delivered-To: away@home.example\r\n{MESSAGE}");
    let reply = house.talk().send("carol@else.example", &["keys@home.example", "away@home.example"], &round).await;
    assert!(reply.starts_with("554 5.4.6"), "{reply}");
    assert_eq!(take_house_mails(&house).await, 0);
}

#[tokio::test]
async fn that_nobody_lives_here_is_the_last_word_beside_others() {
    let house = House::without_admin().await;
    for account in [house.alice.id, house.bob.id] {
        house.server.directory.disable_account(account).await.expect("disabled");
    }
    let alias = address("away@home.example");
    house.server.directory.add_alias(&alias, &[address("x@phone.invalid")]).await.expect("an alias");
    let to = ["postmaster@home.example", "away@home.example"];
    let reply = house.talk().send("carol@else.example", &to, MESSAGE).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let all = leaving(&house).await;
    let report = &all.iter().find(|(sender, _, _)| sender.is_empty()).expect("a report").2;
    assert!(report.contains("Status: 5.2.1\r\n") && !report.contains("come again"), "{report}");
}
