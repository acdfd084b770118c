// SPDX-License-Identifier: AGPL-3.0-or-later
//! Messages: append, look at, flag, copy, move, expunge.

use std::collections::HashMap;

use hearth_types::{BlobId, MailboxId, MessageId, ThreadId, Timestamp};
use hearth_wire::message::Parsed;

use crate::body::{self, Body, Packed, PackedData};
use crate::changes::{self, Kind};
use crate::error::{Error, Result};
use crate::flags::{Flag, FlagSet};
use crate::limits::KEYWORDS_MAX;
use crate::sweep::{self, Source};
use crate::tx::{Counts, MailTx, number};
use crate::{mailbox, thread};

/// A line of a mailbox view: what IMAP keeps in memory per message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// UID.
    pub uid: u32,
    /// EMAILID.
    pub id: MessageId,
    /// MODSEQ: of the last change of its flags (or of its mailboxes).
    pub modseq: u64,
    /// Flags, `\Deleted` of this mailbox included.
    pub flags: FlagSet,
}

/// All that lists need of a message, without opening its body.
#[derive(Clone, Debug)]
pub struct Summary {
    /// EMAILID.
    pub id: MessageId,
    /// THREADID.
    pub thread: ThreadId,
    /// INTERNALDATE, receivedAt.
    pub received_at: Timestamp,
    /// RFC822.SIZE.
    pub size_bytes: u64,
    /// Of the last change.
    pub modseq: u64,
    /// Of its arrival.
    pub created_modseq: u64,
    /// Flags without `\Deleted`.
    pub flags: FlagSet,
    /// Where it is; sorted by mailbox.
    pub places: Vec<Place>,
    /// Envelope, structure, preview.
    pub parsed: Parsed,
}

/// A message in a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its UID there.
    pub uid: u32,
    /// `\Deleted` there.
    pub deleted: bool,
    /// SAVEDATE (RFC 8514).
    pub saved_at: Timestamp,
}

/// A body that is ready to be appended: see [`Store::prepare`](crate::Store::prepare). Dropped, it leaves nothing behind.
pub struct Prepared {
    pub(crate) id: BlobId,
    pub(crate) packed: Packed,
    pub(crate) parsed: Parsed,
}

impl Prepared {
    /// What was read from it.
    pub fn parsed(&self) -> &Parsed {
        &self.parsed
    }

    /// Its length.
    pub fn len(&self) -> u64 {
        self.packed.len
    }

    /// Empty?
    pub fn is_empty(&self) -> bool {
        self.packed.len == 0
    }

    /// Puts its row (and so its file) into the account.
    pub(crate) fn adopt(self, tx: &mut MailTx<'_>) -> Result<(BlobId, Parsed)> {
        let id = match &self.packed.data {
            PackedData::Row(_) => body::free_id(tx, self.id)?,
            // A file has the number of its body.
            PackedData::File(_) => self.id,
        };
        body::add(tx, id, b"", &self.packed)?;
        if let PackedData::File(file) = self.packed.data {
            // Its row is not committed yet. When the transaction fails, the account's sweep finds the file.
            file.keep();
        }
        Ok((id, self.parsed))
    }
}

/// What to do with flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagChange {
    /// FLAGS: exactly these.
    Replace(FlagSet),
    /// +FLAGS.
    Add(FlagSet),
    /// -FLAGS.
    Remove(FlagSet),
}

/// What STORE did.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Entries whose flags changed, and those that were asked for and did not need to (RFC 7162 wants both told).
    pub entries: Vec<Entry>,
    /// UIDs that changed since UNCHANGEDSINCE and were left alone (`[MODIFIED]`).
    pub modified: Vec<u32>,
}

/// A message that came to be in a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// EMAILID.
    pub id: MessageId,
    /// THREADID.
    pub thread: ThreadId,
    /// UID (the first mailbox's, when there are several).
    pub uid: u32,
    /// UIDVALIDITY of that mailbox.
    pub uid_validity: u32,
    /// Its modseq.
    pub modseq: u64,
}

/// Adds a prepared message to one or more mailboxes; `received_at` is INTERNALDATE.
pub fn append(
    tx: &mut MailTx<'_>,
    prepared: Prepared,
    mailboxes: &[MailboxId],
    flags: &FlagSet,
    received_at: Timestamp,
) -> Result<Appended> {
    let limit = crate::quota::find(tx)?;
    if !limit.admits(1, prepared.len()) {
        return Err(Error::OverQuota);
    }
    let id = free_id(tx, MessageId::new(tx.now()))?;
    let (body, parsed) = prepared.adopt(tx)?;
    add(tx, New { id, body, parsed: &parsed, mailboxes, flags, received_at })
}

/// This id, or another of the same moment when a message has it (there are 2^20 in a millisecond).
pub(crate) fn free_id(tx: &mut MailTx<'_>, wanted: MessageId) -> Result<MessageId> {
    let account = tx.account();
    let mut id = wanted;
    while tx.find("SELECT id FROM message WHERE account = $1 AND id = $2", &[&account, &id], |_| Ok(()))?.is_some() {
        id = MessageId::new(tx.now());
    }
    Ok(id)
}

/// A message whose body has its row already.
pub(crate) struct New<'a> {
    pub id: MessageId,
    pub body: BlobId,
    pub parsed: &'a Parsed,
    pub mailboxes: &'a [MailboxId],
    pub flags: &'a FlagSet,
    pub received_at: Timestamp,
}

pub(crate) fn add(tx: &mut MailTx<'_>, new: New<'_>) -> Result<Appended> {
    if new.flags.is_too_large() {
        return Err(Error::TooMany("keywords of one message"));
    }
    let first = *new.mailboxes.first().ok_or(Error::Forbidden("a message is in at least one mailbox"))?;
    let account = tx.account();
    let modseq = tx.next_modseq()?;
    let envelope = &new.parsed.envelope;
    let thread = thread::join(tx, new.id, envelope, modseq)?;
    let sender = envelope.from.first().map(sort_name).unwrap_or_default();
    let subject = hearth_wire::message::base_subject(envelope.subject.as_deref().unwrap_or_default()).0.to_lowercase();
    tx.execute(
        "INSERT INTO message (account, id, thread, body, size_bytes, received_at, sent_at, modseq, created_modseq,
            flags, keywords, has_attachment, subject, sender)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11, $12, $13)",
        &[
            &account,
            &new.id,
            &thread,
            &new.body,
            &number(new.parsed.size_bytes)?,
            &new.received_at,
            &envelope.sent_at.unwrap_or(new.received_at),
            &number(modseq)?,
            &new.flags.message_bits(),
            &new.flags.keyword_text(),
            &new.parsed.has_attachment,
            &storable(&subject),
            &storable(&sender),
        ],
    )?;
    tx.execute("INSERT INTO summary (account, message, packed) VALUES ($1, $2, $3)", &[&account, &new.id, &new.parsed.pack()])?;
    tx.count_usage(1, number(new.parsed.size_bytes)?);
    let row = Row {
        id: new.id,
        thread,
        body: new.body,
        size_bytes: new.parsed.size_bytes,
        created_modseq: modseq,
        flags: new.flags.of_message(),
    };
    let mut appended = None;
    for (index, mailbox) in new.mailboxes.iter().enumerate() {
        if new.mailboxes.iter().take(index).any(|before| before == mailbox) {
            continue;
        }
        let (uid, uid_validity) = mailbox::take_uids(tx, *mailbox, 1)?;
        let deleted = new.flags.contains(&Flag::Deleted);
        place(tx, &row, *mailbox, uid, deleted, modseq)?;
        if *mailbox == first {
            appended = Some(Appended { id: new.id, thread, uid, uid_validity, modseq });
        }
    }
    appended.ok_or(Error::NoSuchMailbox)
}

/// What a list of senders is sorted by (RFC 8621 §4.4.2): the name, else the address.
pub(crate) fn sort_name(addr: &hearth_wire::message::Addr) -> String {
    addr.name.clone().or_else(|| addr.address()).unwrap_or_default().to_lowercase()
}

/// PostgreSQL's TEXT holds no NUL.
fn storable(text: &str) -> String {
    text.replace('\0', " ").chars().take(255).collect()
}

/// Of a message: what its entries need.
#[derive(Clone)]
pub(crate) struct Row {
    pub id: MessageId,
    pub thread: ThreadId,
    pub body: BlobId,
    pub size_bytes: u64,
    pub created_modseq: u64,
    pub flags: FlagSet,
}

fn row(tx: &mut MailTx<'_>, id: MessageId) -> Result<Option<Row>> {
    let account = tx.account();
    tx.find(
        "SELECT thread, body, size_bytes, created_modseq, flags, keywords FROM message WHERE account = $1 AND id = $2",
        &[&account, &id],
        |row| {
            Ok(Row {
                id,
                thread: row.get(0)?,
                body: row.get(1)?,
                size_bytes: row.get(2)?,
                created_modseq: row.get(3)?,
                flags: FlagSet::from_row(row.get(4)?, &row.get::<String>(5)?, false),
            })
        },
    )
}

/// Puts a message into a mailbox, with a UID that was taken for it.
fn place(tx: &mut MailTx<'_>, row: &Row, mailbox: MailboxId, uid: u32, deleted: bool, modseq: u64) -> Result<()> {
    let (account, now) = (tx.account(), tx.now());
    tx.execute(
        "INSERT INTO entry (account, mailbox, uid, message, deleted, saved_at) VALUES ($1, $2, $3, $4, $5, $6)",
        &[&account, &mailbox, &uid, &row.id, &deleted, &now],
    )?;
    tx.count(mailbox, modseq, counts_of(row, deleted, 1));
    Ok(())
}

fn counts_of(row: &Row, deleted: bool, sign: i64) -> Counts {
    Counts {
        total: sign,
        unseen: if row.flags.contains(&Flag::Seen) { 0 } else { sign },
        deleted: if deleted { sign } else { 0 },
        size_bytes: sign * i64::try_from(row.size_bytes).unwrap_or(i64::MAX),
        ..Counts::default()
    }
}

/// A row of the join of entry and message: uid, message, modseq, flags, keywords, deleted.
pub(crate) fn read_entry(row: &hearth_db::Row<'_>) -> hearth_db::Result<Entry> {
    Ok(Entry {
        uid: row.get(0)?,
        id: row.get(1)?,
        modseq: row.get(2)?,
        flags: FlagSet::from_row(row.get(3)?, &row.get::<String>(4)?, row.get(5)?),
    })
}

/// Every message of a mailbox, by UID.
pub fn view(tx: &mut MailTx<'_>, mailbox: MailboxId) -> Result<Vec<Entry>> {
    let account = tx.account();
    tx.query(
        "SELECT e.uid, e.message, m.modseq, m.flags, m.keywords, e.deleted
         FROM entry e JOIN message m ON m.account = e.account AND m.id = e.message
         WHERE e.account = $1 AND e.mailbox = $2 ORDER BY e.uid",
        &[&account, &mailbox],
        read_entry,
    )
}

/// The entries of these UIDs, by UID; those that are not there are left out.
pub fn entries(tx: &mut MailTx<'_>, mailbox: MailboxId, uids: &[u32]) -> Result<Vec<Entry>> {
    let account = tx.account();
    let uids = ascending(uids);
    let mut all = Vec::with_capacity(uids.len());
    for run in sweep::runs(&uids, |uid| *uid) {
        tx.each(
            "SELECT e.uid, e.message, m.modseq, m.flags, m.keywords, e.deleted
             FROM entry e JOIN message m ON m.account = e.account AND m.id = e.message
             WHERE e.account = $1 AND e.mailbox = $2 AND e.uid >= $3 AND e.uid <= $4 ORDER BY e.uid",
            &[&account, &mailbox, &run.first().copied().unwrap_or(1), &run.last().copied().unwrap_or(0)],
            |row| {
                if run.binary_search(&row.get(0)?).is_ok() {
                    all.push(read_entry(row)?);
                }
                Ok(())
            },
        )?;
    }
    Ok(all)
}

fn ascending(uids: &[u32]) -> Vec<u32> {
    let mut uids = uids.to_vec();
    uids.sort_unstable();
    uids.dedup();
    uids
}

/// Summaries of these messages, in their order; those that are not there are left out.
pub fn summaries(tx: &mut MailTx<'_>, ids: &[MessageId]) -> Result<Vec<Summary>> {
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        all.extend(find(tx, *id)?);
    }
    Ok(all)
}

/// One summary.
pub fn find(tx: &mut MailTx<'_>, id: MessageId) -> Result<Option<Summary>> {
    let account = tx.account();
    let found = tx.find(
        "SELECT m.thread, m.received_at, m.size_bytes, m.modseq, m.created_modseq, m.flags, m.keywords, s.packed
         FROM message m JOIN summary s ON s.account = m.account AND s.message = m.id
         WHERE m.account = $1 AND m.id = $2",
        &[&account, &id],
        |row| {
            let summary = Summary {
                id,
                thread: row.get(0)?,
                received_at: row.get(1)?,
                size_bytes: row.get(2)?,
                modseq: row.get(3)?,
                created_modseq: row.get(4)?,
                flags: FlagSet::from_row(row.get(5)?, &row.get::<String>(6)?, false),
                places: Vec::new(),
                parsed: Parsed::default(),
            };
            Ok((summary, row.get::<Vec<u8>>(7)?))
        },
    )?;
    let Some((mut summary, packed)) = found else { return Ok(None) };
    summary.places = places(tx, id)?;
    summary.parsed = match Parsed::unpack(&packed) {
        Some(parsed) => parsed,
        None => reread(tx, id)?,
    };
    Ok(Some(summary))
}

/// A summary that this release cannot read is made from the body.
fn reread(tx: &mut MailTx<'_>, id: MessageId) -> Result<Parsed> {
    tracing::warn!(account = %tx.account(), message = %id, "a summary is read from its body");
    let body = body(tx, id)?.ok_or_else(|| Error::Damaged(format!("message {id} has no body")))?;
    body::parse_stored(&body).map(|parsed| Parsed { text: String::new(), ..parsed })
}

fn places(tx: &mut MailTx<'_>, id: MessageId) -> Result<Vec<Place>> {
    let account = tx.account();
    tx.query(
        "SELECT mailbox, uid, deleted, saved_at FROM entry WHERE account = $1 AND message = $2 ORDER BY mailbox",
        &[&account, &id],
        |row| Ok(Place { mailbox: row.get(0)?, uid: row.get(1)?, deleted: row.get(2)?, saved_at: row.get(3)? }),
    )
}

/// The body; read it after the transaction.
pub fn body(tx: &mut MailTx<'_>, id: MessageId) -> Result<Option<Body>> {
    let account = tx.account();
    let found = tx.find("SELECT body FROM message WHERE account = $1 AND id = $2", &[&account, &id], |row| row.get(0))?;
    found.map_or(Ok(None), |found| body::find(tx, found))
}

/// IMAP STORE. With `unchanged_since`, messages with a higher modseq are left alone (RFC 7162 §3.1.3).
pub fn store_flags(
    tx: &mut MailTx<'_>,
    mailbox: MailboxId,
    uids: &[u32],
    change: &FlagChange,
    unchanged_since: Option<u64>,
) -> Result<Stored> {
    let mut stored = Stored::default();
    let all = entries(tx, mailbox, uids)?;
    // In which other mailboxes a message is, is asked for a run of them, before the first that changes.
    let mut others: Option<(u32, Vec<(u32, MailboxId)>)> = None;
    for (at, entry) in all.iter().enumerate() {
        let mut entry = entry.clone();
        if unchanged_since.is_some_and(|since| entry.modseq > since) {
            stored.modified.push(entry.uid);
            continue;
        }
        let flags = change.applied_to(&entry.flags)?;
        if flags != entry.flags {
            entry.modseq = tx.next_modseq()?;
            let (was, is) = (entry.flags.contains(&Flag::Deleted), flags.contains(&Flag::Deleted));
            if was != is {
                set_deleted(tx, mailbox, entry.uid, is, entry.modseq)?;
            }
            if others.as_ref().is_none_or(|(until, _)| entry.uid > *until) {
                let left = all.get(at..).unwrap_or_default();
                let until =
                    sweep::runs(left, |entry| entry.uid).next().and_then(<[Entry]>::last).map_or(entry.uid, |last| last.uid);
                others = Some((until, sweep::elsewhere(tx, mailbox, entry.uid, until)?));
            }
            let others = others.as_ref().map(|(_, others)| others.as_slice()).unwrap_or_default();
            let first = others.partition_point(|(uid, _)| *uid < entry.uid);
            let others = others.get(first..).unwrap_or_default().iter().take_while(|(uid, _)| *uid == entry.uid);
            let places = others.map(|(_, other)| *other).chain([mailbox]);
            write_flags(tx, entry.id, (&entry.flags, &flags), entry.modseq, places)?;
            entry.flags = flags;
        }
        stored.entries.push(entry);
    }
    Ok(stored)
}

impl FlagChange {
    /// What becomes of these flags.
    pub fn applied_to(&self, old: &FlagSet) -> Result<FlagSet> {
        let new = match self {
            Self::Replace(flags) => flags.clone(),
            Self::Add(flags) => {
                let mut new = old.clone();
                new.extend(flags.iter());
                new
            }
            Self::Remove(flags) => {
                let mut new = old.clone();
                flags.iter().for_each(|flag| new.remove(&flag));
                new
            }
        };
        if new.keywords().len() > KEYWORDS_MAX { Err(Error::TooMany("keywords of one message")) } else { Ok(new) }
    }
}

fn set_deleted(tx: &mut MailTx<'_>, mailbox: MailboxId, uid: u32, deleted: bool, modseq: u64) -> Result<()> {
    let account = tx.account();
    tx.execute(
        "UPDATE entry SET deleted = $4 WHERE account = $1 AND mailbox = $2 AND uid = $3",
        &[&account, &mailbox, &uid, &deleted],
    )?;
    tx.count(mailbox, modseq, Counts { deleted: if deleted { 1 } else { -1 }, ..Counts::default() });
    Ok(())
}

/// Writes the message's flags and counts in every mailbox that it is in.
fn write_flags(
    tx: &mut MailTx<'_>,
    id: MessageId,
    (old, new): (&FlagSet, &FlagSet),
    modseq: u64,
    places: impl Iterator<Item = MailboxId>,
) -> Result<()> {
    let account = tx.account();
    tx.execute(
        "UPDATE message SET flags = $3, keywords = $4, modseq = $5 WHERE account = $1 AND id = $2",
        &[&account, &id, &new.message_bits(), &new.keyword_text(), &number(modseq)?],
    )?;
    let unseen = i64::from(old.contains(&Flag::Seen)) - i64::from(new.contains(&Flag::Seen));
    for mailbox in places {
        tx.count(mailbox, modseq, Counts { unseen, ..Counts::default() });
    }
    Ok(())
}

/// JMAP Email/set of keywords; `\Deleted` is left alone. Answers the modseq.
pub fn change_keywords(tx: &mut MailTx<'_>, id: MessageId, change: &FlagChange) -> Result<u64> {
    let old = row(tx, id)?.ok_or(Error::NoSuchMessage)?.flags;
    let new = change.applied_to(&old)?.of_message();
    if new == old {
        return tx.modseq();
    }
    let modseq = tx.next_modseq()?;
    let places = places(tx, id)?;
    write_flags(tx, id, (&old, &new), modseq, places.iter().map(|place| place.mailbox))?;
    Ok(modseq)
}

/// JMAP Email/set of mailboxIds: exactly these, at least one. New ones give a new UID there.
pub fn set_mailboxes(tx: &mut MailTx<'_>, id: MessageId, mailboxes: &[MailboxId]) -> Result<u64> {
    let message = row(tx, id)?.ok_or(Error::NoSuchMessage)?;
    if mailboxes.is_empty() {
        return Err(Error::Forbidden("a message is in at least one mailbox"));
    }
    let old = places(tx, id)?;
    let mut wanted = mailboxes.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    for mailbox in wanted.iter().filter(|wanted| !old.iter().any(|place| place.mailbox == **wanted)) {
        let (uid, _) = mailbox::take_uids(tx, *mailbox, 1)?;
        let modseq = touch(tx, id)?;
        place(tx, &message, *mailbox, uid, false, modseq)?;
    }
    for place in old.iter().filter(|place| !wanted.contains(&place.mailbox)) {
        remove_entries(tx, place.mailbox, &[place.uid])?;
    }
    tx.modseq()
}

/// The message changed (its mailboxes did): for Email/changes.
fn touch(tx: &mut MailTx<'_>, id: MessageId) -> Result<u64> {
    let places: Vec<MailboxId> = places(tx, id)?.iter().map(|place| place.mailbox).collect();
    touch_in(tx, id, &places)
}

/// The same, when it is known where it is.
fn touch_in(tx: &mut MailTx<'_>, id: MessageId, places: &[MailboxId]) -> Result<u64> {
    let account = tx.account();
    let modseq = tx.next_modseq()?;
    tx.execute("UPDATE message SET modseq = $3 WHERE account = $1 AND id = $2", &[&account, &id, &number(modseq)?])?;
    // It is news in each mailbox that it is in: a client that asks for changes there sees the new MODSEQ.
    places.iter().for_each(|mailbox| tx.count(*mailbox, modseq, Counts::default()));
    Ok(modseq)
}

/// IMAP COPY: pairs of (source UID, new UID), by source UID (COPYUID). The copy is the same message in
/// another mailbox (RFC 8474 §5.1); where it is already, it is a new message with the same body.
pub fn copy(tx: &mut MailTx<'_>, from: MailboxId, uids: &[u32], to: MailboxId) -> Result<Vec<(u32, u32)>> {
    transfer(tx, from, uids, to, copy_one)
}

/// Takes UIDs for what is there of these, and does the same to each; pairs of old and new UID.
fn transfer(
    tx: &mut MailTx<'_>,
    from: MailboxId,
    uids: &[u32],
    to: MailboxId,
    one: impl Fn(&mut MailTx<'_>, &Source, (MailboxId, MailboxId), u32) -> Result<()>,
) -> Result<Vec<(u32, u32)>> {
    let sources = sweep::sources(tx, from, &ascending(uids))?;
    let count = u32::try_from(sources.len()).map_err(|_| Error::TooMany("messages at once"))?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let (first, _) = mailbox::take_uids(tx, to, count)?;
    let mut pairs = Vec::with_capacity(sources.len());
    for (source, uid) in sources.iter().zip(first..) {
        one(tx, source, (from, to), uid)?;
        pairs.push((source.uid, uid));
    }
    Ok(pairs)
}

/// RFC 9051 §6.4.7: the flags of the message are those of the copy, `\Deleted` too.
fn copy_one(tx: &mut MailTx<'_>, found: &Source, (from, to): (MailboxId, MailboxId), uid: u32) -> Result<()> {
    let (source, deleted, id) = (&found.message, found.deleted, found.message.id);
    if from != to && !found.others.contains(&to) {
        let places: Vec<MailboxId> = found.others.iter().copied().chain([from]).collect();
        let modseq = touch_in(tx, id, &places)?;
        return place(tx, source, to, uid, deleted, modseq);
    }
    let quota = crate::quota::find(tx)?;
    if !quota.admits(1, source.size_bytes) {
        return Err(Error::OverQuota);
    }
    let account = tx.account();
    let free = free_id(tx, MessageId::new(tx.now()))?;
    let twin = Row { id: free, created_modseq: tx.next_modseq()?, ..source.clone() };
    let modseq = number(twin.created_modseq)?;
    tx.execute(
        "INSERT INTO message (account, id, thread, body, size_bytes, received_at, sent_at, modseq, created_modseq,
            flags, keywords, has_attachment, subject, sender)
         SELECT account, $3, thread, body, size_bytes, received_at, sent_at, $4, $4, flags, keywords, has_attachment, subject, sender
         FROM message WHERE account = $1 AND id = $2",
        &[&account, &id, &twin.id, &modseq],
    )?;
    tx.execute(
        "INSERT INTO summary (account, message, packed)
         SELECT account, $3, packed FROM summary WHERE account = $1 AND message = $2",
        &[&account, &id, &twin.id],
    )?;
    tx.count_usage(1, number(twin.size_bytes)?);
    thread::touch(tx, twin.thread, twin.created_modseq)?;
    place(tx, &twin, to, uid, deleted, twin.created_modseq)
}

/// IMAP MOVE (RFC 6851): pairs as in [`copy`]; the sources are expunged.
pub fn move_to(tx: &mut MailTx<'_>, from: MailboxId, uids: &[u32], to: MailboxId) -> Result<Vec<(u32, u32)>> {
    transfer(tx, from, uids, to, move_one)
}

fn move_one(tx: &mut MailTx<'_>, found: &Source, (from, to): (MailboxId, MailboxId), uid: u32) -> Result<()> {
    if from == to || found.others.contains(&to) {
        copy_one(tx, found, (from, to), uid)?;
        return remove_entries(tx, from, &[found.uid]);
    }
    // One change: it is there, and here no more.
    let account = tx.account();
    let modseq = touch_in(tx, found.message.id, &found.others)?;
    tx.execute("DELETE FROM entry WHERE account = $1 AND mailbox = $2 AND uid = $3", &[&account, &from, &found.uid])?;
    tx.count(from, modseq, counts_of(&found.message, found.deleted, -1));
    changes::bury(tx, Kind::Uid, modseq, i64::from(found.uid), from, 0)?;
    place(tx, &found.message, to, uid, found.deleted, modseq)
}

/// EXPUNGE: removes those with `\Deleted` (among `only`, UID EXPUNGE); answers their UIDs.
pub fn expunge(tx: &mut MailTx<'_>, mailbox: MailboxId, only: Option<&[u32]>) -> Result<Vec<u32>> {
    let account = tx.account();
    let mut uids: Vec<u32> = tx.query(
        "SELECT uid FROM entry WHERE account = $1 AND mailbox = $2 AND deleted ORDER BY uid",
        &[&account, &mailbox],
        |row| row.get(0),
    )?;
    if let Some(only) = only {
        let only: std::collections::HashSet<u32> = only.iter().copied().collect();
        uids.retain(|uid| only.contains(uid));
    }
    remove_entries(tx, mailbox, &uids)?;
    Ok(uids)
}

/// JMAP Email/set destroy: from every mailbox, at once.
pub fn remove(tx: &mut MailTx<'_>, id: MessageId) -> Result<()> {
    if row(tx, id)?.is_none() {
        return Err(Error::NoSuchMessage);
    }
    for place in places(tx, id)? {
        remove_entries(tx, place.mailbox, &[place.uid])?;
    }
    Ok(())
}

/// Takes messages out of a mailbox; what is in no other one is gone.
pub(crate) fn remove_entries(tx: &mut MailTx<'_>, mailbox: MailboxId, uids: &[u32]) -> Result<()> {
    let account = tx.account();
    for uid in uids {
        let found = tx.find(
            "DELETE FROM entry WHERE account = $1 AND mailbox = $2 AND uid = $3 RETURNING message, deleted",
            &[&account, &mailbox, uid],
            |row| Ok((row.get::<MessageId>(0)?, row.get::<bool>(1)?)),
        )?;
        let Some((id, deleted)) = found else { continue };
        let message = row(tx, id)?.ok_or_else(|| Error::Damaged(format!("UID {uid} has no message")))?;
        let is_last = places(tx, id)?.is_empty();
        let modseq = if is_last { tx.next_modseq()? } else { touch(tx, id)? };
        tx.count(mailbox, modseq, counts_of(&message, deleted, -1));
        changes::bury(tx, Kind::Uid, modseq, i64::from(*uid), mailbox, 0)?;
        if is_last {
            destroy(tx, &message, mailbox, modseq)?;
        }
    }
    Ok(())
}

fn destroy(tx: &mut MailTx<'_>, message: &Row, mailbox: MailboxId, modseq: u64) -> Result<()> {
    let account = tx.account();
    for table in [
        "DELETE FROM message WHERE account = $1 AND id = $2",
        "DELETE FROM summary WHERE account = $1 AND message = $2",
        "DELETE FROM thread_ref WHERE account = $1 AND message = $2",
    ] {
        tx.execute(table, &[&account, &message.id])?;
    }
    tx.count_usage(-1, -number(message.size_bytes)?);
    changes::bury(tx, Kind::Message, modseq, message.id.as_i64(), mailbox, message.created_modseq)?;
    thread::leave(tx, message.thread, modseq)?;
    body::remove_if_unused(tx, message.body)
}

/// Which of these messages are there, with their mailboxes: for filters that look at places.
pub(crate) fn all_places(tx: &mut MailTx<'_>) -> Result<HashMap<MessageId, Vec<(MailboxId, bool)>>> {
    let account = tx.account();
    let mut all: HashMap<MessageId, Vec<(MailboxId, bool)>> = HashMap::new();
    tx.each("SELECT message, mailbox, deleted FROM entry WHERE account = $1", &[&account], |row| {
        all.entry(row.get(0)?).or_default().push((row.get(1)?, row.get(2)?));
        Ok(())
    })?;
    Ok(all)
}

/// Takes one flag as a change.
impl From<Flag> for FlagSet {
    fn from(flag: Flag) -> Self {
        [flag].into_iter().collect()
    }
}
