// SPDX-License-Identifier: AGPL-3.0-or-later
//! What happened since a modseq.

use hearth_types::{AddressBookId, CardId, MailboxId, MessageId, ThreadId, Timestamp};

use crate::error::{Error, Result};
use crate::message::{Entry, read_entry};
use crate::tx::{MailTx, number};

/// News of a mailbox, for IMAP.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// New and changed entries, by UID.
    pub entries: Vec<Entry>,
    /// UIDs that went away, ascending.
    pub vanished: Vec<u32>,
    /// HIGHESTMODSEQ of the mailbox now: ask with it the next time.
    pub modseq: u64,
}

/// Changes of one kind of JMAP object (RFC 8620 §5.2).
#[derive(Clone, Debug)]
pub struct Changes<I> {
    /// Made since, and still there.
    pub created: Vec<I>,
    /// Made before, changed since.
    pub updated: Vec<I>,
    /// There then, gone now.
    pub destroyed: Vec<I>,
    /// The state that this leads to.
    pub modseq: u64,
    /// There is more after `modseq`.
    pub more: bool,
}

/// What is new in a mailbox: CHANGEDSINCE, NOOP, IDLE. Never [`Error::TooOld`](crate::Error::TooOld):
/// when tombstones from then are gone, `vanished` holds every UID of the past that is not there, as
/// RFC 7162 §3.2.5.2 allows.
pub fn news(tx: &mut MailTx<'_>, mailbox: MailboxId, since: u64) -> Result<News> {
    let account = tx.account();
    tx.flush()?;
    let found = tx.find("SELECT highest_modseq FROM mailbox WHERE account = $1 AND id = $2", &[&account, &mailbox], |row| {
        row.get::<u64>(0)
    })?;
    let modseq = found.ok_or(Error::NoSuchMailbox)?;
    if modseq <= since {
        return Ok(News { modseq, ..News::default() });
    }
    let mut entries = tx.query(
        "SELECT e.uid, e.message, m.modseq, m.flags, m.keywords, e.deleted
         FROM message m JOIN entry e ON e.account = m.account AND e.message = m.id AND e.mailbox = $2
         WHERE m.account = $1 AND m.modseq > $3",
        &[&account, &mailbox, &number(since)?],
        read_entry,
    )?;
    entries.sort_unstable_by_key(|entry| entry.uid);
    Ok(News { entries, vanished: vanished(tx, mailbox, since)?, modseq })
}

/// UIDs that went away since, ascending: VANISHED (EARLIER).
pub fn vanished(tx: &mut MailTx<'_>, mailbox: MailboxId, since: u64) -> Result<Vec<u32>> {
    let account = tx.account();
    if since < horizon(tx)? {
        return all_missing(tx, mailbox);
    }
    let mut uids: Vec<u32> = tx.query(
        "SELECT id FROM gone WHERE account = $1 AND kind = 2 AND mailbox = $2 AND modseq > $3",
        &[&account, &mailbox, &number(since)?],
        |row| row.get(0),
    )?;
    uids.sort_unstable();
    Ok(uids)
}

/// Every UID that was given out and is not there.
fn all_missing(tx: &mut MailTx<'_>, mailbox: MailboxId) -> Result<Vec<u32>> {
    let account = tx.account();
    let next =
        tx.find("SELECT uid_next FROM mailbox WHERE account = $1 AND id = $2", &[&account, &mailbox], |row| row.get::<u32>(0))?;
    let mut missing = Vec::new();
    let mut expected = 1;
    tx.each("SELECT uid FROM entry WHERE account = $1 AND mailbox = $2 ORDER BY uid", &[&account, &mailbox], |row| {
        let uid: u32 = row.get(0)?;
        missing.extend(expected..uid);
        expected = uid.saturating_add(1);
        Ok(())
    })?;
    missing.extend(expected..next.unwrap_or(1));
    Ok(missing)
}

/// Tombstones up to this modseq are gone.
fn horizon(tx: &mut MailTx<'_>) -> Result<u64> {
    let account = tx.account();
    tx.one("SELECT horizon FROM account WHERE account = $1", &[&account], |row| row.get(0))
}

/// What a tombstone is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Message = 1,
    Uid = 2,
    Mailbox = 3,
    Thread = 4,
    AddressBook = 5,
    Card = 6,
}

/// The mailbox of a tombstone whose thing was in none.
pub(crate) const NOWHERE: MailboxId = MailboxId::from_i64(0);

/// Leaves a tombstone.
pub(crate) fn bury(tx: &mut MailTx<'_>, kind: Kind, modseq: u64, id: i64, mailbox: MailboxId, created: u64) -> Result<()> {
    let (account, now) = (tx.account(), tx.now());
    tx.execute(
        "INSERT INTO gone (account, kind, modseq, id, mailbox, created_modseq, at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[&account, &(kind as i64), &number(modseq)?, &id, &mailbox, &number(created)?, &now],
    )?;
    Ok(())
}

/// Forgets tombstones that are older than `before`.
pub(crate) fn forget(tx: &mut MailTx<'_>, before: Timestamp) -> Result<()> {
    let account = tx.account();
    let newest: Option<i64> =
        tx.one("SELECT MAX(modseq) FROM gone WHERE account = $1 AND at < $2", &[&account, &before], |row| row.get(0))?;
    if let Some(newest) = newest {
        tx.execute("DELETE FROM gone WHERE account = $1 AND modseq <= $2", &[&account, &newest])?;
        tx.execute("UPDATE account SET horizon = $2 WHERE account = $1", &[&account, &newest])?;
    }
    Ok(())
}

/// One object that changed.
struct Changed {
    id: i64,
    modseq: u64,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Created,
    Updated,
    Destroyed,
}

/// Email/changes. `max` of 0 is no bound.
pub fn messages(tx: &mut MailTx<'_>, since: u64, max: usize) -> Result<Changes<MessageId>> {
    let mut all = alive(tx, "SELECT id, modseq, created_modseq FROM message WHERE account = $1 AND modseq > $2", since)?;
    all.extend(dead(tx, Kind::Message, since)?);
    cut(tx, all, since, max, MessageId::from_i64)
}

/// Thread/changes.
pub fn threads(tx: &mut MailTx<'_>, since: u64, max: usize) -> Result<Changes<ThreadId>> {
    let mut all = alive(tx, "SELECT id, modseq, created_modseq FROM thread WHERE account = $1 AND modseq > $2", since)?;
    all.extend(dead(tx, Kind::Thread, since)?);
    cut(tx, all, since, max, ThreadId::from_i64)
}

/// Mailbox/changes. The flag says that of the updated ones only counts changed (updatedProperties).
pub fn mailboxes(tx: &mut MailTx<'_>, since: u64, max: usize) -> Result<(Changes<MailboxId>, bool)> {
    tx.flush()?;
    let mut all = alive(
        tx,
        "SELECT id, CASE WHEN modseq > counts_modseq THEN modseq ELSE counts_modseq END, created_modseq
         FROM mailbox WHERE account = $1 AND (modseq > $2 OR counts_modseq > $2)",
        since,
    )?;
    all.extend(dead(tx, Kind::Mailbox, since)?);
    let changes = cut(tx, all, since, max, MailboxId::from_i64)?;
    let account = tx.account();
    let renamed: Vec<MailboxId> =
        tx.query("SELECT id FROM mailbox WHERE account = $1 AND modseq > $2", &[&account, &number(since)?], |row| row.get(0))?;
    let only_counts = !changes.updated.is_empty() && changes.updated.iter().all(|id| !renamed.contains(id));
    Ok((changes, only_counts))
}

/// AddressBook/changes.
pub fn address_books(tx: &mut MailTx<'_>, since: u64, max: usize) -> Result<Changes<AddressBookId>> {
    let mut all = alive(tx, "SELECT id, modseq, created_modseq FROM address_book WHERE account = $1 AND modseq > $2", since)?;
    all.extend(dead(tx, Kind::AddressBook, since)?);
    cut(tx, all, since, max, AddressBookId::from_i64)
}

/// ContactCard/changes.
pub fn cards(tx: &mut MailTx<'_>, since: u64, max: usize) -> Result<Changes<CardId>> {
    let mut all = alive(tx, "SELECT id, modseq, created_modseq FROM card WHERE account = $1 AND modseq > $2", since)?;
    all.extend(dead(tx, Kind::Card, since)?);
    cut(tx, all, since, max, CardId::from_i64)
}

fn alive(tx: &mut MailTx<'_>, sql: &'static str, since: u64) -> Result<Vec<Changed>> {
    let account = tx.account();
    tx.query(sql, &[&account, &number(since)?], |row| {
        let created: u64 = row.get(2)?;
        Ok(Changed { id: row.get(0)?, modseq: row.get(1)?, what: if created > since { What::Created } else { What::Updated } })
    })
}

fn dead(tx: &mut MailTx<'_>, kind: Kind, since: u64) -> Result<Vec<Changed>> {
    if since < horizon(tx)? {
        return Err(Error::TooOld);
    }
    let account = tx.account();
    // Made and destroyed since: the client never knew it (RFC 8620 §5.2).
    tx.query(
        "SELECT id, modseq FROM gone WHERE account = $1 AND kind = $2 AND modseq > $3 AND created_modseq <= $3",
        &[&account, &(kind as i64), &number(since)?],
        |row| Ok(Changed { id: row.get(0)?, modseq: row.get(1)?, what: What::Destroyed }),
    )
}

/// The first `max` changes by modseq, and the state after them.
fn cut<I>(tx: &mut MailTx<'_>, mut all: Vec<Changed>, since: u64, max: usize, id: fn(i64) -> I) -> Result<Changes<I>> {
    let now = tx.modseq()?;
    if since > now {
        return Err(Error::TooOld);
    }
    all.sort_unstable_by_key(|changed| changed.modseq);
    let more = max > 0 && all.len() > max;
    if more {
        // Counts of two mailboxes may change by one number (a move): they are told together or later.
        let next = all.get(max).map_or(0, |changed| changed.modseq);
        all.truncate(max);
        all.retain(|changed| changed.modseq < next);
    }
    let modseq = match all.last() {
        Some(last) if more => last.modseq,
        None if more => return Err(Error::TooOld),
        _ => now,
    };
    let mut changes = Changes { created: Vec::new(), updated: Vec::new(), destroyed: Vec::new(), modseq, more };
    for changed in all {
        let list = match changed.what {
            What::Created => &mut changes.created,
            What::Updated => &mut changes.updated,
            What::Destroyed => &mut changes.destroyed,
        };
        list.push(id(changed.id));
    }
    Ok(changes)
}
