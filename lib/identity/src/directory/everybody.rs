// SPDX-License-Identifier: AGPL-3.0-or-later
//! All accounts with what belongs to them, read at once: for those who show everybody (LDAP, SCIM).

use std::collections::HashMap;

use hearth_types::{AccountId, Address};

use super::account::{self, Account};
use super::{AddressEntry, Directory, Member, MemberRole};
use crate::error::Result;

/// Everybody as they were at one moment.
#[derive(Clone, Debug, Default)]
pub struct Everybody {
    /// By address.
    pub accounts: Vec<Account>,
    addresses: HashMap<AccountId, Vec<AddressEntry>>,
    groups: HashMap<AccountId, Vec<(AccountId, Address)>>,
    members: HashMap<AccountId, Vec<Member>>,
}

impl Everybody {
    /// What [`Directory::list_open_addresses`] says of an account.
    pub fn addresses_of(&self, account: AccountId) -> &[AddressEntry] {
        self.addresses.get(&account).map(Vec::as_slice).unwrap_or_default()
    }

    /// What [`Directory::list_groups_of`] says.
    pub fn groups_of(&self, account: AccountId) -> &[(AccountId, Address)] {
        self.groups.get(&account).map(Vec::as_slice).unwrap_or_default()
    }

    /// What [`Directory::list_group_members`] says.
    pub fn members_of(&self, group: AccountId) -> &[Member] {
        self.members.get(&group).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Directory {
    /// Everybody, in three questions however many they are.
    pub async fn list_everybody(&self) -> Result<Everybody> {
        self.scan(|tx| {
            let mut all = Everybody { accounts: account::list(tx)?, ..Everybody::default() };
            let addresses = tx.query(
                "SELECT a.address, a.account, a.created_at
                   FROM address a LEFT JOIN masked_address m ON m.address_key = a.address_key
                  WHERE m.address_key IS NULL ORDER BY a.created_at, a.address_key",
                &[],
                |row| Ok(AddressEntry { address: row.get(0)?, account: row.get(1)?, created_at: row.get(2)? }),
            )?;
            for entry in addresses {
                all.addresses.entry(entry.account).or_default().push(entry);
            }
            let memberships = tx.query(
                "SELECT g.id, g.primary_address, a.id, a.primary_address, m.role
                   FROM membership m JOIN account g ON g.id = m.group_account JOIN account a ON a.id = m.member
                  ORDER BY g.primary_address, a.primary_address",
                &[],
                |row| {
                    let role: String = row.get(4)?;
                    let member = Member { account: row.get(2)?, address: row.get(3)?, role: MemberRole::parse(&role) };
                    Ok(((row.get::<AccountId>(0)?, row.get::<Address>(1)?), member))
                },
            )?;
            for (group, member) in memberships {
                all.groups.entry(member.account).or_default().push(group.clone());
                all.members.entry(group.0).or_default().push(member);
            }
            Ok(all)
        })
        .await
    }
}
