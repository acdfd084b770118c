// SPDX-License-Identifier: AGPL-3.0-or-later
//! LOGIN (draft-murchison-sasl-login-00): two prompts, two answers. Obsolete, and what Outlook sends.

use hearth_types::Secret;

use super::error::Malformed;
use super::prep;
use super::server::PasswordClaim;

/// Clients look for these words.
pub(super) const PROMPT_USER: &[u8] = b"Username:";
pub(super) const PROMPT_PASSWORD: &[u8] = b"Password:";

fn malformed(what: &'static str) -> Malformed {
    Malformed { mechanism: "LOGIN", what }
}

/// The answer to the first prompt.
pub(super) fn parse_user(octets: &[u8]) -> Result<String, Malformed> {
    match std::str::from_utf8(octets) {
        Ok(user) if !user.is_empty() && !user.contains('\0') => Ok(prep::prepare(user).into_owned()),
        _ => Err(malformed("want a name in UTF-8")),
    }
}

/// The answer to the second prompt.
pub(super) fn parse_password(user: String, octets: &[u8]) -> Result<PasswordClaim, Malformed> {
    match std::str::from_utf8(octets) {
        Ok(password) if !password.is_empty() => {
            Ok(PasswordClaim { authorization: None, user, password: Secret::new(password.to_string()) })
        }
        _ => Err(malformed("want a password in UTF-8")),
    }
}
