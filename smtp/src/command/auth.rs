// SPDX-License-Identifier: AGPL-3.0-or-later
//! AUTH (RFC 4954 §4): a SASL exchange, relayed to the gate step by step.

use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hearth_identity::Service;
use hearth_identity::login::{Mechanism, Refusal, Step};
use hearth_net::lines::{Line, Lines};
use hearth_types::{Fault, Trouble};
use hearth_wire::smtp::Reply;
use hearth_wire::smtp::replies::{
    AUTH_CANCELLED_501_5_7_0, AUTH_FAILED_535_5_7_8, AUTH_SYNTAX_501_5_5_2, AUTH_UNAVAILABLE_454_4_7_0, AUTHENTICATED_235_2_7_0,
    LINE_TOO_LONG_500_5_5_6, NO_SUCH_MECHANISM_504_5_5_4, challenge_334,
};
use metrics::counter;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::ctx::{Ctx, Outcome};
use crate::limits::{AUTH_LINE_BYTES_MAX, AUTH_ROUNDS_MAX};
use crate::session::say;
use crate::state::State;

pub(crate) async fn run<S>(
    ctx: &Ctx,
    state: &mut State,
    lines: &mut Lines<S>,
    mechanism: &str,
    initial: Option<&str>,
) -> io::Result<Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let binding = ctx.binding();
    let offered = Mechanism::parse(mechanism).filter(|mechanism| mechanism.is_offered(state.secured, &binding));
    let Some(mechanism) = offered else {
        return Ok(Err(Fault::Peer(NO_SUCH_MECHANISM_504_5_5_4)));
    };
    // RFC 4954 §4: `=` is an initial response without octets.
    let initial = match initial.map(|text| if text == "=" { Some(Vec::new()) } else { BASE64_STANDARD.decode(text).ok() }) {
        Some(None) => return Ok(Err(Fault::Peer(AUTH_SYNTAX_501_5_5_2))),
        Some(Some(octets)) => Some(octets),
        None => None,
    };
    let mut exchange = ctx.server.gate.begin(mechanism, Service::Smtp, ctx.ip(), binding);
    let mut step = exchange.start(initial.as_deref()).await;
    for _ in 0..AUTH_ROUNDS_MAX {
        let challenge = match step {
            Err(trouble) => return Ok(Err(gate_failed(trouble))),
            Ok(Step::Challenge(challenge)) => challenge,
            Ok(Step::Refused(refusal)) => return Ok(Err(Fault::Peer(refused(ctx, mechanism, refusal)))),
            Ok(Step::Done(login)) => {
                tracing::info!(account = %login.account, peer = %ctx.ip(), mechanism = mechanism.name(), "signed in");
                counter!("smtp_sign_ins_total", "mechanism" => mechanism.name(), "outcome" => "done").increment(1);
                state.login = Some(login);
                return Ok(Ok(AUTHENTICATED_235_2_7_0));
            }
        };
        say(lines, &challenge_334(BASE64_STANDARD.encode(challenge))).await?;
        step = match response(lines).await? {
            Ok(octets) => exchange.step(&octets).await,
            Err(reply) => return Ok(Err(Fault::Peer(reply))),
        };
    }
    Ok(Err(Fault::Peer(AUTH_FAILED_535_5_7_8)))
}

async fn response<S>(lines: &mut Lines<S>) -> io::Result<Result<Vec<u8>, Reply>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    Ok(match lines.read_line(AUTH_LINE_BYTES_MAX).await? {
        Line::Line(line, _) if line == b"*" => Err(AUTH_CANCELLED_501_5_7_0),
        Line::Line(line, _) => BASE64_STANDARD.decode(line).map_err(|_| AUTH_SYNTAX_501_5_5_2),
        Line::TooLong => Err(LINE_TOO_LONG_500_5_5_6),
        Line::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
    })
}

fn gate_failed(trouble: Trouble) -> Fault<Reply> {
    tracing::error!(trouble = %trouble, "the gate does not answer");
    Fault::Peer(AUTH_UNAVAILABLE_454_4_7_0.saying(format!("signing in does not work at the moment, try later [{}]", trouble.id())))
}

fn refused(ctx: &Ctx, mechanism: Mechanism, refusal: Refusal) -> Reply {
    tracing::info!(peer = %ctx.ip(), mechanism = mechanism.name(), ?refusal, "a sign-in was refused");
    counter!("smtp_sign_ins_total", "mechanism" => mechanism.name(), "outcome" => "refused").increment(1);
    match refusal {
        Refusal::Credentials | Refusal::Forbidden | Refusal::Expired => AUTH_FAILED_535_5_7_8,
        Refusal::Malformed => AUTH_SYNTAX_501_5_5_2.saying("that is not what the mechanism says"),
        Refusal::Wait(_) => AUTH_UNAVAILABLE_454_4_7_0.saying("too many failures, wait a while"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::DEADLINES;

    #[tokio::test]
    async fn a_line_of_an_exchange_is_bounded_on_both_sides() {
        for (length, fits) in [(AUTH_LINE_BYTES_MAX, true), (AUTH_LINE_BYTES_MAX + 1, false)] {
            let (ours, mut theirs) = tokio::io::duplex(2 * AUTH_LINE_BYTES_MAX);
            let line = [vec![b'A'; length], b"\r\n".to_vec()].concat();
            tokio::io::AsyncWriteExt::write_all(&mut theirs, &line).await.expect("written");
            let read = response(&mut Lines::new(ours, DEADLINES)).await.expect("a line");
            assert_eq!(read != Err(LINE_TOO_LONG_500_5_5_6), fits, "{length}");
        }
    }
}
