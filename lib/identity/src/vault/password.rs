// SPDX-License-Identifier: AGPL-3.0-or-later
//! Human passwords: argon2id, a few at a time.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hearth_db::Tx;
use hearth_types::{AccountId, Secret, constant_time_eq};
use hearth_wire::sasl::prep;

use super::Vault;
use super::turns::Place;
use crate::error::{Error, Result};
use crate::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane; 25 ms of one core.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// glibc gives memory straight back to the kernel when it was asked for at least this much at once
/// (`DEFAULT_MMAP_THRESHOLD_MAX`); of less it may keep the 19 MiB in its heap for good. So a little more
/// is asked for, and what is not touched is never real.
const RESERVED_BLOCKS: usize = 33 * 1024;

/// What came of a human password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordCheck {
    /// It is the one.
    Right,
    /// It is not, or there is none.
    Wrong,
    /// Too many wait for the computation.
    Busy,
}

/// Who wants to know whether a password is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Somebody where the account signed in before: every place in the queue is open.
    Known,
    /// Anybody; [`ARGON2_KEPT`](crate::limits::ARGON2_KEPT) places are not for them.
    Stranger,
}

impl Vault {
    /// Sets the human password, or takes it away. Costs an argon2 computation.
    pub async fn set_password(&self, account: AccountId, password: Option<Secret<String>>) -> Result<()> {
        let hash = match password {
            Some(password) => Some(self.hash_new_password(password).await?),
            None => None,
        };
        let vault = self.clone();
        self.write(move |tx| vault.store_password(tx, account, hash)).await?;
        self.password_was_set();
        Ok(())
    }

    /// The hash of a new human password, to be stored.
    pub(super) async fn hash_new_password(&self, password: Secret<String>) -> Result<String> {
        check_new_password(password.expose())?;
        let salt = crate::random::bytes::<SALT_BYTES>();
        let computed = self.compute(password, salt.to_vec(), params()?, HASH_BYTES, Place::default()).await?;
        let computed = computed.ok_or_else(|| Error::Invalid("too many passwords are being checked: try again".into()))?;
        Ok(encode(&salt, &computed))
    }

    pub(super) fn store_password(&self, tx: &mut Tx<'_>, account: AccountId, hash: Option<String>) -> Result<()> {
        let (now, salt) = (self.now(), self.scram_salt(account));
        tx.execute(
            "INSERT INTO credential (account, password_hash, password_changed_at, scram_salt, scram_iterations)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (account) DO UPDATE SET
                password_hash = excluded.password_hash, password_changed_at = excluded.password_changed_at",
            &[&account, &hash, &now, &salt, &hearth_wire::sasl::scram::ITERATIONS],
        )?;
        Ok(())
    }

    pub(super) fn password_was_set(&self) {
        self.0.passwords_set.fetch_add(1, Ordering::SeqCst);
    }

    /// Has the account a human password?
    pub async fn has_password(&self, account: AccountId) -> Result<bool> {
        Ok(self.find_password_hash(account).await?.is_some())
    }

    /// Those that have one.
    pub async fn list_with_password(&self) -> Result<HashSet<AccountId>> {
        self.scan(|tx| {
            let ids = tx.query("SELECT account FROM credential WHERE password_hash IS NOT NULL", &[], |row| row.get(0))?;
            Ok(ids.into_iter().collect())
        })
        .await
    }

    /// Is this the human password? An account that is unknown (`None`), or has none, costs the same.
    pub async fn check_password(
        &self,
        account: Option<AccountId>,
        password: &Secret<String>,
        asker: Asker,
    ) -> Result<PasswordCheck> {
        if password.expose().chars().count() > PASSWORD_CHARS_MAX {
            return Ok(PasswordCheck::Wrong);
        }
        let Some(place) = self.0.turns.place_for(asker) else {
            return Ok(PasswordCheck::Busy);
        };
        let stored = match account {
            Some(account) => self.find_password_hash(account).await?,
            None => None,
        };
        let stored = match stored.as_deref() {
            Some(text) => Some(Stored::parse(text)?),
            None => None,
        };
        let (salt, params, length) = match &stored {
            Some(stored) => (stored.salt.clone(), stored.params.clone(), stored.hash.len()),
            None => (vec![0; SALT_BYTES], params()?, HASH_BYTES),
        };
        let Some(computed) = self.compute(password.clone(), salt, params, length, place).await? else {
            return Ok(PasswordCheck::Busy);
        };
        let is_right = stored.is_some_and(|stored| constant_time_eq(&stored.hash, computed.expose()));
        Ok(if is_right { PasswordCheck::Right } else { PasswordCheck::Wrong })
    }

    async fn find_password_hash(&self, account: AccountId) -> Result<Option<String>> {
        self.read(move |tx| {
            let found = tx.find("SELECT password_hash FROM credential WHERE account = $1", &[&account], |row| row.get(0))?;
            Ok(found.flatten())
        })
        .await
    }

    /// argon2id, when its turn comes; `None` when too many wait. The stranger's `place` is kept to the end.
    async fn compute(
        &self,
        password: Secret<String>,
        salt: Vec<u8>,
        params: Params,
        length: usize,
        place: Place,
    ) -> Result<Option<Secret<Vec<u8>>>> {
        self.0.turns.take(place, move || compute_now(&password, &salt, params, length)).await
    }
}

struct Stored {
    salt: Vec<u8>,
    params: Params,
    hash: Vec<u8>,
}

impl Stored {
    /// A PHC string, of these parameters or of those of another release.
    fn parse(text: &str) -> Result<Self> {
        let unreadable = || Error::Invalid("a stored password hash cannot be read".into());
        let parsed = PasswordHash::new(text).map_err(|_| unreadable())?;
        if parsed.algorithm.as_str() != "argon2id" {
            return Err(unreadable());
        }
        let params = Params::try_from(&parsed).map_err(|_| unreadable())?;
        let (Some(salt), Some(hash)) = (parsed.salt, parsed.hash) else {
            return Err(unreadable());
        };
        Ok(Self { salt: salt.to_vec(), params, hash: hash.as_bytes().to_vec() })
    }
}

fn params() -> Result<Params> {
    Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES)).map_err(|error| Error::Invalid(error.to_string()))
}

fn encode(salt: &[u8], hash: &Secret<Vec<u8>>) -> String {
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash.expose()));
    format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${hash}")
}

fn compute_now(password: &Secret<String>, salt: &[u8], params: Params, length: usize) -> Result<Secret<Vec<u8>>> {
    let failed = |error: argon2::Error| Error::Invalid(error.to_string());
    let count = params.block_count();
    let mut blocks = Vec::with_capacity(count.max(RESERVED_BLOCKS));
    blocks.resize(count, Block::new());
    let mut hash = vec![0; length];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2
        .hash_password_into_with_memory(prep::prepare(password.expose()).as_bytes(), salt, &mut hash, &mut blocks)
        .map_err(failed)?;
    Ok(Secret::new(hash))
}

/// May this be a new human password? Length alone is looked at, and what PLAIN could not carry.
pub fn check_new_password(password: &str) -> Result<()> {
    match password.chars().count() {
        length if length < PASSWORD_CHARS_MIN => {
            Err(Error::Invalid(format!("a password has at least {PASSWORD_CHARS_MIN} characters")))
        }
        length if length > PASSWORD_CHARS_MAX => {
            Err(Error::Invalid(format!("a password has {PASSWORD_CHARS_MAX} characters at most")))
        }
        _ if password.contains('\0') => Err(Error::Invalid("a password has no NUL in it: PLAIN could not carry it".into())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_is_bounded() {
        for (password, good) in [
            ("a".repeat(PASSWORD_CHARS_MIN - 1), false),
            ("ä".repeat(PASSWORD_CHARS_MIN), true),
            ("ä".repeat(PASSWORD_CHARS_MAX), true),
            ("a".repeat(PASSWORD_CHARS_MAX + 1), false),
            ("correct\0horse".into(), false),
        ] {
            assert_eq!(check_new_password(&password).is_ok(), good, "{} characters", password.len());
        }
    }

    #[test]
    fn what_is_written_is_read_by_others() {
        let salt = [3; SALT_BYTES];
        let hash = compute_now(&Secret::new("correct horse".into()), &salt, params().unwrap(), HASH_BYTES).unwrap();
        let text = encode(&salt, &hash);
        // The argon2 crate's own reader agrees.
        use argon2::PasswordVerifier;
        let parsed = PasswordHash::new(&text).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", &parsed).is_ok());
        let stored = Stored::parse(&text).unwrap();
        assert_eq!((stored.salt.as_slice(), stored.hash.as_slice()), (&salt[..], hash.expose().as_slice()));
        assert!(Stored::parse("$argon2i$v=19$m=16,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo").is_err());
    }
}
