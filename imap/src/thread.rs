// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: the threads of THREAD (RFC 5256 §3): ORDEREDSUBJECT, REFERENCES and REFS.
//!
//! Trees are held flat, and their depth is bounded, so that no mail can cost more than a step along a bounded chain.

use std::collections::HashMap;

use hearth_types::Timestamp;
use hearth_wire::imap::{Forest, Node, ThreadAlgorithm};

use crate::limits::{THREAD_DEPTH_MAX, THREAD_REFERENCES_MAX};

/// A message as threads see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter {
    /// What the answer calls it: number or UID. Ascending.
    pub number: u32,
    /// The Date field, else INTERNALDATE.
    pub sent_at: Timestamp,
    /// Message-ID, without brackets.
    pub message_id: Option<String>,
    /// References, else the first of In-Reply-To.
    pub references: Vec<String>,
    /// The base subject, in its one case.
    pub subject: String,
    /// Was the subject that of a reply or a forward?
    pub is_reply: bool,
}

/// Makes trees of messages.
pub fn thread(algorithm: ThreadAlgorithm, letters: &[Letter]) -> Forest {
    match algorithm {
        ThreadAlgorithm::OrderedSubject => by_subject(letters),
        ThreadAlgorithm::References => by_references(letters, true),
        ThreadAlgorithm::Refs => by_references(letters, false),
    }
}

/// RFC 5256 §3: one thread per base subject; its first message is the root, the others are its children.
fn by_subject(letters: &[Letter]) -> Forest {
    let mut order: Vec<&Letter> = letters.iter().collect();
    order.sort_by(|one, other| (&one.subject, one.sent_at, one.number).cmp(&(&other.subject, other.sent_at, other.number)));
    let mut forest = Forest::default();
    let mut roots: Vec<(Timestamp, u32, usize)> = Vec::new();
    let mut subject = None;
    for letter in order {
        let place = forest.nodes.len();
        forest.nodes.push(Node { number: Some(letter.number), children: Vec::new() });
        if subject == Some(&letter.subject)
            && let Some(root) = roots.last().and_then(|&(_, _, root)| forest.nodes.get_mut(root))
        {
            root.children.push(place);
        } else {
            roots.push((letter.sent_at, letter.number, place));
            subject = Some(&letter.subject);
        }
    }
    roots.sort_unstable();
    forest.roots = roots.into_iter().map(|(_, _, root)| root).collect();
    forest
}

/// A place in a tree: a message, or an id that some message names.
#[derive(Clone, Debug, Default)]
struct Container {
    letter: Option<usize>,
    parent: Option<usize>,
    children: Vec<usize>,
}

struct Trees<'a> {
    letters: &'a [Letter],
    all: Vec<Container>,
}

/// RFC 5256 §3, REFERENCES; without `subjects`, REFS.
fn by_references(letters: &[Letter], subjects: bool) -> Forest {
    let mut trees = Trees { letters, all: Vec::new() };
    trees.link();
    let mut roots: Vec<usize> =
        (0..trees.all.len()).filter(|&at| trees.all.get(at).is_some_and(|one| one.parent.is_none())).collect();
    trees.prune(&mut roots);
    trees.sort(&mut roots);
    if subjects {
        trees.gather(&mut roots);
        trees.sort(&mut roots);
    } else {
        let newest = trees.newest(&roots);
        let mut order: Vec<(Timestamp, usize)> = newest.into_iter().zip(roots).collect();
        order.sort_by_key(|&(newest, _)| newest);
        roots = order.into_iter().map(|(_, root)| root).collect();
    }
    let node = |one: &Container| Node {
        number: one.letter.and_then(|letter| letters.get(letter)).map(|letter| letter.number),
        children: one.children.clone(),
    };
    Forest { nodes: trees.all.iter().map(node).collect(), roots }
}

impl<'a> Trees<'a> {
    fn add(&mut self, letter: Option<usize>) -> usize {
        self.all.push(Container { letter, ..Container::default() });
        self.all.len() - 1
    }

    /// Step 1: each message, and each id that one names, has a place; who refers is below what it refers to.
    fn link(&mut self) {
        let letters = self.letters;
        let mut places: HashMap<&'a str, usize> = HashMap::new();
        let mut own = Vec::with_capacity(letters.len());
        for (at, letter) in letters.iter().enumerate() {
            // A message without an id, or with one that another has, is there for itself.
            let place = match letter.message_id.as_deref() {
                Some(id) if !places.contains_key(id) => {
                    let place = self.add(Some(at));
                    places.insert(id, place);
                    place
                }
                _ => self.add(Some(at)),
            };
            own.push(place);
        }
        for (letter, place) in letters.iter().zip(own) {
            let skipped = letter.references.len().saturating_sub(THREAD_REFERENCES_MAX);
            let mut before: Option<usize> = None;
            for id in letter.references.iter().skip(skipped) {
                let named = *places.entry(id).or_insert_with(|| {
                    self.all.push(Container::default());
                    self.all.len() - 1
                });
                if let Some(before) = before
                    && self.parent(named).is_none()
                {
                    self.attach(before, named);
                }
                before = Some(named);
            }
            // The message's own references are the truth about its parent.
            if let Some(before) = before {
                self.detach(place);
                self.attach(before, place);
            }
        }
    }

    fn parent(&self, at: usize) -> Option<usize> {
        self.all.get(at).and_then(|one| one.parent)
    }

    /// Puts `child` below `parent`, unless that would make a ring or a chain beyond all measure.
    fn attach(&mut self, parent: usize, child: usize) {
        let (mut above, mut steps) = (Some(parent), 0);
        while let Some(next) = above {
            if next == child || steps >= THREAD_DEPTH_MAX {
                return;
            }
            (above, steps) = (self.parent(next), steps + 1);
        }
        if let Some(one) = self.all.get_mut(parent) {
            one.children.push(child);
        }
        if let Some(one) = self.all.get_mut(child) {
            one.parent = Some(parent);
        }
    }

    fn detach(&mut self, child: usize) {
        let Some(parent) = self.all.get_mut(child).and_then(|one| one.parent.take()) else { return };
        if let Some(one) = self.all.get_mut(parent) {
            one.children.retain(|&other| other != child);
        }
    }

    /// All places below these and themselves, children before their parents.
    fn upwards(&self, roots: &[usize]) -> Vec<usize> {
        let mut order = Vec::new();
        let mut next: Vec<usize> = roots.to_vec();
        while let Some(at) = next.pop() {
            order.push(at);
            next.extend(self.all.get(at).map(|one| one.children.as_slice()).unwrap_or_default());
        }
        order.reverse();
        order
    }

    fn is_dummy(&self, at: usize) -> bool {
        self.all.get(at).is_none_or(|one| one.letter.is_none())
    }

    fn take_children(&mut self, at: usize) -> Vec<usize> {
        self.all.get_mut(at).map(|one| std::mem::take(&mut one.children)).unwrap_or_default()
    }

    /// Step 3: places without a message give way to what is below them; at the top only if that is one.
    fn prune(&mut self, roots: &mut Vec<usize>) {
        for at in self.upwards(roots) {
            let mut kept = Vec::new();
            for child in self.take_children(at) {
                if self.is_dummy(child) { kept.extend(self.take_children(child)) } else { kept.push(child) }
            }
            if let Some(one) = self.all.get_mut(at) {
                one.children = kept;
            }
        }
        let mut kept = Vec::with_capacity(roots.len());
        for &root in roots.iter() {
            match self.all.get(root).map(|one| one.children.as_slice()).unwrap_or_default() {
                _ if !self.is_dummy(root) => kept.push(root),
                [] => {}
                [only] => kept.push(*only),
                _ => kept.push(root),
            }
        }
        *roots = kept;
    }

    fn letter(&self, at: usize) -> Option<&'a Letter> {
        let one = self.all.get(at)?;
        match one.letter {
            Some(letter) => self.letters.get(letter),
            // A dummy is as its first child, which is never one.
            None => self.letters.get(self.all.get(*one.children.first()?)?.letter?),
        }
    }

    fn date(&self, at: usize) -> (Timestamp, u32) {
        self.letter(at).map(|letter| (letter.sent_at, letter.number)).unwrap_or_default()
    }

    /// Steps 4 and 6: siblings by date.
    fn sort(&mut self, roots: &mut [usize]) {
        for at in self.upwards(roots) {
            let mut children = self.take_children(at);
            children.sort_by_key(|&child| self.date(child));
            if let Some(one) = self.all.get_mut(at) {
                one.children = children;
            }
        }
        roots.sort_by_key(|&root| self.date(root));
    }

    /// The date of the newest message of each tree.
    fn newest(&self, roots: &[usize]) -> Vec<Timestamp> {
        let of = |root: &usize| {
            let below = self.upwards(std::slice::from_ref(root));
            below.iter().map(|&at| self.date(at).0).max().unwrap_or_default()
        };
        roots.iter().map(of).collect()
    }

    /// Step 5: trees of one base subject come together.
    fn gather(&mut self, roots: &mut Vec<usize>) {
        // Of each subject the tree that the others go to: a dummy before a message, what begins before a reply.
        let mut table: HashMap<&'a str, usize> = HashMap::new();
        for &root in roots.iter() {
            let Some(letter) = self.letter(root).filter(|letter| !letter.subject.is_empty()) else { continue };
            let better = match table.get(letter.subject.as_str()) {
                None => true,
                Some(&known) => {
                    let known_replies = self.letter(known).is_some_and(|letter| letter.is_reply);
                    !self.is_dummy(known) && (self.is_dummy(root) || known_replies && !letter.is_reply)
                }
            };
            if better {
                table.insert(letter.subject.as_str(), root);
            }
        }
        let mut gone = vec![false; self.all.len()];
        let mut instead: HashMap<usize, usize> = HashMap::new();
        for &root in roots.iter() {
            let Some(letter) = self.letter(root) else { continue };
            let Some(&known) = table.get(letter.subject.as_str()).filter(|&&known| known != root) else { continue };
            let target = match (self.is_dummy(known), self.is_dummy(root)) {
                (true, true) => {
                    let children = self.take_children(root);
                    if let Some(one) = self.all.get_mut(known) {
                        one.children.extend(children);
                    }
                    None
                }
                (true, false) => Some(known),
                (false, false) if letter.is_reply && !self.letter(known).is_some_and(|letter| letter.is_reply) => Some(known),
                _ => {
                    // Neither is an answer to the other: both go below a new dummy, which stands where `known` stood.
                    let dummy = self.add(None);
                    if let Some(one) = self.all.get_mut(dummy) {
                        one.children.push(known);
                    }
                    instead.insert(known, dummy);
                    table.insert(letter.subject.as_str(), dummy);
                    Some(dummy)
                }
            };
            if let Some(one) = target.and_then(|target| self.all.get_mut(target)) {
                one.children.push(root);
            }
            if let Some(gone) = gone.get_mut(root) {
                *gone = true;
            }
        }
        let standing = roots.iter().filter(|&&root| !gone.get(root).copied().unwrap_or(false));
        *roots = standing.map(|root| instead.get(root).copied().unwrap_or(*root)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_wire::imap::encode_forest;
    use hearth_wire::message::base_subject;

    /// `id|references|subject`, numbered and dated in their order.
    fn letters(lines: &[&str]) -> Vec<Letter> {
        (1..)
            .zip(lines)
            .map(|(number, line)| {
                let parts: Vec<&str> = line.split('|').collect();
                let (subject, is_reply) = base_subject(parts[2]);
                Letter {
                    number,
                    sent_at: Timestamp::from_secs(i64::from(number)),
                    message_id: (!parts[0].is_empty()).then(|| parts[0].to_string()),
                    references: parts[1].split_whitespace().map(str::to_string).collect(),
                    subject,
                    is_reply,
                }
            })
            .collect()
    }

    fn text(algorithm: ThreadAlgorithm, letters: &[Letter]) -> String {
        let mut out = Vec::new();
        encode_forest(&mut out, &thread(algorithm, letters));
        String::from_utf8(out).expect("ASCII").trim_end().trim_start_matches("* THREAD").trim().to_string()
    }

    #[test]
    fn ordered_subject() {
        let mut all = letters(&["||x", "||y", "||Re: x", "||x", "||z", "||Fwd: y"]);
        assert_eq!(text(ThreadAlgorithm::OrderedSubject, &all), "(1 (3)(4))(2 6)(5)");
        // Threads stand by the date of their first message.
        all[1].sent_at = Timestamp::from_secs(-5);
        assert_eq!(text(ThreadAlgorithm::OrderedSubject, &all), "(2 6)(1 (3)(4))(5)");
        assert_eq!(text(ThreadAlgorithm::OrderedSubject, &[]), "");
    }

    #[test]
    fn references() {
        for (lines, references, refs) in [
            (&["a||x", "b|a|Re: x", "c|a b|Re: x"][..], "(1 2 3)", "(1 2 3)"),
            (&["a||x", "b|a|Re: x", "c|a|Re: x"], "(1 (2)(3))", "(1 (2)(3))"),
            // What is not there holds its answers together, at the top only.
            (&["b|a|x", "c|a|y"], "((1)(2))", "((1)(2))"),
            (&["b|a|x"], "(1)", "(1)"),
            (&["a||x", "c|a b|Re: x"], "(1 2)", "(1 2)"),
            // The answer comes before its question.
            (&["b|a|Re: x", "a||x"], "(2 1)", "(2 1)"),
            // A ring is not closed.
            (&["a|b|x", "b|a|y"], "(2 1)", "(2 1)"),
            (&["a|a|x"], "(1)", "(1)"),
            // No id, and one id twice.
            (&["||x", "||y"], "(1)(2)", "(1)(2)"),
            (&["a||x", "a||y", "b|a|z"], "(1 3)(2)", "(2)(1 3)"),
            // By subject: an answer goes below what began, two beginnings go side by side.
            (&["a||x", "b||Re: x"], "(1 2)", "(1)(2)"),
            (&["b||Re: x", "a||x"], "(2 1)", "(1)(2)"),
            (&["a||x", "b||x"], "((1)(2))", "(1)(2)"),
            (&["a||x", "b||x", "c||Re: x"], "((1)(2)(3))", "(1)(2)(3)"),
            (&["b|a|x", "c|a|Re: x", "d||x"], "((1)(2)(3))", "((1)(2))(3)"),
            (&["a||", "b||"], "(1)(2)", "(1)(2)"),
        ] {
            let all = letters(lines);
            assert_eq!(text(ThreadAlgorithm::References, &all), references, "{lines:?}");
            assert_eq!(text(ThreadAlgorithm::Refs, &all), refs, "{lines:?}");
        }
    }

    /// Every message is met once, whatever refers to what.
    #[test]
    fn nobody_is_lost_and_nobody_doubled() {
        let mut seed = 99_u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % below
        };
        for _ in 0..300 {
            let count = random(30) + 1;
            let all: Vec<Letter> = (1..=count)
                .map(|number| Letter {
                    number,
                    sent_at: Timestamp::from_secs(i64::from(random(20))),
                    message_id: (random(8) > 0).then(|| random(40).to_string()),
                    references: (0..random(5)).map(|_| random(40).to_string()).collect(),
                    subject: ["", "x", "y"][random(3) as usize].into(),
                    is_reply: random(2) == 0,
                })
                .collect();
            for algorithm in [ThreadAlgorithm::OrderedSubject, ThreadAlgorithm::References, ThreadAlgorithm::Refs] {
                let told = text(algorithm, &all);
                let mut numbers: Vec<u32> = told
                    .split(|c: char| !c.is_ascii_digit())
                    .filter(|word| !word.is_empty())
                    .map(|word| word.parse().expect("a number"))
                    .collect();
                numbers.sort_unstable();
                assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "{algorithm:?} {told} {all:?}");
            }
        }
    }

    fn chain(count: usize) -> Vec<Letter> {
        let link = |number: u32| Letter {
            number,
            message_id: Some(number.to_string()),
            references: vec![(number - 1).to_string()],
            ..Letter::default()
        };
        (1..).take(count).map(link).collect()
    }

    #[test]
    fn a_thread_is_so_deep_and_no_deeper() {
        for (count, roots) in [(THREAD_DEPTH_MAX, 1), (THREAD_DEPTH_MAX + 1, 2)] {
            assert_eq!(thread(ThreadAlgorithm::Refs, &chain(count)).roots.len(), roots, "{count}");
        }
    }

    #[test]
    fn so_many_references_count() {
        for (others, threads) in [(THREAD_REFERENCES_MAX - 1, 1), (THREAD_REFERENCES_MAX, 2)] {
            let references = ["a".to_string()].into_iter().chain((0..others).map(|n| format!("x{n}"))).collect();
            let all = [
                Letter { number: 1, message_id: Some("a".into()), ..Letter::default() },
                Letter { number: 2, message_id: Some("b".into()), references, ..Letter::default() },
            ];
            assert_eq!(thread(ThreadAlgorithm::Refs, &all).roots.len(), threads, "{others}");
        }
    }

    #[test]
    fn a_chain_beyond_all_measure_is_cut() {
        let forest = thread(ThreadAlgorithm::Refs, &chain(20_000));
        assert!(forest.roots.len() > 1 && forest.roots.len() < 30, "{}", forest.roots.len());
    }
}
