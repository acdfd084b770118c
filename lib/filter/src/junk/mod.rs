// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a person's own mail says of a new one: a naive Bayes classifier for each person.
//!
//! [`tokens`] makes words out of a mail; the store counts, per person, in how many good and how many junk mails each
//! was; [`judge`] combines the most telling ones into one number. Robinson's estimate of a word's probability and
//! Fisher's method to combine them are described in G. Robinson, "A Statistical Approach to the Spam Problem", Linux
//! Journal 107 (2003). A fresh mailbox has the opinion of [`prior`] alone. Before the words comes what the person's history
//! says of the sender: [`decide`].

mod known;
mod prior;
mod token;

use hearth_wire::message::Parsed;

use crate::limits::TELLING_MAX;
use crate::{Judgement, Reason};

pub use known::{DOMAIN_JUNK_FROM, Known, SENDER_JUNK_FROM, Sender, THROWN_FROM, decide, sender};
pub use token::{Token, tokens};

/// The mail that every judge of junk must know (<https://spamassassin.apache.org/gtube/>).
pub const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/// From here on a mail is junk.
pub const JUNK_FROM: f64 = 0.97;
/// Fewer telling words than this say nothing.
const TELLING_MIN: usize = 4;
/// Robinson's s: what is assumed of a word weighs as much as this many mails.
const ASSUMED_WEIGHT: f64 = 0.45;
/// Words nearer to the middle than this say nothing.
const TELLING_FROM: f64 = 0.1;

/// In how many mails something was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Mails that the person wants.
    pub good: u32,
    /// Mails that the person called junk.
    pub junk: u32,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opinion {
    /// From 0 (surely wanted) to 1 (surely junk).
    pub score: f64,
    /// The words that told most, for the reason.
    pub words: Vec<String>,
    /// How many words told anything.
    pub telling: usize,
}

impl Opinion {
    /// Is it junk, and why?
    pub fn judgement(&self) -> Option<(Judgement, Reason)> {
        if self.telling < TELLING_MIN || self.score < JUNK_FROM {
            return None;
        }
        let words: Vec<String> = self.words.iter().map(|word| format!("\"{word}\"")).collect();
        Some((Judgement::Suspect, Reason::new(&format!("It reads like junk: {}.", words.join(", ")))))
    }
}

/// Is it the test mail?
pub fn is_gtube(mail: &Parsed) -> bool {
    mail.text.contains(GTUBE) || mail.envelope.subject.as_deref().is_some_and(|subject| subject.contains(GTUBE))
}

/// Combines what is known of the words. `counts` are in the order of `tokens`; `all` counts the mails that were learnt.
pub fn judge(tokens: &[Token], counts: &[Counts], all: Counts) -> Opinion {
    let mut telling: Vec<(f64, &Token)> = tokens
        .iter()
        .zip(counts)
        .map(|(token, counts)| (probability(token, *counts, all), token))
        .filter(|(probability, _)| (probability - 0.5).abs() >= TELLING_FROM)
        .collect();
    telling.sort_by(|a, b| (b.0 - 0.5).abs().total_cmp(&(a.0 - 0.5).abs()));
    telling.truncate(TELLING_MAX);
    let degrees = telling.len();
    let sum = |of: fn(f64) -> f64| telling.iter().map(|(probability, _)| of(*probability).ln()).sum::<f64>();
    // Fisher: under chance, -2 Σ ln p is chi-square with 2n degrees of freedom.
    let junk = 1.0 - chi_square(-2.0 * sum(|probability| 1.0 - probability), degrees);
    let good = 1.0 - chi_square(-2.0 * sum(|probability| probability), degrees);
    let score = if degrees == 0 { 0.5 } else { f64::midpoint(junk - good, 1.0) };
    let words = telling.iter().filter(|(probability, _)| *probability > 0.5).take(3).map(|(_, token)| token.word.clone());
    Opinion { score, words: words.collect(), telling: degrees }
}

/// Robinson's f(w): what was counted, drawn towards what is assumed.
fn probability(token: &Token, counts: Counts, all: Counts) -> f64 {
    let assumed = prior::of(&token.word);
    let share = |of: u32, among: u32| if among == 0 { 0.0 } else { (f64::from(of) / f64::from(among)).min(1.0) };
    let (good, junk) = (share(counts.good, all.good), share(counts.junk, all.junk));
    let seen = f64::from(counts.good) + f64::from(counts.junk);
    let counted = if good + junk > 0.0 { junk / (good + junk) } else { assumed };
    let weight = if assumed == 0.5 { ASSUMED_WEIGHT } else { ASSUMED_WEIGHT * 2.0 };
    ((weight * assumed + seen * counted) / (weight + seen)).clamp(0.01, 0.99)
}

/// The chance that chi-square with `2 * half` degrees of freedom is at least `x`.
fn chi_square(x: f64, half: usize) -> f64 {
    let m = x / 2.0;
    let mut term = (-m).exp();
    let mut sum = term;
    for n in 1..half {
        term *= m / f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        sum += term;
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::limits::{TOKEN_CHARS_MAX, TOKENS_MAX};

    fn parsed(from: &str, subject: &str, text: &str) -> Parsed {
        hearth_wire::message::parse(format!("From: {from}\r\nSubject: {subject}\r\n\r\n{text}\r\n").as_bytes())
    }

    #[derive(Default)]
    struct Memory {
        words: HashMap<i64, Counts>,
        all: Counts,
    }

    impl Memory {
        fn learn(&mut self, mail: &Parsed, junk: bool) {
            let add = |counts: &mut Counts| if junk { counts.junk += 1 } else { counts.good += 1 };
            tokens(mail).iter().for_each(|token| add(self.words.entry(token.hash).or_default()));
            add(&mut self.all);
        }

        fn judge(&self, mail: &Parsed) -> Opinion {
            let tokens = tokens(mail);
            let counts: Vec<Counts> = tokens.iter().map(|token| self.words.get(&token.hash).copied().unwrap_or_default()).collect();
            judge(&tokens, &counts, self.all)
        }
    }

    const PITCH: &str = "Congratulations winner! Claim your lottery prize now, click the link, viagra and casino bonus inside.";
    const LETTER: &str = "Dear Alice, shall we meet on Thursday for lunch? The children ask about the garden. Love, Bob";

    #[test]
    fn a_fresh_mailbox_has_an_opinion() {
        let fresh = Memory::default();
        assert!(fresh.judge(&parsed("x@y.example", "You are a winner", PITCH)).judgement().is_some());
        for (subject, text) in [("Lunch", LETTER), ("", ""), ("Casino Royale", "Shall we see the film on Friday?")] {
            let opinion = fresh.judge(&parsed("bob@else.example", subject, text));
            assert_eq!(opinion.judgement(), None, "{subject}: {opinion:?}");
        }
    }

    #[test]
    fn it_learns_what_the_person_says() {
        let mut memory = Memory::default();
        let news =
            |n: u32| parsed("news@shop.example", "Weekly offers", &format!("Garden chairs with discount number {n}, order today"));
        assert_eq!(memory.judge(&news(0)).judgement(), None);
        for n in 1..6 {
            memory.learn(&news(n), true);
            memory.learn(&parsed("bob@else.example", "Lunch", LETTER), false);
        }
        let opinion = memory.judge(&news(7));
        let (judgement, reason) = opinion.judgement().unwrap_or_else(|| panic!("{opinion:?}"));
        assert_eq!(judgement, Judgement::Suspect);
        assert!(reason.as_str().starts_with("It reads like junk: \""), "{reason:?}");
        assert_eq!(memory.judge(&parsed("bob@else.example", "Again", LETTER)).judgement(), None);
        for n in 1..12 {
            memory.learn(&news(n), false);
        }
        assert_eq!(memory.judge(&news(8)).judgement(), None, "what was wrong is unlearnt");
    }

    #[test]
    fn words_are_bounded() {
        let many = (0..10_000).map(|n| format!("word{n}")).collect::<Vec<_>>().join(" ");
        assert_eq!(tokens(&parsed("a@b.example", "s", &many)).len(), TOKENS_MAX);
        // Two words that are the same so far are one.
        for (same, count) in [(TOKEN_CHARS_MAX, 1), (TOKEN_CHARS_MAX - 1, 2)] {
            let stem = "x".repeat(same);
            let all = tokens(&parsed("a@b.example", "", &format!("{stem}a {stem}b")));
            assert_eq!(all.iter().filter(|token| token.word.starts_with('x')).count(), count, "{same}");
        }
        let long = "x".repeat(100_000);
        assert!(tokens(&parsed("a@b.example", &long, &long)).iter().all(|token| token.word.chars().count() < 60));
    }

    #[test]
    fn the_most_telling_words_decide() {
        let judged = |count: usize| {
            let telling: Vec<Token> = (0..count).map(|n| Token { hash: n as i64, word: format!("word{n}") }).collect();
            judge(&telling, &vec![Counts { good: 0, junk: 9 }; count], Counts { good: 9, junk: 9 }).telling
        };
        assert_eq!((judged(TELLING_MAX), judged(TELLING_MAX + 1)), (TELLING_MAX, TELLING_MAX));
    }

    #[test]
    fn the_test_mail_is_known() {
        assert!(is_gtube(&parsed("a@b.example", "test", GTUBE)));
        assert!(!is_gtube(&parsed("a@b.example", "test", &GTUBE[1..])));
    }

    #[test]
    fn no_count_breaks_the_sum() {
        let mail = parsed("a@b.example", "s", PITCH);
        let tokens = tokens(&mail);
        for counts in [Counts { good: u32::MAX, junk: 0 }, Counts { good: 0, junk: u32::MAX }, Counts { good: 7, junk: 3 }] {
            let score = judge(&tokens, &vec![counts; tokens.len()], Counts { good: 1, junk: 0 }).score;
            assert!((0.0..=1.0).contains(&score), "{score}");
        }
    }
}
