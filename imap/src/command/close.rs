// SPDX-License-Identifier: AGPL-3.0-or-later
//! CLOSE (RFC 9051 §6.4.1) and UNSELECT (§6.4.2).

use hearth_mailstore::{Durability, Rights, message};
use hearth_wire::imap::response::{Code, Reply};

use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};

/// Removes what is `\Deleted`, tells nobody, and closes.
pub async fn run(ctx: &mut Ctx) -> Outcome {
    let selected = ctx.selected()?;
    let (account, mailbox) = (selected.account, selected.mailbox);
    // RFC 4314 §4: who may not expunge closes all the same.
    let read_only = selected.read_only || !selected.rights.has(Rights::EXPUNGE);
    let mut reply = Reply::ok("closed");
    if !read_only {
        let work = move |tx: &mut hearth_mailstore::MailTx<'_>| {
            let gone = message::expunge(tx, mailbox, None)?;
            let facts = hearth_mailstore::mailbox::find(tx, mailbox)?;
            Ok::<_, hearth_mailstore::Error>((gone, facts))
        };
        let (gone, facts) = ctx.shared.store.write(account, Durability::Synced, work).await.map_err(Failure::from)?;
        if let Some(facts) = facts.filter(|_| ctx.modes.qresync && !gone.is_empty()) {
            // RFC 7162 §3.2.8
            reply = reply.with(Code::Number("HIGHESTMODSEQ", facts.highest_modseq.max(1)));
        }
    }
    ctx.selected = None;
    Ok(reply)
}

/// Closes, and removes nothing.
pub async fn unselect(ctx: &mut Ctx) -> Outcome {
    ctx.selected = None;
    Ok(Reply::ok("closed"))
}
