// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a browser keeps of those who signed in with it: for each person a mark, random and sealed to that person.
//!
//! A browser gets a mark when a sign-in is complete. Its guesses are then counted apart from strangers', wherever it is,
//! and a sign-in with another browser is told of by letter. It opens nothing, and nobody else has the same.

use hearth_identity::vault::Vault;
use hearth_types::{AccountId, Secret};

use crate::limits::KNOWN_PEOPLE_MAX;

/// Octets of chance in one, and of its seal.
const HALF_BYTES: usize = 16;
/// Letters of one.
const LETTERS: usize = 4 * HALF_BYTES;

/// The marks of a browser.
#[derive(Clone, Debug, Default)]
pub struct Marks(Vec<Secret<String>>);

impl Marks {
    /// Reads the cookie; whatever else may be in it is nobody's mark.
    pub fn read(cookie: &str) -> Self {
        let (whole, _) = cookie.as_bytes().as_chunks::<LETTERS>();
        let text = |mark: &[u8; LETTERS]| String::from_utf8_lossy(mark).into_owned();
        Self(whole.iter().take(KNOWN_PEOPLE_MAX).map(|mark| Secret::new(text(mark))).collect())
    }

    /// Did this person sign in with this browser before?
    pub fn know(&self, vault: &Vault, account: AccountId) -> bool {
        self.find(vault, account).is_some()
    }

    /// The cookie after they did: theirs first, and those of the others.
    pub fn cookie_with(&self, vault: &Vault, account: AccountId) -> Secret<String> {
        let own = self.find(vault, account);
        let others = self.0.iter().enumerate().filter(|(at, _)| Some(*at) != own).map(|(_, mark)| mark);
        let first = own.and_then(|at| self.0.get(at)).cloned().unwrap_or_else(|| make(vault, account, chance()));
        let marks = std::iter::once(&first).chain(others).take(KNOWN_PEOPLE_MAX);
        Secret::new(marks.map(|mark| mark.expose().as_str()).collect())
    }

    fn find(&self, vault: &Vault, account: AccountId) -> Option<usize> {
        let is_theirs = |mark: &Secret<String>| {
            let chance = mark.expose().get(..2 * HALF_BYTES).unwrap_or_default();
            make(vault, account, chance.to_string()).matches(mark.expose())
        };
        self.0.iter().position(is_theirs)
    }
}

fn make(vault: &Vault, account: AccountId, mut chance: String) -> Secret<String> {
    let sealed = vault.keyed_hash("known browser", format!("{}.{chance}", account.as_i64()).as_bytes());
    chance.extend(sealed.iter().take(HALF_BYTES).map(|octet| format!("{octet:02x}")));
    Secret::new(chance)
}

fn chance() -> String {
    let mut chance = [0; HALF_BYTES];
    aws_lc_rs::rand::fill(&mut chance).expect("the random source answers");
    chance.iter().map(|octet| format!("{octet:02x}")).collect()
}
