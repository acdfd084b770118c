// SPDX-License-Identifier: AGPL-3.0-or-later
//! The vault: secrets. `hearth-oauth` alone opens it; everybody else asks through [`login`](crate::login).
//!
//! What must be read again (signing keys, TOTP secrets, OpenPGP secret keys, the pepper) is sealed with
//! AES-256-GCM under a key file that lies beside the vault and not in it: a copy of the database, or the
//! administrator of a PostgreSQL server, has nothing. What need only be compared is hashed: human
//! passwords by argon2id, app passwords (128 random bits) by HMAC under the pepper.
//!
//! - `seal.rs`: the key file, sealing
//! - `password.rs`: human passwords; `turns.rs`: how many are computed at once
//! - `app_password.rs`: app passwords, for PLAIN and for SCRAM
//! - `totp.rs`, `recovery.rs`, `passkey.rs`: second factors, and the first that needs no other
//! - `link.rs`: one-time links, for who is new or has lost every other way in
//! - `signing.rs`: keys that sign tokens
//! - `secret_key.rs`: OpenPGP secret keys

mod app_password;
mod link;
mod passkey;
mod password;
mod recovery;
mod seal;
mod secret_key;
mod signing;
mod totp;
mod turns;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hearth_db::{Database, Durability, Migration, Source, Tx};
use hearth_types::{AccountId, Clock, Secret, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub use app_password::{ScramOffer, StoredAppPassword, looks_like_app_password};
pub use link::Link;
pub use passkey::{NewPasskey, StoredPasskey};
pub use password::{Asker, PasswordCheck, check_new_password};
pub use recovery::looks_like_recovery_code;
pub use signing::{Algorithm, SigningKey};
pub use totp::{StoredTotp, totp_code};

use crate::error::{Error, Result};
use crate::limits::{ARGON2_AT_ONCE, ARGON2_AT_ONCE_MAX, ARGON2_KEPT, ARGON2_MEMORY_BYTES, ARGON2_WAITING_MAX};
use seal::Seal;
use turns::Turns;

const STEPS: &[Migration] = &[
    Migration { version: 1, name: "secrets", breaking: false, sql: include_str!("../migrations/vault-0001.sql") },
    Migration { version: 2, name: "one-time links", breaking: false, sql: include_str!("../migrations/vault-0002.sql") },
    Migration { version: 3, name: "passkeys that may leave", breaking: false, sql: include_str!("../migrations/vault-0003.sql") },
    Migration { version: 4, name: "SCRAM by name", breaking: false, sql: include_str!("../migrations/vault-0004.sql") },
];

/// The vault, open. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    database: Database,
    clock: Clock,
    seal: Seal,
    pepper: Secret<Vec<u8>>,
    /// Of the argon2 computations.
    turns: Turns,
    /// How often a human password was set since the vault was opened.
    passwords_set: AtomicU64,
}

impl Vault {
    /// Opens the vault, and makes it with its key file and its keys where they are not there. A vault
    /// whose key file is gone is not opened: its secrets cannot be.
    pub async fn open(source: &Source, key_file: &Path, clock: Clock) -> Result<Self> {
        Self::open_within(source, key_file, clock, ARGON2_MEMORY_BYTES * ARGON2_AT_ONCE as u64).await
    }

    /// The same, with so much memory for checking passwords.
    pub async fn open_within(source: &Source, key_file: &Path, clock: Clock, memory_bytes: u64) -> Result<Self> {
        let at_once = at_once(memory_bytes);
        let (source, key_file) = (source.clone(), key_file.to_path_buf());
        let opened = tokio::task::spawn_blocking(move || Self::open_now(&source, &key_file, clock, at_once)).await;
        let vault = opened.unwrap_or(Err(Error::Store(hearth_db::Error::Gone)))?;
        vault.make_signing_keys().await?;
        Ok(vault)
    }

    fn open_now(source: &Source, key_file: &Path, clock: Clock, at_once: usize) -> Result<Self> {
        let database = Database::open(source, STEPS)?;
        let is_new: i64 = database.read_now(|tx| tx.one("SELECT COUNT(*) FROM vault_key", &[], |row| row.get(0)))?;
        let seal = Seal::open(key_file, is_new == 0)?;
        let now = clock.now();
        let pepper = database.write_now(Durability::Synced, |tx| {
            key_of_the_house(tx, &seal, "pepper", now, || Ok(Secret::new(crate::random::bytes::<32>().to_vec())))
        })?;
        Ok(Self(Arc::new(Inner {
            database,
            clock,
            seal,
            pepper,
            turns: Turns::new(at_once, ARGON2_WAITING_MAX, ARGON2_KEPT),
            passwords_set: AtomicU64::new(0),
        })))
    }

    /// HMAC-SHA-256 under the pepper, for one purpose: pairwise subjects, cookies, and whatever else must be
    /// stable here and unknown elsewhere.
    pub fn keyed_hash(&self, purpose: &str, data: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.pepper.expose()).expect("HMAC takes a key of any length");
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(data);
        mac.finalize().into_bytes().into()
    }

    /// A number that changes when any human password does: whatever remembers that a password was wrong
    /// remembers it together with this.
    pub fn passwords_set(&self) -> u64 {
        self.0.passwords_set.load(Ordering::SeqCst)
    }

    /// The node's own key, by which other homes know this one: Ed25519, PKCS#8 DER, made at its first use.
    pub async fn node_key(&self) -> Result<Secret<Vec<u8>>> {
        let (vault, now) = (self.clone(), self.now());
        self.write(move |tx| key_of_the_house(tx, &vault.0.seal, "node", now, || Algorithm::EdDsa.make_key())).await
    }

    /// Has the account a second factor (TOTP or a passkey)?
    pub async fn has_second_factor(&self, account: AccountId) -> Result<bool> {
        self.read(move |tx| {
            let found = tx.find(
                "SELECT 1 FROM totp WHERE account = $1 AND confirmed_at IS NOT NULL
                 UNION ALL SELECT 1 FROM passkey WHERE account = $1",
                &[&account],
                |_| Ok(()),
            )?;
            Ok(found.is_some())
        })
        .await
    }

    /// The accounts that have a second factor, and how many recovery codes each has left.
    pub async fn list_with_second_factor(&self) -> Result<HashMap<AccountId, usize>> {
        self.scan(|tx| {
            let found = tx.query(
                "SELECT f.account, (SELECT COUNT(*) FROM recovery_code r WHERE r.account = f.account AND r.used_at IS NULL)
                 FROM (SELECT account FROM totp WHERE confirmed_at IS NOT NULL UNION SELECT account FROM passkey) f",
                &[],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            Ok(found.into_iter().collect())
        })
        .await
    }

    /// Looks through the whole database; what is wrong with it, if anything is (SQLite; a server looks after itself).
    pub async fn check(&self) -> Result<Option<String>> {
        Ok(self.0.database.check().await?)
    }

    /// Wipes every secret of an account.
    pub async fn forget(&self, account: AccountId) -> Result<()> {
        self.write(move |tx| {
            tx.execute("DELETE FROM credential WHERE account = $1", &[&account])?;
            app_password::remove_all(tx, account)?;
            tx.execute("DELETE FROM totp WHERE account = $1", &[&account])?;
            tx.execute("DELETE FROM recovery_code WHERE account = $1", &[&account])?;
            tx.execute("DELETE FROM passkey WHERE account = $1", &[&account])?;
            tx.execute("DELETE FROM one_time_link WHERE account = $1", &[&account])?;
            tx.execute("DELETE FROM openpgp_secret WHERE account = $1", &[&account])?;
            Ok(())
        })
        .await
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    async fn read<T: Send + 'static>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        self.0.database.look(work).await
    }

    /// As many rows as there are.
    async fn scan<T: Send + 'static>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        self.0.database.read(work).await
    }

    async fn write<T: Send + 'static>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        self.0.database.write(Durability::Synced, work).await
    }
}

/// A key of the house, made when it is not there.
fn key_of_the_house(
    tx: &mut Tx<'_>,
    seal: &Seal,
    name: &'static str,
    now: Timestamp,
    make: impl FnOnce() -> Result<Secret<Vec<u8>>>,
) -> Result<Secret<Vec<u8>>> {
    let place = format!("vault_key/{name}");
    let sealed = tx.find("SELECT sealed FROM vault_key WHERE name = $1", &[&name], |row| row.get::<Vec<u8>>(0))?;
    if let Some(sealed) = sealed {
        return seal.open_sealed(&place, &sealed);
    }
    let key = make()?;
    let sealed = seal.seal(&place, key.expose())?;
    tx.execute("INSERT INTO vault_key (name, sealed, created_at) VALUES ($1, $2, $3)", &[&name, &sealed, &now])?;
    Ok(key)
}

/// argon2 computations at once, for so much memory.
fn at_once(memory_bytes: u64) -> usize {
    usize::try_from(memory_bytes / ARGON2_MEMORY_BYTES).unwrap_or(usize::MAX).clamp(1, ARGON2_AT_ONCE_MAX)
}

#[cfg(test)]
mod memory {
    use super::*;

    #[test]
    fn one_password_at_a_time_for_each_32_mib() {
        let mib = |count: u64| count * 1024 * 1024;
        for (memory, at_once_then) in
            [(0, 1), (mib(31), 1), (mib(32), 1), (mib(63), 1), (mib(64), 2), (mib(128), 4), (u64::MAX, ARGON2_AT_ONCE_MAX)]
        {
            assert_eq!(at_once(memory), at_once_then, "{memory}");
        }
    }
}
