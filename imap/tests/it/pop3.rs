// SPDX-License-Identifier: AGPL-3.0-or-later
//! POP3, where a transcript does not suffice.

use std::time::Duration;

use crate::harness::{Home, Protocol};

/// RFC 1939 §4: the second session is told to come back; when the first has gone, it may.
#[tokio::test]
async fn one_session_has_the_maildrop() {
    let home = Home::new().await;
    let mut first = home.connect_to(Protocol::Pop3, true);
    first.sign_in_to(Protocol::Pop3).await;
    let mut second = home.connect_to(Protocol::Pop3, true);
    second.line().await.expect("a greeting");
    let login = format!("USER {}\r\nPASS {}\r\n", crate::harness::USER, crate::harness::PASSWORD);
    second.send(login.as_bytes()).await;
    assert!(second.line().await.expect("an answer").starts_with("+OK"));
    assert!(second.line().await.expect("an answer").starts_with("-ERR [IN-USE] "));
    // It may be lost without a word.
    drop(first);
    for _ in 0..100 {
        second.send(login.as_bytes()).await;
        second.line().await.expect("an answer");
        if second.line().await.expect("an answer").starts_with("+OK 0 messages") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the maildrop is not given back");
}

/// A message of many pieces comes whole, its ids are the same in each session, and what was fetched is seen.
#[tokio::test]
async fn a_large_message_and_its_id() {
    let home = Home::new().await;
    let mail = format!("Subject: large\r\n\r\n{}", ".a line with a dot\r\n".repeat(60_000));
    home.add_mail("INBOX", mail.clone().into_bytes()).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut client = home.connect_to(Protocol::Pop3, true);
        client.sign_in_to(Protocol::Pop3).await;
        client.send(b"UIDL 1\r\nRETR 1\r\n").await;
        ids.push(client.line().await.expect("an id"));
        let head = client.line().await.expect("an answer");
        assert_eq!(head, format!("+OK {} octets", mail.len()));
        let mut read = String::new();
        loop {
            let line = client.line().await.expect("a line");
            if line == "." {
                break;
            }
            read.push_str(line.strip_prefix('.').unwrap_or(&line));
            read.push_str("\r\n");
        }
        assert!(read == mail);
        client.send(b"QUIT\r\n").await;
        assert!(client.line().await.expect("an answer").starts_with("+OK"));
        assert_eq!(client.line().await, None);
    }
    assert_eq!(ids[0], ids[1]);
    let mut imap = home.connect(true);
    imap.sign_in().await;
    imap.command("a", "SELECT INBOX").await;
    assert_eq!(imap.command("b", "FETCH 1 FLAGS").await[0], "* 1 FETCH (FLAGS (\\Seen))");
}

/// What another program deletes meanwhile is gone, and its number is nobody else's.
#[tokio::test]
async fn numbers_stand_while_others_delete() {
    let home = Home::new().await;
    for subject in ["one", "two"] {
        home.add_mail("INBOX", format!("Subject: {subject}\r\n\r\nx\r\n").into_bytes()).await;
    }
    let mut pop = home.connect_to(Protocol::Pop3, true);
    pop.sign_in_to(Protocol::Pop3).await;
    let mut imap = home.connect(true);
    imap.sign_in().await;
    imap.command("a", "SELECT INBOX").await;
    imap.command("b", "STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    imap.command("c", "EXPUNGE").await;
    pop.send(b"RETR 1\r\nTOP 2 0\r\n").await;
    assert_eq!(pop.line().await.as_deref(), Some("-ERR there is no such message"));
    assert!(pop.line().await.expect("an answer").starts_with("+OK"));
    assert_eq!(pop.line().await.as_deref(), Some("Subject: two"));
}
