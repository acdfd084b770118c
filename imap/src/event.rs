// SPDX-License-Identifier: AGPL-3.0-or-later
//! IMAPSIEVE (RFC 6785): a script of the person runs when a message is appended or copied to a mailbox, or its flags are
//! changed.
//!
//! Which script is said by the entry `/shared/imapsieve/script` of the mailbox's METADATA, or of the account's; its text is
//! what ManageSieve has of that name. It is looked for in the transaction of the command and runs after its commit, before
//! the reply. What it does wakes no other script. Whatever goes wrong in it leaves the message as it is.
//!
//! (deviates: it adds flags and takes none away; a script that would send mail or change the message does nothing; FETCH
//! that sets `\Seen` is no event.)

use hearth_filter::sieve::{self, Action, Lookup, Place, Script, Subject};
use hearth_mailstore::{Durability, Error, Flag, FlagChange, FlagSet, MailTx, Role, annotation, mailbox, memory, message, script};
use hearth_types::MailboxId;

use crate::access::Reach;
use crate::ctx::Ctx;
use crate::fault::Failure;
use crate::limits::{EVENT_BYTES_MAX, EVENT_MESSAGES_MAX, FETCH_BODIES_MAX};

/// Where the name of a script is.
pub const ENTRY: &str = "/shared/imapsieve/script";

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// APPEND, REPLACE.
    Append,
    /// COPY, MOVE.
    Copy,
    /// STORE.
    Flag,
}

impl Cause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Append => "APPEND",
            Self::Copy => "COPY",
            Self::Flag => "FLAG",
        }
    }
}

/// A script that has to run.
pub struct Bound {
    name: String,
    text: Vec<u8>,
}

/// A message that something was done to.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Its UID in the mailbox.
    pub uid: u32,
    /// The flags that changed.
    pub flags: Vec<String>,
}

/// What a script wants with a message.
struct Wish {
    uid: u32,
    adds: FlagSet,
    places: Vec<(String, bool)>,
    stays: bool,
}

/// The script of a mailbox, if there is one. What happens in a mailbox of another runs none: rules are of who wrote them.
pub fn find(tx: &mut MailTx<'_>, reach: &Reach, mailbox: MailboxId) -> Result<Option<Bound>, Error> {
    if *reach != Reach::Owner {
        return Ok(None);
    }
    let Some(name) = annotation::find_for(tx, mailbox, ENTRY)? else { return Ok(None) };
    let name = String::from_utf8_lossy(&name).into_owned();
    // RFC 6785 §3: one that is not there is as none.
    Ok(script::script(tx, &name)?.map(|(_, text)| Bound { name, text }))
}

/// Runs it for each of these. What fails is logged: the command has been done.
pub async fn run(ctx: &mut Ctx, bound: Option<Bound>, cause: Cause, mailbox: MailboxId, changed: Vec<Changed>) {
    let (Some(bound), Ok(account)) = (bound, ctx.account()) else { return };
    let script = match sieve::compile(&bound.text) {
        Ok(script) => script,
        Err(error) => return tracing::info!(%account, script = bound.name, %error, "a script for events cannot run"),
    };
    if changed.len() > EVENT_MESSAGES_MAX {
        tracing::info!(%account, script = bound.name, count = changed.len(), "a script runs for the first of these messages alone");
    }
    metrics::counter!("imap_event_scripts_total", "cause" => cause.as_str()).increment(1);
    for some in changed.get(..EVENT_MESSAGES_MAX).unwrap_or(&changed).chunks(FETCH_BODIES_MAX) {
        if let Err(error) = run_some(ctx, &script, cause, mailbox, some.to_vec()).await {
            return tracing::warn!(%account, script = bound.name, ?error, "a script for events failed; the messages stay as they are");
        }
    }
}

async fn run_some(ctx: &mut Ctx, script: &Script, cause: Cause, mailbox: MailboxId, changed: Vec<Changed>) -> Result<(), Failure> {
    let (account, store) = (ctx.account()?, &ctx.shared.store);
    let user = ctx.person.as_ref().map(|person| person.address.clone()).unwrap_or_default();
    let (script, hostname) = (script.clone(), ctx.shared.hostname.clone());
    let ask = move |tx: &mut MailTx<'_>| {
        let path = mailbox::find(tx, mailbox)?.ok_or(Error::NoSuchMailbox)?.path;
        let mut wishes = Vec::with_capacity(changed.len());
        for one in &changed {
            let Some(raw) = read(tx, mailbox, one.uid)? else { continue };
            let flags = one.flags.join(" ");
            let event = sieve::Event { cause: cause.as_str(), mailbox: &path, user: &user, changed_flags: &flags };
            let subject = Subject {
                raw: &raw,
                sender: "",
                recipient: "",
                owner: &user,
                owner_name: "",
                hostname: &hostname,
                junk: None,
                cut_from: None,
            };
            let ran = script.run_on(&subject, &event, &mut House { tx });
            match ran.error {
                Some(error) => {
                    tracing::info!(account = %tx.account(), error, "a script for events failed; the message stays as it is")
                }
                None => wishes.extend(wish(one.uid, ran.actions)),
            }
        }
        Ok::<_, Failure>(wishes)
    };
    let wishes = store.read(account, ask).await?;
    if wishes.iter().all(|wish| wish.stays && wish.adds.is_empty() && wish.places.is_empty()) {
        return Ok(());
    }
    store
        .write(account, Durability::Synced, move |tx: &mut MailTx<'_>| wishes.iter().try_for_each(|wish| grant(tx, mailbox, wish)))
        .await
}

fn read(tx: &mut MailTx<'_>, mailbox: MailboxId, uid: u32) -> Result<Option<Vec<u8>>, Error> {
    let Some(id) = message::entries(tx, mailbox, &[uid])?.first().map(|entry| entry.id) else { return Ok(None) };
    match message::body(tx, id)? {
        Some(body) if body.len() <= EVENT_BYTES_MAX => body.bytes().map(Some),
        _ => Ok(None),
    }
}

/// `None`: a script that wants what cannot be done here, so that nothing is.
fn wish(uid: u32, actions: Vec<Action>) -> Option<Wish> {
    let mut wish = Wish { uid, adds: FlagSet::EMPTY, places: Vec::new(), stays: false };
    for action in actions {
        let Action::File { place, flags, edited: None } = action else { return None };
        // Keywords belong to the message, in whatever mailbox it is.
        wish.adds.extend(flags.iter());
        match place {
            Place::Usual => wish.stays = true,
            Place::Path { path, create } => wish.places.push((path, create)),
        }
    }
    Some(wish)
}

fn grant(tx: &mut MailTx<'_>, mailbox: MailboxId, wish: &Wish) -> Result<(), Failure> {
    let uid = [wish.uid];
    let mut stays = wish.stays;
    if !wish.adds.is_empty() {
        message::store_flags(tx, mailbox, &uid, &FlagChange::Add(wish.adds.clone()), None)?;
    }
    for (path, create) in &wish.places {
        let target = match mailbox::find_as_named(tx, path)? {
            Some(found) => Some(found.id),
            // A name that cannot be leaves the message where it is.
            None if *create => mailbox::add_path(tx, path, None).ok().map(|made| made.id),
            None => None,
        };
        match target {
            Some(target) if target != mailbox => drop(message::copy(tx, mailbox, &uid, target)?),
            _ => stays = true,
        }
    }
    if !stays {
        message::store_flags(tx, mailbox, &uid, &FlagChange::Add(Flag::Deleted.into()), None)?;
        message::expunge(tx, mailbox, Some(&uid))?;
    }
    Ok(())
}

/// What a script may ask, answered from one read of the account.
struct House<'h, 't> {
    tx: &'h mut MailTx<'t>,
}

impl Lookup for House<'_, '_> {
    fn mailbox(&mut self, path: &str) -> bool {
        mailbox::find_as_named(self.tx, path).ok().flatten().is_some()
    }

    fn mailbox_by_id(&mut self, id: &str) -> Option<String> {
        mailbox::list(self.tx).ok()?.into_iter().find(|mailbox| mailbox.id.to_string() == id).map(|mailbox| mailbox.path)
    }

    fn mailbox_by_use(&mut self, special_use: &str) -> Option<String> {
        let role = Role::parse(&special_use.trim_start_matches('\\').to_ascii_lowercase())?;
        mailbox::find_by_role(self.tx, role).ok()?.map(|mailbox| mailbox.path)
    }

    fn is_remembered(&mut self, id: &str) -> bool {
        memory::is_remembered(self.tx, id).unwrap_or(false)
    }

    fn annotations(&mut self) -> Vec<(Option<String>, String, String)> {
        annotation::texts(self.tx).unwrap_or_default()
    }

    fn script(&mut self, name: &str) -> Option<Vec<u8>> {
        script::script(self.tx, name).ok()?.map(|(_, text)| text)
    }
}
