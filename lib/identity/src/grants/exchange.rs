// SPDX-License-Identifier: AGPL-3.0-or-later
//! Tokens that come of another token (RFC 8693). They belong to the session of the token that was shown, so that whatever
//! ends that session ends them; and they end with that token, if it is taken back or runs out.

use std::time::Duration;

use hearth_types::{ClientId, Secret};

use super::token::{Tokens, find_access};
use super::{hash_token, new_token};
use crate::Directory;
use crate::error::Result;

/// What the new token is like.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// To whom it is given.
    pub client: ClientId,
    /// What it admits.
    pub scopes: Vec<String>,
    /// Whom it is for, with a space between.
    pub audience: String,
    /// RFC 9449: the thumbprint of the key that its holder shows.
    pub confirmation: Option<String>,
    /// RFC 8693 §4.1: the clients that act for the person, the last one first.
    pub actors: Vec<String>,
    /// How long it lives at most; it never outlives the token that it came of.
    pub lives: Duration,
}

impl Directory {
    /// Makes a token of another; `None` when that one has ended meanwhile.
    pub async fn exchange_access_token(&self, subject: &Secret<String>, new: Exchange) -> Result<Option<Tokens>> {
        let (subject, now) = (hash_token(subject.expose()), self.now());
        self.write(move |tx| {
            let Some((shown, _)) = find_access(tx, subject, now)?.filter(|(shown, _)| !shown.is_over) else {
                return Ok(None);
            };
            let access = new_token();
            let expires_at = now.after(new.lives).min(shown.expires_at);
            let actors = serde_json::Value::from(new.actors).to_string();
            tx.execute(
                "INSERT INTO access_token (hash, session, scopes, audience, confirmation, created_at, expires_at, first_used_at,
                                           client, actors, subject)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, $8, $9, $10)",
                &[
                    &hash_token(access.expose()),
                    &shown.session,
                    &new.scopes.join(" "),
                    &new.audience,
                    &new.confirmation,
                    &now,
                    &expires_at,
                    &new.client,
                    &actors,
                    &subject,
                ],
            )?;
            Ok(Some(Tokens {
                access,
                access_expires_at: expires_at,
                refresh: None,
                scopes: new.scopes,
                session: shown.session,
                audience: new.audience,
                confirmation: new.confirmation,
            }))
        })
        .await
    }
}
