// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who may use a client: everyone, or those that are listed, themselves or through a group.

use hearth_types::{AccountId, Address, ClientId};

use crate::Directory;
use crate::error::Result;

impl Directory {
    /// Lets an account (a person, or everyone in a group) use a client; from then on only those that are
    /// listed may.
    pub async fn add_client_access(&self, client: ClientId, account: AccountId) -> Result<()> {
        let now = self.now();
        self.write(move |tx| {
            tx.execute("UPDATE client SET access = 'listed', changed_at = $2 WHERE id = $1", &[&client, &now])?;
            tx.execute(
                "INSERT INTO app_access (client, account, added_at) VALUES ($1, $2, $3) ON CONFLICT (client, account) DO NOTHING",
                &[&client, &account, &now],
            )?;
            Ok(())
        })
        .await
    }

    /// Takes an account off the list; false when it was not on it. An empty list admits nobody.
    pub async fn remove_client_access(&self, client: ClientId, account: AccountId) -> Result<bool> {
        self.write(
            move |tx| Ok(tx.execute("DELETE FROM app_access WHERE client = $1 AND account = $2", &[&client, &account])? == 1),
        )
        .await
    }

    /// Lets everyone use a client again.
    pub async fn open_client(&self, client: ClientId) -> Result<()> {
        let now = self.now();
        self.write(move |tx| {
            tx.execute("DELETE FROM app_access WHERE client = $1", &[&client])?;
            tx.execute("UPDATE client SET access = 'everyone', changed_at = $2 WHERE id = $1", &[&client, &now])?;
            Ok(())
        })
        .await
    }

    /// Who is listed, by address.
    pub async fn list_client_access(&self, client: ClientId) -> Result<Vec<Address>> {
        self.read(move |tx| {
            Ok(tx.query(
                "SELECT a.primary_address FROM app_access p JOIN account a ON a.id = p.account WHERE p.client = $1
                 ORDER BY a.primary_address",
                &[&client],
                |row| row.get(0),
            )?)
        })
        .await
    }
}
