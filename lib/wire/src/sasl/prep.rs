// SPDX-License-Identifier: AGPL-3.0-or-later
//! SASLprep (RFC 4013): two ways to type one password come to one string.

use std::borrow::Cow;

/// Prepares a user name or a password. What SASLprep does not admit (an emoji is not in Unicode 3.2, for
/// which RFC 4013 was written) stays as it was typed: it is compared as it is, and equal to itself.
pub fn prepare(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    stringprep::saslprep(text).unwrap_or(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_the_rfc() {
        // RFC 4013 §3, and one that SASLprep refuses.
        for (typed, prepared) in [
            ("I\u{ad}X", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            ("p\u{1f600}", "p\u{1f600}"),
        ] {
            assert_eq!(prepare(typed), prepared, "{typed:?}");
        }
    }
}
