// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail that was put off: it lies in a mailbox below `Snoozed` whose name says when it comes back to the INBOX.
//!
//! What the names mean is not known here. Which accounts have such a mailbox is: an empty file of the account's name in
//! `DIR/mail/snoozed`, so that whoever brings mail back need not open any other account. The file is there before the
//! mailbox is, and is taken away, in a transaction that holds the account, when there is none; one that was lost is made
//! again when the account is opened.

use std::collections::HashSet;
use std::path::Path;

use hearth_types::{AccountId, MailboxId, MessageId};

use crate::account::{remove_if_there, sync_folder};
use crate::error::{Error, Result};
use crate::flags::{Flag, FlagSet};
use crate::mailbox::{self, Mailbox, Role};
use crate::message::{self, Entry, FlagChange};
use crate::tx::MailTx;

/// The mailbox at the top, below which mail waits.
pub const SNOOZED: &str = "Snoozed";

/// The mailboxes right below [`SNOOZED`]: the name of each says when.
pub fn list(tx: &mut MailTx<'_>) -> Result<Vec<Mailbox>> {
    let all = mailbox::list(tx)?;
    let Some(top) = all.iter().find(|mailbox| mailbox.path == SNOOZED).map(|mailbox| mailbox.id) else { return Ok(Vec::new()) };
    Ok(all.into_iter().filter(|mailbox| mailbox.parent == Some(top)).collect())
}

/// Brings mail back, up to `max` messages of one mailbox: unread, so that it is seen. All of them or none. When nothing
/// is left the mailbox goes; what is marked `\Deleted` stays where it is. Answers how many came back.
pub fn wake(tx: &mut MailTx<'_>, from: MailboxId, max: usize) -> Result<usize> {
    let inbox = mailbox::find_by_role(tx, Role::Inbox)?.ok_or(Error::NoSuchMailbox)?.id;
    let entries = message::view(tx, from)?;
    let there = entries.len();
    let wanted: Vec<Entry> = entries.into_iter().filter(|entry| !entry.flags.contains(&Flag::Deleted)).take(max).collect();
    let uids: Vec<u32> = wanted.iter().map(|entry| entry.uid).collect();
    message::store_flags(tx, from, &uids, &FlagChange::Remove(FlagSet::from(Flag::Seen)), None)?;
    // What was copied here is in the INBOX still: it does not come a second time.
    let known: HashSet<MessageId> = message::view(tx, inbox)?.into_iter().map(|entry| entry.id).collect();
    let (known, absent): (Vec<Entry>, Vec<Entry>) = wanted.into_iter().partition(|entry| known.contains(&entry.id));
    let uids_of = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.uid).collect::<Vec<u32>>();
    message::move_to(tx, from, &uids_of(absent), inbox)?;
    message::remove_entries(tx, from, &uids_of(known))?;
    if uids.len() == there {
        match mailbox::remove(tx, from) {
            // It is kept for what is below it.
            Err(Error::HasChildren) | Ok(()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(uids.len())
}

/// Takes the account off the list when there is no mailbox [`SNOOZED`]; whether it was taken off. For a write.
pub fn settle(tx: &mut MailTx<'_>) -> Result<bool> {
    if mailbox::find_by_name(tx, SNOOZED)?.is_some() {
        return Ok(false);
    }
    unmark(&tx.place.snoozed)?;
    Ok(true)
}

/// Puts an account on the list.
pub(crate) fn mark(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)?;
    std::fs::File::create(path)?;
    sync_folder(folder)?;
    folder.parent().map_or(Ok(()), sync_folder)
}

/// Takes one off it.
pub(crate) fn unmark(path: &Path) -> Result<()> {
    remove_if_there(path)
}

/// The accounts on the list in this folder.
pub(crate) fn marked(folder: &Path) -> Result<Vec<AccountId>> {
    match std::fs::read_dir(folder) {
        Ok(files) => Ok(files.flatten().filter_map(|file| file.file_name().to_str()?.parse().ok()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
