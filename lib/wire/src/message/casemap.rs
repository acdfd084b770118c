// SPDX-License-Identifier: AGPL-3.0-or-later
//! i;unicode-casemap (RFC 5051): the form in which texts are compared, sorted and found in each other.

use unicode_normalization::UnicodeNormalization;

/// Letters in their one case, compatible forms taken apart and each part in its one case again (RFC 5051 §2). Two texts are equal when these are.
///
/// (deviates: the simple upper case stands for the title case; they differ in four pairs of digraphs, which are
/// decomposed next.)
pub fn casemap(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.chars().map(upper).nfkd().map(upper).collect()
}

/// The simple mapping: a letter whose upper case is several letters stays as it is.
fn upper(letter: char) -> char {
    let mut mapped = letter.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts() {
        for (one, other) in [
            ("hello", "HeLLo"),
            ("grüße", "GRÜßE"),
            ("caf\u{e9}", "CAFE\u{301}"),
            ("\u{fb01}n", "FIN"),
            ("\u{ff21}", "a"),
            ("Привет", "ПРИВЕТ"),
            ("\u{1c6}", "D\u{17d}"),
        ] {
            assert_eq!(casemap(one), casemap(other), "{one} {other}");
        }
        assert_ne!(casemap("ß"), casemap("ss"));
        assert_ne!(casemap("e"), casemap("é"));
    }
}
