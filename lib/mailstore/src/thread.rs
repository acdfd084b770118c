// SPDX-License-Identifier: AGPL-3.0-or-later
//! Threads (RFC 8621 §3): messages that name each other and share a base subject.
//!
//! Each message leaves a hash of every Message-ID that it names (its own, In-Reply-To, References),
//! with a hash of its base subject. A new one joins the thread of any message that named one of the
//! same, under the same subject; so it does not matter in which order they arrive, except that two
//! threads are never joined later (ids of threads do not change).

use hearth_types::{MessageId, ThreadId};
use hearth_wire::message::{Envelope, base_subject};

use crate::account::short_hash;
use crate::changes::{self, Kind};
use crate::error::Result;
use crate::limits::REFERENCES_MAX;
use crate::tx::{MailTx, number};

/// The messages of a thread, oldest first (received); `None` when there is no such thread.
pub fn find(tx: &mut MailTx<'_>, id: ThreadId) -> Result<Option<Vec<MessageId>>> {
    let account = tx.account();
    let messages =
        tx.query("SELECT id FROM message WHERE account = $1 AND thread = $2 ORDER BY received_at, id", &[&account, &id], |row| {
            row.get(0)
        })?;
    Ok(Some(messages).filter(|messages| !messages.is_empty()))
}

/// The thread that a new message belongs to; made when there is none.
pub(crate) fn join(tx: &mut MailTx<'_>, id: MessageId, envelope: &Envelope, modseq: u64) -> Result<ThreadId> {
    let account = tx.account();
    let hashes = hashes(envelope);
    let subject = subject_hash(envelope);
    let mut found = None;
    for hash in &hashes {
        found = tx.find(
            "SELECT thread FROM thread_ref WHERE account = $1 AND hash = $2 AND subject = $3 ORDER BY thread LIMIT 1",
            &[&account, hash, &subject],
            |row| row.get::<ThreadId>(0),
        )?;
        if found.is_some() {
            break;
        }
    }
    let thread = match found {
        Some(thread) => thread,
        // A thread has the number of its first message: it needs no chance of its own.
        None => ThreadId::from_i64(id.as_i64()),
    };
    touch(tx, thread, modseq)?;
    for hash in &hashes {
        tx.execute(
            "INSERT INTO thread_ref (account, hash, message, subject, thread) VALUES ($1, $2, $3, $4, $5)",
            &[&account, hash, &id, &subject, &thread],
        )?;
    }
    Ok(thread)
}

/// A message came to a thread.
pub(crate) fn touch(tx: &mut MailTx<'_>, thread: ThreadId, modseq: u64) -> Result<()> {
    let account = tx.account();
    tx.execute(
        "INSERT INTO thread (account, id, created_modseq, modseq) VALUES ($1, $2, $3, $3)
         ON CONFLICT (account, id) DO UPDATE SET modseq = $3",
        &[&account, &thread, &number(modseq)?],
    )?;
    Ok(())
}

/// A message left a thread; with the last one the thread goes.
pub(crate) fn leave(tx: &mut MailTx<'_>, thread: ThreadId, modseq: u64) -> Result<()> {
    let account = tx.account();
    if find(tx, thread)?.is_some() {
        return touch(tx, thread, modseq);
    }
    let created =
        tx.find("DELETE FROM thread WHERE account = $1 AND id = $2 RETURNING created_modseq", &[&account, &thread], |row| {
            row.get::<u64>(0)
        })?;
    match created {
        Some(created) => changes::bury(tx, Kind::Thread, modseq, thread.as_i64(), changes::NOWHERE, created),
        None => Ok(()),
    }
}

/// Nearest ancestors first.
fn hashes(envelope: &Envelope) -> Vec<i64> {
    let ids = envelope.message_id.iter().chain(&envelope.in_reply_to).chain(envelope.references.iter().rev());
    let mut hashes = Vec::new();
    for id in ids {
        let hash = short_hash(id.as_bytes());
        if !hashes.contains(&hash) && hashes.len() < REFERENCES_MAX {
            hashes.push(hash);
        }
    }
    hashes
}

fn subject_hash(envelope: &Envelope) -> i64 {
    let (base, _) = base_subject(envelope.subject.as_deref().unwrap_or_default());
    // RFC 8621 §3: compared without white space.
    let bare: String = base.to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    short_hash(bare.as_bytes())
}
