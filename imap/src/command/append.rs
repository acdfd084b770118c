// SPDX-License-Identifier: AGPL-3.0-or-later
//! APPEND (RFC 9051 §6.3.12), several messages at once (RFC 3502): all of them or none. REPLACE (RFC 8508) is an APPEND
//! that takes another message away in the same transaction.
//!
//! A message is checked against all that is known before its first byte is asked for. Small ones wait in
//! memory, large ones in a file, so that no message is larger than the process.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use hearth_mailstore::message::{self, Prepared};
use hearth_mailstore::{Content, Durability, Error, Flag, FlagChange, FlagSet, quota};
use hearth_types::{Fault, MailboxId, Timestamp};
use hearth_wire::imap::append::{AppendHead, Replaced, parse_append_next};
use hearth_wire::imap::response::{Code, Condition, Reply};
use hearth_wire::imap::{AppendOptions, Event, Literal, SequenceSet};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

use super::create::find_target;
use super::store::parse_flags;
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};
use crate::limits::{APPEND_MEMORY_BYTES_MAX, APPEND_MESSAGES_MAX, APPEND_TIME_MAX, DISCARD_BYTES_MAX};
use crate::news::{Look, tell};

/// A message that waits for the others of its command.
struct Waiting {
    prepared: Prepared,
    flags: FlagSet,
    received_at: Timestamp,
}

/// Reads the messages and stores them. The first one's literal has been announced.
pub async fn run(ctx: &mut Ctx, head: AppendHead, literal: Literal) -> Outcome {
    let account = ctx.account()?;
    let path = head.mailbox.as_str().to_string();
    let replaced = match head.replaces.map(|replaced| find_replaced(ctx, replaced)).transpose() {
        Ok(replaced) => replaced,
        Err(Failure::Fault(Fault::Peer(reply))) => return refuse(ctx, literal, reply).await,
        Err(other) => return refuse_after(ctx, literal, other).await,
    };
    let mut waiting: Vec<Waiting> = Vec::new();
    let (mut options, mut literal) = (head.options, literal);
    let mut bytes = 0_u64;
    loop {
        bytes = bytes.saturating_add(literal.size_bytes);
        let (flags, received_at) = match check(ctx, &path, &options, literal, bytes, waiting.len()).await {
            Ok(checked) => checked,
            Err(Failure::Fault(Fault::Peer(reply))) => return refuse(ctx, literal, reply).await,
            Err(other) => return refuse_after(ctx, literal, other).await,
        };
        if literal.waits {
            ctx.write(b"+ go on\r\n").await?;
        }
        let content = match receive(ctx, literal.size_bytes).await? {
            Ok(content) => content,
            Err(failure) => {
                discard_line(ctx).await?;
                return Err(failure);
            }
        };
        let prepared = ctx.shared.store.prepare(account, content.content()).await;
        drop(content);
        match (prepared, read_next(ctx, options.utf8).await?) {
            (Err(error), Next::End) => return Err(error.into()),
            (Err(error), Next::Message(_, literal)) => return refuse_after(ctx, literal, error.into()).await,
            (Err(_), Next::Mistake(reply)) => return Ok(reply),
            (Ok(_), Next::Mistake(reply)) => return Ok(reply),
            (Ok(prepared), Next::End) => {
                waiting.push(Waiting { prepared, flags, received_at });
                break;
            }
            (Ok(_), Next::Message(_, literal)) if replaced.is_some() => {
                return refuse(ctx, literal, Reply::bad("REPLACE takes one message")).await;
            }
            (Ok(prepared), Next::Message(next, announced)) => {
                waiting.push(Waiting { prepared, flags, received_at });
                (options, literal) = (next, announced);
            }
        }
    }
    store(ctx, path, waiting, replaced).await
}

/// The message that REPLACE takes away: its mailbox and UID.
fn find_replaced(ctx: &mut Ctx, replaced: Replaced) -> Result<(MailboxId, u32), Failure> {
    if ctx.modes.uid_only && !replaced.uid {
        return Err(Reply::bad("only UIDs are spoken of").word("UIDREQUIRED").into());
    }
    let selected = ctx.writable()?;
    let set = SequenceSet::Ranges(vec![(replaced.message, replaced.message)]);
    let lines = selected.view.resolve(&set, replaced.uid, &[]).map_err(Reply::bad)?;
    let line = lines.first().ok_or_else(|| Reply::no("there is no such message").word("NONEXISTENT"))?;
    Ok((selected.mailbox, line.uid))
}

/// All that can be known before the bytes come.
async fn check(
    ctx: &mut Ctx,
    path: &str,
    options: &AppendOptions,
    literal: Literal,
    bytes: u64,
    before: usize,
) -> Result<(FlagSet, Timestamp), Failure> {
    if literal.size_bytes > ctx.shared.append_bytes_max {
        return Err(Reply::no("the message is too large").word("TOOBIG").into());
    }
    if before >= APPEND_MESSAGES_MAX {
        return Err(Reply::no("too many messages in one APPEND").word("LIMIT").into());
    }
    if literal.size_bytes == 0 {
        // (quirk: some clients append nothing to give up; RFC 3501 §6.3.11 knows no empty message)
        return Err(Reply::no("an empty message cannot be stored").word("CANNOT").into());
    }
    // \Recent and system flags of others' making are left out rather than refused (quirk: imapsync, Outlook for Mac).
    let known: Vec<String> =
        options.flags.iter().filter(|flag| hearth_mailstore::Flag::from_imap(flag).is_some()).cloned().collect();
    let flags = parse_flags(&known).unwrap_or_default();
    let (account, path) = (ctx.account()?, path.to_string());
    let work = move |tx: &mut hearth_mailstore::MailTx<'_>| {
        find_target(tx, &path)?;
        let quota = quota::find(tx)?;
        let full = quota.limit_bytes.is_some_and(|limit| quota.used_bytes.saturating_add(bytes) > limit);
        if full { Err(Failure::from(Error::OverQuota)) } else { Ok(()) }
    };
    ctx.shared.store.read(account, work).await?;
    Ok((flags, options.received_at.unwrap_or_else(|| ctx.shared.clock.now())))
}

/// One transaction for all of them.
async fn store(ctx: &mut Ctx, path: String, waiting: Vec<Waiting>, replaced: Option<(MailboxId, u32)>) -> Outcome {
    let account = ctx.account()?;
    let work = move |tx: &mut hearth_mailstore::MailTx<'_>| {
        let target = find_target(tx, &path)?;
        let mut uids = Vec::with_capacity(waiting.len());
        for Waiting { prepared, flags, received_at } in waiting {
            uids.push(message::append(tx, prepared, &[target.id], &flags, received_at)?.uid);
        }
        if let Some((mailbox, uid)) = replaced {
            message::store_flags(tx, mailbox, &[uid], &FlagChange::Add(Flag::Deleted.into()), None)?;
            if message::expunge(tx, mailbox, Some(&[uid]))?.is_empty() {
                // RFC 8508 §3.3: the other message is gone already, so nothing is stored.
                return Err(Error::NoSuchMessage.into());
            }
        }
        Ok::<_, Failure>((target.id, target.uid_validity, uids))
    };
    let (mailbox, validity, uids) = ctx.shared.store.write(account, Durability::Synced, work).await?;
    if replaced.is_some() {
        // RFC 8508 §3.4: APPENDUID comes before the EXPUNGE.
        ctx.write_untagged(&Reply::ok("stored").with(Code::AppendUid(validity, uids))).await?;
        tell(ctx, Look::Always, false).await?;
        return Ok(Reply::ok("replaced"));
    }
    if ctx.selected.as_ref().is_some_and(|selected| selected.mailbox == mailbox) {
        // RFC 9051 §6.3.12: if it is the open mailbox, EXISTS follows at once.
        tell(ctx, Look::Always, false).await?;
    }
    Ok(Reply::ok("stored").with(Code::AppendUid(validity, uids)))
}

/// Content that was received; a file of it goes away with this value.
enum Received {
    Memory(Vec<u8>),
    File(Spooled),
}

struct Spooled(PathBuf);

impl Drop for Spooled {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a spooled message cannot be removed");
        }
    }
}

impl Received {
    fn content(&self) -> Content {
        match self {
            Self::Memory(bytes) => Content::Bytes(bytes.clone()),
            Self::File(file) => Content::File(file.0.clone()),
        }
    }
}

/// Takes the literal's bytes. The outer error ends the connection; the inner one the command, the bytes being gone.
async fn receive(ctx: &mut Ctx, size_bytes: u64) -> Result<Result<Received, Failure>, Failure> {
    let by = Instant::now() + APPEND_TIME_MAX;
    if size_bytes <= APPEND_MEMORY_BYTES_MAX {
        let mut bytes = Vec::new();
        let length = usize::try_from(size_bytes).unwrap_or(usize::MAX);
        let whole = timeout_at(by, ctx.lines.read_exact(length, &mut bytes)).await.map_err(|_| too_slow())??;
        return if whole { Ok(Ok(Received::Memory(bytes))) } else { Err(cut_short()) };
    }
    let number = ctx.shared.spooled.fetch_add(1, Ordering::Relaxed);
    let path = ctx.shared.spool.join(format!("append.{}.{number}", std::process::id()));
    let mut file = match tokio::fs::File::create_new(&path).await {
        Ok(file) => Ok((file, Spooled(path))),
        Err(error) => Err(Error::from(error)),
    };
    let mut left = size_bytes;
    while left > 0 {
        let chunk = timeout_at(by, ctx.lines.fill()).await.map_err(|_| too_slow())??;
        if chunk.is_empty() {
            return Err(cut_short());
        }
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        let part = chunk.get(..taken).unwrap_or_default();
        if let Ok((open, _)) = &mut file
            && let Err(error) = open.write_all(part).await
        {
            // The disk is full: what is left of the message is read and dropped, then the client is told.
            file = Err(error.into());
        }
        left -= taken as u64;
        ctx.lines.consume(taken);
    }
    Ok(match file {
        Ok((mut open, spooled)) => open.flush().await.map(|()| Received::File(spooled)).map_err(|error| Error::from(error).into()),
        Err(error) => Err(error.into()),
    })
}

fn cut_short() -> Failure {
    std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()
}

fn too_slow() -> Failure {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

enum Next {
    End,
    Message(AppendOptions, Literal),
    Mistake(Reply),
}

/// What follows a message: the end of the command, or another message.
async fn read_next(ctx: &mut Ctx, utf8: bool) -> Result<Next, Failure> {
    match read_event(ctx).await? {
        Event::Command => {
            let next = parse_append_next(ctx.fragmentizer.text(), utf8);
            ctx.fragmentizer.clear();
            Ok(match next {
                Ok(None) => Next::End,
                Ok(Some(_)) => Next::Mistake(Reply::bad("the message is missing")),
                Err(bad) => Next::Mistake(Reply::bad(bad.0)),
            })
        }
        Event::Literal(literal) => {
            let next = parse_append_next(ctx.fragmentizer.text(), utf8);
            ctx.fragmentizer.divert();
            match next {
                Ok(Some(options)) => Ok(Next::Message(options, literal)),
                Ok(None) => Ok(Next::Mistake(Reply::bad("the message is missing"))),
                Err(bad) => {
                    let reply = Reply::bad(bad.0);
                    refuse(ctx, literal, reply.clone()).await?;
                    Ok(Next::Mistake(reply))
                }
            }
        }
        Event::More | Event::LineTooLong | Event::CommandTooLong => {
            Err(Reply::bye("the command is too long").word("TOOBIG").into())
        }
    }
}

/// Reads on to the fragmentizer's next event.
async fn read_event(ctx: &mut Ctx) -> Result<Event, Failure> {
    loop {
        let chunk = ctx.lines.fill().await?;
        if chunk.is_empty() {
            return Err(cut_short());
        }
        let (taken, event) = ctx.fragmentizer.push(chunk);
        ctx.lines.consume(taken);
        if event != Event::More {
            return Ok(event);
        }
    }
}

/// Answers a message that is not wanted. If its bytes come all the same, they are dropped, with all that follows them.
pub async fn refuse(ctx: &mut Ctx, literal: Literal, reply: Reply) -> Outcome {
    let mut literal = literal;
    while !literal.waits {
        if literal.size_bytes > DISCARD_BYTES_MAX {
            return Err(Reply { condition: Condition::Bye, ..reply }.into());
        }
        discard(ctx, literal.size_bytes).await?;
        let event = read_event(ctx).await?;
        ctx.fragmentizer.clear();
        match event {
            Event::Literal(next) => literal = next,
            _ => break,
        }
    }
    Ok(reply)
}

/// The same when the failure is ours.
async fn refuse_after(ctx: &mut Ctx, literal: Literal, failure: Failure) -> Outcome {
    if matches!(failure, Failure::Gone(_)) {
        return Err(failure);
    }
    refuse(ctx, literal, Reply::no("not stored")).await?;
    Err(failure)
}

/// Reads and drops.
pub async fn discard(ctx: &mut Ctx, size_bytes: u64) -> Result<(), Failure> {
    let by = Instant::now() + APPEND_TIME_MAX;
    let mut left = size_bytes;
    while left > 0 {
        let chunk = timeout_at(by, ctx.lines.fill()).await.map_err(|_| too_slow())??;
        if chunk.is_empty() {
            return Err(cut_short());
        }
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        left -= taken as u64;
        ctx.lines.consume(taken);
    }
    Ok(())
}

/// Reads and drops the rest of a command that was answered already.
pub async fn discard_line(ctx: &mut Ctx) -> Result<(), Failure> {
    ctx.fragmentizer.clear();
    loop {
        let event = read_event(ctx).await?;
        ctx.fragmentizer.clear();
        match event {
            Event::Literal(literal) if !literal.waits && literal.size_bytes <= DISCARD_BYTES_MAX => {
                discard(ctx, literal.size_bytes).await?
            }
            Event::Literal(literal) if !literal.waits => return Err(Reply::bye("the literal is too large").word("TOOBIG").into()),
            _ => return Ok(()),
        }
    }
}
