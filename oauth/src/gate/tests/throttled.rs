// SPDX-License-Identifier: AGPL-3.0-or-later
//! Guessing, from both sides.

use hearth_identity::login::{ChannelBinding, Mechanism, Refusal, Service, Step};
use hearth_types::Secret;

use super::mechanisms::token;
use super::{Home, PASSWORD, PEER, login, on_each_engine, peer, refused};
use crate::gate::limits::{ACCOUNT, FLOOD, PAIR};

/// Guesses until told to wait; how many were looked at.
async fn guess(home: &Home, mut from: impl FnMut(u32) -> String) -> u32 {
    for n in 0..1_000 {
        match home.plain("alice@home.test", &format!("a wrong guess {n}"), Service::Imap, &from(n)).await {
            Step::Refused(Refusal::Credentials) => {}
            Step::Refused(Refusal::Wait(wait)) => {
                assert!(!wait.is_zero());
                return n;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("nobody stops the guesser");
}

#[test]
fn a_guesser_waits_and_the_owner_does_not() {
    on_each_engine(|home| async move {
        // Alice has been at home before.
        login(home.plain("alice@home.test", PASSWORD, Service::Imap, PEER).await);
        assert_eq!(guess(&home, |_| "198.51.100.7".into()).await, PAIR.free + 1);
        assert!(matches!(
            home.plain("alice@home.test", PASSWORD, Service::Imap, "198.51.100.7").await,
            Step::Refused(Refusal::Wait(_))
        ));
        // The same network's neighbour is another network for IPv4, and the same one within a /64.
        let guessed = guess(&home, |n| format!("2001:db8::{n:x}")).await;
        assert_eq!(guessed, PAIR.free + 1);
        // From everywhere at once.
        let left = ACCOUNT.free + 1 - 2 * PAIR.free;
        assert_eq!(guess(&home, |n| format!("203.0.113.{n}")).await, 1 + left, "the first in an area is counted with the firsts");
        assert!(matches!(
            home.plain("alice@home.test", PASSWORD, Service::Imap, "203.0.113.200").await,
            Step::Refused(Refusal::Wait(_))
        ));
        login(home.plain("alice@home.test", PASSWORD, Service::Imap, PEER).await);
        let (_, app) = home.app_password(&Service::MAIL).await;
        login(home.plain("alice@home.test", app.expose(), Service::Imap, "203.0.113.200").await);
        home.clock.advance(ACCOUNT.longest_wait);
        login(home.plain("alice@home.test", PASSWORD, Service::Imap, "203.0.113.200").await);
        let rows = home.directory.list_audit(Some(home.alice.id), 1_000).await.unwrap();
        assert!(rows.len() < 40, "one row for each peer, not for each guess: {}", rows.len());
    });
}

#[test]
fn a_forgotten_device_is_no_guesser() {
    on_each_engine(|home| async move {
        for _ in 0..100 {
            refused(
                home.plain("alice@home.test", "the old brown password", Service::Imap, "198.51.100.7").await,
                Refusal::Credentials,
            );
        }
        login(home.plain("alice@home.test", PASSWORD, Service::Imap, "198.51.100.7").await);
        // What was wrong is right after a change.
        refused(home.plain("alice@home.test", "the old brown password", Service::Imap, PEER).await, Refusal::Credentials);
        let old = hearth_types::Secret::new("the old brown password".to_string());
        home.gate.set_password(home.alice.id, Some(&old)).await.unwrap();
        login(home.plain("alice@home.test", "the old brown password", Service::Imap, PEER).await);
    });
}

#[test]
fn what_nobody_can_guess_is_never_refused_for_the_guesses_of_others() {
    on_each_engine(|home| async move {
        let (_, app) = home.app_password(&Service::MAIL).await;
        let token = token(&home, "openid mail").await.access;
        let wrong = Secret::new("x".repeat(43));
        let show = async |token: &Secret<String>| home.gate.bearer(token, Service::Imap, peer(PEER)).await.unwrap();
        for _ in 0..=FLOOD.free {
            assert_eq!(show(&wrong).await, Err(Refusal::Credentials));
        }
        assert_eq!(show(&wrong).await, Err(Refusal::Wait(FLOOD.first_wait)), "nothing is written of it any more");
        let unknown = "zzzzz-zzzzz-zzzzz-zzzzz-zzzzz7";
        refused(home.plain("alice@home.test", unknown, Service::Imap, PEER).await, Refusal::Wait(FLOOD.first_wait));
        // The neighbour behind the same address.
        assert_eq!(show(&token).await.unwrap().account, home.alice.id);
        let scram = async |password: &str| {
            home.scram(Mechanism::ScramSha256, ChannelBinding::none(), "n,,", b"", "alice@home.test", password).await
        };
        login(scram(app.expose()).await);
        refused(scram(unknown).await, Refusal::Wait(FLOOD.first_wait));
        login(home.plain("alice@home.test", app.expose(), Service::Imap, PEER).await);
        home.clock.advance(FLOOD.first_wait);
        assert_eq!(show(&wrong).await, Err(Refusal::Credentials));
    });
}
