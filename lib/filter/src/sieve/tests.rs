// SPDX-License-Identifier: AGPL-3.0-or-later
//! Scripts against mails: each extension once, and what strangers and mistakes do.

use std::collections::BTreeMap;

use hearth_mailstore::{Flag, FlagSet};

use super::*;
use crate::limits::{LOOKUPS_MAX, REDIRECTS_MAX, SCRIPT_BYTES_MAX};

pub(super) const MAIL: &str = "Received: by x; y\r\nFrom: Carol <carol@else.example>\r\nTo: alice@home.example\r\nSubject: Hello\r\n\
    Message-ID: <1@else.example>\r\n\r\nGood morning.\r\n";

#[derive(Default)]
pub(super) struct House {
    /// Path to (id, special use).
    mailboxes: BTreeMap<String, (&'static str, &'static str)>,
    remembered: Vec<String>,
    scripts: BTreeMap<&'static str, String>,
}

impl House {
    pub(super) fn add_script(&mut self, name: &'static str, text: String) {
        self.scripts.insert(name, text);
    }

    pub(super) fn new() -> Self {
        let mailboxes = [("INBOX", ("m1", "")), ("Junk", ("m2", "\\Junk")), ("Lists", ("m3", ""))];
        Self { mailboxes: mailboxes.into_iter().map(|(path, rest)| (path.to_string(), rest)).collect(), ..Self::default() }
    }
}

impl Lookup for House {
    fn mailbox(&mut self, path: &str) -> bool {
        self.mailboxes.contains_key(path)
    }
    fn mailbox_by_id(&mut self, id: &str) -> Option<String> {
        self.mailboxes.iter().find(|(_, mailbox)| mailbox.0 == id).map(|(path, _)| path.clone())
    }
    fn mailbox_by_use(&mut self, special_use: &str) -> Option<String> {
        self.mailboxes.iter().find(|(_, mailbox)| mailbox.1.eq_ignore_ascii_case(special_use)).map(|(path, _)| path.clone())
    }
    fn is_remembered(&mut self, id: &str) -> bool {
        self.remembered.iter().any(|known| known == id)
    }
    fn annotations(&mut self) -> Vec<(Option<String>, String, String)> {
        let entry = |mailbox: Option<&str>, name: &str| (mailbox.map(str::to_string), name.to_string(), "yes".to_string());
        vec![entry(Some("Lists"), "/private/comment"), entry(None, "/private/vendor/hearth/away")]
    }
    fn script(&mut self, name: &str) -> Option<Vec<u8>> {
        self.scripts.get(name).map(|text| text.clone().into_bytes())
    }
}

pub(super) fn run_on(house: &mut House, script: &str, mail: &str) -> Ran {
    let script = compile(script.as_bytes()).unwrap_or_else(|error| panic!("{error}: {script}"));
    let subject = Subject {
        cut_from: None,
        raw: mail.as_bytes(),
        sender: "carol@else.example",
        recipient: "alice+shop@home.example",
        owner: "alice@home.example",
        owner_name: "Alice",
        hostname: "mail.home.example",
        junk: Some(0.5),
    };
    script.run(&subject, house)
}

pub(super) fn run(script: &str) -> Ran {
    run_on(&mut House::new(), script, MAIL)
}

fn path(path: &str, create: bool) -> Place {
    Place::Path { path: path.to_string(), create }
}

/// The places of a run that did nothing but file.
pub(super) fn places(ran: &Ran) -> Vec<Place> {
    assert_eq!(ran.error, None);
    ran.actions
        .iter()
        .map(|action| match action {
            Action::File { place, .. } => place.clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn where_a_mail_goes() {
    for (script, want) in [
        ("", vec![Place::Usual]),
        ("keep;", vec![Place::Usual]),
        ("discard;", vec![]),
        ("require \"fileinto\"; fileinto \"Lists\";", vec![path("Lists", false)]),
        ("require [\"fileinto\", \"copy\"]; fileinto :copy \"Lists\";", vec![path("Lists", false), Place::Usual]),
        ("require [\"fileinto\", \"mailbox\"]; fileinto :create \"New/One\";", vec![path("New/One", true)]),
        ("require [\"fileinto\", \"mailbox\", \"mailboxid\"]; fileinto :mailboxid \"m3\" \"Gone\";", vec![path("Lists", false)]),
        ("require [\"fileinto\", \"mailbox\", \"mailboxid\"]; fileinto :mailboxid \"m9\" \"Gone\";", vec![path("Gone", false)]),
        ("require [\"fileinto\", \"special-use\"]; fileinto :specialuse \"\\\\Junk\" \"Spam\";", vec![path("Junk", false)]),
        ("require \"mailbox\"; if not mailboxexists \"Lists\" { discard; }", vec![Place::Usual]),
        ("require \"mailbox\"; if mailboxexists \"Nowhere\" { discard; }", vec![Place::Usual]),
        ("require \"special-use\"; if specialuse_exists \"\\\\Junk\" { discard; }", vec![]),
        ("require \"mailboxid\"; if mailboxidexists \"m1\" { discard; }", vec![]),
        ("require \"envelope\"; if envelope \"from\" \"carol@else.example\" { discard; }", vec![]),
        ("require [\"envelope\", \"subaddress\"]; if envelope :detail \"to\" \"shop\" { discard; }", vec![]),
        ("require \"body\"; if body :contains \"morning\" { discard; }", vec![]),
        ("require \"regex\"; if header :regex \"subject\" \"^H.l+o$\" { discard; }", vec![]),
        (
            "require [\"relational\", \"comparator-i;ascii-numeric\"]; if header :count \"gt\" :comparator \"i;ascii-numeric\" \"received\" \"5\" { discard; }",
            vec![Place::Usual],
        ),
        (
            "require [\"spamtestplus\", \"relational\", \"comparator-i;ascii-numeric\"]; if spamtest :percent :value \"ge\" :comparator \"i;ascii-numeric\" \"40\" { discard; }",
            vec![],
        ),
        ("require \"environment\"; if environment \"name\" \"Hearth\" { discard; }", vec![]),
        (
            "require [\"variables\", \"fileinto\"]; if header :matches \"subject\" \"*\" { fileinto \"${1}\"; }",
            vec![path("Hello", false)],
        ),
        ("require \"ihave\"; if ihave \"virustest\" { discard; }", vec![Place::Usual]),
        ("require \"mboxmetadata\"; if metadata \"Lists\" \"/private/comment\" \"yes\" { discard; }", vec![]),
        ("require \"mboxmetadata\"; if metadata \"INBOX\" \"/private/comment\" \"yes\" { discard; }", vec![Place::Usual]),
        ("require \"servermetadata\"; if servermetadataexists \"/private/vendor/hearth/away\" { discard; }", vec![]),
    ] {
        assert_eq!(places(&run(script)), want, "{script}");
    }
}

#[test]
fn flags() {
    let ran = run(
        "require [\"imap4flags\", \"fileinto\"]; fileinto :flags [\"\\\\Seen\", \"\\\\Deleted\", \"Work\", \"no good\"] \"Lists\";",
    );
    let [Action::File { flags, .. }] = ran.actions.as_slice() else { panic!("{ran:?}") };
    assert_eq!(*flags, [Flag::Seen, Flag::Keyword("work".into())].into_iter().collect::<FlagSet>());
    let ran = run("require \"imap4flags\"; addflag \"\\\\Flagged\";");
    let [Action::File { flags, .. }] = ran.actions.as_slice() else { panic!("{ran:?}") };
    assert!(flags.contains(&Flag::Flagged));
}

#[test]
fn an_edited_header() {
    let ran = run("require \"editheader\"; addheader \"X-Seen\" \"yes\"; deleteheader \"Subject\"; deleteheader \"Received\";");
    let [Action::File { edited: Some(edited), .. }] = ran.actions.as_slice() else { panic!("{ran:?}") };
    let text = String::from_utf8_lossy(edited);
    assert!(text.contains("X-Seen: yes\r\n") && !text.contains("Subject:"), "{text}");
    assert!(text.contains("Received: by x; y"), "the trace stays: {text}");
}

#[test]
fn a_redirect_leaves_bounds() {
    let ran = run("redirect \"carol@else.example\";");
    assert_eq!(ran.actions, vec![Action::Redirect { to: "carol@else.example".into(), edited: None }]);
    // RFC 5228 §4.2: to oneself is a loop, and the mail is kept.
    assert_eq!(places(&run("redirect \"alice@home.example\";")), vec![Place::Usual]);
    let many: String = (0..REDIRECTS_MAX + 3).map(|n| format!("redirect \"p{n}@else.example\";")).collect();
    assert_eq!(run(&many).actions.len(), REDIRECTS_MAX);
    let circles = format!("{}{MAIL}", "Received: by x; y\r\n".repeat(crate::limits::HOPS_ANSWERED_MAX));
    assert_eq!(places(&run_on(&mut House::new(), "redirect \"bob@else.example\";", &circles)), vec![Place::Usual]);
}

#[test]
fn rejected() {
    for name in ["reject", "ereject"] {
        let ran = run(&format!("require \"{name}\"; {name} \"Not here.\";"));
        assert_eq!(ran.actions, vec![Action::Reject { reason: "Not here.".into() }]);
    }
}

#[test]
fn a_vacation_answers_once() {
    let mut house = House::new();
    let script = "require \"vacation\"; vacation :days 3 :subject \"Grüße\" \"I am away.\";";
    let ran = run_on(&mut house, script, MAIL);
    let [Action::Send { to, message, is_answer: true }, Action::File { place: Place::Usual, .. }] = ran.actions.as_slice() else {
        panic!("{ran:?}")
    };
    assert_eq!(to, &["carol@else.example"]);
    let text = String::from_utf8_lossy(message);
    for line in [
        "From: Alice <alice@home.example>\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "In-Reply-To: <1@else.example>\r\n",
        "I am away.",
    ] {
        assert!(text.replace('"', "").contains(line), "{line} in {text}");
    }
    assert!(text.contains("Subject: =?utf-8?B?"), "{text}");
    let [remember] = ran.remember.as_slice() else { panic!("{ran:?}") };
    assert_eq!(remember.seconds, 3 * 24 * 3600);
    house.remembered.push(remember.id.clone());
    assert_eq!(places(&run_on(&mut house, script, MAIL)), vec![Place::Usual]);
}

#[test]
fn a_vacation_answers_people_alone() {
    let script = "require \"vacation\"; vacation \"I am away.\";";
    for field in [
        "Auto-Submitted: auto-generated",
        "List-Id: <x.org>",
        "Precedence: bulk",
        "X-Auto-Response-Suppress: DR, OOF",
        "List-Unsubscribe: <mailto:x>",
    ] {
        let mail = format!("{field}\r\n{MAIL}");
        assert_eq!(places(&run_on(&mut House::new(), script, &mail)), vec![Place::Usual], "{field}");
    }
    // RFC 5230 §4.5: not when the person is named nowhere.
    let blind = MAIL.replace("To: alice@home.example", "To: others@else.example");
    assert_eq!(places(&run_on(&mut House::new(), script, &blind)), vec![Place::Usual]);
}

#[test]
fn a_copy_of_the_answer_is_filed() {
    let ran = run("require [\"vacation\", \"fcc\", \"imap4flags\"]; vacation :fcc \"Sent\" :flags \"\\\\Seen\" \"Away.\";");
    let copy = ran.actions.iter().find_map(|action| match action {
        Action::File { place: Place::Path { path, .. }, edited: Some(copy), .. } if path == "Sent" => Some(copy),
        _ => None,
    });
    assert!(String::from_utf8_lossy(copy.expect("a copy")).contains("Away."));
}

#[test]
fn a_notice_by_mail() {
    let ran = run("require \"enotify\"; notify :message \"News\" \"mailto:alice@phone.example\";");
    let [Action::Send { to, message, is_answer: false }, Action::File { .. }] = ran.actions.as_slice() else { panic!("{ran:?}") };
    assert_eq!(to, &["alice@phone.example"]);
    assert!(String::from_utf8_lossy(message).contains("Auto-Submitted: auto-notified\r\n"));
}

#[test]
fn duplicates() {
    let mut house = House::new();
    let script = "require \"duplicate\"; if duplicate { discard; }";
    let ran = run_on(&mut house, script, MAIL);
    assert_eq!((places(&ran), ran.remember.len()), (vec![Place::Usual], 1));
    house.remembered.push(ran.remember[0].id.clone());
    assert_eq!(run_on(&mut house, script, MAIL).actions, vec![]);
}

#[test]
fn scripts_inside_scripts() {
    let mut house = House::new();
    house.scripts.insert("inner", "discard;".to_string());
    house.scripts.insert("broken", "if {".to_string());
    house.scripts.insert("ring", "require \"include\"; include :personal \"ring\";".to_string());
    assert_eq!(run_on(&mut house, "require \"include\"; include :personal \"inner\";", MAIL).actions, vec![]);
    assert_eq!(places(&run_on(&mut house, "require \"include\"; include :optional \"none\";", MAIL)), vec![Place::Usual]);
    for name in ["none", "broken", "ring"] {
        let ran = run_on(&mut house, &format!("require \"include\"; include :personal \"{name}\";"), MAIL);
        assert!(ran.error.is_some(), "{name}: {ran:?}");
        assert_eq!(ran.actions, Ran::usual().actions, "{name}");
    }
}

#[test]
fn an_error_keeps_the_mail_and_does_nothing_else() {
    let ran = run("require [\"ihave\", \"fileinto\"]; redirect \"x@y.example\"; fileinto \"Lists\"; error \"on purpose\";");
    assert_eq!(ran.error.as_deref(), Some("Script reported error \"on purpose\"."));
    assert_eq!((ran.actions, ran.remember), (Ran::usual().actions, vec![]));
    let asks: String = "if mailboxexists \"x\" { stop; }".repeat(LOOKUPS_MAX + 1);
    let ran = run(&format!("require \"mailbox\"; {asks}"));
    assert_eq!(ran.error.as_deref(), Some("The script asks for too much."));
    let asks: String = "if mailboxexists \"x\" { stop; }".repeat(LOOKUPS_MAX);
    assert_eq!(run(&format!("require \"mailbox\"; {asks}")).error, None);
}

#[test]
fn what_is_wrong_is_said_before_a_mail_comes() {
    for script in [
        "fileinto \"x\";",
        "require \"virustest\";",
        "require \"vnd.nobody.nothing\";",
        "if header :regex \"subject\" \"(\" { stop; }",
        "\u{0}",
        "redirect;",
        "keep; discard",
    ] {
        assert!(compile(script.as_bytes()).is_err(), "{script:?}");
    }
    // sieve-rs 0.7.3 panics at this one where its assertions are compiled in.
    let panics = b"require [\"variables\", \"regex\"]; if header :regex \"x\" \"${1}\"; keep; }\r\n";
    assert!(compile(panics).is_err());
    assert_eq!(compile(b"keep;\r\nfileinto \"x\";\r\n").expect_err("an error").line, 2);
    let error = compile(b"# mine\r\n require [\"fileinto\",\r\n  \"no-such-thing\"];\r\n").expect_err("not to be had");
    assert_eq!((error.line, error.says.ends_with("at line 3, column 3.")), (3, true), "{error}");
    let error = compile(b"# frobnicate\r\nkeep;\r\n  frobnicate \"x\";\r\n").expect_err("no such command");
    assert_eq!((error.line, error.says.ends_with("at line 3, column 3.")), (3, true), "{error}");
    let nested = |levels: usize| format!("{}keep;{}", "if true {".repeat(levels), "}".repeat(levels));
    assert!(compile(nested(10).as_bytes()).is_ok());
    assert!(compile(nested(100_000).as_bytes()).is_err());
    let long = |bytes: usize| format!("#{}\r\n", "x".repeat(bytes - 3));
    assert!(compile(long(SCRIPT_BYTES_MAX).as_bytes()).is_ok());
    assert!(compile(long(SCRIPT_BYTES_MAX + 1).as_bytes()).is_err());
}

#[test]
fn what_is_offered_is_there() {
    for name in CAPABILITIES {
        let compiled = compile(format!("require \"{name}\";").as_bytes());
        assert!(compiled.is_ok(), "{name}: {compiled:?}");
    }
    let mut sorted = CAPABILITIES.to_vec();
    sorted.sort_unstable();
    assert_eq!(sorted, CAPABILITIES);
}

#[test]
fn a_hostile_mail_needs_no_script() {
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
    assert_eq!(run_on(&mut House::new(), "discard;", &nested), Ran::usual());
    assert_eq!(run_on(&mut House::new(), "discard;", "").error, None);
    let evil = MAIL.replace("Subject: Hello", "Subject: =?utf-8?q?a=0D=0ABcc:_evil=40x.org?=");
    let ran = run_on(&mut House::new(), "require \"vacation\"; vacation \"Away.\";", &evil);
    let sent = ran.actions.iter().find_map(|action| match action {
        Action::Send { message, .. } => Some(String::from_utf8_lossy(message).into_owned()),
        _ => None,
    });
    assert!(!sent.expect("an answer").contains("\r\nBcc:"));
}
