// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who is let in, how fast, and by which door.

use std::sync::Arc;
use std::time::Duration;

use hearth_identity::directory::{List, Posting};
use hearth_mailstore::Role;
use hearth_types::{Address, Clock, Timestamp};
use tokio::io::BufReader;

use super::filtering::{outbound, work_until_alice_has_mail};
use super::house::{House, Pipe};
use crate::limits::{GREY_AFTER, RECIPIENT_RATE, SENDER_RATE};
use crate::lmtp;
use crate::local::leaving;
use crate::outbound::{Outgoing, OutgoingRecipient};
use crate::policy::Policy;
use crate::queue::NewMail;
use crate::state::Kind;

const MESSAGE: &str = "From: Carol <carol@else.example>\r\nSubject: Hello\r\n\r\nhi\r\n";
/// Somebody who is not trusted; no DNS answers, so nothing is known of them.
const STRANGER: &str = "192.0.2.7";

fn clock() -> Clock {
    Clock::fixed(Timestamp::from_secs(1_795_366_800))
}

async fn strict(policy: Policy, clock: &Clock) -> House {
    House::of("home.example", &["127.0.0.1:9".parse().expect("an address")], clock.clone(), policy).await
}

async fn greeted(house: &House, from: &str) -> Pipe {
    let mut pipe = house.talk_from(Kind::Mx, false, from);
    pipe.reply().await;
    pipe.say("EHLO x").await;
    pipe
}

#[tokio::test]
async fn a_sender_has_a_pace() {
    let clock = clock();
    let house = strict(Policy { pace_percent: 100, ..Policy::default() }, &clock).await;
    let mut pipe = greeted(&house, STRANGER).await;
    for n in 0..SENDER_RATE.burst {
        assert!(pipe.say("MAIL FROM:<carol@else.example>").await.starts_with("250 "), "{n}");
        pipe.say("RSET").await;
    }
    assert_eq!(pipe.say("MAIL FROM:<carol@else.example>").await, "451 4.7.1 too much mail in a short time, try later\r\n");
    assert!(pipe.say("MAIL FROM:<dave@else.example>").await.starts_with("250 "));
    pipe.say("RSET").await;
    clock.advance(Duration::from_secs(3600));
    assert!(pipe.say("MAIL FROM:<carol@else.example>").await.starts_with("250 "));
}

#[tokio::test]
async fn a_recipient_has_a_pace() {
    let house = strict(Policy { pace_percent: 1, ..Policy::default() }, &clock()).await;
    let mut pipe = greeted(&house, STRANGER).await;
    let burst = RECIPIENT_RATE.burst / 100;
    for n in 0..burst {
        // A hundredth of the usual: one mail at once from one sender, three to one recipient.
        let mut pipe = greeted(&house, &format!("198.51.{n}.7")).await;
        assert!(pipe.say(&format!("MAIL FROM:<p{n}@else.example>")).await.starts_with("250 "), "{n}");
        assert!(pipe.say("RCPT TO:<alice@home.example>").await.starts_with("250 "), "{n}");
    }
    assert!(pipe.say("MAIL FROM:<last@else.example>").await.starts_with("250 "));
    assert!(pipe.say("RCPT TO:<alice@home.example>").await.starts_with("451 4.7.1"));
    assert!(pipe.say("RCPT TO:<bob@home.example>").await.starts_with("250 "));
}

#[tokio::test]
async fn each_kind_has_a_rate_that_the_owner_may_change() {
    // Three mails, of which the third meets the bound: (the kind, addresses to send from, senders, recipients, its command)
    let (one, net, far) =
        (&["192.0.2.7"; 3], ["192.0.2.7", "192.0.2.8", "192.0.2.9"], ["192.0.2.7", "198.51.100.7", "203.0.113.7"]);
    let (carol, people) = (["carol"; 3], ["carol", "dave", "eve"]);
    for (kind, from, senders, recipients) in [
        ("address", *one, people, ["a", "b", "c"]),
        ("network", net, people, ["a", "b", "c"]),
        ("sender", far, carol, ["a", "b", "c"]),
        ("recipient", far, people, ["a"; 3]),
    ] {
        for (burst, last) in [(2, "451 4.7.1 too much"), (3, "250 ")] {
            let mut rates = crate::inbound::pace::Rates::default();
            assert!(rates.change(&format!("{kind}={burst}/60")));
            let clock = clock();
            let house = strict(Policy { pace_percent: 100, rates, ..Policy::default() }, &clock).await;
            let attempt = async |n: usize| {
                let mut pipe = greeted(&house, from[n]).await;
                let reply = pipe.say(&format!("MAIL FROM:<{}@else.example>", senders[n])).await;
                if !reply.starts_with("250 ") {
                    return reply;
                }
                pipe.say(&format!("RCPT TO:<alice+{}@home.example>", recipients[n])).await
            };
            assert!(attempt(0).await.starts_with("250 ") && attempt(1).await.starts_with("250 "), "{kind}");
            let reply = attempt(2).await;
            assert!(reply.starts_with(last), "{kind} {burst}: {reply}");
            clock.advance(Duration::from_secs(60));
            assert!(attempt(2).await.starts_with("250 "), "{kind} {burst}: one a minute");
        }
    }
    let mut rates = crate::inbound::pace::Rates::default();
    assert!(rates.change("connection=2/60"));
    let house = strict(Policy { pace_percent: 100, rates, ..Policy::default() }, &clock()).await;
    let mut pipe = greeted(&house, STRANGER).await;
    for want in ["250 ", "250 ", "451 4.7.1 too much"] {
        assert!(pipe.say("MAIL FROM:<carol@else.example>").await.starts_with(want), "{want}");
        pipe.say("RSET").await;
    }
}

#[tokio::test]
async fn a_trusted_peer_has_none() {
    let policy = Policy {
        pace_percent: 1,
        greylisting: true,
        trusted: vec!["192.0.2.0/24".parse().expect("a network")],
        ..Policy::default()
    };
    let house = strict(policy, &clock()).await;
    let mut pipe = greeted(&house, STRANGER).await;
    for _ in 0..20 {
        let reply = pipe.transact("carol@else.example", &["alice@home.example"], MESSAGE).await;
        assert!(reply.starts_with("250 "), "{reply}");
    }
    let mails = house.mails(house.alice.id, Role::Inbox).await;
    assert!(mails[0].contains("X-Hearth-Reason: It comes from a server that this home trusts.\r\n"), "{}", mails[0]);
}

#[tokio::test]
async fn this_machine_is_a_stranger_unless_it_is_trusted() {
    let house = strict(Policy::default(), &clock()).await;
    let mut pipe = greeted(&house, "127.0.0.1").await;
    assert!(pipe.transact("carol@else.example", &["alice@home.example"], MESSAGE).await.starts_with("250 "));
    let mails = house.mails(house.alice.id, Role::Inbox).await;
    assert!(mails[0].contains("spf=temperror") && !mails[0].contains("trusts"), "{}", mails[0]);
}

#[tokio::test]
async fn greylisting_lets_in_who_comes_again() {
    let clock = clock();
    let house = strict(Policy { greylisting: true, ..Policy::default() }, &clock).await;
    let mut pipe = greeted(&house, STRANGER).await;
    pipe.say("MAIL FROM:<carol@else.example>").await;
    assert!(pipe.say("RCPT TO:<alice@home.example>").await.starts_with("451 4.7.1 we have not met"));
    assert!(pipe.say("RCPT TO:<alice@home.example>").await.starts_with("451 4.7.1 we have not met"));
    clock.advance(GREY_AFTER);
    assert!(pipe.say("RCPT TO:<alice@home.example>").await.starts_with("250 "));
    assert!(pipe.say("RCPT TO:<bob@home.example>").await.starts_with("451 4.7.1"));
}

#[tokio::test]
async fn the_first_mail_of_a_sender_waits_and_the_second_does_not() {
    let delay = Duration::from_secs(2);
    let house = strict(Policy { first_sender_delay: delay, ..Policy::default() }, &Clock::system()).await;
    let mut pipe = greeted(&house, STRANGER).await;
    let mut took = Vec::new();
    for _ in 0..2 {
        let begun = std::time::Instant::now();
        assert!(pipe.transact("carol@else.example", &["alice@home.example"], MESSAGE).await.starts_with("250 "));
        took.push(begun.elapsed());
    }
    assert!(took[0] >= delay, "{took:?}");
    let known = house.server.store.read(house.alice.id, |tx| {
        let carol: Address = "carol@else.example".parse().expect("an address");
        hearth_mailstore::memory::is_remembered(tx, &format!("sender {}", carol.key()))
    });
    assert!(known.await.expect("read"));
}

#[tokio::test]
async fn lmtp_replies_for_each_recipient() {
    let house = House::new().await;
    let path = house.folder.path().join("run").join(lmtp::SOCKET);
    let serving = tokio::spawn(lmtp::serve(Arc::clone(&house.server), path.clone()));
    while !path.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let text = "require [\"fileinto\", \"mailbox\", \"reject\"]; reject \"Not me.\";";
    let rules = house.server.store.write(house.bob.id, hearth_mailstore::Durability::Synced, move |tx| {
        hearth_mailstore::script::put(tx, "rules", text.as_bytes())?;
        hearth_mailstore::script::activate(tx, Some("rules"))
    });
    rules.await.expect("a script");
    let stream = tokio::net::UnixStream::connect(&path).await.expect("a connection");
    let (mut ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let mut stream = stream;
        let _ = tokio::io::copy_bidirectional(&mut ours, &mut stream).await;
    });
    let mut pipe = Pipe { stream: BufReader::new(theirs) };
    assert!(pipe.reply().await.starts_with("220 "));
    assert!(pipe.say("EHLO x").await.starts_with("500 "));
    let hello = pipe.say("LHLO front.example").await;
    assert!(hello.contains("250-PIPELINING\r\n") && !hello.contains("STARTTLS") && !hello.contains("AUTH"), "{hello}");
    pipe.say("MAIL FROM:<carol@else.example>").await;
    for (who, code) in [("alice", "250"), ("nobody", "550"), ("bob", "250"), ("alice+two", "250")] {
        assert!(pipe.say(&format!("RCPT TO:<{who}@home.example>")).await.starts_with(code), "{who}");
    }
    assert!(pipe.say("RCPT TO:<carol@else.example>").await.starts_with("550 5.7.1"), "no relay here either");
    assert!(pipe.say("DATA").await.starts_with("354 "));
    assert!(pipe.say(&format!("{MESSAGE}.")).await.starts_with("250 2.6.0"));
    assert_eq!(pipe.reply().await, "550 5.7.1 Not me.\r\n");
    assert!(pipe.reply().await.starts_with("250 2.6.0"));
    assert!(pipe.say("NOOP").await.starts_with("250 "), "and no reply more");
    let mails = house.mails(house.alice.id, Role::Inbox).await;
    assert!(mails.len() == 2 && mails[0].contains("with LMTP\r\n"), "{mails:?}");
    for refused in ["bare\nline", "nul\0octet"] {
        pipe.say("MAIL FROM:<carol@else.example>").await;
        pipe.say("RCPT TO:<alice@home.example>").await;
        pipe.say("RCPT TO:<bob@home.example>").await;
        pipe.say("DATA").await;
        assert!(pipe.say(&format!("{refused}\r\n.")).await.starts_with("55"));
        assert!(pipe.reply().await.starts_with("55"));
        assert!(pipe.say("NOOP").await.starts_with("250 "), "and no reply more");
    }
    pipe.say("MAIL FROM:<carol@else.example>").await;
    pipe.say("RCPT TO:<alice@home.example>").await;
    pipe.say("RCPT TO:<alice+3@home.example>").await;
    pipe.write(format!("BDAT {} LAST\r\n{MESSAGE}", MESSAGE.len())).await;
    assert!(pipe.reply().await.starts_with("250 2.6.0") && pipe.reply().await.starts_with("250 2.6.0"));
    house.server.stop.request();
    serving.await.expect("ended");
    assert!(!path.exists());
}

#[tokio::test]
async fn who_asks_hears_of_what_arrived_and_what_did_not() {
    let house = House::new().await;
    super::filtering::rules(&house, house.bob.id, "require \"reject\"; reject \"Not me.\";").await;
    let mut pipe = house.talk();
    pipe.reply().await;
    pipe.say("EHLO x").await;
    for (alice, bob, reports) in [
        ("", "", vec!["failed"]),
        (" NOTIFY=SUCCESS ORCPT=rfc822;first@else.example", " NOTIFY=NEVER", vec!["delivered"]),
        (" NOTIFY=SUCCESS,FAILURE", " NOTIFY=FAILURE", vec!["failed", "delivered"]),
        (" NOTIFY=DELAY", " NOTIFY=SUCCESS", vec![]),
    ] {
        assert!(pipe.say("MAIL FROM:<carol@else.example> ENVID=QQ7").await.starts_with("250 "));
        assert!(pipe.say(&format!("RCPT TO:<alice@home.example>{alice}")).await.starts_with("250 "));
        assert!(pipe.say(&format!("RCPT TO:<bob@home.example>{bob}")).await.starts_with("250 "));
        pipe.say("DATA").await;
        assert!(pipe.say(&format!("{MESSAGE}.")).await.starts_with("250 "));
        let told = super::filtering::leaving(&house).await;
        let actions: Vec<&str> =
            told.iter().filter_map(|(_, _, body)| body.split("Action: ").nth(1)?.split("\r\n").next()).collect();
        assert_eq!(actions, reports, "{alice}{bob}");
        for (sender, to, body) in &told {
            assert!(sender.is_empty() && to == &["carol@else.example"] && body.contains("Original-Envelope-Id: QQ7"), "{body}");
            assert_eq!(body.contains("Original-Recipient: rfc822; first@else.example"), alice.contains("first"), "{body}");
        }
        for mail in house.server.queue.list().await.expect("a list") {
            house.server.queue.drop_mail(mail.id).await.expect("dropped");
        }
    }
}

/// RFC 3461 §5.2: each address that was written to has an outcome, with its own NOTIFY and ORCPT, whoever stands behind it.
#[tokio::test]
async fn each_address_of_one_person_is_reported_by_its_own_wishes() {
    let house = House::new().await;
    super::filtering::rules(&house, house.bob.id, "require \"reject\"; reject \"Not me.\";").await;
    let robert: Address = "robert@home.example".parse().expect("an address");
    house.server.directory.add_address(house.bob.id, &robert).await.expect("added");
    let mut pipe = house.talk();
    pipe.reply().await;
    pipe.say("EHLO x").await;
    assert!(pipe.say("MAIL FROM:<carol@else.example> ENVID=QQ7").await.starts_with("250 "));
    for (to, wishes) in [
        ("alice@home.example", "NOTIFY=NEVER"),
        ("alice+1@home.example", "NOTIFY=SUCCESS ORCPT=rfc822;one@else.example"),
        ("Alice+2@home.example", "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;two@else.example"),
        ("bob@home.example", "NOTIFY=FAILURE ORCPT=rfc822;three@else.example"),
        ("robert@home.example", "NOTIFY=FAILURE ORCPT=rfc822;four@else.example"),
        ("bob+5@home.example", "NOTIFY=SUCCESS ORCPT=rfc822;five@else.example"),
    ] {
        assert!(pipe.say(&format!("RCPT TO:<{to}> {wishes}")).await.starts_with("250 "), "{to}");
    }
    pipe.say("DATA").await;
    assert!(pipe.say(&format!("{MESSAGE}.")).await.starts_with("250 "));
    assert_eq!(house.mails(house.alice.id, Role::Inbox).await.len(), 1, "three addresses are one copy");
    let mut told = Vec::new();
    for (_, _, body) in super::filtering::leaving(&house).await {
        for group in body.split("\r\n\r\n").filter(|group| group.contains("Final-Recipient: ")) {
            let of = |field: &str| group.split(field).nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap_or_default();
            told.push([of("Final-Recipient: rfc822; "), of("Original-Recipient: rfc822; "), of("Action: ")].join(" "));
        }
    }
    told.sort();
    assert_eq!(
        told,
        [
            "Alice+2@home.example two@else.example delivered",
            "alice+1@home.example one@else.example delivered",
            "bob@home.example three@else.example failed",
            "robert@home.example four@else.example failed",
        ]
    );
}

/// RFC 3461 §5.2.7: an alias that leads elsewhere relays, a list has it.
#[tokio::test]
async fn what_passes_on_is_reported_too() {
    let house = House::new().await;
    let address = |name: &str| format!("{name}@home.example").parse::<Address>().expect("an address");
    let outside: Address = "alice@phone.invalid".parse().expect("an address");
    let directory = &house.server.directory;
    directory.add_alias(&address("away"), std::slice::from_ref(&outside)).await.expect("an alias");
    directory.add_alias(&address("both"), &[outside.clone(), address("bob")]).await.expect("an alias");
    directory.add_list(List { address: address("list"), name: String::new(), posting: Posting::Anyone }).await.expect("a list");
    directory.add_list_member(&address("list"), &outside).await.expect("a member");
    let mut pipe = house.talk();
    pipe.reply().await;
    pipe.say("EHLO x").await;
    pipe.say("MAIL FROM:<carol@else.example>").await;
    for name in ["away", "both", "list", "alice"] {
        let reply = pipe.say(&format!("RCPT TO:<{name}@home.example> NOTIFY=SUCCESS")).await;
        assert!(reply.starts_with("250 "), "{reply}");
    }
    pipe.say("DATA").await;
    assert!(pipe.say(&format!("{MESSAGE}.")).await.starts_with("250 "));
    let mut told = Vec::new();
    for (sender, to, body) in super::filtering::leaving(&house).await {
        if sender.is_empty() && to == ["carol@else.example"] {
            let groups = body.split("\r\n\r\n").filter_map(|group| group.split_once("Final-Recipient: rfc822; "));
            let lines = groups.map(|(_, rest)| rest.lines().take(2).collect::<Vec<_>>().join(" "));
            told.extend(lines);
        }
    }
    told.sort();
    assert_eq!(
        told,
        [
            "alice@home.example Action: delivered",
            "away@home.example Action: relayed",
            "both@home.example Action: relayed",
            "list@home.example Action: delivered",
        ]
    );
}

#[tokio::test]
async fn what_requires_tls_stays_in_the_house() {
    let house = House::new().await;
    let alias: Address = "away@home.example".parse().expect("an address");
    house.server.directory.add_alias(&alias, &["alice@phone.invalid".parse().expect("an address")]).await.expect("an alias");
    let mut pipe = house.talk();
    pipe.reply().await;
    assert!(!pipe.say("EHLO x").await.contains("REQUIRETLS"));
    assert_eq!(pipe.say("MAIL FROM:<c@else.example> REQUIRETLS").await, "530 5.7.10 REQUIRETLS wants TLS on this connection\r\n");
    // RFC 8689 §4.1: with REQUIRETLS the field is of no effect, in the queue and behind the alias. §5: the sender hears of it.
    let raw = format!("TLS-Required: No\r\n{MESSAGE}").into_bytes();
    let mail = NewMail {
        require_tls: true,
        return_full: true,
        ..leaving(Some(house.alice.primary.clone()), vec![alias], Vec::new(), raw.into())
    };
    house.server.queue.enqueue(mail).await.expect("queued");
    work_until_alice_has_mail(&house).await;
    let told = house.wait_for(house.alice.id, Role::Inbox, 1).await;
    assert!(told[0].contains("Status: 5.7.30\r\n") && told[0].contains("alice@phone.invalid"), "{}", told[0]);
    assert!(!told[0].contains("\r\nhi\r\n"), "what was to be kept from others is not in the report: {}", told[0]);
}

/// RFC 8689 §3: a wish of the sender for each server on the way.
#[tokio::test]
async fn what_does_not_care_for_tls_says_so_wherever_it_goes() {
    let house = House::new().await;
    let outside = |name: &str| format!("{name}@phone.invalid").parse::<Address>().expect("an address");
    let ours = |name: &str| format!("{name}@home.example").parse::<Address>().expect("an address");
    let directory = &house.server.directory;
    directory.add_alias(&ours("away"), &[outside("alias")]).await.expect("an alias");
    let list = List { address: ours("list"), name: String::new(), posting: Posting::Anyone };
    directory.add_list(list).await.expect("a list");
    directory.add_list_member(&ours("list"), &outside("list")).await.expect("a member");
    super::filtering::rules(&house, house.bob.id, "redirect \"redirect@phone.invalid\";").await;
    let raw = format!("TLS-Required: No\r\n{MESSAGE}");
    let to = ["away@home.example", "list@home.example", "bob@home.example"];
    let reply = house.talk().send("carol@else.example", &to, &raw).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let mut left = super::filtering::leaving(&house).await;
    left.sort_by(|one, other| one.1.cmp(&other.1));
    let to: Vec<&str> = left.iter().map(|(_, to, _)| to[0].as_str()).collect();
    assert_eq!(to, ["alias@phone.invalid", "list@phone.invalid", "redirect@phone.invalid"]);
    for (_, to, body) in &left {
        assert!(body.contains("\r\nTLS-Required: No\r\n"), "{to:?}: {body}");
    }
    // Nothing is required of the way but by REQUIRETLS, which this does not lift.
    for require_tls in [false, true] {
        let outgoing = Outgoing {
            id: "1".into(),
            sender: None,
            is_ascii: true,
            message: raw.as_bytes().into(),
            smtputf8: false,
            return_full: false,
            require_tls,
            envid: None,
            recipients: vec![OutgoingRecipient { address: outside("a"), notify: None, orcpt: None }],
        };
        let sent = outbound(&house).send(outside("a").domain(), &outgoing).await;
        let said = sent[0].reply.to_string();
        assert_eq!(said.starts_with("550 5.7.30 REQUIRETLS"), require_tls, "{said}");
    }
}
