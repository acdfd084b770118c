// SPDX-License-Identifier: AGPL-3.0-or-later
//! Sessions: the devices that are signed in, each of which can be ended on its own.
//!
//! A row is a browser, an OAuth grant, an app password, or the use of the human password by mail
//! programs. Its id is what a [`Login`](crate::login::Login) names and what
//! [`Revocations`](crate::login::Revocations) tells of.

use std::net::IpAddr;

use hearth_db::{Row, Tx};
use hearth_types::{AccountId, ClientId, SessionId, Timestamp};

use super::{Directory, revocation};
use crate::error::{Error, Result};
use crate::limits::{LAST_USED_EVERY, SESSIONS_MAX};
use crate::service::Services;

/// What kind of device a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// A browser with a cookie.
    Browser,
    /// An OAuth client with tokens.
    Client,
    /// A mail program with an app password.
    AppPassword,
    /// Mail programs with the human password.
    Password,
}

/// A signed-in device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// What kind of device.
    pub kind: SessionKind,
    /// What its owner sees in a list.
    pub label: String,
    /// What an app password opens; empty for the others.
    pub services: Services,
    /// The browser session in which a client was let in.
    pub parent: Option<SessionId>,
    /// The client of a grant.
    pub client: Option<ClientId>,
    /// How the person proved who they are (RFC 8176 values, with a space between), such as `pwd`.
    pub auth_methods: String,
    /// When they did.
    pub authenticated_at: Timestamp,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Timestamp,
    /// From where it was last used.
    pub last_peer: Option<String>,
    /// What the browser calls itself.
    pub user_agent: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
}

/// What a new session needs.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Whose it is.
    pub account: AccountId,
    /// What kind of device.
    pub kind: SessionKind,
    /// What its owner sees in a list.
    pub label: String,
    /// What an app password opens.
    pub services: Services,
    /// The browser session in which a client was let in.
    pub parent: Option<SessionId>,
    /// The client of a grant.
    pub client: Option<ClientId>,
    /// SHA-256 of the browser's cookie.
    pub secret_hash: Option<[u8; 32]>,
    /// How the person proved who they are (RFC 8176 values).
    pub auth_methods: String,
    /// When they did.
    pub authenticated_at: Timestamp,
    /// From where.
    pub peer: Option<IpAddr>,
    /// What the browser calls itself; cut to 200 characters.
    pub user_agent: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

impl SessionKind {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Client => "client",
            Self::AppPassword => "app-password",
            Self::Password => "password",
        }
    }

    fn parse(name: &str) -> Self {
        match name {
            "browser" => Self::Browser,
            "client" => Self::Client,
            "app-password" => Self::AppPassword,
            _ => Self::Password,
        }
    }
}

impl Session {
    /// Has neither ended nor expired.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

impl Directory {
    /// Begins a session.
    pub async fn add_session(&self, new: NewSession) -> Result<Session> {
        let now = self.now();
        self.write(move |tx| add(tx, SessionId::new(now), &new, now)).await
    }

    /// Begins what a browser that just proved somebody is signed in with. The same person as in its live session `before`
    /// goes on in that row, under the new secret: the old one is dead at once, and what came of the session stays its own.
    /// Another person's is ended.
    pub async fn sign_in_browser(&self, new: NewSession, before: Option<SessionId>) -> Result<Session> {
        let now = self.now();
        self.write(move |tx| {
            if let Some(before) = before {
                if let Some(renewed) = prove_anew(tx, before, &new, now)? {
                    return Ok(renewed);
                }
                end_with_children(tx, before, now)?;
            }
            add(tx, SessionId::new(now), &new, now)
        })
        .await
    }

    /// The session of an id, ended or not.
    pub async fn find_session(&self, id: SessionId) -> Result<Option<Session>> {
        self.read(move |tx| find(tx, id)).await
    }

    /// The live browser session of a cookie, whose account is not disabled; its last use is noted.
    pub async fn find_browser_session(&self, secret_hash: [u8; 32], peer: Option<IpAddr>) -> Result<Option<Session>> {
        let now = self.now();
        let found = self
            .read(move |tx| {
                Ok(tx.find(
                    concat!(
                        session_columns!(),
                        " WHERE secret_hash = $1 AND NOT EXISTS (SELECT 1 FROM account a WHERE a.id = session.account AND a.disabled)"
                    ),
                    &[&secret_hash],
                    session,
                )?)
            })
            .await?;
        let live = found.filter(|session| session.is_live(now));
        if let Some(session) = &live {
            self.touch_session(session.id, session.last_used_at, peer).await?;
        }
        Ok(live)
    }

    /// Has anybody ever signed in to it, as far as is still known?
    pub async fn has_signed_in(&self, account: AccountId) -> Result<bool> {
        let known = self.read(move |tx| Ok(tx.find("SELECT id FROM session WHERE account = $1 LIMIT 1", &[&account], |_| Ok(()))?));
        Ok(known.await?.is_some())
    }

    /// The live sessions of an account, the one used last first.
    pub async fn list_sessions(&self, account: AccountId) -> Result<Vec<Session>> {
        let now = self.now();
        self.read(move |tx| {
            Ok(tx.query(
                concat!(
                    session_columns!(),
                    " WHERE account = $1 AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
                      ORDER BY last_used_at DESC, id DESC"
                ),
                &[&account, &now],
                session,
            )?)
        })
        .await
    }

    /// Notes that a session was used, at most once a minute.
    pub async fn touch_session(&self, id: SessionId, last_used_at: Timestamp, peer: Option<IpAddr>) -> Result<()> {
        let now = self.now();
        if now.since(last_used_at) < LAST_USED_EVERY {
            return Ok(());
        }
        let peer = peer.map(|peer| peer.to_string());
        self.note(move |tx| {
            tx.execute(
                "UPDATE session SET last_used_at = $2, last_peer = COALESCE($3, last_peer) WHERE id = $1",
                &[&id, &now, &peer],
            )?;
            Ok(())
        })
        .await
    }

    /// Ends a session with the sessions of clients that were let in through it (but for those that
    /// were granted offline access); connections are cut within a second. False when it had ended.
    pub async fn end_session(&self, id: SessionId) -> Result<bool> {
        let now = self.now();
        self.write(move |tx| end_with_children(tx, id, now)).await
    }

    /// Ends the sessions of an account that came of its human password, but for `keep`: after that
    /// password changed. App passwords stay.
    pub async fn end_password_sessions(&self, account: AccountId, keep: Option<SessionId>) -> Result<()> {
        let now = self.now();
        self.write(move |tx| {
            let ids: Vec<SessionId> = tx.query(
                "SELECT id FROM session WHERE account = $1 AND kind <> 'app-password' AND ended_at IS NULL",
                &[&account],
                |row| row.get(0),
            )?;
            for id in ids.into_iter().filter(|id| Some(*id) != keep) {
                revocation::end(tx, id, now)?;
            }
            Ok(())
        })
        .await
    }

    /// Ends every session of an account, app passwords included.
    pub async fn end_all_sessions(&self, account: AccountId) -> Result<()> {
        let now = self.now();
        self.write(move |tx| revocation::end_all(tx, account, now)).await
    }

    /// The session of an app password or of mail by human password, made when it is not there, and used
    /// now; `None` when it was ended. Only the gate calls this, after a proof.
    pub async fn use_mail_session(&self, id: SessionId, new: NewSession) -> Result<Option<Session>> {
        let now = self.now();
        if let Some(session) = self.read(move |tx| find(tx, id)).await? {
            self.touch_session(id, session.last_used_at, new.peer).await?;
            return Ok(Some(session).filter(|session| session.is_live(now)));
        }
        self.note(move |tx| match find(tx, id)? {
            Some(session) => Ok(Some(session).filter(|session| session.is_live(now))),
            None => add(tx, id, &new, now).map(Some),
        })
        .await
    }

    /// The live session under which an account's human password is used for mail, if there is one.
    pub async fn find_password_session(&self, account: AccountId) -> Result<Option<SessionId>> {
        self.read(move |tx| {
            Ok(tx.find(
                "SELECT id FROM session WHERE account = $1 AND kind = 'password' AND ended_at IS NULL ORDER BY id LIMIT 1",
                &[&account],
                |row| row.get(0),
            )?)
        })
        .await
    }
}

macro_rules! session_columns {
    () => {
        "SELECT id, account, kind, label, services, parent, client, auth_methods, authenticated_at, created_at,
                last_used_at, last_peer, user_agent, expires_at, ended_at
         FROM session"
    };
}
use session_columns;

fn session(row: &Row<'_>) -> hearth_db::Result<Session> {
    let (kind, services): (String, String) = (row.get(2)?, row.get(4)?);
    Ok(Session {
        id: row.get(0)?,
        account: row.get(1)?,
        kind: SessionKind::parse(&kind),
        label: row.get(3)?,
        // Services that a later release knows are none of ours to open.
        services: services.parse().unwrap_or_default(),
        parent: row.get(5)?,
        client: row.get(6)?,
        auth_methods: row.get(7)?,
        authenticated_at: row.get(8)?,
        created_at: row.get(9)?,
        last_used_at: row.get(10)?,
        last_peer: row.get(11)?,
        user_agent: row.get(12)?,
        expires_at: row.get(13)?,
        ended_at: row.get(14)?,
    })
}

pub(crate) fn find(tx: &mut Tx<'_>, id: SessionId) -> Result<Option<Session>> {
    Ok(tx.find(concat!(session_columns!(), " WHERE id = $1"), &[&id], session)?)
}

/// Characters of a browser's name that are kept.
const USER_AGENT_CHARS_MAX: usize = 200;

/// Puts a new proof and a new secret into a live browser session of the same account; `None` when it is no such.
fn prove_anew(tx: &mut Tx<'_>, id: SessionId, new: &NewSession, now: Timestamp) -> Result<Option<Session>> {
    let user_agent = new.user_agent.as_deref().map(short_user_agent);
    let renewed = tx.execute(
        "UPDATE session SET secret_hash = $3, label = $4, auth_methods = $5, authenticated_at = $6, last_used_at = $7, last_peer = $8,
                user_agent = $9, expires_at = $10
         WHERE id = $1 AND account = $2 AND kind = 'browser' AND ended_at IS NULL",
        &[
            &id,
            &new.account,
            &new.secret_hash,
            &new.label,
            &new.auth_methods,
            &new.authenticated_at,
            &now,
            &new.peer.map(|peer| peer.to_string()),
            &user_agent,
            &new.expires_at,
        ],
    )?;
    if renewed == 0 { Ok(None) } else { find(tx, id) }
}

fn short_user_agent(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(USER_AGENT_CHARS_MAX).collect()
}

pub(crate) fn add(tx: &mut Tx<'_>, id: SessionId, new: &NewSession, now: Timestamp) -> Result<Session> {
    make_room(tx, new.account, now)?;
    let user_agent = new.user_agent.as_deref().map(short_user_agent);
    tx.execute(
        "INSERT INTO session (id, account, kind, label, services, parent, client, secret_hash, auth_methods, authenticated_at,
                              created_at, last_used_at, last_peer, user_agent, expires_at, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13, $14, NULL)",
        &[
            &id,
            &new.account,
            &new.kind.name(),
            &new.label,
            &new.services.to_string(),
            &new.parent,
            &new.client,
            &new.secret_hash,
            &new.auth_methods,
            &new.authenticated_at,
            &now,
            &new.peer.map(|peer| peer.to_string()),
            &user_agent,
            &new.expires_at,
        ],
    )?;
    find(tx, id)?.ok_or_else(|| Error::Missing("session that was just made".into()))
}

/// Keeps an account within [`SESSIONS_MAX`]: the device used longest ago, app passwords aside, is ended;
/// rows that ended long ago are swept.
fn make_room(tx: &mut Tx<'_>, account: AccountId, now: Timestamp) -> Result<()> {
    tx.execute(
        // An app password that was ended stays ended while the vault may still know it.
        "DELETE FROM session WHERE account = $1 AND kind <> 'app-password' AND (ended_at < $2 OR expires_at < $2)",
        &[&account, &now.before(crate::limits::REVOCATION_KEEP)],
    )?;
    let live: usize =
        tx.one("SELECT COUNT(*) FROM session WHERE account = $1 AND ended_at IS NULL", &[&account], |row| row.get(0))?;
    if live < SESSIONS_MAX {
        return Ok(());
    }
    let oldest = tx.find(
        "SELECT id FROM session WHERE account = $1 AND ended_at IS NULL AND kind <> 'app-password' ORDER BY last_used_at LIMIT 1",
        &[&account],
        |row| row.get::<SessionId>(0),
    )?;
    match oldest {
        Some(oldest) => revocation::end(tx, oldest, now).map(drop),
        None => Ok(()),
    }
}

fn end_with_children(tx: &mut Tx<'_>, id: SessionId, now: Timestamp) -> Result<bool> {
    let children: Vec<SessionId> = tx.query(
        "SELECT s.id FROM session s LEFT JOIN oauth_grant g ON g.session = s.id
         WHERE s.parent = $1 AND s.ended_at IS NULL AND NOT COALESCE(g.offline, FALSE)",
        &[&id],
        |row| row.get(0),
    )?;
    for child in children {
        revocation::end(tx, child, now)?;
    }
    revocation::end(tx, id, now)
}
