// SPDX-License-Identifier: AGPL-3.0-or-later
//! How sure the house is whose a certificate is, from what it holds and remembers. Nobody is asked: that is
//! [`Finding`](crate::finding::Finding).

use std::cmp::Reverse;

use hearth_types::{Address, Timestamp};

use super::Seen;
use super::shown::{Shown, ShownIdentity};
use crate::directory::Directory;
use crate::error::Result;

/// Of 120: the house answers for the address itself, or the home that does, which it trusts.
const OF_OURS: u8 = 120;
/// Of 120: somebody answered a letter that only the key opened; whose address it is, nobody says.
const BY_LETTER: u8 = 60;
/// Of 120: noted so when what was found could not be used, for its owner had ended it or its time was over.
const OF_NO_USE: u8 = 0;
/// The way of what came in one person's own mail: nobody else of the house is told whom they write with.
const OF_ONE_PERSON: &str = "autocrypt";

/// A certificate that is known for an address, and how sure the house is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Of the primary key.
    pub fingerprint: String,
    /// By which way: `local` when it is published here, else as [`Seen`](super::Seen) has it.
    pub source: String,
    /// Who was asked; empty for what is published here.
    pub via: String,
    /// How sure, 0 (of no use) to 120 (complete).
    pub confidence: u8,
    /// Did its owner end it? Of one that is not published here nobody has looked.
    pub revoked: Option<bool>,
    /// When it was first found this way; of one that is published here it is not kept.
    pub first_seen_at: Option<Timestamp>,
    /// When it was last found this way.
    pub last_seen_at: Option<Timestamp>,
}

impl ShownIdentity {
    /// How sure the house is that the address is the owner's, 0 to 120.
    pub const fn confidence(&self) -> u8 {
        if self.is_ours || self.is_vouched { OF_OURS } else { BY_LETTER }
    }
}

impl Shown {
    /// How sure the house is of the surest of what is shown.
    pub fn confidence(&self) -> u8 {
        self.identities.iter().map(ShownIdentity::confidence).max().unwrap_or(OF_NO_USE)
    }
}

/// Was the certificate of no use when it was last found, by whichever way?
fn is_of_no_use(seen: &Seen, all: &[Seen]) -> bool {
    let says_so = |other: &Seen| other.confidence == OF_NO_USE && other.last_seen_at >= seen.last_seen_at;
    all.iter().any(|other| other.fingerprint == seen.fingerprint && says_so(other))
}

impl Directory {
    /// What is published here for an address and what was found elsewhere so far, the surest first; not what came in
    /// somebody's own mail.
    pub async fn list_known_certs(&self, address: &Address) -> Result<Vec<Known>> {
        let shown = self.find_shown_certs_by_address(address).await?.into_iter().map(|shown| Known {
            confidence: shown.confidence(),
            fingerprint: shown.fingerprint,
            source: "local".to_string(),
            via: String::new(),
            revoked: Some(shown.revoked),
            first_seen_at: None,
            last_seen_at: None,
        });
        let mut all: Vec<Known> = shown.collect();
        let mut seen = self.list_seen_certs(address).await?;
        seen.retain(|seen| seen.source != OF_ONE_PERSON);
        all.extend(seen.iter().map(|one| Known {
            fingerprint: one.fingerprint.clone(),
            source: one.source.clone(),
            via: one.via.clone(),
            confidence: if is_of_no_use(one, &seen) { OF_NO_USE } else { one.confidence },
            revoked: None,
            first_seen_at: Some(one.first_seen_at),
            last_seen_at: Some(one.last_seen_at),
        }));
        all.sort_by_key(|known| (known.revoked == Some(true), Reverse(known.confidence)));
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::on_each_engine;

    fn seen(fingerprint: &str, source: &str, confidence: u8) -> Seen {
        Seen {
            fingerprint: fingerprint.into(),
            source: source.into(),
            via: "b.test".into(),
            confidence,
            bytes: b"cert".to_vec(),
            first_seen_at: Timestamp::default(),
            last_seen_at: Timestamp::default(),
        }
    }

    async fn known(directory: &Directory, address: &Address) -> Vec<(String, String, u8)> {
        let known = directory.list_known_certs(address).await.expect("a list");
        known.into_iter().map(|known| (known.fingerprint, known.source, known.confidence)).collect()
    }

    fn rows(rows: &[(&str, &str, u8)]) -> Vec<(String, String, u8)> {
        rows.iter().map(|(fingerprint, source, confidence)| (fingerprint.to_string(), source.to_string(), *confidence)).collect()
    }

    #[test]
    fn what_is_of_no_use_comes_last_whoever_had_it_before() {
        on_each_engine(|home| async move {
            let (directory, bob) = (&home.directory, Address::parse("bob@b.test").expect("an address"));
            let found = vec![seen("A", "wkd", 80), seen("B", "keyserver", 40)];
            directory.note_seen_certs(&bob, found).await.expect("noted");
            assert_eq!(known(directory, &bob).await, rows(&[("A", "wkd", 80), ("B", "keyserver", 40)]));
            home.clock.advance(std::time::Duration::from_secs(60));
            directory.note_seen_certs(&bob, vec![seen("A", "friend", OF_NO_USE)]).await.expect("noted");
            let expected = rows(&[("B", "keyserver", 40), ("A", "friend", 0), ("A", "wkd", 0)]);
            assert_eq!(known(directory, &bob).await, expected);
            // Found again later, and of use again: its owner gave it more time.
            home.clock.advance(std::time::Duration::from_secs(60));
            directory.note_seen_certs(&bob, vec![seen("A", "wkd", 80)]).await.expect("noted");
            let expected = rows(&[("A", "wkd", 80), ("B", "keyserver", 40), ("A", "friend", 0)]);
            assert_eq!(known(directory, &bob).await, expected);
        });
    }

    #[test]
    fn what_came_in_somebodys_mail_is_not_told_to_others() {
        on_each_engine(|home| async move {
            let (directory, bob) = (&home.directory, Address::parse("bob@b.test").expect("an address"));
            let found = vec![seen("A", OF_ONE_PERSON, 20), seen("B", "wkd", 80), seen("B", OF_ONE_PERSON, 20)];
            directory.note_seen_certs(&bob, found).await.expect("noted");
            assert_eq!(known(directory, &bob).await, rows(&[("B", "wkd", 80)]));
        });
    }
}
