// SPDX-License-Identifier: AGPL-3.0-or-later
//! How long a mail is looked at: words, opinion, script; microseconds each, of a letter of 10 KiB.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use hearth_filter::junk::{Counts, judge, tokens};
use hearth_filter::sieve::{Lookup, Subject, compile};

const ROUNDS: u32 = 2_000;

struct Nobody;

impl Lookup for Nobody {
    fn mailbox(&mut self, _: &str) -> bool {
        true
    }
    fn mailbox_by_id(&mut self, _: &str) -> Option<String> {
        None
    }
    fn mailbox_by_use(&mut self, _: &str) -> Option<String> {
        None
    }
    fn is_remembered(&mut self, _: &str) -> bool {
        false
    }
    fn annotations(&mut self) -> Vec<(Option<String>, String, String)> {
        Vec::new()
    }
    fn script(&mut self, _: &str) -> Option<Vec<u8>> {
        None
    }
}

fn report(what: &str, mut work: impl FnMut()) {
    let begun = Instant::now();
    (0..ROUNDS).for_each(|_| work());
    let each = begun.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
    let _ = writeln!(std::io::stdout(), "{what}: {each:.1} µs");
}

fn main() {
    let words: Vec<String> = (0..1_500).map(|n| format!("word{}", n % 600)).collect();
    let mail = format!("From: Carol <carol@else.example>\r\nTo: a@b.example\r\nSubject: A letter\r\n\r\n{}\r\n", words.join(" "));
    let parsed = hearth_wire::message::parse(mail.as_bytes());
    let found = tokens(&parsed);
    let counts: Vec<Counts> = (0..found.len()).map(|n| Counts { good: (n % 7) as u32, junk: (n % 5) as u32 }).collect();
    let script = "require [\"fileinto\", \"imap4flags\"]; if header :contains \"list-id\" \"rust\" { fileinto \"Lists\"; }\r\n\
        elsif address :is \"from\" \"carol@else.example\" { addflag \"\\\\Flagged\"; }";
    let compiled = compile(script.as_bytes()).expect("the script is sound");
    let subject = Subject {
        cut_from: None,
        raw: mail.as_bytes(),
        sender: "carol@else.example",
        recipient: "a@b.example",
        owner: "a@b.example",
        owner_name: "",
        hostname: "b.example",
        junk: None,
    };
    report("parse", || drop(black_box(hearth_wire::message::parse(mail.as_bytes()))));
    report("words", || drop(black_box(tokens(&parsed))));
    report("opinion", || drop(black_box(judge(&found, &counts, Counts { good: 400, junk: 300 }))));
    report("compile a script", || drop(black_box(compile(script.as_bytes()))));
    report("run a script", || drop(black_box(compiled.run(&subject, &mut Nobody))));
}
