// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bounds, each from both sides: what is within is done, one more is refused, and the session goes on where it can.

use hearth_imap::limits::{
    APPEND_MEMORY_BYTES_MAX, APPEND_MESSAGES_MAX, APPEND_PARTS_MAX, DISCARD_BYTES_MAX, EVENT_BYTES_MAX, EVENT_MESSAGES_MAX,
    FETCH_BODIES_MAX, FETCH_PIECE_BYTES, FETCH_ROWS_MAX, FUZZY_TEXTS_MAX, HEADER_BYTES_MAX, LOGIN_FAILURES_MAX,
    MISTAKES_BEFORE_LOGIN_MAX, MISTAKES_MAX, POP3_DELETE_MAX, SEARCH_BODY_BYTES_MAX, SEARCH_TEXT_BYTES_MAX,
};
use hearth_mailstore::{Durability, MailTx, script};

use crate::harness::{Client, Home, PASSWORD, Protocol, USER};

async fn signed_in(home: &Home) -> Client {
    let mut client = home.connect(true);
    client.sign_in().await;
    client
}

async fn last(client: &mut Client, tag: &str, command: &str) -> String {
    client.command(tag, command).await.pop().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_in_a_row() {
    let home = Home::new().await;
    for (is_in, max) in [(false, MISTAKES_BEFORE_LOGIN_MAX), (true, MISTAKES_MAX)] {
        let mut client = home.connect(true);
        if is_in {
            client.sign_in().await;
        } else {
            client.line().await;
        }
        for number in 1..max {
            let said = last(&mut client, &format!("m{number}"), "FROB").await;
            assert!(said.contains(" BAD "), "{number}: {said}");
        }
        // A command that makes sense begins the count anew.
        assert!(last(&mut client, "n", "NOOP").await.starts_with("n OK"));
        for number in 1..=max {
            client.send(format!("m{number} FROB\r\n").as_bytes()).await;
            assert!(client.line().await.is_some_and(|line| line.contains(" BAD ")));
        }
        assert!(client.line().await.is_some_and(|line| line.starts_with("* BYE")));
        assert_eq!(client.line().await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_logins_of_a_connection() {
    let home = Home::new().await;
    let mut client = home.connect(true);
    client.line().await;
    for number in 1..LOGIN_FAILURES_MAX {
        let said = last(&mut client, "f", &format!("LOGIN {USER} wrong{number}")).await;
        assert!(said.starts_with("f NO [AUTHENTICATIONFAILED]"), "{said}");
    }
    assert!(last(&mut client, "g", &format!("LOGIN {USER} \"{PASSWORD}\"")).await.starts_with("g OK"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_and_parts_of_one_append() {
    let home = Home::new().await;
    let mut client = signed_in(&home).await;
    let message = " {3+}\r\na:b";
    for (count, ends) in [(APPEND_MESSAGES_MAX, "a OK"), (APPEND_MESSAGES_MAX + 1, "a NO [LIMIT]")] {
        let said = last(&mut client, "a", &format!("APPEND Drafts{}", message.repeat(count))).await;
        assert!(said.starts_with(ends), "{count}: {said}");
    }
    let parts = |count: usize| vec!["TEXT {3+}\r\na:b"; count].join(" ");
    for (count, ends) in [(APPEND_PARTS_MAX, "b OK"), (APPEND_PARTS_MAX + 1, "b NO [LIMIT]")] {
        let said = last(&mut client, "b", &format!("APPEND Drafts CATENATE ({})", parts(count))).await;
        assert!(said.starts_with(ends), "{count}: {said}");
    }
    let counted = client.command("c", "STATUS Drafts (MESSAGES)").await;
    assert!(counted[0].contains(&format!("(MESSAGES {})", APPEND_MESSAGES_MAX + 1)), "{counted:?}");
    // More than we are ready to throw away ends the connection before it comes.
    client.send(format!("d APPEND Drafts {{{}+}}\r\n", DISCARD_BYTES_MAX + 1).as_bytes()).await;
    assert!(client.line().await.is_some_and(|line| line.starts_with("* BYE [TOOBIG]")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_and_headers_that_are_looked_through() {
    let home = Home::new().await;
    let long = "x".repeat(usize::try_from(HEADER_BYTES_MAX).expect("fits") - 100);
    home.add_mail("INBOX", format!("Subject: a\r\nX-Long: {long}\r\nX-Beyond: {long}\r\nX-Last: z\r\n\r\nbody\r\n").into_bytes())
        .await;
    let mut client = signed_in(&home).await;
    client.command("s", "EXAMINE INBOX").await;
    let within = client.command("a", "FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT X-LAST)]").await;
    assert!(within.iter().any(|line| line == "Subject: a") && !within.iter().any(|line| line.contains("X-Last")), "{within:?}");
    for (octets, answer) in [(SEARCH_TEXT_BYTES_MAX, "b OK"), (SEARCH_TEXT_BYTES_MAX + 1, "b NO [LIMIT]")] {
        let said = last(&mut client, "b", &format!("SEARCH SUBJECT {{{octets}+}}\r\n{}", "y".repeat(octets))).await;
        assert!(said.starts_with(answer), "{octets}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn octets_that_a_search_looks_through() {
    let home = Home::new().await;
    let part = |line: &str| format!("--b\r\n{line}\r\n\r\n");
    let head = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", part("Content-Type: application/octet-stream"));
    let last = part("Content-Disposition: attachment; filename=needle.bin");
    let named = last.trim_end().len();
    let max = usize::try_from(SEARCH_BODY_BYTES_MAX).expect("fits");
    for beyond in [0, 1] {
        let filler = "x".repeat(max - head.len() - named - 2 + beyond);
        home.add_mail("INBOX", format!("{head}{filler}\r\n{last}y\r\n--b--\r\n").into_bytes()).await;
    }
    let mut client = signed_in(&home).await;
    client.command("s", "EXAMINE INBOX").await;
    assert_eq!(client.command("a", "SEARCH TEXT needle.bin").await[0], "* SEARCH 1");
    assert_eq!(client.command("b", "SEARCH TEXT needle.bi").await[0], "* SEARCH 1 2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_a_script_runs_for() {
    let home = Home::new().await;
    let text = b"require [\"imapsieve\", \"imap4flags\"]; addflag \"$met\"; keep;";
    let put = move |tx: &mut MailTx<'_>| script::put(tx, "met", text).map(drop);
    home.shared.store.write(home.account, Durability::Synced, put).await.expect("a script");
    let mut client = signed_in(&home).await;
    assert!(last(&mut client, "m", "SETMETADATA Archive (/shared/imapsieve/script \"met\")").await.starts_with("m OK"));
    for _ in 0..=EVENT_MESSAGES_MAX {
        home.add_mail("INBOX", b"Subject: x\r\n\r\n".to_vec()).await;
    }
    client.command("s", "SELECT INBOX").await;
    assert!(last(&mut client, "c", "COPY 1:* Archive").await.starts_with("c OK"));
    let found = client.command("d", "SEARCH RETURN (COUNT) KEYWORD $met").await;
    assert!(found[0].contains(&format!("COUNT {EVENT_MESSAGES_MAX}")), "{found:?}");

    let of = |size: u64| {
        let head = b"Subject: x\r\n\r\n".to_vec();
        let body = vec![b'x'; usize::try_from(size).expect("fits") - head.len()];
        [head, body].concat()
    };
    for (size, met) in [(EVENT_BYTES_MAX, true), (EVENT_BYTES_MAX + 1, false)] {
        home.add_mail("Trash", of(size)).await;
        client.command("e", "SELECT Trash").await;
        assert!(last(&mut client, "f", "MOVE * Archive").await.starts_with("f OK"));
        client.command("g", "EXAMINE Archive").await;
        let flags = client.command("h", "FETCH * FLAGS").await;
        assert_eq!(flags[0].contains("$met"), met, "{size}: {flags:?}");
    }
}

/// What is read, held and written in pieces comes whole, whether it is one piece or one more than that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_are_no_bounds_to_who_asks() {
    let home = Home::new().await;
    let count = FETCH_ROWS_MAX.max(FETCH_BODIES_MAX).max(POP3_DELETE_MAX) + 1;
    for number in 1..=count {
        home.add_mail("INBOX", format!("Subject: s{number}\r\n\r\nbody {number}\r\n").into_bytes()).await;
    }
    let mut client = signed_in(&home).await;
    client.command("s", "EXAMINE INBOX").await;
    for (max, item, is_one) in [(FETCH_ROWS_MAX, "ENVELOPE", "(\"s"), (FETCH_BODIES_MAX, "BODY.PEEK[TEXT]", "body ")] {
        for asked in [max, max + 1] {
            let lines = client.command("f", &format!("FETCH 1:{asked} {item}")).await;
            let found = lines.iter().filter(|line| line.contains(is_one) || line.contains("ENVELOPE (NIL \"s")).count();
            assert_eq!(found, asked, "{item}");
        }
    }
    let mut popper = home.connect_to(Protocol::Pop3, true);
    popper.sign_in_to(Protocol::Pop3).await;
    for number in 1..=POP3_DELETE_MAX + 1 {
        popper.send(format!("DELE {number}\r\n").as_bytes()).await;
        assert!(popper.line().await.is_some_and(|line| line.starts_with("+OK")));
    }
    popper.send(b"QUIT\r\n").await;
    assert!(popper.line().await.is_some_and(|line| line.starts_with("+OK")));
    let left = client.command("l", "STATUS INBOX (MESSAGES)").await;
    assert!(left.iter().any(|line| line.contains(&format!("(MESSAGES {})", count - POP3_DELETE_MAX - 1))), "{left:?}");
    // In memory, in a file; written at once, and in more than one piece.
    let memory = usize::try_from(APPEND_MEMORY_BYTES_MAX).expect("fits");
    for size in [memory, memory + 1, FETCH_PIECE_BYTES, FETCH_PIECE_BYTES + 1] {
        let raw = format!("Subject: x\r\n\r\n{}", "y".repeat(size - 14));
        client.send(format!("a APPEND Drafts {{{size}+}}\r\n{raw}\r\n").as_bytes()).await;
        while !client.line().await.expect("an answer").starts_with("a OK") {}
        client.command("e", "EXAMINE Drafts").await;
        client.send(b"g FETCH * BODY.PEEK[]\r\n").await;
        assert!(client.line().await.is_some_and(|line| line.ends_with(&format!("{{{size}}}"))), "{size}");
        assert_eq!(client.octets(size).await, raw.as_bytes());
        while !client.line().await.expect("an end").starts_with("g OK") {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_that_are_looked_for_by_their_words() {
    let home = Home::new().await;
    let mut client = signed_in(&home).await;
    client.command("s", "EXAMINE INBOX").await;
    for (count, answer) in [(FUZZY_TEXTS_MAX, "a OK"), (FUZZY_TEXTS_MAX + 1, "a NO [LIMIT]")] {
        let keys: Vec<String> = (0..count).map(|number| format!("FUZZY TEXT word{number}")).collect();
        let said = last(&mut client, "a", &format!("SEARCH {}", keys.join(" "))).await;
        assert!(said.starts_with(answer), "{count}: {said}");
    }
}
