// SPDX-License-Identifier: AGPL-3.0-or-later
//! One-time codes of an authenticator app (RFC 6238): SHA-1, six digits, a new one every thirty seconds,
//! for that is what every app computes.

use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use hearth_types::id::Id;
use hearth_types::{AccountId, Secret, Timestamp, constant_time_eq};

use super::Vault;
use super::app_password::check_label;
use crate::error::{Error, Result};
use crate::limits::{TOTP_MAX, TOTP_SKEW_STEPS};

/// RFC 4226 §4: 160 bits.
const SECRET_BYTES: usize = 20;
/// RFC 6238 §5.2.
const STEP_SECONDS: i64 = 30;
/// Digits of a code.
const DIGITS: usize = 6;

/// An authenticator as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTotp {
    /// Its id.
    pub id: Id,
    /// What its owner calls it.
    pub label: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// The code of a step.
pub fn totp_code(secret: &[u8], step: i64) -> String {
    let tag = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret), &step.to_be_bytes());
    let tag = tag.as_ref();
    // RFC 4226 §5.3: dynamic truncation.
    let offset = usize::from(tag.last().copied().unwrap_or_default() & 0xf);
    let number = tag.get(offset..offset + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes) & 0x7fff_ffff;
    format!("{:0DIGITS$}", number % 1_000_000)
}

/// The step of a moment.
fn step_of(now: Timestamp) -> i64 {
    now.secs().div_euclid(STEP_SECONDS)
}

/// Which step a code is of: now, or one to either side (RFC 6238 §5.2), and later than `last`.
fn find_step(secret: &[u8], typed: &str, last: i64, now: Timestamp) -> Option<i64> {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').take(DIGITS + 1).collect();
    let now = step_of(now);
    let mut found = None;
    for step in now - TOTP_SKEW_STEPS..=now + TOTP_SKEW_STEPS {
        if constant_time_eq(totp_code(secret, step).as_bytes(), digits.as_bytes()) && step > last {
            found = Some(step);
        }
    }
    found
}

impl Vault {
    /// Makes the secret of an authenticator that waits for its first code; one that waited before is gone.
    pub async fn add_totp(&self, account: AccountId, label: &str) -> Result<(Id, Secret<Vec<u8>>)> {
        check_label(label)?;
        let (id, now) = (Id::new(self.now()), self.now());
        let secret = Secret::new(crate::random::bytes::<SECRET_BYTES>().to_vec());
        let sealed = self.0.seal.seal(&place(id), secret.expose())?;
        let label = label.to_string();
        self.write(move |tx| {
            tx.execute("DELETE FROM totp WHERE account = $1 AND confirmed_at IS NULL", &[&account])?;
            let count: usize = tx.one("SELECT COUNT(*) FROM totp WHERE account = $1", &[&account], |row| row.get(0))?;
            if count >= TOTP_MAX {
                return Err(Error::TooMany { what: "authenticator apps of an account", max: TOTP_MAX });
            }
            tx.execute(
                "INSERT INTO totp (id, account, label, sealed, last_step, created_at, confirmed_at) VALUES ($1, $2, $3, $4, 0, $5, NULL)",
                &[&id.as_i64(), &account, &label, &sealed, &now],
            )?;
            Ok(())
        })
        .await?;
        Ok((id, secret))
    }

    /// The authenticator that waits for its first code.
    pub async fn find_waiting_totp(&self, account: AccountId) -> Result<Option<(Id, String, Secret<Vec<u8>>)>> {
        let found = self
            .read(move |tx| {
                Ok(tx.find(
                    "SELECT id, label, sealed FROM totp WHERE account = $1 AND confirmed_at IS NULL",
                    &[&account],
                    |row| Ok((Id::from_i64(row.get(0)?), row.get::<String>(1)?, row.get::<Vec<u8>>(2)?)),
                )?)
            })
            .await?;
        found.map(|(id, label, sealed)| Ok((id, label, self.0.seal.open_sealed(&place(id), &sealed)?))).transpose()
    }

    /// The first code of the authenticator that waits: from then on it counts. False when the code is wrong.
    pub async fn confirm_totp(&self, account: AccountId, typed: &str) -> Result<bool> {
        let Some((id, _, secret)) = self.find_waiting_totp(account).await? else {
            return Ok(false);
        };
        let now = self.now();
        let Some(step) = find_step(secret.expose(), typed, 0, now) else {
            return Ok(false);
        };
        self.write(move |tx| {
            let confirmed = tx.execute(
                "UPDATE totp SET confirmed_at = $2, last_step = $3 WHERE id = $1 AND confirmed_at IS NULL",
                &[&id.as_i64(), &now, &step],
            )?;
            Ok(confirmed == 1)
        })
        .await
    }

    /// Is this a code of one of the account's authenticators? Each step counts once, so that a code that
    /// somebody looked at is of no use (RFC 6238 §5.2).
    pub async fn check_totp(&self, account: AccountId, typed: &str) -> Result<bool> {
        let rows = self
            .read(move |tx| {
                Ok(tx.query(
                    "SELECT id, sealed, last_step FROM totp WHERE account = $1 AND confirmed_at IS NOT NULL ORDER BY id",
                    &[&account],
                    |row| Ok((Id::from_i64(row.get(0)?), row.get::<Vec<u8>>(1)?, row.get::<i64>(2)?)),
                )?)
            })
            .await?;
        for (id, sealed, last) in rows {
            let secret = self.0.seal.open_sealed(&place(id), &sealed)?;
            let Some(step) = find_step(secret.expose(), typed, last, self.now()) else {
                continue;
            };
            // Of two at once one alone finds the step unused.
            let taken = self
                .write(move |tx| {
                    Ok(tx.execute("UPDATE totp SET last_step = $2 WHERE id = $1 AND last_step < $2", &[&id.as_i64(), &step])?)
                })
                .await?;
            return Ok(taken == 1);
        }
        Ok(false)
    }

    /// The authenticators of an account, oldest first.
    pub async fn list_totp(&self, account: AccountId) -> Result<Vec<StoredTotp>> {
        self.read(move |tx| {
            Ok(tx.query(
                "SELECT id, label, created_at FROM totp WHERE account = $1 AND confirmed_at IS NOT NULL ORDER BY id",
                &[&account],
                |row| Ok(StoredTotp { id: Id::from_i64(row.get(0)?), label: row.get(1)?, created_at: row.get(2)? }),
            )?)
        })
        .await
    }

    /// Wipes an authenticator of an account; false when there was none.
    pub async fn remove_totp(&self, account: AccountId, id: Id) -> Result<bool> {
        self.write(move |tx| Ok(tx.execute("DELETE FROM totp WHERE id = $1 AND account = $2", &[&id.as_i64(), &account])? == 1))
            .await
    }
}

fn place(id: Id) -> String {
    format!("totp/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_the_standard() {
        // RFC 6238, appendix B; the last six of eight digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(totp_code(b"12345678901234567890", step_of(Timestamp::from_secs(seconds))), code, "{seconds}");
        }
    }

    #[test]
    fn one_step_to_either_side_and_each_once() {
        let secret = b"12345678901234567890";
        let now = Timestamp::from_secs(1_800_000_000);
        let step = step_of(now);
        for (offset, good) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            assert_eq!(find_step(secret, &totp_code(secret, step + offset), 0, now).is_some(), good, "{offset}");
        }
        let code = totp_code(secret, step);
        assert_eq!(find_step(secret, &format!("{} {}", &code[..3], &code[3..]), step - 1, now), Some(step));
        assert_eq!(find_step(secret, &code, step, now), None, "used before");
        for bad in ["", "12345", &format!("{code}0")] {
            assert_eq!(find_step(secret, bad, 0, now), None, "{bad}");
        }
    }
}
