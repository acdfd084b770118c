// SPDX-License-Identifier: AGPL-3.0-or-later
//! RFC 8693: a service that was shown a token asks for one to go on with, for the same person and for less.
//!
//! A client may exchange its own tokens, and tokens that are for it: those whose audience names a resource that it was
//! registered as (`hearth_exchanges`). What it gets never has a scope more than what it showed, is for what was registered
//! for the client (`hearth_resources`) or for what the token was for already, ends with the token that was shown, and
//! says who acts (§4.1). `actor_token` is not taken: who acts is the client that asks.

use hearth_identity::grants::{AccessToken, Exchange};
use hearth_types::{Fault, Secret};
use hearth_web::axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Asked, access_token, granted};
use crate::client::profile::Profile;
use crate::ctx::Ctx;
use crate::error::{Answer, ErrorCode, Refusal, json as json_response, ours, refuse};
use crate::limits::{ACCESS_TOKEN_LIFE, ACTORS_MAX, RESOURCES_MAX, SIGNED_ACCESS_TOKEN_LIFE};
use crate::request::params::Params;
use crate::request::scope::{Scope, Scopes};
use crate::request::{claims, resource};

/// Its `grant_type`.
pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(super) async fn run(ctx: &Ctx, asked: &Asked, params: &Params) -> Answer {
    if asked.client.is_public() {
        return refuse(ErrorCode::UnauthorizedClient, "a public client cannot exchange tokens");
    }
    let shown = Secret::new(read(params).map_err(Fault::Peer)?.to_string());
    let subject = ctx.directory.find_access_token(&shown).await.map_err(ours)?.filter(|token| !token.is_over);
    let Some(subject) = subject.filter(|token| may_show(asked, token)) else {
        // §2.2.2. The same for a token that there is not, and for another's.
        return refuse(ErrorCode::InvalidRequest, "the subject_token has ended, or is not for this client");
    };
    if !ctx.directory.may_use_client(subject.account, asked.client.id).await.map_err(ours)? {
        return refuse(ErrorCode::InvalidRequest, "this client is not for the person of the subject_token");
    }
    if subject.actors.len() >= ACTORS_MAX {
        return refuse(ErrorCode::InvalidRequest, "too many act for this person already");
    }
    let audiences: Vec<&str> = params.all("audience").filter(|audience| !audience.is_empty()).collect();
    let Some(audience) = target(&asked.resources, &audiences, &subject.audience, &asked.profile, &ctx.issuer) else {
        return refuse(ErrorCode::InvalidTarget, "no such resource for this client");
    };
    let scopes = narrow(params.find("scope"), &subject.scopes, &asked.client.scopes);
    let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty()) else {
        return refuse(ErrorCode::InvalidScope, "more was asked for than the subject_token has, or nothing is left");
    };
    let new = Exchange {
        client: asked.client.id,
        scopes: scopes.iter().map(|scope| scope.name().to_string()).collect(),
        audience,
        confirmation: asked.key.clone().filter(|_| !scopes.has(Scope::Mail)),
        actors: std::iter::once(asked.client.identifier.clone()).chain(subject.actors.iter().cloned()).collect(),
        lives: if asked.signs(scopes) { SIGNED_ACCESS_TOKEN_LIFE } else { ACCESS_TOKEN_LIFE },
    };
    finish(ctx, asked, &shown, new, scopes).await
}

/// The `subject_token` (§2.1).
fn read(params: &Params) -> Result<&str, Refusal> {
    let invalid = |says: &str| Err(Refusal::new(ErrorCode::InvalidRequest, says));
    if params.find("actor_token").is_some() || params.find("actor_token_type").is_some() {
        return invalid("actor_token is not taken: who acts is the client that asks");
    }
    if params.find("requested_token_type").is_some_and(|kind| kind != ACCESS_TOKEN) {
        return invalid("only access tokens are given for a token");
    }
    match (params.find("subject_token"), params.find("subject_token_type")) {
        (Some(token), Some(ACCESS_TOKEN)) => Ok(token),
        (Some(_), Some(_)) => invalid("only an access token is taken as subject_token"),
        _ => invalid("subject_token or subject_token_type is missing"),
    }
}

/// Is this token the client's own, or for it? One that is bound to a key is its holder's alone.
fn may_show(asked: &Asked, token: &AccessToken) -> bool {
    let names_it = |one: &str| asked.profile.exchanges.iter().any(|own| own == one);
    let is_for_it = token.client == asked.client.id || token.audience.split(' ').any(names_it);
    is_for_it && (token.confirmation.is_none() || token.confirmation == asked.key)
}

/// Whom the new token is for; `None` for what this client cannot have. Nothing named: whom the shown one is for.
fn target(resources: &[String], audiences: &[&str], shown_is_for: &str, profile: &Profile, issuer: &str) -> Option<String> {
    let named: Vec<&str> = resources.iter().map(String::as_str).chain(audiences.iter().copied()).collect();
    if named.is_empty() {
        return Some(shown_is_for.to_string());
    }
    let of_the_home = |one: &str| one == issuer || one == resource::of_mail(issuer);
    let may_name = |one: &str| {
        let was_for_it = resource::is_for(shown_is_for, one) && (!shown_is_for.is_empty() || of_the_home(one));
        profile.resources.iter().any(|own| own == one) || was_for_it
    };
    (named.len() <= RESOURCES_MAX && named.iter().all(|one| may_name(one))).then(|| named.join(" "))
}

/// What the new token admits; `None` when more is asked for than was shown. No refresh tokens come of a token.
fn narrow(asked: Option<&str>, shown: &[String], client: &[String]) -> Option<Scopes> {
    let shown = Scopes::parse(&shown.join(" "));
    let may = shown.and(Scopes::parse(&client.join(" ")));
    let wanted = asked.map_or(may, Scopes::parse);
    let scopes: Scopes = wanted.and(may).iter().filter(|scope| *scope != Scope::OfflineAccess).collect();
    wanted.within(shown).then_some(scopes)
}

/// §2.2.1.
async fn finish(ctx: &Ctx, asked: &Asked, shown: &Secret<String>, new: Exchange, scopes: Scopes) -> Answer {
    let act = act(&new.actors);
    let Some(mut tokens) = ctx.directory.exchange_access_token(shown, new).await.map_err(ours)? else {
        return refuse(ErrorCode::InvalidRequest, "the subject_token has ended");
    };
    if asked.signs(scopes) {
        let session = ctx.directory.find_session(tokens.session).await.map_err(ours)?;
        let granted = match session {
            Some(session) => granted(ctx, &session).await?,
            None => None,
        };
        let Some(granted) = granted else {
            return refuse(ErrorCode::InvalidRequest, "the subject_token has ended");
        };
        let person = claims::person(ctx, &asked.client, &granted.account, scopes).await?;
        let signed = Secret::new(access_token(ctx, asked, &granted, &tokens, &person, act)?);
        ctx.directory.replace_access_token(&tokens.access, &signed).await.map_err(ours)?;
        tokens.access = signed;
    }
    let body = json!({
        "access_token": tokens.access.expose(),
        "issued_token_type": ACCESS_TOKEN,
        "token_type": if tokens.confirmation.is_some() { "DPoP" } else { "Bearer" },
        "expires_in": tokens.access_expires_at.since(ctx.now()).as_secs(),
        "scope": tokens.scopes.join(" "),
    });
    Ok(json_response(StatusCode::OK, &body))
}

/// `act` (§4.1): who acts now outermost, who acted before within.
pub fn act(actors: &[String]) -> Option<Value> {
    actors.iter().rev().fold(None, |before, actor| {
        let mut act = json!({ "sub": actor });
        if let Some(before) = before {
            act["act"] = before;
        }
        Some(act)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.home.example";

    fn all(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn who_acts() {
        assert_eq!(act(&[]), None);
        assert_eq!(act(&all(&["b", "a"])), Some(json!({"sub": "b", "act": {"sub": "a"}})));
    }

    #[test]
    fn for_less() {
        let own = all(&["openid", "email", "mail", "offline_access"]);
        let of = |asked: Option<&str>, shown: &[&str]| narrow(asked, &all(shown), &own).map(|scopes| scopes.to_string());
        assert_eq!(of(None, &["openid", "email", "offline_access"]).as_deref(), Some("openid email"));
        assert_eq!(of(Some("email"), &["openid", "email"]).as_deref(), Some("email"));
        assert_eq!(of(Some("email mail"), &["openid", "email"]), None, "more than was shown");
        assert_eq!(of(Some("groups"), &["openid", "groups"]).as_deref(), Some(""), "not for this client");
    }

    #[test]
    fn for_whom() {
        let profile = Profile { resources: all(&["https://db.example"]), ..Profile::default() };
        let of = |named: &[&str], shown: &str| target(&[], named, shown, &profile, ISSUER);
        assert_eq!(of(&[], "https://api.example").as_deref(), Some("https://api.example"));
        assert_eq!(of(&["https://db.example"], "https://api.example").as_deref(), Some("https://db.example"));
        assert_eq!(of(&["https://api.example"], "https://api.example https://b").as_deref(), Some("https://api.example"));
        assert_eq!(of(&["https://mail.home.example"], "https://api.example"), None, "mail was not what it was for");
        assert_eq!(of(&["https://mail.home.example"], "").as_deref(), Some("https://mail.home.example"));
        assert_eq!(of(&["https://evil.example"], ""), None);
        let many = vec!["https://db.example"; RESOURCES_MAX + 1];
        assert!(of(&many[1..], "").is_some() && of(&many, "").is_none());
    }
}
