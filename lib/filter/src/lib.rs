// SPDX-License-Identifier: AGPL-3.0-or-later
//! What happens to a mail on its way into a mailbox.
//!
//! What enters is a [`Judgement`] (the server that took the mail has judged its sender) with the reason
//! for it; what leaves is a [`Placement`]: mailboxes, first flags, and one line in plain words that the
//! person can read with the mail. [`junk`] is the opinion that a person's own mail gives of a new one, and
//! [`sieve`] are a person's own rules; [`at_rest`] seals what is stored for those who want that. All of it is pure.
//!
//! To add a step: a file here that turns what is known of a mail into another judgement or placement, and its place
//! in `smtp/src/local`.

pub mod at_rest;
pub mod junk;
pub mod limits;
pub mod sieve;

use hearth_mailstore::{Flag, FlagSet, Role, Target};

pub use limits::REASON_CHARS_MAX;

/// What was thought of a mail before anybody's own rules saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing speaks against it.
    Welcome,
    /// Its sender is not who it says, or there is reason to think so.
    Suspect,
}

/// Why, in plain words, one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// One line: control characters become spaces, and what is too long is cut.
    pub fn new(text: &str) -> Self {
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON_CHARS_MAX).collect();
        Self(line.trim().to_string())
    }

    /// The line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a mail goes and how it looks there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The mailboxes.
    pub targets: Vec<Target>,
    /// The first flags.
    pub flags: FlagSet,
}

/// Where a mail of this judgement goes.
pub fn place(judgement: Judgement) -> Placement {
    match judgement {
        Judgement::Welcome => Placement { targets: vec![Target::Role(Role::Inbox)], flags: FlagSet::EMPTY },
        // RFC 9051 §2.3.2: $Junk tells mail programs what the mailbox tells people.
        Judgement::Suspect => Placement {
            targets: vec![Target::Role(Role::Junk)],
            flags: std::iter::once(Flag::Keyword("$junk".to_string())).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_suspect_goes_to_junk() {
        assert_eq!(place(Judgement::Welcome).targets, vec![Target::Role(Role::Inbox)]);
        let junk = place(Judgement::Suspect);
        assert_eq!(junk.targets, vec![Target::Role(Role::Junk)]);
        assert!(junk.flags.contains(&Flag::Keyword("$junk".into())));
    }

    #[test]
    fn a_reason_is_one_bounded_line() {
        assert_eq!(Reason::new("a\r\nBcc: b").as_str(), "a  Bcc: b");
        assert_eq!(Reason::new(&"ü".repeat(REASON_CHARS_MAX)).as_str().chars().count(), REASON_CHARS_MAX);
        assert_eq!(Reason::new(&"ü".repeat(REASON_CHARS_MAX + 1)).as_str().chars().count(), REASON_CHARS_MAX);
    }
}
