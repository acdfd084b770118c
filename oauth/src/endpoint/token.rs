// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/token` (RFC 6749 §3.2): a code, a refresh token, a device's code, a program's own proof or another token becomes tokens.

mod client_credentials;
mod code;
mod device;
pub mod exchange;
mod refresh;

use std::net::IpAddr;
use std::sync::Arc;

use hearth_identity::Directory;
use hearth_identity::directory::{Account, By, Session};
use hearth_identity::grants::{Client, NewTokens, Tokens};
use hearth_types::{AccountId, Fault, Secret, SessionId, Timestamp, Trouble};
use hearth_web::Peer;
use hearth_web::axum::body::Bytes;
use hearth_web::axum::extract::State;
use hearth_web::axum::http::{HeaderMap, StatusCode};
use hearth_web::axum::response::Response;
use serde_json::{Value, json};

use crate::client::authentication::authenticate;
use crate::client::profile::Profile;
use crate::ctx::Ctx;
use crate::endpoint::device_grant;
use crate::error::{Answer, ErrorCode, Refusal, answered, json as json_response, ours, refuse};
use crate::jose::dpop;
use crate::limits::SIGNED_ACCESS_TOKEN_LIFE;
use crate::notice::{Notice, tell_of_program};
use crate::request::claims::{self, IdToken};
use crate::request::level::Level;
use crate::request::params::{Params, ParamsError};
use crate::request::resource;
use crate::request::scope::{Scope, Scopes};
use crate::rule::policy::Policy;
use crate::{registry, stranger};

const KNOWN: [&str; 16] = [
    "grant_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "device_code",
    "subject_token",
    "subject_token_type",
    "requested_token_type",
    "actor_token",
    "actor_token_type",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
];

/// Who asks, and for what kind of token.
#[derive(Clone)]
struct Asked {
    client: Client,
    profile: Profile,
    /// What the household chose: how long it lasts.
    policy: Arc<Policy>,
    /// RFC 8707: for whom.
    resources: Vec<String>,
    /// RFC 9449: the thumbprint of the key that was shown.
    key: Option<String>,
    /// From where.
    peer: IpAddr,
}

/// POST.
pub async fn run(State(ctx): State<Arc<Ctx>>, headers: HeaderMap, body: Bytes) -> Response {
    answered(respond(&ctx, &headers, &body).await)
}

async fn respond(ctx: &Ctx, headers: &HeaderMap, body: &[u8]) -> Answer {
    let params = read_body(headers, body, &KNOWN)?;
    let client = authenticate(ctx, headers, &params).await?;
    let grant = params.find("grant_type").map_or_else(|| refuse(ErrorCode::InvalidRequest, "grant_type is missing"), Ok)?;
    if !registry::speaks("grant_types_supported", grant) {
        return refuse(ErrorCode::UnsupportedGrantType, "this grant_type is not spoken here");
    }
    if !client.grant_types.iter().any(|kind| kind == grant) {
        return refuse(ErrorCode::UnauthorizedClient, "this client may not use this grant");
    }
    let profile = Profile::of(&client);
    // RFC 9449 §5: looked at before a code or a refresh token is spent.
    stranger::admit_proof(ctx, &client, headers)?;
    let key = match dpop::read(ctx, headers, "POST", const { registry::path("token_endpoint") }, None).await? {
        Ok(None) if profile.bound_only => return refuse(ErrorCode::InvalidDpopProof, "this client shows a DPoP proof"),
        Ok(proof) => proof.map(|proof| proof.thumbprint),
        Err(error) => return refuse(ErrorCode::InvalidDpopProof, error.0),
    };
    let Some(resources) = resource::read(&params, &profile, &ctx.issuer) else {
        return refuse(ErrorCode::InvalidTarget, "no such resource for this client");
    };
    let peer = Peer::from_headers(headers).ip;
    let asked = Asked { client, profile, policy: ctx.policy().await?, resources, key, peer };
    match grant {
        "authorization_code" => code::run(ctx, &asked, &params).await,
        "refresh_token" => refresh::run(ctx, &asked, &params).await,
        "client_credentials" => client_credentials::run(ctx, &asked, &params).await,
        device_grant::GRANT => device::run(ctx, &asked, &params).await,
        exchange::GRANT => exchange::run(ctx, &asked, &params).await,
        _ => refuse(ErrorCode::UnsupportedGrantType, "this grant_type is not spoken here"),
    }
}

/// The parameters of a body; RFC 6749 §3.2: each at most once. Those of a query do not count, for
/// queries are written to logs.
pub fn read_body(headers: &HeaderMap, body: &[u8], known: &[&str]) -> Result<Params, Fault<Refusal>> {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return refuse(ErrorCode::InvalidRequest, "the body must be application/x-www-form-urlencoded");
    }
    let params = Params::parse(body);
    match params.check(known) {
        Ok(()) => Ok(params),
        Err(error @ (ParamsError::Twice(_) | ParamsError::TooMany)) => refuse(ErrorCode::InvalidRequest, error.to_string()),
    }
}

impl Asked {
    /// The directory, for what this client does with somebody's tokens.
    fn directory(&self, ctx: &Ctx) -> Directory {
        ctx.directory.by(By { peer: Some(self.peer), ..By::default() })
    }

    /// Tells somebody that what this client had of them was used by two, and is ended.
    async fn tell_of_theft(&self, ctx: &Ctx, account: AccountId) -> Result<(), Trouble> {
        if let Some(account) = ctx.directory.find_account(account).await? {
            tell_of_program(ctx, &self.peer, &account, Notice::TokenStolen, &self.client.name).await;
        }
        Ok(())
    }

    /// How tokens for these scopes are made. `granted`: the resources of the grant, if it names any; `None` when
    /// more is asked for.
    fn tokens(&self, scopes: Scopes, granted: &[String]) -> Option<NewTokens> {
        let resources = if self.resources.is_empty() { granted } else { &self.resources };
        if !granted.is_empty() && !resources.iter().all(|one| granted.contains(one)) {
            return None;
        }
        let refreshes = self.client.grant_types.iter().any(|kind| kind == "refresh_token");
        // RFC 9449 §5 lets us: a mail program's SASL has no place for a proof, so what opens mail is not bound.
        let confirmation = self.key.clone().filter(|_| !scopes.has(Scope::Mail));
        Some(NewTokens {
            access_lives: if self.signs(scopes) { SIGNED_ACCESS_TOKEN_LIFE } else { self.policy.access_life() },
            refresh_lives: refreshes.then(|| self.policy.refresh_life()),
            audience: resources.join(" "),
            binds_refresh: self.client.is_public(),
            confirmation,
        })
    }

    /// Is the access token one of RFC 9068? Not for mail: what opens mail can be taken back at once.
    fn signs(&self, scopes: Scopes) -> bool {
        self.profile.signed_access && !scopes.has(Scope::Mail)
    }
}

/// Who a grant speaks for.
pub struct Granted {
    /// Them.
    pub account: Account,
    /// When they proved it.
    pub auth_time: Timestamp,
    /// How (RFC 8176), with a space between.
    pub auth_methods: String,
    /// In which browser session.
    pub browser: Option<SessionId>,
}

/// What tokens need to know of the session of a grant, and of the browser that it came of.
pub async fn granted(ctx: &Ctx, session: &Session) -> Result<Option<Granted>, Trouble> {
    let browser = match session.parent {
        Some(parent) => ctx.directory.find_session(parent).await?,
        None => None,
    };
    let account = ctx.directory.find_account(session.account).await?;
    Ok(account.map(|account| Granted {
        account,
        auth_time: session.authenticated_at,
        auth_methods: browser.map_or_else(|| session.auth_methods.clone(), |browser| browser.auth_methods),
        browser: session.parent,
    }))
}

/// What an ID token owes to the request that it answers.
#[derive(Default)]
struct Owed<'a> {
    /// `nonce`.
    nonce: Option<&'a str>,
    /// The `acr` that will do alone, when that was essential.
    acr: Vec<Level>,
}

/// RFC 6749 §5.1, with the ID token of OpenID Connect Core §3.1.3.3.
async fn finish(ctx: &Ctx, asked: &Asked, mut tokens: Tokens, owed: Owed<'_>) -> Answer {
    let session = ctx.directory.find_session(tokens.session).await.map_err(ours)?;
    let granted = match session {
        Some(session) => granted(ctx, &session).await?,
        None => None,
    };
    let Some(granted) = granted else {
        return refuse(ErrorCode::InvalidGrant, "the grant has ended");
    };
    let scopes = Scopes::parse(&tokens.scopes.join(" "));
    let person = claims::person(ctx, &asked.client, &granted.account, scopes).await?;
    if asked.signs(scopes) {
        let signed = Secret::new(access_token(ctx, asked, &granted, &tokens, &person, None)?);
        ctx.directory.replace_access_token(&tokens.access, &signed).await.map_err(ours)?;
        tokens.access = signed;
    }
    let mut body = json!({
        "access_token": tokens.access.expose(),
        "token_type": if tokens.confirmation.is_some() { "DPoP" } else { "Bearer" },
        "expires_in": tokens.access_expires_at.since(ctx.now()).as_secs(),
        "scope": tokens.scopes.join(" "),
    });
    if let Some(refresh) = &tokens.refresh {
        body["refresh_token"] = json!(refresh.expose());
    }
    if scopes.has(Scope::Openid) {
        let algorithm = asked.profile.id_token_algorithm();
        let token = IdToken {
            issuer: &ctx.issuer,
            client: &asked.client.identifier,
            now: ctx.now(),
            auth_time: granted.auth_time,
            nonce: owed.nonce,
            session: granted.browser,
            auth_methods: &granted.auth_methods,
            acr: &owed.acr,
            access_token: tokens.access.expose(),
            algorithm,
        };
        let told = if asked.profile.lean_id_token { Scopes::default() } else { scopes };
        let claims = claims::of_id_token(&token, person.claims(told, &ctx.domain));
        body["id_token"] = json!(ctx.keys().sign(algorithm, "JWT", &claims)?);
    }
    Ok(json_response(StatusCode::OK, &body))
}

/// RFC 9068 §2.2.
fn access_token(
    ctx: &Ctx,
    asked: &Asked,
    granted: &Granted,
    tokens: &Tokens,
    person: &claims::Person,
    act: Option<Value>,
) -> Result<String, Trouble> {
    let audience: Vec<&str> = tokens.audience.split(' ').filter(|one| !one.is_empty()).collect();
    let mut claims = json!({
        "iss": ctx.issuer,
        "sub": person.subject,
        "aud": if audience.is_empty() { json!(asked.client.identifier) } else { json!(audience) },
        "client_id": asked.client.identifier,
        "scope": tokens.scopes.join(" "),
        "iat": ctx.now().secs(),
        "exp": tokens.access_expires_at.secs(),
        // What it was before it was signed is random, and gone: it names the token and opens nothing.
        "jti": crate::jose::jws::short_hash(tokens.access.expose()),
    });
    if !granted.auth_methods.is_empty() {
        claims["auth_time"] = json!(granted.auth_time.secs());
        claims["acr"] = json!(Level::of(&granted.auth_methods).name());
        claims["amr"] = granted.auth_methods.split(' ').map(Value::from).collect();
    }
    if let Some(act) = act {
        claims["act"] = act;
    }
    if let Some(key) = &tokens.confirmation {
        claims["cnf"] = json!({ "jkt": key });
    }
    if Scopes::parse(&tokens.scopes.join(" ")).has(Scope::Groups) {
        claims["groups"] = json!(person.groups);
    }
    ctx.keys().sign(asked.profile.id_token_algorithm(), "at+jwt", &claims)
}
