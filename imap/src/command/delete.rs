// SPDX-License-Identifier: AGPL-3.0-or-later
//! DELETE (RFC 9051 §6.3.5).

use hearth_mailstore::{Durability, Rights, mailbox};
use hearth_wire::imap::MailboxName;
use hearth_wire::imap::response::Reply;

use crate::access::find_spot;
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};

/// Removes a mailbox and the mail in it. If it is the open one, it is closed first.
pub async fn run(ctx: &mut Ctx, name: MailboxName) -> Outcome {
    let spot = find_spot(ctx, name.as_str()).await?;
    let account = spot.account;
    let work = move |tx: &mut hearth_mailstore::MailTx<'_>| {
        let (found, _) = spot.find_exact(tx, Rights::DELETE)?;
        mailbox::remove(tx, found.id)?;
        Ok::<_, Failure>(found.id)
    };
    let gone = ctx.shared.store.write(account, Durability::Synced, work).await?;
    if ctx.selected.as_ref().is_some_and(|selected| (selected.account, selected.mailbox) == (account, gone)) {
        ctx.selected = None;
        ctx.write_untagged(&Reply::ok("the open mailbox was deleted").word("CLOSED")).await?;
    }
    Ok(Reply::ok("gone"))
}
