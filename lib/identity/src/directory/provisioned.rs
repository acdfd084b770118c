// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a provisioning program (SCIM) says of accounts beside what they are: which it deleted, and what it calls them.
//! Who was deleted is disabled, and that program sees them no longer. Nothing that it does loses mail.

use std::collections::{HashMap, HashSet};

use hearth_types::AccountId;

use super::{Directory, Event, account, revocation};
use crate::error::{Error, Result};
use crate::limits::NAME_CHARS_MAX;

impl Directory {
    /// Disables an account, ends its sessions, and hides it from provisioning until somebody enables it.
    pub async fn withdraw_account(&self, id: AccountId) -> Result<()> {
        let now = self.now();
        self.change(move |tx| {
            account::set_disabled(tx, id, true, now)?;
            revocation::end_all(tx, id, now)?;
            tx.execute("INSERT INTO withdrawn (account, at) VALUES ($1, $2) ON CONFLICT (account) DO NOTHING", &[&id, &now])?;
            Ok(((), Some(Event::of("account.disabled", id, "deleted; the mail is kept"))))
        })
        .await
    }

    /// Those who are hidden. Who was enabled since is not.
    pub async fn list_withdrawn(&self) -> Result<HashSet<AccountId>> {
        self.scan(|tx| {
            let ids =
                tx.query("SELECT w.account FROM withdrawn w JOIN account a ON a.id = w.account WHERE a.disabled", &[], |row| {
                    row.get::<AccountId>(0)
                })?;
            Ok(ids.into_iter().collect())
        })
        .await
    }

    /// Changes what a provisioning program calls an account; `None` for nothing.
    pub async fn change_external_id(&self, id: AccountId, value: Option<String>) -> Result<()> {
        let is_sound = |value: &String| value.chars().count() <= NAME_CHARS_MAX && !value.chars().any(char::is_control);
        if value.as_ref().is_some_and(|value| !is_sound(value)) {
            return Err(Error::Invalid(format!("an external id has {NAME_CHARS_MAX} characters at most, and none that controls")));
        }
        self.write(move |tx| {
            match value {
                Some(value) => tx.execute(
                    "INSERT INTO external_id (account, value) VALUES ($1, $2)
                     ON CONFLICT (account) DO UPDATE SET value = excluded.value",
                    &[&id, &value],
                )?,
                None => tx.execute("DELETE FROM external_id WHERE account = $1", &[&id])?,
            };
            Ok(())
        })
        .await
    }

    /// What the accounts are called so.
    pub async fn list_external_ids(&self) -> Result<HashMap<AccountId, String>> {
        self.scan(|tx| {
            let all = tx.query("SELECT account, value FROM external_id", &[], |row| Ok((row.get::<AccountId>(0)?, row.get(1)?)))?;
            Ok(all.into_iter().collect())
        })
        .await
    }
}
