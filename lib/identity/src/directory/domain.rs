// SPDX-License-Identifier: AGPL-3.0-or-later
//! The mail domains of this home.

use hearth_db::{Row, Tx};
use hearth_types::{AccountId, Domain, DomainId, Timestamp};

use super::{Directory, Event};
use crate::error::{Error, Result};

/// A domain of this home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainEntry {
    /// Its id.
    pub id: DomainId,
    /// Its name.
    pub name: Domain,
    /// The one that the node is named after: the first that was added.
    pub is_primary: bool,
    /// Who receives what is addressed to nobody, if anybody does.
    pub catch_all: Option<AccountId>,
    /// When it was added.
    pub created_at: Timestamp,
}

impl Directory {
    /// Adds a domain; the first one is the primary one.
    pub async fn add_domain(&self, name: &Domain) -> Result<DomainEntry> {
        let (name, now) = (name.clone(), self.now());
        self.change(move |tx| {
            let added = add(tx, name, now)?;
            let event = Event::about("domain.added", added.name.to_string());
            Ok((added, Some(event)))
        })
        .await
    }

    /// Every domain, the primary one first.
    pub async fn list_domains(&self) -> Result<Vec<DomainEntry>> {
        self.read(|tx| Ok(tx.query(concat!(domain_columns!(), " ORDER BY is_primary DESC, name"), &[], entry)?)).await
    }

    /// The domain of a name, when it is ours.
    pub async fn find_domain(&self, name: &Domain) -> Result<Option<DomainEntry>> {
        let name = name.clone();
        self.read(move |tx| find(tx, &name)).await
    }

    /// Says who receives what is addressed to nobody; `None` refuses it.
    pub async fn change_catch_all(&self, name: &Domain, account: Option<AccountId>) -> Result<()> {
        let name = name.clone();
        self.change(move |tx| match tx.execute("UPDATE domain SET catch_all = $2 WHERE name = $1", &[&name, &account])? {
            0 => Err(Error::UnknownDomain(name)),
            _ => Ok(((), Some(Event { subject: account, ..Event::about("domain.catch-all", format!("*@{name}")) }))),
        })
        .await
    }

    /// Removes a domain that no address is in.
    pub async fn remove_domain(&self, name: &Domain) -> Result<()> {
        let name = name.clone();
        self.change(move |tx| {
            remove(tx, &name)?;
            Ok(((), Some(Event::about("domain.removed", name.to_string()))))
        })
        .await
    }
}

macro_rules! domain_columns {
    () => {
        "SELECT id, name, is_primary, catch_all, created_at FROM domain"
    };
}
use domain_columns;

fn entry(row: &Row<'_>) -> hearth_db::Result<DomainEntry> {
    Ok(DomainEntry { id: row.get(0)?, name: row.get(1)?, is_primary: row.get(2)?, catch_all: row.get(3)?, created_at: row.get(4)? })
}

pub(super) fn find(tx: &mut Tx<'_>, name: &Domain) -> Result<Option<DomainEntry>> {
    Ok(tx.find(concat!(domain_columns!(), " WHERE name = $1"), &[name], entry)?)
}

fn add(tx: &mut Tx<'_>, name: Domain, now: Timestamp) -> Result<DomainEntry> {
    let id = DomainId::new(now);
    let added = tx.find(
        "INSERT INTO domain (id, name, is_primary, catch_all, created_at)
         VALUES ($1, $2, NOT EXISTS (SELECT 1 FROM domain), NULL, $3)
         ON CONFLICT (name) DO NOTHING
         RETURNING id, name, is_primary, catch_all, created_at",
        &[&id, &name, &now],
        entry,
    )?;
    added.ok_or(Error::DomainTaken(name))
}

fn remove(tx: &mut Tx<'_>, name: &Domain) -> Result<()> {
    let Some(domain) = find(tx, name)? else {
        return Err(Error::UnknownDomain(name.clone()));
    };
    let addresses: i64 = tx.one("SELECT COUNT(*) FROM address WHERE domain = $1", &[&domain.id], |row| row.get(0))?;
    if addresses > 0 {
        return Err(Error::InUse(format!("{name} still has {addresses} addresses: remove them first")));
    }
    if domain.is_primary {
        return Err(Error::InUse(format!("{name} is the domain that this node is named after")));
    }
    tx.execute("DELETE FROM domain WHERE id = $1", &[&domain.id])?;
    Ok(())
}
