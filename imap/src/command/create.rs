// SPDX-License-Identifier: AGPL-3.0-or-later
//! CREATE (RFC 9051 §6.3.4), with a special use (RFC 6154 §3).
//!
//! (quirk: Outlook makes `Sent Items`, Apple Mail `Deleted Messages`, programs in French `Corbeille`, 2026-11.) The mailbox
//! of that role is there already: the name is taken for it, wherever mail is put there or read, so that each role has
//! one mailbox whatever program comes first.

use hearth_mailstore::{Durability, Error, MailTx, Mailbox, Role, acl, mailbox};
use hearth_types::Trouble;
use hearth_wire::imap::MailboxName;
use hearth_wire::imap::response::{Code, ListLine, Reply, encode_list_line};

use crate::access::{SHARED, Spot, find_spot};
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};

/// So many a new account has.
const FIRST_MAILBOXES: usize = 6;
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
    let spot = find_spot(ctx, name.as_str()).await?;
    if spot.is_foreign() {
        return run_foreign(ctx, spot, role).await;
    }
    let (account, path) = (spot.account, spot.path);
    let work = move |tx: &mut MailTx<'_>| {
        if let Some(known) = find_known(tx, &path, role)? {
            return Ok((known, true));
        }
        if let Some(role) = role
            && mailbox::find_by_role(tx, role)?.is_some()
        {
            return Err(Failure::from(Reply::no("another mailbox has this special use").word("USEATTR")));
        }
        let made = mailbox::add_path(tx, &path, role)?;
        let change = mailbox::Change { subscribed: Some(true), ..mailbox::Change::default() };
        Ok((mailbox::change(tx, made.id, change)?, false))
    };
    let (made, is_known) = ctx.shared.store.write(account, Durability::Synced, work).await?;
    if is_known && ctx.modes.rev2 {
        // RFC 9051 §6.3.4: the name that the mailbox has, and the one that was asked for.
        let line = ListLine { name: made.path, old_name: Some(name.as_str().to_string()), ..ListLine::default() };
        let mut out = Vec::new();
        encode_list_line(&mut out, "LIST", &line, ctx.charset());
        ctx.write(&out).await?;
    }
    // RFC 8474 §4.1
    Ok(Reply::ok(if is_known { "it is there by another name" } else { "made" }).with(Code::MailboxId(made.id.to_string())))
}

/// The mailbox of a role that goes by another name; not the one that has this name, for that one cannot be made again.
fn find_known(tx: &mut MailTx<'_>, path: &str, use_asked: Option<Role>) -> Result<Option<Mailbox>, Error> {
    let found = mailbox::find_as_named(tx, path)?.filter(|found| found.role.is_some());
    let is_other = mailbox::find_by_name(tx, path)?.is_none();
    Ok(found.filter(|found| is_other && (use_asked.is_none() || use_asked == found.role)))
}

/// Below a mailbox of another, or among those of a group. Whoever makes it is subscribed to it.
async fn run_foreign(ctx: &mut Ctx, spot: Spot, role: Option<Role>) -> Outcome {
    if role.is_some() {
        return Ok(Reply::no("special uses are of one's own mailboxes").word("USEATTR"));
    }
    let (me, owner) = (ctx.account()?, spot.account);
    let is_groups = spot.prefix.starts_with(SHARED);
    // The first look at what may be done, so that nothing is noted for who may do nothing.
    let checked = spot.clone();
    ctx.shared.store.read(owner, move |tx| checked.check_new(tx)).await?;
    if is_groups {
        // From now on its members see what the group has.
        ctx.shared.directory.add_share(owner, owner).await.map_err(Trouble::from)?;
    }
    let work = move |tx: &mut MailTx<'_>| {
        spot.check_new(tx)?;
        if is_groups {
            remove_unused(tx)?;
        }
        Ok::<_, Failure>(mailbox::add_path(tx, &spot.path, None)?)
    };
    let made = ctx.shared.store.write(owner, Durability::Synced, work).await?;
    let id = made.id;
    ctx.shared.store.write(me, Durability::Synced, move |tx| acl::follow(tx, owner, id, true)).await.map_err(Failure::from)?;
    Ok(Reply::ok("made").with(Code::MailboxId(id.to_string())))
}

/// A group writes no drafts and sends nothing: of what a new account has, it keeps what is in use, and INBOX.
fn remove_unused(tx: &mut MailTx<'_>) -> Result<(), Failure> {
    let all = mailbox::list(tx)?;
    if all.len() > FIRST_MAILBOXES || all.iter().any(|found| found.role.is_none() || found.total > 0) {
        return Ok(());
    }
    for found in all.iter().filter(|found| found.role != Some(Role::Inbox)) {
        mailbox::remove(tx, found.id)?;
    }
    Ok(())
}
