// SPDX-License-Identifier: AGPL-3.0-or-later
//! Back-channel logout (OpenID Connect Back-Channel Logout): clients are told that somebody is signed out.
//!
//! What ended is read from the directory's numbered news, whoever ended it: a sign-out, a new password, the
//! `hearth` command. The number up to which all were told is kept, and goes on when the last of a round was told
//! or left: whom a stop cut off is told after the next start, at worst twice. A client that does not answer
//! holds up nobody: it is tried a few times, and left.

use std::collections::VecDeque;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use hearth_identity::grants::{Client, LogoutNotice, new_token};
use hearth_identity::vault::Algorithm;
use hearth_types::{SessionId, Trouble};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::profile::Profile;
use crate::ctx::Ctx;
use crate::limits::{LOGOUT_AGAIN_AFTER, LOGOUT_AT_ONCE, LOGOUT_LOOK_EVERY, LOGOUT_TOKEN_LIFE, LOGOUT_TRIES, LOGOUT_WITHIN};
use crate::request::claims;

/// The setting that holds the number of the last news of which all were told.
const SEEN: &str = "oauth.logout.seen";

/// Tells clients of every session that ends, until `stop`.
pub async fn follow(ctx: Arc<Ctx>, extra_roots: Vec<PathBuf>, stop: impl Future<Output = ()>) {
    let mut teller =
        Teller { ctx, extra_roots, http: None, places: Arc::new(Semaphore::new(LOGOUT_AT_ONCE)), rounds: VecDeque::new() };
    let mut stop = std::pin::pin!(stop);
    loop {
        if let Err(trouble) = teller.look().await {
            tracing::warn!(%trouble, "clients could not be told of a sign-out; trying again");
        }
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(LOGOUT_LOOK_EVERY) => {}
        }
    }
}

/// Who tells. What it is still telling ends with it.
struct Teller {
    ctx: Arc<Ctx>,
    extra_roots: Vec<PathBuf>,
    http: Option<reqwest::Client>,
    places: Arc<Semaphore>,
    /// The oldest first.
    rounds: VecDeque<Round>,
}

/// The clients that are being told of the news up to a number.
struct Round {
    newest: i64,
    left: JoinSet<()>,
}

impl Teller {
    async fn look(&mut self) -> Result<(), Trouble> {
        self.settle().await?;
        let directory = self.ctx.directory.clone();
        let begun = match self.rounds.back() {
            Some(round) => Some(round.newest),
            None => directory.find_setting(SEEN).await?.and_then(|text| text.parse().ok()),
        };
        let Some(begun) = begun else {
            // From here on.
            let newest = directory.newest_logout().await?;
            return Ok(directory.change_setting(SEEN, &newest.to_string()).await?);
        };
        let (newest, notices) = directory.list_logouts_since(begun).await?;
        if newest != begun {
            let left = self.tell_all(notices)?;
            self.rounds.push_back(Round { newest, left });
        }
        Ok(())
    }

    /// Keeps the number of the rounds that are over, in their order.
    async fn settle(&mut self) -> Result<(), Trouble> {
        while let Some(round) = self.rounds.front_mut() {
            while round.left.try_join_next().is_some() {}
            if !round.left.is_empty() {
                break;
            }
            self.ctx.directory.change_setting(SEEN, &round.newest.to_string()).await?;
            self.rounds.pop_front();
        }
        Ok(())
    }

    fn tell_all(&mut self, notices: Vec<LogoutNotice>) -> Result<JoinSet<()>, Trouble> {
        let mut left = JoinSet::new();
        if notices.is_empty() {
            return Ok(left);
        }
        let http = match &self.http {
            Some(http) => http.clone(),
            None => self.http.insert(build(&self.extra_roots)?).clone(),
        };
        for notice in notices {
            left.spawn(tell(self.ctx.clone(), http.clone(), self.places.clone(), notice));
        }
        Ok(left)
    }
}

/// Tells one client, as often as it takes or as it is tried. What goes wrong with one is nothing to the others.
async fn tell(ctx: Arc<Ctx>, http: reqwest::Client, places: Arc<Semaphore>, notice: LogoutNotice) {
    let mut wait = LOGOUT_AGAIN_AFTER;
    for attempt in 1..=LOGOUT_TRIES {
        let asked = {
            // A place is held while a client is asked, not while we wait to ask it again.
            let _place = places.acquire().await;
            ask(&ctx, &http, &notice).await
        };
        match asked {
            Ok(Heard::Settled) => return,
            Ok(Heard::Unwell(says)) => {
                tracing::info!(client = %notice.client, attempt, %says, "a client was not told of a sign-out")
            }
            Err(trouble) => tracing::warn!(client = %notice.client, attempt, %trouble, "a client could not be told of a sign-out"),
        }
        if attempt < LOGOUT_TRIES {
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }
}

/// What came of it.
enum Heard {
    /// It knows, or does not want to.
    Settled,
    /// It may want to another time.
    Unwell(String),
}

/// Each time with a token of its own: one that waited for a place would be old.
async fn ask(ctx: &Ctx, http: &reqwest::Client, notice: &LogoutNotice) -> Result<Heard, Trouble> {
    let Some(client) = ctx.directory.find_client_by_id(notice.client).await? else {
        return Ok(Heard::Settled);
    };
    let Some(to) = Profile::of(&client).backchannel else {
        return Ok(Heard::Settled);
    };
    let token = sign(ctx, &client, notice)?;
    let answer = match http.post(to).form(&[("logout_token", token)]).send().await {
        Ok(answer) => answer.status(),
        Err(error) => return Ok(Heard::Unwell(error.without_url().to_string())),
    };
    // §2.8: 200, and 204 is as good. 400 is the client's own no.
    if answer.is_client_error() {
        tracing::warn!(client = client.identifier, status = answer.as_u16(), "a client refused a logout token");
    }
    let settled = answer.is_success() || answer.is_client_error();
    Ok(if settled { Heard::Settled } else { Heard::Unwell(answer.to_string()) })
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
