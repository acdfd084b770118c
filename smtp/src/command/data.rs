// SPDX-License-Identifier: AGPL-3.0-or-later
//! DATA (RFC 5321 §4.1.1.4): the message itself, strictly framed, within its bounds.

use std::io;

use hearth_net::lines::Lines;
use hearth_types::Fault;
use hearth_wire::smtp::replies::{
    BARE_LINE_END_550_5_6_11, CLOSING_421_4_3_2, NO_SPACE_452_4_3_1, NUL_554_5_6_0, TEXT_LINE_TOO_LONG_554_5_6_0,
    TIMEOUT_421_4_4_2, TOO_BIG_552_5_3_4, start_input_354,
};
use hearth_wire::smtp::{Command, DataDecoder, DataFault, DataProgress, Reply};
use metrics::counter;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::ctx::{Ctx, Outcome};
use crate::inbound::{self, Door};
use crate::limits::{DATA, DEADLINES, OVERRUN_BYTES_MAX};
use crate::message::{Intake, Message};
use crate::session::{AT_COMMAND, say, settle};
use crate::state::{Hello, Kind, State, Transaction};
use crate::submission;

pub(crate) async fn run<S>(ctx: &Ctx, state: &mut State, lines: &mut Lines<S>) -> io::Result<Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    say(lines, &start_input_354()).await?;
    lines.set_deadlines(DEADLINES);
    let read = timeout(DATA, read(ctx, lines)).await;
    lines.set_deadlines(AT_COMMAND);
    let intake = match read {
        Ok(Ok(Ok(intake))) => intake,
        Ok(Ok(Err(refusal))) => {
            repeat(state, lines, &refusal).await?;
            state.transaction = None;
            return Ok(Err(Fault::Peer(refusal)));
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => return Ok(Err(Fault::Peer(TIMEOUT_421_4_4_2))),
        Ok(Err(error)) => return Err(error),
        Err(_) => return Ok(Err(Fault::Peer(TIMEOUT_421_4_4_2))),
    };
    take(ctx, state, lines, intake).await
}

/// RFC 2033 §4.2: as many replies as recipients; the last one is the session's to say.
pub(crate) async fn repeat<S>(state: &State, lines: &mut Lines<S>, reply: &Reply) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if state.kind == Kind::Lmtp {
        let recipients = state.transaction.as_ref().map_or(0, |transaction| transaction.recipients.len());
        for _ in 1..recipients {
            say(lines, reply).await?;
        }
    }
    Ok(())
}

/// The whole message is here: whoever it is for decides. The transaction is over, whatever comes of it.
pub(crate) async fn take<S>(ctx: &Ctx, state: &mut State, lines: &mut Lines<S>, intake: Intake) -> io::Result<Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some((message, _held)) = intake.finish().await? else {
        repeat(state, lines, &NO_SPACE_452_4_3_1).await?;
        state.transaction = None;
        return Ok(Err(Fault::Peer(NO_SPACE_452_4_3_1)));
    };
    let Some(transaction) = state.transaction.take() else {
        return Ok(Err(Fault::Peer(hearth_wire::smtp::replies::BAD_SEQUENCE_503_5_5_1)));
    };
    let hello = state.hello.clone();
    if state.kind == Kind::Lmtp {
        return take_each(ctx, hello.as_ref(), lines, transaction, message).await;
    }
    Ok(match &state.login {
        Some(login) => submission::accept(ctx, login, hello.as_ref(), transaction, message).await,
        None => inbound::accept(ctx, Door::Mx, hello.as_ref(), transaction, message).await,
    })
}

/// RFC 2033 §4.2: a reply for each recipient, so each is a delivery of its own.
async fn take_each<S>(
    ctx: &Ctx,
    hello: Option<&Hello>,
    lines: &mut Lines<S>,
    transaction: Transaction,
    message: Message,
) -> io::Result<Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Transaction { sender, params, recipients, .. } = transaction;
    let mut last = Err(Fault::Peer(hearth_wire::smtp::replies::NO_RECIPIENTS_554_5_5_1));
    let count = recipients.len();
    for (at, recipient) in recipients.into_iter().enumerate() {
        let one = Transaction { sender: sender.clone(), params: params.clone(), recipients: vec![recipient], chunks: None };
        last = inbound::accept(ctx, Door::Lmtp, hello, one, message.clone()).await;
        if at + 1 < count {
            let reply = settle(&Command::Data, std::mem::replace(&mut last, Ok(Reply::plain(250, ""))));
            say(lines, &reply).await?;
        }
    }
    Ok(last)
}

async fn read<S>(ctx: &Ctx, lines: &mut Lines<S>) -> io::Result<Result<Intake, Reply>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut decoder, mut intake) = (DataDecoder::default(), Intake::new(&ctx.server));
    let mut refusal: Option<Reply> = None;
    let mut overrun: u64 = 0;
    loop {
        let piece = lines.fill().await?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = piece.len();
        let (progress, fits) = intake.add(|octets| decoder.push(piece, octets)).await?;
        if refusal.is_none() && intake.len() > ctx.server.size_bytes_max {
            refusal = Some(TOO_BIG_552_5_3_4);
        } else if refusal.is_none() && !fits {
            refusal = Some(NO_SPACE_452_4_3_1);
        }
        if refusal.is_some() || decoder.fault().is_some() {
            // Read on to the true end, keeping nothing, so that no part of it is ever taken for commands.
            intake.forget();
            overrun = overrun.saturating_add(length as u64);
            if overrun > OVERRUN_BYTES_MAX {
                return Ok(Err(CLOSING_421_4_3_2.saying("the message does not end")));
            }
        }
        if let DataProgress::End { consumed } = progress {
            lines.consume(consumed);
            break;
        }
        lines.consume(length);
    }
    match (refusal, decoder.fault()) {
        (Some(refusal), _) => Ok(Err(refusal)),
        (None, Some(fault)) => Ok(Err(of_fault(fault))),
        (None, None) => Ok(Ok(intake)),
    }
}

/// The reply to a message whose framing is wrong.
pub(crate) fn of_fault(fault: DataFault) -> Reply {
    counter!("smtp_bad_framing_total").increment(1);
    match fault {
        DataFault::BareCr | DataFault::BareLf => BARE_LINE_END_550_5_6_11,
        DataFault::Nul => NUL_554_5_6_0,
        DataFault::LineTooLong => TEXT_LINE_TOO_LONG_554_5_6_0,
    }
}
