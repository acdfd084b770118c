// SPDX-License-Identifier: AGPL-3.0-or-later
//! NOTIFY (RFC 5465): what a session that said it watches, and telling it what changed, whether a command runs or not.
//! What is to be told is decided in `notify.rs`; the open mailbox is told by `news.rs`.

use std::sync::Arc;

use hearth_types::{AccountId, Trouble};
use hearth_wire::imap::response::{Code, Reply, encode_list_line, encode_metadata_names, encode_status_line};
use hearth_wire::imap::{Command, MailboxName, Notify};
use tokio::sync::watch;

use super::status;
use crate::access::{Reach, prefix};
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};
use crate::listing::{Listing, ListingMirror};
use crate::news::{Look, tell as tell_selected};
use crate::notify::{OfSelected, Other, Picture, Situation, Told, Watch};

/// What a session that said NOTIFY watches.
#[derive(Default)]
pub struct Watching {
    /// Which events.
    pub watch: Watch,
    /// One's own mailboxes, and those of others where they can be meant.
    accounts: Vec<Watched>,
}

/// The mailboxes of one account.
struct Watched {
    account: AccountId,
    prefix: String,
    reach: Reach,
    feed: watch::Receiver<u64>,
    mirror: Arc<ListingMirror>,
    told: Arc<Listing>,
}

impl Watching {
    /// The feeds that wake it.
    pub fn feeds(&mut self) -> impl Iterator<Item = &mut watch::Receiver<u64>> {
        self.accounts.iter_mut().map(|watched| &mut watched.feed)
    }
}

/// NOTIFY SET and NOTIFY NONE
pub async fn run(ctx: &mut Ctx, wanted: Option<Notify>) -> Outcome {
    let Some(Notify { status, groups }) = wanted else {
        ctx.notify = Some(Box::default());
        return Ok(Reply::ok("you hear of nothing"));
    };
    if groups.iter().any(|group| group.events.unsupported) {
        // RFC 5465 §3.1: NO, and what there is.
        return Ok(Reply::no("there is no such event here").with(Code::BadEvent));
    }
    let mut watching = Watching { watch: Watch { groups }, accounts: Vec::new() };
    watching.accounts = look(ctx, &watching, false).await?;
    let (me, picture) = (ctx.account()?, picture(&watching.accounts, &told(&watching.accounts), false));
    if watching.watch.overflows(&picture, me) {
        return Ok(overflow());
    }
    // RFC 5465 §3.1: as NOOP, for what has gathered.
    tell_selected(ctx, Look::Always, false).await?;
    let told = watching.watch.first(&picture, status, situation(ctx, me, &[]));
    ctx.notify = Some(Box::new(watching));
    write(ctx, &told).await?;
    Ok(Reply::ok("you will hear of it"))
}

fn overflow() -> Reply {
    Reply::no("that is more than can be watched").word("NOTIFICATIONOVERFLOW")
}

fn situation<'s>(ctx: &Ctx, me: AccountId, own: &'s [String]) -> Situation<'s> {
    let open = ctx.selected.as_ref().map(|selected| (selected.account, selected.mailbox));
    Situation { me, open, own, condstore: ctx.modes.condstore }
}

/// As it is decided upon; `entries` only where any of them changed.
fn picture(accounts: &[Watched], listings: &[&Listing], entries: bool) -> Picture {
    let mut all = accounts.iter().zip(listings.iter().copied());
    let Some((me, own)) = all.next() else { return Picture::default() };
    let others: Vec<Other<'_>> =
        all.map(|(other, listing)| Other { account: other.account, prefix: &other.prefix, reach: &other.reach, listing }).collect();
    let picture = Picture::new(me.account, own, &others);
    if entries { picture.with_entries(me.account, own, &others) } else { picture }
}

fn told(accounts: &[Watched]) -> Vec<&Listing> {
    accounts.iter().map(|watched| watched.told.as_ref()).collect()
}

/// The accounts that are to be watched, as they stand now. `always` asks the store whatever the feed says.
async fn look(ctx: &mut Ctx, watching: &Watching, always: bool) -> Result<Vec<Watched>, Failure> {
    if !watching.watch.looks_around() {
        return Ok(Vec::new());
    }
    let me = ctx.account()?;
    let mut wanted = vec![(me, String::new(), Reach::Owner)];
    if watching.watch.reaches_others() {
        let (standing, sharers) = ctx.shared.directory.list_sharers(me).await.map_err(Trouble::from)?;
        let other = |sharer: &hearth_identity::directory::Sharer| {
            (sharer.account, prefix(sharer.kind, &sharer.address), Reach::of(&standing, sharer.account))
        };
        wanted.extend(sharers.iter().map(other));
    }
    let mut accounts = Vec::with_capacity(wanted.len());
    for (account, prefix, reach) in wanted {
        let known = watching.accounts.iter().find(|known| known.account == account);
        let (mut feed, mirror) = match known {
            Some(known) => (known.feed.clone(), Arc::clone(&known.mirror)),
            None => (ctx.shared.store.subscribe(account), ctx.shared.listings.open(account)),
        };
        // As long as the feed knows nothing yet, the store is asked.
        let called = *feed.borrow_and_update();
        let at_least = if always || called == 0 { u64::MAX } else { called };
        let told = mirror.refresh(&ctx.shared.store, at_least).await?;
        accounts.push(Watched { account, prefix, reach, feed, mirror, told });
    }
    Ok(accounts)
}

/// Tells what changed in mailboxes that are not open. `own`: names that the client changed itself just now.
pub async fn tell(ctx: &mut Ctx, look_how: Look, own: &[String]) -> Result<(), Failure> {
    let watches = ctx.notify.as_ref().is_some_and(|watching| !watching.accounts.is_empty());
    let Some(mut watching) = ctx.notify.take_if(|_| watches) else { return Ok(()) };
    let told = find_news(ctx, &mut watching, look_how, own).await;
    ctx.notify = Some(watching);
    match told? {
        Some(told) => write(ctx, &told).await,
        None => {
            // RFC 5465 §5.8: from now on as if it had said NOTIFY NONE.
            ctx.notify = Some(Box::default());
            ctx.write_untagged(&Reply { condition: hearth_wire::imap::response::Condition::Ok, ..overflow() }).await
        }
    }
}

/// `None`: it is too much.
async fn find_news(ctx: &mut Ctx, watching: &mut Watching, look_how: Look, own: &[String]) -> Result<Option<Vec<Told>>, Failure> {
    let fresh = look(ctx, watching, look_how == Look::Always).await?;
    let same = |(one, other): (&Watched, &Watched)| {
        one.account == other.account && one.reach == other.reach && Arc::ptr_eq(&one.told, &other.told)
    };
    if fresh.len() == watching.accounts.len() && fresh.iter().zip(&watching.accounts).all(same) {
        watching.accounts = fresh;
        return Ok(Some(Vec::new()));
    }
    let me = ctx.account()?;
    let pairs = || watching.accounts.iter().zip(&fresh);
    let is_same = |(one, other): (&Watched, &Watched)| one.account == other.account && one.reach == other.reach;
    let same_people = fresh.len() == watching.accounts.len() && pairs().all(is_same);
    let changed = || pairs().map(|(one, other)| one.told.changed(&other.told)).collect::<Option<Vec<_>>>();
    // Most often messages came or went in one mailbox of many: then it alone is looked at.
    let (before, now) = match same_people.then(changed).flatten() {
        Some(changed) => {
            let (before, now): (Vec<_>, Vec<_>) = changed.iter().map(|(before, now)| (before, now)).unzip();
            (picture(&watching.accounts, &before, false), picture(&fresh, &now, false))
        }
        None => {
            let same_entries = |(one, other): (&Watched, &Watched)| Arc::ptr_eq(&one.told.entries, &other.told.entries);
            let entries = !same_people || !pairs().all(same_entries);
            let before = picture(&watching.accounts, &told(&watching.accounts), entries);
            let now = picture(&fresh, &told(&fresh), entries);
            if watching.watch.overflows(&now, me) {
                watching.accounts = fresh;
                return Ok(None);
            }
            (before, now)
        }
    };
    watching.accounts = fresh;
    Ok(Some(watching.watch.decide(&before, &now, situation(ctx, me, own))))
}

/// Between two commands: of the open mailbox as it was asked for, and of the others.
pub async fn tell_between(ctx: &mut Ctx) -> Result<(), Failure> {
    crate::access::recheck(ctx).await?;
    let numbers_stand = match ctx.notify.as_ref().map(|watching| watching.watch.of_selected()) {
        Some(OfSelected::Messages { delayed, .. }) => Some(delayed),
        _ => None,
    };
    if let Some(numbers_stand) = numbers_stand {
        tell_selected(ctx, Look::IfCalled, numbers_stand).await?;
    }
    tell(ctx, Look::IfCalled, &[]).await
}

async fn write(ctx: &mut Ctx, told: &[Told]) -> Result<(), Failure> {
    let charset = ctx.charset();
    let mut out = Vec::new();
    for told in told {
        match told {
            Told::List(line) => encode_list_line(&mut out, "LIST", line, charset),
            Told::Status(mailbox, items) => {
                let values = status::values(mailbox, items, ctx.shared.append_bytes_max, 0);
                encode_status_line(&mut out, &mailbox.path, &values, charset);
            }
            Told::Metadata(name, entries) => {
                let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
                encode_metadata_names(&mut out, name, &entries, charset);
            }
        }
    }
    ctx.write(&out).await
}

/// The names whose place, subscription or entries a command changes; the account's own is empty.
pub fn names_changed(command: &Command) -> Vec<String> {
    let name = |name: &MailboxName| name.as_str().to_string();
    match command {
        Command::Create { mailbox, .. } => vec![name(mailbox)],
        Command::Delete(mailbox) | Command::Subscribe(mailbox) | Command::Unsubscribe(mailbox) => vec![name(mailbox)],
        Command::Rename { from, to } => vec![name(from), name(to)],
        Command::SetMetadata { mailbox, .. } => vec![mailbox.as_ref().map(name).unwrap_or_default()],
        _ => Vec::new(),
    }
}
