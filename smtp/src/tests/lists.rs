// SPDX-License-Identifier: AGPL-3.0-or-later
//! Lists, masked addresses, and the seal of what passes on.

use hearth_identity::directory::{List, Posting};
use hearth_mailstore::Role;
use hearth_types::{Address, Clock};

use super::homes::{DkimKeys, dns};
use super::house::House;
use crate::outbound::Outbound;
use crate::queue::worker;
use crate::state::Kind;

const HERE: std::net::Ipv4Addr = std::net::Ipv4Addr::new(127, 0, 0, 2);
const THERE: &str = "198.51.100.7";

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

/// one.example, which has keys; else.example sends from [`THERE`] and asks for reject.
async fn house() -> (House, DkimKeys) {
    let (ours, theirs) = (DkimKeys::generate(), DkimKeys::generate());
    let there = THERE.parse().expect("an address");
    let dns = dns(&[("one.example", HERE, &ours), ("else.example", there, &theirs)]).await;
    let house = House::with("one.example", &[dns], Clock::system()).await;
    ours.write(&house);
    (house, theirs)
}

async fn club(house: &House, posting: Posting) -> Address {
    let club = address("club@one.example");
    let directory = &house.server.directory;
    directory.add_list(List { address: club.clone(), name: "The Club".into(), posting }).await.expect("a list");
    for member in ["alice@one.example", "carol@else.example", "dave@far.example"] {
        directory.add_list_member(&club, &address(member)).await.expect("a member");
    }
    club
}

fn post(from: &str) -> String {
    format!(
        "From: {from}\r\nTo: club@one.example\r\nSubject: Picnic\r\nMessage-ID: <1@else.example>\r\nList-Id: <other.example>\r\n\r\nOn Sunday?\r\n"
    )
}

/// What waits in the queue: (sender, recipient, mail).
async fn queued(house: &House) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for mail in house.server.queue.list().await.expect("the queue") {
        let body = house.server.queue.body(mail.id).await.expect("read").expect("there");
        all.push((mail.sender, mail.recipients[0].address.clone(), String::from_utf8_lossy(body.start()).into_owned()));
    }
    all.sort_by(|one, other| one.1.cmp(&other.1));
    all
}

fn work(house: &House) {
    let outbound = Outbound {
        hostname: house.server.hostname.clone(),
        own_names: vec![house.server.hostname.clone()].into(),
        own_addresses: Vec::new().into(),
        port: 9,
        dns: house.server.dns.clone(),
        connector: hearth_net::tls::Connector::new(&[]).expect("a connector"),
    };
    tokio::spawn(worker::run(std::sync::Arc::clone(&house.server), outbound));
}

/// The value of a field, unfolded.
fn field(mail: &str, name: &str) -> String {
    let head = mail.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n\t", " ");
    let start = format!("{}:", name.to_lowercase());
    let line = head.lines().find(|line| line.to_lowercase().starts_with(&start)).unwrap_or_default();
    line.split_once(':').map(|(_, value)| value.trim().to_string()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_goes_to_each_member_with_a_link_of_their_own() {
    let (house, _) = house().await;
    let club = club(&house, Posting::Members).await;
    let mut pipe = house.talk_from(Kind::Mx, false, THERE);
    let reply = pipe.send("carol@else.example", &["club@one.example"], &post("Carol <carol@else.example>")).await;
    assert!(reply.starts_with("250 2.6.0 accepted as "), "{reply}");
    let copies = queued(&house).await;
    let to: Vec<&str> = copies.iter().map(|copy| copy.1.as_str()).collect();
    assert_eq!(to, ["alice@one.example", "carol@else.example", "dave@far.example"]);
    let mut tokens = Vec::new();
    for (sender, to, mail) in &copies {
        assert_eq!(sender, "club+bounces@one.example", "SPF holds at the next server");
        assert_eq!(field(mail, "From"), "Carol <carol@else.example>");
        assert_eq!(field(mail, "Subject"), "Picnic");
        assert_eq!(field(mail, "List-Id"), "The Club <club.one.example>");
        assert_eq!(mail.matches("\r\nList-Id:").count(), 1);
        assert_eq!(field(mail, "List-Post"), "<mailto:club@one.example>");
        assert_eq!(field(mail, "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
        let signature = field(mail, "DKIM-Signature").to_lowercase();
        assert!(signature.contains("d=one.example") && signature.contains("list-unsubscribe-post"), "{signature}");
        assert!(field(mail, "ARC-Seal").contains("cv=none") && field(mail, "ARC-Seal").contains("d=one.example"), "{mail}");
        let found = field(mail, "ARC-Authentication-Results");
        assert!(
            found.starts_with("i=1; mail.one.example; ") && found.contains("spf=pass") && found.contains("dmarc=pass"),
            "{found}"
        );
        let links = field(mail, "List-Unsubscribe");
        let token = links.split("/club@one.example/").nth(1).and_then(|rest| rest.split('>').next()).expect("a link").to_string();
        assert!(links.starts_with("<https://id.one.example/lists/leave/club@one.example/"), "{links}");
        assert!(links.contains(&format!("<mailto:club+unsubscribe-{token}@one.example?subject=unsubscribe>")), "{links} {to}");
        tokens.push(token);
    }
    assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2]);
    // A mail to the other link takes carol off; and the neighbour's copy comes by the queue.
    let leave = format!("club+unsubscribe-{}@one.example", tokens[1]);
    assert!(pipe.transact("", &[&leave], "Subject: unsubscribe\r\n\r\n\r\n").await.starts_with("250 "));
    let left = house.server.directory.list_list_members(&club).await.expect("members");
    assert_eq!(left.iter().map(ToString::to_string).collect::<Vec<_>>(), ["alice@one.example", "dave@far.example"]);
    work(&house);
    let inbox = house.wait_for(house.alice.id, Role::Inbox, 1).await;
    assert!(inbox[0].contains("Delivered-To: club@one.example\r\n") && inbox[0].contains("List-Id: The Club"), "{}", inbox[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_refuses_what_is_not_for_it() {
    let (house, _) = house().await;
    club(&house, Posting::Members).await;
    let list = &["club@one.example"];
    let mut pipe = house.talk_from(Kind::Mx, false, THERE);
    let reply = pipe.send("mallory@else.example", list, &post("mallory@else.example")).await;
    assert!(reply.starts_with("550 5.7.2 you may not write to this list"), "{reply}");
    for (sender, message, says) in [
        ("", post("carol@else.example"), "no automatic mail"),
        ("carol@else.example", format!("Auto-Submitted: auto-replied\r\n{}", post("carol@else.example")), "no automatic mail"),
        ("carol@else.example", post("carol@else.example, mallory@else.example"), "you may not write"),
        ("carol@else.example", format!("Delivered-To: Club@one.example\r\n{}", post("carol@else.example")), "5.4.6"),
    ] {
        let reply = pipe.transact(sender, list, &message).await;
        assert!(reply.starts_with("550 ") || reply.starts_with("554 "), "{reply}");
        assert!(reply.contains(says), "{reply}");
    }
    // A forger: the domain's own wish already.
    let mut forger = house.talk_from(Kind::Mx, false, "192.0.2.66");
    let reply = forger.send("carol@else.example", list, &post("carol@else.example")).await;
    assert!(reply.starts_with("550 "), "{reply}");
    // A member of a domain that proves nothing.
    let reply = forger.transact("dave@far.example", list, &post("dave@far.example")).await;
    assert!(reply.starts_with("550 5.7.2 it cannot be seen"), "{reply}");
    // Reports about copies end here.
    assert!(forger.transact("", &["club+bounces@one.example"], "Subject: failed\r\n\r\n").await.starts_with("250 "));
    assert_eq!(queued(&house).await, []);
    // Beside a person the person has it, and the sender hears of the list.
    let reply = pipe.transact("mallory@else.example", &["bob@one.example", list[0]], &post("mallory@else.example")).await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(house.mails(house.bob.id, Role::Inbox).await.len(), 1);
    let [(sender, to, report)] = &queued(&house).await[..] else { panic!("one report") };
    assert_eq!((sender.as_str(), to.as_str()), ("", "mallory@else.example"));
    assert!(report.contains("Status: 5.7.2\r\n"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_holds_at_the_next_server() {
    let (house, _) = house().await;
    let directory = &house.server.directory;
    directory.add_alias(&address("away@one.example"), &[address("carol@far.example")]).await.expect("an alias");
    let mut pipe = house.talk_from(Kind::Mx, false, THERE);
    let message = "From: carol@else.example\r\nSubject: hi\r\nDate: Sun, 22 Nov 2026 17:00:00 +0000\r\n\r\nhello\r\n";
    assert!(pipe.send("carol@else.example", &["away@one.example"], message).await.starts_with("250 "));
    let (_, _, sealed) = queued(&house).await.remove(0);
    let verify = async |mail: &str| {
        let authenticator = mail_auth::MessageAuthenticator(house.server.dns.inner().await.clone());
        let parsed = mail_auth::AuthenticatedMessage::parse(mail.as_bytes()).expect("a message");
        authenticator.verify_arc(&parsed).await.result().clone()
    };
    assert_eq!(verify(&sealed).await, mail_auth::DkimResult::Pass, "{sealed}");
    assert_ne!(verify(&sealed.replace("hello", "jello")).await, mail_auth::DkimResult::Pass);
    assert_ne!(verify(&sealed.replace("spf=pass", "spf=fail")).await, mail_auth::DkimResult::Pass);
    // What comes back through us gets the second set of the chain; a chain that is broken is left as it is.
    let mut forwarder = house.talk_from(Kind::Mx, false, "127.0.0.2");
    let again = sealed.replace("Delivered-To: away@one.example\r\n", "");
    assert!(forwarder.send("srs@one.example", &["away@one.example"], &again).await.starts_with("250 "));
    let twice = queued(&house).await.into_iter().map(|copy| copy.2).find(|mail| mail.contains("i=2;")).expect("sealed again");
    assert!(field(&twice, "ARC-Seal").contains("cv=pass"), "{twice}");
    assert_eq!(verify(&twice).await, mail_auth::DkimResult::Pass, "{twice}");
    let broken = again.replace("hello", "jello");
    let count = queued(&house).await.len();
    let reply = forwarder.transact("srs@one.example", &["away@one.example"], &broken).await;
    if reply.starts_with("250 ") {
        let all = queued(&house).await;
        assert_eq!((all.len(), all.iter().filter(|copy| copy.2.contains("i=2;")).count()), (count + 1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_masked_address_is_the_first_senders() {
    let (house, _) = house().await;
    let (alice, directory) = (house.alice.id, &house.server.directory);
    let masked = directory.add_masked(alice, &house.domain, "the shop", true).await.expect("an address").address;
    let to = masked.to_string();
    let message = |from: &str| format!("From: {from}\r\nSubject: order\r\n\r\nthanks\r\n");
    let mut shop = house.talk_from(Kind::Mx, false, THERE);
    let mut other = house.talk_from(Kind::Mx, false, "192.0.2.66");
    // Nobody is proven yet: it is taken and locks nothing.
    assert!(other.send("x@far.example", &[&to], &message("x@far.example")).await.starts_with("250 "));
    assert_eq!(directory.find_masked(&masked).await.expect("found").expect("there").locked_to, None);
    assert!(shop.send("order@else.example", &[&to], &message("order@else.example")).await.starts_with("250 "));
    let reply = other.transact("x@far.example", &[&to], &message("x@far.example")).await;
    assert!(reply.starts_with("550 5.7.1 this address was made for another sender alone"), "{reply}");
    assert!(shop.transact("order@else.example", &[&to], &message("order@else.example")).await.starts_with("250 "));
    assert_eq!(house.mails(alice, Role::Inbox).await.len(), 3);
    directory.change_masked(&masked, true).await.expect("off");
    assert!(shop.say("MAIL FROM:<order@else.example>").await.starts_with("250 "));
    let reply = shop.say(&format!("RCPT TO:<{to}>")).await;
    assert!(reply.starts_with("550 5.2.1 "), "{reply}");
}
