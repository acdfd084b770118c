// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reports of other servers, from port 25 to what `hearth domain reports` shows.

use hearth_mailstore::{Durability, Role, quota};
use hearth_types::Domain;

use super::house::House;

const TLS: &str = "{\"organization-name\":\"Big Mail\",\"report-id\":\"5\",\"date-range\":{\"start-datetime\":\"2026-11-21T00:00:00Z\",\
    \"end-datetime\":\"2026-11-21T23:59:59Z\"},\"policies\":[{\"policy\":{\"policy-type\":\"sts\",\"policy-domain\":\"DOMAIN\"},\
    \"summary\":{\"total-successful-session-count\":9,\"total-failure-session-count\":5}}]}";

fn report(domain: &str) -> String {
    let json = TLS.replace("DOMAIN", domain).replace(",\"", ",\r\n\"");
    format!(
        "From: noreply@big.example\r\nSubject: Report\r\nMIME-Version: 1.0\r\nContent-Type: application/tlsrpt+json\r\n\r\n{json}\r\n"
    )
}

#[tokio::test]
async fn a_report_is_written_down_once_and_is_in_no_mailbox() {
    let house = House::new().await;
    let domain: Domain = house.domain.clone();
    for _ in 0..2 {
        let reply = house.talk().send("noreply@big.example", &["Reports@home.example"], &report("home.example")).await;
        assert!(reply.starts_with("250 2.6.0 accepted as "), "{reply}");
    }
    let [kept] = &house.server.queue.list_reports(&domain).await.expect("reports")[..] else { panic!("one report") };
    assert_eq!((kept.kind.as_str(), kept.reporter.as_str(), kept.good, kept.bad), ("tls", "Big Mail", 9, 5));
    assert_eq!(kept.lines[0].says, "failed, by policy sts");
    assert!(house.mails(house.alice.id, Role::Inbox).await.is_empty());
    // At postmaster's it is a mail as well.
    house.talk().send("noreply@big.example", &["postmaster@home.example"], &report("home.example")).await;
    assert_eq!(house.mails(house.alice.id, Role::Inbox).await.len(), 1);
}

#[tokio::test]
async fn what_is_no_report_of_ours_is_a_mail() {
    let house = House::new().await;
    for message in [report("else.example"), "From: a@b.example\r\n\r\nWhere do I report?\r\n".to_string()] {
        let reply = house.talk().send("a@b.example", &["reports@home.example"], &message).await;
        assert!(reply.starts_with("250 "), "{reply}");
    }
    assert!(house.server.queue.list_reports(&house.domain).await.expect("reports").is_empty());
    assert_eq!(house.mails(house.alice.id, Role::Inbox).await.len(), 2, "the admin's");
    // Who was given the address gets the mail, and the report is written down all the same.
    let bob = house.bob.id;
    house.server.directory.add_address(bob, &"reports@home.example".parse().expect("an address")).await.expect("added");
    house.talk().send("a@b.example", &["reports@home.example"], &report("home.example")).await;
    assert_eq!(house.mails(bob, Role::Inbox).await.len(), 1);
    assert_eq!(house.server.queue.list_reports(&house.domain).await.expect("reports").len(), 1);
}

/// RFC 5321 §4.5.1.
#[tokio::test]
async fn a_home_without_an_admin_answers_all_the_same() {
    let house = House::without_admin().await;
    let letter = "From: a@b.example\r\n\r\nWho is there?\r\n";
    for to in ["postmaster", "abuse@home.example", "reports@home.example"] {
        let reply = house.talk().send("a@b.example", &[to], letter).await;
        assert!(reply.starts_with("250 "), "{to}: {reply}");
    }
    assert_eq!(house.mails(house.alice.id, Role::Inbox).await.len(), 3, "who is here longest has them");
    let reply = house.talk().send("noreply@big.example", &["reports@home.example"], &report("home.example")).await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(house.server.queue.list_reports(&house.domain).await.expect("reports").len(), 1);
    assert_eq!(house.mails(house.alice.id, Role::Inbox).await.len(), 3, "a report is in no mailbox");
}

#[tokio::test]
async fn where_nobody_lives_reports_are_kept_and_letters_put_off() {
    let house = House::without_admin().await;
    for account in [house.alice.id, house.bob.id] {
        house.server.directory.disable_account(account).await.expect("disabled");
    }
    for (to, count) in [("reports@home.example", 1), ("postmaster@home.example", 2), ("Postmaster", 3)] {
        let letter = "From: a@b.example\r\n\r\nWho is there?\r\n";
        let reply = house.talk().send("a@b.example", &[to], letter).await;
        assert_eq!(reply, "450 4.2.1 nobody lives here yet; come again later\r\n", "{to}");
        let said = report("home.example").replace("\"5\"", &format!("\"5-{count}\""));
        let reply = house.talk().send("noreply@big.example", &[to], &said).await;
        assert!(reply.starts_with("250 "), "{to}: {reply}");
        assert_eq!(house.server.queue.list_reports(&house.domain).await.expect("reports").len(), count, "{to}");
    }
    let mut pipe = house.talk();
    pipe.reply().await;
    pipe.say("EHLO x").await;
    pipe.say("MAIL FROM:<a@b.example>").await;
    assert!(pipe.say("RCPT TO:<nobody@home.example>").await.starts_with("550 5.1.1"));
}

#[tokio::test]
async fn a_full_mailbox_keeps_no_report_out() {
    let house = House::new().await;
    let full = house.server.store.write(house.alice.id, Durability::Synced, |tx| quota::set_limit(tx, Some(1)));
    full.await.expect("full");
    let reply = house.talk().send("noreply@big.example", &["reports@home.example"], &report("home.example")).await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(house.server.queue.list_reports(&house.domain).await.expect("reports").len(), 1);
    let reply = house.talk().send("a@b.example", &["reports@home.example"], "From: a@b.example\r\n\r\nx\r\n").await;
    assert!(reply.starts_with("452 4.2.2"), "{reply}");
}
