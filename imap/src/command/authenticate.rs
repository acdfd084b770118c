// SPDX-License-Identifier: AGPL-3.0-or-later
//! AUTHENTICATE (RFC 9051 §6.2.2, SASL-IR RFC 4959): the exchange is the gate's, we carry it.

use hearth_identity::Service;
use hearth_identity::login::{Refusal, Step};
use hearth_net::lines::Line;
use hearth_wire::imap::response::{Reply, encode_challenge};
use hearth_wire::imap::{Password, parse_authenticate_line};

use super::login::{refuse, welcome};
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};
use crate::registry;

/// Octets of one base64 line of an exchange (RFC 9051 §7.5 with RFC 4954 §4: at least 12,288).
const LINE_BYTES_MAX: usize = hearth_wire::imap::limits::LINE_BYTES_BEFORE_LOGIN_MAX;

/// Runs an exchange to its end.
pub async fn run(ctx: &mut Ctx, mechanism: &str, initial: Option<Password>) -> Outcome {
    if ctx.tls.is_none() {
        return Ok(Reply::no("use STARTTLS before you sign in").word("PRIVACYREQUIRED"));
    }
    let binding = ctx.binding();
    let Some(mechanism) = registry::find_mechanism(mechanism, ctx.tls.is_some(), &binding) else {
        return Ok(Reply::no("this mechanism is not offered").word("CANNOT"));
    };
    let mut exchange = ctx.shared.gate.begin(mechanism, Service::Imap, ctx.peer, binding);
    let mut step = exchange.start(initial.as_ref().map(|initial| initial.0.expose().as_slice())).await?;
    loop {
        match step {
            Step::Challenge(octets) => match ask(ctx, &octets).await? {
                Asked::Answer(answer) => step = exchange.step(&answer).await?,
                // RFC 9051 §6.2.2: "*" cancels, and the server answers BAD.
                Asked::Cancelled => return Ok(Reply::bad("cancelled")),
                Asked::NotBase64 => return refuse(ctx, mechanism.name(), Refusal::Malformed).await,
            },
            Step::Done(login) => return welcome(ctx, &login),
            Step::Refused(refusal) => return refuse(ctx, mechanism.name(), refusal).await,
        }
    }
}

enum Asked {
    Answer(Vec<u8>),
    Cancelled,
    NotBase64,
}

/// `+ challenge`, and the client's line.
async fn ask(ctx: &mut Ctx, challenge: &[u8]) -> Result<Asked, Failure> {
    let mut out = Vec::new();
    encode_challenge(&mut out, challenge);
    ctx.write(&out).await?;
    let line = match tokio::time::timeout_at(ctx.login_by, ctx.lines.read_line(LINE_BYTES_MAX)).await {
        Err(_) => return Err(Reply::bye("you were silent for too long").into()),
        Ok(line) => line?,
    };
    match line {
        Line::Line(line, _) => Ok(match parse_authenticate_line(&line) {
            Ok(Some(answer)) => Asked::Answer(answer),
            Ok(None) => Asked::Cancelled,
            Err(_) => Asked::NotBase64,
        }),
        Line::TooLong => Ok(Asked::NotBase64),
        Line::Closed => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
    }
}
