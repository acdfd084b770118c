// SPDX-License-Identifier: AGPL-3.0-or-later
//! Is a new password hard enough to guess?
//!
//! The crate zxcvbn counts guesses: it knows the thirty thousand that leak most often, names, dates and rows of keys;
//! what the person is called counts as known. What it thinks good may have leaked all the same: [`is_leaked`] has the
//! hundred thousand of those that leaked most often (`data/README.md` says from where). Nobody outside is asked.

use aws_lc_rs::digest::{SHA256, digest};
use hearth_identity::directory::Account;
use hearth_wire::sasl::prep;

use crate::t;

/// The first [`MARK_BYTES`] octets of the SHA-256 of each, in order.
static LEAKED: &[u8] = include_bytes!("../../data/leaked.bin");
const MARK_BYTES: usize = 4;

/// Why not, in words. `guesses_log10`: what the household asks for, as a power of ten.
pub fn check(password: &str, account: &Account, guesses_log10: u32) -> Result<(), &'static str> {
    let domain = account.primary.domain().to_string();
    let known: Vec<&str> = [domain.as_str(), account.primary.local(), "hearth"]
        .into_iter()
        .chain(domain.split('.'))
        .chain(account.name.split_whitespace())
        .filter(|word| !word.is_empty())
        .collect();
    if guesses_of(password, &known) < f64::from(guesses_log10) {
        return Err(t("That password is among those that are tried first. Choose four or five words that do not belong together."));
    }
    if is_leaked(password) {
        return Err(t("That password was stolen somewhere and is on the lists of those who guess. Choose another."));
    }
    Ok(())
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
