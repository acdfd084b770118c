// SPDX-License-Identifier: AGPL-3.0-or-later
//! Every bound from both sides, and what strangers throw at a server.

use std::time::Duration;

use hearth_mailstore::Role;
use hearth_types::Address;

use super::house::{House, SIZE_BYTES_MAX};
use crate::limits::{
    COMMAND_LINE, DEADLINES, ERROR_DELAY, ERRORS_FREE, ERRORS_MAX, MAILBOXES_MAX, OVERRUN_BYTES_MAX, RECEIVED_MAX, RECIPIENTS_MAX,
};

#[tokio::test]
async fn recipients() {
    let house = House::new().await;
    let mut pipe = house.talk();
    pipe.reply().await;
    pipe.say("EHLO x").await;
    pipe.say("MAIL FROM:<>").await;
    for n in 0..RECIPIENTS_MAX {
        assert!(pipe.say(&format!("RCPT TO:<alice+{n}@home.example>")).await.starts_with("250 "), "{n}");
    }
    assert!(pipe.say("RCPT TO:<bob@home.example>").await.starts_with("452 4.5.3"));
}

#[tokio::test]
async fn mailboxes_of_one_message() {
    let house = House::new().await;
    let each = MAILBOXES_MAX / 5;
    let others: Vec<Address> = (0..each).map(|n| format!("p{n}@else.example").parse().expect("an address")).collect();
    let mut pipe = house.talk();
    pipe.reply().await;
    pipe.say("EHLO x").await;
    pipe.say("MAIL FROM:<>").await;
    for n in 0..6 {
        let alias: Address = format!("list{n}@home.example").parse().expect("an address");
        house.server.directory.add_alias(&alias, &others).await.expect("an alias");
        let reply = pipe.say(&format!("RCPT TO:<{alias}>")).await;
        let want = if (n + 1) * each <= MAILBOXES_MAX { "250 2.1.5" } else { "452 4.5.3" };
        assert!(reply.starts_with(want), "{n}: {reply}");
    }
    assert!(pipe.say("RCPT TO:<alice@home.example>").await.starts_with("452 4.5.3"), "not one more");
}

#[tokio::test]
async fn message_size() {
    let house = House::new().await;
    let max = usize::try_from(SIZE_BYTES_MAX).expect("fits");
    let of_size = |size: usize| {
        let header = "From: c@else.example\r\n\r\n";
        let mut text = header.to_string();
        while text.len() + 1000 < size {
            text.push_str(&"x".repeat(998));
            text.push_str("\r\n");
        }
        text.push_str(&"x".repeat(size - text.len() - 2));
        text + "\r\n"
    };
    let mut pipe = house.talk();
    let reply = pipe.send("c@else.example", &["alice@home.example"], &of_size(max)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let reply = pipe.transact("c@else.example", &["alice@home.example"], &of_size(max + 1)).await;
    assert_eq!(reply, "552 5.3.4 the message is too big\r\n");
    assert!(pipe.say(&format!("MAIL FROM:<> SIZE={max}")).await.starts_with("250 "));
    pipe.say("RSET").await;
    assert!(pipe.say(&format!("MAIL FROM:<> SIZE={}", max + 1)).await.starts_with("552 5.3.4"));
    pipe.say("MAIL FROM:<>").await;
    pipe.say("RCPT TO:<alice@home.example>").await;
    pipe.write(format!("BDAT {}\r\n", max + 1)).await;
    pipe.write(vec![b'x'; max + 1]).await;
    assert!(pipe.reply().await.starts_with("552 5.3.4"));
    assert!(pipe.say("NOOP").await.starts_with("250 "));
    assert_eq!(house.mails(house.alice.id, Role::Inbox).await.len(), 1);
}

#[tokio::test]
async fn hops() {
    let house = House::new().await;
    let passed = |hops: usize| format!("{}From: c@else.example\r\n\r\nhi\r\n", "Received: by x; y\r\n".repeat(hops));
    let mut pipe = house.talk();
    let reply = pipe.send("c@else.example", &["alice@home.example"], &passed(RECEIVED_MAX)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    let reply = pipe.transact("c@else.example", &["alice@home.example"], &passed(RECEIVED_MAX + 1)).await;
    assert!(reply.starts_with("554 5.4.6"), "{reply}");
}

#[tokio::test]
async fn a_header_that_would_choke_a_parser_is_refused() {
    let house = House::new().await;
    let mut pipe = house.talk();
    let message = format!("{}\r\nhi\r\n", "X: y\r\n".repeat(2000));
    let reply = pipe.send("c@else.example", &["alice@home.example"], &message).await;
    assert!(reply.starts_with("554 5.6.0"), "{reply}");
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(20_000);
    let reply = pipe.transact("c@else.example", &["alice@home.example"], &nested).await;
    assert!(reply.starts_with("250 ") || reply.starts_with("554 "), "{reply}");
    assert!(pipe.say("NOOP").await.starts_with("250 "));
}

#[tokio::test]
async fn errors() {
    let house = House::new().await;
    let mut pipe = in_quick_time(&house).await;
    pipe.reply().await;
    let begun = tokio::time::Instant::now();
    for count in 0..ERRORS_MAX {
        assert!(pipe.say("FOO").await.starts_with("500 "));
        // At once at first; then each waits.
        assert_eq!(
            begun.elapsed().as_secs(),
            u64::from((count + 1).saturating_sub(ERRORS_FREE)) * ERROR_DELAY.as_secs(),
            "{count}"
        );
    }
    assert!(pipe.say("FOO").await.starts_with("500 "));
    assert!(pipe.reply().await.starts_with("421 "));
    assert_eq!(pipe.rest().await, "");
}

#[tokio::test]
async fn garbage_gets_replies_and_an_end() {
    let house = House::new().await;
    let mut pipe = in_quick_time(&house).await;
    let noise: Vec<u8> = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut garbage = noise;
    garbage.extend_from_slice(&b"\r\n\x16\x03\x01\r\n\xff\xfe\r\n".repeat(20));
    pipe.write(garbage).await;
    let all = pipe.rest().await;
    assert!(
        all.lines().skip(1).all(|line| line.starts_with("500 ") || line.starts_with("421 ") || line.starts_with("501 ")),
        "{all}"
    );
    assert!(all.contains("421 "), "{all}");
}

#[tokio::test]
async fn a_line_without_an_end_is_cut() {
    let house = House::new().await;
    let mut pipe = house.talk();
    pipe.reply().await;
    let (mut read, mut write) = tokio::io::split(pipe.stream.into_inner());
    let writing = tokio::spawn(async move {
        let piece = vec![b'a'; 64 * 1024];
        let mut sent: u64 = 0;
        // A gigabyte, if the server let us.
        while sent < 1 << 30 && tokio::io::AsyncWriteExt::write_all(&mut write, &piece).await.is_ok() {
            sent += piece.len() as u64;
        }
        sent
    });
    let mut all = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut all).await;
    let all = String::from_utf8_lossy(&all).into_owned();
    assert!(all.starts_with("500 5.5.6 line too long\r\n"), "{all}");
    drop(read);
    assert!(writing.await.expect("written") < 2 << 20);
}

#[tokio::test]
async fn a_message_without_an_end_is_cut() {
    let house = House::new().await;
    let mut pipe = house.talk();
    pipe.reply().await;
    pipe.say("EHLO x").await;
    pipe.say("MAIL FROM:<>").await;
    pipe.say("RCPT TO:<alice@home.example>").await;
    pipe.say("DATA").await;
    let (mut read, mut write) = tokio::io::split(pipe.stream.into_inner());
    let writing = tokio::spawn(async move {
        let piece = vec![b'a'; 64 * 1024];
        let mut sent: u64 = 0;
        while sent < 1 << 30 && tokio::io::AsyncWriteExt::write_all(&mut write, &piece).await.is_ok() {
            sent += piece.len() as u64;
        }
        sent
    });
    let mut all = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut all).await;
    assert!(String::from_utf8_lossy(&all).starts_with("421 4.3.2 the message does not end"), "{}", String::from_utf8_lossy(&all));
    drop(read);
    assert!(writing.await.expect("written") < OVERRUN_BYTES_MAX + (4 << 20));
}

/// Time that jumps on when nothing else is to be done; the stores are opened before it stands still.
async fn in_quick_time(house: &House) -> super::house::Pipe {
    let pipe = house.talk();
    tokio::time::pause();
    pipe
}

#[tokio::test]
async fn one_byte_a_second_does_not_hold_a_session() {
    let house = House::new().await;
    let mut pipe = in_quick_time(&house).await;
    pipe.reply().await;
    let begun = tokio::time::Instant::now();
    let (mut read, mut write) = tokio::io::split(pipe.stream.into_inner());
    tokio::spawn(async move {
        while tokio::io::AsyncWriteExt::write_all(&mut write, b"A").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut all = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut all).await;
    assert!(String::from_utf8_lossy(&all).starts_with("421 4.4.2"), "{}", String::from_utf8_lossy(&all));
    assert!(begun.elapsed() < COMMAND_LINE + Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn silence_ends() {
    let house = House::new().await;
    let mut pipe = in_quick_time(&house).await;
    pipe.reply().await;
    let begun = tokio::time::Instant::now();
    assert!(pipe.reply().await.starts_with("421 4.4.2"));
    assert!(begun.elapsed() >= DEADLINES.idle && begun.elapsed() < DEADLINES.idle * 2);
}

#[tokio::test]
async fn the_smuggled_mail_is_not_there() {
    let house = House::new().await;
    for end in ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r.\r\n", "\n.\r", "\r.\n", "\r\r\n.\r\r\n", "\n\n.\r\n"] {
        let mut pipe = house.talk();
        let smuggled =
            "MAIL FROM:<admin@bank.example>\r\nRCPT TO:<bob@home.example>\r\nDATA\r\nFrom: admin@bank.example\r\n\r\nfake\r\n";
        let message = format!("From: c@else.example\r\n\r\nhi{end}{smuggled}");
        let reply = pipe.send("c@else.example", &["alice@home.example"], &message).await;
        assert!(reply.starts_with("550 5.6.11"), "{}: {reply}", end.escape_debug());
        assert!(pipe.say("NOOP").await.starts_with("250 "), "{}", end.escape_debug());
    }
    assert!(house.mails(house.alice.id, Role::Inbox).await.is_empty());
    assert!(house.mails(house.bob.id, Role::Inbox).await.is_empty());
}
