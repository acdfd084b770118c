// SPDX-License-Identifier: AGPL-3.0-or-later
//! One-time links: the way in for somebody who is new, or has lost every other.

use std::time::Duration;

use hearth_types::{AccountId, Secret, Timestamp};

use super::Vault;
use crate::error::Result;
use crate::grants::{hash_token, new_token};

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whose way in.
    pub account: AccountId,
    /// Passkeys, authenticators and recovery codes are forgotten with its use.
    pub forget_factors: bool,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

impl Vault {
    /// Makes the link of an account; one that was made before leads nowhere from now on.
    pub async fn add_link(&self, account: AccountId, forget_factors: bool, lives: Duration) -> Result<Secret<String>> {
        let token = new_token();
        let (hash, now) = (hash_token(token.expose()), self.now());
        self.write(move |tx| {
            tx.execute("DELETE FROM one_time_link WHERE account = $1 OR expires_at < $2", &[&account, &now])?;
            tx.execute(
                "INSERT INTO one_time_link (hash, account, forget_factors, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
                &[&hash, &account, &forget_factors, &now, &now.after(lives)],
            )?;
            Ok(())
        })
        .await?;
        Ok(token)
    }

    /// What a link is for; looking spends nothing, for programs look at links before people do.
    pub async fn find_link(&self, token: &str) -> Result<Option<Link>> {
        let (hash, now) = (hash_token(token), self.now());
        self.read(move |tx| {
            Ok(tx.find(
                "SELECT account, forget_factors, expires_at FROM one_time_link WHERE hash = $1 AND expires_at > $2",
                &[&hash, &now],
                |row| Ok(Link { account: row.get(0)?, forget_factors: row.get(1)?, expires_at: row.get(2)? }),
            )?)
        })
        .await
    }

    /// The link of an account that was not used yet.
    pub async fn find_link_of(&self, account: AccountId) -> Result<Option<Link>> {
        let now = self.now();
        self.read(move |tx| {
            Ok(tx.find(
                "SELECT account, forget_factors, expires_at FROM one_time_link WHERE account = $1 AND expires_at > $2",
                &[&account, &now],
                |row| Ok(Link { account: row.get(0)?, forget_factors: row.get(1)?, expires_at: row.get(2)? }),
            )?)
        })
        .await
    }

    /// Takes the link of an account back; false when there is none.
    pub async fn remove_link(&self, account: AccountId) -> Result<bool> {
        self.write(move |tx| Ok(tx.execute("DELETE FROM one_time_link WHERE account = $1", &[&account])? > 0)).await
    }

    /// Spends a link; false when it was spent meanwhile. Factors that it forgets go in the same transaction.
    pub async fn use_link(&self, token: &str) -> Result<bool> {
        let (hash, now) = (hash_token(token), self.now());
        self.write(move |tx| {
            let spent = tx.find(
                "DELETE FROM one_time_link WHERE hash = $1 AND expires_at > $2 RETURNING account, forget_factors",
                &[&hash, &now],
                |row| Ok((row.get::<AccountId>(0)?, row.get::<bool>(1)?)),
            )?;
            if let Some((account, true)) = spent {
                tx.execute("DELETE FROM totp WHERE account = $1", &[&account])?;
                tx.execute("DELETE FROM recovery_code WHERE account = $1", &[&account])?;
                tx.execute("DELETE FROM passkey WHERE account = $1", &[&account])?;
            }
            Ok(spent.is_some())
        })
        .await
    }
}
