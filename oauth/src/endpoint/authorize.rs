// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/authorize` (RFC 6749 §3.1): where a client's request becomes a question to a person.
//!
//! Nothing of a request is kept here: it travels as a query through the sign-in and consent pages and
//! is read anew by each, so a page that was left open still works. What is kept of requests that were
//! pushed, or come of devices, is bounded in `stranger.rs`: strangers cannot fill a table.

use std::sync::Arc;

use askama::Template;
use hearth_identity::grants::{Client, Code, NewCode, Registration};
use hearth_types::{Fault, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::{RawQuery, State};
use hearth_web::axum::http::{StatusCode, header};
use hearth_web::axum::response::Response;
use hearth_web::{Lang, headers, page, speak};
use serde_json::json;

use crate::client::profile::Profile;
use crate::client::{cimd, redirect};
use crate::ctx::Ctx;
use crate::endpoint::par;
use crate::error::ErrorCode;
use crate::jose::assertion;
use crate::limits::{AUTHORIZATION_REQUEST_BYTES_MAX, CODE_LIFE, ECHO_BYTES_MAX};
use crate::page::visit::{Visit, see_other};
use crate::page::{consent, sign_in};
use crate::registry;
use crate::request::authorization::{self, FRESH, Registered, Where};
use crate::request::claims;
use crate::request::grant::{Cancelled, Fulfilled, Mode, Next, Pending};
use crate::request::params::Params;
use crate::request::scope::Scopes;
use crate::rule::two_factors::{self, Missing};
use crate::{t, t1};

/// A request that was admitted, with its client.
#[derive(Debug)]
pub struct Admitted {
    /// Who asks.
    pub client: Client,
    /// It is only named yet: there is no such row.
    pub is_unmet: bool,
    /// What is asked.
    pub pending: Pending,
    /// The request as it travels between our pages; without the mark of a fresh sign-in.
    pub query: String,
    /// That mark, when it is there.
    pub fresh: Option<String>,
    /// The request was pushed (RFC 9126): the hash of its handle.
    pub pushed: Option<[u8; 32]>,
}

/// Why a request goes no further.
#[derive(Debug)]
pub enum Ended {
    /// A page says so.
    Page(Where),
    /// The client is told.
    Client(Cancelled),
}

/// GET.
pub async fn run(State(ctx): State<Arc<Ctx>>, visit: Visit, RawQuery(query): RawQuery) -> Response {
    answered(&ctx, respond(&ctx, &visit, &query.unwrap_or_default()).await)
}

/// POST: OpenID Connect Core §3.1.2.1 wants it. The browser sends no cookies with another site's form, so
/// the request goes on as a GET, which has them.
pub async fn post(State(ctx): State<Arc<Ctx>>, body: Bytes) -> Response {
    match std::str::from_utf8(&body).ok().filter(|body| body.len() <= AUTHORIZATION_REQUEST_BYTES_MAX) {
        Some(body) => see_other(&location_of(&Params::parse(body.as_bytes()).without(FRESH).encode())),
        None => answered(&ctx, Err(Fault::Peer(Ended::Page(Where::Malformed)))),
    }
}

/// The address of a request.
pub fn location_of(query: &str) -> String {
    format!("{}?{query}", const { registry::path("authorization_endpoint") })
}

/// Reads a request, looks its client up, and admits it or not.
pub async fn admit(ctx: &Ctx, query: &str) -> Result<Admitted, Fault<Ended>> {
    let page = |place: Where| Fault::Peer(Ended::Page(place));
    if query.len() > AUTHORIZATION_REQUEST_BYTES_MAX {
        return Err(page(Where::Malformed));
    }
    let params = Params::parse(query.as_bytes());
    let identifier = authorization::client_of(&params).map_err(page)?;
    let found = ctx.directory.find_client(identifier).await.map_err(Trouble::from)?;
    let is_unmet = found.is_none();
    let client = match found {
        Some(client) => client,
        None if cimd::is_url(identifier) && takes_strangers(ctx).await? => {
            cimd::unmet(identifier, params.field("redirect_uri"), ctx.now())
        }
        None => return Err(page(Where::Client)),
    };
    let registered = registered(ctx, &client);
    if client.disabled {
        return Err(page(if registered.profile.registration.is_some() { Where::Waiting } else { Where::Client }));
    }
    let pushed = params.find("request_uri").and_then(par::handle);
    // A request that was pushed is what was pushed, whatever else the address says.
    let asked = match pushed {
        Some(hash) => {
            let found = ctx.directory.find_pending(par::KIND, hash).await.map_err(Trouble::from)?;
            let found = found.filter(|found| found.client == client.id).ok_or_else(|| page(Where::Ended))?;
            Params::parse(found.request.as_bytes())
        }
        None if registered.profile.pushed_only => return Err(page(Where::NotPushed)),
        None => opened(ctx, &client, &registered, &params)?,
    };
    // OpenID Connect Core §3.1.2.1: the client knows the person's language, perhaps better than their browser.
    if let Some(lang) = Lang::find(asked.field("ui_locales").split(' ')) {
        speak(lang);
    }
    let redirect_uri = authorization::redirect_of(&asked, &registered).map_err(page)?;
    let mut pending =
        authorization::admit(&asked, &registered, redirect_uri).map_err(|cancelled| Fault::Peer(Ended::Client(cancelled)))?;
    // OpenID Connect Core §3.1.2.1: an ID token that we gave names who is expected; an old one will do.
    if let Some(hint) = asked.find("id_token_hint") {
        let hint = ctx.keys().verify(hint, "JWT").filter(|hint| hint["iss"] == ctx.issuer.as_str());
        match hint.and_then(|hint| hint["sub"].as_str().map(str::to_string)) {
            Some(subject) => pending.subject = pending.subject.or(Some(subject)),
            None => return Err(Fault::Peer(Ended::Client(pending.cancel(ErrorCode::InvalidRequest, "id_token_hint is not ours")))),
        }
    }
    let fresh = params.find(FRESH).map(str::to_string);
    Ok(Admitted { client, is_unmet, pending, query: params.without(FRESH).encode(), fresh, pushed })
}

async fn takes_strangers(ctx: &Ctx) -> Result<bool, Trouble> {
    Ok(ctx.directory.find_registration().await? != Registration::Off)
}

/// What is asked: in the request object, where a client that registered keys sends one (RFC 9101), else beside it.
pub(crate) fn asked(
    ctx: &Ctx,
    client: &Client,
    registered: &Registered,
    params: &Params,
) -> Result<Params, (ErrorCode, &'static str)> {
    match params.find("request").filter(|_| !registered.profile.keys.is_empty()) {
        Some(object) => assertion::request(ctx, client, object).map_err(|says| (ErrorCode::InvalidRequestObject, says)),
        None if registered.profile.signed_only => Err((ErrorCode::InvalidRequest, "this client signs its requests")),
        None => Ok(params.clone()),
    }
}

fn opened(ctx: &Ctx, client: &Client, registered: &Registered, params: &Params) -> Result<Params, Fault<Ended>> {
    let (code, says) = match asked(ctx, client, registered, params) {
        Ok(asked) => return Ok(asked),
        Err(refused) => refused,
    };
    let redirect_uri = authorization::redirect_of(params, registered).map_err(|place| Fault::Peer(Ended::Page(place)))?;
    let cancelled = Cancelled {
        redirect_uri: redirect_uri.to_string(),
        state: params.find("state").filter(|state| state.len() <= ECHO_BYTES_MAX).map(str::to_string),
        mode: Mode::Query,
        is_stranger: registered.profile.registration.is_some(),
        code,
        says: says.to_string(),
    };
    Err(Fault::Peer(Ended::Client(cancelled)))
}

/// A client as its requests are held to it.
pub fn registered(ctx: &Ctx, client: &Client) -> Registered {
    Registered {
        profile: Profile::of(client),
        issuer: ctx.issuer.clone(),
        identifier: client.identifier.clone(),
        redirect_uris: client.redirect_uris.clone(),
        scopes: Scopes::parse(&client.scopes.join(" ")),
        codes: client.grant_types.iter().any(|kind| kind == "authorization_code"),
    }
}

async fn respond(ctx: &Ctx, visit: &Visit, query: &str) -> Result<Response, Fault<Ended>> {
    cimd::meet(ctx, visit, query).await?;
    let admitted = admit(ctx, query).await?;
    if visit.session.is_some() && admitted.is_unmet {
        return Err(Fault::Peer(Ended::Page(Where::Client)));
    }
    let is_fresh = admitted.fresh.as_ref().is_some_and(|mark| {
        hearth_types::constant_time_eq(mark.as_bytes(), visit.form(ctx, &fresh_purpose(&admitted.query)).as_bytes())
    });
    let mut visitor = visit.visitor(is_fresh);
    // The household's rules: whoever has to prove it twice and did not is not signed in for anybody's sake.
    let missing = two_factors::missing(ctx, visit.session.as_ref()).await?;
    if missing.is_some() {
        visitor = None;
    }
    if let (Some(visitor), Some(subject)) = (&mut visitor, &admitted.pending.subject) {
        visitor.is_wanted = claims::subject(ctx, &admitted.client, visitor.account) == *subject;
    }
    let agreed = match &visitor {
        Some(visitor) => consent::is_given(ctx, visitor.account, &admitted).await?,
        None => false,
    };
    match admitted.pending.next(visitor.as_ref(), agreed, ctx.now()) {
        Next::SignIn if missing == Some(Missing::Factor) => Ok(two_factors::page(ctx, visit)),
        Next::SignIn => Ok(see_other(&sign_in::location_for(&admitted.query))),
        Next::Cancel(code) => {
            // RFC 9700 §4.11.2 excepts silent authentication: a stranger is told as well, where its address was looked at.
            let is_stranger = admitted.is_unmet;
            let cancelled = admitted.pending.cancel(code, "no page may be shown");
            Err(Fault::Peer(Ended::Client(Cancelled { is_stranger, ..cancelled })))
        }
        Next::Consent => consent::show(ctx, visit, &admitted).await,
        Next::Fulfil => fulfil(ctx, visit, admitted).await,
    }
}

/// What a mark of a fresh sign-in is bound to, beside the session: this request.
pub fn fresh_purpose(query: &str) -> String {
    format!("fresh {query}")
}

/// The person agreed: makes the code and sends the browser back with it.
pub async fn fulfil(ctx: &Ctx, visit: &Visit, admitted: Admitted) -> Result<Response, Fault<Ended>> {
    let Admitted { client, pending, pushed, .. } = admitted;
    let Some(visitor) = visit.visitor(true) else {
        return Err(Fault::Peer(Ended::Client(pending.cancel(ErrorCode::LoginRequired, "nobody is signed in"))));
    };
    if !ctx.directory.may_use_client(visitor.account, client.id).await.map_err(Trouble::from)? {
        let says = "this person may not use this client";
        return Err(Fault::Peer(Ended::Client(pending.cancel(ErrorCode::AccessDenied, says))));
    }
    let (state, mode) = (pending.state.clone(), pending.mode);
    let essential: Vec<&str> = pending.acr.iter().filter(|_| pending.acr_is_essential).map(|level| level.name()).collect();
    let request = json!({ "resources": pending.resources, "key": pending.key, "acr": essential }).to_string();
    let fulfilled = pending.fulfil(&visitor, ctx.now(), CODE_LIFE);
    let redirect_uri = fulfilled.redirect_uri.clone();
    let new = NewCode { code: to_stored(&client, fulfilled, request), lives: CODE_LIFE, pushed };
    // RFC 9126 §4: what was pushed becomes a code once.
    let Some(code) = ctx.directory.add_code(new).await.map_err(Trouble::from)? else {
        return Err(Fault::Peer(Ended::Page(Where::Ended)));
    };
    Ok(sent_on(&redirect_uri, mode, &Pending::answer(state.as_deref(), code.expose(), &ctx.issuer)))
}

#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPost<'a> {
    to: &'a str,
    params: &'a [(&'static str, &'a str)],
}

/// Takes an answer to the client, in the way that it wanted.
fn sent_on(redirect_uri: &str, mode: Mode, params: &[(&'static str, &str)]) -> Response {
    if mode == Mode::Query {
        return see_other(&redirect::with_params(redirect_uri, params));
    }
    let mut response = page::html(StatusCode::OK, &FormPost { to: redirect_uri, params });
    let policy = headers::policy_with_script(redirect::scheme(redirect_uri));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn to_stored(client: &Client, fulfilled: Fulfilled, request: String) -> Code {
    Code {
        client: client.id,
        account: fulfilled.account,
        session: fulfilled.session,
        redirect_uri: fulfilled.redirect_uri,
        scopes: fulfilled.scopes.iter().map(|scope| scope.name().to_string()).collect(),
        nonce: fulfilled.nonce,
        code_challenge: fulfilled.challenge.map(|challenge| challenge.as_str().to_string()),
        request,
        authenticated_at: fulfilled.auth_time,
        expires_at: fulfilled.expires_at,
    }
}

/// The answer of a page of the flow, whatever came of it.
pub fn answered(ctx: &Ctx, result: Result<Response, Fault<Ended>>) -> Response {
    match result {
        Ok(response) => response,
        Err(Fault::Ours(trouble)) => page::trouble(trouble),
        // RFC 9700 §4.11.2: anybody can register a client, so a browser is not sent there before a person was asked anything.
        Err(Fault::Peer(Ended::Client(cancelled))) if cancelled.is_stranger && cancelled.code != ErrorCode::AccessDenied => {
            let location = redirect::with_params(&cancelled.redirect_uri, &cancelled.answer(&ctx.issuer));
            let says = t1("The app sent a request that does not work: {}.", &cancelled.says);
            page::error(StatusCode::BAD_REQUEST, t("This sign-in cannot go on"), &says, Some(&location))
        }
        Err(Fault::Peer(Ended::Client(cancelled))) => {
            sent_on(&cancelled.redirect_uri, cancelled.mode, &cancelled.answer(&ctx.issuer))
        }
        // RFC 6749 §4.1.2.1: the browser is not sent to an address that we do not know.
        Err(Fault::Peer(Ended::Page(place))) => {
            let says = t("You can close this page. If this keeps happening, tell whoever set the app up.");
            let says = format!("{} {says}", t(place.says()));
            page::error(StatusCode::BAD_REQUEST, t("This sign-in cannot go on"), &says, None)
        }
    }
}

/// The scheme that the browser will leave by.
pub fn leaving_by(admitted: &Admitted) -> Option<&str> {
    redirect::scheme(&admitted.pending.redirect_uri)
}
