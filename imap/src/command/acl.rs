// SPDX-License-Identifier: AGPL-3.0-or-later
//! SETACL, DELETEACL, GETACL, LISTRIGHTS and MYRIGHTS (RFC 4314 §3).
//!
//! An identifier is an address of a person or of a group that lives here, or `anyone`; with `-` before it, what is taken
//! away from them. It is kept as the account's id, so that who changes their address keeps what they were given. The owner
//! has every right, whatever the list says.

use hearth_identity::directory::Kind;
use hearth_mailstore::acl::{self, ANYONE, Entry};
use hearth_mailstore::{Durability, MailTx, Rights};
use hearth_types::{AccountId, Address, Trouble};
use hearth_wire::imap::response::Reply;
use hearth_wire::imap::{MailboxName, RightsChange, encode_acl_line, encode_list_rights_line, encode_my_rights_line};

use crate::access::{Spot, find_spot};
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};

/// RFC 4314 §3.7: what may be granted, each by itself.
const GRANTABLE: [&str; 13] = ["l", "r", "s", "w", "i", "p", "k", "x", "t", "e", "a", "c", "d"];

/// Whom an identifier names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    grantee: AccountId,
    negative: bool,
}

/// SETACL
pub async fn run_set(ctx: &mut Ctx, mailbox: MailboxName, identifier: &str, change: RightsChange, letters: &str) -> Outcome {
    let Some(rights) = Rights::parse(letters) else { return Ok(Reply::bad("there is no such right")) };
    let spot = administered(ctx, &mailbox).await?;
    let Some(identity) = find_identity(ctx, identifier).await? else { return Ok(nobody()) };
    if identity.grantee == spot.account {
        return Ok(Reply::no("the owner has every right").word("CANNOT"));
    }
    if !identity.negative && change != RightsChange::Remove {
        // Before the list says so, for nobody looks where the directory names no one.
        ctx.shared.directory.add_share(spot.account, identity.grantee).await.map_err(Trouble::from)?;
    }
    let (account, grantee) = (spot.account, identity.grantee);
    let work = move |tx: &mut MailTx<'_>| {
        let (found, _) = spot.find(tx, Rights::ADMINISTER)?;
        let is_theirs = |entry: &&Entry| (entry.grantee, entry.negative) == (identity.grantee, identity.negative);
        let before = acl::list(tx, found.id)?.iter().find(is_theirs).map_or(Rights::NONE, |entry| entry.rights);
        let rights = match change {
            RightsChange::Replace => rights,
            RightsChange::Add => before.with(rights),
            RightsChange::Remove => before.without(rights),
        };
        acl::change(tx, found.id, Entry { grantee: identity.grantee, negative: identity.negative, rights })?;
        Ok::<_, Failure>(())
    };
    ctx.shared.store.write(account, Durability::Synced, work).await?;
    wake(ctx, grantee).await;
    Ok(Reply::ok("done"))
}

/// DELETEACL
pub async fn run_delete(ctx: &mut Ctx, mailbox: MailboxName, identifier: &str) -> Outcome {
    let spot = administered(ctx, &mailbox).await?;
    let Some(Identity { grantee, negative }) = find_identity(ctx, identifier).await? else { return Ok(nobody()) };
    let account = spot.account;
    let work = move |tx: &mut MailTx<'_>| {
        let (found, _) = spot.find(tx, Rights::ADMINISTER)?;
        acl::change(tx, found.id, Entry { grantee, negative, rights: Rights::NONE })?;
        Ok::<_, Failure>(())
    };
    ctx.shared.store.write(account, Durability::Synced, work).await?;
    wake(ctx, grantee).await;
    Ok(Reply::ok("done"))
}

/// GETACL
pub async fn run_get(ctx: &mut Ctx, mailbox: MailboxName) -> Outcome {
    let spot = administered(ctx, &mailbox).await?;
    let owner = spot.account;
    let entries = ctx.shared.store.read(owner, move |tx| {
        let (found, _) = spot.find(tx, Rights::ADMINISTER)?;
        Ok::<_, Failure>(acl::list(tx, found.id)?)
    });
    let entries = entries.await?;
    let all = Entry { grantee: owner, negative: false, rights: Rights::ALL };
    let mut named = Vec::with_capacity(entries.len() + 1);
    for entry in [all].into_iter().chain(entries) {
        let name = match entry.grantee {
            ANYONE => "anyone".to_string(),
            grantee => match ctx.shared.directory.find_account(grantee).await.map_err(Trouble::from)? {
                Some(account) => account.primary.to_string(),
                // Who is no more has no rights, and none are shown.
                None => continue,
            },
        };
        named.push((entry.grantee != owner, name, entry.negative, entry.rights));
    }
    // The owner first, the others by name.
    named.sort_by(|one, other| (one.0, &one.1, one.2).cmp(&(other.0, &other.1, other.2)));
    let pairs: Vec<(String, String)> = named
        .into_iter()
        .map(|(_, name, negative, rights)| (format!("{}{name}", if negative { "-" } else { "" }), rights.to_string()))
        .collect();
    let mut out = Vec::new();
    encode_acl_line(&mut out, mailbox.as_str(), &pairs, ctx.charset());
    ctx.write(&out).await?;
    Ok(Reply::ok("done"))
}

/// LISTRIGHTS
pub async fn run_list(ctx: &mut Ctx, mailbox: MailboxName, identifier: &str) -> Outcome {
    let spot = administered(ctx, &mailbox).await?;
    let Some(identity) = find_identity(ctx, identifier).await? else { return Ok(nobody()) };
    let all = Rights::ALL.to_string();
    let rights: Vec<&str> = match identity {
        Identity { grantee, negative: false } if grantee == spot.account => vec![&all],
        _ => [""].into_iter().chain(GRANTABLE).collect(),
    };
    let mut out = Vec::new();
    encode_list_rights_line(&mut out, mailbox.as_str(), identifier, &rights, ctx.charset());
    ctx.write(&out).await?;
    Ok(Reply::ok("done"))
}

/// MYRIGHTS
pub async fn run_my(ctx: &mut Ctx, mailbox: MailboxName) -> Outcome {
    let spot = find_spot(ctx, mailbox.as_str()).await?;
    let (_, rights) = ctx.shared.store.read(spot.account, move |tx| spot.find(tx, Rights::NONE)).await?;
    let mut out = Vec::new();
    encode_my_rights_line(&mut out, mailbox.as_str(), &rights.to_string(), ctx.charset());
    ctx.write(&out).await?;
    Ok(Reply::ok("done"))
}

fn nobody() -> Reply {
    Reply::no("nobody here is called that").word("CANNOT")
}

/// The mailbox, when its list may be seen; looked up first, so that nobody learns who lives here who may not ask.
async fn administered(ctx: &mut Ctx, mailbox: &MailboxName) -> Result<Spot, Failure> {
    let spot = find_spot(ctx, mailbox.as_str()).await?;
    let looked = spot.clone();
    ctx.shared.store.read(spot.account, move |tx| looked.find(tx, Rights::ADMINISTER)).await?;
    Ok(spot)
}

/// A name without a domain is of the domain of who asks.
async fn find_identity(ctx: &mut Ctx, identifier: &str) -> Result<Option<Identity>, Failure> {
    let (negative, name) = match identifier.strip_prefix('-') {
        Some(name) => (true, name),
        None => (false, identifier),
    };
    if name == "anyone" {
        return Ok(Some(Identity { grantee: ANYONE, negative }));
    }
    let domain = ctx.person.as_ref().and_then(|person| person.address.rsplit_once('@')).map_or("", |(_, domain)| domain);
    let whole = if name.contains('@') { name.to_string() } else { format!("{name}@{domain}") };
    let Ok(address) = Address::parse(&whole) else { return Ok(None) };
    if ctx.shared.directory.find_masked(&address).await.map_err(Trouble::from)?.is_some() {
        // It says nothing of whose it is.
        return Ok(None);
    }
    let found = ctx.shared.directory.find_account_by_address(&address).await.map_err(Trouble::from)?;
    Ok(found.filter(|found| found.kind != Kind::Guest).map(|found| Identity { grantee: found.id, negative }))
}

/// Who waits for news of their mailboxes (NOTIFY) looks again. Whoever does not hear it looks before long all the same.
async fn wake(ctx: &mut Ctx, grantee: AccountId) {
    for account in find_awake(ctx, grantee).await.unwrap_or_default() {
        if let Err(error) = ctx.shared.store.write(account, Durability::Committed, acl::wake).await {
            tracing::debug!(%account, %error, "cannot be told of a share");
        }
    }
}

/// The persons that a grantee stands for; of anyone, they hear it with their next news.
async fn find_awake(ctx: &mut Ctx, grantee: AccountId) -> Option<Vec<AccountId>> {
    let directory = &ctx.shared.directory;
    let found = directory.find_account(grantee).await.ok().flatten()?;
    if found.kind != Kind::Group {
        return Some(vec![grantee]);
    }
    let members = directory.list_group_members(grantee).await.ok()?;
    Some(members.into_iter().map(|member| member.account).collect())
}
