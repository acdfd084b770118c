// SPDX-License-Identifier: AGPL-3.0-or-later
//! CREATE (RFC 9051 §6.3.4), with a special use (RFC 6154 §3).

use hearth_mailstore::{Durability, Error, Role, mailbox};
use hearth_wire::imap::MailboxName;
use hearth_wire::imap::response::{Code, Reply};

use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};

const ROLES: [Role; 8] =
    [Role::Sent, Role::Drafts, Role::Trash, Role::Junk, Role::Archive, Role::Flagged, Role::Important, Role::All];

/// Makes a mailbox and those above it; new ones are subscribed, as every mail program does next.
pub async fn run(ctx: &mut Ctx, name: MailboxName, special_use: &[String]) -> Outcome {
    let role = match special_use {
        [] => None,
        [one] => match ROLES.into_iter().find(|role| role.as_imap().is_some_and(|known| known.eq_ignore_ascii_case(one))) {
            Some(role) => Some(role),
            None => return Ok(Reply::no("there is no such special use").word("USEATTR")),
        },
        // RFC 6154 §3: a server may refuse a combination.
        _ => return Ok(Reply::no("a mailbox has one special use").word("USEATTR")),
    };
    let account = ctx.account()?;
    let path = name.as_str().to_string();
    let work = move |tx: &mut hearth_mailstore::MailTx<'_>| {
        if let Some(role) = role
            && mailbox::find_by_role(tx, role)?.is_some()
        {
            return Err(Failure::from(Reply::no("another mailbox has this special use").word("USEATTR")));
        }
        let made = mailbox::add_path(tx, &path, role)?;
        let change = mailbox::Change { subscribed: Some(true), ..mailbox::Change::default() };
        Ok(mailbox::change(tx, made.id, change)?)
    };
    let made = ctx.shared.store.write(account, Durability::Synced, work).await?;
    // RFC 8474 §4.1
    Ok(Reply::ok("made").with(Code::MailboxId(made.id.to_string())))
}

/// The store's refusal for a name that the client may make with CREATE (RFC 9051 §7.1 TRYCREATE).
pub fn try_create(failure: Failure) -> Failure {
    match failure {
        Failure::Fault(hearth_types::Fault::Peer(reply)) if reply.code == Some(Code::Word("NONEXISTENT")) => {
            reply.word("TRYCREATE").into()
        }
        other => other,
    }
}

/// A mailbox that a message is to go to, or NO [TRYCREATE].
pub fn find_target(tx: &mut hearth_mailstore::MailTx<'_>, path: &str) -> Result<hearth_mailstore::Mailbox, Failure> {
    mailbox::find_by_name(tx, path)?.ok_or_else(|| try_create(Error::NoSuchMailbox.into()))
}
