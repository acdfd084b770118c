// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/forward/...`: a login for apps that know no OpenID, asked for by the proxy before them (the home's own front
//! door, nginx `auth_request`, Caddy `forward_auth`).
//!
//! The proxy hands the app's own `/.hearth/...` on to us, and says in `X-Hearth-App` which app it is. That
//! field is no secret: what counts is the token in the app's cookie, which is the grant of one client (the one
//! that has `APP/.hearth/callback` as its redirect URI), and is looked up anew for each request, so that who is
//! signed out, or taken out of the app's group, is out at once.
//!
//! | path of the app | here | what it does |
//! |---|---|---|
//! | `/.hearth/check` | [`check`] | 200 with who it is in `Remote-User`, `-Name`, `-Email`, `-Groups`; 401; 403 |
//! | `/.hearth/start?to=/path` | [`start`] | off to the sign-in page, by the code flow |
//! | `/.hearth/callback` | [`callback`] | back with a code: the cookie, and on to the path |
//! | `/.hearth/out` | [`out`] | the cookie goes, and the token with it |

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_identity::grants::upstream::CALLBACK;
use hearth_identity::grants::{AccessToken, Client, Code, NewTokens, new_token};
use hearth_types::{Secret, Trouble, constant_time_eq};
use hearth_web::axum::extract::{RawQuery, State};
use hearth_web::axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hearth_web::axum::response::{IntoResponse, Response};
use hearth_web::{cookie, page};

use crate::ctx::Ctx;
use crate::limits::{FORWARD_LIFE, FORWARD_START_WITHIN, REDIRECT_URI_BYTES_MAX};
use crate::page::visit::see_other;
use crate::registry;
use crate::request::claims;
use crate::request::params::Params;
use crate::request::pkce::Challenge;
use crate::request::scope::Scopes;
use crate::rule::two_factors;
use crate::t;

/// Which app asks; written by the proxy.
const APP: &str = "x-hearth-app";
/// The home's own front door asks: it lets nobody else say so.
const DOOR: &str = "x-hearth-door";
/// What it wants to know besides: where the app is.
const UPSTREAM: &str = "x-hearth-upstream";
/// What the cookie's token is bound to (RFC 9449 §6): the thumbprint of no key, so that it opens nothing but [`check`] to an
/// app that reads the cookies of its own host.
const BOUND: &str = "forward";
/// The token, on the app's own host.
const COOKIE: &str = "__Host-hearth-app";
/// What ties a sign-in to the browser that began it.
const START: &str = "__Host-hearth-app-start";
const SCOPES: &str = "openid email profile groups";

/// The client of the app that a proxy stands before.
async fn client_of(ctx: &Ctx, headers: &HeaderMap) -> Result<Option<(Client, String)>, Trouble> {
    let app = headers.get(APP).and_then(|app| app.to_str().ok()).unwrap_or_default().trim_end_matches('/');
    let callback = format!("{app}{CALLBACK}");
    if app.is_empty() || callback.len() > REDIRECT_URI_BYTES_MAX {
        return Ok(None);
    }
    let found = ctx.directory.find_client_of_redirect_uri(&callback).await?;
    Ok(found.map(|client| (client, callback)))
}

fn unknown() -> Response {
    (StatusCode::FORBIDDEN, "X-Hearth-App names no app of this home").into_response()
}

/// GET, and whatever the app was asked with: may this request go on to the app?
pub async fn check(State(ctx): State<Arc<Ctx>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    match decide(&ctx, &headers, &Params::parse(query.unwrap_or_default().as_bytes())).await {
        Ok(response) => response,
        Err(trouble) => page::trouble(trouble),
    }
}

async fn decide(ctx: &Ctx, headers: &HeaderMap, params: &Params) -> Result<Response, Trouble> {
    let Some((client, _)) = client_of(ctx, headers).await? else {
        return Ok(unknown());
    };
    let token = cookie::find(headers, COOKIE).unwrap_or_default();
    let found = ctx.directory.find_access_token(&Secret::new(token.to_string())).await?;
    let is_ours = |token: &AccessToken| token.client == client.id && token.confirmation.as_deref() == Some(BOUND);
    let Some(found) = found.filter(|token| !token.is_over && is_ours(token)) else {
        return Ok(not_signed_in(headers, params));
    };
    let Some(account) = ctx.directory.find_account(found.account).await? else {
        return Ok(not_signed_in(headers, params));
    };
    if !ctx.directory.may_use_client(account.id, client.id).await? {
        return Ok((StatusCode::FORBIDDEN, "this app is for others of the home").into_response());
    }
    if two_factors::falls_short(ctx, found.session, &account).await? {
        return Ok(not_signed_in(headers, params));
    }
    let scopes = Scopes::parse(SCOPES);
    let person = claims::person(ctx, &client, &account, scopes).await?;
    let mut response = StatusCode::OK.into_response();
    for (name, value) in [
        ("remote-user", claims::user_name(&account, &ctx.domain)),
        ("remote-name", account.name.clone()),
        ("remote-email", account.primary.to_string()),
        ("remote-groups", person.groups.join(",")),
    ] {
        // Names may have letters that a field cannot carry as they are (RFC 9110 §5.5): UTF-8 passes as obs-text. Each field is
        // there, empty if need be: one that was not would be the browser's to send.
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap_or(HeaderValue::from_static(""));
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    if let Some(upstream) = client.upstream().filter(|_| headers.contains_key(DOOR)) {
        response.headers_mut().extend(HeaderValue::from_str(&upstream).map(|at| (HeaderName::from_static(UPSTREAM), at)));
    }
    Ok(response)
}

/// nginx wants 401 and redirects itself. Caddy passes on what it is told, so it asks with `redirect`, and says in
/// `X-Forwarded-Uri` what was asked for.
fn not_signed_in(headers: &HeaderMap, params: &Params) -> Response {
    if params.find("redirect").is_none() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let asked = headers.get("x-forwarded-uri").and_then(|uri| uri.to_str().ok()).unwrap_or("/");
    see_other(&format!("/.hearth/start?{}", Params::default().with("to", path(asked)).encode()))
}

/// A path of the app, and nothing that a browser could take for another host.
fn path(text: &str) -> &str {
    let sound = text.starts_with('/')
        && !text.starts_with("//")
        && text.len() <= REDIRECT_URI_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if sound { text } else { "/" }
}

/// Where to go afterwards. nginx writes `to=$request_uri` as it came, with a query of its own.
fn to_of(query: &str) -> String {
    match query.strip_prefix("to=").filter(|raw| raw.starts_with('/')) {
        Some(raw) => path(raw).to_string(),
        None => path(Params::parse(query.as_bytes()).field("to")).to_string(),
    }
}

/// GET: off to the sign-in page.
pub async fn start(State(ctx): State<Arc<Ctx>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    match begin(&ctx, &headers, &to_of(&query)).await {
        Ok(response) => response,
        Err(trouble) => page::trouble(trouble),
    }
}

async fn begin(ctx: &Ctx, headers: &HeaderMap, to: &str) -> Result<Response, Trouble> {
    let Some((client, callback)) = client_of(ctx, headers).await? else {
        return Ok(unknown());
    };
    let mark = new_token();
    let state = format!("{}.{}", seal(ctx, &client, mark.expose(), to), URL_SAFE_NO_PAD.encode(to));
    let verifier = verifier(ctx, &client, mark.expose());
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    let request = [
        ("client_id", client.identifier.as_str()),
        ("redirect_uri", &callback),
        ("response_type", "code"),
        ("scope", SCOPES),
        ("state", &state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let request = request.into_iter().fold(Params::default(), |params, (name, value)| params.with(name, value));
    let location = format!("{}{}?{}", ctx.issuer, const { registry::path("authorization_endpoint") }, request.encode());
    let mut response = see_other(&location);
    let field = cookie::set(START, mark.expose(), Some(FORWARD_START_WITHIN));
    response.headers_mut().extend(field.map(|field| (header::SET_COOKIE, field)));
    Ok(response)
}

/// What only we can have made for this browser, app and path.
fn seal(ctx: &Ctx, client: &Client, mark: &str, to: &str) -> String {
    let data = format!("{}\0{mark}\0{to}", client.identifier);
    URL_SAFE_NO_PAD.encode(ctx.vault().keyed_hash("forward state", data.as_bytes()))
}

/// The code verifier (RFC 7636 §4.1): 43 letters that follow from the mark, so that it need not be kept.
fn verifier(ctx: &Ctx, client: &Client, mark: &str) -> String {
    let data = format!("{}\0{mark}", client.identifier);
    URL_SAFE_NO_PAD.encode(ctx.vault().keyed_hash("forward verifier", data.as_bytes()))
}

/// GET: back with a code.
pub async fn callback(State(ctx): State<Arc<Ctx>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    match enter(&ctx, &headers, &params).await {
        Ok(response) => response,
        Err(trouble) => page::trouble(trouble),
    }
}

async fn enter(ctx: &Ctx, headers: &HeaderMap, params: &Params) -> Result<Response, Trouble> {
    let Some((client, callback)) = client_of(ctx, headers).await? else {
        return Ok(unknown());
    };
    let refused = |says: &str| page::error(StatusCode::FORBIDDEN, t("You are not let in"), says, Some("/"));
    let (sealed, to) = params.field("state").split_once('.').unwrap_or_default();
    let to = URL_SAFE_NO_PAD.decode(to).ok().and_then(|to| String::from_utf8(to).ok()).unwrap_or_default();
    let mark = cookie::find(headers, START).filter(|mark| !mark.is_empty());
    // Without the mark of this browser, somebody could sign another in as themselves.
    let Some(mark) = mark.filter(|mark| constant_time_eq(seal(ctx, &client, mark, &to).as_bytes(), sealed.as_bytes())) else {
        return Ok(refused(t("This sign-in did not begin in this browser, or began long ago. Try again.")));
    };
    if params.find("code").is_none() || params.find("iss") != Some(&ctx.issuer) {
        let says = if params.find("error") == Some("access_denied") {
            t("This app is for others of the home.")
        } else {
            t("The sign-in ended without an answer.")
        };
        return Ok(refused(says));
    }
    let (verifier, now) = (verifier(ctx, &client, mark), ctx.now());
    let fits = move |stored: &Code| -> Option<NewTokens> {
        let challenge = Challenge::from_stored(stored.code_challenge.as_deref()?)?;
        let sound = stored.redirect_uri == callback && challenge.admits(&verifier) && now < stored.expires_at;
        sound.then(|| NewTokens { access_lives: FORWARD_LIFE, confirmation: Some(BOUND.to_string()), ..NewTokens::default() })
    };
    let code = Secret::new(params.field("code").to_string());
    let Ok(redeemed) = ctx.directory.redeem_code(&code, client.id, &client.name, fits).await? else {
        return Ok(refused(t("The answer was used before, or came too late. Try again.")));
    };
    let mut response = see_other(path(&to));
    for field in [cookie::set(COOKIE, redeemed.tokens.access.expose(), Some(FORWARD_LIFE)), cookie::remove(START)] {
        response.headers_mut().extend(field.map(|field| (header::SET_COOKIE, field)));
    }
    Ok(response)
}

/// GET: out of this app. Whoever leads somebody here by a link signs them out, and no more.
pub async fn out(State(ctx): State<Arc<Ctx>>, headers: HeaderMap) -> Response {
    if let Some(token) = cookie::find(&headers, COOKIE).filter(|token| !token.is_empty()) {
        let removed = ctx.directory.remove_access_token(&Secret::new(token.to_string())).await;
        if let Err(error) = removed {
            return page::trouble(Trouble::from(error));
        }
    }
    let mut response = page::error(StatusCode::OK, t("You are signed out of this app"), t("You can close this page."), Some("/"));
    response.headers_mut().extend(cookie::remove(COOKIE).map(|field| (header::SET_COOKIE, field)));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_app() {
        for good in ["/", "/photos?album=1&x=%2F", "/a//b"] {
            assert_eq!(path(good), good);
        }
        for bad in ["", "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/a b", "/\r\nx"] {
            assert_eq!(path(bad), "/", "{bad:?}");
        }
        assert_eq!(to_of("to=/a?b=c&d=%2F"), "/a?b=c&d=%2F");
        assert_eq!(to_of("to=%2Fa%3Fb"), "/a?b");
        assert_eq!((to_of("to=//evil.example"), to_of("")), ("/".into(), "/".into()));
        let long = format!("/{}", "a".repeat(REDIRECT_URI_BYTES_MAX));
        assert_eq!(path(&long[..REDIRECT_URI_BYTES_MAX]).len(), REDIRECT_URI_BYTES_MAX);
        assert_eq!(path(&long), "/");
    }
}
