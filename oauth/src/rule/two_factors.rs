// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whoever the household's rules ask to prove twice who they are: what is still missing, and where they can add it.

use askama::Template;
use hearth_identity::directory::{Account, Session};
use hearth_types::{SessionId, Trouble};
use hearth_web::axum::http::StatusCode;
use hearth_web::axum::response::Response;

use crate::ctx::Ctx;
use crate::endpoint::{logout, token};
use crate::page::sign_in;
use crate::page::visit::{Visit, see_other};
use crate::request::level::Level;

/// Where a second factor is added, and what they need on the way.
const OPEN: [&str; 4] = ["passkeys", "authenticator", "recovery", "password"];

#[derive(Template)]
#[template(path = "wall.html")]
struct Wall {
    sign_out: String,
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// They have a second factor and did not show it.
    Proof,
    /// They have none.
    Factor,
}

/// What is missing of a session, by the rules; `None`: nothing.
pub async fn missing(ctx: &Ctx, session: Option<&Session>) -> Result<Option<Missing>, Trouble> {
    let Some(session) = session.filter(|session| Level::of(&session.auth_methods) < Level::Two) else {
        return Ok(None);
    };
    match ctx.directory.find_account(session.account).await? {
        Some(account) => missing_of(ctx, session, &account).await,
        None => Ok(None),
    }
}

async fn missing_of(ctx: &Ctx, session: &Session, account: &Account) -> Result<Option<Missing>, Trouble> {
    if Level::of(&session.auth_methods) >= Level::Two || !ctx.policy().await?.wants_two_factors(&ctx.directory, account).await? {
        return Ok(None);
    }
    let has_one = ctx.vault().has_second_factor(account.id).await?;
    Ok(Some(if has_one { Missing::Proof } else { Missing::Factor }))
}

/// Does a grant fall short of the rules, by the sign-in that it came of? A rule holds for what was let in before it was made:
/// an app asks this way when it renews its token, a proxy with each request.
pub async fn falls_short(ctx: &Ctx, grant: SessionId, account: &Account) -> Result<bool, Trouble> {
    if !ctx.policy().await?.wants_two_factors(&ctx.directory, account).await? {
        return Ok(false);
    }
    let granted = match ctx.directory.find_session(grant).await? {
        Some(session) => token::granted(ctx, &session).await?,
        None => None,
    };
    Ok(granted.is_none_or(|granted| Level::of(&granted.auth_methods) < Level::Two))
}

/// The page to go to instead of `to`, when something is missing.
pub async fn check(ctx: &Ctx, visit: &Visit, session: &Session, account: &Account, to: &str) -> Result<Option<Response>, Trouble> {
    if OPEN.contains(&to) {
        return Ok(None);
    }
    Ok(match missing_of(ctx, session, account).await? {
        None => None,
        Some(Missing::Proof) => Some(see_other(&sign_in::location_to(to))),
        Some(Missing::Factor) => Some(page(ctx, visit)),
    })
}

/// The page that says so, and leads to each of the ways, and out.
pub fn page(ctx: &Ctx, visit: &Visit) -> Response {
    visit.leaving_page(StatusCode::FORBIDDEN, &Wall { sign_out: logout::form(ctx, visit) }, None)
}
