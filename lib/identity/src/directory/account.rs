// SPDX-License-Identifier: AGPL-3.0-or-later
//! Accounts: persons, groups, services and guests.

use hearth_db::{Row, Tx};
use hearth_types::{AccountId, Address, Timestamp};

use super::{Directory, Event, former, revocation};
use crate::certs::stored;
use crate::error::{Error, Result};
use crate::grants::end_unadmitted;
use crate::limits::NAME_CHARS_MAX;
use crate::naming::is_seen;

/// What an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody who lives here.
    Person,
    /// Several accounts behind one address.
    Group,
    /// A program or a machine.
    Service,
    /// Somebody from another home; has no mailbox here.
    Guest,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id, which is also OpenID's `sub`: never given to another.
    pub id: AccountId,
    /// What it is.
    pub kind: Kind,
    /// The address that it is known by.
    pub primary: Address,
    /// The person's name, as they write it.
    pub name: String,
    /// May change this node.
    pub admin: bool,
    /// May not sign in and receives no mail.
    pub disabled: bool,
    /// A language tag (RFC 5646), of their first sign-in here until they choose one.
    pub language: Option<String>,
    /// How much mail it may keep, when that differs from the node's own limit.
    pub quota_bytes: Option<i64>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a new account needs.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its first address, in a domain of this home.
    pub address: Address,
    /// What it is.
    pub kind: Kind,
    /// The person's name; may be empty.
    pub name: String,
    /// May change this node.
    pub admin: bool,
}

impl Kind {
    /// Its name in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Group => "group",
            Self::Service => "service",
            Self::Guest => "guest",
        }
    }

    /// The kind of a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Person, Self::Group, Self::Service, Self::Guest].into_iter().find(|kind| kind.name() == name)
    }
}

impl Directory {
    /// Makes an account with its first address; not with one that was somebody else's, see
    /// [`forget_former_address`](Directory::forget_former_address).
    pub async fn add_account(&self, new: NewAccount) -> Result<Account> {
        check_name(&new.name)?;
        let now = self.now();
        self.change(move |tx| {
            let made = add(tx, new, now)?;
            let event = if made.kind == Kind::Group { "group.added" } else { "account.added" };
            let detail = if made.admin { format!("{}, admin", made.primary) } else { made.primary.to_string() };
            let event = Event::of(event, made.id, detail);
            Ok((made, Some(event)))
        })
        .await
    }

    /// The account of an id.
    pub async fn find_account(&self, id: AccountId) -> Result<Option<Account>> {
        self.read(move |tx| find(tx, id)).await
    }

    /// The account that an address belongs to, exactly as written but for case: no alias is followed
    /// and no subaddress cut off.
    pub async fn find_account_by_address(&self, address: &Address) -> Result<Option<Account>> {
        let key = address.key();
        self.read(move |tx| find_by_key(tx, &key)).await
    }

    /// The same for a name that somebody signs in with. A masked address is nobody's name: whoever it was made for would
    /// learn whose it is.
    pub async fn find_account_by_name(&self, address: &Address) -> Result<Option<Account>> {
        let key = address.key();
        self.read(move |tx| {
            Ok(tx.find(
                concat!(
                    account_columns!(),
                    " WHERE id = (SELECT account FROM address WHERE address_key = $1
                                     AND address_key NOT IN (SELECT address_key FROM masked_address))"
                ),
                &[&key],
                account,
            )?)
        })
        .await
    }

    /// Every account, by address.
    pub async fn list_accounts(&self) -> Result<Vec<Account>> {
        self.scan(list).await
    }

    /// Lets a disabled account in again.
    pub async fn enable_account(&self, id: AccountId) -> Result<()> {
        let now = self.now();
        self.change(move |tx| {
            set_disabled(tx, id, false, now)?;
            Ok(((), Some(Event::of("account.enabled", id, ""))))
        })
        .await
    }

    /// Keeps an account out, and ends its sessions.
    pub async fn disable_account(&self, id: AccountId) -> Result<()> {
        let now = self.now();
        self.change(move |tx| {
            set_disabled(tx, id, true, now)?;
            revocation::end_all(tx, id, now)?;
            Ok(((), Some(Event::of("account.disabled", id, ""))))
        })
        .await
    }

    /// Changes the name.
    pub async fn change_account_name(&self, id: AccountId, name: &str) -> Result<()> {
        check_name(name)?;
        let (name, now) = (name.to_string(), self.now());
        self.change(move |tx| {
            one_changed(tx.execute("UPDATE account SET name = $2, changed_at = $3 WHERE id = $1", &[&id, &name, &now])?)?;
            Ok(((), Some(Event::of("account.renamed", id, name))))
        })
        .await
    }

    /// Changes the language that the person is written to in, a tag of ours (RFC 5646).
    pub async fn change_account_language(&self, id: AccountId, language: &'static str) -> Result<()> {
        let now = self.now();
        self.write(move |tx| {
            one_changed(tx.execute("UPDATE account SET language = $2, changed_at = $3 WHERE id = $1", &[&id, &language, &now])?)
        })
        .await
    }

    /// Makes somebody an admin, or no longer; the last admin stays one.
    pub async fn change_account_admin(&self, id: AccountId, admin: bool) -> Result<()> {
        let now = self.now();
        self.change(move |tx| {
            if !admin {
                keep_an_admin(tx, id)?;
            }
            one_changed(tx.execute("UPDATE account SET admin = $2, changed_at = $3 WHERE id = $1", &[&id, &admin, &now])?)?;
            Ok(((), Some(Event::of(if admin { "admin.gained" } else { "admin.lost" }, id, ""))))
        })
        .await
    }

    /// Changes how much mail it may keep; `None` is the node's own limit.
    pub async fn change_account_quota(&self, id: AccountId, quota_bytes: Option<i64>) -> Result<()> {
        let now = self.now();
        self.change(move |tx| {
            one_changed(
                tx.execute("UPDATE account SET quota_bytes = $2, changed_at = $3 WHERE id = $1", &[&id, &quota_bytes, &now])?,
            )?;
            let detail = quota_bytes.map(|bytes| format!("{bytes} bytes")).unwrap_or_default();
            Ok(((), Some(Event::of("account.quota", id, detail))))
        })
        .await
    }

    /// Removes an account with its addresses, sessions, grants and certificates; its id stays taken. A certificate that was revoked
    /// stays without a name, for those who have it.
    /// Its mail and its secrets are elsewhere: see [`Gate::forget`](crate::login::Gate::forget).
    pub async fn remove_account(&self, id: AccountId) -> Result<()> {
        let now = self.now();
        self.change(move |tx| {
            let gone = remove(tx, id, now)?;
            let event = if gone.kind == Kind::Group { "group.removed" } else { "account.removed" };
            Ok(((), Some(Event::of(event, id, gone.primary.to_string()))))
        })
        .await
    }
}

/// `SELECT` of what [`account`] reads; a clause may follow.
macro_rules! account_columns {
    () => {
        "SELECT id, kind, primary_address, name, admin, disabled, language, quota_bytes, created_at FROM account"
    };
}
use account_columns;

pub(super) fn list(tx: &mut Tx<'_>) -> Result<Vec<Account>> {
    Ok(tx.query(concat!(account_columns!(), " ORDER BY primary_address"), &[], account)?)
}

fn account(row: &Row<'_>) -> hearth_db::Result<Account> {
    let kind: String = row.get(1)?;
    Ok(Account {
        id: row.get(0)?,
        // A kind that a later release knows is treated as what can do least.
        kind: Kind::parse(&kind).unwrap_or(Kind::Guest),
        primary: row.get(2)?,
        name: row.get(3)?,
        admin: row.get(4)?,
        disabled: row.get(5)?,
        language: row.get(6)?,
        quota_bytes: row.get(7)?,
        created_at: row.get(8)?,
    })
}

pub(super) fn check_name(name: &str) -> Result<()> {
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(Error::Invalid(format!("a name has {NAME_CHARS_MAX} characters at most")));
    }
    if !is_seen(name) {
        return Err(Error::Invalid("a name has no characters that control, or cannot be seen".into()));
    }
    Ok(())
}

pub(super) fn one_changed(rows: u64) -> Result<()> {
    if rows == 0 { Err(Error::Missing("such account".into())) } else { Ok(()) }
}

pub(super) fn find(tx: &mut Tx<'_>, id: AccountId) -> Result<Option<Account>> {
    Ok(tx.find(concat!(account_columns!(), " WHERE id = $1"), &[&id], account)?)
}

pub(crate) fn find_by_key(tx: &mut Tx<'_>, key: &str) -> Result<Option<Account>> {
    Ok(tx.find(
        concat!(account_columns!(), " WHERE id = (SELECT account FROM address WHERE address_key = $1)"),
        &[&key],
        account,
    )?)
}

fn add(tx: &mut Tx<'_>, new: NewAccount, now: Timestamp) -> Result<Account> {
    let id = AccountId::new(now);
    tx.execute(
        "INSERT INTO account (id, kind, primary_address, name, admin, disabled, language, quota_bytes, created_at, changed_at)
         VALUES ($1, $2, $3, $4, $5, FALSE, NULL, NULL, $6, $6)",
        &[&id, &new.kind.name(), &new.address.to_string(), &new.name, &new.admin, &now],
    )?;
    super::address::claim(tx, &new.address, super::address::Target::Account(id), now)?;
    Ok(Account {
        id,
        kind: new.kind,
        primary: new.address,
        name: new.name,
        admin: new.admin,
        disabled: false,
        language: None,
        quota_bytes: None,
        created_at: now,
    })
}

pub(super) fn set_disabled(tx: &mut Tx<'_>, id: AccountId, disabled: bool, now: Timestamp) -> Result<()> {
    if disabled {
        keep_an_admin(tx, id)?;
    }
    if !disabled {
        // Enabled by hand after a provisioning program deleted it: it is here again.
        tx.execute("DELETE FROM withdrawn WHERE account = $1", &[&id])?;
    }
    one_changed(tx.execute("UPDATE account SET disabled = $2, changed_at = $3 WHERE id = $1", &[&id, &disabled, &now])?)
}

/// postmaster@ and abuse@ go to an admin (RFC 5321 §4.5.1), and somebody must look after the node:
/// the last admin that is not disabled neither leaves nor steps down.
fn keep_an_admin(tx: &mut Tx<'_>, id: AccountId) -> Result<()> {
    let is_admin = tx.find("SELECT admin AND NOT disabled FROM account WHERE id = $1", &[&id], |row| row.get::<bool>(0))?;
    let others: i64 = tx.one("SELECT COUNT(*) FROM account WHERE admin AND NOT disabled AND id <> $1", &[&id], |row| row.get(0))?;
    if is_admin == Some(true) && others == 0 {
        return Err(Error::InUse("this is the last admin: make somebody else one first".into()));
    }
    Ok(())
}

fn remove(tx: &mut Tx<'_>, id: AccountId, now: Timestamp) -> Result<Account> {
    keep_an_admin(tx, id)?;
    let Some(account) = find(tx, id)? else {
        return Err(Error::Missing("such account".into()));
    };
    revocation::end_all(tx, id, now)?;
    tx.execute(
        "INSERT INTO account_tombstone (id, primary_address, removed_at) VALUES ($1, $2, $3)",
        &[&id, &account.primary.to_string(), &now],
    )?;
    super::share::forget(tx, id)?;
    stored::leave(tx, id, now)?;
    if account.kind != Kind::Group {
        former::leave_all(tx, id, now)?;
    }
    tx.execute("DELETE FROM address WHERE account = $1", &[&id])?;
    tx.execute("UPDATE domain SET catch_all = NULL WHERE catch_all = $1", &[&id])?;
    tx.execute("DELETE FROM account WHERE id = $1", &[&id])?;
    // A group takes along who was let into an app through it.
    end_unadmitted(tx, now)?;
    Ok(account)
}
