// SPDX-License-Identifier: AGPL-3.0-or-later
//! Many messages of a mailbox at once: one statement for a run of UIDs, where one for each message would cost ten times as much.

use hearth_types::{BlobId, MailboxId, MessageId};
use hearth_wire::message::Parsed;

use crate::body::{self, Body};
use crate::error::Result;
use crate::flags::FlagSet;
use crate::limits::SWEEP_GAP_MAX;
use crate::message::{self, Place, Summary};
use crate::tx::MailTx;

/// How much of what was read from a message is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Its row alone: [`Summary::parsed`] is empty.
    Row,
    /// The envelope: of [`Summary::parsed`], all else is empty.
    Envelope,
    /// All.
    All,
}

/// These messages of a mailbox (UID and id), by UID; of [`Summary::places`], the one in this mailbox. A message that has left the mailbox is
/// given as long as it is in another; those that are gone are left out.
pub fn summaries(tx: &mut MailTx<'_>, mailbox: MailboxId, wanted: &[(u32, MessageId)], depth: Depth) -> Result<Vec<Summary>> {
    let account = tx.account();
    let mut all = Vec::with_capacity(wanted.len());
    for run in runs(wanted, |one| one.0) {
        let (from, to) = ends(run, |one| one.0);
        let mut swept = Swept::new(run, depth);
        tx.each(
            "SELECT e.uid, e.deleted, e.saved_at, m.id, m.thread, m.received_at, m.size_bytes, m.modseq, m.created_modseq,
                m.flags, m.keywords, s.packed
             FROM entry e JOIN message m ON m.account = e.account AND m.id = e.message
                JOIN summary s ON s.account = e.account AND s.message = e.message
             WHERE e.account = $1 AND e.mailbox = $2 AND e.uid >= $3 AND e.uid <= $4 ORDER BY e.uid",
            &[&account, &mailbox, &from, &to],
            |row| swept.take(row, mailbox).map(drop),
        )?;
        all.extend(swept.complete(tx)?);
    }
    Ok(all)
}

/// The same, each with its body; a message without one is left out.
pub fn bodies(tx: &mut MailTx<'_>, mailbox: MailboxId, wanted: &[(u32, MessageId)], depth: Depth) -> Result<Vec<(Summary, Body)>> {
    let account = tx.account();
    let mut all = Vec::with_capacity(wanted.len());
    for run in runs(wanted, |one| one.0) {
        let (from, to) = ends(run, |one| one.0);
        let mut swept = Swept::new(run, depth);
        let mut small: Vec<(MessageId, Body)> = Vec::new();
        tx.each(
            "SELECT e.uid, e.deleted, e.saved_at, m.id, m.thread, m.received_at, m.size_bytes, m.modseq, m.created_modseq,
                m.flags, m.keywords, s.packed, b.size_bytes, b.prefix, b.data
             FROM entry e JOIN message m ON m.account = e.account AND m.id = e.message
                JOIN summary s ON s.account = e.account AND s.message = e.message
                JOIN body b ON b.account = m.account AND b.id = m.body
             WHERE e.account = $1 AND e.mailbox = $2 AND e.uid >= $3 AND e.uid <= $4 ORDER BY e.uid",
            &[&account, &mailbox, &from, &to],
            |row| {
                if let (Some(id), Some(data)) = (swept.take(row, mailbox)?, row.bytes(14)?) {
                    small.push((id, body::of_row(row.get(12)?, row.get(13)?, data.to_vec())));
                }
                Ok(())
            },
        )?;
        let mut small = small.into_iter().peekable();
        for summary in swept.complete(tx)? {
            let body = match small.next_if(|(id, _)| *id == summary.id) {
                Some((_, body)) => Some(body),
                // A large one is a file; or the message has left the mailbox.
                None => message::body(tx, summary.id)?,
            };
            all.extend(body.map(|body| (summary, body)));
        }
    }
    Ok(all)
}

/// One run, as its rows come in.
struct Swept<'w> {
    wanted: &'w [(u32, MessageId)],
    depth: Depth,
    found: Vec<Summary>,
    /// Whose summary this release cannot read.
    damaged: Vec<MessageId>,
}

impl<'w> Swept<'w> {
    fn new(wanted: &'w [(u32, MessageId)], depth: Depth) -> Self {
        Self { wanted, depth, found: Vec::with_capacity(wanted.len()), damaged: Vec::new() }
    }

    /// The next row; the message, if it is a wanted one.
    fn take(&mut self, row: &hearth_db::Row<'_>, mailbox: MailboxId) -> hearth_db::Result<Option<MessageId>> {
        let (uid, id) = (row.get(0)?, row.get(3)?);
        if self.wanted.binary_search_by_key(&uid, |one| one.0).ok().and_then(|at| self.wanted.get(at)).is_none_or(|one| one.1 != id)
        {
            return Ok(None);
        }
        let packed = row.bytes(11)?.unwrap_or_default();
        let parsed = match self.depth {
            Depth::Row => Some(Parsed::default()),
            Depth::Envelope => Parsed::unpack_envelope(packed).map(|envelope| Parsed { envelope, ..Parsed::default() }),
            Depth::All => Parsed::unpack(packed),
        };
        if parsed.is_none() {
            self.damaged.push(id);
        }
        self.found.push(Summary {
            id,
            thread: row.get(4)?,
            received_at: row.get(5)?,
            size_bytes: row.get(6)?,
            modseq: row.get(7)?,
            created_modseq: row.get(8)?,
            flags: FlagSet::from_row(row.get(9)?, &row.get::<String>(10)?, false),
            places: vec![Place { mailbox, uid, deleted: row.get(1)?, saved_at: row.get(2)? }],
            parsed: parsed.unwrap_or_default(),
        });
        Ok(Some(id))
    }

    /// In the order that was asked for, with those that have left the mailbox and those that could not be read.
    fn complete(self, tx: &mut MailTx<'_>) -> Result<Vec<Summary>> {
        if self.found.len() == self.wanted.len() && self.damaged.is_empty() {
            return Ok(self.found);
        }
        let mut found = self.found.into_iter().peekable();
        let mut all = Vec::with_capacity(self.wanted.len());
        for (_, id) in self.wanted {
            match found.next_if(|summary| summary.id == *id) {
                Some(summary) if !self.damaged.contains(id) => all.push(summary),
                _ => all.extend(message::find(tx, *id)?),
            }
        }
        Ok(all)
    }
}

/// A message that is copied, moved or taken out of a mailbox.
pub(crate) struct Source {
    pub uid: u32,
    pub deleted: bool,
    pub message: message::Row,
    /// In which other mailboxes it is.
    pub others: Vec<MailboxId>,
}

/// What copying needs of these UIDs (ascending); those that are not there are left out.
pub(crate) fn sources(tx: &mut MailTx<'_>, mailbox: MailboxId, uids: &[u32]) -> Result<Vec<Source>> {
    let account = tx.account();
    let mut all: Vec<Source> = Vec::with_capacity(uids.len());
    for run in runs(uids, |uid| *uid) {
        let (from, to) = ends(run, |uid| *uid);
        tx.each(
            "SELECT e.uid, e.deleted, m.id, m.thread, m.body, m.size_bytes, m.created_modseq, m.flags, m.keywords
             FROM entry e JOIN message m ON m.account = e.account AND m.id = e.message
             WHERE e.account = $1 AND e.mailbox = $2 AND e.uid >= $3 AND e.uid <= $4 ORDER BY e.uid",
            &[&account, &mailbox, &from, &to],
            |row| {
                let uid = row.get(0)?;
                if run.binary_search(&uid).is_ok() {
                    let message = message::Row {
                        id: row.get(2)?,
                        thread: row.get(3)?,
                        body: row.get::<BlobId>(4)?,
                        size_bytes: row.get(5)?,
                        created_modseq: row.get(6)?,
                        flags: FlagSet::from_row(row.get(7)?, &row.get::<String>(8)?, false),
                    };
                    all.push(Source { uid, deleted: row.get(1)?, message, others: Vec::new() });
                }
                Ok(())
            },
        )?;
        for (uid, other) in elsewhere(tx, mailbox, from, to)? {
            if let Some(source) = all.binary_search_by_key(&uid, |source| source.uid).ok().and_then(|at| all.get_mut(at)) {
                source.others.push(other);
            }
        }
    }
    Ok(all)
}

/// In which other mailboxes the messages of these UIDs are.
pub(crate) fn elsewhere(tx: &mut MailTx<'_>, mailbox: MailboxId, from: u32, to: u32) -> Result<Vec<(u32, MailboxId)>> {
    let account = tx.account();
    tx.query(
        "SELECT e.uid, o.mailbox FROM entry e JOIN entry o ON o.account = e.account AND o.message = e.message
         WHERE e.account = $1 AND e.mailbox = $2 AND e.uid >= $3 AND e.uid <= $4 AND o.mailbox <> $2 ORDER BY e.uid, o.mailbox",
        &[&account, &mailbox, &from, &to],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// From where to where a run goes.
fn ends<T>(run: &[T], uid: impl Fn(&T) -> u32) -> (u32, u32) {
    (run.first().map_or(1, &uid), run.last().map_or(0, &uid))
}

/// In pieces whose UIDs ascend with small gaps, so that a sweep over one meets little that is not wanted.
pub(crate) fn runs<T>(all: &[T], uid: impl Fn(&T) -> u32) -> impl Iterator<Item = &[T]> {
    all.chunk_by(move |one, other| {
        let next = uid(one).saturating_add(1);
        (next..=next.saturating_add(SWEEP_GAP_MAX)).contains(&uid(other)) && uid(one) != u32::MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_small_gaps_and_ascends() {
        let lengths = |uids: &[u32]| runs(uids, |uid| *uid).map(<[u32]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(&[1, 2, 3 + SWEEP_GAP_MAX, 5 + 2 * SWEEP_GAP_MAX]), [3, 1]);
        assert_eq!(lengths(&[3, 2, 2, 3]), [1, 1, 2]);
        assert_eq!(lengths(&[u32::MAX - 1, u32::MAX, u32::MAX]), [2, 1]);
        assert_eq!(lengths(&[]), [0; 0]);
    }
}
