// SPDX-License-Identifier: AGPL-3.0-or-later
//! Flags and keywords: what IMAP calls `\Seen` and JMAP calls `$seen` is one thing here.

use std::fmt;
use std::sync::Arc;

use crate::limits::{KEYWORD_BYTES_MAX, KEYWORDS_MAX};

/// One flag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// `\Seen`, `$seen`
    Seen,
    /// `\Answered`, `$answered`
    Answered,
    /// `\Flagged`, `$flagged`
    Flagged,
    /// `\Draft`, `$draft`
    Draft,
    /// `\Deleted`: of this (mailbox, UID), not of the message; JMAP does not show it.
    Deleted,
    /// Any other, in lower case: keywords do not tell cases apart (RFC 9051 §2.3.2).
    Keyword(String),
}

const SYSTEM: [(Flag, u16, &str, &str); 5] = [
    (Flag::Seen, 1, "\\Seen", "$seen"),
    (Flag::Answered, 2, "\\Answered", "$answered"),
    (Flag::Flagged, 4, "\\Flagged", "$flagged"),
    (Flag::Draft, 8, "\\Draft", "$draft"),
    (Flag::Deleted, 16, "\\Deleted", ""),
];

impl Flag {
    /// Reads `\Seen` or a keyword as IMAP writes it; `None` for what may not be set (`\Recent`, unknown system flags).
    pub fn from_imap(text: &str) -> Option<Self> {
        if text.starts_with('\\') {
            return SYSTEM.iter().find(|row| row.2.eq_ignore_ascii_case(text)).map(|row| row.0.clone());
        }
        Self::from_jmap(text)
    }

    /// Reads a JMAP keyword (RFC 8621 §4.1.1): 1 to 255 characters of %x21-7E without `( ) { ] % * " \`.
    pub fn from_jmap(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        if let Some(row) = SYSTEM.iter().find(|row| row.3 == lower) {
            return (!lower.is_empty()).then(|| row.0.clone());
        }
        let sound = (1..=KEYWORD_BYTES_MAX).contains(&lower.len())
            && lower.bytes().all(|b| (0x21..=0x7e).contains(&b) && !b"(){]%*\"\\".contains(&b));
        sound.then_some(Self::Keyword(lower))
    }

    /// As IMAP writes it.
    pub fn as_imap(&self) -> &str {
        match self {
            Self::Keyword(name) => name,
            system => system.row().map_or("", |row| row.2),
        }
    }

    /// As JMAP writes it; `None` for `\Deleted`, which JMAP does not show.
    pub fn as_jmap(&self) -> Option<&str> {
        match self {
            Self::Keyword(name) => Some(name),
            system => system.row().map(|row| row.3).filter(|name| !name.is_empty()),
        }
    }

    fn row(&self) -> Option<&'static (Self, u16, &'static str, &'static str)> {
        SYSTEM.iter().find(|row| row.0 == *self)
    }

    fn bit(&self) -> u16 {
        self.row().map_or(0, |row| row.1)
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_imap())
    }
}

/// A set of flags; small, for a mailbox view holds one per message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlagSet {
    bits: u16,
    /// Sorted; shared, since most messages have none or the same.
    keywords: Option<Arc<[String]>>,
}

impl FlagSet {
    /// No flags.
    pub const EMPTY: Self = Self { bits: 0, keywords: None };

    /// Is it set?
    pub fn contains(&self, flag: &Flag) -> bool {
        match flag {
            Flag::Keyword(name) => self.keywords().binary_search(name).is_ok(),
            system => self.bits & system.bit() != 0,
        }
    }

    /// Sets it.
    pub fn insert(&mut self, flag: Flag) {
        match flag {
            Flag::Keyword(name) => {
                let mut all = self.keywords().to_vec();
                if let Err(place) = all.binary_search(&name) {
                    all.insert(place, name);
                    self.keywords = Some(all.into());
                }
            }
            system => self.bits |= system.bit(),
        }
    }

    /// Clears it.
    pub fn remove(&mut self, flag: &Flag) {
        match flag {
            Flag::Keyword(name) => {
                let mut all = self.keywords().to_vec();
                if let Ok(place) = all.binary_search(name) {
                    all.remove(place);
                    self.keywords = (!all.is_empty()).then(|| all.into());
                }
            }
            system => self.bits &= !system.bit(),
        }
    }

    /// The keywords, sorted, without the system flags.
    pub fn keywords(&self) -> &[String] {
        self.keywords.as_deref().unwrap_or_default()
    }

    /// Every flag, system flags first.
    pub fn iter(&self) -> impl Iterator<Item = Flag> + '_ {
        let system = SYSTEM.iter().filter(|row| self.bits & row.1 != 0).map(|row| row.0.clone());
        system.chain(self.keywords().iter().cloned().map(Flag::Keyword))
    }

    /// Nothing set?
    pub fn is_empty(&self) -> bool {
        self.bits == 0 && self.keywords.is_none()
    }

    /// More keywords than a message may have?
    pub fn is_too_large(&self) -> bool {
        self.keywords().len() > KEYWORDS_MAX
    }

    /// The bits of the message's own system flags, as the table holds them.
    pub(crate) fn message_bits(&self) -> i64 {
        i64::from(self.bits & !Flag::Deleted.bit())
    }

    /// The keywords as the table holds them: sorted, one space between.
    pub(crate) fn keyword_text(&self) -> String {
        self.keywords().join(" ")
    }

    pub(crate) fn from_row(bits: i64, keywords: &str, deleted: bool) -> Self {
        let bits = u16::try_from(bits).unwrap_or(0) & 15 | if deleted { Flag::Deleted.bit() } else { 0 };
        let keywords = (!keywords.is_empty()).then(|| keywords.split(' ').map(str::to_string).collect());
        Self { bits, keywords }
    }

    /// Without `\Deleted`: what belongs to the message.
    #[must_use]
    pub fn of_message(&self) -> Self {
        Self { bits: self.bits & !Flag::Deleted.bit(), keywords: self.keywords.clone() }
    }
}

impl FromIterator<Flag> for FlagSet {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> Self {
        let mut set = Self::EMPTY;
        flags.into_iter().for_each(|flag| set.insert(flag));
        set
    }
}

impl Extend<Flag> for FlagSet {
    fn extend<I: IntoIterator<Item = Flag>>(&mut self, flags: I) {
        flags.into_iter().for_each(|flag| self.insert(flag));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imap_and_jmap_name_one_thing() {
        for (imap, jmap, flag) in [
            ("\\Seen", Some("$seen"), Flag::Seen),
            ("\\seen", Some("$seen"), Flag::Seen),
            ("\\Deleted", None, Flag::Deleted),
            ("$Forwarded", Some("$forwarded"), Flag::Keyword("$forwarded".into())),
        ] {
            let read = Flag::from_imap(imap).expect(imap);
            assert_eq!(read, flag);
            assert_eq!(read.as_jmap(), jmap);
        }
        assert_eq!(Flag::from_jmap("$SEEN"), Some(Flag::Seen));
        assert_eq!(Flag::from_imap("\\Recent"), None);
    }

    #[test]
    fn a_keyword_has_1_to_255_characters() {
        assert_eq!(Flag::from_jmap(""), None);
        assert!(Flag::from_jmap(&"k".repeat(KEYWORD_BYTES_MAX)).is_some());
        assert_eq!(Flag::from_jmap(&"k".repeat(KEYWORD_BYTES_MAX + 1)), None);
        for bad in ["a b", "a(", "a]", "a*", "a%", "a\\b", "\u{e9}"] {
            assert_eq!(Flag::from_jmap(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_set_is_a_set() {
        let mut set: FlagSet = [Flag::Seen, Flag::Keyword("b".into()), Flag::Keyword("a".into())].into_iter().collect();
        set.insert(Flag::Keyword("a".into()));
        assert_eq!(set.keywords(), ["a", "b"]);
        assert_eq!(FlagSet::from_row(set.message_bits(), &set.keyword_text(), false), set);
        set.remove(&Flag::Keyword("a".into()));
        set.remove(&Flag::Keyword("b".into()));
        set.remove(&Flag::Seen);
        assert_eq!(set, FlagSet::EMPTY);
    }
}
