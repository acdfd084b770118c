// SPDX-License-Identifier: AGPL-3.0-or-later
//! A running transaction of one account: the modseq, the counts, and what is left to do after it.

use std::collections::BTreeMap;

use hearth_db::{Engine, Row, ToParam, Tx};
use hearth_types::{AccountId, BlobId, MailboxId, Timestamp};

use crate::account::Account;
use crate::error::{Error, Result};
use crate::limits::MODSEQ_LEAP;

/// A running transaction of one account; the functions of `mailbox`, `message` and so on take it.
pub struct MailTx<'a> {
    sql: &'a mut (dyn Sql + 'a),
    pub(crate) place: &'a Account,
    now: Timestamp,
    /// Loaded when first needed; `given` says whether it has grown here.
    modseq: Option<u64>,
    given: bool,
    counts: BTreeMap<MailboxId, Counts>,
    used_bytes: i64,
    messages: i64,
    /// Bodies whose files are to be removed after the commit.
    garbage: Vec<BlobId>,
}

/// How a transaction changes a mailbox's counts; written once, at its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub total: i64,
    pub unseen: i64,
    pub deleted: i64,
    pub size_bytes: i64,
    /// Of the last change in it; written by [`MailTx::count`].
    pub modseq: u64,
}

/// What the store does after the commit.
pub(crate) struct After {
    /// The account's new modseq, if it grew.
    pub modseq: Option<u64>,
    pub garbage: Vec<BlobId>,
}

/// The face of [`Tx`] that has no lifetime of its own, so that [`MailTx`] has one only.
trait Sql {
    fn engine(&self) -> Engine;
    fn execute(&mut self, sql: &'static str, params: &[&dyn ToParam]) -> hearth_db::Result<u64>;
    fn each(&mut self, sql: &'static str, params: &[&dyn ToParam], visit: &mut Visit<'_>) -> hearth_db::Result<()>;
}

type Visit<'v> = dyn FnMut(&Row<'_>) -> hearth_db::Result<()> + 'v;

impl Sql for Tx<'_> {
    fn engine(&self) -> Engine {
        Tx::engine(self)
    }
    fn execute(&mut self, sql: &'static str, params: &[&dyn ToParam]) -> hearth_db::Result<u64> {
        Tx::execute(self, sql, params)
    }
    fn each(&mut self, sql: &'static str, params: &[&dyn ToParam], visit: &mut Visit<'_>) -> hearth_db::Result<()> {
        Tx::each(self, sql, params, visit)
    }
}

impl<'a> MailTx<'a> {
    pub(crate) fn new(tx: &'a mut Tx<'_>, place: &'a Account, now: Timestamp) -> Self {
        Self {
            sql: tx,
            place,
            now,
            modseq: None,
            given: false,
            counts: BTreeMap::new(),
            used_bytes: 0,
            messages: 0,
            garbage: Vec::new(),
        }
    }

    /// The account.
    pub fn account(&self) -> AccountId {
        self.place.id
    }

    /// The moment of this transaction.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The account's modseq: in a read, of the snapshot; in a write, of the newest change so far.
    pub fn modseq(&mut self) -> Result<u64> {
        match self.modseq {
            Some(modseq) => Ok(modseq),
            None => {
                let account = self.account();
                let modseq = self.one("SELECT modseq FROM account WHERE account = $1", &[&account], |row| row.get(0))?;
                self.modseq = Some(modseq);
                Ok(modseq)
            }
        }
    }

    /// The number of a new change.
    pub(crate) fn next_modseq(&mut self) -> Result<u64> {
        let mut modseq = self.modseq()?;
        if !self.given {
            self.given = true;
            // Flag changes are committed at once and synced within a second. After a power cut the
            // account may be back at a modseq whose successors a client has seen; given out again, they
            // would hide news from that client. So in each boot of the machine the numbers begin beyond all
            // that the last second of the one before could have used.
            let account = self.account();
            let boot = self.one("SELECT boot FROM account WHERE account = $1", &[&account], |row| row.get::<i64>(0))?;
            if boot != self.place.boot {
                self.execute("UPDATE account SET boot = $2 WHERE account = $1", &[&account, &self.place.boot])?;
                modseq += if boot == 0 { 0 } else { MODSEQ_LEAP };
            }
        }
        self.modseq = Some(modseq + 1);
        Ok(modseq + 1)
    }

    /// Takes note of a change in a mailbox.
    pub(crate) fn count(&mut self, mailbox: MailboxId, modseq: u64, change: Counts) {
        let counts = self.counts.entry(mailbox).or_default();
        counts.total += change.total;
        counts.unseen += change.unseen;
        counts.deleted += change.deleted;
        counts.size_bytes += change.size_bytes;
        counts.modseq = counts.modseq.max(modseq);
    }

    /// Takes note of bytes (of one message more, none or one fewer) that the account holds.
    pub(crate) fn count_usage(&mut self, messages: i64, bytes: i64) {
        self.messages += messages;
        self.used_bytes += bytes;
    }

    /// After the commit, remove the file of this body.
    pub(crate) fn throw_away(&mut self, body: BlobId) {
        self.garbage.push(body);
    }

    /// Writes the counts: before they are read, and at the end.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let account = self.account();
        for (mailbox, counts) in std::mem::take(&mut self.counts) {
            let has_news = counts.total != 0 || counts.unseen != 0;
            self.execute(
                "UPDATE mailbox SET total = total + $3, unseen = unseen + $4, deleted = deleted + $5,
                    size_bytes = size_bytes + $6, highest_modseq = $7,
                    counts_modseq = CASE WHEN $8 THEN $7 ELSE counts_modseq END
                 WHERE account = $1 AND id = $2",
                &[
                    &account,
                    &mailbox,
                    &counts.total,
                    &counts.unseen,
                    &counts.deleted,
                    &counts.size_bytes,
                    &number(counts.modseq)?,
                    &has_news,
                ],
            )?;
        }
        if self.used_bytes != 0 || self.messages != 0 {
            let (bytes, messages) = (std::mem::take(&mut self.used_bytes), std::mem::take(&mut self.messages));
            self.execute(
                "UPDATE account SET used_bytes = used_bytes + $2, messages = messages + $3 WHERE account = $1",
                &[&account, &bytes, &messages],
            )?;
        }
        Ok(())
    }

    /// The last statements of a write.
    pub(crate) fn finish(mut self) -> Result<After> {
        self.flush()?;
        let modseq = self.modseq.filter(|_| self.given);
        if let Some(modseq) = modseq {
            let account = self.account();
            self.execute("UPDATE account SET modseq = $2 WHERE account = $1", &[&account, &number(modseq)?])?;
        }
        Ok(After { modseq, garbage: self.garbage })
    }

    pub(crate) fn engine(&self) -> Engine {
        self.sql.engine()
    }

    pub(crate) fn execute(&mut self, sql: &'static str, params: &[&dyn ToParam]) -> Result<u64> {
        Ok(self.sql.execute(sql, params)?)
    }

    pub(crate) fn each(
        &mut self,
        sql: &'static str,
        params: &[&dyn ToParam],
        mut visit: impl FnMut(&Row<'_>) -> hearth_db::Result<()>,
    ) -> Result<()> {
        Ok(self.sql.each(sql, params, &mut visit)?)
    }

    pub(crate) fn query<T>(
        &mut self,
        sql: &'static str,
        params: &[&dyn ToParam],
        mut read: impl FnMut(&Row<'_>) -> hearth_db::Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.each(sql, params, |row| {
            all.push(read(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    pub(crate) fn find<T>(
        &mut self,
        sql: &'static str,
        params: &[&dyn ToParam],
        mut read: impl FnMut(&Row<'_>) -> hearth_db::Result<T>,
    ) -> Result<Option<T>> {
        let mut first = None;
        self.each(sql, params, |row| {
            if first.is_none() {
                first = Some(read(row)?);
            }
            Ok(())
        })?;
        Ok(first)
    }

    pub(crate) fn one<T>(
        &mut self,
        sql: &'static str,
        params: &[&dyn ToParam],
        read: impl FnMut(&Row<'_>) -> hearth_db::Result<T>,
    ) -> Result<T> {
        self.find(sql, params, read)?.ok_or_else(|| Error::Damaged("no row where one must be".into()))
    }
}

/// A modseq or size as a table holds it.
pub(crate) fn number(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| Error::TooMany("a number beyond 63 bits"))
}
