// SPDX-License-Identifier: AGPL-3.0-or-later
//! Masked addresses: made for one correspondent, so that it is known who gave it away, and it can be switched off.
//!
//! Such an address is one of its account like any other, so the person may also write from it. It locks itself to the
//! domain that first wrote to it, unless it was made open.

use hearth_db::{Row, Tx};
use hearth_types::{AccountId, Address, Domain, Timestamp};

use super::Directory;
use super::account::check_name;
use super::address::{Target, claim};
use crate::error::{Error, Result};
use crate::limits::MASKED_MAX;
use crate::random;

/// A masked address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked {
    /// The address.
    pub address: Address,
    /// For whom it was made.
    pub label: String,
    /// It locks itself to the first who writes.
    pub locks: bool,
    /// The domain that alone may write to it.
    pub locked_to: Option<Domain>,
    /// It takes no mail.
    pub off: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Masked {
    /// May mail whose From is in this domain come to it? A domain and those below it are one.
    pub fn takes_from(&self, domain: &Domain) -> bool {
        let is_below = |one: &Domain, other: &Domain| one.as_str().ends_with(&format!(".{other}"));
        self.locked_to.as_ref().is_none_or(|to| to == domain || is_below(domain, to) || is_below(to, domain))
    }
}

impl Directory {
    /// Makes an address that nobody guesses, in a domain of this home.
    pub async fn add_masked(&self, account: AccountId, domain: &Domain, label: &str, locks: bool) -> Result<Masked> {
        check_name(label)?;
        let (domain, label, now) = (domain.clone(), label.to_string(), self.now());
        self.write(move |tx| {
            if super::account::find(tx, account)?.is_none() {
                return Err(Error::Missing("such account".into()));
            }
            let count: usize = tx.one(
                "SELECT COUNT(*) FROM masked_address m JOIN address a ON a.address_key = m.address_key WHERE a.account = $1",
                &[&account],
                |row| row.get(0),
            )?;
            if count >= MASKED_MAX {
                return Err(Error::TooMany { what: "masked addresses of an account", max: MASKED_MAX });
            }
            let address = Address::new(local(), domain).map_err(|error| Error::Invalid(error.to_string()))?;
            claim(tx, &address, Target::Account(account), now)?;
            tx.execute(
                "INSERT INTO masked_address (address_key, label, locks, locked_to, off) VALUES ($1, $2, $3, NULL, $4)",
                &[&address.key(), &label, &locks, &false],
            )?;
            Ok(Masked { address, label, locks, locked_to: None, off: false, created_at: now })
        })
        .await
    }

    /// The masked address that this is, with or without a subaddress.
    pub async fn find_masked(&self, address: &Address) -> Result<Option<Masked>> {
        let key = address.without_subaddress().key();
        self.read(move |tx| find(tx, &key)).await
    }

    /// Those masked addresses that these are, in one read.
    pub async fn list_masked_among(&self, addresses: &[Address]) -> Result<Vec<Masked>> {
        let keys: Vec<String> = addresses.iter().map(|address| address.without_subaddress().key()).collect();
        self.read(move |tx| {
            let mut masked = Vec::new();
            for key in &keys {
                masked.extend(find(tx, key)?);
            }
            Ok(masked)
        })
        .await
    }

    /// Those of an account, oldest first.
    pub async fn list_masked(&self, account: AccountId) -> Result<Vec<Masked>> {
        self.read(move |tx| {
            Ok(tx.query(
                concat!(masked_columns!(), " WHERE a.account = $1 ORDER BY a.created_at, a.address_key"),
                &[&account],
                entry,
            )?)
        })
        .await
    }

    /// A mail whose From is in `domain` is taken: an address that locks is locked to it now, if it is open still.
    /// Gives what then holds.
    pub async fn lock_masked(&self, address: &Address, domain: &Domain) -> Result<Option<Masked>> {
        let (key, domain) = (address.without_subaddress().key(), domain.clone());
        self.write(move |tx| {
            tx.execute(
                "UPDATE masked_address SET locked_to = $2 WHERE address_key = $1 AND locks AND locked_to IS NULL",
                &[&key, &domain],
            )?;
            find(tx, &key)
        })
        .await
    }

    /// Switches one off, or on again.
    pub async fn change_masked(&self, address: &Address, off: bool) -> Result<()> {
        let address = address.clone();
        self.write(move |tx| {
            match tx.execute("UPDATE masked_address SET off = $2 WHERE address_key = $1", &[&address.key(), &off])? {
                0 => Err(Error::Missing(format!("masked address {address}"))),
                _ => Ok(()),
            }
        })
        .await
    }
}

macro_rules! masked_columns {
    () => {
        "SELECT a.address, m.label, m.locks, m.locked_to, m.off, a.created_at
         FROM masked_address m JOIN address a ON a.address_key = m.address_key"
    };
}
use masked_columns;

fn find(tx: &mut Tx<'_>, key: &str) -> Result<Option<Masked>> {
    Ok(tx.find(concat!(masked_columns!(), " WHERE m.address_key = $1"), &[&key], entry)?)
}

fn entry(row: &Row<'_>) -> hearth_db::Result<Masked> {
    Ok(Masked {
        address: row.get(0)?,
        label: row.get(1)?,
        locks: row.get(2)?,
        locked_to: row.get(3)?,
        off: row.get(4)?,
        created_at: row.get(5)?,
    })
}

/// Fifty bits of chance in letters that are not taken for each other, in two groups that can be read aloud.
fn local() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let letters: String =
        random::bytes::<10>().iter().map(|byte| char::from(LETTERS.get(usize::from(byte % 32)).copied().unwrap_or(b'a'))).collect();
    let (first, second) = letters.split_at(5);
    format!("{first}.{second}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_for_a_domain_and_those_below_it() {
        let domain = |text: &str| Domain::parse(text).unwrap();
        let masked = |locked_to: Option<&str>| Masked {
            address: "a@x.org".parse().unwrap(),
            label: String::new(),
            locks: true,
            locked_to: locked_to.map(domain),
            off: false,
            created_at: Timestamp::from_secs(0),
        };
        assert!(masked(None).takes_from(&domain("anybody.example")));
        for (from, takes) in [
            ("shop.example", true),
            ("news.shop.example", true),
            ("example", true),
            ("myshop.example", false),
            ("other.example", false),
        ] {
            assert_eq!(masked(Some("shop.example")).takes_from(&domain(from)), takes, "{from}");
        }
    }

    #[test]
    fn names_are_of_chance() {
        let (one, other) = (local(), local());
        assert!(one != other && one.len() == 11 && one.is_ascii(), "{one} {other}");
    }
}
