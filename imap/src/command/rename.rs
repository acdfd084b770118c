// SPDX-License-Identifier: AGPL-3.0-or-later
//! RENAME (RFC 9051 §6.3.6).

use hearth_mailstore::{Durability, Rights, Role, mailbox};
use hearth_wire::imap::MailboxName;
use hearth_wire::imap::response::{ListLine, Reply, encode_list_line};

use crate::access::find_spot;
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};

/// Renames a mailbox with all below it; of INBOX, its mail moves and it stays.
pub async fn run(ctx: &mut Ctx, from: MailboxName, to: MailboxName) -> Outcome {
    let (old, new) = (find_spot(ctx, from.as_str()).await?, find_spot(ctx, to.as_str()).await?);
    if old.account != new.account {
        // A mailbox is a person's, with its UIDs and the room that it takes; its messages can be moved.
        return Ok(Reply::no("a mailbox stays with its owner").word("CANNOT"));
    }
    let (account, prefix) = (new.account, new.prefix.clone());
    let work = move |tx: &mut hearth_mailstore::MailTx<'_>| {
        // RFC 4314 §4: what is renamed is deleted under its old name.
        let (found, _) = old.find_exact(tx, Rights::DELETE)?;
        new.check_new(tx)?;
        if old.is_foreign() && found.role == Some(Role::Inbox) {
            return Err(Failure::from(Reply::no("an INBOX is its owner's").word("CANNOT")));
        }
        Ok(mailbox::rename(tx, found.id, &new.path)?)
    };
    let mut renamed = ctx.shared.store.write(account, Durability::Synced, work).await?;
    renamed.path.insert_str(0, &prefix);
    if ctx.modes.rev2 {
        // RFC 9051 §6.3.6: LIST with OLDNAME tells the client of the new name.
        let mut out = Vec::new();
        let line = ListLine { name: renamed.path, old_name: Some(from.as_str().to_string()), ..ListLine::default() };
        encode_list_line(&mut out, "LIST", &line, ctx.charset());
        ctx.write(&out).await?;
    }
    Ok(Reply::ok("renamed"))
}
