// SPDX-License-Identifier: AGPL-3.0-or-later
//! Addresses of accounts, and aliases.

use hearth_db::Tx;
use hearth_types::{AccountId, Address, Timestamp};

use super::{Directory, Event, domain, former};
use crate::error::{Error, Result};
use crate::limits::{ADDRESSES_MAX, TARGETS_MAX};

/// An address and the account that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressEntry {
    /// As it was written when it was added.
    pub address: Address,
    /// Whose it is.
    pub account: AccountId,
    /// When it was added.
    pub created_at: Timestamp,
}

/// An address that stands for others, here or elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The address itself, in a domain of this home.
    pub address: Address,
    /// What it stands for.
    pub targets: Vec<Address>,
}

/// What an address leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Account(AccountId),
    Alias,
    List,
}

impl Target {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Alias => "alias",
            Self::List => "list",
        }
    }
}

impl Directory {
    /// Gives an account one more address.
    pub async fn add_address(&self, account: AccountId, address: &Address) -> Result<()> {
        let (address, now) = (address.clone(), self.now());
        self.change(move |tx| {
            if super::account::find(tx, account)?.is_none() {
                return Err(Error::Missing("such account".into()));
            }
            let count: usize = tx.one(
                "SELECT COUNT(*) FROM address
                 WHERE account = $1 AND address_key NOT IN (SELECT address_key FROM masked_address)",
                &[&account],
                |row| row.get(0),
            )?;
            if count >= ADDRESSES_MAX {
                return Err(Error::TooMany { what: "addresses of an account", max: ADDRESSES_MAX });
            }
            claim(tx, &address, Target::Account(account), now)?;
            Ok(((), Some(Event::of("address.added", account, address.to_string()))))
        })
        .await
    }

    /// Takes an address from its account; the primary one stays.
    pub async fn remove_address(&self, address: &Address) -> Result<()> {
        let (address, now) = (address.clone(), self.now());
        self.change(move |tx| {
            let owner = remove_address(tx, &address, now)?;
            Ok(((), Some(Event::of("address.removed", owner, address.to_string()))))
        })
        .await
    }

    /// Makes one of its addresses the primary one.
    pub async fn change_primary_address(&self, account: AccountId, address: &Address) -> Result<()> {
        let (address, now) = (address.clone(), self.now());
        self.change(move |tx| {
            let written = tx.find(
                "SELECT address FROM address WHERE address_key = $1 AND account = $2",
                &[&address.key(), &account],
                |row| row.get::<String>(0),
            )?;
            let written = written.ok_or_else(|| Error::Missing(format!("address {address} of this account")))?;
            tx.execute("UPDATE account SET primary_address = $2, changed_at = $3 WHERE id = $1", &[&account, &written, &now])?;
            Ok(((), Some(Event::of("address.primary", account, written))))
        })
        .await
    }

    /// The addresses of one account, oldest first.
    pub async fn list_addresses(&self, account: AccountId) -> Result<Vec<AddressEntry>> {
        self.read(move |tx| {
            Ok(tx.query(
                "SELECT address, account, created_at FROM address WHERE account = $1 ORDER BY created_at, address_key",
                &[&account],
                |row| Ok(AddressEntry { address: row.get(0)?, account: row.get(1)?, created_at: row.get(2)? }),
            )?)
        })
        .await
    }

    /// Those that anybody may know: not the masked ones, each of which is for one correspondent.
    pub async fn list_open_addresses(&self, account: AccountId) -> Result<Vec<AddressEntry>> {
        self.read(move |tx| {
            Ok(tx.query(
                "SELECT a.address, a.account, a.created_at
                   FROM address a LEFT JOIN masked_address m ON m.address_key = a.address_key
                  WHERE a.account = $1 AND m.address_key IS NULL ORDER BY a.created_at, a.address_key",
                &[&account],
                |row| Ok(AddressEntry { address: row.get(0)?, account: row.get(1)?, created_at: row.get(2)? }),
            )?)
        })
        .await
    }

    /// May this account write as this address? Its own addresses, with or without a subaddress, and
    /// those of the groups that it is in.
    pub async fn may_send_as(&self, account: AccountId, address: &Address) -> Result<bool> {
        let keys = [address.key(), address.without_subaddress().key()];
        self.read(move |tx| {
            let found = tx.find(
                "SELECT 1 FROM address
                 WHERE address_key IN ($1, $2)
                   AND (account = $3 OR account IN (SELECT group_account FROM membership WHERE member = $3))",
                &[&keys[0], &keys[1], &account],
                |_| Ok(()),
            )?;
            Ok(found.is_some())
        })
        .await
    }

    /// Makes an address that stands for others; replaces the targets when the alias is there already.
    pub async fn add_alias(&self, address: &Address, targets: &[Address]) -> Result<()> {
        let (address, targets, now) = (address.clone(), targets.to_vec(), self.now());
        if targets.is_empty() {
            return Err(Error::Invalid("an alias stands for at least one address".into()));
        }
        if targets.iter().any(|target| target.key() == address.key()) {
            return Err(Error::Invalid("an alias does not lead to itself".into()));
        }
        if targets.len() > TARGETS_MAX {
            return Err(Error::TooMany { what: "targets of an alias", max: TARGETS_MAX });
        }
        self.change(move |tx| {
            add_alias(tx, &address, &targets, now)?;
            let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
            Ok(((), Some(Event::about("alias.added", format!("{address}: {}", names.join(", "))))))
        })
        .await
    }

    /// Removes an alias.
    pub async fn remove_alias(&self, address: &Address) -> Result<()> {
        let address = address.clone();
        self.change(move |tx| {
            match tx.execute("DELETE FROM address WHERE address_key = $1 AND target = 'alias'", &[&address.key()])? {
                0 => Err(Error::Missing(format!("alias {address}"))),
                _ => Ok(((), Some(Event::about("alias.removed", address.to_string())))),
            }
        })
        .await
    }

    /// Every alias with its targets.
    pub async fn list_aliases(&self) -> Result<Vec<Alias>> {
        self.scan(|tx| {
            let mut all: Vec<Alias> = Vec::new();
            tx.each(
                "SELECT a.address, t.target FROM address a JOIN alias_target t ON t.alias_key = a.address_key
                 WHERE a.target = 'alias' ORDER BY a.address_key, t.target_key",
                &[],
                |row| {
                    let (address, target): (Address, Address) = (row.get(0)?, row.get(1)?);
                    match all.last_mut().filter(|alias| alias.address == address) {
                        Some(alias) => alias.targets.push(target),
                        None => all.push(Alias { address, targets: vec![target] }),
                    }
                    Ok::<_, Error>(())
                },
            )?;
            Ok(all)
        })
        .await
    }
}

/// Takes an address for something; fails when it leads somewhere already or its domain is not ours.
pub(super) fn claim(tx: &mut Tx<'_>, address: &Address, target: Target, now: Timestamp) -> Result<()> {
    if address.local().contains('+') {
        return Err(Error::Invalid(format!("{address}: what follows a + is a subaddress and belongs to the address before it")));
    }
    let domain = domain::find(tx, address.domain())?.ok_or_else(|| Error::UnknownDomain(address.domain().clone()))?;
    let account = match target {
        Target::Account(id) => Some(id),
        Target::Alias | Target::List => None,
    };
    if let Some(account) = account {
        former::check(tx, address, account)?;
    }
    let claimed = tx.execute(
        "INSERT INTO address (address_key, address, domain, target, account, created_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (address_key) DO NOTHING",
        &[&address.key(), &address.to_string(), &domain.id, &target.name(), &account, &now],
    )?;
    if claimed == 0 { Err(Error::AddressTaken(address.clone())) } else { Ok(()) }
}

/// Whose it was.
fn remove_address(tx: &mut Tx<'_>, address: &Address, now: Timestamp) -> Result<AccountId> {
    let key = address.key();
    let owner = tx.find(
        "SELECT c.id, c.primary_address FROM address a JOIN account c ON c.id = a.account WHERE a.address_key = $1",
        &[&key],
        |row| Ok((row.get::<AccountId>(0)?, row.get::<Address>(1)?)),
    )?;
    match owner {
        None => Err(Error::Missing(format!("address {address} of an account"))),
        Some((_, primary)) if primary.key() == key => {
            Err(Error::InUse(format!("{address} is the address that the account is known by: choose another one first")))
        }
        Some((owner, _)) => {
            former::leave(tx, &key, now)?;
            tx.execute("DELETE FROM address WHERE address_key = $1", &[&key])?;
            Ok(owner)
        }
    }
}

fn add_alias(tx: &mut Tx<'_>, address: &Address, targets: &[Address], now: Timestamp) -> Result<()> {
    let key = address.key();
    let taken = tx.find("SELECT target FROM address WHERE address_key = $1", &[&key], |row| row.get::<String>(0))?;
    match taken.as_deref() {
        None => claim(tx, address, Target::Alias, now)?,
        Some("alias") => {
            tx.execute("DELETE FROM alias_target WHERE alias_key = $1", &[&key])?;
        }
        Some(_) => return Err(Error::AddressTaken(address.clone())),
    }
    for target in targets {
        tx.execute(
            "INSERT INTO alias_target (alias_key, target_key, target) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &[&key, &target.key(), &target.to_string()],
        )?;
    }
    Ok(())
}
