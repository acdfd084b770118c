// SPDX-License-Identifier: AGPL-3.0-or-later
//! RFC 6749 §4.1.3: a code becomes tokens, once.

use hearth_identity::grants::{Client, Code, CodeRefusal};
use hearth_types::{Secret, Trouble};

use super::{granted, id_token, lives, to_wire};
use crate::ctx::Ctx;
use crate::error::{Answer, ErrorCode, ours, refuse};
use crate::grant::Fulfilled;
use crate::params::Params;
use crate::pkce::Challenge;
use crate::scope::Scopes;

pub async fn run(ctx: &Ctx, client: &Client, params: &Params) -> Answer {
    let Some(code) = params.find("code") else {
        return refuse(ErrorCode::InvalidRequest, "code is missing");
    };
    if params.find("code_verifier").is_none() {
        return refuse(ErrorCode::InvalidRequest, "code_verifier is missing");
    }
    let (identifier, now) = (client.identifier.clone(), ctx.now());
    let redirect_uri = params.find("redirect_uri").map(str::to_string);
    let verifier = Secret::new(params.field("code_verifier").to_string());
    let fits = move |stored: &Code| {
        let exchanged = from_stored(stored, &identifier)
            .map(|fulfilled| fulfilled.exchange(&identifier, redirect_uri.as_deref(), Some(verifier.expose()), now));
        matches!(exchanged, Some(Ok(_)))
    };
    let code = Secret::new(code.to_string());
    let redeemed = ctx.directory.redeem_code(&code, client.id, &client.name, lives(client), fits).await.map_err(ours)?;
    let redeemed = match redeemed {
        Ok(redeemed) => redeemed,
        Err(refusal) => return refuse(ErrorCode::InvalidGrant, says(refusal)),
    };
    let session = ctx.directory.find_session(redeemed.session).await.map_err(ours)?;
    let session = session.ok_or_else(|| Trouble::new("a grant without its session"))?;
    let granted = granted(ctx, &session).await?.ok_or_else(|| Trouble::new("a grant without its account"))?;
    let id_token = id_token(ctx, client, &granted, &redeemed.tokens, redeemed.code.nonce.as_deref())?;
    Ok(to_wire(&redeemed.tokens, id_token, now))
}

/// The code as the grant knows it; the store found it by the client's id, so its client is this one.
fn from_stored(stored: &Code, client: &str) -> Option<Fulfilled> {
    Some(Fulfilled {
        client: client.to_string(),
        redirect_uri: stored.redirect_uri.clone(),
        scopes: Scopes::parse(&stored.scopes.join(" ")),
        nonce: stored.nonce.clone(),
        challenge: Challenge::from_stored(stored.code_challenge.as_deref()?)?,
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
        CodeRefusal::Spent => "the code was used before",
        CodeRefusal::Mismatch => "redirect_uri or code_verifier does not fit the code",
    }
}
