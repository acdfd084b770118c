// SPDX-License-Identifier: AGPL-3.0-or-later
//! RFC 6749 §4.1.3: a code becomes tokens, once.

use hearth_identity::grants::{Code, CodeRefusal, NewTokens};
use hearth_types::Secret;
use serde_json::Value;

use super::{Asked, Owed, finish};
use crate::ctx::Ctx;
use crate::error::{Answer, ErrorCode, ours, refuse};
use crate::request::grant::Fulfilled;
use crate::request::level::Level;
use crate::request::params::Params;
use crate::request::pkce::Challenge;
use crate::request::scope::Scopes;

pub async fn run(ctx: &Ctx, asked: &Asked, params: &Params) -> Answer {
    let Some(code) = params.find("code") else {
        return refuse(ErrorCode::InvalidRequest, "code is missing");
    };
    let verifier = params.find("code_verifier").map(|verifier| Secret::new(verifier.to_string()));
    if verifier.is_none() && !asked.profile.pkce_optional {
        return refuse(ErrorCode::InvalidRequest, "code_verifier is missing");
    }
    let (who, now) = (asked.clone(), ctx.now());
    let redirect_uri = params.find("redirect_uri").map(str::to_string);
    let check = move |stored: &Code| -> Option<NewTokens> {
        let request: Value = serde_json::from_str(&stored.request).unwrap_or_default();
        // RFC 9449 §10: the code is of use with that key alone.
        if request["key"].as_str().is_some_and(|key| who.key.as_deref() != Some(key)) {
            return None;
        }
        let fulfilled = from_stored(stored, &who.client.identifier)?;
        let scopes = fulfilled.scopes;
        let verifier = verifier.as_ref().map(|verifier| verifier.expose().as_str());
        fulfilled.exchange(&who.client.identifier, redirect_uri.as_deref(), verifier, now).ok()?;
        let resources: Vec<String> = texts(&request["resources"]).map(str::to_string).collect();
        who.tokens(scopes, &resources)
    };
    let code = Secret::new(code.to_string());
    match asked.directory(ctx).redeem_code(&code, asked.client.id, &asked.client.name, check).await.map_err(ours)? {
        Ok(redeemed) => {
            let request: Value = serde_json::from_str(&redeemed.code.request).unwrap_or_default();
            let owed = Owed { nonce: redeemed.code.nonce.as_deref(), acr: Level::of_names(texts(&request["acr"])) };
            finish(ctx, asked, redeemed.tokens, owed).await
        }
        Err(refusal) => {
            if let CodeRefusal::Replayed(account) = refusal {
                asked.tell_of_theft(ctx, account).await?;
            }
            refuse(ErrorCode::InvalidGrant, says(refusal))
        }
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_str)
}

/// The code as the grant knows it; the store found it by the client's id, so its client is this one.
fn from_stored(stored: &Code, client: &str) -> Option<Fulfilled> {
    let challenge = match stored.code_challenge.as_deref() {
        Some(challenge) => Some(Challenge::from_stored(challenge)?),
        None => None,
    };
    Some(Fulfilled {
        client: client.to_string(),
        redirect_uri: stored.redirect_uri.clone(),
        scopes: Scopes::parse(&stored.scopes.join(" ")),
        nonce: stored.nonce.clone(),
        challenge,
        account: stored.account,
        session: stored.session,
        auth_time: stored.authenticated_at,
        expires_at: stored.expires_at,
    })
}

fn says(refusal: CodeRefusal) -> &'static str {
    match refusal {
        CodeRefusal::Unknown => "the code is unknown",
        CodeRefusal::Expired => "the code has ended",
        CodeRefusal::Spent | CodeRefusal::Replayed(_) => "the code was used before",
        CodeRefusal::Mismatch => "redirect_uri, code_verifier, resource or key does not fit the code",
    }
}
