// SPDX-License-Identifier: AGPL-3.0-or-later
//! Is a new password hard enough to guess? The crate zxcvbn brings the list of the thirty thousand that leak most often,
//! and knows names, dates and rows of keys; what the person is called counts as known.

use hearth_identity::directory::Account;

use crate::limits::PASSWORD_GUESSES_LOG10;
use crate::t;

/// Why not, in words.
pub fn check(password: &str, account: &Account, domain: &str) -> Result<(), &'static str> {
    let known: Vec<&str> = [domain, account.primary.local(), "hearth"]
        .into_iter()
        .chain(domain.split('.'))
        .chain(account.name.split_whitespace())
        .filter(|word| !word.is_empty())
        .collect();
    if guesses_log10(password, &known) < PASSWORD_GUESSES_LOG10 {
        return Err(t("That password is among those that are tried first. Choose four or five words that do not belong together."));
    }
    Ok(())
}

fn guesses_log10(password: &str, known: &[&str]) -> f64 {
    zxcvbn::zxcvbn(password, known).guesses_log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_first_and_what_is_not() {
        let known = ["home.example", "alice", "Alice", "Example"];
        for weak in ["password", "Passw0rd!", "qwertyuiop", "12345678", "aliceexample", "iloveyou1", "aaaaaaaaaaaa", "azertyuiop"] {
            assert!(guesses_log10(weak, &known) < PASSWORD_GUESSES_LOG10, "{weak}");
        }
        for good in ["correct horse battery staple", "four words that differ", "xK3v9-Lq2mP", "seven blue lamps dance"] {
            assert!(guesses_log10(good, &known) >= PASSWORD_GUESSES_LOG10, "{good}");
        }
    }
}
