// SPDX-License-Identifier: AGPL-3.0-or-later
//! Passkeys: the public halves of keys that live in people's devices.

use hearth_db::Row;
use hearth_types::{AccountId, Timestamp};

use super::Vault;
use super::app_password::check_label;
use crate::error::{Error, Result};
use crate::limits::PASSKEYS_MAX;

/// A passkey as the vault knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPasskey {
    /// What the device calls it.
    pub credential: Vec<u8>,
    /// Whose it is.
    pub account: AccountId,
    /// What its owner calls it.
    pub label: String,
    /// The public key, COSE.
    pub public_key: Vec<u8>,
    /// How often the device said that it signed; 0 when it does not count.
    pub sign_count: u32,
    /// May it leave its device? `None`: it was added before this was kept, and has not been used since.
    pub backup_eligible: Option<bool>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last signed somebody in.
    pub last_used_at: Option<Timestamp>,
}

/// A passkey that a device has just made.
#[derive(Clone, Debug)]
pub struct NewPasskey {
    /// What the device calls it.
    pub credential: Vec<u8>,
    /// Whose it is.
    pub account: AccountId,
    /// What its owner calls it.
    pub label: String,
    /// The public key, COSE.
    pub public_key: Vec<u8>,
    /// The device's first count.
    pub sign_count: u32,
    /// May it leave its device? It stays what it is (WebAuthn §6.1.3).
    pub backup_eligible: bool,
}

struct Sealed {
    passkey: StoredPasskey,
    sealed: Vec<u8>,
}

impl Vault {
    /// Keeps a passkey.
    pub async fn add_passkey(&self, new: NewPasskey) -> Result<()> {
        check_label(&new.label)?;
        let sealed = self.0.seal.seal(&place(&new.credential), &new.public_key)?;
        let now = self.now();
        self.write(move |tx| {
            let count: usize = tx.one("SELECT COUNT(*) FROM passkey WHERE account = $1", &[&new.account], |row| row.get(0))?;
            if count >= PASSKEYS_MAX {
                return Err(Error::TooMany { what: "passkeys of an account", max: PASSKEYS_MAX });
            }
            let added = tx.execute(
                "INSERT INTO passkey (credential_id, account, label, sealed, sign_count, created_at, last_used_at, backup_eligible)
                 VALUES ($1, $2, $3, $4, $5, $6, NULL, $7) ON CONFLICT (credential_id) DO NOTHING",
                &[&new.credential, &new.account, &new.label, &sealed, &i64::from(new.sign_count), &now, &new.backup_eligible],
            )?;
            if added == 0 { Err(Error::InUse("this passkey is here already".into())) } else { Ok(()) }
        })
        .await
    }

    /// The passkey of a name that a device gave.
    pub async fn find_passkey(&self, credential: &[u8]) -> Result<Option<StoredPasskey>> {
        let credential = credential.to_vec();
        let found = self
            .read(move |tx| Ok(tx.find(concat!(passkey_columns!(), " WHERE credential_id = $1"), &[&credential], passkey)?))
            .await?;
        found.map(|found| self.open_passkey(found)).transpose()
    }

    /// The passkeys of an account, oldest first.
    pub async fn list_passkeys(&self, account: AccountId) -> Result<Vec<StoredPasskey>> {
        let found = self
            .read(move |tx| {
                Ok(tx.query(
                    concat!(passkey_columns!(), " WHERE account = $1 ORDER BY created_at, credential_id"),
                    &[&account],
                    passkey,
                )?)
            })
            .await?;
        found.into_iter().map(|found| self.open_passkey(found)).collect()
    }

    /// Notes a signature, and learns whether the passkey may leave its device where that is not known. False when the
    /// count did not grow where it should have: two devices have the key (WebAuthn §6.1.1).
    pub async fn use_passkey(&self, credential: &[u8], sign_count: u32, backup_eligible: bool) -> Result<bool> {
        let (credential, sign_count, now) = (credential.to_vec(), i64::from(sign_count), self.now());
        self.write(move |tx| {
            let used = tx.execute(
                "UPDATE passkey SET sign_count = $2, last_used_at = $3, backup_eligible = COALESCE(backup_eligible, $4)
                 WHERE credential_id = $1 AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0))",
                &[&credential, &sign_count, &now, &backup_eligible],
            )?;
            Ok(used == 1)
        })
        .await
    }

    /// Calls a passkey of an account something else; false when there is none.
    pub async fn rename_passkey(&self, account: AccountId, credential: &[u8], label: &str) -> Result<bool> {
        check_label(label)?;
        let (credential, label) = (credential.to_vec(), label.to_string());
        self.write(move |tx| {
            let renamed = tx.execute(
                "UPDATE passkey SET label = $3 WHERE credential_id = $1 AND account = $2",
                &[&credential, &account, &label],
            )?;
            Ok(renamed == 1)
        })
        .await
    }

    /// Forgets a passkey of an account; what it was called.
    pub async fn remove_passkey(&self, account: AccountId, credential: &[u8]) -> Result<Option<String>> {
        let credential = credential.to_vec();
        self.write(move |tx| {
            Ok(tx.find(
                "DELETE FROM passkey WHERE credential_id = $1 AND account = $2 RETURNING label",
                &[&credential, &account],
                |row| row.get(0),
            )?)
        })
        .await
    }

    fn open_passkey(&self, found: Sealed) -> Result<StoredPasskey> {
        let Sealed { mut passkey, sealed } = found;
        passkey.public_key = self.0.seal.open_sealed(&place(&passkey.credential), &sealed)?.expose().clone();
        Ok(passkey)
    }
}

macro_rules! passkey_columns {
    () => {
        "SELECT credential_id, account, label, sealed, sign_count, created_at, last_used_at, backup_eligible FROM passkey"
    };
}
use passkey_columns;

fn passkey(row: &Row<'_>) -> hearth_db::Result<Sealed> {
    let passkey = StoredPasskey {
        credential: row.get(0)?,
        account: row.get(1)?,
        label: row.get(2)?,
        public_key: Vec::new(),
        sign_count: u32::try_from(row.get::<i64>(4)?).unwrap_or(u32::MAX),
        created_at: row.get(5)?,
        last_used_at: row.get(6)?,
        backup_eligible: row.get(7)?,
    };
    Ok(Sealed { passkey, sealed: row.get(3)? })
}

fn place(credential: &[u8]) -> String {
    let letters: String = credential.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("passkey/{letters}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::on_each_engine;

    #[test]
    fn whether_a_passkey_may_leave_is_learned_once() {
        on_each_engine(|home| async move {
            let vault = home.vault().await;
            let new = |name: u8, backup_eligible| NewPasskey {
                credential: vec![name; 16],
                account: AccountId::from_i64(1),
                label: "Key".into(),
                public_key: vec![1],
                sign_count: 0,
                backup_eligible,
            };
            let known = async |name: u8| vault.find_passkey(&[name; 16]).await.unwrap().unwrap().backup_eligible;
            vault.add_passkey(new(7, true)).await.unwrap();
            vault.add_passkey(new(8, false)).await.unwrap();
            assert_eq!((known(7).await, known(8).await), (Some(true), Some(false)));
            // As one that was there before step 3.
            vault.write(|tx| Ok(tx.execute("UPDATE passkey SET backup_eligible = NULL", &[])?)).await.unwrap();
            assert_eq!(known(7).await, None);
            for says in [true, false] {
                assert!(vault.use_passkey(&[7; 16], 0, says).await.unwrap());
                assert_eq!((known(7).await, known(8).await), (Some(true), None), "the first use alone");
            }
        });
    }
}
