// SPDX-License-Identifier: AGPL-3.0-or-later
//! OpenPGP secret keys, sealed. What the octets are is the keyserver's business.

use hearth_types::{AccountId, Secret};

use super::Vault;
use crate::error::{Error, Result};
use crate::limits::SECRET_KEY_BYTES_MAX;

impl Vault {
    /// Seals a secret key, in place of what was there under its fingerprint.
    pub async fn store_secret_key(&self, account: AccountId, fingerprint: &str, key: &Secret<Vec<u8>>) -> Result<()> {
        if key.expose().is_empty() || key.expose().len() > SECRET_KEY_BYTES_MAX {
            return Err(Error::Invalid(format!("a secret key has 1 to {SECRET_KEY_BYTES_MAX} octets")));
        }
        let fingerprint = check(fingerprint)?;
        let (sealed, now) = (self.0.seal.seal(&place(&fingerprint), key.expose())?, self.now());
        self.write(move |tx| {
            let stored = tx.execute(
                "INSERT INTO openpgp_secret (fingerprint, account, sealed, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (fingerprint) DO UPDATE SET sealed = excluded.sealed
                 WHERE openpgp_secret.account = excluded.account",
                &[&fingerprint, &account, &sealed, &now],
            )?;
            if stored == 0 { Err(Error::InUse("the secret key is another account's".into())) } else { Ok(()) }
        })
        .await
    }

    /// The secret key, opened, and whose it is.
    pub async fn find_secret_key(&self, fingerprint: &str) -> Result<Option<(AccountId, Secret<Vec<u8>>)>> {
        let fingerprint = check(fingerprint)?;
        let wanted = fingerprint.clone();
        let found = self
            .read(move |tx| {
                Ok(tx.find("SELECT account, sealed FROM openpgp_secret WHERE fingerprint = $1", &[&wanted], |row| {
                    Ok((row.get(0)?, row.get::<Vec<u8>>(1)?))
                })?)
            })
            .await?;
        found.map(|(account, sealed)| Ok((account, self.0.seal.open_sealed(&place(&fingerprint), &sealed)?))).transpose()
    }

    /// Wipes a secret key; whose it was.
    pub async fn remove_secret_key(&self, fingerprint: &str) -> Result<Option<AccountId>> {
        let fingerprint = check(fingerprint)?;
        self.write(move |tx| {
            Ok(tx.find("DELETE FROM openpgp_secret WHERE fingerprint = $1 RETURNING account", &[&fingerprint], |row| row.get(0))?)
        })
        .await
    }
}

/// Upper-case hexadecimal: 40 letters for version 4, 64 for version 6 (RFC 9580 §5.5.4).
fn check(fingerprint: &str) -> Result<String> {
    let is_hex = fingerprint.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex && matches!(fingerprint.len(), 40 | 64) {
        Ok(fingerprint.to_ascii_uppercase())
    } else {
        Err(Error::Invalid("a fingerprint has 40 or 64 hexadecimal letters".into()))
    }
}

fn place(fingerprint: &str) -> String {
    format!("openpgp_secret/{fingerprint}")
}
