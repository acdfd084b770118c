// SPDX-License-Identifier: AGPL-3.0-or-later
//! Authorization codes (RFC 6749 §4.1): made by the consent, exchanged once.

use std::time::Duration;

use hearth_db::{Row, Tx};
use hearth_types::{AccountId, ClientId, Secret, SessionId, Timestamp};

use super::client::name_of;
use super::token::{self, NewTokens, Tokens};
use super::{hash_token, new_token, scope};
use crate::Directory;
use crate::directory::{Event, NewSession, SessionKind, revocation_of_session, session_add};
use crate::error::Result;
use crate::limits::CODE_REPLAY_GRACE;
use crate::service::Services;

/// A code as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Who asked.
    pub client: ClientId,
    /// Who agreed.
    pub account: AccountId,
    /// In which browser session.
    pub session: SessionId,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// What was agreed to.
    pub scopes: Vec<String>,
    /// OpenID's nonce.
    pub nonce: Option<String>,
    /// PKCE (RFC 7636): the challenge, by S256.
    pub code_challenge: Option<String>,
    /// Everything else of the request that the token needs, as JSON.
    pub request: String,
    /// When the person proved who they are.
    pub authenticated_at: Timestamp,
    /// Until when it can be exchanged.
    pub expires_at: Timestamp,
}

/// What a new code needs.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// What is kept; `expires_at` is set from `lives`.
    pub code: Code,
    /// How long it can be exchanged.
    pub lives: Duration,
    /// The hash of the handle of the pushed request (RFC 9126) that becomes this code.
    pub pushed: Option<[u8; 32]>,
}

/// Why a code was not exchanged; each is `invalid_grant` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeRefusal {
    /// No such code, or it was for another client.
    Unknown,
    /// It ended.
    Expired,
    /// It was exchanged before.
    Spent,
    /// It was exchanged so long before that no answer was lost: what that exchange gave has been ended now; whose it was.
    Replayed(AccountId),
    /// The caller's own checks (redirect URI, PKCE) failed.
    Mismatch,
}

/// What an exchange gave.
#[derive(Debug)]
pub struct Redeemed {
    /// What was kept with the code.
    pub code: Code,
    /// The session of the grant.
    pub session: SessionId,
    /// The tokens.
    pub tokens: Tokens,
}

/// A grant that comes of no code: of a device that somebody let in, or of a program that acts for itself.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// To whom.
    pub client: ClientId,
    /// Whom it speaks for.
    pub account: AccountId,
    /// The browser session that it ends with.
    pub parent: Option<SessionId>,
    /// What the account's owner sees in a list.
    pub label: String,
    /// What was granted.
    pub scopes: Vec<String>,
    /// How the person proved who they are; what the browser session says counts before it, as long as there is one.
    pub auth_methods: String,
    /// When they did.
    pub authenticated_at: Timestamp,
}

impl Directory {
    /// Grants, and makes the first tokens. `renew`: when a live grant to this client for this account is there
    /// already, its tokens are added to, so that a program that asks each hour is one line in a list.
    pub async fn add_grant(&self, new: NewGrant, lives: NewTokens, renew: bool) -> Result<Tokens> {
        let now = self.now();
        self.write(move |tx| {
            let known = if renew { find_grant(tx, new.client, new.account)? } else { None };
            let session = match known {
                Some(session) => session,
                None => begin_grant(tx, &new, &lives.audience, now)?,
            };
            tx.execute("UPDATE session SET last_used_at = $2 WHERE id = $1", &[&session, &now])?;
            token::issue(tx, session, &new.scopes, &lives, now)
        })
        .await
    }

    /// Makes a code, and takes the pushed request that it was out of its place in the same transaction; `None` when
    /// that was taken meanwhile, or has ended (RFC 9126 §4: once).
    pub async fn add_code(&self, new: NewCode) -> Result<Option<Secret<String>>> {
        let now = self.now();
        let code = new_token();
        let hash = hash_token(code.expose());
        let added = self.write(move |tx| Ok(take_pushed(tx, &new, now)? && add(tx, hash, &new, now).map(|()| true)?)).await?;
        Ok(added.then_some(code))
    }

    /// Exchanges a code for tokens, in one transaction. `check` is the caller's: redirect URI and PKCE; it says
    /// how the tokens are made. A failed check (`None`) spends nothing.
    pub async fn redeem_code(
        &self,
        code: &Secret<String>,
        client: ClientId,
        label: &str,
        check: impl FnOnce(&Code) -> Option<NewTokens> + Send + 'static,
    ) -> Result<Result<Redeemed, CodeRefusal>> {
        let (hash, label, now) = (hash_token(code.expose()), label.to_string(), self.now());
        self.change(move |tx| {
            let redeemed = redeem(tx, hash, client, label, check, now)?;
            let event = match redeemed {
                Err(CodeRefusal::Replayed(account)) => Some(Event::of("code.replayed", account, name_of(tx, client)?)),
                _ => None,
            };
            Ok((redeemed, event))
        })
        .await
    }
}

struct Kept {
    code: Code,
    used_at: Option<Timestamp>,
    granted_session: Option<SessionId>,
}

fn kept(row: &Row<'_>) -> hearth_db::Result<Kept> {
    let scopes: String = row.get(4)?;
    let code = Code {
        client: row.get(0)?,
        account: row.get(1)?,
        session: row.get(2)?,
        redirect_uri: row.get(3)?,
        scopes: scope::parse(&scopes),
        nonce: row.get(5)?,
        code_challenge: row.get(6)?,
        request: row.get(7)?,
        authenticated_at: row.get(8)?,
        expires_at: row.get(9)?,
    };
    Ok(Kept { code, used_at: row.get(10)?, granted_session: row.get(11)? })
}

fn take_pushed(tx: &mut Tx<'_>, new: &NewCode, now: Timestamp) -> Result<bool> {
    let Some(pushed) = &new.pushed else {
        return Ok(true);
    };
    let taken = tx.execute(
        "DELETE FROM pending_request WHERE hash = $1 AND kind = 'par' AND client = $2 AND expires_at > $3",
        &[pushed, &new.code.client, &now],
    )?;
    Ok(taken == 1)
}

fn add(tx: &mut Tx<'_>, hash: [u8; 32], new: &NewCode, now: Timestamp) -> Result<()> {
    let code = &new.code;
    tx.execute("DELETE FROM authorization_code WHERE expires_at < $1", &[&now.before(Duration::from_secs(3600))])?;
    // Each request names its redirect URI, and S256 is the one method: two columns of an older release say so.
    tx.execute(
        "INSERT INTO authorization_code (hash, client, account, session, redirect_uri, redirect_uri_was_sent, scopes, nonce,
            code_challenge, code_challenge_method, request, authenticated_at, created_at, expires_at, used_at, granted_session)
         VALUES ($1, $2, $3, $4, $5, TRUE, $6, $7, $8, 'S256', $9, $10, $11, $12, NULL, NULL)",
        &[
            &hash,
            &code.client,
            &code.account,
            &code.session,
            &code.redirect_uri,
            &code.scopes.join(" "),
            &code.nonce,
            &code.code_challenge,
            &code.request,
            &code.authenticated_at,
            &now,
            &now.after(new.lives),
        ],
    )?;
    Ok(())
}

fn redeem(
    tx: &mut Tx<'_>,
    hash: [u8; 32],
    client: ClientId,
    label: String,
    check: impl FnOnce(&Code) -> Option<NewTokens>,
    now: Timestamp,
) -> Result<Result<Redeemed, CodeRefusal>> {
    let found = tx.find(
        "SELECT c.client, c.account, c.session, c.redirect_uri, c.scopes, c.nonce, c.code_challenge,
                c.request, c.authenticated_at, c.expires_at, c.used_at, c.granted_session
         FROM authorization_code c JOIN account a ON a.id = c.account
         WHERE c.hash = $1 AND c.client = $2 AND NOT a.disabled",
        &[&hash, &client],
        kept,
    )?;
    let Some(found) = found else {
        return Ok(Err(CodeRefusal::Unknown));
    };
    if let Some(used_at) = found.used_at {
        // RFC 6749 §4.1.2: a code that comes twice was stolen, or the answer was lost on the way.
        if now.since(used_at) > CODE_REPLAY_GRACE
            && let Some(session) = found.granted_session
            && revocation_of_session(tx, session, now)?
        {
            return Ok(Err(CodeRefusal::Replayed(found.code.account)));
        }
        return Ok(Err(CodeRefusal::Spent));
    }
    if found.code.expires_at <= now {
        return Ok(Err(CodeRefusal::Expired));
    }
    let Some(lives) = check(&found.code) else {
        return Ok(Err(CodeRefusal::Mismatch));
    };
    let code = found.code;
    // The row of the browser session goes some time after it has ended; how they proved it then still holds.
    let methods = tx.find("SELECT auth_methods FROM session WHERE id = $1", &[&code.session], |row| row.get::<String>(0))?;
    let new = NewGrant {
        client: code.client,
        account: code.account,
        parent: Some(code.session),
        label,
        scopes: code.scopes.clone(),
        auth_methods: methods.unwrap_or_default(),
        authenticated_at: code.authenticated_at,
    };
    // The browser is in use: it is not the one that makes room for what it lets in.
    tx.execute("UPDATE session SET last_used_at = $2 WHERE id = $1", &[&code.session, &now])?;
    let session = begin_grant(tx, &new, &lives.audience, now)?;
    // Of parallel exchanges one alone finds the code unspent: on PostgreSQL the second waits for this row.
    let spent = tx.execute(
        "UPDATE authorization_code SET used_at = $2, granted_session = $3 WHERE hash = $1 AND used_at IS NULL",
        &[&hash, &now, &session],
    )?;
    if spent == 0 {
        revocation_of_session(tx, session, now)?;
        return Ok(Err(CodeRefusal::Spent));
    }
    let tokens = token::issue(tx, session, &code.scopes, &lives, now)?;
    Ok(Ok(Redeemed { code, session, tokens }))
}

fn find_grant(tx: &mut Tx<'_>, client: ClientId, account: AccountId) -> Result<Option<SessionId>> {
    Ok(tx.find(
        "SELECT id FROM session WHERE client = $1 AND account = $2 AND kind = 'client' AND parent IS NULL AND ended_at IS NULL
         ORDER BY id LIMIT 1",
        &[&client, &account],
        |row| row.get(0),
    )?)
}

/// A grant is a session of kind `client`, and a row that says what was granted.
fn begin_grant(tx: &mut Tx<'_>, new: &NewGrant, resources: &str, now: Timestamp) -> Result<SessionId> {
    let session = session_add(
        tx,
        SessionId::new(now),
        &NewSession {
            account: new.account,
            kind: SessionKind::Client,
            label: new.label.clone(),
            services: Services::default(),
            parent: new.parent,
            client: Some(new.client),
            secret_hash: None,
            auth_methods: new.auth_methods.clone(),
            authenticated_at: new.authenticated_at,
            peer: None,
            user_agent: None,
            expires_at: None,
        },
        now,
    )?;
    let offline = new.scopes.iter().any(|word| word == "offline_access");
    tx.execute(
        "INSERT INTO oauth_grant (session, client, account, scopes, resources, offline, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[&session.id, &new.client, &new.account, &new.scopes.join(" "), &resources, &offline, &now],
    )?;
    Ok(session.id)
}
