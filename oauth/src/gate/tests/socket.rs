// SPDX-License-Identifier: AGPL-3.0-or-later
//! The socket itself: bad frames, too many at once.

use hearth_identity::limits::{EXCHANGES_PER_NETWORK_MAX, FRAME_BYTES_MAX};
use hearth_identity::login::{ChannelBinding, Gate, Mechanism, Refusal, Service, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{on_each_engine, peer};

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
fn one_network_has_so_many_exchanges_at_once() {
    on_each_engine(|home| async move {
        let begin = |from: &str| home.gate.begin(Mechanism::Login, Service::Imap, peer(from), ChannelBinding::none());
        let mut held = Vec::new();
        for _ in 0..EXCHANGES_PER_NETWORK_MAX {
            let mut exchange = begin("198.51.100.7");
            assert!(matches!(exchange.start(None).await.unwrap(), Step::Challenge(_)));
            held.push(exchange);
        }
        assert!(matches!(begin("198.51.100.7").start(None).await.unwrap(), Step::Refused(Refusal::Wait(_))));
        assert!(matches!(begin("198.51.100.8").start(None).await.unwrap(), Step::Challenge(_)), "others are not in the way");
        held.clear();
        for _ in 0..100 {
            if matches!(begin("198.51.100.7").start(None).await.unwrap(), Step::Challenge(_)) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("a place that was left is not given again");
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
