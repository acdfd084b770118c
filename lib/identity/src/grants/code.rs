// SPDX-License-Identifier: AGPL-3.0-or-later
//! Authorization codes (RFC 6749 §4.1): made by the consent, exchanged once.

use std::time::Duration;

use hearth_db::{Row, Tx};
use hearth_types::{AccountId, ClientId, Secret, SessionId, Timestamp};

use super::token::{self, NewTokens, Tokens};
use super::{hash_token, new_token, scope};
use crate::Directory;
use crate::directory::{NewSession, SessionKind, revocation_of_session, session_add};
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
    /// Did the request name it? Then the exchange must too (RFC 6749 §4.1.3).
    pub redirect_uri_was_sent: bool,
    /// What was agreed to.
    pub scopes: Vec<String>,
    /// OpenID's nonce.
    pub nonce: Option<String>,
    /// PKCE (RFC 7636): the challenge.
    pub code_challenge: Option<String>,
    /// `S256`.
    pub code_challenge_method: Option<String>,
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
}

/// Why a code was not exchanged; each is `invalid_grant` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeRefusal {
    /// No such code, or it was for another client.
    Unknown,
    /// It ended.
    Expired,
    /// It was exchanged before; what that exchange gave has been ended when the grace was over.
    Spent,
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

impl Directory {
    /// Makes a code.
    pub async fn add_code(&self, new: NewCode) -> Result<Secret<String>> {
        let now = self.now();
        let code = new_token();
        let hash = hash_token(code.expose());
        self.write(move |tx| add(tx, hash, &new, now)).await?;
        Ok(code)
    }

    /// Exchanges a code for tokens, in one transaction. `check` is the caller's: redirect URI and PKCE. A
    /// failed check spends nothing.
    pub async fn redeem_code(
        &self,
        code: &Secret<String>,
        client: ClientId,
        label: &str,
        lives: NewTokens,
        check: impl FnOnce(&Code) -> bool + Send + 'static,
    ) -> Result<Result<Redeemed, CodeRefusal>> {
        let (hash, label, now) = (hash_token(code.expose()), label.to_string(), self.now());
        self.write(move |tx| redeem(tx, hash, client, label, &lives, check, now)).await
    }
}

struct Kept {
    code: Code,
    used_at: Option<Timestamp>,
    granted_session: Option<SessionId>,
}

fn kept(row: &Row<'_>) -> hearth_db::Result<Kept> {
    let scopes: String = row.get(5)?;
    let code = Code {
        client: row.get(0)?,
        account: row.get(1)?,
        session: row.get(2)?,
        redirect_uri: row.get(3)?,
        redirect_uri_was_sent: row.get(4)?,
        scopes: scope::parse(&scopes),
        nonce: row.get(6)?,
        code_challenge: row.get(7)?,
        code_challenge_method: row.get(8)?,
        request: row.get(9)?,
        authenticated_at: row.get(10)?,
        expires_at: row.get(11)?,
    };
    Ok(Kept { code, used_at: row.get(12)?, granted_session: row.get(13)? })
}

fn add(tx: &mut Tx<'_>, hash: [u8; 32], new: &NewCode, now: Timestamp) -> Result<()> {
    let code = &new.code;
    tx.execute("DELETE FROM authorization_code WHERE expires_at < $1", &[&now.before(Duration::from_secs(3600))])?;
    tx.execute(
        "INSERT INTO authorization_code (hash, client, account, session, redirect_uri, redirect_uri_was_sent, scopes, nonce,
            code_challenge, code_challenge_method, request, authenticated_at, created_at, expires_at, used_at, granted_session)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, NULL, NULL)",
        &[
            &hash,
            &code.client,
            &code.account,
            &code.session,
            &code.redirect_uri,
            &code.redirect_uri_was_sent,
            &code.scopes.join(" "),
            &code.nonce,
            &code.code_challenge,
            &code.code_challenge_method,
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
    lives: &NewTokens,
    check: impl FnOnce(&Code) -> bool,
    now: Timestamp,
) -> Result<Result<Redeemed, CodeRefusal>> {
    let found = tx.find(
        "SELECT c.client, c.account, c.session, c.redirect_uri, c.redirect_uri_was_sent, c.scopes, c.nonce, c.code_challenge,
                c.code_challenge_method, c.request, c.authenticated_at, c.expires_at, c.used_at, c.granted_session
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
        {
            revocation_of_session(tx, session, now)?;
        }
        return Ok(Err(CodeRefusal::Spent));
    }
    if found.code.expires_at <= now {
        return Ok(Err(CodeRefusal::Expired));
    }
    if !check(&found.code) {
        return Ok(Err(CodeRefusal::Mismatch));
    }
    let code = found.code;
    let session = begin_grant(tx, &code, label, now)?;
    // Of parallel exchanges one alone finds the code unspent: on PostgreSQL the second waits for this row.
    let spent = tx.execute(
        "UPDATE authorization_code SET used_at = $2, granted_session = $3 WHERE hash = $1 AND used_at IS NULL",
        &[&hash, &now, &session],
    )?;
    if spent == 0 {
        revocation_of_session(tx, session, now)?;
        return Ok(Err(CodeRefusal::Spent));
    }
    let tokens = token::issue(tx, session, &code.scopes, lives, now)?;
    Ok(Ok(Redeemed { code, session, tokens }))
}

/// A grant is a session of kind `client`, and a row that says what was granted.
fn begin_grant(tx: &mut Tx<'_>, code: &Code, label: String, now: Timestamp) -> Result<SessionId> {
    let session = session_add(
        tx,
        SessionId::new(now),
        &NewSession {
            account: code.account,
            kind: SessionKind::Client,
            label,
            services: Services::default(),
            parent: Some(code.session),
            client: Some(code.client),
            secret_hash: None,
            auth_methods: String::new(),
            authenticated_at: code.authenticated_at,
            peer: None,
            user_agent: None,
            expires_at: None,
        },
        now,
    )?;
    let offline = code.scopes.iter().any(|word| word == "offline_access");
    tx.execute(
        "INSERT INTO oauth_grant (session, client, account, scopes, resources, offline, created_at)
         VALUES ($1, $2, $3, $4, '', $5, $6)",
        &[&session.id, &code.client, &code.account, &code.scopes.join(" "), &offline, &now],
    )?;
    Ok(session.id)
}
