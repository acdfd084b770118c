// SPDX-License-Identifier: AGPL-3.0-or-later
//! App passwords: 128 random bits for one device. One keyed hash finds them, so a mail login costs
//! microseconds; SCRAM verifiers lie beside it, one for each address that its owner may type as a name.
//!
//! SCRAM sends a salt before anything is proven (RFC 5802 §3). So the salt is a keyed hash of the name that was typed, in
//! its one form, and of nothing else: for names that are nobody's as for those that are somebody's, before there is an account
//! and after. Two addresses of one person have nothing in common, so each has a verifier of its own. An app password from
//! before that has one verifier, under a salt of its account; it goes on working by the primary address, which is answered
//! with that salt as long as the account has such a one.

use hearth_db::{Row, Tx};
use hearth_types::{AccountId, Address, Secret, SessionId, Timestamp};
use hearth_wire::sasl::scram::{ITERATIONS, Verifier};
use zeroize::Zeroize;

use super::Vault;
use crate::error::{Error, Result};
use crate::limits::{APP_PASSWORDS_MAX, NAME_CHARS_MAX, SCRAM_NAMES_MAX};
use crate::naming::is_seen;
use crate::service::Services;

/// Crockford's base 32, as our ids have it: no letter is taken for another.
pub(super) const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 26 letters hold 128 bits.
const LETTERS: usize = 26;
/// How they are shown: `xxxxx-xxxxx-xxxxx-xxxxx-xxxxxx`.
const GROUP_LETTERS: usize = 5;
const GROUPS: usize = 5;

/// An app password as the vault knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAppPassword {
    /// Its id, and that of its session.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// What its owner calls it.
    pub label: String,
    /// What it opens.
    pub services: Services,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
}

/// What SCRAM offers a user: known or not, it looks the same.
pub struct ScramOffer {
    /// One for all app passwords, by this name.
    pub salt: Vec<u8>,
    /// How often PBKDF2 turns.
    pub iterations: u32,
    /// The app passwords, oldest first.
    pub apps: Vec<StoredAppPassword>,
    /// Their verifiers, in the same order.
    pub verifiers: Vec<Verifier>,
}

impl Vault {
    /// Makes an app password; the text is shown once. `names`: the addresses by which SCRAM will know it, the first
    /// [`SCRAM_NAMES_MAX`] of them; by PLAIN it is known by every address.
    pub async fn add_app_password(
        &self,
        account: AccountId,
        names: &[Address],
        label: &str,
        services: Services,
        expires_at: Option<Timestamp>,
    ) -> Result<(SessionId, Secret<String>)> {
        check(label, services)?;
        let now = self.now();
        let id = SessionId::new(now);
        let password = write(crate::random::bytes());
        let hash = self.hash(account, &normal(password.expose()));
        let (salt, iterations) = self.scram_parameters(account).await?;
        let names = names.iter().take(SCRAM_NAMES_MAX).map(Address::key);
        let salts: Vec<_> = names.map(|name| (self.scram_salt_of(&name), name)).collect();
        let (typed, own_salt) = (password.clone(), salt.clone());
        let computed = tokio::task::spawn_blocking(move || {
            let by_name = salts.into_iter().map(|(salt, name)| (name, Verifier::new(typed.expose(), &salt, ITERATIONS)));
            (Verifier::new(typed.expose(), &own_salt, iterations), by_name.collect::<Vec<_>>())
        });
        let (verifier, by_name) = computed.await.map_err(|_| Error::Store(hearth_db::Error::Gone))?;
        let label = label.to_string();
        self.write(move |tx| {
            let count: usize = tx.one("SELECT COUNT(*) FROM app_password WHERE account = $1", &[&account], |row| row.get(0))?;
            if count >= APP_PASSWORDS_MAX {
                return Err(Error::TooMany { what: "app passwords of an account", max: APP_PASSWORDS_MAX });
            }
            tx.execute(
                "INSERT INTO credential (account, password_hash, password_changed_at, scram_salt, scram_iterations)
                 VALUES ($1, NULL, NULL, $2, $3) ON CONFLICT (account) DO NOTHING",
                &[&account, &salt, &iterations],
            )?;
            tx.execute(
                "INSERT INTO app_password
                    (id, account, hash, stored_key, server_key, services, label, networks, created_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, $8, $9)",
                &[
                    &id,
                    &account,
                    &hash,
                    &verifier.stored_key,
                    &verifier.server_key,
                    &services.to_string(),
                    &label,
                    &now,
                    &expires_at,
                ],
            )?;
            for (name, verifier) in &by_name {
                tx.execute(
                    "INSERT INTO scram_verifier (app_password, name, stored_key, server_key) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (app_password, name) DO NOTHING",
                    &[&id, name, &verifier.stored_key, &verifier.server_key],
                )?;
            }
            Ok(())
        })
        .await?;
        Ok((id, password))
    }

    /// The app password of this account that was typed, with or without its hyphens and in any case.
    pub async fn find_app_password(&self, account: AccountId, typed: &Secret<String>) -> Result<Option<StoredAppPassword>> {
        let letters = normal(typed.expose());
        if !is_app_password(&letters) {
            return Ok(None);
        }
        let hash = self.hash(account, &letters);
        self.read(move |tx| Ok(tx.find(concat!(app_columns!(), " WHERE account = $1 AND hash = $2"), &[&account, &hash], app)?))
            .await
    }

    /// The app passwords of an account, oldest first.
    pub async fn list_app_passwords(&self, account: AccountId) -> Result<Vec<StoredAppPassword>> {
        self.read(move |tx| Ok(list(tx, account)?.into_iter().map(|(app, _)| app).collect())).await
    }

    /// Wipes an app password; whose it was.
    pub async fn remove_app_password(&self, id: SessionId) -> Result<Option<AccountId>> {
        self.write(move |tx| {
            tx.execute("DELETE FROM scram_verifier WHERE app_password = $1", &[&id])?;
            Ok(tx.find("DELETE FROM app_password WHERE id = $1 RETURNING account", &[&id], |row| row.get(0))?)
        })
        .await
    }

    /// What SCRAM needs for a name, an address in its one form ([`Address::key`]) or whatever else was typed; `is_primary`: it
    /// is the account's primary address.
    pub async fn find_scram_offer(&self, account: Option<AccountId>, name: &str, is_primary: bool) -> Result<ScramOffer> {
        let salt = self.scram_salt_of(name);
        let name = name.to_string();
        // For nobody, too, it is looked.
        let whose = account.unwrap_or(AccountId::from_i64(0));
        let (found, has_old) =
            self.read(move |tx| Ok((list_by_name(tx, whose, &name)?, is_primary && has_any_without_names(tx, whose)?))).await?;
        if let Some(account) = account.filter(|_| has_old) {
            let (salt, iterations) = self.scram_parameters(account).await?;
            let (apps, verifiers) = self.read(move |tx| Ok(list(tx, account)?.into_iter().unzip())).await?;
            return Ok(ScramOffer { salt, iterations, apps, verifiers });
        }
        let (apps, verifiers) = found.into_iter().unzip();
        Ok(ScramOffer { salt, iterations: ITERATIONS, apps, verifiers })
    }

    /// The salt of a name, whoever has it.
    fn scram_salt_of(&self, name: &str) -> Vec<u8> {
        cut(self.keyed_hash("scram salt of nobody", name.as_bytes()))
    }

    /// The salt of an account, from before names had one.
    pub(super) fn scram_salt(&self, account: AccountId) -> Vec<u8> {
        cut(self.keyed_hash("scram salt", &account.as_i64().to_be_bytes()))
    }

    async fn scram_parameters(&self, account: AccountId) -> Result<(Vec<u8>, u32)> {
        let stored = self
            .read(move |tx| {
                Ok(tx.find("SELECT scram_salt, scram_iterations FROM credential WHERE account = $1", &[&account], |row| {
                    Ok((row.get::<Vec<u8>>(0)?, row.get::<u32>(1)?))
                })?)
            })
            .await?;
        Ok(stored.unwrap_or_else(|| (self.scram_salt(account), ITERATIONS)))
    }

    fn hash(&self, account: AccountId, letters: &Secret<String>) -> [u8; 32] {
        let mut data = account.as_i64().to_be_bytes().to_vec();
        data.extend_from_slice(letters.expose().as_bytes());
        let hash = self.keyed_hash("app password", &data);
        data.zeroize();
        hash
    }
}

/// Is it written exactly as app passwords are shown? Then it is one or was one, and nobody's human password.
pub fn looks_like_app_password(typed: &str) -> bool {
    let letters: Vec<usize> = typed.split('-').map(str::len).collect();
    let shown: Vec<usize> =
        (0..GROUPS).map(|group| if group + 1 == GROUPS { LETTERS - group * GROUP_LETTERS } else { GROUP_LETTERS }).collect();
    letters == shown && is_app_password(&normal(typed))
}

macro_rules! app_columns {
    () => {
        "SELECT id, account, label, services, created_at, expires_at, stored_key, server_key FROM app_password"
    };
}
use app_columns;

fn app(row: &Row<'_>) -> hearth_db::Result<StoredAppPassword> {
    let services: String = row.get(3)?;
    Ok(StoredAppPassword {
        id: row.get(0)?,
        account: row.get(1)?,
        label: row.get(2)?,
        services: services.parse().unwrap_or_default(),
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
    })
}

fn list(tx: &mut Tx<'_>, account: AccountId) -> Result<Vec<(StoredAppPassword, Verifier)>> {
    Ok(tx.query(concat!(app_columns!(), " WHERE account = $1 ORDER BY id"), &[&account], |row| {
        Ok((app(row)?, Verifier { stored_key: row.get(6)?, server_key: row.get(7)? }))
    })?)
}

fn list_by_name(tx: &mut Tx<'_>, account: AccountId, name: &str) -> Result<Vec<(StoredAppPassword, Verifier)>> {
    Ok(tx.query(
        "SELECT p.id, p.account, p.label, p.services, p.created_at, p.expires_at, v.stored_key, v.server_key
           FROM app_password p JOIN scram_verifier v ON v.app_password = p.id
          WHERE p.account = $1 AND v.name = $2 ORDER BY p.id",
        &[&account, &name],
        |row| Ok((app(row)?, Verifier { stored_key: row.get(6)?, server_key: row.get(7)? })),
    )?)
}

/// Is there one from before step 3?
fn has_any_without_names(tx: &mut Tx<'_>, account: AccountId) -> Result<bool> {
    let found = tx.find(
        "SELECT 1 FROM app_password p WHERE p.account = $1
            AND NOT EXISTS (SELECT 1 FROM scram_verifier v WHERE v.app_password = p.id) LIMIT 1",
        &[&account],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

pub(super) fn remove_all(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    tx.execute("DELETE FROM scram_verifier WHERE app_password IN (SELECT id FROM app_password WHERE account = $1)", &[&account])?;
    tx.execute("DELETE FROM app_password WHERE account = $1", &[&account])?;
    Ok(())
}

/// What its owner calls a device or a key.
pub(super) fn check_label(label: &str) -> Result<()> {
    if label.is_empty() || label.chars().count() > NAME_CHARS_MAX {
        return Err(Error::Invalid(format!("it has a name of 1 to {NAME_CHARS_MAX} characters")));
    }
    if !is_seen(label) {
        return Err(Error::Invalid("a name has no characters that control, or cannot be seen".into()));
    }
    Ok(())
}

fn check(label: &str, services: Services) -> Result<()> {
    check_label(label)?;
    if services.is_empty() || services.admits(crate::Service::Web) {
        return Err(Error::Invalid("an app password is for mail services: smtp, imap, pop3, sieve, jmap".into()));
    }
    Ok(())
}

fn cut(hash: [u8; 32]) -> Vec<u8> {
    hash.into_iter().take(16).collect()
}

/// Shows 128 bits in groups.
fn write(bits: [u8; 16]) -> Secret<String> {
    let mut rest = u128::from_be_bytes(bits);
    let mut text = String::with_capacity(LETTERS + GROUPS);
    for place in 0..LETTERS {
        if place > 0 && place % GROUP_LETTERS == 0 && place / GROUP_LETTERS < GROUPS {
            text.push('-');
        }
        text.push(char::from(ALPHABET[(rest & 31) as usize]));
        rest >>= 5;
    }
    Secret::new(text)
}

/// What was meant: no hyphens or spaces, lower case, and the letters that are not in the alphabet as
/// those they are taken for.
pub(super) fn normal(typed: &str) -> Secret<String> {
    let letters =
        typed.chars().filter(|c| *c != '-' && !c.is_whitespace()).take(LETTERS + 1).map(|c| match c.to_ascii_lowercase() {
            'i' | 'l' => '1',
            'o' => '0',
            other => other,
        });
    Secret::new(letters.collect())
}

fn is_app_password(letters: &Secret<String>) -> bool {
    letters.expose().len() == LETTERS && letters.expose().bytes().all(|b| ALPHABET.contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_in_groups_and_read_however_typed() {
        let shown = write([0xff; 16]);
        assert_eq!(shown.expose(), "zzzzz-zzzzz-zzzzz-zzzzz-zzzzz7");
        assert!(looks_like_app_password(shown.expose()));
        let shown = write(*b"sixteen letters!");
        let typed = shown.expose().replace('-', " ").to_uppercase().replace('1', "L").replace('0', "O");
        assert!(normal(&typed).matches(normal(shown.expose()).expose()));
        assert!(is_app_password(&normal(&typed)));
    }

    #[test]
    fn what_is_not_one() {
        for typed in ["", "correct horse battery staple", "zzzzz-zzzzz-zzzzz-zzzzz-zzzzz", "zzzzz-zzzzz-zzzzz-zzzzz-zzzzzzz"] {
            assert!(!is_app_password(&normal(typed)), "{typed}");
        }
        // A human password may have 26 such letters; as it is typed it is no app password.
        assert!(is_app_password(&normal("correcthorsebatterystaple1")));
        assert!(!looks_like_app_password("correcthorsebatterystaple1"));
    }

    #[test]
    fn all_bits_are_shown() {
        let mut seen = std::collections::HashSet::new();
        for bit in 0..128 {
            assert!(seen.insert(write((1_u128 << bit).to_be_bytes()).expose().clone()), "bit {bit}");
        }
    }
}
