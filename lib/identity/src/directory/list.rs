// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mailing lists: an address with members here and elsewhere.
//!
//! Each member is known to the links in their copies by a token, a keyed hash of list and member, so that nobody takes
//! another one off a list, and no address stands in a link.

use hearth_db::{Row, Tx};
use hearth_types::{Address, constant_time_eq};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::account::check_name;
use super::address::{Target, claim};
use super::{Directory, Event};
use crate::error::{Error, Result};
use crate::limits::TARGETS_MAX;
use crate::random;

/// Where the key of the tokens is kept.
const KEY: &str = "list.unsubscribe_key";

/// Who may write to a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posting {
    /// Members.
    Members,
    /// Anybody.
    Anyone,
    /// Owners.
    Owners,
}

/// A mailing list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Its address.
    pub address: Address,
    /// Its name.
    pub name: String,
    /// Who may write to it.
    pub posting: Posting,
}

impl Posting {
    /// Its name in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Anyone => "anyone",
            Self::Owners => "owners",
        }
    }

    /// The rule of a name; what is unknown admits least.
    pub fn parse(name: &str) -> Self {
        match name {
            "members" => Self::Members,
            "anyone" => Self::Anyone,
            _ => Self::Owners,
        }
    }
}

impl Directory {
    /// Makes a list.
    pub async fn add_list(&self, list: List) -> Result<()> {
        check_name(&list.name)?;
        let now = self.now();
        self.change(move |tx| {
            claim(tx, &list.address, Target::List, now)?;
            tx.execute(
                "INSERT INTO list (list_key, name, posting, created_at) VALUES ($1, $2, $3, $4)",
                &[&list.address.key(), &list.name, &list.posting.name(), &now],
            )?;
            Ok(((), Some(Event::about("list.added", list.address.to_string()))))
        })
        .await
    }

    /// Removes a list.
    pub async fn remove_list(&self, address: &Address) -> Result<()> {
        let address = address.clone();
        self.change(move |tx| {
            match tx.execute("DELETE FROM address WHERE address_key = $1 AND target = 'list'", &[&address.key()])? {
                0 => Err(Error::Missing(format!("list {address}"))),
                _ => Ok(((), Some(Event::about("list.removed", address.to_string())))),
            }
        })
        .await
    }

    /// Every list, by address.
    pub async fn list_lists(&self) -> Result<Vec<List>> {
        self.scan(|tx| Ok(tx.query(concat!(list_columns!(), " ORDER BY l.list_key"), &[], entry)?)).await
    }

    /// Adds somebody, from here or elsewhere, to a list.
    pub async fn add_list_member(&self, list: &Address, member: &Address) -> Result<()> {
        let (list, member, now) = (list.clone(), member.clone(), self.now());
        self.change(move |tx| {
            let key = list.key();
            let there = tx.find("SELECT 1 FROM list WHERE list_key = $1", &[&key], |_| Ok(()))?;
            if there.is_none() {
                return Err(Error::Missing(format!("list {list}")));
            }
            let count: usize = tx.one("SELECT COUNT(*) FROM list_member WHERE list_key = $1", &[&key], |row| row.get(0))?;
            if count >= TARGETS_MAX {
                return Err(Error::TooMany { what: "members of a list", max: TARGETS_MAX });
            }
            tx.execute(
                "INSERT INTO list_member (list_key, member_key, member, role, added_at) VALUES ($1, $2, $3, 'member', $4)
                 ON CONFLICT DO NOTHING",
                &[&key, &member.key(), &member.to_string(), &now],
            )?;
            Ok(((), Some(Event::about("list.joined", format!("{list}: {member}")))))
        })
        .await
    }

    /// Takes somebody off a list.
    pub async fn remove_list_member(&self, list: &Address, member: &Address) -> Result<()> {
        let (list, member) = (list.clone(), member.clone());
        self.change(move |tx| {
            let keys = (list.key(), member.key());
            match tx.execute("DELETE FROM list_member WHERE list_key = $1 AND member_key = $2", &[&keys.0, &keys.1])? {
                0 => Err(Error::Missing("such member".into())),
                _ => Ok(((), Some(Event::about("list.left", format!("{list}: {member}"))))),
            }
        })
        .await
    }

    /// May somebody who writes as `author` write to a list? Who signs in as a member may, under any address of theirs; and
    /// the admins of the home may write to every list.
    pub async fn may_post(&self, list: &List, author: &Address) -> Result<bool> {
        let (list, keys) = (list.clone(), [author.key(), author.without_subaddress().key()]);
        if list.posting == Posting::Anyone {
            return Ok(true);
        }
        self.read(move |tx| {
            let account = tx.find(
                "SELECT a.account FROM address a WHERE a.address_key IN ($1, $2) AND a.account IS NOT NULL",
                &[&keys[0], &keys[1]],
                |row| row.get::<hearth_types::AccountId>(0),
            )?;
            let admin = match account {
                Some(account) => super::account::find(tx, account)?.is_some_and(|account| account.admin),
                None => false,
            };
            let member = tx.find(
                "SELECT 1 FROM list_member
                 WHERE list_key = $1 AND (role = 'owner' OR $5)
                   AND (member_key IN ($2, $3) OR member_key IN (SELECT address_key FROM address WHERE account = $4))",
                &[&list.address.key(), &keys[0], &keys[1], &account, &(list.posting == Posting::Members)],
                |_| Ok(()),
            )?;
            Ok(admin || member.is_some())
        })
        .await
    }

    /// What makes the tokens of members.
    pub async fn unsubscriber(&self) -> Result<Unsubscriber> {
        let now = self.now();
        self.write(move |tx| {
            let fresh: String = random::bytes::<32>().iter().map(|byte| format!("{byte:02x}")).collect();
            tx.execute(
                "INSERT INTO setting (name, value, changed_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
                &[&KEY, &fresh, &now],
            )?;
            Ok(Unsubscriber { key: tx.one("SELECT value FROM setting WHERE name = $1", &[&KEY], |row| row.get(0))? })
        })
        .await
    }

    /// Takes the member with this token off a list; `None` when nobody has it.
    pub async fn unsubscribe(&self, list: &Address, token: &str) -> Result<Option<Address>> {
        let (maker, list, token) = (self.unsubscriber().await?, list.clone(), token.to_ascii_lowercase());
        self.change(move |tx| {
            let members = members(tx, &list.key())?;
            let is_theirs = |member: &Address| constant_time_eq(maker.token(&list, member).as_bytes(), token.as_bytes());
            let Some(member) = members.into_iter().find(is_theirs) else { return Ok((None, None)) };
            tx.execute("DELETE FROM list_member WHERE list_key = $1 AND member_key = $2", &[&list.key(), &member.key()])?;
            let event = Event::about("list.left", format!("{list}: {member}"));
            Ok((Some(member), Some(event)))
        })
        .await
    }

    /// Says who may write to a list.
    pub async fn change_posting(&self, list: &Address, posting: Posting) -> Result<()> {
        let list = list.clone();
        self.change(move |tx| {
            match tx.execute("UPDATE list SET posting = $2 WHERE list_key = $1", &[&list.key(), &posting.name()])? {
                0 => Err(Error::Missing(format!("list {list}"))),
                _ => Ok(((), Some(Event::about("list.changed", format!("{list}: {}", posting.name()))))),
            }
        })
        .await
    }

    /// Who is on a list.
    pub async fn list_list_members(&self, list: &Address) -> Result<Vec<Address>> {
        let key = list.key();
        self.read(move |tx| members(tx, &key)).await
    }
}

/// The page on which a member leaves a list, below the issuer; programs POST to it (RFC 8058 §3.1).
pub fn leave_url(issuer: &str, list: &Address, token: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
    let list: String = list
        .to_string()
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("{issuer}/lists/leave/{list}/{token}")
}

/// Makes the tokens by which members take themselves off a list.
#[derive(Clone, Debug)]
pub struct Unsubscriber {
    key: String,
}

impl Unsubscriber {
    /// The token of a member: 80 bits in hexadecimal.
    pub fn token(&self, list: &Address, member: &Address) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(list.key().as_bytes());
        mac.update(b"\n");
        mac.update(member.key().as_bytes());
        mac.finalize().into_bytes().iter().take(10).map(|byte| format!("{byte:02x}")).collect()
    }
}

macro_rules! list_columns {
    () => {
        "SELECT a.address, l.name, l.posting FROM list l JOIN address a ON a.address_key = l.list_key"
    };
}
use list_columns;

pub(super) fn find(tx: &mut Tx<'_>, key: &str) -> Result<Option<List>> {
    Ok(tx.find(concat!(list_columns!(), " WHERE l.list_key = $1"), &[&key], entry)?)
}

pub(super) fn members(tx: &mut Tx<'_>, key: &str) -> Result<Vec<Address>> {
    Ok(tx.query("SELECT member FROM list_member WHERE list_key = $1 ORDER BY member_key", &[&key], |row| row.get(0))?)
}

fn entry(row: &Row<'_>) -> hearth_db::Result<List> {
    let posting: String = row.get(2)?;
    Ok(List { address: row.get(0)?, name: row.get(1)?, posting: Posting::parse(&posting) })
}
