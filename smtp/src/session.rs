// SPDX-License-Identifier: AGPL-3.0-or-later
//! The loop: read, parse, admit, run, write. The only file that knows all the others.

use std::io;
use std::sync::Arc;

use hearth_identity::login::Watch;
use hearth_net::lines::{Deadlines, Ending, Line, Lines};
use hearth_net::listen::Peer;
use hearth_types::Fault;
use hearth_wire::smtp::replies::{
    CLOSING_221_2_0_0, CLOSING_421_4_3_2, LINE_TOO_LONG_500_5_5_6, NO_TLS_454_4_7_0, READY_FOR_TLS_220_2_0_0, SYNTAX_501_5_5_4,
    TIMEOUT_421_4_4_2, TRY_LATER_451_4_3_0, UNKNOWN_COMMAND_500_5_5_2, UNKNOWN_PARAMETER_555_5_5_4,
};
use hearth_wire::smtp::{COMMAND_LINE_BYTES_MAX, Command, CommandError, Reply, parse_command};
use metrics::{counter, gauge};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::command;
use crate::ctx::{Ctx, Outcome, Server};
use crate::limits::{COMMAND_LINE, DEADLINES, ERROR_DELAY};
use crate::state::{Kind, State};

/// How long a session waits for a command, and how long for the rest of a line that has begun.
pub(crate) const AT_COMMAND: Deadlines = Deadlines { progress: COMMAND_LINE, ..DEADLINES };

/// How a conversation ended.
pub(crate) enum End<S> {
    Closed,
    /// Begin TLS on this stream, and a new conversation in it.
    StartTls(S),
}

/// Speaks with one peer until the end. `implicit_tls`: the handshake comes first (RFC 8314 §3.3).
pub async fn run<S>(server: Arc<Server>, kind: Kind, implicit_tls: bool, peer: Peer, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    gauge!("smtp_sessions").increment(1);
    let ctx = Ctx { server, peer, tls: None };
    if let Err(error) = talk(ctx, kind, implicit_tls, stream).await {
        tracing::debug!(peer = %peer.remote, %error, "the connection broke");
    }
    gauge!("smtp_sessions").decrement(1);
}

async fn talk<S>(ctx: Ctx, kind: Kind, implicit_tls: bool, stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let stream = if implicit_tls {
        stream
    } else {
        match converse(&ctx, State::new(kind, false), stream, true).await? {
            End::Closed => return Ok(()),
            End::StartTls(stream) => stream,
        }
    };
    let Some(tls) = ctx.server.tls.clone() else { return Ok(()) };
    let (stream, facts) = tls.accept(stream).await?;
    let ctx = Ctx { tls: Some(facts), ..ctx };
    // RFC 3207 §4.2: nothing that was said before TLS is remembered, and there is no second greeting.
    converse(&ctx, State::new(kind, true), stream, implicit_tls).await?;
    Ok(())
}

pub(crate) async fn converse<S>(ctx: &Ctx, mut state: State, stream: S, greet: bool) -> io::Result<End<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut lines = Lines::new(stream, AT_COMMAND);
    let mut watch = None;
    if greet {
        say(&mut lines, &Reply::plain(220, format!("{} ESMTP Hearth", ctx.server.hostname))).await?;
    }
    loop {
        let command = match next(ctx, &mut lines, watch.as_mut()).await? {
            Next::Command(command) => command,
            Next::Say(reply) => {
                if conclude(ctx, &mut state, &mut lines, None, reply).await? {
                    return Ok(End::Closed);
                }
                continue;
            }
            Next::Close(reply) => {
                if let Some(reply) = reply {
                    say(&mut lines, &reply).await?;
                }
                lines.close().await?;
                return Ok(End::Closed);
            }
        };
        if command == Command::StartTls && state.admit(&command).is_ok() {
            match start_tls(ctx, &mut lines).await? {
                None => return Ok(End::StartTls(lines.into_inner())),
                Some(refusal) => {
                    say(&mut lines, &refusal).await?;
                    lines.close().await?;
                    return Ok(End::Closed);
                }
            }
        }
        let reply = settle(&command, dispatch(ctx, &mut state, &mut lines, &command).await?);
        if watch.is_none() {
            watch = state.login.as_ref().map(|login| ctx.server.revocations.watch(login));
        }
        if conclude(ctx, &mut state, &mut lines, Some(&command), reply).await? {
            return Ok(End::Closed);
        }
    }
}

/// What came instead of, or as, the next line.
enum Next {
    Command(Command),
    Say(Reply),
    Close(Option<Reply>),
}

async fn next<S>(ctx: &Ctx, lines: &mut Lines<S>, watch: Option<&mut Watch>) -> io::Result<Next>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let revoked = async {
        match watch {
            Some(watch) => watch.ended().await,
            None => std::future::pending().await,
        }
    };
    let line = tokio::select! {
        line = lines.read_line(COMMAND_LINE_BYTES_MAX) => line,
        () = ctx.server.stop.requested() => return Ok(Next::Close(Some(CLOSING_421_4_3_2))),
        () = revoked => return Ok(Next::Close(Some(CLOSING_421_4_3_2.saying("your sign-in has ended")))),
    };
    Ok(match line {
        Ok(Line::Line(line, Ending::CrLf)) => match parse_command(&line) {
            Ok(command) => Next::Command(command),
            // How many octets follow is not known, and none of them may be taken for a command.
            Err(error) if line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT")) => {
                Next::Close(Some(not_a_command(error)))
            }
            Err(error) => Next::Say(not_a_command(error)),
        },
        // RFC 5321 §2.3.8: lines end with CRLF, commands' too.
        Ok(Line::Line(_, Ending::Lf)) => Next::Say(UNKNOWN_COMMAND_500_5_5_2.saying("lines end with CRLF")),
        Ok(Line::TooLong) => Next::Say(LINE_TOO_LONG_500_5_5_6),
        Ok(Line::Closed) => Next::Close(None),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Next::Close(Some(TIMEOUT_421_4_4_2)),
        Err(error) => return Err(error),
    })
}

fn not_a_command(error: CommandError) -> Reply {
    match error {
        CommandError::Unknown | CommandError::NotText => UNKNOWN_COMMAND_500_5_5_2,
        CommandError::Syntax(what) => SYNTAX_501_5_5_4.saying(what),
        CommandError::UnknownParameter => UNKNOWN_PARAMETER_555_5_5_4,
    }
}

async fn dispatch<S>(ctx: &Ctx, state: &mut State, lines: &mut Lines<S>, command: &Command) -> io::Result<Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    if let Err(refusal) = state.admit(command) {
        if let Command::Bdat { size_bytes, .. } = command {
            // RFC 3030 §2: the octets come whether we like the command or not.
            command::bdat::skip(lines, *size_bytes).await?;
        }
        return Ok(Err(Fault::Peer(refusal)));
    }
    Ok(match command {
        Command::Ehlo(name) => command::ehlo::run(ctx, state, name, true),
        Command::Lhlo(name) => command::ehlo::run(ctx, state, name, true),
        Command::Helo(name) => command::ehlo::run(ctx, state, name, false),
        Command::Mail(path, params) => command::mail::run(ctx, state, path, params).await,
        Command::Rcpt(path, params) => command::rcpt::run(ctx, state, path, params).await,
        Command::Data => command::data::run(ctx, state, lines).await?,
        Command::Bdat { size_bytes, last } => command::bdat::run(ctx, state, lines, *size_bytes, *last).await?,
        Command::Auth { mechanism, initial } => command::auth::run(ctx, state, lines, mechanism, initial.as_deref()).await?,
        Command::Rset => command::plain::rset(state),
        Command::Noop => command::plain::noop(),
        Command::Vrfy => command::plain::vrfy(),
        Command::Expn => command::plain::expn(),
        Command::Help => command::plain::help(),
        Command::Quit => Ok(CLOSING_221_2_0_0),
        // Admitted ones are taken by the loop before they come here.
        Command::StartTls => Ok(NO_TLS_454_4_7_0),
    })
}

/// RFC 3207 §4.2, CVE-2011-0411: what stands behind STARTTLS in the same packet was said without TLS and must not be
/// taken for said inside it. Such a peer is not talked to any more.
async fn start_tls<S>(ctx: &Ctx, lines: &mut Lines<S>) -> io::Result<Option<Reply>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if ctx.server.tls.is_none() {
        return Ok(Some(NO_TLS_454_4_7_0));
    }
    if !lines.is_empty() {
        counter!("smtp_starttls_injections_total").increment(1);
        tracing::warn!(peer = %ctx.peer.remote, "commands were sent behind STARTTLS before TLS; closing");
        return Ok(Some(SYNTAX_501_5_5_4.saying("nothing may follow STARTTLS before TLS (RFC 3207)")));
    }
    say(lines, &READY_FOR_TLS_220_2_0_0).await?;
    lines.flush().await?;
    Ok(None)
}

/// A fault of ours becomes a reply with the id that the log has too.
pub(crate) fn settle(command: &Command, outcome: Outcome) -> Reply {
    match outcome {
        Ok(reply) | Err(Fault::Peer(reply)) => reply,
        Err(Fault::Ours(trouble)) => {
            tracing::error!(command = command.name(), trouble = %trouble, "a command failed");
            counter!("smtp_troubles_total").increment(1);
            TRY_LATER_451_4_3_0.saying(format!("try later [{}]", trouble.id()))
        }
    }
}

/// Says the reply, or the one that ends the session; true when it has ended.
async fn conclude<S>(
    ctx: &Ctx,
    state: &mut State,
    lines: &mut Lines<S>,
    command: Option<&Command>,
    reply: Reply,
) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = command.map_or("unknown", Command::name);
    counter!("smtp_commands_total", "command" => name, "class" => class(&reply)).increment(1);
    if state.is_slowed() {
        // Who tries things out has no time.
        lines.flush().await?;
        tokio::time::sleep(ERROR_DELAY).await;
    }
    say(lines, &reply).await?;
    let spent = state.count(command, &reply);
    if let Some(last_word) = &spent {
        tracing::info!(peer = %ctx.peer.remote, "too many errors or commands; closing");
        say(lines, last_word).await?;
    }
    if spent.is_some() || reply.code == 221 || reply.code == 421 {
        lines.close().await?;
        return Ok(true);
    }
    Ok(false)
}

fn class(reply: &Reply) -> &'static str {
    match reply.code / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

pub(crate) async fn say<S>(lines: &mut Lines<S>, reply: &Reply) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = Vec::with_capacity(64);
    reply.encode(&mut bytes);
    lines.write(&bytes).await
}
