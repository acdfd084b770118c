// SPDX-License-Identifier: AGPL-3.0-or-later
//! An address elsewhere that a person proved to be theirs. What concerns the safety of an account is told there too, for
//! whoever got into it can read what lies in its mailbox. It opens nothing.

use hearth_types::{AccountId, Address};

use super::Directory;
use crate::error::Result;

impl Directory {
    /// Where somebody can be reached elsewhere.
    pub async fn find_contact(&self, account: AccountId) -> Result<Option<Address>> {
        self.read(move |tx| Ok(tx.find("SELECT address FROM contact WHERE account = $1", &[&account], |row| row.get(0))?)).await
    }

    /// They proved that it is theirs.
    pub async fn change_contact(&self, account: AccountId, address: &Address) -> Result<()> {
        let (address, now) = (address.to_string(), self.now());
        self.write(move |tx| {
            tx.execute(
                "INSERT INTO contact (account, address, proven_at) VALUES ($1, $2, $3)
                 ON CONFLICT (account) DO UPDATE SET address = excluded.address, proven_at = excluded.proven_at",
                &[&account, &address, &now],
            )?;
            Ok(())
        })
        .await
    }

    /// Forgets it; false when there was none.
    pub async fn remove_contact(&self, account: AccountId) -> Result<bool> {
        self.write(move |tx| Ok(tx.execute("DELETE FROM contact WHERE account = $1", &[&account])? == 1)).await
    }
}
