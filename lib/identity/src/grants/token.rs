// SPDX-License-Identifier: AGPL-3.0-or-later
//! Access tokens, and refresh tokens that rotate (RFC 9700 §4.14.2).

use std::time::Duration;

use hearth_db::{Row, Tx};
use hearth_types::{AccountId, ClientId, Secret, SessionId, Timestamp};

use super::client::name_of;
use super::{hash_token, new_token, scope};
use crate::Directory;
use crate::directory::{Event, revocation_of_session};
use crate::error::Result;
use crate::limits::REFRESH_RETRY;

/// How new tokens are made.
#[derive(Clone, Debug, Default)]
pub struct NewTokens {
    /// An access token.
    pub access_lives: Duration,
    /// A refresh token; `None` makes none.
    pub refresh_lives: Option<Duration>,
    /// RFC 8707: whom the access token is for, with a space between; empty for whoever takes it.
    pub audience: String,
    /// RFC 9449: the thumbprint of the key that its holder shows.
    pub confirmation: Option<String>,
    /// The refresh token wants that key too: a public client has nothing else to show.
    pub binds_refresh: bool,
}

/// New tokens, shown once.
#[derive(Debug)]
pub struct Tokens {
    /// The access token.
    pub access: Secret<String>,
    /// When it ends.
    pub access_expires_at: Timestamp,
    /// The refresh token.
    pub refresh: Option<Secret<String>>,
    /// The words of the scope.
    pub scopes: Vec<String>,
    /// The session of the grant.
    pub session: SessionId,
    /// Whom the access token is for, with a space between.
    pub audience: String,
    /// The thumbprint of the key that it is bound to.
    pub confirmation: Option<String>,
}

/// An access token as it is known here; live when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The session of the grant: what a process watches.
    pub session: SessionId,
    /// Who it speaks for.
    pub account: AccountId,
    /// Who it was given to.
    pub client: ClientId,
    /// What it admits.
    pub scopes: Vec<String>,
    /// Whom it is for, with a space between; empty for whoever takes it.
    pub audience: String,
    /// The thumbprint of the key that its holder has to show.
    pub confirmation: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When the person proved who they are.
    pub authenticated_at: Timestamp,
    /// Has ended: expired, its session over, or its account disabled.
    pub is_over: bool,
    /// When the session was last used, to the minute.
    pub session_used_at: Timestamp,
    /// RFC 8693 §4.1: the clients that act for the person, the last one first.
    pub actors: Vec<String>,
}

/// A refresh token as it is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session of the grant.
    pub session: SessionId,
    /// Who it was given to.
    pub client: ClientId,
    /// Who it speaks for.
    pub account: AccountId,
    /// What was granted.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Has ended: spent, expired, its session over, or its account disabled.
    pub is_over: bool,
}

/// Why a refresh token was not taken; each is `invalid_grant` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshRefusal {
    /// No such token, or it was for another client.
    Unknown,
    /// It ended.
    Expired,
    /// It was used before: the session has been ended, for one of two holders is a thief; whose it was.
    Reused(AccountId),
    /// More was asked for than was granted.
    Scope,
    /// It is for other resources (RFC 8707).
    Target,
    /// It is bound to a key that was not shown (RFC 9449).
    Confirmation,
}

impl Directory {
    /// What an access token is; `None` for one that was never given or is long gone.
    pub async fn find_access_token(&self, token: &Secret<String>) -> Result<Option<AccessToken>> {
        let (hash, now) = (hash_token(token.expose()), self.now());
        let found = self.read(move |tx| find_access(tx, hash, now)).await?;
        if found.as_ref().is_some_and(|(token, first_used)| !token.is_over && first_used.is_none()) {
            // A refresh token that comes again is a lost answer only while its access token was never seen.
            self.note(move |tx| {
                tx.execute("UPDATE access_token SET first_used_at = $2 WHERE hash = $1 AND first_used_at IS NULL", &[&hash, &now])?;
                Ok(())
            })
            .await?;
        }
        Ok(found.map(|(token, _)| token))
    }

    /// Turns a refresh token into new tokens, in one transaction; `scopes` narrows what the access
    /// token admits. A token that was spent within [`REFRESH_RETRY`] and whose successors were never
    /// used is a lost answer and is answered again, once.
    pub async fn refresh(
        &self,
        token: &Secret<String>,
        client: ClientId,
        scopes: Option<Vec<String>>,
        lives: NewTokens,
    ) -> Result<Result<Tokens, RefreshRefusal>> {
        let (hash, now) = (hash_token(token.expose()), self.now());
        self.change(move |tx| {
            let refreshed = refresh(tx, hash, client, scopes, &lives, now)?;
            let event = match refreshed {
                Err(RefreshRefusal::Reused(account)) => Some(Event::of("refresh.reused", account, name_of(tx, client)?)),
                _ => None,
            };
            Ok((refreshed, event))
        })
        .await
    }

    /// What a refresh token is, spent or not; for introspection and revocation.
    pub async fn find_refresh_token(&self, token: &Secret<String>) -> Result<Option<RefreshToken>> {
        let (hash, now) = (hash_token(token.expose()), self.now());
        self.read(move |tx| {
            Ok(tx.find(
                "SELECT r.session, g.client, s.account, g.scopes, r.created_at, r.expires_at, r.spent_at, s.ended_at, s.expires_at,
                        a.disabled OR c.disabled
                 FROM refresh_token r
                 JOIN oauth_grant g ON g.session = r.session
                 JOIN session s ON s.id = r.session
                 JOIN client c ON c.id = g.client
                 JOIN account a ON a.id = s.account
                 WHERE r.hash = $1",
                &[&hash],
                |row| {
                    let expires_at: Timestamp = row.get(5)?;
                    Ok(RefreshToken {
                        session: row.get(0)?,
                        client: row.get(1)?,
                        account: row.get(2)?,
                        scopes: scope::parse(&row.get::<String>(3)?),
                        created_at: row.get(4)?,
                        expires_at,
                        is_over: expires_at <= now
                            || row.get::<Option<Timestamp>>(6)?.is_some()
                            || row.get::<Option<Timestamp>>(7)?.is_some()
                            || row.get::<Option<Timestamp>>(8)?.is_some_and(|end| end <= now)
                            || row.get::<bool>(9)?,
                    })
                },
            )?)
        })
        .await
    }

    /// Puts another text in the place of an access token: a signed one that says the same.
    pub async fn replace_access_token(&self, old: &Secret<String>, new: &Secret<String>) -> Result<()> {
        let (old, new) = (hash_token(old.expose()), hash_token(new.expose()));
        self.write(move |tx| {
            tx.execute("UPDATE access_token SET hash = $2 WHERE hash = $1", &[&old, &new])?;
            tx.execute("UPDATE refresh_token SET access_hash = $2 WHERE access_hash = $1", &[&old, &new])?;
            Ok(())
        })
        .await
    }

    /// Takes every access token of a client back; its grants stay, and give new ones.
    pub async fn remove_access_tokens_of(&self, client: ClientId) -> Result<()> {
        self.write(move |tx| {
            let of_client = tx.query(
                "SELECT hash FROM access_token
                  WHERE client = $1 OR client IS NULL AND session IN (SELECT session FROM oauth_grant WHERE client = $1)",
                &[&client],
                |row| row.get::<[u8; 32]>(0),
            )?;
            remove_with_what_came(tx, of_client)
        })
        .await
    }

    /// Takes one access token back (RFC 7009), with those that came of it (RFC 8693); the rest of its grant stays.
    pub async fn remove_access_token(&self, token: &Secret<String>) -> Result<()> {
        let hash = hash_token(token.expose());
        self.write(move |tx| remove_with_what_came(tx, vec![hash])).await
    }
}

/// Removes tokens, and those that came of them (RFC 8693).
fn remove_with_what_came(tx: &mut Tx<'_>, mut going: Vec<[u8; 32]>) -> Result<()> {
    while let Some(hash) = going.pop() {
        going.extend(tx.query("SELECT hash FROM access_token WHERE subject = $1", &[&hash], |row| row.get::<[u8; 32]>(0))?);
        tx.execute("DELETE FROM access_token WHERE hash = $1", &[&hash])?;
    }
    Ok(())
}

pub(super) fn find_access(tx: &mut Tx<'_>, hash: [u8; 32], now: Timestamp) -> Result<Option<(AccessToken, Option<Timestamp>)>> {
    let read = |row: &Row<'_>| {
        let scopes: String = row.get(3)?;
        let expires_at: Timestamp = row.get(5)?;
        let is_over = expires_at <= now
            || row.get::<Option<Timestamp>>(7)?.is_some()
            || row.get::<Option<Timestamp>>(8)?.is_some_and(|end| end <= now)
            || row.get::<bool>(9)?;
        let token = AccessToken {
            session: row.get(0)?,
            account: row.get(1)?,
            client: row.get(2)?,
            scopes: scope::parse(&scopes),
            created_at: row.get(4)?,
            expires_at,
            authenticated_at: row.get(6)?,
            is_over,
            session_used_at: row.get(10)?,
            audience: row.get(12)?,
            confirmation: row.get(13)?,
            // What cannot be read names nobody.
            actors: row.get::<Option<String>>(14)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        };
        Ok((token, row.get(11)?))
    };
    Ok(tx.find(
        "SELECT t.session, s.account, c.id, t.scopes, t.created_at, t.expires_at, s.authenticated_at, s.ended_at, s.expires_at,
                a.disabled OR c.disabled, s.last_used_at, t.first_used_at, t.audience, t.confirmation, t.actors
         FROM access_token t
         JOIN session s ON s.id = t.session
         JOIN oauth_grant g ON g.session = t.session
         JOIN client c ON c.id = COALESCE(t.client, g.client)
         JOIN account a ON a.id = s.account
         WHERE t.hash = $1",
        &[&hash],
        read,
    )?)
}

/// New tokens for a session.
pub(super) fn issue(tx: &mut Tx<'_>, session: SessionId, scopes: &[String], lives: &NewTokens, now: Timestamp) -> Result<Tokens> {
    tx.execute("DELETE FROM access_token WHERE expires_at < $1", &[&now.before(REFRESH_RETRY)])?;
    tx.execute("DELETE FROM refresh_token WHERE expires_at < $1", &[&now])?;
    let access = new_token();
    let access_hash = hash_token(access.expose());
    let access_expires_at = now.after(lives.access_lives);
    tx.execute(
        "INSERT INTO access_token (hash, session, scopes, audience, confirmation, created_at, expires_at, first_used_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)",
        &[&access_hash, &session, &scopes.join(" "), &lives.audience, &lives.confirmation, &now, &access_expires_at],
    )?;
    let bound_to = lives.confirmation.clone().filter(|_| lives.binds_refresh);
    let refresh = lives.refresh_lives.map(|lives| (new_token(), lives));
    if let Some((token, lives)) = &refresh {
        tx.execute(
            "INSERT INTO refresh_token (hash, session, confirmation, access_hash, created_at, expires_at, spent_at, successor)
             VALUES ($1, $2, $3, $4, $5, $6, NULL, NULL)",
            &[&hash_token(token.expose()), &session, &bound_to, &access_hash, &now, &now.after(*lives)],
        )?;
    }
    Ok(Tokens {
        access,
        access_expires_at,
        refresh: refresh.map(|(token, _)| token),
        scopes: scopes.to_vec(),
        session,
        audience: lives.audience.clone(),
        confirmation: lives.confirmation.clone(),
    })
}

struct Refresh {
    session: SessionId,
    account: AccountId,
    granted: Vec<String>,
    expires_at: Timestamp,
    spent_at: Option<Timestamp>,
    successor: Option<[u8; 32]>,
    is_over: bool,
    resources: String,
    confirmation: Option<String>,
}

fn find_refresh(tx: &mut Tx<'_>, hash: [u8; 32], client: ClientId, now: Timestamp) -> Result<Option<Refresh>> {
    let read = |row: &Row<'_>| {
        let granted: String = row.get(1)?;
        let is_over = row.get::<Option<Timestamp>>(5)?.is_some()
            || row.get::<Option<Timestamp>>(6)?.is_some_and(|end| end <= now)
            || row.get::<bool>(7)?;
        Ok(Refresh {
            session: row.get(0)?,
            granted: scope::parse(&granted),
            expires_at: row.get(2)?,
            spent_at: row.get(3)?,
            successor: row.get(4)?,
            is_over,
            resources: row.get(8)?,
            confirmation: row.get(9)?,
            account: row.get(10)?,
        })
    };
    Ok(tx.find(
        "SELECT r.session, g.scopes, r.expires_at, r.spent_at, r.successor, s.ended_at, s.expires_at, a.disabled OR c.disabled,
                g.resources, r.confirmation, s.account
         FROM refresh_token r
         JOIN session s ON s.id = r.session
         JOIN oauth_grant g ON g.session = r.session
         JOIN client c ON c.id = g.client
         JOIN account a ON a.id = s.account
         WHERE r.hash = $1 AND g.client = $2",
        &[&hash, &client],
        read,
    )?)
}

fn refresh(
    tx: &mut Tx<'_>,
    hash: [u8; 32],
    client: ClientId,
    scopes: Option<Vec<String>>,
    lives: &NewTokens,
    now: Timestamp,
) -> Result<Result<Tokens, RefreshRefusal>> {
    let Some(found) = find_refresh(tx, hash, client, now)? else {
        return Ok(Err(RefreshRefusal::Unknown));
    };
    if found.is_over || found.expires_at <= now {
        return Ok(Err(RefreshRefusal::Expired));
    }
    let scopes = scopes.unwrap_or_else(|| found.granted.clone());
    if !scopes.iter().all(|word| found.granted.contains(word)) {
        return Ok(Err(RefreshRefusal::Scope));
    }
    // RFC 9449 §5: looked at before anything is spent.
    if found.confirmation.is_some() && found.confirmation != lives.confirmation {
        return Ok(Err(RefreshRefusal::Confirmation));
    }
    let is_granted = |asked: &str| found.resources.split(' ').any(|known| known == asked);
    let mut lives = lives.clone();
    if lives.audience.is_empty() {
        lives.audience = found.resources.clone();
    } else if !lives.audience.split(' ').all(is_granted) {
        return Ok(Err(RefreshRefusal::Target));
    }
    let claimed = tx.execute("UPDATE refresh_token SET spent_at = $2 WHERE hash = $1 AND spent_at IS NULL", &[&hash, &now])?;
    // On PostgreSQL the row may have been spent since it was read above: read it again, now locked.
    let found = if claimed == 0 { find_refresh(tx, hash, client, now)? } else { Some(found) };
    let Some(found) = found else {
        return Ok(Err(RefreshRefusal::Unknown));
    };
    if claimed == 0 && !undo_lost_answer(tx, &found, now)? {
        revocation_of_session(tx, found.session, now)?;
        return Ok(Err(RefreshRefusal::Reused(found.account)));
    }
    let tokens = issue(tx, found.session, &scopes, &lives, now)?;
    if claimed == 1 {
        // After a lost answer the first successor stays named: it is spent now, so that nobody gets a third.
        let successor = tokens.refresh.as_ref().map(|token| hash_token(token.expose()));
        tx.execute("UPDATE refresh_token SET successor = $2 WHERE hash = $1", &[&hash, &successor])?;
    }
    tx.execute("UPDATE session SET last_used_at = $2 WHERE id = $1", &[&found.session, &now])?;
    Ok(Ok(tokens))
}

/// Takes the successors of a spent token back when nobody seems to have received them: it was spent just now, the next
/// refresh token is unspent and the access token unseen. Once for each token. Somebody may have received them all the
/// same, and then one of the two who ask is a thief: the refresh token that is taken back counts as spent from here on,
/// so that its use ends the grant for both.
fn undo_lost_answer(tx: &mut Tx<'_>, spent: &Refresh, now: Timestamp) -> Result<bool> {
    let (Some(spent_at), Some(successor)) = (spent.spent_at, spent.successor) else {
        return Ok(false);
    };
    if now.since(spent_at) > REFRESH_RETRY {
        return Ok(false);
    }
    let unused = tx.find(
        "SELECT r.access_hash FROM refresh_token r
         LEFT JOIN access_token t ON t.hash = r.access_hash
         WHERE r.hash = $1 AND r.spent_at IS NULL AND t.first_used_at IS NULL",
        &[&successor],
        |row| row.get::<[u8; 32]>(0),
    )?;
    let Some(access_hash) = unused else {
        return Ok(false);
    };
    // Of two who ask at once one alone finds it unspent: on PostgreSQL the second waits for this row.
    if tx.execute("UPDATE refresh_token SET spent_at = $2 WHERE hash = $1 AND spent_at IS NULL", &[&successor, &now])? == 0 {
        return Ok(false);
    }
    remove_with_what_came(tx, vec![access_hash])?;
    Ok(true)
}
