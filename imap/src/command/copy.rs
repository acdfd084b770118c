// SPDX-License-Identifier: AGPL-3.0-or-later
//! COPY and MOVE (RFC 9051 §6.4.7, §6.4.8). Within an account rows are copied, never bodies; to another account the
//! messages themselves (`copy_across.rs`).

use hearth_mailstore::{Durability, MailTx, Rights, message};
use hearth_wire::imap::response::{Code, Reply};
use hearth_wire::imap::{MailboxName, SequenceSet};

use super::copy_across::{self, Carried};
use crate::access::{FLAGS, REMOVES, Spot, find_spot, refusal};
use crate::ctx::Ctx;
use crate::event::{self, Cause, Changed};
use crate::fault::{Failure, Outcome};
use crate::news::{Look, tell};

/// Copies messages. All of them or none.
pub async fn run(ctx: &mut Ctx, uid: bool, set: SequenceSet, to: MailboxName) -> Outcome {
    let Some(code) = carry(ctx, uid, &set, &to, false).await? else { return Ok(Reply::ok("there was nothing to copy")) };
    tell(ctx, Look::Always, false).await?;
    Ok(Reply::ok("copied").with(code))
}

/// Moves messages. All of them or none.
pub async fn run_move(ctx: &mut Ctx, uid: bool, set: SequenceSet, to: MailboxName) -> Outcome {
    // RFC 6851 §4.2: MOVE is COPY, STORE and EXPUNGE, and takes the rights of each.
    if !ctx.writable(REMOVES)?.rights.has(REMOVES) {
        return Err(refusal());
    }
    let Some(code) = carry(ctx, uid, &set, &to, true).await? else { return Ok(Reply::ok("there was nothing to move")) };
    // RFC 6851 §4.3: COPYUID comes in an untagged OK, before the EXPUNGE responses.
    ctx.write_untagged(&Reply::ok("moved").with(code)).await?;
    tell(ctx, Look::Always, false).await?;
    let reply = Reply::ok("done");
    if !ctx.modes.qresync {
        return Ok(reply);
    }
    // RFC 6851 §4.4: the tagged OK tells the newest modseq, as that of EXPUNGE does.
    Ok(reply.with(Code::Number("HIGHESTMODSEQ", ctx.selected()?.view.told().highest_modseq)))
}

/// Both of them; the answer is COPYUID, or nothing when the set named nothing that is there.
async fn carry(ctx: &mut Ctx, uid: bool, set: &SequenceSet, to: &MailboxName, moves: bool) -> Result<Option<Code>, Failure> {
    let spot = find_spot(ctx, to.as_str()).await?;
    let selected = ctx.selected()?;
    if !selected.rights.has(Rights::READ) {
        return Err(refusal());
    }
    let (account, from, here) = (selected.account, selected.mailbox, selected.rights);
    let lines = selected.view.resolve(set, uid, &selected.saved).map_err(Reply::bad)?;
    let uids: Vec<u32> = lines.iter().map(|line| line.uid).collect();
    let (carried, to_run) = if spot.account != account || loses_flags(ctx, &spot, here).await? {
        let carried = copy_across::run(ctx, (account, from), &spot, uids, moves).await?;
        let (reach, mailbox) = (spot.reach.clone(), carried.mailbox);
        let script =
            ctx.shared.store.read(spot.account, move |tx| event::find(tx, &reach, mailbox)).await.map_err(Failure::from)?;
        (Some(carried), Some((mailbox, script)))
    } else {
        let work = move |tx: &mut MailTx<'_>| {
            let (target, _) = spot.find_target(tx)?;
            if uids.is_empty() {
                return Ok((None, None));
            }
            let (mailbox, uid_validity) = (target.id, target.uid_validity);
            let pairs = if moves { message::move_to(tx, from, &uids, mailbox)? } else { message::copy(tx, from, &uids, mailbox)? };
            let script = event::find(tx, &spot.reach, mailbox)?;
            Ok::<_, Failure>((Some(Carried { mailbox, uid_validity, pairs }), Some((mailbox, script))))
        };
        ctx.shared.store.write(account, Durability::Synced, work).await?
    };
    let Some(carried) = carried.filter(|carried| !carried.pairs.is_empty()) else { return Ok(None) };
    let (sources, targets): (Vec<u32>, Vec<u32>) = carried.pairs.into_iter().unzip();
    if let Some((mailbox, script)) = to_run {
        let changed = targets.iter().map(|&uid| Changed { uid, flags: Vec::new() }).collect();
        event::run(ctx, script, Cause::Copy, mailbox, changed).await;
    }
    Ok(Some(Code::CopyUid(carried.uid_validity, sources, targets)))
}

/// Flags belong to a message in all mailboxes of its account (RFC 8621 §4), so what may not have its flags where it goes
/// has to become another message.
async fn loses_flags(ctx: &mut Ctx, to: &Spot, here: Rights) -> Result<bool, Failure> {
    if !to.is_foreign() {
        return Ok(false);
    }
    let target = to.clone();
    let (_, rights) = ctx.shared.store.read(to.account, move |tx| target.find_target(tx)).await?;
    // Nor does it have them there for somebody who may not change them here; `\Deleted` is each mailbox's own.
    Ok(!rights.has(FLAGS) || !here.has(FLAGS.without(Rights::MARK_DELETED)))
}
