// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is assumed of a word before a person's mail has said anything.
//!
//! A short list, by hand, of words that few people write to each other; each alone says little.

/// Words that stand in junk far more often than in letters.
const JUNK: &[&str] = &[
    "bitcoin",
    "bonus",
    "casino",
    "cialis",
    "claim",
    "click",
    "congratulations",
    "crypto",
    "enlargement",
    "erektion",
    "felicitations",
    "forex",
    "gewinner",
    "gewinnspiel",
    "gewonnen",
    "glückwunsch",
    "guaranteed",
    "herzlichen",
    "inheritance",
    "investment",
    "jackpot",
    "kredit",
    "levitra",
    "loan",
    "lottery",
    "lotterie",
    "lotto",
    "million",
    "millionen",
    "millions",
    "pharmacy",
    "pills",
    "potenz",
    "prize",
    "refinance",
    "replica",
    "rolex",
    "sildenafil",
    "slots",
    "sweepstakes",
    "unclaimed",
    "viagra",
    "viagara",
    "wallet",
    "winner",
    "winnings",
];
/// What is assumed of these.
const OF_JUNK: f64 = 0.88;
/// Of all others.
const OF_OTHERS: f64 = 0.5;

pub(super) fn of(word: &str) -> f64 {
    let word = word.strip_prefix("subject:").unwrap_or(word);
    if JUNK.contains(&word) { OF_JUNK } else { OF_OTHERS }
}
