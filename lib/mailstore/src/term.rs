// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: what a text that is looked for by its words asks for (RFC 8621 §4.4.1): words, each of which begins a word, and phrases in quotes.

use crate::limits::SEARCH_WORDS_MAX;

/// One thing that has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// In lower case, letters and digits only, for they go into a query; at least one.
    pub words: Vec<String>,
    /// Whole words that follow one another; else one word, which may go on.
    pub is_phrase: bool,
}

impl Term {
    /// Is it in these words, which are in their order?
    pub fn is_in(&self, there: &[String]) -> bool {
        if self.is_phrase {
            return there.windows(self.words.len().max(1)).any(|few| few == self.words);
        }
        self.words.iter().all(|wanted| there.iter().any(|word| word.starts_with(wanted.as_str())))
    }
}

/// The terms of a text; at most [`SEARCH_WORDS_MAX`] words count.
pub fn terms(text: &str) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut room = SEARCH_WORDS_MAX;
    let mut rest = text;
    let mut quotes = vec!['"', '\''];
    while room > 0
        && let Some((before, phrase, after)) = split_phrase(rest, &mut quotes)
    {
        add_words(&mut terms, before, &mut room);
        let words = words(phrase, &mut room);
        if !words.is_empty() {
            terms.push(Term { words, is_phrase: true });
        }
        rest = after;
    }
    add_words(&mut terms, rest, &mut room);
    terms
}

/// The words of the terms.
pub(crate) fn all_words(text: &str) -> Vec<String> {
    terms(text).into_iter().flat_map(|term| term.words).collect()
}

/// A text in quotes without them, any other as it is.
pub(crate) fn unquoted(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

fn add_words(terms: &mut Vec<Term>, text: &str, room: &mut usize) {
    terms.extend(words(text, room).into_iter().map(|word| Term { words: vec![word], is_phrase: false }));
}

fn words(text: &str, room: &mut usize) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<String> = words.take(*room).map(str::to_lowercase).collect();
    *room -= words.len();
    words
}

/// RFC 8621 §4.4.1: from a quote at the beginning of a word to the next of its kind that ends one; a backslash hides a quote. A quote
/// inside a word (an apostrophe) and one that is never closed say nothing; of the latter kind, no later one is closed either.
fn split_phrase<'t>(text: &'t str, quotes: &mut Vec<char>) -> Option<(&'t str, &'t str, &'t str)> {
    let mut before = ' ';
    for (start, quote) in text.char_indices() {
        if quotes.contains(&quote) && !before.is_alphanumeric() {
            let inside = text.get(start + 1..)?;
            if let Some(end) = closing(inside, quote) {
                return Some((text.get(..start)?, inside.get(..end)?, inside.get(end + 1..)?));
            }
            quotes.retain(|other| *other != quote);
        }
        before = quote;
    }
    None
}

fn closing(inside: &str, quote: char) -> Option<usize> {
    let mut hidden = false;
    for (at, c) in inside.char_indices() {
        if c == quote && !hidden && inside.get(at + 1..)?.chars().next().is_none_or(|next| !next.is_alphanumeric()) {
            return Some(at);
        }
        hidden = c == '\\' && !hidden;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Phrases in brackets.
    fn shown(text: &str) -> String {
        let show = |term: Term| if term.is_phrase { format!("[{}]", term.words.join(" ")) } else { term.words.join(" ") };
        terms(text).into_iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_and_phrases() {
        for (text, expected) in [
            ("Two words", "two words"),
            ("\"Two words\" more", "[two words] more"),
            ("a 'b c' \"d\"", "a [b c] [d]"),
            ("don't say 'don't'", "don t say [don t]"),
            ("\"open two", "open two"),
            ("'open \"closed now\"", "open [closed now]"),
            (r#""a \" b" c"#, "[a b] c"),
            ("\"\" '-' x", "x"),
            ("\"", ""),
            ("(\"in brackets\")", "[in brackets]"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn so_many_words_count() {
        let count = |text: &str| terms(text).iter().map(|term| term.words.len()).sum::<usize>();
        assert_eq!(count(&"a ".repeat(SEARCH_WORDS_MAX)), SEARCH_WORDS_MAX);
        assert_eq!(count(&"a ".repeat(SEARCH_WORDS_MAX + 1)), SEARCH_WORDS_MAX);
        assert_eq!(count(&format!("\"{}\" b", "a ".repeat(SEARCH_WORDS_MAX))), SEARCH_WORDS_MAX);
        assert_eq!(count(&"'a ".repeat(20_000)), SEARCH_WORDS_MAX, "and it ends");
    }

    #[test]
    fn a_phrase_is_found_in_its_order() {
        let there: Vec<String> = ["lunch", "at", "noonish"].map(str::to_string).to_vec();
        let all = |text: &str| terms(text).iter().all(|term| term.is_in(&there));
        assert!(all("noon lun") && all("\"lunch at\" noon"));
        assert!(!all("\"at lunch\"") && !all("\"at noon\"") && !all("\"lunch at noonish today\""));
    }

    #[test]
    fn quotes_are_taken_off() {
        for (text, expected) in [("\"a b\"", "a b"), ("'a'", "a"), ("\"a'", "\"a'"), ("\"", "\""), ("a", "a")] {
            assert_eq!(unquoted(text), expected);
        }
    }
}
