// SPDX-License-Identifier: AGPL-3.0-or-later
//! How long who says nothing may stay, from both sides: a second before, the session answers; then it has ended.
//! The clock is stopped, so that the time passes at once.

use std::time::Duration;

use hearth_imap::limits::{
    COMMAND_TIME_MAX, IDLE_TIME_MAX, LOGIN_TIME_MAX, POP3_IDLE_TIME_MAX, PROGRESS_TIME_MAX, SIEVE_IDLE_TIME_MAX,
};
use tokio::time::{Instant, advance, pause};

use crate::harness::{Client, Home, Protocol};

const SECOND: Duration = Duration::from_secs(1);
const NOOP: [(Protocol, &[u8], &str); 3] =
    [(Protocol::Imap, b"a NOOP\r\n", "a OK"), (Protocol::Pop3, b"CAPA\r\n", "+OK"), (Protocol::Sieve, b"NOOP\r\n", "OK")];

async fn answers(client: &mut Client, asked: &[u8], start: &str) {
    client.send(asked).await;
    loop {
        let line = client.line().await.expect("an answer");
        if line.starts_with(start) {
            return;
        }
    }
}

/// How long after `since` the server has closed.
async fn closed_after(client: &mut Client, since: Instant) -> Duration {
    client.outlive().await;
    since.elapsed()
}

fn is_about(passed: Duration, expected: Duration) -> bool {
    passed >= expected && passed < expected + SECOND
}

#[tokio::test]
async fn who_does_not_sign_in() {
    for (protocol, asked, start) in NOOP {
        let home = Home::new().await;
        pause();
        let mut client = home.connect_to(protocol, true);
        let begun = Instant::now();
        client.line().await.expect("a greeting");
        advance(LOGIN_TIME_MAX - SECOND).await;
        // What is said meanwhile gives no more time.
        answers(&mut client, asked, start).await;
        let passed = closed_after(&mut client, begun).await;
        assert!(is_about(passed, LOGIN_TIME_MAX), "{protocol:?}: {passed:?}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn who_has_signed_in_and_is_silent() {
    let bounds = [IDLE_TIME_MAX, POP3_IDLE_TIME_MAX, SIEVE_IDLE_TIME_MAX];
    for ((protocol, asked, start), max) in NOOP.into_iter().zip(bounds) {
        let home = Home::new().await;
        let mut client = home.connect_to(protocol, true);
        client.sign_in_to(protocol).await;
        answers(&mut client, asked, start).await;
        pause();
        advance(max - SECOND).await;
        answers(&mut client, asked, start).await;
        let passed = closed_after(&mut client, Instant::now()).await;
        assert!(is_about(passed, max), "{protocol:?}: {passed:?}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_command_that_does_not_end() {
    let home = Home::new().await;
    // Silence in the middle of it.
    let mut client = home.connect(true);
    client.sign_in().await;
    pause();
    client.send(b"a NO").await;
    let begun = Instant::now();
    advance(PROGRESS_TIME_MAX - SECOND).await;
    answers(&mut client, b"OP\r\n", "a OK").await;
    client.send(b"b NO").await;
    let passed = closed_after(&mut client, Instant::now()).await;
    assert!(is_about(passed, PROGRESS_TIME_MAX), "{passed:?}");
    assert!(begun.elapsed() >= 2 * PROGRESS_TIME_MAX - SECOND);
    tokio::time::resume();
    // A letter now and then.
    let mut client = home.connect(true);
    client.sign_in().await;
    pause();
    client.send(b"c").await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let begun = Instant::now();
    while begun.elapsed() + PROGRESS_TIME_MAX < COMMAND_TIME_MAX + SECOND {
        tokio::time::sleep(PROGRESS_TIME_MAX / 2).await;
        client.send(b"x").await;
    }
    let passed = closed_after(&mut client, begun).await;
    assert!(passed + SECOND >= COMMAND_TIME_MAX && passed < COMMAND_TIME_MAX + SECOND, "{passed:?}");
    tokio::time::resume();
}
