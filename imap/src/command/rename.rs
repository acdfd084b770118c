// SPDX-License-Identifier: AGPL-3.0-or-later
//! RENAME (RFC 9051 §6.3.6).

use hearth_mailstore::{Durability, Error, mailbox};
use hearth_wire::imap::MailboxName;
use hearth_wire::imap::response::{ListLine, Reply, encode_list_line};

use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};

/// Renames a mailbox with all below it; of INBOX, its mail moves and it stays.
pub async fn run(ctx: &mut Ctx, from: MailboxName, to: MailboxName) -> Outcome {
    let account = ctx.account()?;
    let (old, new) = (from.as_str().to_string(), to.as_str().to_string());
    let work = move |tx: &mut hearth_mailstore::MailTx<'_>| {
        let found = mailbox::find_by_name(tx, &old)?.ok_or(Error::NoSuchMailbox)?;
        Ok::<_, Failure>(mailbox::rename(tx, found.id, &new)?)
    };
    let renamed = ctx.shared.store.write(account, Durability::Synced, work).await?;
    if ctx.modes.rev2 {
        // RFC 9051 §6.3.6: LIST with OLDNAME tells the client of the new name.
        let mut out = Vec::new();
        let line = ListLine { name: renamed.path, old_name: Some(from.as_str().to_string()), ..ListLine::default() };
        encode_list_line(&mut out, "LIST", &line, ctx.charset());
        ctx.write(&out).await?;
    }
    Ok(Reply::ok("renamed"))
}
