// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people's own rules and their own mail do with what comes in.

use std::time::Duration;

use hearth_filter::junk::GTUBE;
use hearth_mailstore::{Durability, Flag, FlagChange, Role, mailbox, message, script};
use hearth_net::tls::Connector;
use hearth_types::{AccountId, Address, Clock, Timestamp};

use super::house::House;
use crate::outbound::Outbound;
use crate::queue::{NewMail, NewRecipient, worker};

const MESSAGE: &str =
    "From: Carol <carol@else.example>\r\nTo: alice@home.example\r\nSubject: Hello\r\nMessage-ID: <1@else.example>\r\n\r\nhi\r\n";

pub(super) async fn rules(house: &House, account: AccountId, text: &str) {
    let text = text.to_string();
    let done = house.server.store.write(account, Durability::Synced, move |tx| {
        script::put(tx, "rules", text.as_bytes())?;
        script::activate(tx, Some("rules"))
    });
    done.await.expect("a script");
}

async fn send_to(house: &House, recipients: &[&str], message: &str) -> String {
    let mut pipe = house.talk();
    pipe.send("carol@else.example", recipients, message).await
}

/// The paths of the mailboxes with anything in them.
pub(super) async fn filled(house: &House, account: AccountId) -> Vec<String> {
    let all = house.server.store.read(account, mailbox::list).await.expect("mailboxes");
    all.into_iter().filter(|mailbox| mailbox.total > 0).map(|mailbox| mailbox.path).collect()
}

/// What waits to leave: (sender, recipients, body).
pub(super) async fn leaving(house: &House) -> Vec<(String, Vec<String>, String)> {
    let mut all = Vec::new();
    for mail in house.server.queue.list().await.expect("the queue") {
        let body = house.server.queue.body(mail.id).await.expect("read").expect("there");
        let to = mail.recipients.iter().map(|one| one.address.clone()).collect();
        all.push((mail.sender, to, String::from_utf8_lossy(body.start()).into_owned()));
    }
    all
}

#[tokio::test]
async fn mail_is_filed_flagged_edited_and_thrown_away() {
    let house = House::new().await;
    let alice = house.alice.id;
    let script = "require [\"fileinto\", \"mailbox\", \"imap4flags\", \"editheader\", \"copy\"];\r\n\
        if header :contains \"subject\" \"away\" { discard; stop; }\r\n\
        addheader \"X-Mine\" \"yes\";\r\n\
        fileinto :create :flags [\"\\\\Seen\", \"mine\"] \"Lists/New\";";
    rules(&house, alice, script).await;
    assert!(send_to(&house, &["alice@home.example", "bob@home.example"], MESSAGE).await.starts_with("250 "));
    assert!(send_to(&house, &["alice@home.example"], &MESSAGE.replace("Hello", "away")).await.starts_with("250 "));
    assert_eq!(filled(&house, alice).await, ["Lists/New"]);
    assert_eq!(filled(&house, house.bob.id).await, ["INBOX"]);
    let seen = house.server.store.read(alice, |tx| {
        let mailbox = mailbox::find_by_name(tx, "Lists/New")?.expect("made");
        let entry = message::view(tx, mailbox.id)?.remove(0);
        Ok::<_, hearth_mailstore::Error>((entry.flags, message::body(tx, entry.id)?.expect("a body").bytes()?))
    });
    let (flags, body) = seen.await.expect("read");
    assert!(flags.contains(&Flag::Seen) && flags.contains(&Flag::Keyword("mine".into())));
    let body = String::from_utf8_lossy(&body);
    assert!(body.contains("X-Mine: yes\r\n") && body.contains("Return-Path: <carol@else.example>\r\n"), "{body}");
}

#[tokio::test]
async fn a_redirect_leaves_with_a_rewritten_sender_and_a_bounce_comes_back() {
    let house = House::new().await;
    rules(&house, house.alice.id, "redirect \"alice@phone.example\";").await;
    assert!(send_to(&house, &["alice@home.example"], MESSAGE).await.starts_with("250 "));
    assert_eq!(filled(&house, house.alice.id).await, Vec::<String>::new());
    let (sender, to, body) = leaving(&house).await.remove(0);
    assert!(sender.starts_with("SRS0=") && sender.ends_with("=else.example=carol@home.example"), "{sender}");
    assert_eq!(to, ["alice@phone.example"]);
    assert!(body.contains("Delivered-To: alice@home.example\r\n"), "{body}");
    // The same mail again, as a loop would bring it: kept, not sent round.
    assert!(send_to(&house, &["alice@home.example"], &body).await.starts_with("250 "));
    assert_eq!((filled(&house, house.alice.id).await, leaving(&house).await.len()), (vec!["INBOX".to_string()], 1));
    // A report to the rewritten address goes on to Carol, and nothing else does.
    let mut pipe = house.talk();
    let reply = pipe.send("", &[&sender], "From: MAILER-DAEMON@phone.example\r\n\r\nno such user\r\n").await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert!(leaving(&house).await.iter().any(|(sender, to, _)| sender.is_empty() && to == &["carol@else.example"]));
    pipe.say("MAIL FROM:<eve@else.example>").await;
    assert!(pipe.say(&format!("RCPT TO:<{sender}>")).await.starts_with("550 5.7.1"));
    assert!(pipe.say(&format!("RCPT TO:<{}>", sender.replace("carol", "dave"))).await.starts_with("550 5.1.1"));
}

#[tokio::test]
async fn a_rejection_is_the_servers_own_when_it_is_the_only_recipient() {
    let house = House::new().await;
    rules(&house, house.alice.id, "require \"ereject\"; ereject \"Not for me.\r\nNever.\";").await;
    let reply = send_to(&house, &["alice@home.example"], MESSAGE).await;
    assert_eq!(reply, "550-5.7.1 Not for me.\r\n550 5.7.1 Never.\r\n");
    assert!(send_to(&house, &["alice@home.example", "bob@home.example"], MESSAGE).await.starts_with("250 "));
    assert_eq!(filled(&house, house.bob.id).await, ["INBOX"]);
    let (sender, to, body) = leaving(&house).await.remove(0);
    assert_eq!((sender.as_str(), to), ("", vec!["carol@else.example".to_string()]));
    assert!(body.contains("Action: failed") && body.contains("Not for me."), "{body}");
    // The null sender cannot be told: the mail is kept.
    let mut pipe = house.talk();
    assert!(pipe.send("", &["alice@home.example"], MESSAGE).await.starts_with("250 "));
    assert_eq!(filled(&house, house.alice.id).await, ["INBOX"]);
}

#[tokio::test]
async fn a_sender_is_answered_once_in_the_time_that_was_said() {
    let clock = Clock::fixed(Timestamp::from_secs(1_795_366_800));
    let house = House::with("home.example", &["192.0.2.53:53".parse().expect("an address")], clock.clone()).await;
    rules(&house, house.alice.id, "require \"vacation\"; vacation :days 2 \"I am away.\";").await;
    for _ in 0..2 {
        assert!(send_to(&house, &["alice@home.example"], MESSAGE).await.starts_with("250 "));
    }
    let answers = leaving(&house).await;
    let [(sender, to, body)] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!((sender.as_str(), to.as_slice()), ("", ["carol@else.example".to_string()].as_slice()));
    assert!(body.contains("Auto-Submitted: auto-replied") && body.contains("I am away."), "{body}");
    clock.advance(Duration::from_secs(2 * 24 * 3600 + 1));
    assert!(send_to(&house, &["alice@home.example"], MESSAGE).await.starts_with("250 "));
    assert_eq!(leaving(&house).await.len(), 2);
    assert_eq!(house.mails(house.alice.id, Role::Inbox).await.len(), 3);
}

#[tokio::test]
async fn duplicates_are_seen_after_the_first_was_delivered() {
    let house = House::new().await;
    rules(&house, house.alice.id, "require \"duplicate\"; if duplicate { discard; }").await;
    for _ in 0..3 {
        assert!(send_to(&house, &["alice@home.example"], MESSAGE).await.starts_with("250 "));
    }
    assert_eq!(house.mails(house.alice.id, Role::Inbox).await.len(), 1);
}

#[tokio::test]
async fn rules_that_fail_keep_the_mail_and_tell_once_a_day() {
    let clock = Clock::fixed(Timestamp::from_secs(1_795_366_800));
    let house = House::with("home.example", &["192.0.2.53:53".parse().expect("an address")], clock.clone()).await;
    for text in ["require \"fileinto\"; fileinto", "require \"ihave\"; discard; error \"on purpose\";"] {
        rules(&house, house.alice.id, text).await;
        assert!(send_to(&house, &["alice@home.example"], MESSAGE).await.starts_with("250 "), "{text}");
    }
    let mails = house.mails(house.alice.id, Role::Inbox).await;
    let told = |mails: &[String]| mails.iter().filter(|mail| mail.contains("Subject: Your mail rules have an error")).count();
    assert_eq!((mails.len(), told(&mails)), (3, 1), "{mails:#?}");
    clock.advance(Duration::from_secs(24 * 3600 + 1));
    assert!(send_to(&house, &["alice@home.example"], MESSAGE).await.starts_with("250 "));
    let mails = house.mails(house.alice.id, Role::Inbox).await;
    assert_eq!((mails.len(), told(&mails)), (5, 2));
    assert!(mails.iter().any(|mail| mail.contains("on purpose")), "{mails:#?}");
}

#[tokio::test]
async fn a_neighbours_mail_passes_the_same_rules() {
    let house = House::new().await;
    rules(&house, house.alice.id, "require [\"fileinto\", \"mailbox\"]; fileinto :create \"From Bob\";").await;
    let sender: Address = house.bob.primary.clone();
    let queued = crate::queue::NewMail {
        sender: Some(sender),
        account: Some(house.bob.id),
        smtputf8: false,
        return_full: false,
        require_tls: false,
        envid: None,
        head: Vec::new(),
        message: MESSAGE.as_bytes().into(),
        recipients: vec![crate::queue::NewRecipient::to(house.alice.primary.clone())],
    };
    house.server.queue.enqueue(queued).await.expect("queued");
    work_until_alice_has_mail(&house).await;
    assert_eq!(filled(&house, house.alice.id).await, ["From Bob"]);
}

pub(super) fn outbound(house: &House) -> Outbound {
    Outbound {
        hostname: house.server.hostname.clone(),
        own_names: vec![house.server.hostname.clone()].into(),
        own_addresses: vec![std::net::IpAddr::from([127, 0, 0, 1])].into(),
        port: 25,
        dns: house.server.dns.clone(),
        connector: Connector::new(&[]).expect("a connector"),
    }
}

/// What works on the queue, until something is in one of Alice's mailboxes and all that was begun is done.
pub(super) async fn work_until_alice_has_mail(house: &House) {
    let working = tokio::spawn(worker::run(std::sync::Arc::clone(&house.server), outbound(house)));
    for _ in 0..200 {
        if !filled(house, house.alice.id).await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    house.server.stop.request();
    working.await.expect("ended");
}

/// RFC 3461 §5.2.7.1.
#[tokio::test]
async fn what_an_alias_of_ours_passes_on_is_relayed() {
    let house = House::new().await;
    let alias: Address = "away@home.example".parse().expect("an address");
    house.server.directory.add_alias(&alias, &["x@phone.invalid".parse().expect("an address")]).await.expect("an alias");
    let success = hearth_wire::smtp::Notify { success: true, failure: false, delay: false };
    let to = [alias, house.bob.primary.clone()].map(|to| NewRecipient { notify: Some(success), ..NewRecipient::to(to) });
    let sender = Some(house.alice.primary.clone());
    let message = MESSAGE.as_bytes().into();
    let queued = NewMail { recipients: to.to_vec(), ..crate::local::leaving(sender, Vec::new(), Vec::new(), message) };
    house.server.queue.enqueue(queued).await.expect("queued");
    work_until_alice_has_mail(&house).await;
    let told = house.wait_for(house.alice.id, Role::Inbox, 1).await;
    let mut all: Vec<String> = told;
    all.extend(leaving(&house).await.into_iter().map(|(_, _, body)| body));
    let has = |recipient: &str, action: &str| {
        let field = format!("Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\n");
        all.iter().any(|mail| mail.contains(&field))
    };
    assert!(has("away@home.example", "relayed") && !has("away@home.example", "delivered"), "{all:?}");
    assert!(has("bob@home.example", "delivered"), "{all:?}");
}

#[tokio::test]
async fn two_addresses_of_one_person_are_one_mail_and_one_redirect() {
    let house = House::new().await;
    rules(&house, house.alice.id, "require \"copy\"; redirect :copy \"alice@phone.invalid\";").await;
    let to = ["alice@home.example", "alice+2@home.example"].map(|to| to.parse::<Address>().expect("an address"));
    let sender = Some(house.bob.primary.clone());
    let queued = crate::local::leaving(sender, to.to_vec(), Vec::new(), MESSAGE.as_bytes().into());
    house.server.queue.enqueue(queued).await.expect("queued");
    work_until_alice_has_mail(&house).await;
    assert_eq!(house.mails(house.alice.id, Role::Inbox).await.len(), 1);
    // One copy leaves; by now it may be a report to Bob that there is no such domain.
    let left = leaving(&house).await.len() + house.mails(house.bob.id, Role::Inbox).await.len();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn the_test_mail_is_junk_and_nobody_answers_it() {
    let house = House::new().await;
    rules(&house, house.alice.id, "require \"vacation\"; redirect \"a@phone.example\"; vacation \"Away.\";").await;
    assert!(send_to(&house, &["alice@home.example"], &MESSAGE.replace("hi", GTUBE)).await.starts_with("250 "));
    let junk = house.mails(house.alice.id, Role::Junk).await;
    assert!(junk.len() == 1 && junk[0].contains("X-Hearth-Reason: It is the test mail"), "{junk:?}");
    assert_eq!(leaving(&house).await.len(), 0);
}

#[tokio::test]
async fn what_a_person_moves_is_learnt() {
    let house = House::new().await;
    let alice = house.alice.id;
    let offer = |n: u32| {
        format!(
            "From: News <news{n}@shop.example>\r\nTo: alice@home.example\r\nSubject: Weekly garden offers\r\n\r\n\
             Cheap garden chairs, hammocks and umbrellas, number {n}. Order today, delivery tomorrow, gratis!\r\n"
        )
    };
    for n in 0..4 {
        assert!(send_to(&house, &["alice@home.example"], &offer(n)).await.starts_with("250 "));
    }
    assert_eq!(house.mails(alice, Role::Inbox).await.len(), 4);
    let moved = house.server.store.write(alice, Durability::Synced, |tx| {
        let (inbox, junk) = (mailbox::find_by_role(tx, Role::Inbox)?, mailbox::find_by_role(tx, Role::Junk)?);
        let (inbox, junk) = (inbox.expect("INBOX").id, junk.expect("Junk").id);
        let uids: Vec<u32> = message::view(tx, inbox)?.iter().map(|entry| entry.uid).collect();
        message::move_to(tx, inbox, &uids, junk)
    });
    moved.await.expect("moved");
    assert!(send_to(&house, &["alice@home.example"], &offer(9)).await.starts_with("250 "));
    let junk = house.mails(alice, Role::Junk).await;
    assert_eq!(junk.len(), 5);
    assert!(junk[4].contains("X-Hearth-Reason: It reads like junk: "), "{}", junk[4]);
    // To Bob, who has said nothing, it is a mail like any other.
    assert!(send_to(&house, &["bob@home.example"], &offer(10)).await.starts_with("250 "));
    assert_eq!(filled(&house, house.bob.id).await, ["INBOX"]);
    // All of it was wanted after all.
    let taken = house.server.store.write(alice, Durability::Synced, |tx| {
        let junk = mailbox::find_by_role(tx, Role::Junk)?.expect("Junk").id;
        let ids: Vec<_> = message::view(tx, junk)?.iter().map(|entry| entry.id).collect();
        let not_junk = FlagChange::Add([Flag::Keyword("$notjunk".into())].into_iter().collect());
        let no_junk = FlagChange::Remove([Flag::Keyword("$junk".into())].into_iter().collect());
        for id in ids {
            message::change_keywords(tx, id, &no_junk)?;
            message::change_keywords(tx, id, &not_junk)?;
        }
        Ok::<_, hearth_mailstore::Error>(())
    });
    taken.await.expect("said");
    assert!(send_to(&house, &["alice@home.example"], &offer(11)).await.starts_with("250 "));
    assert_eq!(house.mails(alice, Role::Inbox).await.len(), 1);
}

#[tokio::test]
async fn the_homes_own_scripts_stand_before_and_after() {
    let text = |text: &str| Some(std::sync::Arc::new(text.as_bytes().to_vec()));
    let before =
        "require [\"editheader\", \"fileinto\"]; addheader \"X-House\" \"seen\"; if header :is \"subject\" \"bad\" { discard; }";
    let after = "require [\"fileinto\", \"mailbox\"]; if header :is \"x-house\" \"seen\" { fileinto :create \"After\"; }";
    let policy = crate::policy::Policy {
        trusted: vec!["127.0.0.1/32".parse().expect("a network")],
        sieve: [text(before), text(after)],
        ..crate::policy::Policy::default()
    };
    let dns = ["192.0.2.53:53".parse().expect("an address")];
    let house = House::of("home.example", &dns, Clock::system(), policy).await;
    rules(
        &house,
        house.alice.id,
        "require [\"fileinto\", \"mailbox\"]; if header :is \"x-house\" \"seen\" { fileinto :create \"Own\"; }",
    )
    .await;
    let all = &["alice@home.example", "bob@home.example"];
    assert!(send_to(&house, all, MESSAGE).await.starts_with("250 "));
    assert!(send_to(&house, all, &MESSAGE.replace("Hello", "bad")).await.starts_with("250 "));
    assert_eq!(filled(&house, house.alice.id).await, ["Own"], "the first that files has the last word");
    assert_eq!(filled(&house, house.bob.id).await, ["After"]);
    // An error of the home's script is nothing to a person.
    let mut policy = house.server.policy.clone();
    policy.sieve = [text("require \"fileinto\"; fileinto \"No\\r\\nsuch\"; if true { nonsense; }"), None];
    let house = House::of("home.example", &dns, Clock::system(), policy).await;
    assert!(send_to(&house, all, MESSAGE).await.starts_with("250 "));
    assert_eq!(house.mails(house.bob.id, Role::Inbox).await.len(), 1, "the mail, and no letter about rules");
}
