// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a person's own address book and history say of a sender, before a word of the mail is looked at: do they know
//! them, did they write to them, keep what came, call it junk, throw it away unread?
//!
//! Trust wants a sender who proved to be it; distrust does not, since who borrows a bad name has earned it.

use hearth_wire::message::Parsed;

use super::token::hash;
use super::{Counts, JUNK_FROM, Opinion};
use crate::{Judgement, Reason};

/// So many mails of an address that were called junk, and none that was kept, are enough.
pub const SENDER_JUNK_FROM: u32 = 2;
/// So many of a domain: others may write from it as well.
pub const DOMAIN_JUNK_FROM: u32 = 8;
/// From so many mails on that were thrown away unread, less in a mail is enough to make it junk:
pub const THROWN_FROM: u32 = 5;
/// this much.
const THROWN_JUNK_FROM: f64 = 0.8;

/// Who a mail says it is from, and what its history is counted under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// In lower case.
    pub address: String,
    /// The mails of this address; stable for ever, as the next two.
    pub of_address: i64,
    /// The mails of its domain.
    pub of_domain: i64,
    /// Those of the address that were thrown away unread.
    pub of_thrown: i64,
}

/// Whom a mail is from; `None` when it does not say, or names more than one.
pub fn sender(mail: &Parsed) -> Option<Sender> {
    let [from] = mail.envelope.from.as_slice() else { return None };
    let address = from.address()?.to_lowercase();
    let (_, domain) = address.rsplit_once('@')?;
    let count = |what: &str, who: &str| hash(&format!("{what}:{who}"));
    let (of_address, of_domain, of_thrown) = (count("=sender", &address), count("=domain", domain), count("=thrown", &address));
    Some(Sender { address, of_address, of_domain, of_thrown })
}

/// What is known of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// They proved to be who they say.
    pub proven: bool,
    /// They are in the person's address book.
    pub in_address_book: bool,
    /// The person wrote to them.
    pub written_to: bool,
    /// Mails of the address.
    pub address: Counts,
    /// Mails of the domain.
    pub domain: Counts,
    /// Mails of the address that were thrown away unread.
    pub thrown: u32,
}

impl Known {
    /// Are they somebody whom the person put into the address book, and not who borrowed the name?
    pub const fn is_in_address_book(&self) -> bool {
        self.proven && self.in_address_book
    }
}

/// The address book and history first, then the words; `None`: nothing speaks either way.
pub fn decide(sender: &Sender, known: &Known, words: &Opinion) -> Option<(Judgement, Reason)> {
    let Sender { address, .. } = sender;
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
    let because = |judgement, text: String| Some((judgement, Reason::new(&text)));
    let only_junk = |counts: Counts, from: u32| counts.junk >= from && counts.good == 0;
    match () {
        () if known.is_in_address_book() => because(Judgement::Welcome, format!("{address} is in your address book.")),
        () if known.proven && known.written_to => because(Judgement::Welcome, format!("You have written to {address}.")),
        () if known.proven && known.address.good > 0 && known.address.junk == 0 => {
            because(Judgement::Welcome, format!("You kept mail from {address} before."))
        }
        () if only_junk(known.address, SENDER_JUNK_FROM) => {
            because(Judgement::Suspect, format!("You called mail from {address} junk before."))
        }
        () if only_junk(known.domain, DOMAIN_JUNK_FROM) => {
            because(Judgement::Suspect, format!("You called mail from {domain} junk before, and kept none."))
        }
        () if known.thrown >= THROWN_FROM && known.address.good == 0 && (THROWN_JUNK_FROM..JUNK_FROM).contains(&words.score) => {
            because(Judgement::Suspect, format!("It reads a little like junk, and you throw away what {address} sends unread."))
        }
        () => words.judgement(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(good: u32, junk: u32) -> Counts {
        Counts { good, junk }
    }

    #[test]
    fn history_comes_first() {
        let mail = hearth_wire::message::parse(b"From: Eve <Eve@Else.example>\r\nSubject: x\r\n\r\nhi\r\n");
        let sender = sender(&mail).expect("one sender");
        assert_eq!(sender.address, "eve@else.example");
        let none = Known::default();
        let words = |score: f64| Opinion { score, words: vec!["casino".to_string()], telling: 10 };
        let (fine, doubtful, junk) = (words(0.1), words(0.9), words(0.99));
        let proven = Known { proven: true, ..none };
        let (yes, no) = (Some(Judgement::Welcome), Some(Judgement::Suspect));
        for (known, words, want) in [
            (none, &fine, None),
            (none, &doubtful, None),
            (none, &junk, no),
            (Known { in_address_book: true, ..proven }, &junk, yes),
            (Known { in_address_book: true, ..none }, &junk, no),
            (Known { in_address_book: true, address: counts(0, SENDER_JUNK_FROM), ..proven }, &fine, yes),
            (Known { in_address_book: true, address: counts(0, SENDER_JUNK_FROM), ..none }, &fine, no),
            (Known { written_to: true, ..proven }, &junk, yes),
            (Known { written_to: true, ..none }, &junk, no),
            (Known { address: counts(1, 0), ..proven }, &junk, yes),
            (Known { address: counts(1, 0), ..none }, &junk, no),
            (Known { address: counts(5, 1), ..proven }, &junk, no),
            (Known { address: counts(0, SENDER_JUNK_FROM - 1), ..proven }, &fine, None),
            (Known { address: counts(0, SENDER_JUNK_FROM), ..proven }, &fine, no),
            (Known { address: counts(1, SENDER_JUNK_FROM), ..proven }, &fine, None),
            (Known { domain: counts(0, DOMAIN_JUNK_FROM - 1), ..none }, &fine, None),
            (Known { domain: counts(0, DOMAIN_JUNK_FROM), ..none }, &fine, no),
            (Known { domain: counts(1, DOMAIN_JUNK_FROM), ..none }, &fine, None),
            (Known { thrown: THROWN_FROM - 1, ..none }, &doubtful, None),
            (Known { thrown: THROWN_FROM, ..none }, &doubtful, no),
            (Known { thrown: THROWN_FROM, address: counts(1, 0), ..none }, &doubtful, None),
            (Known { thrown: 1000, ..none }, &fine, None),
        ] {
            assert_eq!(decide(&sender, &known, words).map(|(judgement, _)| judgement), want, "{known:?} {}", words.score);
        }
    }

    #[test]
    fn who_is_not_one_is_nobody() {
        for from in ["", "From: a@x.example, b@x.example\r\n", "From: nobody\r\n"] {
            assert_eq!(sender(&hearth_wire::message::parse(format!("{from}Subject: x\r\n\r\nhi\r\n").as_bytes())), None, "{from}");
        }
    }
}
