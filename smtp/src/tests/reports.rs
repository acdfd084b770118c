// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reports of other servers, from port 25 to what `hearth domain reports` shows.

use hearth_mailstore::Role;
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
