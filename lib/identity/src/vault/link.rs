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

    /// Spends a link: its account has this human password from now on. False when it was spent meanwhile. In one
    /// transaction, with the factors that it forgets, and after the computation: whoever is told to come back, or
    /// whose connection breaks, still has a way in. Costs an argon2 computation.
    pub async fn use_link(&self, token: &str, password: Secret<String>) -> Result<bool> {
        let password_hash = self.hash_new_password(password).await?;
        let (vault, hash, now) = (self.clone(), hash_token(token), self.now());
        let spent = self
            .write(move |tx| {
                let spent = tx.find(
                    "DELETE FROM one_time_link WHERE hash = $1 AND expires_at > $2 RETURNING account, forget_factors",
                    &[&hash, &now],
                    |row| Ok((row.get::<AccountId>(0)?, row.get::<bool>(1)?)),
                )?;
                let Some((account, forget_factors)) = spent else {
                    return Ok(false);
                };
                if forget_factors {
                    tx.execute("DELETE FROM totp WHERE account = $1", &[&account])?;
                    tx.execute("DELETE FROM recovery_code WHERE account = $1", &[&account])?;
                    tx.execute("DELETE FROM passkey WHERE account = $1", &[&account])?;
                }
                vault.store_password(tx, account, Some(password_hash))?;
                Ok(true)
            })
            .await?;
        if spent {
            self.password_was_set();
        }
        Ok(spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::tests::on_each_engine;
    use crate::vault::{Asker, PasswordCheck};

    const ALICE: AccountId = AccountId::from_i64(1);

    #[test]
    fn a_link_is_spent_with_the_password_that_it_is_for_and_not_before() {
        on_each_engine(|home| async move {
            let vault = home.vault().await;
            let password = || Secret::new("correct horse".to_string());
            let link = vault.add_link(ALICE, false, Duration::from_secs(60)).await.unwrap();
            let everybody = vault.0.turns.take_all();
            assert!(
                matches!(vault.use_link(link.expose(), password()).await, Err(Error::Invalid(_))),
                "too many are being checked"
            );
            drop(everybody);
            assert!(matches!(vault.use_link(link.expose(), Secret::new("short".into())).await, Err(Error::Invalid(_))));
            assert!(vault.find_link(link.expose()).await.unwrap().is_some(), "there is still a way in");
            let before = vault.passwords_set();
            assert!(vault.use_link(link.expose(), password()).await.unwrap());
            assert_ne!(vault.passwords_set(), before);
            assert_eq!(vault.check_password(Some(ALICE), &password(), Asker::Known).await.unwrap(), PasswordCheck::Right);
            assert!(!vault.use_link(link.expose(), Secret::new("another horse".into())).await.unwrap(), "once");
            assert_eq!(vault.check_password(Some(ALICE), &password(), Asker::Known).await.unwrap(), PasswordCheck::Right);
        });
    }
}
