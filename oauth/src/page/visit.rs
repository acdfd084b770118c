// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who sits before the browser: the cookies of a request, and what our pages do with them.
//!
//! `__Host-hearth` is the secret of a session (the directory keeps its hash). `__Host-hearth-visit`
//! is a random value for those who are not signed in, so that their forms can be told from others'.
//! `__Host-hearth-known` says who signed in with this browser before, to tell them when it was another.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use hearth_identity::directory::{Event, NewSession, Session, SessionKind};
use hearth_identity::grants::{hash_token, new_token};
use hearth_identity::service::{Service, Services};
use hearth_types::{AccountId, Trouble};
use hearth_web::axum::extract::FromRequestParts;
use hearth_web::axum::http::request::Parts;
use hearth_web::axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use hearth_web::axum::response::{IntoResponse, Response};
use hearth_web::{Peer, cookie, headers, page, same_origin};

use crate::ctx::Ctx;
use crate::limits::{KNOWN_LIFE, KNOWN_PEOPLE_MAX};
use crate::page::user_agent;
use crate::request::grant::Visitor;
use crate::request::level::Level;
use crate::t;

const SESSION_COOKIE: &str = "__Host-hearth";
const VISIT_COOKIE: &str = "__Host-hearth-visit";
const KNOWN_COOKIE: &str = "__Host-hearth-known";

/// Letters of one such mark.
const MARK_LETTERS: usize = 32;

/// A visit to one of our pages. As an extractor it answers with a page when the directory fails.
#[derive(Debug)]
pub struct Visit {
    /// From where.
    pub peer: Peer,
    /// Who is signed in.
    pub session: Option<Session>,
    user_agent: Option<String>,
    /// The cookie that forms are bound to.
    cookie: String,
    /// That cookie, when the browser does not have it yet.
    new_cookie: Option<HeaderValue>,
    from_elsewhere: bool,
    /// Marks of those who signed in with this browser before.
    known: Vec<String>,
}

impl Visit {
    async fn read(ctx: &Ctx, fields: &HeaderMap) -> Result<Self, Trouble> {
        let peer = Peer::from_headers(fields);
        let secret = cookie::find(fields, SESSION_COOKIE).filter(|secret| !secret.is_empty());
        let session = match secret {
            Some(secret) => ctx.directory.find_browser_session(hash_token(secret), Some(peer.ip)).await?,
            None => None,
        };
        let known = if session.is_some() { secret } else { cookie::find(fields, VISIT_COOKIE) };
        let (bound_to, new_cookie) = match known.filter(|value| !value.is_empty()) {
            Some(value) => (value.to_string(), None),
            None => {
                let value = new_token().expose().clone();
                let field = cookie::set(VISIT_COOKIE, &value, None);
                (value, field)
            }
        };
        Ok(Self {
            peer,
            session,
            user_agent: fields.get(header::USER_AGENT).and_then(|name| name.to_str().ok()).map(str::to_string),
            cookie: bound_to,
            new_cookie,
            from_elsewhere: same_origin(fields, &ctx.issuer).is_err(),
            known: read_marks(cookie::find(fields, KNOWN_COOKIE).unwrap_or_default()),
        })
    }

    /// The token for a form of ours.
    pub fn form(&self, ctx: &Ctx, purpose: &str) -> String {
        ctx.csrf.token(&self.cookie, purpose)
    }

    /// Is this a token that [`Visit::form`] gave to this visit, for this purpose?
    pub fn is_form(&self, ctx: &Ctx, purpose: &str, token: &str) -> bool {
        ctx.csrf.check(&self.cookie, purpose, token).is_ok()
    }

    /// Does a form come from a page of ours, in this visit? When not, the page that says so.
    #[expect(clippy::result_large_err, reason = "the error is the answer")]
    pub fn check_form(&self, ctx: &Ctx, purpose: &str, token: &str, again: &str) -> Result<(), Response> {
        if self.from_elsewhere || ctx.csrf.check(&self.cookie, purpose, token).is_err() {
            let says =
                t("The page was open for too long, or the browser does not keep cookies for this site. Nothing was changed.");
            return Err(page::error(StatusCode::FORBIDDEN, t("Please try that again"), says, Some(again)));
        }
        Ok(())
    }

    /// What the browser calls itself, in words.
    pub fn device(&self) -> String {
        user_agent::name(self.user_agent.as_deref().unwrap_or_default())
    }

    /// What somebody did of their own in this visit, for the log.
    pub fn event(&self, event: &'static str, account: AccountId, detail: impl Into<String>) -> Event {
        by_web(self.peer.ip, event, account, detail)
    }

    /// The visitor, for the decision about a request; `fresh`: the sign-in was for that very request.
    pub fn visitor(&self, fresh: bool) -> Option<Visitor> {
        let session = self.session.as_ref()?;
        Some(Visitor {
            account: session.account,
            session: session.id,
            auth_time: session.authenticated_at,
            fresh,
            level: Level::of(&session.auth_methods),
            is_wanted: true,
        })
    }

    /// A page of ours; sets the cookie that its forms need.
    pub fn page(&self, template: &impl Template) -> Response {
        self.with_cookie(page::html(StatusCode::OK, template))
    }

    /// A page whose form may lead to another site, by `scheme`.
    pub fn leaving_page(&self, status: StatusCode, template: &impl Template, scheme: Option<&str>) -> Response {
        let mut response = page::html(status, template);
        if let Some(scheme) = scheme {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, headers::policy_for_leaving(scheme));
        }
        self.with_cookie(response)
    }

    /// A page that loads a script of ours; its form may lead to another site, by `scheme`.
    pub fn script_page(&self, status: StatusCode, template: &impl Template, scheme: Option<&str>) -> Response {
        let mut response = page::html(status, template);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, headers::policy_with_script(scheme));
        self.with_cookie(response)
    }

    fn with_cookie(&self, mut response: Response) -> Response {
        if let Some(field) = &self.new_cookie {
            response.headers_mut().append(header::SET_COOKIE, field.clone());
        }
        response
    }

    /// Begins a session for somebody who just proved who they are. It has a new secret, so that none
    /// that was known before is worth anything (session fixation).
    pub async fn sign_in(&self, ctx: &Ctx, account: AccountId, auth_methods: &str) -> Result<(Session, SignedIn), Trouble> {
        let secret = new_token();
        let now = ctx.now();
        let lives = ctx.policy().await?.session_life();
        let session = ctx
            .directory
            .add_session(NewSession {
                account,
                kind: SessionKind::Browser,
                // It is named when it is shown, in the language of who looks.
                label: String::new(),
                services: Services::default(),
                parent: None,
                client: None,
                secret_hash: Some(hash_token(secret.expose())),
                auth_methods: auth_methods.to_string(),
                authenticated_at: now,
                peer: Some(self.peer.ip),
                user_agent: self.user_agent.clone(),
                expires_at: Some(now.after(lives)),
            })
            .await?;
        // What this browser was signed in as before it leaves behind: but for what the same person let in with it.
        if let Some(old) = self.session.as_ref().filter(|old| old.account != account) {
            ctx.directory.end_session(old.id).await?;
        }
        let mark = mark_of(ctx, account);
        let is_new_device = !self.known.contains(&mark);
        let others = self.known.iter().filter(|known| **known != mark).take(KNOWN_PEOPLE_MAX - 1);
        let known = std::iter::once(&mark).chain(others).map(String::as_str).collect();
        Ok((session, SignedIn { secret: secret.expose().clone(), is_new_device, known, lives }))
    }

    /// Ends the session; the answer then takes the cookie away.
    pub async fn sign_out(&self, ctx: &Ctx, mut response: Response) -> Result<Response, Trouble> {
        if let Some(session) = &self.session {
            ctx.directory.end_session(session.id).await?;
        }
        response.headers_mut().extend(cookie::remove(SESSION_COOKIE).map(|field| (header::SET_COOKIE, field)));
        Ok(response)
    }
}

/// The secret of a session that has just begun.
pub struct SignedIn {
    secret: String,
    /// This browser was not seen with this person before.
    pub is_new_device: bool,
    known: String,
    lives: Duration,
}

impl SignedIn {
    /// A token bound to the new session, as [`Visit::form`] would give it on the next request.
    pub fn form(&self, ctx: &Ctx, purpose: &str) -> String {
        ctx.csrf.token(&self.secret, purpose)
    }

    /// Gives the browser its cookie.
    pub fn set(&self, mut response: Response) -> Response {
        let fields =
            [cookie::set(SESSION_COOKIE, &self.secret, Some(self.lives)), cookie::set(KNOWN_COOKIE, &self.known, Some(KNOWN_LIFE))];
        response.headers_mut().extend(fields.into_iter().flatten().map(|field| (header::SET_COOKIE, field)));
        response
    }
}

/// What a browser keeps of somebody who signed in with it: of use for nothing but to know it again.
fn mark_of(ctx: &Ctx, account: AccountId) -> String {
    let hash = ctx.vault().keyed_hash("known browser", &account.as_i64().to_be_bytes());
    hash.iter().take(MARK_LETTERS / 2).map(|octet| format!("{octet:02x}")).collect()
}

fn read_marks(cookie: &str) -> Vec<String> {
    let letters: Vec<char> = cookie.chars().take(MARK_LETTERS * KNOWN_PEOPLE_MAX).collect();
    letters.chunks(MARK_LETTERS).map(|mark| mark.iter().collect()).collect()
}

impl FromRequestParts<Arc<Ctx>> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, ctx: &Arc<Ctx>) -> Result<Self, Response> {
        Self::read(ctx, &parts.headers).await.map_err(page::trouble)
    }
}

/// What somebody did by a request, for the log.
pub fn by_web(peer: IpAddr, event: &'static str, account: AccountId, detail: impl Into<String>) -> Event {
    let detail = detail.into();
    Event { event, actor: Some(account), subject: Some(account), peer: Some(peer), service: Some(Service::Web), detail }
}

/// Sends the browser on with a GET. RFC 9700 §4.12: 303, for a 307 would post the password again.
pub fn see_other(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(error) => page::trouble(Trouble::from(error)),
    }
}
