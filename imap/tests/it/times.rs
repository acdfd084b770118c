// SPDX-License-Identifier: AGPL-3.0-or-later
//! How long who says nothing may stay, from both sides: a second before, the session answers; then it has ended.
//! The clock is stopped, so that the time passes at once.

use std::time::Duration;

use hearth_imap::limits::{
    APPEND_TIME_MAX, COMMAND_TIME_MAX, IDLE_LOOK, IDLE_TIME_MAX, LOGIN_FAILURE_WAIT, LOGIN_FAILURES_FREE, LOGIN_FAILURES_MAX,
    LOGIN_TIME_MAX, POP3_IDLE_TIME_MAX, PROGRESS_TIME_MAX, SIEVE_IDLE_TIME_MAX, WRITE_TIME_MAX,
};
use hearth_types::Address;
use tokio::time::{Instant, advance, pause, resume, sleep};

use crate::harness::{Client, Home, PASSWORD, Protocol, USER};

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

#[tokio::test]
async fn a_message_that_does_not_end() {
    const OCTETS: usize = 200;
    let home = Home::new().await;
    for in_time in [true, false] {
        let mut client = home.connect(true);
        client.sign_in().await;
        client.send(format!("a APPEND INBOX {{{OCTETS}}}\r\n").as_bytes()).await;
        assert!(client.line().await.is_some_and(|line| line.starts_with('+')));
        pause();
        let (begun, mut left) = (Instant::now(), OCTETS);
        while begun.elapsed() + PROGRESS_TIME_MAX / 2 < APPEND_TIME_MAX - SECOND {
            client.send(b"x").await;
            left -= 1;
            sleep(PROGRESS_TIME_MAX / 2).await;
        }
        if in_time {
            sleep(APPEND_TIME_MAX - SECOND - begun.elapsed()).await;
            resume();
            client.send(format!("{}\r\n", "x".repeat(left)).as_bytes()).await;
            assert!(client.line().await.is_some_and(|line| line.starts_with("a OK")));
        } else {
            let passed = closed_after(&mut client, begun).await;
            assert!(passed + SECOND >= APPEND_TIME_MAX && passed < APPEND_TIME_MAX + SECOND, "{passed:?}");
            resume();
        }
    }
}

#[tokio::test]
async fn who_does_not_take_what_was_asked_for() {
    let home = Home::new().await;
    home.add_mail("INBOX", format!("Subject: x\r\n\r\n{}", "x".repeat(300_000)).into_bytes()).await;
    for (silence, is_told) in [(WRITE_TIME_MAX - SECOND, true), (WRITE_TIME_MAX + SECOND, false)] {
        let mut client = home.connect(true);
        client.sign_in().await;
        client.command("s", "EXAMINE INBOX").await;
        client.send(b"a FETCH 1 BODY.PEEK[]\r\n").await;
        // It has begun to write, and soon no more fits into the pipe: with the clock stopped, time passes by itself only when
        // the server has no more to do than to wait.
        client.read_some().await;
        pause();
        sleep(silence).await;
        resume();
        client.send(b"b LOGOUT\r\n").await;
        let mut lines = Vec::new();
        while let Some(line) = client.line().await {
            lines.push(line);
        }
        assert_eq!(lines.iter().any(|line| line.starts_with("a OK")), is_told, "{silence:?}");
    }
}

#[tokio::test]
async fn each_failed_login_takes_longer() {
    let home = Home::new().await;
    let mut client = home.connect(true);
    client.line().await.expect("a greeting");
    pause();
    for number in 1..=LOGIN_FAILURES_MAX {
        let begun = Instant::now();
        client.send(format!("f LOGIN {USER} wrong\r\n").as_bytes()).await;
        let line = client.line().await.expect("an answer");
        assert_eq!(line.starts_with("f NO [AUTHENTICATIONFAILED]"), number < LOGIN_FAILURES_MAX, "{line}");
        let wait = match number.checked_sub(LOGIN_FAILURES_FREE + 1) {
            None => Duration::ZERO,
            Some(doublings) => LOGIN_FAILURE_WAIT * 2_u32.pow(doublings),
        };
        let passed = begun.elapsed();
        assert!(passed >= wait && passed < wait + LOGIN_FAILURE_WAIT / 2, "{number}: {passed:?}");
    }
    assert!(client.line().await.is_some_and(|line| line.starts_with("* BYE")));
    resume();
    // One that is free costs nothing, and the right one is not slowed: on a stopped clock, no more than the gate's own answer.
    let mut client = home.connect(true);
    client.line().await.expect("a greeting");
    pause();
    let begun = Instant::now();
    client.command("f", &format!("LOGIN {USER} wrong")).await;
    assert!(client.command("g", &format!("LOGIN {USER} \"{PASSWORD}\"")).await.iter().any(|line| line.starts_with("g OK")));
    assert!(begun.elapsed() < LOGIN_FAILURE_WAIT);
    resume();
}

/// That somebody left a group wakes nobody: who idles in what it shares sees it when it is time to look.
#[tokio::test]
async fn who_idles_looks_now_and_then() {
    let home = Home::new().await;
    let address: Address = "family@home.localhost".parse().expect("an address");
    let family = home.directory.find_account_by_address(&address).await.expect("asked").expect("the group").id;
    home.add_mail_of(family, "INBOX", b"Subject: x\r\n\r\n".to_vec()).await;
    let mut client = home.connect(true);
    client.sign_in().await;
    let opened = client.command("s", "SELECT \"Shared/family@home.localhost/INBOX\"").await;
    assert!(opened.iter().any(|line| line == "* 1 EXISTS"), "{opened:?}");
    client.send(b"i IDLE\r\n").await;
    assert!(client.line().await.is_some_and(|line| line.starts_with('+')));
    assert!(client.is_silent().await);
    home.directory.remove_group_member(family, home.account).await.expect("removed");
    pause();
    advance(IDLE_LOOK / 2).await;
    resume();
    assert!(client.is_silent().await, "it is not yet time");
    pause();
    advance(IDLE_LOOK / 2).await;
    resume();
    let mut said = Vec::new();
    while !said.iter().any(|line: &String| line == "* 1 EXPUNGE") {
        said.push(client.line().await.expect("what is gone is told"));
    }
}
