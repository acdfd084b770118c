// SPDX-License-Identifier: AGPL-3.0-or-later
//! The text index: filled in batches after delivery, and again before it is asked.
//!
//! It holds words of subject, addresses, names of attachments and text parts, and no text. A search brings it up to date
//! first, so that it never misses mail; what was removed is found in it no more because an answer is
//! only ever a choice among the messages that are there.

use std::collections::HashSet;

use hearth_db::{Database, Durability, Engine, Tx};
use hearth_types::MessageId;

use crate::body;
use crate::dialect::{self, Words};
use crate::error::{Error, Result};
use crate::limits::{INDEX_BATCH, INDEX_TEXT_BYTES_MAX};
use crate::message;
use crate::search::{Field, said_in};
use crate::term::terms;
use crate::tx::{MailTx, number};

pub(crate) use crate::dialect::Scope;

/// The messages that have all terms of a text; no terms, no messages.
pub(crate) fn find(tx: &mut MailTx<'_>, scope: Scope, text: &str) -> Result<HashSet<MessageId>> {
    let terms = terms(text);
    if terms.is_empty() {
        return Ok(HashSet::new());
    }
    catch_up(tx)?;
    let account = tx.account();
    let found = database(tx)?.read_now(|index| dialect::find(index, account, scope, &terms))?;
    Ok(found.into_iter().collect())
}

/// The same, each with how well it fits.
pub(crate) fn rank(tx: &mut MailTx<'_>, scope: Scope, text: &str) -> Result<Vec<(MessageId, i64)>> {
    let terms = terms(text);
    if terms.is_empty() {
        return Ok(Vec::new());
    }
    catch_up(tx)?;
    let account = tx.account();
    database(tx)?.read_now(|index| dialect::rank(index, account, scope, &terms))
}

/// Mails that the index does not know yet.
pub(crate) fn lag(tx: &mut MailTx<'_>) -> Result<u64> {
    let account = tx.account();
    let done = database(tx)?.read_now(|index| indexed(index, account))?;
    let sql = "SELECT COUNT(*) FROM message WHERE account = $1 AND created_modseq > $2";
    tx.one(sql, &[&account, &number(done)?], |row| row.get(0))
}

/// Where the index is.
fn database<'a>(tx: &MailTx<'a>) -> Result<&'a Database> {
    match tx.engine() {
        Engine::Sqlite => tx.place.search_database(),
        Engine::Postgres => Ok(&tx.place.database),
    }
}

/// Puts what came since the last time into the index, and takes out what went.
pub(crate) fn catch_up(tx: &mut MailTx<'_>) -> Result<()> {
    let account = tx.account();
    let index = database(tx)?;
    let now = tx.modseq()?;
    loop {
        let done = index.read_now(|index| indexed(index, account))?;
        // After a restore of older mail, or with another account's file: begin anew.
        let since = if done > now { 0 } else { done };
        if since == now && done == now {
            return Ok(());
        }
        let batch: Vec<(MessageId, u64)> = tx.query(
            "SELECT id, created_modseq FROM message WHERE account = $1 AND created_modseq > $2 ORDER BY created_modseq LIMIT $3",
            &[&account, &number(since)?, &(INDEX_BATCH as i64)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let is_last = batch.len() < INDEX_BATCH;
        let until = if is_last { now } else { batch.last().map_or(now, |last| last.1) };
        let gone: Vec<MessageId> = tx.query(
            "SELECT id FROM gone WHERE account = $1 AND kind = 1 AND modseq > $2 AND modseq <= $3",
            &[&account, &number(since)?, &number(until)?],
            |row| row.get(0),
        )?;
        let mut added = Vec::with_capacity(batch.len());
        for (id, _) in &batch {
            added.extend(words_of(tx, *id)?);
        }
        index.write_now(Durability::Committed, |index| {
            // Another process may have been faster: then this batch is in it.
            if indexed(index, account)? != done {
                return Ok(());
            }
            gone.iter().try_for_each(|id| dialect::unindex(index, account, *id))?;
            added.iter().try_for_each(|words| dialect::index(index, account, words))?;
            set_indexed(index, account, until)
        })?;
    }
}

fn indexed(index: &mut Tx<'_>, account: hearth_types::AccountId) -> Result<u64> {
    Ok(match index.engine() {
        Engine::Sqlite => index.one("SELECT modseq FROM indexed", &[], |row| row.get(0))?,
        Engine::Postgres => index.one("SELECT indexed_modseq FROM account WHERE account = $1", &[&account], |row| row.get(0))?,
    })
}

fn set_indexed(index: &mut Tx<'_>, account: hearth_types::AccountId, modseq: u64) -> Result<()> {
    match index.engine() {
        Engine::Sqlite => index.execute("UPDATE indexed SET modseq = $1", &[&number(modseq)?])?,
        Engine::Postgres => {
            index.execute("UPDATE account SET indexed_modseq = $2 WHERE account = $1", &[&account, &number(modseq)?])?
        }
    };
    Ok(())
}

fn words_of(tx: &mut MailTx<'_>, id: MessageId) -> Result<Option<Words>> {
    let Some(summary) = message::find(tx, id)? else { return Ok(None) };
    let envelope = &summary.parsed.envelope;
    let fields = [Field::Subject, Field::From, Field::To, Field::Cc, Field::Bcc];
    let mut head = fields.map(|field| said_in(envelope, field)).join("\n");
    for name in summary.parsed.structure.walk().into_iter().filter_map(|part| part.file_name()) {
        head.push('\n');
        head.push_str(name);
    }
    let text = match message::body(tx, id) {
        Ok(Some(stored)) => body::parse_stored(&stored).map(|parsed| parsed.text),
        Ok(None) => Ok(String::new()),
        Err(error) => Err(error),
    };
    // A damaged body is found by its subject at least, and the rest of the mailbox by all it says.
    let body = text.or_else(|error| match error {
        Error::Damaged(what) => {
            tracing::warn!(account = %tx.account(), message = %id, what, "a body cannot be indexed");
            Ok(String::new())
        }
        other => Err(other),
    })?;
    Ok(Some(Words { message: id, head: cut(head), body: cut(body) }))
}

/// PostgreSQL's TEXT holds no NUL.
fn cut(text: String) -> String {
    let mut end = text.len().min(INDEX_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().replace('\0', " ")
}
