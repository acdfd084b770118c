// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/consent`: the question to a person, and their answer.

use std::sync::Arc;

use askama::Template;
use hearth_types::{AccountId, Fault, Trouble};
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;

use crate::client::redirect;
use crate::ctx::Ctx;
use crate::endpoint::authorize::{self, Admitted, Ended, admit, answered, leaving_by};
use crate::error::ErrorCode;
use crate::notice::{Notice, tell};
use crate::page::visit::{Visit, see_other};
use crate::request::params::Params;
use crate::request::scope::{Scope, Scopes};
use crate::t;

/// Where the answer is posted.
pub const PATH: &str = "/consent";

#[derive(Template)]
#[template(path = "consent.html")]
struct Page<'a> {
    app: &'a str,
    place: &'a str,
    name: &'a str,
    address: &'a str,
    initial: char,
    can: Vec<&'static str>,
    is_mail: bool,
    is_stranger: bool,
    request: &'a str,
    form: String,
}

/// Has this person agreed to all of this for this client before, or does the client belong to the house?
pub async fn is_given(ctx: &Ctx, account: AccountId, admitted: &Admitted) -> Result<bool, Fault<Ended>> {
    if admitted.client.trusted {
        return Ok(true);
    }
    let given = ctx.directory.find_consent(account, admitted.client.id).await.map_err(Trouble::from)?;
    Ok(given.is_some_and(|given| admitted.pending.scopes.within(Scopes::parse(&given.join(" ")))))
}

/// The page that asks.
pub async fn show(ctx: &Ctx, visit: &Visit, admitted: &Admitted) -> Result<Response, Fault<Ended>> {
    let account = match &visit.session {
        Some(session) => ctx.directory.find_account(session.account).await.map_err(Trouble::from)?,
        None => None,
    };
    let account = account.ok_or_else(|| Trouble::new("a session without its account"))?;
    let address = account.primary.to_string();
    let name = if account.name.is_empty() { account.primary.local() } else { &account.name };
    let page = Page {
        app: &admitted.client.name,
        place: place_of(&admitted.pending.redirect_uri),
        name,
        address: &address,
        initial: name.chars().next().unwrap_or('?').to_uppercase().next().unwrap_or('?'),
        can: admitted.pending.scopes.iter().filter(|scope| *scope != Scope::Openid).map(|scope| t(scope.says())).collect(),
        is_mail: admitted.pending.scopes.has(Scope::Mail),
        is_stranger: admitted.pending.is_stranger,
        request: &admitted.query,
        form: visit.form(ctx, &purpose(&admitted.query)),
    };
    Ok(visit.leaving_page(StatusCode::OK, &page, leaving_by(admitted)))
}

/// The answer counts for the very request that the page showed.
fn purpose(query: &str) -> String {
    format!("consent {query}")
}

/// Where the app lives, as a person reads it: the host of its address, without a user or a path.
fn place_of(uri: &str) -> &str {
    let (scheme, rest) = uri.split_once("://").unwrap_or((redirect::scheme(uri).unwrap_or_default(), ""));
    if scheme != "https" && scheme != "http" {
        return t("an app on this device");
    }
    if redirect::is_loopback(uri) {
        return t("an app on this device");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// POST.
pub async fn post(State(ctx): State<Arc<Ctx>>, visit: Visit, body: Bytes) -> Response {
    let form = Params::parse(&body);
    let query = form.field("request");
    if let Err(response) = visit.check_form(&ctx, &purpose(query), form.field("form"), &authorize::location_of(query)) {
        return response;
    }
    answered(&ctx, decide(&ctx, &visit, query, form.field("decision")).await)
}

async fn decide(ctx: &Ctx, visit: &Visit, query: &str, decision: &str) -> Result<Response, Fault<Ended>> {
    // Admitted again: the client may have been changed while the page was open.
    let admitted = admit(ctx, query).await?;
    let Some(session) = &visit.session else {
        return Ok(see_other(&authorize::location_of(query)));
    };
    // The rules may have changed while the page was open.
    if crate::rule::two_factors::missing(ctx, Some(session)).await?.is_some() {
        return Ok(see_other(&authorize::location_of(query)));
    }
    if decision != "allow" {
        let cancelled = admitted.pending.cancel(ErrorCode::AccessDenied, "the person said no");
        return Err(Fault::Peer(Ended::Client(cancelled)));
    }
    let before = ctx.directory.find_consent(session.account, admitted.client.id).await.map_err(Trouble::from)?;
    let agreed: Vec<String> = Scopes::parse(&before.as_deref().unwrap_or_default().join(" "))
        .iter()
        .chain(admitted.pending.scopes.iter())
        .collect::<Scopes>()
        .iter()
        .map(|scope| scope.name().to_string())
        .collect();
    let (is_new, name, account) = (before.is_none(), admitted.client.name.clone(), session.account);
    visit.directory(ctx).add_consent(session.account, admitted.client.id, &agreed).await.map_err(Trouble::from)?;
    let response = authorize::fulfil(ctx, visit, admitted).await?;
    if is_new && let Some(account) = ctx.directory.find_account(account).await.map_err(Trouble::from)? {
        tell(ctx, visit, &account, Notice::AppConnected, &name).await;
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_app_lives() {
        for (uri, place) in [
            ("https://photos.example/cb?x=/y", "photos.example"),
            ("https://photos.example:8443/cb", "photos.example:8443"),
            ("https://user@photos.example/cb", "photos.example"),
            ("http://127.0.0.1:5000/cb", "an app on this device"),
            ("http://[::1]:5000/cb", "an app on this device"),
            ("http://localhost.example/cb", "localhost.example"),
            ("app.immich:///oauth-callback", "an app on this device"),
            ("com.example:/cb", "an app on this device"),
        ] {
            assert_eq!(place_of(uri), place, "{uri}");
        }
    }
}
