// SPDX-License-Identifier: AGPL-3.0-or-later
//! A mail as the words that are counted.

use std::collections::HashSet;

use hearth_wire::message::Parsed;

use crate::limits::{TOKEN_CHARS_MAX, TOKENS_MAX};

/// A word, and what it is counted under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Stable for ever: it is a key of a table.
    pub hash: i64,
    /// For people. `from:` and `subject:` say where it stood.
    pub word: String,
}

/// The different words of a mail: its sender, its subject, its text; at most [`TOKENS_MAX`].
pub fn tokens(mail: &Parsed) -> Vec<Token> {
    let mut taken = Taken { seen: HashSet::new(), tokens: Vec::new() };
    for sender in mail.envelope.from.iter().filter_map(|addr| addr.address()).take(3) {
        let sender = sender.to_lowercase();
        if let Some((_, domain)) = sender.rsplit_once('@') {
            taken.take("from:", domain);
        }
        taken.take("from:", &sender);
    }
    for word in words(mail.envelope.subject.as_deref().unwrap_or_default()) {
        taken.take("subject:", &word);
    }
    for word in words(&mail.text) {
        if !taken.take("", &word) {
            break;
        }
    }
    taken.tokens
}

struct Taken {
    seen: HashSet<i64>,
    tokens: Vec<Token>,
}

impl Taken {
    /// False when there is no room for more.
    fn take(&mut self, place: &str, word: &str) -> bool {
        if self.tokens.len() >= TOKENS_MAX {
            return false;
        }
        let word: String = place.chars().chain(word.chars().take(TOKEN_CHARS_MAX)).collect();
        let hash = hash(&word);
        if self.seen.insert(hash) {
            self.tokens.push(Token { hash, word });
        }
        true
    }
}

/// Letters and digits, with what joins them inside (`don't`, `x.example`), of three characters and more.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !(c.is_alphanumeric() || "'.-@".contains(c)))
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|word| word.len() >= 3 && word.len() <= TOKEN_CHARS_MAX * 4)
        .filter(|word| !word.bytes().all(|byte| byte.is_ascii_digit()))
        .map(str::to_lowercase)
}

/// FNV-1a, 64 bits.
pub(super) fn hash(word: &str) -> i64 {
    let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    i64::from_ne_bytes(hash.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_same_for_ever() {
        assert_eq!(hash(""), i64::from_ne_bytes(0xcbf2_9ce4_8422_2325_u64.to_ne_bytes()));
        assert_eq!(hash("a"), i64::from_ne_bytes(0xaf63_dc4c_8601_ec8c_u64.to_ne_bytes()));
    }

    #[test]
    fn where_a_word_stood_counts() {
        let mail =
            hearth_wire::message::parse(b"From: A <A@X.example>\r\nSubject: Win big\r\n\r\nwin, win! it's 2026 a x.example\r\n");
        let words: Vec<String> = tokens(&mail).into_iter().map(|token| token.word).collect();
        assert_eq!(words, ["from:x.example", "from:a@x.example", "subject:win", "subject:big", "win", "it's", "x.example"]);
    }
}
