// SPDX-License-Identifier: AGPL-3.0-or-later
//! One file per command; here is only the way to each.
//!
//! A command is `run(ctx, what it asks) -> Outcome`. It writes its untagged responses itself and
//! returns the tagged one; what changed meanwhile is told in between, where the RFC lets it.

mod acl;
pub mod append;
mod authenticate;
mod catenate;
mod close;
mod compress;
mod copy;
mod copy_across;
mod create;
mod delete;
mod enable;
mod expunge;
mod fetch;
mod id;
mod idle;
mod list;
mod login;
mod lsub;
mod metadata;
mod namespace;
mod notify;
mod quota;
mod rename;
mod search;
mod select;
mod spool;
mod status;
mod store;
mod subscribe;
mod thread;
mod uid_batches;
mod unauthenticate;

use hearth_mailstore::Rights;
use hearth_wire::imap::response::{Condition, Reply, encode_string};
use hearth_wire::imap::{Charset, Command, SearchKey, SequenceSet, Tagged};

use crate::access;
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};
use crate::news::{Look, tell, tell_unasked};

pub use fetch::write_all;
pub use notify::{Watching, tell as tell_others, tell_between};
pub use select::permanent_flags;

/// Where the session goes after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// On to the next one.
    Continue,
    /// To its end.
    Close,
    /// Into TLS.
    StartTls,
    /// Into DEFLATE.
    Compress,
}

/// Runs a command that has been admitted.
pub async fn run(ctx: &mut Ctx, tagged: Tagged) -> Result<(Flow, Reply), Failure> {
    let flow = match tagged.command {
        Command::Logout => Flow::Close,
        Command::StartTls => Flow::StartTls,
        Command::Compress(_) => Flow::Compress,
        _ => Flow::Continue,
    };
    if ctx.modes.uid_only && uses_numbers(&tagged.command) {
        // RFC 9586 §3
        return Err(Reply::bad("only UIDs are spoken of").word("UIDREQUIRED").into());
    }
    let numbers_stand = keeps_numbers(&tagged.command);
    let own = notify::names_changed(&tagged.command);
    access::recheck(ctx).await?;
    if ctx.selected.as_ref().is_some_and(|selected| !selected.rights.has(Rights::READ)) {
        // What was shared and is no longer has nothing left to name.
        tell(ctx, Look::Always, false).await?;
    }
    let is_over = matches!(tagged.command, Command::Logout | Command::StartTls | Command::Compress(_));
    let mut reply = Box::pin(dispatch(ctx, tagged)).await?;
    if is_over {
        return Ok((if reply.condition == Condition::Ok { flow } else { Flow::Continue }, reply));
    }
    // RFC 9051 §5.2: the end of any command is a place for news.
    tell_unasked(ctx, Look::IfCalled, numbers_stand).await?;
    if ctx.notify.is_some() {
        let own = if reply.condition == Condition::Ok { own } else { Vec::new() };
        Box::pin(notify::tell(ctx, Look::IfCalled, &own)).await?;
    }
    if reply.text.is_empty() {
        reply.text = "done".into();
    }
    Ok((Flow::Continue, reply))
}

/// RFC 9051 §7.5.1: the message numbers stand still while these run; their UID forms may tell of EXPUNGE.
fn keeps_numbers(command: &Command) -> bool {
    match command {
        Command::Search(search) => !search.uid,
        Command::Fetch(fetch) => !fetch.uid,
        Command::Store(store) => !store.uid,
        Command::Thread { uid, .. } => !uid,
        _ => false,
    }
}

/// RFC 9586 §3: does a command name messages by number, or ask for numbers?
fn uses_numbers(command: &Command) -> bool {
    match command {
        Command::Fetch(fetch) => !fetch.uid,
        Command::Store(store) => !store.uid,
        Command::Copy { uid, .. } | Command::Move { uid, .. } => !uid,
        Command::Search(search) => !search.uid || keys_use_numbers(&search.keys),
        Command::Thread { uid, keys, .. } => !uid || keys_use_numbers(keys),
        Command::Select { qresync: Some(qresync), .. } => qresync.matches.is_some(),
        _ => false,
    }
}

/// Does any key name messages by number?
pub fn keys_use_numbers(keys: &[SearchKey]) -> bool {
    keys.iter().any(|key| match key {
        SearchKey::Numbers(set) => *set != SequenceSet::Saved,
        SearchKey::Not(key) | SearchKey::Fuzzy(key) => keys_use_numbers(std::slice::from_ref(key)),
        SearchKey::Or(one, other) => keys_use_numbers(std::slice::from_ref(one)) || keys_use_numbers(std::slice::from_ref(other)),
        SearchKey::And(keys) => keys_use_numbers(keys),
        _ => false,
    })
}

async fn dispatch(ctx: &mut Ctx, tagged: Tagged) -> Outcome {
    let Tagged { tag, command } = tagged;
    // Each future is boxed, so that an idle session is not as large as the largest command.
    match command {
        Command::Capability => capability(ctx).await,
        Command::Noop | Command::Check => noop(ctx).await,
        Command::Logout => logout(ctx).await,
        Command::StartTls => starttls(ctx).await,
        Command::Namespace => Box::pin(namespace::run(ctx)).await,
        Command::Idle => Box::pin(idle::run(ctx)).await,
        Command::Close => Box::pin(close::run(ctx)).await,
        Command::Unselect => Box::pin(close::unselect(ctx)).await,
        Command::Expunge => Box::pin(expunge::run(ctx, None)).await,
        Command::UidExpunge(set) => Box::pin(expunge::run(ctx, Some(set))).await,
        Command::Id(pairs) => Box::pin(id::run(ctx, &pairs)).await,
        Command::Enable(names) => Box::pin(enable::run(ctx, &names)).await,
        Command::Authenticate { mechanism, initial } => Box::pin(authenticate::run(ctx, &mechanism, initial)).await,
        Command::Login { user, password } => Box::pin(login::run(ctx, &user, password)).await,
        Command::Select { read_only, mailbox, condstore, qresync } => {
            Box::pin(select::run(ctx, read_only, mailbox, condstore, qresync)).await
        }
        Command::Create { mailbox, special_use } => Box::pin(create::run(ctx, mailbox, &special_use)).await,
        Command::Delete(mailbox) => Box::pin(delete::run(ctx, mailbox)).await,
        Command::Rename { from, to } => Box::pin(rename::run(ctx, from, to)).await,
        Command::Subscribe(mailbox) => Box::pin(subscribe::run(ctx, mailbox, true)).await,
        Command::Unsubscribe(mailbox) => Box::pin(subscribe::run(ctx, mailbox, false)).await,
        Command::List(list) => Box::pin(list::run(ctx, list)).await,
        Command::Lsub(reference, pattern) => Box::pin(lsub::run(ctx, reference, pattern)).await,
        Command::Status(mailbox, items) => Box::pin(status::run(ctx, mailbox, items)).await,
        Command::Search(search) => Box::pin(search::run(ctx, &tag, search)).await,
        Command::Fetch(fetch) => Box::pin(fetch::run(ctx, fetch)).await,
        Command::Store(store) => Box::pin(store::run(ctx, store)).await,
        Command::Copy { uid, set, to } => Box::pin(copy::run(ctx, uid, set, to)).await,
        Command::Move { uid, set, to } => Box::pin(copy::run_move(ctx, uid, set, to)).await,
        Command::GetQuota(root) => Box::pin(quota::run(ctx, &root)).await,
        Command::Thread { uid, algorithm, keys } => Box::pin(thread::run(ctx, &tag, uid, algorithm, &keys)).await,
        Command::Compress(algorithm) => Box::pin(compress::run(ctx, &algorithm)).await,
        Command::UidBatches { size, window } => Box::pin(uid_batches::run(ctx, &tag, size, window)).await,
        Command::Unauthenticate => Box::pin(unauthenticate::run(ctx)).await,
        Command::GetJmapAccess => jmap_access(ctx).await,
        Command::GetMetadata { mailbox, size_bytes_max, depth, entries } => {
            Box::pin(metadata::run(ctx, mailbox, size_bytes_max, depth, &entries)).await
        }
        Command::SetMetadata { mailbox, entries } => Box::pin(metadata::run_set(ctx, mailbox, entries)).await,
        Command::GetQuotaRoot(mailbox) => Box::pin(quota::run_root(ctx, mailbox)).await,
        Command::SetQuota(root, limits) => Box::pin(quota::run_set(ctx, &root, &limits)).await,
        Command::SetAcl { mailbox, identifier, change, rights } => {
            Box::pin(acl::run_set(ctx, mailbox, &identifier, change, &rights)).await
        }
        Command::DeleteAcl { mailbox, identifier } => Box::pin(acl::run_delete(ctx, mailbox, &identifier)).await,
        Command::GetAcl(mailbox) => Box::pin(acl::run_get(ctx, mailbox)).await,
        Command::ListRights { mailbox, identifier } => Box::pin(acl::run_list(ctx, mailbox, &identifier)).await,
        Command::MyRights(mailbox) => Box::pin(acl::run_my(ctx, mailbox)).await,
        Command::Notify(wanted) => Box::pin(notify::run(ctx, wanted)).await,
    }
}

/// RFC 9051 §6.1.1
async fn capability(ctx: &mut Ctx) -> Outcome {
    let line = format!("* CAPABILITY {}\r\n", ctx.capabilities());
    ctx.write(line.as_bytes()).await?;
    Ok(Reply::ok("done"))
}

/// RFC 9698 §3: where the same mail is to be had over JMAP, by the same login and the same ids.
async fn jmap_access(ctx: &mut Ctx) -> Outcome {
    let mut line = b"* JMAPACCESS ".to_vec();
    encode_string(&mut line, ctx.shared.jmap_url.as_bytes(), Charset::Utf8);
    line.extend_from_slice(b"\r\n");
    ctx.write(&line).await?;
    Ok(Reply::ok("done"))
}

/// RFC 9051 §6.1.2, and CHECK (RFC 3501 §6.4.1), which has nothing more to do here: what is acknowledged is on disk.
async fn noop(ctx: &mut Ctx) -> Outcome {
    tell(ctx, Look::Always, false).await?;
    Ok(Reply::ok("done"))
}

/// RFC 9051 §6.1.3
async fn logout(ctx: &mut Ctx) -> Outcome {
    ctx.write_untagged(&Reply::bye("until next time")).await?;
    Ok(Reply::ok("done"))
}

/// RFC 9051 §6.2.1. What was pipelined behind it came from who knows whom: it must not be read as if it came
/// inside TLS (CVE-2011-0411), so the connection does not go on.
async fn starttls(ctx: &mut Ctx) -> Outcome {
    if ctx.tls.is_some() {
        return Ok(Reply::bad("the connection is encrypted already"));
    }
    if ctx.shared.tls.is_none() {
        return Ok(Reply::no("there is no certificate").word("UNAVAILABLE"));
    }
    if !ctx.lines.is_empty() {
        return Err(Reply::bye("nothing may follow STARTTLS before the handshake").into());
    }
    Ok(Reply::ok("begin TLS now"))
}
