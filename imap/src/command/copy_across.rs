// SPDX-License-Identifier: AGPL-3.0-or-later
//! COPY and MOVE from one account to another: the messages are stored anew, and count where they go.
//!
//! No transaction is over two accounts. So copies are written first, a few at a time, and taken back when one of them
//! cannot be; what MOVE takes away is taken away after that. A power cut in between leaves a message in both places, never
//! in none.

use hearth_mailstore::message::{self, Prepared};
use hearth_mailstore::{Durability, Error, Flag, FlagChange, FlagSet, MailTx};
use hearth_types::{AccountId, MailboxId, Timestamp};

use super::catenate::Source;
use super::spool::Spool;
use crate::access::{Spot, permitted};
use crate::ctx::Ctx;
use crate::fault::Failure;
use crate::limits::FETCH_BODIES_MAX;

/// What came of it.
#[derive(Debug)]
pub struct Carried {
    /// Where they went.
    pub mailbox: MailboxId,
    /// Of the mailbox that they went to.
    pub uid_validity: u32,
    /// UIDs there and here.
    pub pairs: Vec<(u32, u32)>,
}

/// A message on its way.
struct Copy {
    uid: u32,
    prepared: Prepared,
    flags: FlagSet,
    received_at: Timestamp,
}

/// Copies, or moves; of no message when the set named none that is there.
pub async fn run(
    ctx: &mut Ctx,
    (account, from): (AccountId, MailboxId),
    to: &Spot,
    uids: Vec<u32>,
    moves: bool,
) -> Result<Carried, Failure> {
    let spot = to.clone();
    let (target, _) = ctx.shared.store.read(to.account, move |tx| spot.find_target(tx)).await?;
    let mut carried = Carried { mailbox: target.id, uid_validity: target.uid_validity, pairs: Vec::new() };
    for batch in uids.chunks(FETCH_BODIES_MAX) {
        match copy_some(ctx, (account, from), (to, target.id), batch).await {
            Ok(pairs) => carried.pairs.extend(pairs),
            Err(failure) => {
                // RFC 9051 §6.4.7: the target is as it was.
                let copies: Vec<u32> = carried.pairs.iter().map(|&(_, copy)| copy).collect();
                let undo = move |tx: &mut MailTx<'_>| remove(tx, target.id, &copies);
                ctx.shared.store.write(to.account, Durability::Synced, undo).await?;
                return Err(failure);
            }
        }
    }
    if moves {
        let gone: Vec<u32> = carried.pairs.iter().map(|&(uid, _)| uid).collect();
        ctx.shared.store.write(account, Durability::Synced, move |tx| remove(tx, from, &gone)).await?;
    }
    Ok(carried)
}

fn remove(tx: &mut MailTx<'_>, mailbox: MailboxId, uids: &[u32]) -> Result<(), Failure> {
    message::store_flags(tx, mailbox, uids, &FlagChange::Add(Flag::Deleted.into()), None)?;
    message::expunge(tx, mailbox, Some(uids))?;
    Ok(())
}

/// A few messages, in one transaction where they go.
async fn copy_some(
    ctx: &mut Ctx,
    (account, from): (AccountId, MailboxId),
    (to, target): (&Spot, MailboxId),
    uids: &[u32],
) -> Result<Vec<(u32, u32)>, Failure> {
    let wanted = uids.to_vec();
    let work = move |tx: &mut MailTx<'_>| {
        let mut found = Vec::new();
        for entry in message::entries(tx, from, &wanted)? {
            if let (Some(summary), Some(body)) = (message::find(tx, entry.id)?, message::body(tx, entry.id)?) {
                found.push((entry.uid, entry.flags, summary.received_at, body));
            }
        }
        Ok::<_, Failure>(found)
    };
    let mut copies = Vec::new();
    for (uid, flags, received_at, body) in ctx.shared.store.read(account, work).await? {
        // A spooled file has to stay until it was read.
        let mut spool = Spool::new(ctx.shared.clone());
        let mut source = Source::whole(body);
        spool.expect(source.len()).await?;
        while let Some(chunk) = source.next().await? {
            spool.write(&chunk).await?;
        }
        let content = spool.finish().await?;
        copies.push(Copy { uid, prepared: ctx.shared.store.prepare(to.account, content).await?, flags, received_at });
    }
    let spot = to.clone();
    let work = move |tx: &mut MailTx<'_>| {
        let (found, rights) = spot.find_target(tx)?;
        if found.id != target {
            // Another has its name since.
            return Err(Failure::from(Error::NoSuchMailbox));
        }
        let mut pairs = Vec::with_capacity(copies.len());
        for Copy { uid, prepared, flags, received_at } in copies {
            // RFC 4314 §4: flags that may not be set there are left behind.
            let flags = permitted(&flags, rights);
            pairs.push((uid, message::append(tx, prepared, &[target], &flags, received_at)?.uid));
        }
        Ok(pairs)
    };
    ctx.shared.store.write(to.account, Durability::Synced, work).await
}
