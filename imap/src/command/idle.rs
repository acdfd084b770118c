// SPDX-License-Identifier: AGPL-3.0-or-later
//! IDLE (RFC 9051 §6.3.13): news as they happen, whoever makes them.

use hearth_net::lines::Line;
use hearth_wire::imap::response::Reply;
use tokio::time::{Instant, sleep_until};

use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};
use crate::limits::{IDLE_LOOK, IDLE_TIME_MAX};
use crate::news::{Look, tell};

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
    loop {
        tell(ctx, Look::IfCalled, false).await?;
        // What was told is on its way before we wait, so that dropping a read loses nothing.
        ctx.lines.flush().await?;
        match wait(ctx, give_up).await? {
            Woken::Client => break,
            Woken::Feed => {}
            Woken::Timer => tell(ctx, Look::Always, false).await?,
            Woken::Bye(reply) => return Err(reply.into()),
        }
    }
    match ctx.lines.read_line(DONE_BYTES_MAX).await? {
        Line::Line(line, _) if line.trim_ascii().eq_ignore_ascii_case(b"DONE") => Ok(Reply::ok("done")),
        Line::Line(..) | Line::TooLong => Ok(Reply::bad("only DONE ends IDLE")),
        Line::Closed => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
    }
}

async fn wait(ctx: &mut Ctx, give_up: Instant) -> Result<Woken, Failure> {
    let stop = ctx.shared.stop.clone();
    let Some(person) = ctx.person.as_mut() else { return Ok(Woken::Client) };
    Ok(tokio::select! {
        read = ctx.lines.fill_idle() => {
            read?;
            Woken::Client
        }
        changed = person.feed.changed() => match changed {
            Ok(()) => Woken::Feed,
            Err(_) => Woken::Bye(Reply::bye("the store is closing").word("UNAVAILABLE")),
        },
        () = stop.requested() => Woken::Bye(Reply::bye("the server is stopping; come back soon").word("UNAVAILABLE")),
        () = sleep_until((Instant::now() + IDLE_LOOK).min(give_up)) => {
            if Instant::now() >= give_up { Woken::Bye(Reply::bye("you idled for too long")) } else { Woken::Timer }
        }
    })
}
