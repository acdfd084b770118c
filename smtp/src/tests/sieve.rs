// SPDX-License-Identifier: AGPL-3.0-or-later
//! Each extension that a script may require, at work on a delivery through port 25.

use std::collections::BTreeSet;

use hearth_filter::sieve::CAPABILITIES;
use hearth_mailstore::{Durability, Role, annotation, mailbox, script};

use super::filtering::{filled, leaving, rules};
use super::house::House;

const MAIL: &str = "Received: from a by b; Mon, 23 Nov 2026 12:00:00 +0000\r\n\
    Received: from first by a; Mon, 23 Nov 2026 11:59:00 +0000\r\n\
    From: Carol <carol@else.example>\r\nTo: alice+shop@home.example\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\
    Subject: Your order\r\nMessage-ID: <1@else.example>\r\nX-Priority: 3\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nGood morning, order 4711.\r\n\
    --b\r\nContent-Type: application/x-msdownload\r\nContent-Disposition: attachment; filename=\"run.exe\"\r\n\r\nMZ\r\n--b--\r\n";

/// What is to be seen.
enum Seen {
    /// The mail is in this mailbox alone, with this in it.
    In(&'static str, &'static str),
    /// So many mailboxes have it.
    Copies(usize),
    /// The session hears this.
    Reply(&'static str),
    /// A mail leaves to this address, with this in its sender or in itself.
    Leaves(&'static str, &'static str),
}
use Seen::{Copies, In, Leaves, Reply};

/// (what it requires beside fileinto and mailbox, a test of it that holds); the mail goes to "Hit" then.
const TESTS: &[(&str, &str)] = &[
    ("envelope", r#"envelope "from" "carol@else.example""#),
    ("subaddress envelope", r#"envelope :detail "to" "shop""#),
    ("encoded-character", r#"header :contains "from" "carol${hex:40}else""#),
    ("relational comparator-i;ascii-numeric", r#"header :value "eq" :comparator "i;ascii-numeric" "x-priority" "03""#),
    ("comparator-i;octet", r#"header :is :comparator "i;octet" "subject" "Your order""#),
    ("comparator-i;ascii-casemap", r#"header :is :comparator "i;ascii-casemap" "subject" "YOUR ORDER""#),
    ("date", r#"date :originalzone "date" "weekday" "1""#),
    ("index", r#"header :index 3 :contains "received" "from first""#),
    ("body", r#"body :text :contains "order 4711""#),
    ("regex", r#"header :regex "subject" "^Your +o[a-z]+r$""#),
    ("environment", r#"environment "location" "MDA""#),
    ("ihave", r#"ihave ["fileinto", "regex"]"#),
    ("mailboxid", r#"mailboxidexists "@ID@""#),
    ("mboxmetadata", r#"metadata "Kept" "/private/comment" "yes""#),
    ("servermetadata", r#"servermetadata "/private/vendor/hearth/away" "yes""#),
    ("special-use", r#"specialuse_exists "\\Junk""#),
    ("mime", r#"header :mime :anychild :contenttype "content-type" "application/x-msdownload""#),
    ("spamtest relational comparator-i;ascii-numeric", r#"spamtest :value "lt" :comparator "i;ascii-numeric" "9""#),
    ("spamtestplus relational comparator-i;ascii-numeric", r#"spamtest :percent :value "lt" :comparator "i;ascii-numeric" "90""#),
    ("duplicate", r#"not duplicate"#),
];

/// (what it requires, what it does, what is to be seen)
const ACTIONS: &[(&str, &str, Seen)] = &[
    ("fileinto mailbox", r#"fileinto :create "Orders/New";"#, In("Orders/New", "order 4711")),
    ("fileinto copy", r#"fileinto :copy "Kept";"#, Copies(2)),
    ("fileinto mailbox mailboxid", r#"fileinto :mailboxid "@ID@" "Gone";"#, In("Kept", "order 4711")),
    ("fileinto mailbox special-use", r#"fileinto :specialuse "\\Archive" "Gone";"#, In("Archive", "order 4711")),
    (
        "fileinto mailbox variables",
        r#"if header :matches "subject" "your *" { set :upperfirst "w" "${1}"; fileinto :create "${w}"; }"#,
        In("Order", ""),
    ),
    ("imap4flags", r#"addflag "\\Flagged"; keep;"#, In("INBOX", "")),
    ("editheader", r#"addheader "X-Mine" "yes"; deleteheader "X-Priority";"#, In("INBOX", "X-Mine: yes\r\n")),
    ("include", r#"include :personal "inner";"#, In("Kept", "")),
    (
        "foreverypart mime fileinto",
        r#"foreverypart { if header :mime :param "filename" :matches "content-disposition" "*.exe" { fileinto "Kept"; break; } }"#,
        In("Kept", ""),
    ),
    (
        "extracttext foreverypart variables editheader",
        r#"foreverypart { extracttext :first 12 "t"; addheader "X-Text" "${t}"; break; }"#,
        In("INBOX", "X-Text:"),
    ),
    ("replace", r#"replace "Nothing to see.";"#, In("INBOX", "Nothing to see.")),
    ("enclose", r#"enclose :subject "Beware" "It came with a program.";"#, In("INBOX", "It came with a program.")),
    ("reject", r#"reject "Not me.";"#, Reply("550 5.7.1 Not me.")),
    ("ereject", r#"ereject "Nor me.";"#, Reply("550 5.7.1 Nor me.")),
    ("copy", r#"redirect :copy "alice@phone.example";"#, Leaves("alice@phone.example", "=else.example=carol@home.example")),
    ("vacation", r#"vacation :addresses "alice+shop@home.example" "Away.";"#, Leaves("carol@else.example", "Away.")),
    (
        "vacation vacation-seconds",
        r#"vacation :seconds 60 :addresses "alice+shop@home.example" "Brb.";"#,
        Leaves("carol@else.example", "Brb."),
    ),
    ("vacation fcc", r#"vacation :fcc "Sent" :addresses "alice+shop@home.example" "Away.";"#, Copies(2)),
    (
        "enotify",
        r#"notify :message "News" "mailto:alice@phone.example";"#,
        Leaves("alice@phone.example", "Auto-Submitted: auto-notified"),
    ),
];

/// A house where Alice has the mailbox "Kept", annotations, and these rules.
async fn house(required: &str, text: &str) -> House {
    let house = House::new().await;
    let made = house.server.store.write(house.alice.id, Durability::Synced, |tx| {
        let kept = mailbox::add_path(tx, "Kept", None)?.id;
        annotation::change(tx, Some(kept), "/private/comment", Some(b"yes"))?;
        annotation::change(tx, None, "/private/vendor/hearth/away", Some(b"yes"))?;
        script::put(tx, "inner", b"require \"fileinto\"; fileinto \"Kept\";")?;
        Ok::<_, hearth_mailstore::Error>(kept)
    });
    let id = made.await.expect("made").to_string();
    let required = required.split_whitespace().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    rules(&house, house.alice.id, &format!("require [{required}];\r\n{}\r\n", text.replace("@ID@", &id))).await;
    house
}

async fn deliver(house: &House) -> String {
    house.talk().send("carol@else.example", &["alice+shop@home.example"], MAIL).await
}

#[tokio::test]
async fn each_extension_is_at_work() {
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    for (required, test) in TESTS {
        shown.extend(required.split_whitespace());
        let text = format!("if {test} {{ fileinto :create \"Hit\"; }}");
        let house = house(&format!("{required} fileinto mailbox"), &text).await;
        assert!(deliver(&house).await.starts_with("250 "), "{test}");
        assert_eq!(filled(&house, house.alice.id).await, ["Hit"], "{test}: {:?}", house.mails(house.alice.id, Role::Inbox).await);
    }
    for (required, action, seen) in ACTIONS {
        shown.extend(required.split_whitespace());
        let house = house(required, action).await;
        let reply = deliver(&house).await;
        assert_eq!(reply.starts_with("250 "), !matches!(seen, Reply(_)), "{action}: {reply}");
        let (filled, leaving) = (filled(&house, house.alice.id).await, leaving(&house).await);
        match seen {
            In(path, text) => {
                assert_eq!(filled, [*path], "{action}: {:?}", house.mails(house.alice.id, Role::Inbox).await);
                assert!(house.mails_at(house.alice.id, path).await[0].contains(text), "{action}");
            }
            Copies(count) => assert_eq!(filled.len(), *count, "{action}: {filled:?}"),
            Reply(text) => assert!(reply.starts_with(text) && filled.is_empty(), "{action}: {reply}"),
            Leaves(to, text) => {
                let has = |(sender, recipients, body): &(String, Vec<String>, String)| {
                    recipients == &[*to] && (sender.contains(text) || body.contains(text))
                };
                assert!(leaving.iter().any(has), "{action}: {leaving:?} {:?}", house.mails(house.alice.id, Role::Inbox).await);
            }
        }
    }
    // RFC 6785: that one is at work where a message is changed, in `imap/src/event.rs`.
    let of_deliveries = CAPABILITIES.iter().copied().filter(|name| *name != "imapsieve").collect();
    assert_eq!(shown, of_deliveries, "each that is offered, and no other");
}
