// SPDX-License-Identifier: AGPL-3.0-or-later
//! LOGIN (RFC 9051 §6.2.3), and what every way of signing in ends with.

use hearth_identity::Service;
use hearth_identity::login::{Login, Refusal};
use hearth_types::Secret;
use hearth_wire::imap::Password;
use hearth_wire::imap::response::{Code, Reply};

use crate::ctx::Ctx;
use crate::fault::Outcome;

/// Asks the gate about a password.
pub async fn run(ctx: &mut Ctx, user: &str, password: Password) -> Outcome {
    // RFC 9051 §6.2.3: LOGINDISABLED is shown without TLS, and meant.
    if ctx.tls.is_none() {
        return Ok(Reply::no("use STARTTLS before you show a password").word("PRIVACYREQUIRED"));
    }
    let Ok(text) = String::from_utf8(password.0.expose().clone()) else { return refuse(ctx, user, Refusal::Credentials).await };
    match ctx.shared.gate.password(user, &Secret::new(text), Service::Imap, ctx.peer).await? {
        Ok(login) => welcome(ctx, &login),
        Err(refusal) => refuse(ctx, user, refusal).await,
    }
}

/// Somebody has proved who they are.
pub fn welcome(ctx: &mut Ctx, login: &Login) -> Outcome {
    ctx.sign_in(login);
    tracing::info!(peer = %ctx.peer, account = %login.address, "signed in");
    metrics::counter!("imap_logins_total", "result" => "ok").increment(1);
    Ok(Reply::ok("you are signed in").with(Code::Capability(ctx.capabilities())))
}

/// Somebody has not. Each failure makes the next one slower, until the connection ends.
pub async fn refuse(ctx: &mut Ctx, user: &str, refusal: Refusal) -> Outcome {
    metrics::counter!("imap_logins_total", "result" => "refused").increment(1);
    tracing::info!(peer = %ctx.peer, user, ?refusal, "login refused");
    tokio::time::sleep(ctx.pace.failed()).await;
    let reply = reply_to_refusal(refusal);
    if ctx.pace.is_spent() {
        ctx.write_untagged(&reply).await?;
        return Err(Reply::bye("too many logins failed").into());
    }
    Ok(reply)
}

/// RFC 5530 §3: as vague as the gate is.
fn reply_to_refusal(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::Credentials => Reply::no("the name or the password is wrong").word("AUTHENTICATIONFAILED"),
        Refusal::Forbidden => Reply::no("this login is not for mail programs").word("AUTHORIZATIONFAILED"),
        Refusal::Expired => Reply::no("the token has expired").word("EXPIRED"),
        Refusal::Malformed => Reply::bad("what was sent does not fit the mechanism"),
        Refusal::Wait(_) => Reply::no("too many failed logins; try later").word("UNAVAILABLE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_refusal_says_what_rfc_5530_calls_it() {
        for (refusal, word) in [
            (Refusal::Credentials, Some("AUTHENTICATIONFAILED")),
            (Refusal::Forbidden, Some("AUTHORIZATIONFAILED")),
            (Refusal::Expired, Some("EXPIRED")),
            (Refusal::Malformed, None),
            (Refusal::Wait(Duration::from_secs(9)), Some("UNAVAILABLE")),
        ] {
            assert_eq!(reply_to_refusal(refusal).code, word.map(Code::Word));
        }
    }
}
