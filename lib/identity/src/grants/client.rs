// SPDX-License-Identifier: AGPL-3.0-or-later
//! OAuth and OpenID clients.

use std::time::Duration;

use hearth_db::{Row, Tx};
use hearth_types::{AccountId, ClientId, Secret, Timestamp};

use super::{Registration, hash_token, new_token};
use crate::Directory;
use crate::directory::{Event, revocation_of_client};
use crate::error::{Error, Result};
use crate::limits::{CLIENTS_MAX, NAME_CHARS_MAX, REDIRECT_URI_BYTES_MAX};
use crate::naming::is_seen;

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
        let client = self.change(move |tx| {
            let client = add(tx, new, secret_hash, now)?;
            let trusted = if client.trusted { ", trusted" } else { "" };
            let event = Event::about("client.added", format!("{} ({}{trusted})", client.name, client.identifier));
            Ok((client, Some(event)))
        });
        Ok((client.await?, secret))
    }

    /// The same for one that made itself known: unless the household chose otherwise, it waits for somebody to let it in.
    pub async fn add_registered_client(&self, new: NewClient, chosen: Registration) -> Result<(Client, Option<Secret<String>>)> {
        if chosen == Registration::Open {
            return self.add_client(new).await;
        }
        check(&new)?;
        let now = self.now();
        let secret = (!new.public).then(new_token);
        let secret_hash = secret.as_ref().map(|secret| hash_token(secret.expose()));
        let client = self.change(move |tx| {
            let client = add(tx, new, secret_hash, now)?;
            tx.execute("UPDATE client SET disabled = TRUE WHERE id = $1", &[&client.id])?;
            let event = Event::about("client.waits", format!("{} ({})", client.name, client.identifier));
            Ok((Client { disabled: true, ..client }, Some(event)))
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

    /// The client that may be used and has this redirect URI, letter by letter; the first by name when several have it.
    pub async fn find_client_of_redirect_uri(&self, uri: &str) -> Result<Option<Client>> {
        let uri = uri.to_string();
        self.read(move |tx| {
            Ok(tx.find(
                concat!(
                    client_columns!(),
                    " WHERE id IN (SELECT client FROM client_redirect_uri WHERE uri = $1) AND NOT disabled
                      ORDER BY name, id LIMIT 1"
                ),
                &[&uri],
                client,
            )?)
        })
        .await
    }

    /// Every client, by name.
    pub async fn list_clients(&self) -> Result<Vec<Client>> {
        self.scan(|tx| Ok(tx.query(concat!(client_columns!(), " ORDER BY name, id"), &[], client)?)).await
    }

    /// Changes what a client may do and where it is; its id, its secret and what was granted stay.
    pub async fn change_client(&self, id: ClientId, new: NewClient) -> Result<Option<Client>> {
        check(&new)?;
        let now = self.now();
        self.change(move |tx| {
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
            tx.execute("DELETE FROM client_redirect_uri WHERE client = $1", &[&id])?;
            let changed = tx.find(concat!(client_columns!(), " WHERE id = $1"), &[&id], client)?;
            if let Some(client) = &changed {
                keep_redirect_uris(tx, client)?;
            }
            let event = changed.as_ref().map(|client| Event::about("client.changed", client.name.clone()));
            Ok((changed, event))
        })
        .await
    }

    /// Gives a client another secret, shown once; the old one is worth nothing at once. `None` for one that has none.
    pub async fn change_client_secret(&self, id: ClientId) -> Result<Option<Secret<String>>> {
        let (secret, now) = (new_token(), self.now());
        let hash = Some(hash_token(secret.expose()));
        self.change(move |tx| {
            let changed = tx.execute(
                "UPDATE client SET secret_hash = $2, changed_at = $3 WHERE id = $1 AND secret_hash IS NOT NULL",
                &[&id, &hash, &now],
            )?;
            match changed {
                1 => Ok((Some(secret), Some(Event::about("client.secret-changed", name_of(tx, id)?)))),
                _ => Ok((None, None)),
            }
        })
        .await
    }

    /// Makes room for one more client that registered itself: those that are older than `keep` and that nobody is
    /// signed in to are forgotten, and when `max` are left the oldest goes that nobody ever used. False when there is
    /// none: each of them is somebody's.
    pub async fn make_room_for_stranger(&self, keep: Duration, max: usize) -> Result<bool> {
        let old = self.now().before(keep);
        self.write(move |tx| {
            tx.execute(
                concat!(
                    "DELETE FROM client WHERE ",
                    registered_itself!(),
                    " AND created_at <= $1
                      AND NOT EXISTS (SELECT 1 FROM session s WHERE s.client = client.id AND s.ended_at IS NULL)"
                ),
                &[&old],
            )?;
            let left: usize = tx.one(concat!("SELECT COUNT(*) FROM client WHERE ", registered_itself!()), &[], |row| row.get(0))?;
            if left < max {
                return Ok(true);
            }
            let removed = tx.execute(
                concat!(
                    "DELETE FROM client WHERE id =
                        (SELECT id FROM client WHERE ",
                    registered_itself!(),
                    " AND NOT EXISTS (SELECT 1 FROM session s WHERE s.client = client.id)
                      ORDER BY created_at, id LIMIT 1)"
                ),
                &[],
            )?;
            Ok(removed == 1)
        })
        .await
    }

    /// Removes a client, and ends what was granted to it.
    pub async fn remove_client(&self, identifier: &str) -> Result<()> {
        let (identifier, now) = (identifier.to_string(), self.now());
        self.change(move |tx| {
            let found = tx.find("SELECT id, name FROM client WHERE identifier = $1", &[&identifier], |row| {
                Ok((row.get::<ClientId>(0)?, row.get::<String>(1)?))
            })?;
            let (id, name) = found.ok_or_else(|| Error::Missing(format!("client {identifier}")))?;
            revocation_of_client(tx, id, now)?;
            tx.execute("DELETE FROM client WHERE id = $1", &[&id])?;
            Ok(((), Some(Event::about("client.removed", name))))
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

/// What `oauth/src/client/profile.rs` knows such a client by. Inside a JSON string the quotes would have backslashes before them.
macro_rules! registered_itself {
    () => {
        "metadata LIKE '%\"hearth_registration\":%'"
    };
}
use registered_itself;

macro_rules! client_columns {
    () => {
        "SELECT id, identifier, name, secret_hash, auth_method, redirect_uris, post_logout_redirect_uris, grant_types, scopes,
                preset, trusted, access, metadata, disabled, created_at
         FROM client"
    };
}
use client_columns;

/// What the log calls a client.
pub(super) fn name_of(tx: &mut Tx<'_>, id: ClientId) -> Result<String> {
    Ok(tx.find("SELECT name FROM client WHERE id = $1", &[&id], |row| row.get(0))?.unwrap_or_default())
}

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
    if new.name.is_empty() || new.name.chars().count() > NAME_CHARS_MAX {
        return Err(Error::Invalid(format!("a client has a name of 1 to {NAME_CHARS_MAX} characters")));
    }
    if !is_seen(&new.name) {
        return Err(Error::Invalid("a name has no characters that control, or cannot be seen".into()));
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
    let client = tx.one(concat!(client_columns!(), " WHERE id = $1"), &[&id], client)?;
    keep_redirect_uris(tx, &client)?;
    Ok(client)
}

/// One row for each, to be found by.
fn keep_redirect_uris(tx: &mut Tx<'_>, client: &Client) -> Result<()> {
    for uri in client.redirect_uris.iter().filter(|uri| uri.len() <= REDIRECT_URI_BYTES_MAX) {
        tx.execute(
            "INSERT INTO client_redirect_uri (uri, client) VALUES ($1, $2) ON CONFLICT (uri, client) DO NOTHING",
            &[uri, &client.id],
        )?;
    }
    Ok(())
}
