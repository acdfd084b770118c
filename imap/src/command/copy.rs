// SPDX-License-Identifier: AGPL-3.0-or-later
//! COPY and MOVE (RFC 9051 §6.4.7, §6.4.8).

use hearth_mailstore::{Durability, message};
use hearth_wire::imap::response::{Code, Reply};
use hearth_wire::imap::{MailboxName, SequenceSet};

use super::create::find_target;
use crate::ctx::Ctx;
use crate::event::{self, Cause, Changed};
use crate::fault::{Failure, Outcome};
use crate::news::{Look, tell};

/// Copies messages: rows, never bodies. All of them or none.
pub async fn run(ctx: &mut Ctx, uid: bool, set: SequenceSet, to: MailboxName) -> Outcome {
    let Some(code) = carry(ctx, uid, &set, &to, false).await? else { return Ok(Reply::ok("there was nothing to copy")) };
    tell(ctx, Look::Always, false).await?;
    Ok(Reply::ok("copied").with(code))
}

/// Moves messages. All of them or none.
pub async fn run_move(ctx: &mut Ctx, uid: bool, set: SequenceSet, to: MailboxName) -> Outcome {
    ctx.writable()?;
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
    let account = ctx.account()?;
    let selected = ctx.selected()?;
    let from = selected.mailbox;
    let lines = selected.view.resolve(set, uid, &selected.saved).map_err(Reply::bad)?;
    let uids: Vec<u32> = lines.iter().map(|line| line.uid).collect();
    let path = to.as_str().to_string();
    let work = move |tx: &mut hearth_mailstore::MailTx<'_>| {
        let target = find_target(tx, &path)?;
        if uids.is_empty() {
            return Ok(None);
        }
        let pairs = if moves { message::move_to(tx, from, &uids, target.id)? } else { message::copy(tx, from, &uids, target.id)? };
        let script = event::find(tx, target.id)?;
        Ok::<_, Failure>(Some((target, pairs, script)))
    };
    let done = ctx.shared.store.write(account, Durability::Synced, work).await?;
    let Some((target, pairs, script)) = done.filter(|(_, pairs, _)| !pairs.is_empty()) else { return Ok(None) };
    let (sources, targets): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
    let changed = targets.iter().map(|&uid| Changed { uid, flags: Vec::new() }).collect();
    event::run(ctx, script, Cause::Copy, target.id, changed).await;
    Ok(Some(Code::CopyUid(target.uid_validity, sources, targets)))
}
