// SPDX-License-Identifier: AGPL-3.0-or-later
//! SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8).

use hearth_mailstore::{Durability, Error, Rights, acl, mailbox};
use hearth_wire::imap::MailboxName;
use hearth_wire::imap::response::Reply;

use crate::access::{Spot, find_spot};
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};

/// Subscribes or not. Subscriptions are of mailboxes that exist; they follow a RENAME and go with a DELETE.
pub async fn run(ctx: &mut Ctx, name: MailboxName, subscribed: bool) -> Outcome {
    let spot = find_spot(ctx, name.as_str()).await?;
    if spot.is_foreign() {
        return follow(ctx, spot, subscribed).await;
    }
    let account = spot.account;
    let work = move |tx: &mut hearth_mailstore::MailTx<'_>| {
        let (found, _) = spot.find(tx, Rights::NONE)?;
        if found.subscribed != subscribed {
            mailbox::change(tx, found.id, mailbox::Change { subscribed: Some(subscribed), ..mailbox::Change::default() })?;
        }
        Ok::<_, Failure>(())
    };
    ctx.shared.store.write(account, Durability::Synced, work).await?;
    Ok(Reply::ok("done"))
}

/// A mailbox of another: that is noted with whoever subscribes. RFC 4314 §4: `l` to subscribe, nothing to unsubscribe.
async fn follow(ctx: &mut Ctx, spot: Spot, subscribed: bool) -> Outcome {
    let owner = spot.account;
    let work = move |tx: &mut hearth_mailstore::MailTx<'_>| {
        if subscribed {
            return Ok(spot.find(tx, Rights::LOOKUP)?.0.id);
        }
        Ok::<_, Failure>(mailbox::find_by_name(tx, &spot.path)?.ok_or(Error::NoSuchMailbox)?.id)
    };
    let mailbox = match ctx.shared.store.read(owner, work).await {
        Ok(mailbox) => mailbox,
        Err(failure) if subscribed => return Err(failure),
        // Whether it is there is nobody's business who may not see it.
        Err(_) => return Ok(Reply::ok("done")),
    };
    let work = move |tx: &mut hearth_mailstore::MailTx<'_>| acl::follow(tx, owner, mailbox, subscribed);
    ctx.shared.store.write(ctx.account()?, Durability::Synced, work).await.map_err(Failure::from)?;
    Ok(Reply::ok("done"))
}
