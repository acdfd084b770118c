// SPDX-License-Identifier: AGPL-3.0-or-later
//! BDAT (RFC 3030 §2): the message in counted pieces.

use std::io;

use hearth_net::lines::Lines;
use hearth_types::Fault;
use hearth_wire::smtp::replies::{CLOSING_421_4_3_2, NO_SPACE_452_4_3_1, OK_250_2_0_0, TIMEOUT_421_4_4_2, TOO_BIG_552_5_3_4};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::data;
use crate::ctx::{Ctx, Outcome};
use crate::limits::{DATA, DEADLINES, OVERRUN_BYTES_MAX};
use crate::session::AT_COMMAND;
use crate::state::{State, Transaction};

pub(crate) async fn run<S>(ctx: &Ctx, state: &mut State, lines: &mut Lines<S>, size_bytes: u64, last: bool) -> io::Result<Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let is_binary = state.transaction.as_ref().is_some_and(Transaction::is_binary);
    let held = state.transaction.as_ref().and_then(|t| t.chunks.as_ref()).map_or(0, |chunks| chunks.raw.len());
    let refusal = if (held as u64).saturating_add(size_bytes) > ctx.server.size_bytes_max { Some(TOO_BIG_552_5_3_4) } else { None };
    // The account goes on from chunk to chunk, until the message is taken or given up.
    let begun = state.transaction.as_mut().and_then(|transaction| transaction.chunks.as_mut());
    let mut memory = begun.and_then(|chunks| chunks.memory.take()).unwrap_or_else(|| ctx.server.memory());
    let size = usize::try_from(size_bytes).unwrap_or(usize::MAX);
    let refusal = refusal.or_else(|| (!memory.grow_to(held.saturating_add(size))).then_some(NO_SPACE_452_4_3_1));
    if let Some(refusal) = refusal {
        skip(lines, size_bytes).await?;
        if last {
            data::repeat(state, lines, &refusal).await?;
        }
        state.transaction = None;
        return Ok(Err(Fault::Peer(refusal)));
    }
    let Some(chunks) = state.transaction.as_mut().map(|transaction| transaction.chunks.get_or_insert_default()) else {
        return Ok(Err(Fault::Peer(hearth_wire::smtp::replies::BAD_SEQUENCE_503_5_5_1)));
    };
    chunks.memory = Some(memory);
    lines.set_deadlines(DEADLINES);
    let read = timeout(DATA, lines.read_exact(size, &mut chunks.raw)).await;
    lines.set_deadlines(AT_COMMAND);
    match read {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(Err(error)) if error.kind() != io::ErrorKind::TimedOut => return Err(error),
        Ok(Err(_)) | Err(_) => return Ok(Err(Fault::Peer(TIMEOUT_421_4_4_2))),
    }
    if !is_binary {
        chunks.check.push(chunks.raw.get(held..).unwrap_or_default());
    }
    if !last {
        return Ok(Ok(OK_250_2_0_0.saying(format!("{size_bytes} octets received"))));
    }
    let faulty = if is_binary { None } else { chunks.check.finish() };
    if let Some(fault) = faulty {
        let refusal = data::of_fault(fault);
        data::repeat(state, lines, &refusal).await?;
        state.transaction = None;
        return Ok(Err(Fault::Peer(refusal)));
    }
    let mut raw = std::mem::take(&mut chunks.raw);
    if !is_binary && !raw.is_empty() && !raw.ends_with(b"\r\n") {
        raw.extend_from_slice(b"\r\n");
    }
    data::take(ctx, state, lines, raw).await
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
