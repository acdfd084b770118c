// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mailing lists: an address with members here and elsewhere.

use hearth_types::Address;

use super::Directory;
use super::account::check_name;
use super::address::{Target, claim};
use crate::error::{Error, Result};
use crate::limits::TARGETS_MAX;

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
        self.write(move |tx| {
            claim(tx, &list.address, Target::List, now)?;
            tx.execute(
                "INSERT INTO list (list_key, name, posting, created_at) VALUES ($1, $2, $3, $4)",
                &[&list.address.key(), &list.name, &list.posting.name(), &now],
            )?;
            Ok(())
        })
        .await
    }

    /// Removes a list.
    pub async fn remove_list(&self, address: &Address) -> Result<()> {
        let address = address.clone();
        self.write(move |tx| {
            match tx.execute("DELETE FROM address WHERE address_key = $1 AND target = 'list'", &[&address.key()])? {
                0 => Err(Error::Missing(format!("list {address}"))),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Every list, by address.
    pub async fn list_lists(&self) -> Result<Vec<List>> {
        self.read(|tx| {
            Ok(tx.query(
                "SELECT a.address, l.name, l.posting FROM list l JOIN address a ON a.address_key = l.list_key
                 ORDER BY l.list_key",
                &[],
                |row| {
                    let posting: String = row.get(2)?;
                    Ok(List { address: row.get(0)?, name: row.get(1)?, posting: Posting::parse(&posting) })
                },
            )?)
        })
        .await
    }

    /// Adds somebody, from here or elsewhere, to a list.
    pub async fn add_list_member(&self, list: &Address, member: &Address) -> Result<()> {
        let (list, member, now) = (list.clone(), member.clone(), self.now());
        self.write(move |tx| {
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
            Ok(())
        })
        .await
    }

    /// Takes somebody off a list.
    pub async fn remove_list_member(&self, list: &Address, member: &Address) -> Result<()> {
        let (list, member) = (list.key(), member.key());
        self.write(move |tx| {
            match tx.execute("DELETE FROM list_member WHERE list_key = $1 AND member_key = $2", &[&list, &member])? {
                0 => Err(Error::Missing("such member".into())),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Who is on a list.
    pub async fn list_list_members(&self, list: &Address) -> Result<Vec<Address>> {
        let key = list.key();
        self.read(move |tx| {
            Ok(tx.query("SELECT member FROM list_member WHERE list_key = $1 ORDER BY member_key", &[&key], |row| row.get(0))?)
        })
        .await
    }
}
