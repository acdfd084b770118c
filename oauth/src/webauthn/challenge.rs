// SPDX-License-Identifier: AGPL-3.0-or-later
//! The challenge of a ceremony: bound to the visit and to what it is for, good for a while and once.
//! Nothing is stored until it comes back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_identity::Error;
use hearth_identity::grants::{hash_token, new_token};
use hearth_types::{Timestamp, Trouble};

use crate::ctx::Ctx;
use crate::limits::CHALLENGE_LIFE;
use crate::page::visit::Visit;

/// A challenge, base64url.
pub fn make(ctx: &Ctx, visit: &Visit, purpose: &str) -> String {
    let head = format!("{}.{}", ctx.now().millis(), new_token().expose());
    let seal = visit.form(ctx, &sealed(purpose, &head));
    URL_SAFE_NO_PAD.encode(format!("{head}.{seal}"))
}

/// Is it one of ours, for this visit and purpose, and not too old? Nothing is written for whoever only says so.
pub fn is_sound(ctx: &Ctx, visit: &Visit, purpose: &str, challenge: &str) -> bool {
    let text = URL_SAFE_NO_PAD.decode(challenge).ok().and_then(|octets| String::from_utf8(octets).ok()).unwrap_or_default();
    let Some((head, seal)) = text.rsplit_once('.') else {
        return false;
    };
    let made_at = head.split('.').next().and_then(|millis| millis.parse().ok()).map(Timestamp::from_millis);
    let is_fresh = made_at.is_some_and(|at| ctx.now() >= at && ctx.now().since(at) < CHALLENGE_LIFE);
    is_fresh && visit.is_form(ctx, &sealed(purpose, head), seal)
}

/// Is a sound one here for the first time? Asked when a device has answered it.
pub async fn take(ctx: &Ctx, challenge: &str) -> Result<bool, Trouble> {
    match ctx.directory.see_once("webauthn", hash_token(challenge), CHALLENGE_LIFE).await {
        Err(Error::TooMany { .. }) => Ok(false),
        seen => Ok(seen?),
    }
}

fn sealed(purpose: &str, head: &str) -> String {
    format!("challenge {purpose} {head}")
}
