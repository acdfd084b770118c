// SPDX-License-Identifier: AGPL-3.0-or-later
//! APPEND (RFC 9051 §6.3.12), several messages at once (RFC 3502): all of them or none. REPLACE (RFC 8508) is an APPEND
//! that takes another message away in the same transaction. A message comes in one literal, or is made of texts and of
//! parts of other messages (`catenate.rs`).
//!
//! A message is checked against all that is known before its first byte is asked for. Small ones wait in
//! memory, large ones in a file, so that no message is larger than the process.

use std::sync::Arc;

use hearth_mailstore::message::{self, Prepared};
use hearth_mailstore::{Durability, Error, Flag, FlagChange, FlagSet, MailTx, quota};
use hearth_types::{Fault, MailboxId, Timestamp};
use hearth_wire::imap::append::{AppendHead, AppendStep, Replaced, URL_AWAITED, parse_append_next};
use hearth_wire::imap::response::{Code, Condition, Reply};
use hearth_wire::imap::{AppendForm, AppendOptions, Event, Literal, SequenceSet};
use tokio::time::{Instant, timeout_at};

use super::store::parse_flags;
use super::{catenate, spool::Spool};
use crate::access::{REMOVES, Spot, find_spot, permitted, refusal};
use crate::ctx::Ctx;
use crate::event::{self, Cause, Changed};
use crate::fault::{Failure, Outcome};
use crate::limits::{APPEND_MESSAGES_MAX, APPEND_PARTS_MAX, APPEND_TIME_MAX, DISCARD_BYTES_MAX};
use crate::news::{Look, tell};

/// A message that waits for the others of its command.
struct Waiting {
    prepared: Prepared,
    flags: FlagSet,
    received_at: Timestamp,
}

/// One command on its way.
struct Work {
    spot: Spot,
    replaced: Option<(MailboxId, u32)>,
    waiting: Vec<Waiting>,
    /// The message whose octets are coming.
    draft: Option<Draft>,
    /// Of whole messages.
    bytes: u64,
}

/// Reads the messages and stores them. `literal` is the one that was announced; there is none when all of the command's
/// messages are made of others.
pub async fn run(ctx: &mut Ctx, head: AppendHead, literal: Option<Literal>) -> Outcome {
    let replaced = match head.replaces.map(|replaced| find_replaced(ctx, replaced)).transpose() {
        Ok(replaced) => replaced,
        Err(failure) => return give_up(ctx, literal, failure).await,
    };
    let spot = match find_spot(ctx, head.mailbox.as_str()).await {
        Ok(spot) => spot,
        Err(failure) => return give_up(ctx, literal, failure).await,
    };
    if replaced.is_some() && ctx.selected.as_ref().is_some_and(|selected| selected.account != spot.account) {
        // No transaction is over two accounts.
        let failure = Reply::no("a message is replaced among the mailboxes of its owner").word("CANNOT").into();
        return give_up(ctx, literal, failure).await;
    }
    let mut work = Work { spot, replaced, waiting: Vec::new(), draft: None, bytes: 0 };
    let (mut steps, mut pending) = (head.steps, literal);
    loop {
        let announced = pending.is_some();
        for step in steps {
            let done = match (step, pending) {
                (AppendStep::Message(options), _) => work.begin(ctx, options),
                (AppendStep::Url(url), _) => work.add_url(ctx, &url).await,
                (AppendStep::Octets, None) => Err(Reply::bad("the message is missing").into()),
                (AppendStep::Octets, Some(literal)) => match work.check_octets(ctx, literal).await {
                    Err(failure) => Err(failure),
                    Ok(()) => {
                        pending = None;
                        if let Err(failure) = work.receive(ctx, literal).await? {
                            discard_line(ctx).await?;
                            return Err(failure);
                        }
                        Ok(())
                    }
                },
                (AppendStep::Whole, _) => work.finish(ctx).await,
            };
            if let Err(failure) = done {
                return give_up(ctx, pending, failure).await;
            }
        }
        if !announced {
            break;
        }
        (steps, pending) = match read_next(ctx, work.form()).await? {
            Next::Steps(steps, pending) => (steps, pending),
            Next::Mistake(reply) => return Ok(reply),
        };
    }
    store(ctx, work).await
}

/// What is not wanted is read and dropped, if it comes all the same.
pub async fn give_up(ctx: &mut Ctx, literal: Option<Literal>, failure: Failure) -> Outcome {
    match (literal, failure) {
        (Some(literal), Failure::Fault(Fault::Peer(reply))) => refuse(ctx, literal, reply).await,
        (Some(literal), other) => refuse_after(ctx, literal, other).await,
        (None, failure) => Err(failure),
    }
}

impl Work {
    fn form(&self) -> AppendForm {
        self.draft.as_ref().map(|draft| draft.form).unwrap_or_default()
    }

    fn begin(&mut self, ctx: &Ctx, options: AppendOptions) -> Result<(), Failure> {
        if self.waiting.len() >= APPEND_MESSAGES_MAX {
            return Err(Reply::no("too many messages in one APPEND").word("LIMIT").into());
        }
        if self.replaced.is_some() && !self.waiting.is_empty() {
            return Err(Reply::bad("REPLACE takes one message").into());
        }
        // \Recent and system flags of others' making are left out rather than refused (quirk: imapsync, Outlook for Mac).
        let known: Vec<String> = options.flags.into_iter().filter(|flag| Flag::from_imap(flag).is_some()).collect();
        self.draft = Some(Draft {
            form: options.form,
            flags: parse_flags(&known).unwrap_or_default(),
            received_at: options.received_at.unwrap_or_else(|| ctx.shared.clock.now()),
            content: Spool::new(Arc::clone(&ctx.shared)),
            parts: 0,
        });
        Ok(())
    }

    /// All that can be known before so many more octets come.
    async fn check(&mut self, ctx: &mut Ctx, more_bytes: u64) -> Result<(), Failure> {
        let draft = self.draft.as_mut().ok_or_else(|| Reply::bad("the message is missing"))?;
        let size_bytes = draft.content.size_bytes.saturating_add(more_bytes);
        if size_bytes > ctx.shared.append_bytes_max {
            return Err(Reply::no("the message is too large").word("TOOBIG").into());
        }
        draft.parts += 1;
        if draft.parts > APPEND_PARTS_MAX {
            return Err(Reply::no("there are too many parts").word("LIMIT").into());
        }
        let (spot, bytes) = (self.spot.clone(), self.bytes.saturating_add(size_bytes));
        let messages = self.waiting.len() as u64 + 1;
        let work = move |tx: &mut MailTx<'_>| {
            spot.find_target(tx)?;
            if quota::find(tx)?.admits(messages, bytes) { Ok(()) } else { Err(Failure::from(Error::OverQuota)) }
        };
        ctx.shared.store.read(self.spot.account, work).await
    }

    async fn check_octets(&mut self, ctx: &mut Ctx, literal: Literal) -> Result<(), Failure> {
        if literal.size_bytes == 0 && self.form() != AppendForm::Catenate {
            return Err(empty());
        }
        self.check(ctx, literal.size_bytes).await
    }

    /// Takes the literal's bytes. The outer error ends the connection; the inner one the command, the bytes being gone.
    async fn receive(&mut self, ctx: &mut Ctx, literal: Literal) -> Result<Result<(), Failure>, Failure> {
        if literal.waits {
            ctx.write(b"+ go on\r\n").await?;
        }
        let Some(draft) = &mut self.draft else { return Ok(Err(Reply::bad("the message is missing").into())) };
        let by = Instant::now() + APPEND_TIME_MAX;
        let mut state = draft.content.expect(literal.size_bytes).await;
        let mut left = literal.size_bytes;
        while left > 0 {
            let chunk = timeout_at(by, ctx.lines.fill()).await.map_err(|_| too_slow())??;
            if chunk.is_empty() {
                return Err(cut_short());
            }
            let taken = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            // When the disk is full, what is left of the message is read and dropped, then the client is told.
            if state.is_ok() {
                state = draft.content.write(chunk.get(..taken).unwrap_or_default()).await;
            }
            left -= taken as u64;
            ctx.lines.consume(taken);
        }
        Ok(state.map_err(Failure::from))
    }

    /// RFC 4469 §3: octets of a message that is here already.
    async fn add_url(&mut self, ctx: &mut Ctx, url: &str) -> Result<(), Failure> {
        let source = catenate::open(ctx, url).await?;
        self.check(ctx, source.len()).await?;
        let Some(draft) = &mut self.draft else { return Err(Reply::bad("the message is missing").into()) };
        draft.content.expect(source.len()).await?;
        let mut source = source;
        while let Some(chunk) = source.next().await? {
            draft.content.write(&chunk).await?;
        }
        Ok(())
    }

    async fn finish(&mut self, ctx: &mut Ctx) -> Result<(), Failure> {
        let Some(mut draft) = self.draft.take() else { return Err(Reply::bad("the message is missing").into()) };
        if draft.content.size_bytes == 0 {
            return Err(empty());
        }
        self.bytes = self.bytes.saturating_add(draft.content.size_bytes);
        let content = draft.content.finish().await?;
        let prepared = ctx.shared.store.prepare(self.spot.account, content).await?;
        self.waiting.push(Waiting { prepared, flags: draft.flags, received_at: draft.received_at });
        Ok(())
    }
}

/// (quirk: some clients append nothing to give up; RFC 3501 §6.3.11 knows no empty message)
fn empty() -> Failure {
    Reply::no("an empty message cannot be stored").word("CANNOT").into()
}

/// A message whose octets are coming.
struct Draft {
    form: AppendForm,
    flags: FlagSet,
    received_at: Timestamp,
    content: Spool,
    /// Literals and URLs so far.
    parts: usize,
}

/// The message that REPLACE takes away: its mailbox and UID.
fn find_replaced(ctx: &mut Ctx, replaced: Replaced) -> Result<(MailboxId, u32), Failure> {
    if ctx.modes.uid_only && !replaced.uid {
        return Err(Reply::bad("only UIDs are spoken of").word("UIDREQUIRED").into());
    }
    let selected = ctx.writable(REMOVES)?;
    if !selected.rights.has(REMOVES) {
        return Err(refusal());
    }
    let set = SequenceSet::Ranges(vec![(replaced.message, replaced.message)]);
    let lines = selected.view.resolve(&set, replaced.uid, &[]).map_err(Reply::bad)?;
    let line = lines.first().ok_or_else(|| Reply::no("there is no such message").word("NONEXISTENT"))?;
    Ok((selected.mailbox, line.uid))
}

/// One transaction for all of them.
async fn store(ctx: &mut Ctx, work: Work) -> Outcome {
    let Work { spot, replaced, waiting, .. } = work;
    let account = spot.account;
    let work = move |tx: &mut MailTx<'_>| {
        let (target, rights) = spot.find_target(tx)?;
        let mut uids = Vec::with_capacity(waiting.len());
        for Waiting { prepared, flags, received_at } in waiting {
            // RFC 4314 §4: flags that may not be set there are left out.
            let flags = permitted(&flags, rights);
            uids.push(message::append(tx, prepared, &[target.id], &flags, received_at)?.uid);
        }
        if let Some((mailbox, uid)) = replaced {
            message::store_flags(tx, mailbox, &[uid], &FlagChange::Add(Flag::Deleted.into()), None)?;
            if message::expunge(tx, mailbox, Some(&[uid]))?.is_empty() {
                // RFC 8508 §3.3: the other message is gone already, so nothing is stored.
                return Err(Error::NoSuchMessage.into());
            }
        }
        let script = event::find(tx, &spot.reach, target.id)?;
        Ok::<_, Failure>((target.id, target.uid_validity, uids, script))
    };
    let (mailbox, validity, uids, script) = ctx.shared.store.write(account, Durability::Synced, work).await?;
    let changed = uids.iter().map(|&uid| Changed { uid, flags: Vec::new() }).collect();
    event::run(ctx, script, Cause::Append, mailbox, changed).await;
    if replaced.is_some() {
        // RFC 8508 §3.4: APPENDUID comes before the EXPUNGE.
        ctx.write_untagged(&Reply::ok("stored").with(Code::AppendUid(validity, uids))).await?;
        tell(ctx, Look::Always, false).await?;
        return Ok(Reply::ok("replaced"));
    }
    if ctx.selected.as_ref().is_some_and(|selected| (selected.account, selected.mailbox) == (account, mailbox)) {
        // RFC 9051 §6.3.12: if it is the open mailbox, EXISTS follows at once.
        let selected = ctx.selected()?;
        uids.iter().for_each(|&uid| selected.view.note_own(uid));
        tell(ctx, Look::Always, false).await?;
    }
    Ok(Reply::ok("stored").with(Code::AppendUid(validity, uids)))
}

fn cut_short() -> Failure {
    std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()
}

fn too_slow() -> Failure {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

enum Next {
    /// What is to be done, and the literal that was announced; without one the command is whole.
    Steps(Vec<AppendStep>, Option<Literal>),
    Mistake(Reply),
}

/// What follows octets of a message: the rest of it, other messages, the end of the command.
async fn read_next(ctx: &mut Ctx, form: AppendForm) -> Result<Next, Failure> {
    loop {
        match read_event(ctx).await? {
            Event::Command => {
                let next = parse_append_next(ctx.fragmentizer.text(), form);
                ctx.fragmentizer.clear();
                return Ok(match next {
                    Ok(steps) if steps.last() == Some(&AppendStep::Whole) => Next::Steps(steps, None),
                    Ok(_) => Next::Mistake(Reply::bad("the message is missing")),
                    Err(bad) => Next::Mistake(Reply::bad(bad.0)),
                });
            }
            Event::Literal(literal) => match parse_append_next(ctx.fragmentizer.text(), form) {
                Ok(steps) if steps.last() == Some(&AppendStep::Octets) => {
                    ctx.fragmentizer.divert();
                    return Ok(Next::Steps(steps, Some(literal)));
                }
                Err(bad) if bad == URL_AWAITED && ctx.fragmentizer.accept(literal) => {
                    if literal.waits {
                        ctx.write(b"+ go on\r\n").await?;
                    }
                }
                other => {
                    let reply = Reply::bad(other.err().map_or("the message is missing", |bad| bad.0));
                    ctx.fragmentizer.divert();
                    return refuse(ctx, literal, reply).await.map(Next::Mistake);
                }
            },
            Event::More | Event::LineTooLong | Event::CommandTooLong => {
                return Err(Reply::bye("the command is too long").word("TOOBIG").into());
            }
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
async fn refuse(ctx: &mut Ctx, literal: Literal, reply: Reply) -> Outcome {
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
