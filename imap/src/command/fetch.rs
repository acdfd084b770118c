// SPDX-License-Identifier: AGPL-3.0-or-later
//! FETCH (RFC 9051 §6.4.5), with CHANGEDSINCE and VANISHED (RFC 7162).

use std::sync::Arc;

use hearth_mailstore::{Body, Durability, Flag, FlagChange, FlagSet, MailTx, Rights, Summary, changes, message, sweep};
use hearth_types::Trouble;
use hearth_wire::imap::response::{Reply, encode_vanished};
use hearth_wire::imap::{Fetch, FetchItem, contains};

use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};
use crate::fetch::{Renderer, Subject, Wanted, render};
use crate::limits::{FETCH_BODIES_MAX, FETCH_PIECE_BYTES, FETCH_ROWS_MAX};
use crate::news::{Look, refresh};
use crate::view::{Line, Snapshot};

/// What one transaction has to answer for.
#[derive(Default)]
struct Batch {
    renderer: Renderer,
    first: Vec<u8>,
    gone: usize,
    unknown_encoding: bool,
}

/// Writes what was asked for, message by message, at the speed at which it is taken.
pub async fn run(ctx: &mut Ctx, fetch: Fetch) -> Outcome {
    let mut fetch = fetch;
    if fetch.changed_since.is_some() || fetch.items.contains(&FetchItem::ModSeq) {
        ctx.modes.condstore = true;
    }
    if fetch.vanished && !ctx.modes.qresync {
        // RFC 7162 §3.2.6
        return Ok(Reply::bad("ENABLE QRESYNC first"));
    }
    let selected = ctx.selected()?;
    let mailbox = selected.mailbox;
    // RFC 4314 §4: without the right, \Seen is left alone and the message is shown.
    let read_only = selected.read_only || !selected.rights.has(Rights::SEEN);
    let mut lines = selected.view.resolve(&fetch.set, fetch.uid, &selected.saved).map_err(Reply::bad)?;
    if let Some(since) = fetch.changed_since {
        tell_vanished(ctx, &fetch, since).await?;
    }
    let mut now = refresh(ctx, Look::IfCalled).await?.ok_or_else(|| Reply::bad("select a mailbox first"))?;
    if let Some(since) = fetch.changed_since {
        lines.retain(|line| now.find(line.uid).unwrap_or(line).modseq > since);
    }
    if let Some(partial) = fetch.partial {
        lines = lines.get(partial.window(lines.len())).unwrap_or_default().to_vec();
    }
    let only_uid = fetch.items.iter().all(|item| *item == FetchItem::Uid);
    let mut also_flags = false;
    if !read_only && fetch.items.iter().any(FetchItem::sets_seen) && mark_seen(ctx, &lines, &now).await? {
        now = refresh(ctx, Look::Always).await?.ok_or_else(|| Reply::bad("select a mailbox first"))?;
        also_flags = true;
    }
    if ctx.modes.uid_only {
        // RFC 9586 §3.3: UIDFETCH says the UID itself.
        fetch.uid = false;
        fetch.items.retain(|item| *item != FetchItem::Uid || only_uid);
    }
    complete(&mut fetch, also_flags, ctx.modes.condstore);
    let wanted = Arc::new(Wanted { items: fetch.items, charset: ctx.charset(), mailbox, modes: ctx.modes });
    let (gone, unknown_encoding) = write_all(ctx, &wanted, &lines, &now).await?;
    if unknown_encoding {
        // RFC 9051 §6.4.5: the reply to a BINARY that cannot be decoded.
        return Ok(Reply::no("a part has an encoding that is not known").word("UNKNOWN-CTE"));
    }
    if gone > 0 && !fetch.uid && !ctx.modes.uid_only {
        return Ok(Reply::no("some of these messages are gone").word("EXPUNGEISSUED"));
    }
    Ok(Reply::ok("done"))
}

/// Items that have to be told even if they were not asked for, and each of them once.
fn complete(fetch: &mut Fetch, also_flags: bool, condstore: bool) {
    let mut items: Vec<FetchItem> = Vec::with_capacity(fetch.items.len() + 3);
    let first = [
        (fetch.uid, FetchItem::Uid),
        // RFC 9051 §6.4.5: if \Seen was set, the flags are part of the response.
        (also_flags, FetchItem::Flags),
        // RFC 7162 §3.1.4.1: CHANGEDSINCE asks for MODSEQ too; so does a change of flags.
        (fetch.changed_since.is_some() || also_flags && condstore, FetchItem::ModSeq),
    ];
    let added = first.into_iter().filter(|(on, _)| *on).map(|(_, item)| item);
    for item in added.chain(std::mem::take(&mut fetch.items)) {
        if !items.contains(&item) {
            items.push(item);
        }
    }
    fetch.items = items;
}

/// RFC 7162 §3.2.6: UIDs of the set that went away since.
async fn tell_vanished(ctx: &mut Ctx, fetch: &Fetch, since: u64) -> Result<(), Failure> {
    if !fetch.vanished {
        return Ok(());
    }
    let selected = ctx.selected()?;
    let (account, mailbox) = (selected.account, selected.mailbox);
    let gone = ctx.shared.store.read(account, move |tx| changes::vanished(tx, mailbox, since)).await.map_err(Failure::from)?;
    let ranges = fetch.set.normalize(u32::MAX);
    let gone: Vec<u32> = gone.into_iter().filter(|&uid| contains(&ranges, uid)).collect();
    let mut out = Vec::new();
    encode_vanished(&mut out, &gone, true);
    ctx.write(&out).await
}

/// Sets `\Seen` on those that lack it; whether there were any.
async fn mark_seen(ctx: &mut Ctx, lines: &[Line], now: &Snapshot) -> Result<bool, Failure> {
    let unseen = |line: &&Line| now.find(line.uid).is_some_and(|line| !now.flags(line).contains(&Flag::Seen));
    let uids: Vec<u32> = lines.iter().filter(unseen).map(|line| line.uid).collect();
    if uids.is_empty() {
        return Ok(false);
    }
    let selected = ctx.selected()?;
    let (account, mailbox) = (selected.account, selected.mailbox);
    let work = move |tx: &mut MailTx<'_>| message::store_flags(tx, mailbox, &uids, &FlagChange::Add(Flag::Seen.into()), None);
    let stored = ctx.shared.store.write(account, Durability::Committed, work).await.map_err(Failure::from)?;
    let selected = ctx.selected()?;
    stored.entries.iter().for_each(|entry| selected.view.note_known(entry.uid, entry.modseq));
    Ok(true)
}

/// All messages, batch by batch. Answers how many were gone, and whether an encoding was not known.
pub async fn write_all(ctx: &mut Ctx, wanted: &Arc<Wanted>, lines: &[Line], now: &Snapshot) -> Result<(usize, bool), Failure> {
    let account = ctx.selected()?.account;
    let batch_max = if wanted.needs_body() { FETCH_BODIES_MAX } else { FETCH_ROWS_MAX };
    let (mut gone, mut unknown_encoding) = (0, false);
    for lines in lines.chunks(batch_max) {
        let selected = ctx.selected()?;
        let told = Arc::clone(selected.view.told());
        // Numbers are the client's; flags and modseqs are of now, or of the moment before the message went away.
        let messages: Vec<(u32, Line, FlagSet)> = lines
            .iter()
            .filter_map(|line| {
                let number = selected.view.number(line.uid)?;
                Some(match now.find(line.uid) {
                    Some(fresh) => (number, *fresh, now.flags(fresh).clone()),
                    None => (number, *line, told.flags(line).clone()),
                })
            })
            .collect();
        let batch = if wanted.needs_summary() {
            let wanted = Arc::clone(wanted);
            ctx.shared.store.read(account, move |tx| read_batch(tx, &wanted, &messages)).await?
        } else {
            render_view(wanted, &messages)?
        };
        gone += batch.gone;
        unknown_encoding |= batch.unknown_encoding;
        ctx.write(&batch.first).await?;
        write_rest(ctx, batch.renderer).await?;
    }
    Ok((gone, unknown_encoding))
}

/// What the mailbox view alone can answer.
fn render_view(wanted: &Wanted, messages: &[(u32, Line, FlagSet)]) -> Result<Batch, Failure> {
    let mut batch = Batch::default();
    for (number, line, flags) in messages {
        let subject = Subject { number: *number, line: *line, flags, summary: None, body: None };
        render(&mut batch.renderer, wanted, &subject)?;
    }
    batch.first = batch.renderer.next(usize::MAX)?;
    Ok(batch)
}

/// On a blocking thread: rows and bodies, and the first octets.
fn read_batch(tx: &mut MailTx<'_>, wanted: &Wanted, messages: &[(u32, Line, FlagSet)]) -> Result<Batch, Failure> {
    let ids: Vec<_> = messages.iter().map(|(_, line, _)| (line.uid, line.id)).collect();
    let (mailbox, depth) = (wanted.mailbox, wanted.depth());
    let found: Vec<(Summary, Option<Arc<Body>>)> = if wanted.needs_body() {
        let bodies = sweep::bodies(tx, mailbox, &ids, depth)?.into_iter();
        bodies.map(|(summary, body)| (summary, Some(Arc::new(body)))).collect()
    } else {
        sweep::summaries(tx, mailbox, &ids, depth)?.into_iter().map(|summary| (summary, None)).collect()
    };
    let mut batch = Batch::default();
    let mut left = found.iter().peekable();
    for (number, line, flags) in messages {
        // Summaries come in the order of the ids; those that are gone are left out.
        let Some((summary, body)) = left.next_if(|(summary, _)| summary.id == line.id) else {
            batch.gone += 1;
            continue;
        };
        let subject = Subject { number: *number, line: *line, flags, summary: Some(summary), body: body.as_ref() };
        batch.unknown_encoding |= !render(&mut batch.renderer, wanted, &subject)?;
    }
    batch.first = batch.renderer.next(FETCH_PIECE_BYTES)?;
    Ok(batch)
}

/// The rest of a batch, a piece at a time, so that a slow reader costs us one piece of memory.
async fn write_rest(ctx: &mut Ctx, renderer: Renderer) -> Result<(), Failure> {
    let mut renderer = renderer;
    while !renderer.is_empty() {
        let bytes = if renderer.needs_disk() {
            let read = tokio::task::spawn_blocking(move || {
                let bytes = renderer.next(FETCH_PIECE_BYTES);
                (renderer, bytes)
            });
            let (rest, bytes) = read.await.map_err(Trouble::from)?;
            renderer = rest;
            bytes
        } else {
            renderer.next(FETCH_PIECE_BYTES)
        };
        // The response has begun, and no reply can stand inside it.
        let bytes = bytes.map_err(|error| {
            tracing::error!(account = ?ctx.selected().ok().map(|selected| selected.account), %error, "a message cannot be read on");
            Failure::Gone(std::io::Error::other(error))
        })?;
        ctx.write(&bytes).await?;
    }
    Ok(())
}
