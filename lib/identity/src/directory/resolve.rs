// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where mail for an address goes.

use std::collections::{BTreeSet, HashSet};

use hearth_db::Tx;
use hearth_types::{AccountId, Address, REPORTS};

use super::Directory;
use super::account::{self, Kind};
use super::domain::{self, DomainEntry};
use super::list::{self, List};
use crate::error::Result;
use crate::limits::{EXPANSION_DEPTH_MAX, EXPANSION_RECIPIENTS_MAX};

/// What a recipient address comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// One mailbox of this home. What follows a `+` in the address is the caller's to use.
    Account(AccountId),
    /// An alias, a group or a list: mailboxes here and addresses elsewhere; at least one of either.
    Members {
        /// Mailboxes of this home.
        accounts: Vec<AccountId>,
        /// Addresses of other homes.
        forwards: Vec<Address>,
    },
    /// A mailing list, by its own address: its members have the mail one by one, as a list sends it.
    List(List, Vec<Address>),
    /// A server of the house answers it: [`Directory::add_house_mail`].
    House,
    /// An address that each home has, and nobody lives here (SMTP 450 4.2.1; a report may be taken all the same).
    Vacant,
    /// The account is disabled, or everybody behind the address is (SMTP 550 5.2.1).
    Disabled,
    /// The expansion does not end within its bounds (SMTP 550 5.4.6).
    TooMany,
    /// The domain is ours and nobody there has this name (SMTP 550 5.1.1).
    NoSuchUser,
    /// Not a domain of this home (SMTP 550 5.7.1, unless the sender may relay).
    NotOurDomain,
}

impl Directory {
    /// Where mail for an address goes: the address itself, then without its subaddress (RFC 5233), then
    /// what each home must have (postmaster, abuse), then the domain's catch-all.
    ///
    /// What each home must have is never missing: where whoever was given it cannot take its mail, the caretaker has it.
    pub async fn resolve(&self, address: &Address) -> Result<Resolution> {
        let address = address.clone();
        if must_be_answered(address.without_subaddress().local()) {
            return self.scan(move |tx| resolve(tx, &address)).await;
        }
        self.read(move |tx| resolve(tx, &address)).await
    }
}

impl Directory {
    /// Who has the mail to postmaster, where nobody else was given it: an admin, or who is here longest.
    pub async fn find_caretaker(&self) -> Result<Option<AccountId>> {
        self.scan(find_caretaker).await
    }

    /// Does this address take reports of other servers, and nobody's mail? It does not where somebody was given it.
    pub async fn takes_reports(&self, address: &Address) -> Result<bool> {
        let base = address.without_subaddress();
        if !base.local().eq_ignore_ascii_case(REPORTS) {
            return Ok(false);
        }
        self.read(move |tx| Ok(domain::find(tx, base.domain())?.is_some() && find_target(tx, &base.key())?.is_none())).await
    }
}

fn resolve(tx: &mut Tx<'_>, address: &Address) -> Result<Resolution> {
    let Some(domain) = domain::find(tx, address.domain())? else {
        return Ok(Resolution::NotOurDomain);
    };
    let resolution = resolve_in(tx, address, &domain)?;
    let is_lost = matches!(resolution, Resolution::NoSuchUser | Resolution::Disabled | Resolution::TooMany);
    if is_lost && must_be_answered(address.without_subaddress().local()) {
        return Ok(find_caretaker(tx)?.map_or(Resolution::Vacant, Resolution::Account));
    }
    Ok(resolution)
}

fn resolve_in(tx: &mut Tx<'_>, address: &Address, domain: &DomainEntry) -> Result<Resolution> {
    if let Some(list) = list::find(tx, &address.without_subaddress().key())? {
        let members = list::members(tx, &list.address.key())?;
        return Ok(if members.is_empty() { Resolution::NoSuchUser } else { Resolution::List(list, members) });
    }
    let mut expansion = Expansion::default();
    if find_target(tx, &address.key())?.is_none() && is_of_the_house(tx, address)? {
        return Ok(Resolution::House);
    }
    expansion.follow(tx, address, domain, 0)?;
    Ok(expansion.into_resolution())
}

/// Who looks after the home: of the admins the one that is here longest, and without any the person that is. It reads all
/// accounts.
fn find_caretaker(tx: &mut Tx<'_>) -> Result<Option<AccountId>> {
    Ok(tx.find(
        "SELECT id FROM account WHERE NOT disabled AND kind = 'person'
         ORDER BY CASE WHEN admin THEN 0 ELSE 1 END, created_at, id LIMIT 1",
        &[],
        |row| row.get::<AccountId>(0),
    )?)
}

/// Does the house itself publish a certificate for it?
fn is_of_the_house(tx: &mut Tx<'_>, address: &Address) -> Result<bool> {
    let found = tx.find(
        "SELECT 1 FROM cert_identity i JOIN cert c ON c.fingerprint = i.fingerprint
          WHERE i.address_key = $1 AND i.published AND c.source = 'house' LIMIT 1",
        &[&address.key()],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// What has been found on the way.
#[derive(Default)]
struct Expansion {
    seen: HashSet<String>,
    accounts: BTreeSet<AccountId>,
    forwards: BTreeSet<Address>,
    direct: bool,
    found: bool,
    disabled: bool,
    overflow: bool,
}

impl Expansion {
    fn into_resolution(self) -> Resolution {
        if self.overflow {
            return Resolution::TooMany;
        }
        if !self.found {
            return Resolution::NoSuchUser;
        }
        if self.accounts.is_empty() && self.forwards.is_empty() {
            return if self.disabled { Resolution::Disabled } else { Resolution::NoSuchUser };
        }
        match self.accounts.first() {
            Some(&account) if self.direct => Resolution::Account(account),
            _ => {
                Resolution::Members { accounts: self.accounts.into_iter().collect(), forwards: self.forwards.into_iter().collect() }
            }
        }
    }

    /// Room for one more step and one more recipient?
    fn is_within_bounds(&mut self, depth: usize) -> bool {
        self.overflow |= depth > EXPANSION_DEPTH_MAX || self.accounts.len() + self.forwards.len() > EXPANSION_RECIPIENTS_MAX;
        !self.overflow
    }

    fn follow(&mut self, tx: &mut Tx<'_>, address: &Address, domain: &DomainEntry, depth: usize) -> Result<()> {
        let base = address.without_subaddress();
        for key in [address.key(), base.key()] {
            if let Some(target) = find_target(tx, &key)? {
                self.found = true;
                return self.enter(tx, &key, target, depth);
            }
        }
        if must_be_answered(base.local()) {
            return self.enter_caretaker(tx);
        }
        if let Some(account) = domain.catch_all {
            self.found = true;
            return self.enter_account(tx, account, depth);
        }
        Ok(())
    }

    fn enter(&mut self, tx: &mut Tx<'_>, key: &str, target: Target, depth: usize) -> Result<()> {
        if !self.is_within_bounds(depth) || !self.seen.insert(key.to_string()) {
            return Ok(());
        }
        match target {
            Target::Account(account) => self.enter_account(tx, account, depth),
            Target::Off => {
                self.disabled = true;
                Ok(())
            }
            Target::Alias => {
                let targets = tx.query("SELECT target FROM alias_target WHERE alias_key = $1", &[&key], |row| row.get(0))?;
                self.enter_addresses(tx, targets, depth)
            }
            Target::List => {
                let members = tx.query("SELECT member FROM list_member WHERE list_key = $1", &[&key], |row| row.get(0))?;
                self.enter_addresses(tx, members, depth)
            }
        }
    }

    fn enter_addresses(&mut self, tx: &mut Tx<'_>, addresses: Vec<Address>, depth: usize) -> Result<()> {
        for address in addresses {
            if !self.is_within_bounds(depth) {
                return Ok(());
            }
            match domain::find(tx, address.domain())? {
                Some(domain) => self.follow(tx, &address, &domain, depth + 1)?,
                None => {
                    self.forwards.insert(address);
                }
            }
        }
        Ok(())
    }

    fn enter_account(&mut self, tx: &mut Tx<'_>, id: AccountId, depth: usize) -> Result<()> {
        let Some(account) = account::find(tx, id)? else {
            return Ok(());
        };
        if account.disabled {
            self.disabled = true;
            return Ok(());
        }
        if account.kind != Kind::Group {
            self.direct |= depth == 0;
            self.accounts.insert(id);
            return Ok(());
        }
        let members = tx.query("SELECT member FROM membership WHERE group_account = $1", &[&id], |row| row.get(0))?;
        for member in members {
            if !self.is_within_bounds(depth) || !self.seen.insert(format!("group {member}")) {
                continue;
            }
            self.enter_account(tx, member, depth + 1)?;
        }
        Ok(())
    }

    fn enter_caretaker(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        if let Some(caretaker) = find_caretaker(tx)? {
            self.found = true;
            self.direct = true;
            self.accounts.insert(caretaker);
        }
        Ok(())
    }
}

enum Target {
    Account(AccountId),
    /// A masked address that was switched off.
    Off,
    Alias,
    List,
}

fn find_target(tx: &mut Tx<'_>, key: &str) -> Result<Option<Target>> {
    Ok(tx.find(
        "SELECT a.target, a.account, m.off FROM address a LEFT JOIN masked_address m ON m.address_key = a.address_key
         WHERE a.address_key = $1",
        &[&key],
        |row| {
            let target: String = row.get(0)?;
            Ok(match (target.as_str(), row.get::<Option<AccountId>>(1)?) {
                _ if row.get::<Option<bool>>(2)? == Some(true) => Target::Off,
                ("list", _) => Target::List,
                (_, Some(account)) => Target::Account(account),
                _ => Target::Alias,
            })
        },
    )?)
}

/// RFC 5321 §4.5.1: postmaster is there in every domain; RFC 2142 §4: abuse; and the address that our records name for
/// reports.
fn must_be_answered(local: &str) -> bool {
    ["postmaster", "abuse", REPORTS].iter().any(|name| local.eq_ignore_ascii_case(name))
}
