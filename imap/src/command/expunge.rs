// SPDX-License-Identifier: AGPL-3.0-or-later
//! EXPUNGE (RFC 9051 §6.4.3) and UID EXPUNGE (§6.4.9).

use hearth_mailstore::{Durability, Rights, message};
use hearth_wire::imap::SequenceSet;
use hearth_wire::imap::response::{Code, Reply};

use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};
use crate::news::{Look, tell};

/// Removes what is `\Deleted`; with a set, among its UIDs.
pub async fn run(ctx: &mut Ctx, only: Option<SequenceSet>) -> Outcome {
    let selected = ctx.writable(Rights::EXPUNGE)?;
    let (account, mailbox) = (selected.account, selected.mailbox);
    let only: Option<Vec<u32>> = match only {
        None => None,
        Some(set) => {
            let lines = selected.view.resolve(&set, true, &selected.saved).map_err(Reply::bad)?;
            Some(lines.iter().map(|line| line.uid).collect())
        }
    };
    let work = move |tx: &mut hearth_mailstore::MailTx<'_>| message::expunge(tx, mailbox, only.as_deref());
    let gone = ctx.shared.store.write(account, Durability::Synced, work).await.map_err(Failure::from)?;
    tell(ctx, Look::Always, false).await?;
    let mut reply = Reply::ok("gone");
    if ctx.modes.qresync && !gone.is_empty() {
        // RFC 7162 §3.2.9
        reply = reply.with(Code::Number("HIGHESTMODSEQ", ctx.selected()?.view.told().highest_modseq));
    }
    Ok(reply)
}
