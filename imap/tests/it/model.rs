// SPDX-License-Identifier: AGPL-3.0-or-later
//! Several clients of one account, over real sockets, against a small model: one truth, whatever the order.
//!
//! Each [`Program`] believes only what it was told, by the rules of RFC 9051 §7.5.1 and RFC 7162: numbers shift by EXPUNGE
//! and grow by EXISTS, never while FETCH, STORE or SEARCH run; MODSEQ never goes back. After a NOOP it believes the truth.
//! One of them is told of news all the time (NOTIFY), one is another person to whom the mailboxes are shared (ACL).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::harness::{Client, Home};

/// Chance, the same in every run (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits") % bound
    }
}

const FLAGS: [&str; 4] = ["\\Seen", "\\Flagged", "\\Deleted", "$label1"];
const MAILBOXES: [&str; 2] = ["INBOX", "Archive"];

/// How a client takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Hears of news at the end of commands.
    Plain,
    /// Hears of them all the time; numbers stand until a command lets them change (RFC 5465 §6.1.2).
    Notified,
    /// Is the other person, with every right but to administer.
    Other,
}

/// What a client knows of the open mailbox.
pub struct Program {
    client: Client,
    prefix: &'static str,
    tag: u32,
    mailbox: usize,
    /// The UID behind each number, once it was told.
    pub uids: Vec<Option<u32>>,
    flags: BTreeMap<u32, BTreeSet<String>>,
    modseqs: BTreeMap<u32, u64>,
}

fn set_of(list: &str) -> BTreeSet<String> {
    list.split(' ').filter(|flag| !flag.is_empty()).map(str::to_string).collect()
}

/// What stands behind `name ` in parentheses.
fn in_parentheses<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(&format!("{name} ("))?.1.split(')').next()
}

fn number_after(line: &str, name: &str) -> Option<u32> {
    let rest = line.split_once(&format!("{name} "))?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

impl Program {
    pub async fn new(home: &Home, mailbox: usize, manner: Manner) -> Self {
        let mut client = home.connect_by_tcp().await;
        let prefix = if manner == Manner::Other {
            client.sign_in_as_other().await;
            "Other Users/alice@home.localhost/"
        } else {
            client.sign_in().await;
            ""
        };
        let (uids, flags, modseqs) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let mut program = Self { client, prefix, tag: 0, mailbox, uids, flags, modseqs };
        assert!(program.command("ENABLE CONDSTORE").await.starts_with("OK"));
        if manner == Manner::Notified {
            let wanted = "NOTIFY SET (selected-delayed (MessageNew (UID FLAGS MODSEQ) MessageExpunge FlagChange)) \
                          (personal (MessageNew MessageExpunge FlagChange))";
            assert!(program.command(wanted).await.starts_with("OK"));
        }
        program.select(mailbox).await;
        program
    }

    fn name(&self, mailbox: usize) -> String {
        format!("\"{}{}\"", self.prefix, MAILBOXES[mailbox])
    }

    async fn select(&mut self, mailbox: usize) {
        (self.mailbox, self.uids) = (mailbox, Vec::new());
        self.flags.clear();
        self.modseqs.clear();
        assert!(self.command(&format!("SELECT {}", self.name(mailbox))).await.starts_with("OK"));
        self.look().await;
    }

    /// The text of the tagged reply, behind the tag.
    pub async fn command(&mut self, text: &str) -> String {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.client.send(format!("{tag} {text}\r\n").as_bytes()).await;
        let numbers_stand = ["FETCH", "STORE", "SEARCH"].iter().any(|verb| text.starts_with(verb));
        let mut copied = String::new();
        loop {
            let line = self.client.line().await.unwrap_or_else(|| panic!("closed after {text}"));
            if let Some(reply) = line.strip_prefix(&format!("{tag} ")) {
                assert!(!reply.starts_with("BAD"), "{text}: {reply}");
                return format!("{reply}{copied}");
            }
            let said = line.strip_prefix("* ").unwrap_or_else(|| panic!("{text}: {line}"));
            if said.contains("[COPYUID") {
                copied = said.to_string();
            }
            self.learn(said, numbers_stand, text);
        }
    }

    fn learn(&mut self, said: &str, numbers_stand: bool, during: &str) {
        let Some((number, rest)) = said.split_once(' ') else { return };
        let Ok(number) = number.parse::<usize>() else { return };
        match rest.split(' ').next() {
            Some("EXISTS") => {
                assert!(number >= self.uids.len(), "{during}: the mailbox shrinks without EXPUNGE");
                self.uids.resize(number, None);
            }
            Some("EXPUNGE") => {
                assert!(!numbers_stand, "{during}: EXPUNGE while numbers stand");
                assert!((1..=self.uids.len()).contains(&number), "{during}: EXPUNGE {number} of {}", self.uids.len());
                if let Some(uid) = self.uids.remove(number - 1) {
                    self.flags.remove(&uid);
                }
            }
            Some("FETCH") => {
                let uid = number_after(rest, "UID").unwrap_or_else(|| panic!("{during}: {said}"));
                let known = self.uids.get_mut(number - 1).unwrap_or_else(|| panic!("{during}: {said}"));
                assert!(known.is_none_or(|known| known == uid), "{during}: number {number} was {known:?}, now {uid}");
                *known = Some(uid);
                if let Some(flags) = in_parentheses(rest, "FLAGS") {
                    self.flags.insert(uid, set_of(flags));
                }
                if let Some(modseq) = in_parentheses(rest, "MODSEQ").and_then(|modseq| modseq.parse().ok()) {
                    let before = self.modseqs.insert(uid, modseq).unwrap_or(0);
                    assert!(before <= modseq, "{during}: MODSEQ of {uid} goes back from {before} to {modseq}");
                }
            }
            _ => {}
        }
    }

    /// Asks for all that it does not know.
    pub async fn look(&mut self) {
        self.command("NOOP").await;
        if self.uids.contains(&None) {
            self.command("FETCH 1:* (UID FLAGS MODSEQ)").await;
        }
    }

    pub fn believes(&self) -> BTreeMap<u32, BTreeSet<String>> {
        self.uids.iter().map(|uid| uid.expect("told")).map(|uid| (uid, self.flags.get(&uid).cloned().unwrap_or_default())).collect()
    }
}

/// The truth: keywords belong to the message, `\Deleted` and the UID to its place.
#[derive(Default)]
struct Truth {
    messages: Vec<BTreeSet<String>>,
    /// By mailbox and UID: the message, and whether it is marked.
    places: [BTreeMap<u32, (usize, bool)>; 2],
    last_uid: [u32; 2],
}

impl Truth {
    fn put(&mut self, mailbox: usize, uid: u32, message: usize, deleted: bool) {
        assert!(uid > self.last_uid[mailbox], "UIDs ascend");
        self.last_uid[mailbox] = uid;
        self.places[mailbox].insert(uid, (message, deleted));
    }

    /// Where the message is already, there comes a twin of it.
    fn copy(&mut self, message: usize, to: usize, uid: u32, deleted: bool) {
        let mut message = message;
        if self.places[to].values().any(|(there, _)| *there == message) {
            self.messages.push(self.messages[message].clone());
            message = self.messages.len() - 1;
        }
        self.put(to, uid, message, deleted);
    }

    fn store(&mut self, mailbox: usize, uid: u32, flag: &str, set: bool) {
        let Some((message, deleted)) = self.places[mailbox].get_mut(&uid) else { return };
        if flag == "\\Deleted" {
            *deleted = set;
        } else if set {
            self.messages[*message].insert(flag.to_string());
        } else {
            self.messages[*message].remove(flag);
        }
    }

    fn of(&self, mailbox: usize) -> BTreeMap<u32, BTreeSet<String>> {
        let shown = |(message, deleted): &(usize, bool)| {
            let mut flags = self.messages[*message].clone();
            if *deleted {
                flags.insert("\\Deleted".into());
            }
            flags
        };
        self.places[mailbox].iter().map(|(uid, place)| (*uid, shown(place))).collect()
    }
}

/// One thing that a client does; the model does the same.
async fn act(program: &mut Program, truth: &mut Truth, chance: &mut Chance) {
    let mailbox = program.mailbox;
    let known: Vec<(usize, u32)> = (1..).zip(&program.uids).filter_map(|(number, uid)| Some((number, (*uid)?))).collect();
    let choice = chance.below(10);
    if choice < 2 || known.is_empty() {
        let flags: BTreeSet<String> = FLAGS.iter().filter(|_| chance.below(3) == 0).map(|flag| flag.to_string()).collect();
        let list = flags.iter().cloned().collect::<Vec<_>>().join(" ");
        let reply = program.command(&format!("APPEND {} ({list}) {{14+}}\r\nSubject: x\r\n\r\n", program.name(mailbox))).await;
        let uid = reply.split([' ', ']']).nth(3).and_then(|uid| uid.parse().ok()).unwrap_or_else(|| panic!("{reply}"));
        truth.messages.push(flags.iter().filter(|flag| *flag != "\\Deleted").cloned().collect());
        truth.put(mailbox, uid, truth.messages.len() - 1, flags.contains("\\Deleted"));
        return;
    }
    let (number, uid) = known[chance.below(known.len())];
    match choice {
        2..=4 => {
            let (flag, set) = (FLAGS[chance.below(FLAGS.len())], chance.below(2) == 0);
            let sign = if set { '+' } else { '-' };
            if choice == 4 {
                program.command(&format!("UID STORE {uid} {sign}FLAGS ({flag})")).await;
            } else {
                program.command(&format!("STORE {number} {sign}FLAGS ({flag})")).await;
            }
            truth.store(mailbox, uid, flag, set);
        }
        5 => {
            program.command("EXPUNGE").await;
            truth.places[mailbox].retain(|_, (_, deleted)| !*deleted);
        }
        6 => {
            program.command(&format!("UID EXPUNGE {uid}")).await;
            truth.places[mailbox].retain(|one, (_, deleted)| *one != uid || !*deleted);
        }
        7 | 8 => {
            let (verb, to) = (if choice == 7 { "COPY" } else { "MOVE" }, 1 - mailbox);
            let reply = program.command(&format!("UID {verb} {uid} {}", program.name(to))).await;
            let Some((message, deleted)) = truth.places[mailbox].get(&uid).copied() else {
                assert!(!reply.contains("COPYUID"), "{verb} of what is gone: {reply}");
                return;
            };
            let code = reply.split_once("[COPYUID ").unwrap_or_else(|| panic!("{verb} {uid}: {reply}")).1;
            let new = code.split([' ', ']']).nth(2).and_then(|uid| uid.parse().ok()).unwrap_or_else(|| panic!("{reply}"));
            truth.copy(message, to, new, deleted);
            if verb == "MOVE" {
                truth.places[mailbox].remove(&uid);
            }
        }
        _ => {
            program.command(&format!("SEARCH UID {uid}")).await;
        }
    }
}

/// The other person may do everything in both mailboxes, but not say who else may.
async fn share(home: &Home) {
    let mut client = home.connect(true);
    client.sign_in().await;
    for mailbox in MAILBOXES {
        let said = client.command("a", &format!("SETACL {mailbox} bob lrswipkxte")).await;
        assert_eq!(said, ["a OK done"]);
    }
}

async fn one_truth(seed: u64) {
    let home = Home::new().await;
    let mut chance = Chance(seed);
    let mut truth = Truth::default();
    let mut programs = Vec::new();
    share(&home).await;
    for (mailbox, manner) in
        [(0, Manner::Plain), (0, Manner::Notified), (0, Manner::Other), (1, Manner::Plain), (1, Manner::Notified)]
    {
        programs.push(Program::new(&home, mailbox, manner).await);
    }
    for step in 0..250 {
        let who = chance.below(programs.len());
        act(&mut programs[who], &mut truth, &mut chance).await;
        if step % 25 == 0 {
            let other = 1 - programs[who].mailbox;
            programs[who].select(other).await;
        }
        if chance.below(6) == 0 {
            let who = chance.below(programs.len());
            programs[who].look().await;
            assert_eq!(programs[who].believes(), truth.of(programs[who].mailbox), "seed {seed}, step {step}");
        }
    }
    for program in &mut programs {
        program.look().await;
        assert_eq!(program.believes(), truth.of(program.mailbox), "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_believes_the_truth() {
    for seed in [1, 7, 42, 2026, 0x5eed] {
        one_truth(seed).await;
    }
}

/// All at once: nobody knows the truth beforehand, but in the end all believe the same, and it is what a new client sees.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_at_once_they_end_in_one_truth() {
    let home = Arc::new(Home::new().await);
    share(&home).await;
    let mut running = Vec::new();
    for number in 0..9_u64 {
        let home = Arc::clone(&home);
        let manner = [Manner::Plain, Manner::Notified, Manner::Other][usize::try_from(number % 3).expect("fits")];
        running.push(tokio::spawn(async move {
            let mut chance = Chance(99 + number);
            let mut program = Program::new(&home, 0, manner).await;
            for _ in 0..60 {
                let known: Vec<u32> = program.uids.iter().flatten().copied().collect();
                let pick = (!known.is_empty()).then(|| known[chance.below(known.len())]);
                match (chance.below(6), pick) {
                    (0 | 1, _) | (_, None) => {
                        let append = format!("APPEND {} (\\Seen) {{14+}}\r\nSubject: x\r\n\r\n", program.name(0));
                        program.command(&append).await;
                    }
                    (2, Some(uid)) => {
                        program.command(&format!("UID STORE {uid} +FLAGS ({})", FLAGS[chance.below(FLAGS.len())])).await;
                    }
                    (3, Some(_)) => {
                        program.command("EXPUNGE").await;
                    }
                    (4, Some(uid)) => {
                        program.command(&format!("UID MOVE {uid} {}", program.name(1))).await;
                    }
                    _ => program.look().await,
                }
            }
            program
        }));
    }
    let mut programs = Vec::new();
    for one in running {
        programs.push(one.await.expect("no rule was broken"));
    }
    let mut fresh = Program::new(&home, 0, Manner::Plain).await;
    fresh.look().await;
    for program in &mut programs {
        program.look().await;
        assert_eq!(program.believes(), fresh.believes());
    }
}
