// SPDX-License-Identifier: AGPL-3.0-or-later
//! BDAT (RFC 3030 §2): the message in counted pieces.

use std::io;

use hearth_net::lines::Lines;
use hearth_types::Fault;
use hearth_wire::smtp::replies::{CLOSING_421_4_3_2, NO_SPACE_452_4_3_1, OK_250_2_0_0, TIMEOUT_421_4_4_2, TOO_BIG_552_5_3_4};
use hearth_wire::smtp::{LineCheck, Reply};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::data;
use crate::ctx::{Ctx, Outcome};
use crate::limits::{DATA, DEADLINES, OVERRUN_BYTES_MAX};
use crate::message::Intake;
use crate::session::AT_COMMAND;
use crate::state::{State, Transaction};

pub(crate) async fn run<S>(ctx: &Ctx, state: &mut State, lines: &mut Lines<S>, size_bytes: u64, last: bool) -> io::Result<Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let is_binary = state.transaction.as_ref().is_some_and(Transaction::is_binary);
    let Some(chunks) = state.transaction.as_mut().map(|transaction| transaction.chunks.get_or_insert_default()) else {
        return Ok(Err(Fault::Peer(hearth_wire::smtp::replies::BAD_SEQUENCE_503_5_5_1)));
    };
    let mut intake = chunks.intake.take().unwrap_or_else(|| Intake::new(&ctx.server));
    lines.set_deadlines(DEADLINES);
    let read = if intake.len().saturating_add(size_bytes) > ctx.server.size_bytes_max {
        Ok(skip(lines, size_bytes).await.map(|()| Some(TOO_BIG_552_5_3_4)))
    } else {
        let check = if is_binary { None } else { Some(&mut chunks.check) };
        timeout(DATA, read(lines, &mut intake, check, size_bytes)).await
    };
    lines.set_deadlines(AT_COMMAND);
    let refusal = match read {
        Ok(Ok(refusal)) => refusal,
        Ok(Err(error)) if error.kind() != io::ErrorKind::TimedOut => return Err(error),
        Ok(Err(_)) | Err(_) => return Ok(Err(Fault::Peer(TIMEOUT_421_4_4_2))),
    };
    if let Some(refusal) = refusal {
        if last {
            data::repeat(state, lines, &refusal).await?;
        }
        state.transaction = None;
        return Ok(Err(Fault::Peer(refusal)));
    }
    if !last {
        chunks.intake = Some(intake);
        return Ok(Ok(OK_250_2_0_0.saying(format!("{size_bytes} octets received"))));
    }
    let faulty = if is_binary { None } else { chunks.check.finish() };
    if let Some(fault) = faulty {
        let refusal = data::of_fault(fault);
        data::repeat(state, lines, &refusal).await?;
        state.transaction = None;
        return Ok(Err(Fault::Peer(refusal)));
    }
    if !is_binary && intake.len() > 0 && !chunks.check.is_at_line_start() {
        intake.add(|octets| octets.extend_from_slice(b"\r\n")).await?;
    }
    data::take(ctx, state, lines, intake).await
}

/// Reads a chunk; the reply when there is no room for it, and then the chunk is passed over.
async fn read<S>(
    lines: &mut Lines<S>,
    intake: &mut Intake,
    mut check: Option<&mut LineCheck>,
    size_bytes: u64,
) -> io::Result<Option<Reply>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut left = size_bytes;
    while left > 0 {
        let piece = lines.fill().await?;
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        let Some(octets) = piece.get(..taken).filter(|octets| !octets.is_empty()) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if let Some(check) = &mut check {
            check.push(octets);
        }
        let ((), fits) = intake.add(|all| all.extend_from_slice(octets)).await?;
        lines.consume(taken);
        left -= taken as u64;
        if !fits {
            skip(lines, left).await?;
            return Ok(Some(NO_SPACE_452_4_3_1));
        }
    }
    Ok(None)
}

/// Reads a chunk that nobody wants.
pub(crate) async fn skip<S>(lines: &mut Lines<S>, size_bytes: u64) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if size_bytes > OVERRUN_BYTES_MAX {
        crate::session::say(lines, &CLOSING_421_4_3_2.saying("the chunk is too big to be skipped")).await?;
        lines.close().await?;
        return Err(io::Error::other("a refused chunk is beyond its bound"));
    }
    let mut left = size_bytes;
    while left > 0 {
        let piece = lines.fill().await?.len();
        if piece == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let taken = u64::try_from(piece).unwrap_or(u64::MAX).min(left);
        lines.consume(usize::try_from(taken).unwrap_or(piece));
        left -= taken;
    }
    Ok(())
}
