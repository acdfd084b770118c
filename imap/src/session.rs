// SPDX-License-Identifier: AGPL-3.0-or-later
//! The loop of a session: read, parse, admit, run, write.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use hearth_identity::login::Watch;
use hearth_net::lines::Deadlines;
use hearth_net::tls::Facts;
use hearth_types::Fault;
use hearth_wire::imap::append::parse_append_head;
use hearth_wire::imap::response::{Condition, Reply};
use hearth_wire::imap::{Command, Event, Literal, parse_command, parse_tag_and_verb};
use tokio::time::{Instant, timeout_at};

use crate::command::{self, Flow, append};
use crate::ctx::{Ctx, Person, Shared, Stream};
use crate::fault::{Failure, Outcome, reply_to_trouble};
use crate::limits::{
    COMMAND_TIME_MAX, DISCARD_BYTES_MAX, IDLE_TIME_MAX, LOGIN_TIME_MAX, MISTAKES_BEFORE_LOGIN_MAX, MISTAKES_MAX, PROGRESS_TIME_MAX,
    WRITE_TIME_MAX,
};
use crate::news::called;
use crate::registry;
use crate::state::Phase;

/// The last word to a device whose session was revoked.
const SIGNED_OUT: &str = "this device was signed out";

/// What came of reading.
enum Read {
    /// A whole command is in the fragmentizer.
    Command,
    /// An APPEND has come to its message.
    Append(Literal),
    /// It was answered already; read on.
    Answered,
}

/// Why the loop ends.
enum End {
    /// With a word to the client.
    Bye(Reply),
    /// Without one.
    Silent,
    /// To go on inside TLS.
    StartTls,
}

/// How long a peer may take.
pub fn deadlines(signed_in: bool) -> Deadlines {
    Deadlines { idle: if signed_in { IDLE_TIME_MAX } else { LOGIN_TIME_MAX }, progress: PROGRESS_TIME_MAX, write: WRITE_TIME_MAX }
}

/// A connection from its first byte to its last. `tls` when it began encrypted (port 993).
pub async fn serve(shared: Arc<Shared>, stream: Stream, peer: IpAddr, tls: Option<Facts>) {
    let mut ctx = Ctx::new(shared, stream, peer, tls);
    let mut greet = true;
    loop {
        let end = if greet { Box::pin(greet_and_run(&mut ctx)).await } else { Box::pin(run(&mut ctx)).await };
        match end {
            End::StartTls => match Box::pin(upgrade(ctx)).await {
                Some(upgraded) => ctx = upgraded,
                None => return,
            },
            End::Bye(reply) => {
                let mut out = Vec::new();
                reply.encode(&mut out, None);
                // The peer may be gone already; there is nobody to tell.
                let _ = ctx.lines.write(&out).await;
                break;
            }
            End::Silent => break,
        }
        greet = false;
    }
    let _ = ctx.lines.close().await;
    tracing::debug!(%peer, account = ctx.person.as_ref().map(|person| person.address.as_str()), "session ended");
}

/// RFC 9051 §6.2.1: after STARTTLS everything begins anew; what was sent before it was dropped on the way.
async fn upgrade(ctx: Ctx) -> Option<Ctx> {
    let tls = ctx.shared.tls.clone()?;
    let login_by = ctx.login_by;
    match tls.accept(ctx.lines.into_inner()).await {
        Ok((stream, facts)) => {
            let mut upgraded = Ctx::new(ctx.shared, Box::new(stream), ctx.peer, Some(facts));
            upgraded.login_by = login_by;
            Some(upgraded)
        }
        Err(error) => {
            tracing::debug!(peer = %ctx.peer, %error, "TLS handshake failed");
            None
        }
    }
}

async fn greet_and_run(ctx: &mut Ctx) -> End {
    let text = format!("{} is ready", ctx.shared.hostname);
    let greeting = Reply::ok(text).with(hearth_wire::imap::response::Code::Capability(ctx.capabilities()));
    if ctx.write_untagged(&greeting).await.is_err() {
        return End::Silent;
    }
    run(ctx).await
}

async fn run(ctx: &mut Ctx) -> End {
    let mut mistakes = 0;
    loop {
        let read = match read_command(ctx).await {
            Ok(read) => read,
            Err(end) => return end,
        };
        let flow = match read {
            // Made of parts of other messages alone (RFC 4469).
            Read::Command if is_append(ctx) => Box::pin(run_append(ctx, None)).await,
            Read::Command => Box::pin(run_command(ctx, &mut mistakes)).await,
            Read::Append(literal) => Box::pin(run_append(ctx, Some(literal))).await,
            Read::Answered => {
                mistakes += 1;
                Ok(Flow::Continue)
            }
        };
        ctx.fragmentizer.clear();
        match flow {
            Ok(Flow::Continue) => {}
            Ok(Flow::Close) => return End::Silent,
            Ok(Flow::StartTls) => return End::StartTls,
            Ok(Flow::Compress) => ctx.compress(),
            Err(end) => return end,
        }
        let mistakes_max = if ctx.phase() == Phase::NotAuthenticated { MISTAKES_BEFORE_LOGIN_MAX } else { MISTAKES_MAX };
        if mistakes >= mistakes_max {
            return End::Bye(Reply::bye("this is not a conversation in IMAP"));
        }
    }
}

/// Waits for whichever comes first: the work, the end of the session's right to be here, the request to stop.
async fn unless_ended<T>(person: &mut Option<Person>, work: impl Future<Output = T>) -> Result<T, End> {
    tokio::select! {
        done = work => Ok(done),
        () = revoked(person.as_mut().and_then(|person| person.watch.as_mut())) => Err(End::Bye(Reply::bye(SIGNED_OUT))),
    }
}

/// Returns when the session was revoked; never when nobody has signed in.
async fn revoked(watch: Option<&mut Watch>) {
    match watch {
        Some(watch) => watch.ended().await,
        None => std::future::pending().await,
    }
}

/// Reads until something is to be done.
async fn read_command(ctx: &mut Ctx) -> Result<Read, End> {
    let mut finish_by: Option<Instant> = None;
    loop {
        let login_by = ctx.person.is_none().then_some(ctx.login_by);
        let by = next_deadline(login_by, finish_by, Instant::now());
        wait_for_bytes(ctx, by, finish_by.is_none()).await?;
        finish_by.get_or_insert_with(|| Instant::now() + COMMAND_TIME_MAX);
        // There are bytes, so this does not wait.
        let bytes = ctx.lines.fill().await.map_err(|_| End::Silent)?;
        let (taken, event) = ctx.fragmentizer.push(bytes);
        ctx.lines.consume(taken);
        match event {
            Event::More => {}
            Event::Command => return Ok(Read::Command),
            Event::Literal(literal) => match admit_literal(ctx, literal).await? {
                Some(read) => return Ok(read),
                None => continue,
            },
            Event::LineTooLong | Event::CommandTooLong => {
                return Err(End::Bye(Reply::bye("the command is too long").word("TOOBIG")));
            }
        }
    }
}

/// Until when the next bytes have to come. `login_by` as long as nobody has signed in; `finish_by` once a
/// command has begun, so that a byte now and then does not keep it going for ever.
fn next_deadline(login_by: Option<Instant>, finish_by: Option<Instant>, now: Instant) -> Instant {
    match (login_by, finish_by) {
        (None, Some(by)) => by.min(now + PROGRESS_TIME_MAX),
        (None, None) => now + IDLE_TIME_MAX,
        (Some(login_by), Some(by)) => by.min(login_by),
        (Some(login_by), None) => login_by,
    }
}

/// `between`: no command has begun, so that what NOTIFY asked for may be told meanwhile.
async fn wait_for_bytes(ctx: &mut Ctx, by: Instant, between: bool) -> Result<(), End> {
    while wait_once(ctx, by, between && ctx.notify.is_some()).await? == Woken::Called {
        match Box::pin(command::tell_between(ctx)).await {
            Ok(()) => {}
            Err(Failure::Fault(Fault::Ours(trouble))) => tracing::error!(peer = %ctx.peer, %trouble, "news cannot be told"),
            Err(failure) => {
                tracing::debug!(peer = %ctx.peer, ?failure, "news cannot be told");
                return Err(End::Silent);
            }
        }
    }
    Ok(())
}

/// What there is after a wait.
#[derive(PartialEq, Eq)]
enum Woken {
    /// Bytes.
    Bytes,
    /// News.
    Called,
}

async fn wait_once(ctx: &mut Ctx, by: Instant, listens: bool) -> Result<Woken, End> {
    // Output that waits is written first, so that the read below may be dropped without losing any of it.
    ctx.lines.flush().await.map_err(|_| End::Silent)?;
    let stop = ctx.shared.stop.clone();
    let (lines, selected, notify) = (&mut ctx.lines, &mut ctx.selected, &mut ctx.notify);
    let called =
        async { if listens { called(selected.as_deref_mut(), notify.as_deref_mut()).await } else { std::future::pending().await } };
    let read = async {
        tokio::select! {
            read = timeout_at(by, lines.fill_idle()) => match read {
                Err(_) => Err(End::Bye(Reply::bye("you were silent for too long"))),
                Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => Err(End::Bye(Reply::bye("you were silent for too long"))),
                Ok(Err(_)) => Err(End::Silent),
                Ok(Ok([])) => Err(End::Silent),
                Ok(Ok(_)) => Ok(Woken::Bytes),
            },
            () = called => Ok(Woken::Called),
            () = stop.requested() => Err(End::Bye(Reply::bye("the server is stopping; come back soon").word("UNAVAILABLE"))),
        }
    };
    unless_ended(&mut ctx.person, read).await?
}

/// A literal was announced: make it part of the command, hand it to APPEND, or refuse it.
async fn admit_literal(ctx: &mut Ctx, literal: Literal) -> Result<Option<Read>, End> {
    if is_append(ctx) {
        return Ok(Some(Read::Append(literal)));
    }
    if ctx.fragmentizer.accept(literal) {
        if literal.waits {
            ctx.lines.write(b"+ go on\r\n").await.map_err(|_| End::Silent)?;
        }
        return Ok(None);
    }
    let tag = parse_tag_and_verb(ctx.fragmentizer.text()).map(|(tag, _)| tag);
    let reply = Reply::no("the literal is too large").word("TOOBIG");
    if !literal.waits && (ctx.phase() == Phase::NotAuthenticated || literal.size_bytes > DISCARD_BYTES_MAX) {
        // RFC 7888 §4: it comes whether we want it or not; a stranger's we do not read.
        return Err(End::Bye(Reply::bye(reply.text).word("TOOBIG")));
    }
    if !literal.waits {
        append::discard(ctx, literal.size_bytes).await.map_err(|_| End::Silent)?;
        append::discard_line(ctx).await.map_err(|_| End::Silent)?;
    }
    answer(ctx, tag.as_deref(), &reply).await?;
    ctx.fragmentizer.clear();
    Ok(Some(Read::Answered))
}

async fn answer(ctx: &mut Ctx, tag: Option<&str>, reply: &Reply) -> Result<(), End> {
    let mut out = Vec::new();
    reply.encode(&mut out, tag);
    ctx.lines.write(&out).await.map_err(|_| End::Silent)
}

/// Is what has come so far an APPEND up to octets of a message, or to its end?
fn is_append(ctx: &Ctx) -> bool {
    ctx.phase() != Phase::NotAuthenticated && parse_append_head(ctx.fragmentizer.text(), ctx.charset()).is_some()
}

async fn run_append(ctx: &mut Ctx, literal: Option<Literal>) -> Result<Flow, End> {
    let head = parse_append_head(ctx.fragmentizer.text(), ctx.charset());
    ctx.fragmentizer.divert();
    let (tag, outcome) = match head {
        Some(Ok(head)) => {
            let tag = head.tag.clone();
            (tag, append::run(ctx, head, literal).await)
        }
        Some(Err((tag, bad))) => (tag, append::give_up(ctx, literal, Reply::bad(bad.0).into()).await),
        None => return Ok(Flow::Continue),
    };
    metrics::counter!("imap_commands_total", "command" => "APPEND").increment(1);
    finish(ctx, &tag, outcome).await
}

async fn run_command(ctx: &mut Ctx, mistakes: &mut u32) -> Result<Flow, End> {
    let parsed = parse_command(ctx.fragmentizer.text(), ctx.charset());
    let verb = parse_tag_and_verb(ctx.fragmentizer.text()).map(|(_, verb)| verb).unwrap_or_default();
    ctx.fragmentizer.clear();
    let tagged = match parsed {
        Ok(tagged) => tagged,
        Err(error) => {
            *mistakes += 1;
            let reply = if error.what == hearth_wire::imap::BAD_CHARSET.0 {
                Reply::no(error.what).with(hearth_wire::imap::response::Code::BadCharset)
            } else {
                Reply::bad(error.what)
            };
            answer(ctx, error.tag.as_deref(), &reply).await?;
            return Ok(Flow::Continue);
        }
    };
    let Some(admits) = registry::find_command(&verb) else {
        *mistakes += 1;
        answer(ctx, Some(&tagged.tag), &Reply::bad("unknown command")).await?;
        return Ok(Flow::Continue);
    };
    if let Err(why) = ctx.phase().admit(admits) {
        *mistakes += 1;
        answer(ctx, Some(&tagged.tag), &Reply::bad(why)).await?;
        return Ok(Flow::Continue);
    }
    *mistakes = 0;
    metrics::counter!("imap_commands_total", "command" => verb).increment(1);
    let tag = tagged.tag.clone();
    // A signed-out device does not get to the end of a long FETCH either; the reply is cut where it is.
    let idles = tagged.command == Command::Idle;
    let mut watch = ctx.person.as_mut().and_then(|person| person.watch.take());
    let outcome = tokio::select! {
        outcome = command::run(ctx, tagged) => outcome,
        () = revoked(watch.as_mut()) => {
            return Err(if idles { End::Bye(Reply::bye(SIGNED_OUT)) } else { End::Silent });
        }
    };
    if let (Some(person), Some(watch)) = (&mut ctx.person, watch) {
        person.watch = Some(watch);
    }
    match outcome {
        Ok((Flow::Continue, reply)) => finish(ctx, &tag, Ok(reply)).await,
        Ok((flow, reply)) => {
            answer(ctx, Some(&tag), &reply).await?;
            ctx.lines.flush().await.map_err(|_| End::Silent)?;
            Ok(flow)
        }
        Err(failure) => finish(ctx, &tag, Err(failure)).await,
    }
}

/// Writes the tagged reply, whatever it is.
async fn finish(ctx: &mut Ctx, tag: &str, outcome: Outcome) -> Result<Flow, End> {
    let reply = match outcome {
        Ok(reply) => reply,
        Err(Failure::Gone(error)) => {
            tracing::debug!(peer = %ctx.peer, %error, "the connection is gone");
            return Err(End::Silent);
        }
        Err(Failure::Fault(Fault::Peer(reply))) if reply.condition == Condition::Bye => return Err(End::Bye(reply)),
        Err(Failure::Fault(Fault::Peer(reply))) => reply,
        Err(Failure::Fault(Fault::Ours(trouble))) => {
            tracing::error!(peer = %ctx.peer, %trouble, "a command failed");
            reply_to_trouble(&trouble)
        }
    };
    answer(ctx, Some(tag), &reply).await?;
    Ok(Flow::Continue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_byte_a_second_does_not_go_on_for_ever() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let login_by = at(LOGIN_TIME_MAX.as_secs());
        let finish_by = at(COMMAND_TIME_MAX.as_secs());
        // A stranger: the time to sign in, whatever was sent.
        assert_eq!(next_deadline(Some(login_by), None, at(59)), login_by);
        assert_eq!(next_deadline(Some(login_by), Some(finish_by), at(59)), login_by);
        // A person: half an hour between commands, a bound for each command, and for each pause in it.
        assert_eq!(next_deadline(None, None, start), start + IDLE_TIME_MAX);
        assert_eq!(next_deadline(None, Some(finish_by), start), start + PROGRESS_TIME_MAX);
        assert_eq!(next_deadline(None, Some(finish_by), at(COMMAND_TIME_MAX.as_secs() - 1)), finish_by);
        // RFC 9051 §5.4: at least 30 minutes.
        assert!(IDLE_TIME_MAX >= Duration::from_secs(30 * 60));
    }
}
