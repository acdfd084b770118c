// SPDX-License-Identifier: AGPL-3.0-or-later
//! The socket itself: bad frames, too many at once.

use std::time::Duration;

use hearth_identity::limits::{EXCHANGES_MAX, EXCHANGES_PER_NETWORK_MAX, FRAME_BYTES_MAX};
use hearth_identity::login::{ChannelBinding, Gate, Mechanism, Refusal, Service, Step};
use hearth_types::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{PASSWORD, PEER, login, on_each_engine, peer};

#[test]
fn frames_that_are_none() {
    on_each_engine(|home| async move {
        let too_long = u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_be_bytes().to_vec();
        let said = |json: &str| [&u32::try_from(json.len()).unwrap().to_be_bytes()[..], json.as_bytes()].concat();
        for octets in [
            too_long,
            said("nonsense"),
            said(r#"{"ask":"everything"}"#),
            said(r#"{"ask":"forget","account":1,"and":"more"}"#),
            said(r#"{"ask":"sasl","mechanism":"PLAIN","service":"imap","peer":"192.0.2.1","initial":"!"}"#),
            vec![0, 0],
        ] {
            let mut stream = UnixStream::connect(&home.socket).await.unwrap();
            stream.write_all(&octets).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            // It closes without a word; a reset is as good.
            let _ = stream.read_to_end(&mut answer).await;
            assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&octets));
        }
        for (question, answered) in [
            (r#"{"ask":"response","data":""}"#, "no exchange is under way"),
            (r#"{"ask":"sasl","mechanism":"GSSAPI","service":"imap","peer":"192.0.2.1"}"#, "malformed"),
        ] {
            let mut stream = UnixStream::connect(&home.socket).await.unwrap();
            stream.write_all(&said(question)).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.contains(answered), "{answer}");
        }
        assert!(home.gate.is_up().await, "and it goes on");
    });
}

#[test]
fn of_one_network_so_many_exchanges_wait_at_once() {
    on_each_engine(|home| async move {
        let begin = |from: &str| home.gate.begin(Mechanism::Login, Service::Imap, peer(from), ChannelBinding::none());
        let mut held = Vec::new();
        for _ in 0..EXCHANGES_PER_NETWORK_MAX {
            let mut exchange = begin("198.51.100.7");
            assert!(matches!(exchange.start(None).await.unwrap(), Step::Challenge(_)));
            held.push(exchange);
        }
        let mut other = begin("198.51.100.8");
        assert!(matches!(other.start(None).await.unwrap(), Step::Challenge(_)));
        let mut one_more = begin("198.51.100.7");
        assert!(matches!(one_more.start(None).await.unwrap(), Step::Challenge(_)), "there is always a place");
        // It is the place of who was silent for longest; nobody else's.
        assert!(matches!(held[0].step(b"alice@home.test").await.unwrap(), Step::Refused(Refusal::Wait(_))));
        for exchange in held[1..].iter_mut().chain([&mut other, &mut one_more]) {
            assert!(matches!(exchange.step(b"alice@home.test").await.unwrap(), Step::Challenge(_)));
        }
    });
}

#[test]
fn clients_that_fall_silent_keep_nobody_waiting() {
    on_each_engine(|home| async move {
        let soon = Duration::from_secs(5);
        let mut silent = Vec::new();
        for n in 0..EXCHANGES_MAX {
            let from = format!("198.51.100.{}", n / EXCHANGES_PER_NETWORK_MAX);
            let mut exchange = home.gate.begin(Mechanism::Login, Service::Imap, peer(&from), ChannelBinding::none());
            assert!(matches!(exchange.start(None).await.unwrap(), Step::Challenge(_)));
            silent.push(exchange);
        }
        // An order of the house, a password at once, a token, and an exchange of several steps.
        timeout(soon, home.gate.list_app_passwords(home.alice.id)).await.expect("an order").unwrap();
        let password = Secret::new(PASSWORD.to_string());
        let entered = timeout(soon, home.gate.password("alice@home.test", &password, Service::Imap, peer(PEER))).await;
        assert!(entered.expect("a password").unwrap().is_ok());
        timeout(soon, home.gate.bearer(&password, Service::Imap, peer(PEER))).await.expect("a token").unwrap().unwrap_err();
        let steps = async {
            let mut exchange = home.begin(Mechanism::Login, Service::Imap, ChannelBinding::none());
            assert!(matches!(exchange.start(None).await.unwrap(), Step::Challenge(_)));
            assert!(matches!(exchange.step(b"alice@home.test").await.unwrap(), Step::Challenge(_)));
            exchange.step(PASSWORD.as_bytes()).await.unwrap()
        };
        login(timeout(soon, steps).await.expect("an exchange"));
        // Who was silent for longest made room, and is told so; the others go on.
        assert!(matches!(silent[0].step(b"alice@home.test").await.unwrap(), Step::Refused(Refusal::Wait(_))));
        assert!(matches!(silent[EXCHANGES_MAX - 1].step(b"alice@home.test").await.unwrap(), Step::Challenge(_)));
    });
}

#[test]
fn a_gate_that_is_not_there() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let gate = Gate::new("/nonexistent/gate.sock");
        assert!(!gate.is_up().await);
        let mut exchange = gate.begin(Mechanism::Plain, Service::Imap, peer("192.0.2.1"), ChannelBinding::none());
        let trouble = exchange.start(Some(b"\0a\0b")).await.expect_err("it is not there");
        assert!(trouble.to_string().contains("does not answer"));
    });
}
