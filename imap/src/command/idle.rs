// SPDX-License-Identifier: AGPL-3.0-or-later
//! IDLE (RFC 9051 §6.3.13): news as they happen, whoever makes them.

use hearth_net::lines::Line;
use hearth_wire::imap::response::Reply;
use tokio::time::{Instant, sleep_until};

use super::tell_others;
use crate::access;
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};
use crate::limits::{IDLE_LOOK, IDLE_TIME_MAX};
use crate::news::{Look, called, tell_unasked};

/// Octets of the line that ends IDLE.
const DONE_BYTES_MAX: usize = 64;

/// What ended the wait.
enum Woken {
    /// The client wrote, or left.
    Client,
    /// Something changed.
    Feed,
    /// It is time to look anyway.
    Timer,
    /// With a word for the client.
    Bye(Reply),
}

/// Waits until the client says DONE.
pub async fn run(ctx: &mut Ctx) -> Outcome {
    ctx.write(b"+ idling\r\n").await?;
    let give_up = Instant::now() + IDLE_TIME_MAX;
    let mut look = Look::IfCalled;
    loop {
        access::recheck(ctx).await?;
        tell_unasked(ctx, look, false).await?;
        if ctx.notify.is_some() {
            Box::pin(tell_others(ctx, look, &[])).await?;
        }
        // What was told is on its way before we wait, so that dropping a read loses nothing.
        ctx.lines.flush().await?;
        look = match wait(ctx, give_up).await? {
            Woken::Client => break,
            Woken::Feed => Look::IfCalled,
            Woken::Timer => Look::Always,
            Woken::Bye(reply) => return Err(reply.into()),
        };
    }
    match ctx.lines.read_line(DONE_BYTES_MAX).await? {
        Line::Line(line, _) if line.trim_ascii().eq_ignore_ascii_case(b"DONE") => Ok(Reply::ok("done")),
        Line::Line(..) | Line::TooLong => Ok(Reply::bad("only DONE ends IDLE")),
        Line::Closed => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
    }
}

async fn wait(ctx: &mut Ctx, give_up: Instant) -> Result<Woken, Failure> {
    let stop = ctx.shared.stop.clone();
    Ok(tokio::select! {
        read = ctx.lines.fill_idle() => {
            read?;
            Woken::Client
        }
        () = called(ctx.selected.as_deref_mut(), ctx.notify.as_deref_mut()) => Woken::Feed,
        () = stop.requested() => Woken::Bye(Reply::bye("the server is stopping; come back soon").word("UNAVAILABLE")),
        () = sleep_until((Instant::now() + IDLE_LOOK).min(give_up)) => {
            if Instant::now() >= give_up { Woken::Bye(Reply::bye("you idled for too long")) } else { Woken::Timer }
        }
    })
}
