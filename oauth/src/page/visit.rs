// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who sits before the browser: the cookies of a request, and what our pages do with them.
//!
//! `__Host-hearth` is the secret of a session (the directory keeps its hash). `__Host-hearth-visit`
//! is a random value for those who are not signed in, so that their forms can be told from others'.
//! `__Host-hearth-known` says who signed in with this browser before ([`Marks`]).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use hearth_identity::Directory;
use hearth_identity::directory::{Account, By, Event, NewSession, Session, SessionKind};
use hearth_identity::grants::{hash_token, new_token};
use hearth_identity::service::{Service, Services};
use hearth_types::{AccountId, Secret, Trouble};
use hearth_web::axum::extract::FromRequestParts;
use hearth_web::axum::http::request::Parts;
use hearth_web::axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use hearth_web::axum::response::{IntoResponse, Response};
use hearth_web::{Peer, cookie, headers, page, same_origin};

use crate::ctx::Ctx;
use crate::gate::Marks;
use crate::limits::{FORM_ONCE, KNOWN_LIFE};
use crate::page::done::Done;
use crate::page::user_agent;
use crate::request::grant::Visitor;
use crate::request::level::Level;
use crate::request::params::Params;
use crate::t;

const SESSION_COOKIE: &str = "__Host-hearth";
const VISIT_COOKIE: &str = "__Host-hearth-visit";
const KNOWN_COOKIE: &str = "__Host-hearth-known";

/// A visit to one of our pages. As an extractor it answers with a page when the directory fails.
#[derive(Debug)]
pub struct Visit {
    /// From where.
    pub peer: Peer,
    /// Who is signed in.
    pub session: Option<Session>,
    user_agent: Option<String>,
    /// The cookie that forms are bound to: who is signed in has no other secret.
    cookie: Secret<String>,
    /// That cookie, when the browser does not have it yet.
    new_cookie: Option<HeaderValue>,
    from_elsewhere: bool,
    /// Those who signed in with this browser before.
    pub known: Marks,
    /// What was done before this page.
    done: Option<Done>,
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
            Some(value) => (Secret::new(value.to_string()), None),
            None => {
                let value = new_token();
                let field = cookie::set(VISIT_COOKIE, value.expose(), None).map(sensitive);
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
            done: None,
            known: Marks::read(cookie::find(fields, KNOWN_COOKIE).unwrap_or_default()),
        })
    }

    /// The directory, for changes by who is signed in here: the log says so.
    pub fn directory(&self, ctx: &Ctx) -> Directory {
        let actor = self.session.as_ref().map(|session| session.account);
        ctx.directory.by(By { actor, peer: Some(self.peer.ip), door: Some(Service::Web.name()), program: None })
    }

    /// Writes down what somebody did with their own account.
    pub async fn note(&self, ctx: &Ctx, account: AccountId, event: &'static str, detail: &str) -> Result<(), Trouble> {
        let event = Event { event, actor: Some(account), subject: Some(account), detail: detail.to_string(), ..Event::default() };
        Ok(self.directory(ctx).add_audit(event).await?)
    }

    /// The token for a form of ours.
    pub fn form(&self, ctx: &Ctx, purpose: &str) -> String {
        ctx.csrf.token(self.cookie.expose(), purpose)
    }

    /// Is this a token that [`Visit::form`] gave to this visit, for this purpose?
    pub fn is_form(&self, ctx: &Ctx, purpose: &str, token: &str) -> bool {
        ctx.csrf.check(self.cookie.expose(), purpose, token).is_ok()
    }

    /// Does a form come from a page of ours, in this visit? When not, the page that says so.
    #[expect(clippy::result_large_err, reason = "the error is the answer")]
    pub fn check_form(&self, ctx: &Ctx, purpose: &str, token: &str, again: &str) -> Result<(), Response> {
        if self.from_elsewhere || ctx.csrf.check(self.cookie.expose(), purpose, token).is_err() {
            let says =
                t("The page was open for too long, or the browser does not keep cookies for this site. Nothing was changed.");
            return Err(page::error(StatusCode::FORBIDDEN, t("Please try that again"), says, Some(again)));
        }
        Ok(())
    }

    /// What was done before this page, in words.
    pub fn done(&self) -> Option<&'static str> {
        self.done.map(Done::says)
    }

    /// The field `once` of a form that makes something.
    pub fn once() -> String {
        new_token().expose().clone()
    }

    /// Was this very form carried out before, as by a reload of its answer?
    pub async fn is_repeated(&self, ctx: &Ctx, form: &Params) -> Result<bool, Trouble> {
        if form.find("once").is_none() {
            return Ok(false);
        }
        let mark = hash_token(&format!("{} {}", self.cookie.expose(), form.encode()));
        Ok(!ctx.directory.see_once("form", mark, FORM_ONCE).await?)
    }

    /// Who is signed in.
    pub async fn account(&self, ctx: &Ctx) -> Result<Option<Account>, Trouble> {
        match &self.session {
            Some(session) => Ok(ctx.directory.find_account(session.account).await?),
            None => Ok(None),
        }
    }

    /// What the browser calls itself, in words.
    pub fn device(&self) -> String {
        user_agent::name(self.user_agent())
    }

    /// The same as the browser says it.
    pub fn user_agent(&self) -> &str {
        self.user_agent.as_deref().unwrap_or_default()
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

    /// Begins a session for somebody who just proved who they are, or goes on in theirs. It has a new secret, so that none
    /// that was known before is worth anything (session fixation).
    pub async fn sign_in(&self, ctx: &Ctx, account: AccountId, auth_methods: &str) -> Result<(Session, SignedIn), Trouble> {
        let secret = new_token();
        let now = ctx.now();
        let lives = ctx.policy().await?.session_life();
        let new = NewSession {
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
        };
        let session = ctx.directory.sign_in_browser(new, self.session.as_ref().map(|session| session.id)).await?;
        ctx.doorkeeper.know_network(account, self.peer.ip).await?;
        let is_new_device = !self.known.know(ctx.vault(), account);
        let known = self.known.cookie_with(ctx.vault(), account);
        Ok((session, SignedIn { secret, is_new_device, known, lives }))
    }

    /// Ends the session; the answer then takes the cookie away.
    pub async fn sign_out(&self, ctx: &Ctx, mut response: Response) -> Result<Response, Trouble> {
        if let Some(session) = &self.session {
            ctx.directory.end_session(session.id).await?;
            self.note(ctx, session.account, "logout", &user_agent::in_log(session)).await?;
        }
        response.headers_mut().extend(cookie::remove(SESSION_COOKIE).map(|field| (header::SET_COOKIE, field)));
        Ok(response)
    }
}

/// The secret of a session that has just begun.
pub struct SignedIn {
    secret: Secret<String>,
    /// This browser was not seen with this person before.
    pub is_new_device: bool,
    known: Secret<String>,
    lives: Duration,
}

impl SignedIn {
    /// A token bound to the new session, as [`Visit::form`] would give it on the next request.
    pub fn form(&self, ctx: &Ctx, purpose: &str) -> String {
        ctx.csrf.token(self.secret.expose(), purpose)
    }

    /// Gives the browser its cookie.
    pub fn set(&self, mut response: Response) -> Response {
        let fields = [
            cookie::set(SESSION_COOKIE, self.secret.expose(), Some(self.lives)),
            cookie::set(KNOWN_COOKIE, self.known.expose(), Some(KNOWN_LIFE)),
        ];
        response.headers_mut().extend(fields.into_iter().flatten().map(|field| (header::SET_COOKIE, field)));
        response
    }
}

/// A field that `Debug` does not show.
fn sensitive(mut field: HeaderValue) -> HeaderValue {
    field.set_sensitive(true);
    field
}

impl FromRequestParts<Arc<Ctx>> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, ctx: &Arc<Ctx>) -> Result<Self, Response> {
        let mut visit = Self::read(ctx, &parts.headers).await.map_err(page::trouble)?;
        visit.done = Done::find(Params::parse(parts.uri.query().unwrap_or_default().as_bytes()).field("done"));
        Ok(visit)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_in_a_log_shows_no_cookie() {
        let visit = Visit {
            peer: Peer::from_headers(&HeaderMap::new()),
            session: None,
            user_agent: Some("a browser".into()),
            cookie: Secret::new("the-secret-of-a-session".into()),
            new_cookie: cookie::set(VISIT_COOKIE, "the-secret-of-a-visit", None).map(sensitive),
            from_elsewhere: false,
            known: Marks::read(&"the-secret-of-marks".repeat(10)),
            done: None,
        };
        let shown = format!("{visit:?}");
        assert!(shown.contains("a browser") && !shown.contains("the-secret"), "{shown}");
    }
}
