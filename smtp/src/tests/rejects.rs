// SPDX-License-Identifier: AGPL-3.0-or-later
//! How long refused mail is kept, and how much of it.

use std::time::Duration;

use hearth_mailstore::mailbox;
use hearth_types::{Clock, Timestamp};

use super::house::{House, Pipe};
use super::vectors::{Zone, server, text};
use crate::limits::{ERRORS_FREE, REJECTS_KEPT, REJECTS_MAX};
use crate::policy::Policy;
use crate::state::Kind;

/// A home to which strict.example's mail comes from where it does not send.
async fn house(clock: &Clock) -> House {
    let records = [("strict.example", "v=spf1 -all"), ("_dmarc.strict.example", "v=DMARC1; p=reject")];
    let zone: Zone = records.iter().map(|(name, record)| ((*name).to_string(), vec![Some(text(&[record]))])).collect();
    House::of("home.example", &[server(zone).await], clock.clone(), Policy::default()).await
}

async fn greeted(house: &House) -> Pipe {
    let mut pipe = house.talk_from(Kind::Mx, false, "192.0.2.7");
    pipe.reply().await;
    pipe.say("EHLO x").await;
    pipe
}

async fn refused(pipe: &mut Pipe, n: usize) {
    let mail = format!("From: a@strict.example\r\nSubject: number {n}.\r\n\r\nhi\r\n");
    let reply = pipe.transact("a@strict.example", &["alice@home.example"], &mail).await;
    assert!(reply.starts_with("550 5.7.26 "), "{reply}");
}

/// The numbers of what is kept.
async fn kept(house: &House) -> Vec<usize> {
    let mails = house.mails_at(house.alice.id, mailbox::REJECTS).await;
    let number = |mail: &String| mail.split("Subject: number ").nth(1)?.split('.').next()?.parse().ok();
    mails.iter().map(|mail| number(mail).expect("a number")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_mail_goes_after_fourteen_days() {
    let clock = Clock::fixed(Timestamp::from_secs(1_795_366_800));
    let house = house(&clock).await;
    let mut pipe = greeted(&house).await;
    refused(&mut pipe, 1).await;
    clock.advance(REJECTS_KEPT);
    refused(&mut pipe, 2).await;
    assert_eq!(kept(&house).await, [1, 2]);
    clock.advance(Duration::from_millis(1));
    refused(&mut pipe, 3).await;
    assert_eq!(kept(&house).await, [2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_much_of_it_is_kept() {
    let house = house(&Clock::system()).await;
    let mut pipe = greeted(&house).await;
    for n in 1..=REJECTS_MAX {
        if n % ERRORS_FREE as usize == 0 {
            pipe = greeted(&house).await;
        }
        refused(&mut pipe, n).await;
    }
    assert_eq!(kept(&house).await, (1..=REJECTS_MAX).collect::<Vec<_>>());
    refused(&mut pipe, REJECTS_MAX + 1).await;
    assert_eq!(kept(&house).await, (2..=REJECTS_MAX + 1).collect::<Vec<_>>());
}
