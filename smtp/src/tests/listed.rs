// SPDX-License-Identifier: AGPL-3.0-or-later
//! Lists of servers (RFC 5782) on the way of a mail: what each may and may not bring about.

use hearth_mailstore::Role;
use hearth_types::Clock;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::A;

use super::house::House;
use super::vectors::{Zone, serve, server, text};
use crate::inbound::check::{self, Finding, Findings, Subject};
use crate::policy::Policy;
use crate::state::Kind;

const PEER: &str = "192.0.2.7";

/// Lists that say different things of [`PEER`].
fn zone() -> Zone {
    let mut zone = Zone::new();
    let mut add = |list: &str, answers: &[&str]| {
        let answers = answers.iter().map(|ip| Some(RData::A(A(ip.parse().expect("an address"))))).collect();
        zone.insert(format!("7.2.0.192.{list}"), answers);
    };
    add("bad.example", &["127.0.0.4"]);
    add("good.example", &["127.0.0.2"]);
    // A parked domain answers every question; a list that is asked too often answers out of its range.
    add("parked.example", &["198.51.100.1"]);
    add("declines.example", &["127.255.255.254"]);
    add("silent.example", &[]);
    zone.insert("7.2.0.192.fails.example".into(), vec![None]);
    zone.insert("else.example".into(), vec![Some(text(&["v=spf1 ip4:192.0.2.7 -all"]))]);
    zone
}

fn policy(blocklists: &[&str], allowlists: &[&str]) -> Policy {
    let owned = |zones: &[&str]| zones.iter().map(ToString::to_string).collect();
    Policy { blocklists: owned(blocklists), allowlists: owned(allowlists), ..Policy::default() }
}

async fn found(blocklists: &[&str], allowlists: &[&str]) -> Findings {
    let sender = "c@else.example".parse().expect("an address");
    let message = &b"From: c@else.example\r\n\r\nhi\r\n".as_slice().into();
    let ip = PEER.parse().expect("an address");
    let subject = Subject { hostname: "mail.home.example", ip, hello: "x", sender: Some(&sender), recipients: &[], message };
    check::run(&subject, &serve(zone()).await, &policy(blocklists, allowlists)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lists_say() {
    for (blocklists, allowlists, blocked_by, vouched) in [
        (&[][..], &[][..], None, false),
        (&["bad.example"], &[], Some("bad.example"), false),
        (&["good.example", "bad.example"], &[], Some("good.example"), false),
        (&["bad.example"], &["good.example"], Some("bad.example"), true),
        (&["unknown.example", "parked.example", "declines.example", "fails.example"], &["parked.example"], None, false),
        (&["fails.example", "bad.example"], &["fails.example", "good.example"], Some("bad.example"), true),
    ] {
        let found = found(blocklists, allowlists).await;
        assert_eq!((found.blocked_by.as_deref(), found.is_vouched_for), (blocked_by, vouched), "{blocklists:?} {allowlists:?}");
        assert_eq!(found.spf, Finding::Pass, "the rest is known all the same: {blocklists:?}");
    }
}

/// It holds no other check up, and none hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_silent_says_nothing() {
    let found = found(&["silent.example", "bad.example"], &["silent.example"]).await;
    assert_eq!((found.blocked_by.as_deref(), found.is_vouched_for), (Some("bad.example"), false));
    assert_eq!(found.spf, Finding::Pass);
}

/// Sends a mail from [`PEER`] into a house with these lists; (INBOX, Junk).
async fn delivered(blocklists: &[&str], allowlists: &[&str]) -> (Vec<String>, Vec<String>) {
    let dns = server(zone()).await;
    let house = House::of("home.example", &[dns], Clock::system(), policy(blocklists, allowlists)).await;
    let mut pipe = house.talk_from(Kind::Mx, false, PEER);
    let reply = pipe.send("c@else.example", &["alice@home.example"], "From: c@else.example\r\nSubject: x\r\n\r\nhi\r\n").await;
    assert!(reply.starts_with("250 "), "{reply}");
    (house.mails(house.alice.id, Role::Inbox).await, house.mails(house.alice.id, Role::Junk).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_listed_ends_in_junk_and_who_is_vouched_for_does_not() {
    let (inbox, junk) = delivered(&["bad.example"], &[]).await;
    assert!(inbox.is_empty() && junk.len() == 1, "{inbox:?} {junk:?}");
    let reason = "X-Hearth-Reason: The server that it came from is on the list bad.example of senders of junk.\r\n";
    assert!(junk[0].contains(reason), "{}", junk[0]);
    for (blocklists, allowlists) in
        [(&["bad.example"][..], &["good.example"][..]), (&["parked.example", "declines.example", "fails.example"], &[])]
    {
        let (inbox, junk) = delivered(blocklists, allowlists).await;
        assert!(inbox.len() == 1 && junk.is_empty(), "{blocklists:?} {allowlists:?}: {inbox:?} {junk:?}");
    }
}
