// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who shares mailboxes with whom. The access lists themselves lie in the mail store, with the mailboxes; here is the
//! index over them, and who somebody is to a list.

use hearth_db::{Row, Tx};
use hearth_types::{AccountId, Address};

use super::Directory;
use super::account::Kind;
use super::group::MemberRole;
use crate::error::Result;

/// Stands for everybody who has an account here.
const ANYONE: AccountId = AccountId::from_i64(0);

/// Somebody who shares mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharer {
    /// Who.
    pub account: AccountId,
    /// Their primary address.
    pub address: Address,
    /// A person, or a group.
    pub kind: Kind,
}

/// Who somebody is to the access list of another's mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Themselves, the groups that they are in, and anyone.
    pub identities: Vec<AccountId>,
    /// What they are in each group.
    pub groups: Vec<(AccountId, MemberRole)>,
}

impl Directory {
    /// Who an account is to access lists.
    pub async fn find_standing(&self, account: AccountId) -> Result<Standing> {
        self.read(move |tx| standing(tx, account)).await
    }

    /// Those who may have mailboxes for an account to see, by address; and who it is to their lists.
    pub async fn list_sharers(&self, account: AccountId) -> Result<(Standing, Vec<Sharer>)> {
        self.read(move |tx| {
            let sharers = tx.query(
                "SELECT a.id, a.primary_address, a.kind FROM account a
                 WHERE a.id <> $1 AND EXISTS (
                    SELECT 1 FROM share s WHERE s.owner = a.id AND (
                        s.grantee = $1 OR s.grantee = $2
                        OR s.grantee IN (SELECT group_account FROM membership WHERE member = $1)
                    )
                 ) ORDER BY a.primary_address",
                &[&account, &ANYONE],
                sharer,
            )?;
            Ok((standing(tx, account)?, sharers))
        })
        .await
    }

    /// Notes that an account shares with somebody: before its access list says so. It stays until one of the two is no more;
    /// what is no longer shared costs who lists mailboxes one look.
    pub async fn add_share(&self, owner: AccountId, grantee: AccountId) -> Result<()> {
        self.write(move |tx| {
            tx.execute(
                "INSERT INTO share (owner, grantee) VALUES ($1, $2) ON CONFLICT (owner, grantee) DO NOTHING",
                &[&owner, &grantee],
            )?;
            Ok(())
        })
        .await
    }

    /// Whose access lists may name an account.
    pub async fn list_owners_sharing_with(&self, grantee: AccountId) -> Result<Vec<AccountId>> {
        self.read(move |tx| {
            Ok(tx.query("SELECT owner FROM share WHERE grantee = $1 ORDER BY owner", &[&grantee], |row| row.get(0))?)
        })
        .await
    }
}

fn standing(tx: &mut Tx<'_>, account: AccountId) -> Result<Standing> {
    let groups =
        tx.query("SELECT group_account, role FROM membership WHERE member = $1 ORDER BY group_account", &[&account], |row| {
            let role: String = row.get(1)?;
            Ok((row.get::<AccountId>(0)?, MemberRole::parse(&role)))
        })?;
    let identities = [account, ANYONE].into_iter().chain(groups.iter().map(|&(group, _)| group)).collect();
    Ok(Standing { identities, groups })
}

fn sharer(row: &Row<'_>) -> hearth_db::Result<Sharer> {
    let kind: String = row.get(2)?;
    Ok(Sharer { account: row.get(0)?, address: row.get(1)?, kind: Kind::parse(&kind).unwrap_or(Kind::Guest) })
}

/// Nothing is shared with an account that is no more.
pub(super) fn forget(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    tx.execute("DELETE FROM share WHERE grantee = $1", &[&account])?;
    Ok(())
}
