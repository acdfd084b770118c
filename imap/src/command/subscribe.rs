// SPDX-License-Identifier: AGPL-3.0-or-later
//! SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8).

use hearth_mailstore::{Durability, Error, mailbox};
use hearth_wire::imap::MailboxName;
use hearth_wire::imap::response::Reply;

use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};

/// Subscribes or not. Subscriptions are of mailboxes that exist; they follow a RENAME and go with a DELETE.
pub async fn run(ctx: &mut Ctx, name: MailboxName, subscribed: bool) -> Outcome {
    let account = ctx.account()?;
    let path = name.as_str().to_string();
    let work = move |tx: &mut hearth_mailstore::MailTx<'_>| {
        let found = mailbox::find_as_named(tx, &path)?.ok_or(Error::NoSuchMailbox)?;
        if found.subscribed != subscribed {
            mailbox::change(tx, found.id, mailbox::Change { subscribed: Some(subscribed), ..mailbox::Change::default() })?;
        }
        Ok::<_, Failure>(())
    };
    ctx.shared.store.write(account, Durability::Synced, work).await?;
    Ok(Reply::ok("done"))
}
