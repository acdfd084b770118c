// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who is in a group. A group is an account; what is sent to it goes to its members.

use hearth_db::Tx;
use hearth_types::{AccountId, Address, Timestamp};

use super::account::{self, Kind};
use super::{Directory, Event};
use crate::error::{Error, Result};
use crate::grants::end_unadmitted;
use crate::limits::TARGETS_MAX;

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRole {
    /// Is in the group.
    Member,
    /// May say who is in it.
    Owner,
}

/// Somebody in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub account: AccountId,
    /// Their primary address.
    pub address: Address,
    /// What they may do.
    pub role: MemberRole,
}

impl MemberRole {
    /// Its name in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Owner => "owner",
        }
    }

    /// The role of a name; what is unknown may do least.
    pub fn parse(name: &str) -> Self {
        if name == "owner" { Self::Owner } else { Self::Member }
    }
}

impl Directory {
    /// Puts an account into a group, or changes its role there.
    pub async fn add_group_member(&self, group: AccountId, member: AccountId, role: MemberRole) -> Result<()> {
        let now = self.now();
        self.change(move |tx| {
            let name = add_member(tx, group, member, role, now)?;
            Ok(((), Some(Event::of("group.joined", member, name.to_string()))))
        })
        .await
    }

    /// Takes an account out of a group, and ends what it had in the apps that were for the group.
    pub async fn remove_group_member(&self, group: AccountId, member: AccountId) -> Result<()> {
        let now = self.now();
        self.change(move |tx| {
            match tx.execute("DELETE FROM membership WHERE group_account = $1 AND member = $2", &[&group, &member])? {
                0 => return Err(Error::Missing("such member".into())),
                _ => end_unadmitted(tx, now)?,
            }
            let name = account::find(tx, group)?.map(|group| group.primary.to_string()).unwrap_or_default();
            Ok(((), Some(Event::of("group.left", member, name))))
        })
        .await
    }

    /// Who is in a group, by address.
    pub async fn list_group_members(&self, group: AccountId) -> Result<Vec<Member>> {
        self.read(move |tx| {
            Ok(tx.query(
                "SELECT a.id, a.primary_address, m.role FROM membership m JOIN account a ON a.id = m.member
                 WHERE m.group_account = $1 ORDER BY a.primary_address",
                &[&group],
                |row| {
                    let role: String = row.get(2)?;
                    Ok(Member { account: row.get(0)?, address: row.get(1)?, role: MemberRole::parse(&role) })
                },
            )?)
        })
        .await
    }

    /// The groups that an account is in: what OpenID's `groups` claim names.
    pub async fn list_groups_of(&self, member: AccountId) -> Result<Vec<(AccountId, Address)>> {
        self.read(move |tx| {
            Ok(tx.query(
                "SELECT a.id, a.primary_address FROM membership m JOIN account a ON a.id = m.group_account
                 WHERE m.member = $1 ORDER BY a.primary_address",
                &[&member],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?)
        })
        .await
    }
}

/// The address of the group.
fn add_member(tx: &mut Tx<'_>, group: AccountId, member: AccountId, role: MemberRole, now: Timestamp) -> Result<Address> {
    let name = match account::find(tx, group)? {
        Some(account) if account.kind == Kind::Group => account.primary,
        Some(account) => return Err(Error::Invalid(format!("{} is not a group", account.primary))),
        None => return Err(Error::Missing("such group".into())),
    };
    if group == member || account::find(tx, member)?.is_none() {
        return Err(Error::Missing("such account".into()));
    }
    let count: usize = tx.one("SELECT COUNT(*) FROM membership WHERE group_account = $1", &[&group], |row| row.get(0))?;
    if count >= TARGETS_MAX {
        return Err(Error::TooMany { what: "members of a group", max: TARGETS_MAX });
    }
    tx.execute(
        "INSERT INTO membership (group_account, member, role, added_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (group_account, member) DO UPDATE SET role = excluded.role",
        &[&group, &member, &role.name(), &now],
    )?;
    Ok(name)
}
