// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail that was put off comes back once, unread, to who idles; what a stop of the node passed over comes back after it.

use hearth_imap::snooze::wake_due;
use hearth_types::Timestamp;

use crate::harness::{Client, Home, NOW};

async fn snooze(client: &mut Client, set: &str, mailbox: &str) {
    for (tag, command) in [("c", format!("CREATE \"{mailbox}\"")), ("m", format!("MOVE {set} \"{mailbox}\""))] {
        let lines = client.command(tag, &command).await;
        assert!(lines.last().is_some_and(|line| line.starts_with(&format!("{tag} OK"))), "{command}: {lines:?}");
    }
}

fn told(lines: &[String], text: &str) -> bool {
    lines.iter().any(|line| line.contains(text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_comes_back_at_its_time() {
    let home = Home::new().await;
    for subject in ["now", "soon", "never", "kept"] {
        home.add_mail("INBOX", format!("Subject: {subject}\r\n\r\nx\r\n").into_bytes()).await;
    }
    assert!(home.shared.store.snoozers().await.expect("a list").is_empty());
    let mut client = home.connect(true);
    client.sign_in().await;
    client.command("s", "SELECT INBOX").await;
    client.command("f", "STORE 1:* +FLAGS (\\Seen)").await;
    // Last ones first: the numbers stand.
    client.command("k", "CREATE Snoozed/2026-01-02T03:04Z").await;
    client.command("k", "COPY 4 Snoozed/2026-01-02T03:04Z").await;
    snooze(&mut client, "3", "Snoozed/some day").await;
    snooze(&mut client, "2", "Snoozed/2026-01-02T03:05Z").await;
    let lines = client.command("n", "MOVE 1 Snoozed/2026-01-02T03:04Z").await;
    assert!(told(&lines, "n OK"), "{lines:?}");
    assert_eq!(home.shared.store.snoozers().await.expect("a list"), [home.account]);

    client.send(b"i IDLE\r\n").await;
    assert_eq!(client.line().await.as_deref(), Some("+ idling"));
    let next = wake_due(&home.shared, home.account).await.expect("woken");
    assert_eq!(next, Some(Timestamp::from_secs(NOW.secs() + 55)));
    assert_eq!(client.line().await.as_deref(), Some("* 2 EXISTS"));
    client.send(b"DONE\r\n").await;
    while client.line().await.is_some_and(|line| !line.starts_with("i ")) {}
    // Another look brings nothing twice; what was only copied is here once.
    wake_due(&home.shared, home.account).await.expect("nothing to do");
    let lines = client.command("t", "FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").await;
    let subjects: Vec<&String> = lines.iter().filter(|line| line.starts_with("Subject: ")).collect();
    assert_eq!(subjects, ["Subject: kept", "Subject: now"], "{lines:?}");
    assert!(!told(&lines, "\\Seen"), "{lines:?}");
    let lines = client.command("l", "LIST \"\" \"Snoozed/*\" RETURN (STATUS (MESSAGES))").await;
    assert!(!told(&lines, "03:04"), "{lines:?}");
    assert!(
        told(&lines, "Snoozed/2026-01-02T03:05Z (MESSAGES 1)") && told(&lines, "\"Snoozed/some day\" (MESSAGES 1)"),
        "{lines:?}"
    );

    // Nobody has put anything off: the account is not looked at any more.
    for (tag, command) in [("d", "DELETE \"Snoozed/some day\""), ("e", "DELETE Snoozed/2026-01-02T03:05Z"), ("f", "DELETE Snoozed")]
    {
        assert!(told(&client.command(tag, command).await, "OK"), "{command}");
    }
    assert_eq!(wake_due(&home.shared, home.account).await.expect("nothing"), None);
    assert!(home.shared.store.snoozers().await.expect("a list").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_does_not_come_back_and_many_do() {
    let home = Home::new().await;
    let mut client = home.connect(true);
    client.sign_in().await;
    client.command("c", "CREATE Snoozed/2026-01-01").await;
    let count = hearth_imap::limits::SNOOZE_MESSAGES_MAX + 1;
    for number in 0..=count {
        home.add_mail("Snoozed/2026-01-01", format!("Subject: {number}\r\n\r\n").into_bytes()).await;
    }
    client.command("s", "SELECT Snoozed/2026-01-01").await;
    client.command("f", "STORE 1 +FLAGS (\\Deleted)").await;
    client.command("u", "UNSELECT").await;
    assert_eq!(wake_due(&home.shared, home.account).await.expect("woken"), None);
    let lines = client.command("t", "STATUS INBOX (MESSAGES)").await;
    assert!(told(&lines, &format!("(MESSAGES {count})")), "{lines:?}");
    let lines = client.command("v", "STATUS Snoozed/2026-01-01 (MESSAGES)").await;
    assert!(told(&lines, "(MESSAGES 1)"), "{lines:?}");
}
