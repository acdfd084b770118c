// SPDX-License-Identifier: AGPL-3.0-or-later
//! OAuth and OpenID clients.

use hearth_db::{Row, Tx};
use hearth_types::{AccountId, ClientId, Secret, Timestamp};

use super::{hash_token, new_token};
use crate::Directory;
use crate::directory::revocation_of_client;
use crate::error::{Error, Result};
use crate::limits::{CLIENTS_MAX, NAME_CHARS_MAX};

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its id in tables.
    pub id: ClientId,
    /// Its `client_id` on the wire.
    pub identifier: String,
    /// What people see.
    pub name: String,
    /// SHA-256 of its secret; a public client has none.
    pub secret_hash: Option<[u8; 32]>,
    /// `none`, `client_secret_basic` (which admits post too) or another method (RFC 7591 §2).
    pub auth_method: String,
    /// Where codes may go: compared as strings (RFC 9700 §2.1), but for the port of a loopback address.
    pub redirect_uris: Vec<String>,
    /// Where a browser may go after signing out.
    pub post_logout_redirect_uris: Vec<String>,
    /// `authorization_code`, `refresh_token` and so on.
    pub grant_types: Vec<String>,
    /// What it may ask for.
    pub scopes: Vec<String>,
    /// The preset that it was made from.
    pub preset: Option<String>,
    /// Belongs to the house: nobody is asked for consent.
    pub trusted: bool,
    /// `everyone`, or `listed`: those of `app_access` alone.
    pub access: String,
    /// Everything else of RFC 7591, as JSON.
    pub metadata: String,
    /// Nobody gets in through it.
    pub disabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a new client needs.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its `client_id`; `None` makes one.
    pub identifier: Option<String>,
    /// What people see.
    pub name: String,
    /// Has no secret.
    pub public: bool,
    /// Where codes may go.
    pub redirect_uris: Vec<String>,
    /// Where a browser may go after signing out.
    pub post_logout_redirect_uris: Vec<String>,
    /// `authorization_code` and so on; none for the usual two.
    pub grant_types: Vec<String>,
    /// What it may ask for.
    pub scopes: Vec<String>,
    /// The preset that it was made from.
    pub preset: Option<String>,
    /// Belongs to the house.
    pub trusted: bool,
    /// Everything else of RFC 7591, as JSON; `{}` for nothing.
    pub metadata: String,
}

impl Client {
    /// Is this its secret? A public client has none that could be right.
    pub fn secret_matches(&self, secret: &Secret<String>) -> bool {
        self.secret_hash.is_some_and(|hash| hearth_types::constant_time_eq(&hash, &hash_token(secret.expose())))
    }

    /// Has it no secret?
    pub fn is_public(&self) -> bool {
        self.secret_hash.is_none()
    }
}

impl Directory {
    /// Registers a client; its secret (none for a public one) is shown once and kept as a hash.
    pub async fn add_client(&self, new: NewClient) -> Result<(Client, Option<Secret<String>>)> {
        check(&new)?;
        let now = self.now();
        let secret = (!new.public).then(new_token);
        let secret_hash = secret.as_ref().map(|secret| hash_token(secret.expose()));
        let client = self.write(move |tx| add(tx, new, secret_hash, now)).await?;
        Ok((client, secret))
    }

    /// The same for one that waits for somebody to let it in.
    pub async fn add_waiting_client(&self, new: NewClient) -> Result<(Client, Option<Secret<String>>)> {
        check(&new)?;
        let now = self.now();
        let secret = (!new.public).then(new_token);
        let secret_hash = secret.as_ref().map(|secret| hash_token(secret.expose()));
        let client = self.write(move |tx| {
            let client = add(tx, new, secret_hash, now)?;
            tx.execute("UPDATE client SET disabled = TRUE WHERE id = $1", &[&client.id])?;
            Ok(Client { disabled: true, ..client })
        });
        Ok((client.await?, secret))
    }

    /// The client of a `client_id`.
    pub async fn find_client(&self, identifier: &str) -> Result<Option<Client>> {
        let identifier = identifier.to_string();
        self.read(move |tx| Ok(tx.find(concat!(client_columns!(), " WHERE identifier = $1"), &[&identifier], client)?)).await
    }

    /// The client of an id.
    pub async fn find_client_by_id(&self, id: ClientId) -> Result<Option<Client>> {
        self.read(move |tx| Ok(tx.find(concat!(client_columns!(), " WHERE id = $1"), &[&id], client)?)).await
    }

    /// Every client, by name.
    pub async fn list_clients(&self) -> Result<Vec<Client>> {
        self.scan(|tx| Ok(tx.query(concat!(client_columns!(), " ORDER BY name, id"), &[], client)?)).await
    }

    /// Changes what a client may do and where it is; its id, its secret and what was granted stay.
    pub async fn change_client(&self, id: ClientId, new: NewClient) -> Result<Option<Client>> {
        check(&new)?;
        let now = self.now();
        self.write(move |tx| {
            tx.execute(
                "UPDATE client SET name = $2, redirect_uris = $3, post_logout_redirect_uris = $4, grant_types = $5, scopes = $6,
                        metadata = $7, changed_at = $8
                 WHERE id = $1",
                &[
                    &id,
                    &new.name,
                    &new.redirect_uris.join(" "),
                    &new.post_logout_redirect_uris.join(" "),
                    &grant_types(&new),
                    &new.scopes.join(" "),
                    &new.metadata,
                    &now,
                ],
            )?;
            Ok(tx.find(concat!(client_columns!(), " WHERE id = $1"), &[&id], client)?)
        })
        .await
    }

    /// Gives a client another secret, shown once; the old one counts no more. A public one has none to change.
    pub async fn change_client_secret(&self, id: ClientId) -> Result<Secret<String>> {
        let (secret, now) = (new_token(), self.now());
        let hash = hash_token(secret.expose());
        self.write(move |tx| {
            let changed = tx.execute(
                "UPDATE client SET secret_hash = $2, changed_at = $3 WHERE id = $1 AND secret_hash IS NOT NULL",
                &[&id, &hash, &now],
            )?;
            if changed == 0 { Err(Error::Missing("a client with a secret".into())) } else { Ok(()) }
        })
        .await?;
        Ok(secret)
    }

    /// Is anybody signed in to a client?
    pub async fn is_client_used(&self, id: ClientId) -> Result<bool> {
        self.read(move |tx| {
            Ok(tx.find("SELECT 1 FROM session WHERE client = $1 AND ended_at IS NULL", &[&id], |_| Ok(()))?.is_some())
        })
        .await
    }

    /// Removes a client, and ends what was granted to it.
    pub async fn remove_client(&self, identifier: &str) -> Result<()> {
        let (identifier, now) = (identifier.to_string(), self.now());
        self.write(move |tx| {
            let id = tx.find("SELECT id FROM client WHERE identifier = $1", &[&identifier], |row| row.get::<ClientId>(0))?;
            let id = id.ok_or_else(|| Error::Missing(format!("client {identifier}")))?;
            revocation_of_client(tx, id, now)?;
            tx.execute("DELETE FROM client WHERE id = $1", &[&id])?;
            Ok(())
        })
        .await
    }

    /// May this account use this client? Everyone may, unless the client is for those that are listed
    /// (themselves or through a group).
    pub async fn may_use_client(&self, account: AccountId, client: ClientId) -> Result<bool> {
        self.read(move |tx| {
            let found = tx.find(
                "SELECT 1 FROM client c WHERE c.id = $1 AND NOT c.disabled AND (c.access = 'everyone' OR EXISTS
                    (SELECT 1 FROM app_access p WHERE p.client = c.id AND (p.account = $2 OR p.account IN
                        (SELECT group_account FROM membership WHERE member = $2))))",
                &[&client, &account],
                |_| Ok(()),
            )?;
            Ok(found.is_some())
        })
        .await
    }
}

macro_rules! client_columns {
    () => {
        "SELECT id, identifier, name, secret_hash, auth_method, redirect_uris, post_logout_redirect_uris, grant_types, scopes,
                preset, trusted, access, metadata, disabled, created_at
         FROM client"
    };
}
use client_columns;

fn client(row: &Row<'_>) -> hearth_db::Result<Client> {
    Ok(Client {
        id: row.get(0)?,
        identifier: row.get(1)?,
        name: row.get(2)?,
        secret_hash: row.get(3)?,
        auth_method: row.get(4)?,
        redirect_uris: words(row, 5)?,
        post_logout_redirect_uris: words(row, 6)?,
        grant_types: words(row, 7)?,
        scopes: words(row, 8)?,
        preset: row.get(9)?,
        trusted: row.get(10)?,
        access: row.get(11)?,
        metadata: row.get(12)?,
        disabled: row.get(13)?,
        created_at: row.get(14)?,
    })
}

/// No URI and no scope holds a space.
fn words(row: &Row<'_>, column: usize) -> hearth_db::Result<Vec<String>> {
    Ok(row.get::<String>(column)?.split(' ').filter(|word| !word.is_empty()).map(str::to_string).collect())
}

fn check(new: &NewClient) -> Result<()> {
    if new.name.is_empty() || new.name.chars().count() > NAME_CHARS_MAX || new.name.chars().any(char::is_control) {
        return Err(Error::Invalid(format!("a client has a name of 1 to {NAME_CHARS_MAX} characters")));
    }
    let has_space = |words: &[String]| words.iter().any(|word| word.is_empty() || word.contains(char::is_whitespace));
    if has_space(&new.redirect_uris) || has_space(&new.post_logout_redirect_uris) || has_space(&new.scopes) {
        return Err(Error::Invalid("a URI or a scope has no space in it and is not empty".into()));
    }
    Ok(())
}

fn grant_types(new: &NewClient) -> String {
    if new.grant_types.is_empty() { "authorization_code refresh_token".to_string() } else { new.grant_types.join(" ") }
}

fn add(tx: &mut Tx<'_>, new: NewClient, secret_hash: Option<[u8; 32]>, now: Timestamp) -> Result<Client> {
    let count: usize = tx.one("SELECT COUNT(*) FROM client", &[], |row| row.get(0))?;
    if count >= CLIENTS_MAX {
        return Err(Error::TooMany { what: "clients", max: CLIENTS_MAX });
    }
    let id = ClientId::new(now);
    let identifier = new.identifier.clone().unwrap_or_else(|| id.to_string());
    let method = if new.public { "none" } else { "client_secret_basic" };
    let added = tx.execute(
        "INSERT INTO client (id, identifier, name, secret_hash, auth_method, redirect_uris, post_logout_redirect_uris, grant_types,
                             scopes, preset, trusted, access, metadata, disabled, created_at, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'everyone', $12, FALSE, $13, $13)
         ON CONFLICT (identifier) DO NOTHING",
        &[
            &id,
            &identifier,
            &new.name,
            &secret_hash,
            &method,
            &new.redirect_uris.join(" "),
            &new.post_logout_redirect_uris.join(" "),
            &grant_types(&new),
            &new.scopes.join(" "),
            &new.preset,
            &new.trusted,
            &new.metadata,
            &now,
        ],
    )?;
    if added == 0 {
        return Err(Error::InUse(format!("the client id {identifier} is taken")));
    }
    tx.one(concat!(client_columns!(), " WHERE id = $1"), &[&id], client).map_err(Error::from)
}
