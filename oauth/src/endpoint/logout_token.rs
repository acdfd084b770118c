// SPDX-License-Identifier: AGPL-3.0-or-later
//! Back-channel logout (OpenID Connect Back-Channel Logout): clients are told that somebody is signed out.
//!
//! What ended is read from the directory's numbered news, whoever ended it: a sign-out, a new password, the
//! `hearth` command. The number that was seen is kept, so that a restart forgets nobody. A client that does
//! not answer holds up nobody: it is tried a few times, and left.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hearth_identity::grants::{Client, LogoutNotice, new_token};
use hearth_identity::vault::Algorithm;
use hearth_types::{SessionId, Trouble};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::client::profile::Profile;
use crate::ctx::Ctx;
use crate::limits::{LOGOUT_AT_ONCE, LOGOUT_LOOK_EVERY, LOGOUT_TOKEN_LIFE, LOGOUT_TRIES, LOGOUT_WITHIN};
use crate::request::claims;

/// The setting that holds the number of the last news.
const SEEN: &str = "oauth.logout.seen";

/// Tells clients of every session that ends, until `stop`.
pub async fn follow(ctx: Arc<Ctx>, extra_roots: Vec<PathBuf>, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(LOGOUT_AT_ONCE));
    let mut http = None;
    let mut stop = std::pin::pin!(stop);
    loop {
        if let Err(trouble) = tell_news(&ctx, &extra_roots, &mut http, &places).await {
            tracing::warn!(%trouble, "clients could not be told of a sign-out; trying again");
        }
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(LOGOUT_LOOK_EVERY) => {}
        }
    }
}

async fn tell_news(
    ctx: &Arc<Ctx>,
    extra_roots: &[PathBuf],
    http: &mut Option<reqwest::Client>,
    places: &Arc<Semaphore>,
) -> Result<(), Trouble> {
    let seen = ctx.directory.find_setting(SEEN).await?.and_then(|text| text.parse::<i64>().ok());
    let Some(seen) = seen else {
        // From here on.
        let newest = ctx.directory.newest_logout().await?;
        return Ok(ctx.directory.change_setting(SEEN, &newest.to_string()).await?);
    };
    let (newest, notices) = ctx.directory.list_logouts_since(seen).await?;
    for notice in notices {
        let Some((client, to)) = to_be_told(ctx, &notice).await? else {
            continue;
        };
        let token = sign(ctx, &client, &notice)?;
        let http = match http {
            Some(http) => http.clone(),
            None => http.insert(build(extra_roots)?).clone(),
        };
        let places = places.clone();
        tokio::spawn(async move {
            let _place = places.acquire_owned().await;
            tell(&http, &client.identifier, &to, &token).await;
        });
    }
    if newest != seen {
        ctx.directory.change_setting(SEEN, &newest.to_string()).await?;
    }
    Ok(())
}

async fn to_be_told(ctx: &Ctx, notice: &LogoutNotice) -> Result<Option<(Client, String)>, Trouble> {
    let client = ctx.directory.find_client_by_id(notice.client).await?;
    Ok(client.and_then(|client| {
        let to = Profile::of(&client).backchannel?;
        Some((client, to))
    }))
}

/// The token that says so (§2.4).
pub fn sign(ctx: &Ctx, client: &Client, notice: &LogoutNotice) -> Result<String, Trouble> {
    let subject = claims::subject(ctx, client, notice.account);
    let algorithm = Profile::of(client).id_token_algorithm();
    sign_as(ctx, algorithm, &claims_of(ctx, &client.identifier, &subject, notice.session))
}

fn sign_as(ctx: &Ctx, algorithm: Algorithm, claims: &Value) -> Result<String, Trouble> {
    ctx.keys().sign(algorithm, "logout+jwt", claims)
}

fn claims_of(ctx: &Ctx, client: &str, subject: &str, session: SessionId) -> Value {
    json!({
        "iss": ctx.issuer,
        "aud": client,
        "iat": ctx.now().secs(),
        "exp": ctx.now().after(LOGOUT_TOKEN_LIFE).secs(),
        "jti": new_token().expose(),
        "sub": subject,
        "sid": session.to_string(),
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    })
}

fn build(extra_roots: &[PathBuf]) -> Result<reqwest::Client, Trouble> {
    let mut roots = Vec::new();
    for path in extra_roots {
        roots.extend(reqwest::Certificate::from_pem_bundle(&std::fs::read(path)?)?);
    }
    // §2.5: no redirects; the address is the one that the household registered.
    let builder = reqwest::Client::builder().timeout(LOGOUT_WITHIN).redirect(reqwest::redirect::Policy::none());
    Ok(builder.tls_certs_merge(roots).build()?)
}

async fn tell(http: &reqwest::Client, client: &str, to: &str, token: &str) {
    for attempt in 0..LOGOUT_TRIES {
        match http.post(to).form(&[("logout_token", token)]).send().await {
            // §2.8: 200, and 204 is as good. 400 is the client's own no.
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) if answer.status().is_client_error() => {
                tracing::warn!(client, status = answer.status().as_u16(), "a client refused a logout token");
                return;
            }
            Ok(answer) => {
                tracing::info!(client, status = answer.status().as_u16(), attempt, "a client could not take a logout token")
            }
            Err(error) => tracing::info!(client, error = %error.without_url(), attempt, "a client was not reached"),
        }
        tokio::time::sleep(Duration::from_secs(2 << attempt)).await;
    }
}
