// SPDX-License-Identifier: AGPL-3.0-or-later
//! Addresses that were somebody's. Letters still come to them, and apps that know people by their address would take who has it
//! next for who had it before: so it is given to another account only when somebody says that they mean it.

use hearth_db::Tx;
use hearth_types::{AccountId, Address, Timestamp};

use super::Directory;
use crate::error::{Error, Result};

impl Directory {
    /// Lets another account have an address that was somebody's. Was it?
    pub async fn forget_former_address(&self, address: &Address) -> Result<bool> {
        let key = address.key();
        self.write(move |tx| Ok(tx.execute("DELETE FROM former_address WHERE address_key = $1", &[&key])? > 0)).await
    }
}

/// Remembers an address that its account gives up; not one that was made for a single correspondent.
pub(super) fn leave(tx: &mut Tx<'_>, key: &str, now: Timestamp) -> Result<()> {
    tx.execute(
        "INSERT INTO former_address (address_key, account, removed_at)
         SELECT address_key, account, $2 FROM address
          WHERE address_key = $1 AND account IS NOT NULL AND address_key NOT IN (SELECT address_key FROM masked_address)
         ON CONFLICT (address_key) DO UPDATE SET account = excluded.account, removed_at = excluded.removed_at",
        &[&key, &now],
    )?;
    Ok(())
}

/// The same for all that an account has.
pub(super) fn leave_all(tx: &mut Tx<'_>, account: AccountId, now: Timestamp) -> Result<()> {
    let keys = tx.query("SELECT address_key FROM address WHERE account = $1", &[&account], |row| row.get::<String>(0))?;
    keys.iter().try_for_each(|key| leave(tx, key, now))
}

/// May this account have it?
pub(super) fn check(tx: &mut Tx<'_>, address: &Address, account: AccountId) -> Result<()> {
    let former = tx.find(
        "SELECT removed_at FROM former_address WHERE address_key = $1 AND account <> $2",
        &[&address.key(), &account],
        |row| row.get::<Timestamp>(0),
    )?;
    match former {
        None => Ok(()),
        Some(_) => Err(Error::InUse(format!(
            "{address} was somebody else's, and letters for them still come; to give it away say --again"
        ))),
    }
}
