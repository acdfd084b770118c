// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a look-up asks for: a key by fingerprint or key id, or an address. Never a part of a name.

use hearth_types::Address;

use crate::limits::SEARCH_BYTES_MAX;

/// A question that has an exact answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// Fingerprint or key id of any key of a certificate, upper-case hexadecimal.
    Key(String),
    /// An address.
    Address(Address),
}

/// Why a question is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// Nothing was asked.
    #[error("search= is missing or empty")]
    Empty,
    /// Longer than any fingerprint or address.
    #[error("the search is too long")]
    TooLong,
    /// Eight hexadecimal digits: anybody can make a key that has them.
    #[error("short key ids (8 digits) are not answered, because keys with the same one are easily made; use the fingerprint")]
    ShortKeyId,
    /// `0x`, or as many digits as no fingerprint has.
    #[error("want 0x and 16, 40 or 64 hexadecimal digits")]
    Digits,
    /// Neither.
    #[error("only exact e-mail addresses, fingerprints and 16-digit key ids are answered")]
    Inexact,
}

impl Search {
    /// Reads `search=` of HKP: `0x` and digits, a fingerprint with or without spaces, `a@b`, `Name <a@b>`.
    pub fn parse(text: &str) -> Result<Self, SearchError> {
        if text.len() > SEARCH_BYTES_MAX {
            return Err(SearchError::TooLong);
        }
        let text = text.trim();
        if text.is_empty() {
            return Err(SearchError::Empty);
        }
        if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            return parse_key(digits).ok_or(if digits.len() == 8 { SearchError::ShortKeyId } else { SearchError::Digits });
        }
        if text.contains('@') {
            return parse_address(text).ok_or(SearchError::Inexact);
        }
        if text.len() == 8 && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(SearchError::ShortKeyId);
        }
        parse_key(text).ok_or(SearchError::Inexact)
    }
}

/// 16, 40 or 64 hexadecimal digits, spaces between them left out.
pub(crate) fn parse_key(digits: &str) -> Option<Search> {
    let digits: String = digits.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let is_whole = matches!(digits.len(), 16 | 40 | 64) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_whole.then(|| Search::Key(digits.to_ascii_uppercase()))
}

/// `a@b`, or what `gpg --search-keys` sends: `Name <a@b>`.
pub(crate) fn parse_address(text: &str) -> Option<Search> {
    let inner = match text.rsplit_once('<') {
        Some((_, rest)) => rest.strip_suffix('>')?,
        None => text,
    };
    Address::parse(inner.trim()).ok().map(Search::Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_addresses() {
        let fingerprint = "AC1F40D8B1A9F2B5D1E3C0A4879E63B10D6C5D2F";
        let key = |digits: &str| Ok(Search::Key(digits.into()));
        let address = |text: &str| Ok(Search::Address(Address::parse(text).unwrap()));
        for (text, found) in [
            ("0xac1f40d8b1a9f2b5d1e3c0a4879e63b10d6c5d2f", key(fingerprint)),
            ("AC1F 40D8 B1A9 F2B5 D1E3  C0A4 879E 63B1 0D6C 5D2F", key(fingerprint)),
            ("0X879E63B10D6C5D2F", key("879E63B10D6C5D2F")),
            ("alice@home.example", address("alice@home.example")),
            ("Alice Liddell <alice@home.example>", address("alice@home.example")),
            ("<alice@home.example>", address("alice@home.example")),
            (" alice@home.example ", address("alice@home.example")),
            ("0x0D6C5D2F", Err(SearchError::ShortKeyId)),
            ("0D6C5D2F", Err(SearchError::ShortKeyId)),
            ("0x", Err(SearchError::Digits)),
            ("0x0D6C5D2F0D6C5D2F0D6C5D2F0D6C5D2F", Err(SearchError::Digits)),
            ("0xgg1f40d8b1a9f2b5", Err(SearchError::Digits)),
            ("Alice", Err(SearchError::Inexact)),
            ("@home.example", Err(SearchError::Inexact)),
            ("<alice@home.example", Err(SearchError::Inexact)),
            ("", Err(SearchError::Empty)),
            ("  ", Err(SearchError::Empty)),
        ] {
            assert_eq!(Search::parse(text), found, "{text:?}");
        }
    }

    #[test]
    fn a_search_has_its_length() {
        let spaces = |count: usize| format!("alice@home.example{}", " ".repeat(count));
        assert!(Search::parse(&spaces(SEARCH_BYTES_MAX - 18)).is_ok());
        assert_eq!(Search::parse(&spaces(SEARCH_BYTES_MAX - 17)), Err(SearchError::TooLong));
    }
}
