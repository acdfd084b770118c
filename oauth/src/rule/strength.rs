// SPDX-License-Identifier: AGPL-3.0-or-later
//! Is a new password hard enough to guess?
//!
//! The crate zxcvbn counts guesses: it knows the thirty thousand that leak most often, names, dates and rows of keys;
//! what the person is called counts as known. Such words beside each other, or with a year behind, are much to a counter and
//! nothing to whoever knows the person: what is left without them has to withstand as much. What it thinks good may have
//! leaked all the same: [`is_leaked`] has the hundred thousand of those that leaked most often (`data/README.md` says from
//! where). Nobody outside is asked.

use aws_lc_rs::digest::{SHA256, digest};
use hearth_identity::directory::Account;
use hearth_wire::sasl::prep;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::t;

/// The first [`MARK_BYTES`] octets of the SHA-256 of each, in order.
static LEAKED: &[u8] = include_bytes!("../../data/leaked.bin");
const MARK_BYTES: usize = 4;

/// A word of fewer letters stands in too many others to be somebody's name.
const KNOWN_CHARS_MIN: usize = 3;

/// Why not, in words. `guesses_log10`: what the household asks for, as a power of ten.
pub fn check(password: &str, account: &Account, guesses_log10: u32) -> Result<(), &'static str> {
    let domain = account.primary.domain().to_string();
    let known: Vec<&str> = [domain.as_str(), account.primary.local(), "hearth"]
        .into_iter()
        .chain(domain.split('.'))
        .chain(account.name.split_whitespace())
        .filter(|word| !word.is_empty())
        .collect();
    let least = f64::from(guesses_log10);
    if guesses_of(password, &known) < least {
        return Err(t("That password is among those that are tried first. Choose four or five words that do not belong together."));
    }
    if without(password, &known).iter().any(|rest| guesses_of(rest, &[]) < least) {
        return Err(t(
            "That password is made of your name or of the home's. Choose four or five words that do not belong together.",
        ));
    }
    if is_leaked(password) {
        return Err(t("That password was stolen somewhere and is on the lists of those who guess. Choose another."));
    }
    Ok(())
}

/// What is left of a password without the words that are known of somebody, the digits and what stands between: as it was
/// typed, and with each digit and sign read as the letter that it may stand for. Nothing when no such word is in it.
fn without(password: &str, known: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = known
        .iter()
        .flat_map(|word| word.split(|c: char| !c.is_alphanumeric()).map(plain).collect::<Vec<_>>())
        .filter(|word| word.chars().count() >= KNOWN_CHARS_MIN)
        .flat_map(|word| [word.chars().rev().collect(), word])
        .collect();
    // `anne` in `marianne` is not what is left of `mari`.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let typed = plain(password);
    [typed.clone(), meant(&typed, 'i'), meant(&typed, 'l')]
        .into_iter()
        .filter_map(|text| {
            let letters: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
            // With a gap, or what stood around a word would become another.
            let rest = words.iter().fold(letters.clone(), |rest, word| rest.replace(word.as_str(), " "));
            (rest != letters).then(|| rest.chars().filter(|c| c.is_alphabetic()).collect())
        })
        .collect()
}

/// In small letters without marks: `Hélène` is `helene`.
fn plain(text: &str) -> String {
    text.nfkd().filter(|c| !is_combining_mark(*c)).collect::<String>().to_lowercase()
}

/// With letters for the digits and signs that are written in their place; a `1` is an `i` or an `l`.
fn meant(text: &str, one: char) -> String {
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' | '|' => one,
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    };
    text.chars().map(letter).collect()
}

fn guesses_of(password: &str, known: &[&str]) -> f64 {
    zxcvbn::zxcvbn(password, known).guesses_log10()
}

/// Is it on the list? One in forty thousand others is taken for one of them.
fn is_leaked(password: &str) -> bool {
    let hash = digest(&SHA256, prep::prepare(password).as_bytes());
    let Some(mark) = hash.as_ref().first_chunk::<MARK_BYTES>() else { return false };
    let (marks, _) = LEAKED.as_chunks::<MARK_BYTES>();
    marks.binary_search(mark).is_ok()
}

#[cfg(test)]
mod tests {
    use hearth_identity::directory::Kind;
    use hearth_types::{AccountId, Address, Timestamp};

    use super::*;
    use crate::limits::PASSWORD_GUESSES_LOG10;

    #[test]
    fn what_is_tried_first_and_what_is_not() {
        let known = ["home.example", "alice", "Alice", "Example"];
        let least = f64::from(PASSWORD_GUESSES_LOG10);
        for weak in ["password", "Passw0rd!", "qwertyuiop", "12345678", "aliceexample", "iloveyou1", "aaaaaaaaaaaa", "azertyuiop"] {
            assert!(guesses_of(weak, &known) < least, "{weak}");
        }
        for good in ["correct horse battery staple", "four words that differ", "xK3v9-Lq2mP", "seven blue lamps dance"] {
            assert!(guesses_of(good, &known) >= least && !is_leaked(good), "{good}");
        }
    }

    #[test]
    fn no_password_is_made_of_ones_own_name() {
        let account = |address: &str, name: &str| Account {
            id: AccountId::from_i64(1),
            kind: Kind::Person,
            primary: Address::parse(address).unwrap(),
            name: name.into(),
            admin: false,
            disabled: false,
            language: None,
            quota_bytes: None,
            created_at: Timestamp::from_secs(0),
        };
        let marguerite = account("marguerite.dupont@maison.example", "Marguerite Dupont");
        let bob = account("bob@home.localhost", "Bob");
        let helene = account("ln@home.example", "Hélène Jean-Müller");
        for (person, password) in [
            (&marguerite, "marguerite dupont"),
            (&marguerite, "dupontmarguerite1"),
            (&marguerite, "DupontMarguerite1954"),
            (&marguerite, "M4rgu3rite-Dup0nt!"),
            (&marguerite, "tnopud.etireugram"),
            (&marguerite, "maison-marguerite-2026-dupont"),
            (&marguerite, "dupont0612345678"),
            (&bob, "bobhome2026"),
            (&bob, "bob.at.localhost"),
            (&helene, "helenejeanmuller"),
            (&helene, "HÉLÈNE müller 1984"),
        ] {
            assert!(check(password, person, PASSWORD_GUESSES_LOG10).is_err(), "{password}");
        }
        for (person, password) in [
            (&marguerite, "correct horse battery staple"),
            (&marguerite, "xK3v9-Lq2mP"),
            (&marguerite, "4719384756382"),
            (&marguerite, "marguerite paints seven blue lamps"),
            (&bob, "bobsleigh velvet thunder onion"),
            (&helene, "jeans violet orage cactus"),
        ] {
            assert_eq!(check(password, person, PASSWORD_GUESSES_LOG10), Ok(()), "{password}");
        }
    }

    #[test]
    fn what_leaked_is_known() {
        let (marks, rest) = LEAKED.as_chunks::<MARK_BYTES>();
        assert!(rest.is_empty() && marks.len() > 90_000 && marks.is_sorted());
        // The first of the list, one that zxcvbn alone would let through, and one of its end.
        for leaked in LEAKED_SAMPLES {
            assert!(is_leaked(leaked), "{leaked}");
        }
        let strangers = (0..2_000).filter(|n| is_leaked(&format!("never seen before {n}"))).count();
        assert!(strangers < 5, "{strangers} of two thousand");
    }

    const LEAKED_SAMPLES: [&str; 3] = ["bruckner", "robloxrules", "z391039zx"];
}
