// SPDX-License-Identifier: AGPL-3.0-or-later
//! Recovery codes: a sheet of paper that stands in for a lost second factor, each line once.

use hearth_types::{AccountId, Secret};

use super::Vault;
use super::app_password::{ALPHABET, normal};
use crate::error::Result;
use crate::limits::RECOVERY_CODES;

/// 50 random bits: enough behind the throttle of the sign-in page.
const LETTERS: usize = 10;

/// Has it the letters of a line of the sheet? A code of an authenticator has fewer.
pub fn looks_like_recovery_code(typed: &str) -> bool {
    let letters = normal(typed);
    letters.expose().len() == LETTERS && letters.expose().bytes().all(|b| ALPHABET.contains(&b))
}

impl Vault {
    /// Makes a new sheet of codes; the old one is worth nothing. Shown once.
    pub async fn make_recovery_codes(&self, account: AccountId) -> Result<Vec<Secret<String>>> {
        let codes: Vec<Secret<String>> = (0..RECOVERY_CODES).map(|_| write(crate::random::bytes())).collect();
        let hashes: Vec<[u8; 32]> = codes.iter().map(|code| self.hash_recovery(account, code.expose())).collect();
        let now = self.now();
        self.write(move |tx| {
            tx.execute("DELETE FROM recovery_code WHERE account = $1", &[&account])?;
            for hash in &hashes {
                tx.execute(
                    "INSERT INTO recovery_code (account, hash, created_at, used_at) VALUES ($1, $2, $3, NULL)",
                    &[&account, hash, &now],
                )?;
            }
            Ok(())
        })
        .await?;
        Ok(codes)
    }

    /// Spends a code; false when it is none, or was used before.
    pub async fn use_recovery_code(&self, account: AccountId, typed: &str) -> Result<bool> {
        let (hash, now) = (self.hash_recovery(account, typed), self.now());
        self.write(move |tx| {
            let used = tx.execute(
                "UPDATE recovery_code SET used_at = $3 WHERE account = $1 AND hash = $2 AND used_at IS NULL",
                &[&account, &hash, &now],
            )?;
            Ok(used == 1)
        })
        .await
    }

    /// How many codes are left.
    pub async fn count_recovery_codes(&self, account: AccountId) -> Result<usize> {
        self.read(move |tx| {
            Ok(tx.one("SELECT COUNT(*) FROM recovery_code WHERE account = $1 AND used_at IS NULL", &[&account], |row| row.get(0))?)
        })
        .await
    }

    fn hash_recovery(&self, account: AccountId, typed: &str) -> [u8; 32] {
        let mut data = account.as_i64().to_be_bytes().to_vec();
        data.extend_from_slice(normal(typed).expose().as_bytes());
        self.keyed_hash("recovery code", &data)
    }
}

/// `xxxxx-xxxxx`.
fn write(bits: [u8; 8]) -> Secret<String> {
    let mut rest = u64::from_be_bytes(bits);
    let mut text = String::with_capacity(LETTERS + 1);
    for at in 0..LETTERS {
        if at == LETTERS / 2 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[(rest & 31) as usize]));
        rest >>= 5;
    }
    Secret::new(text)
}
