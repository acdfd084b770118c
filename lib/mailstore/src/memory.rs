// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a person's filter has seen before: duplicates (RFC 7352), senders who were answered (RFC 5230 §4.2), what its
//! owner was told. An id is kept as a hash, until its time is over.

use hearth_types::Timestamp;

use crate::error::Result;
use crate::limits::MEMORIES_MAX;
use crate::tx::{MailTx, number};

/// Is this id remembered now?
pub fn is_remembered(tx: &mut MailTx<'_>, id: &str) -> Result<bool> {
    Ok(remembered_until(tx, id)?.is_some())
}

/// Until when is this id remembered, if it is now?
pub fn remembered_until(tx: &mut MailTx<'_>, id: &str) -> Result<Option<Timestamp>> {
    let (account, key, now) = (tx.account(), key(id), tx.now());
    tx.find("SELECT until FROM memory WHERE account = $1 AND id = $2 AND until > $3", &[&account, &key, &now], |row| row.get(0))
}

/// Remembers an id until then; an account keeps [`MEMORIES_MAX`], and forgets what would end first.
pub fn remember(tx: &mut MailTx<'_>, id: &str, until: Timestamp) -> Result<()> {
    let (account, key) = (tx.account(), key(id));
    tx.execute(
        "INSERT INTO memory (account, id, until) VALUES ($1, $2, $3)
         ON CONFLICT (account, id) DO UPDATE SET until = $3",
        &[&account, &key, &until],
    )?;
    let kept = number(MEMORIES_MAX as u64)?;
    tx.execute(
        "DELETE FROM memory
         WHERE account = $1 AND id IN (SELECT id FROM memory WHERE account = $1 ORDER BY until DESC, id LIMIT 1000 OFFSET $2)",
        &[&account, &kept],
    )?;
    Ok(())
}

/// Forgets what is over.
pub(crate) fn forget(tx: &mut MailTx<'_>) -> Result<()> {
    let (account, now) = (tx.account(), tx.now());
    tx.execute("DELETE FROM memory WHERE account = $1 AND until <= $2", &[&account, &now])?;
    Ok(())
}

/// Ids hold other people's addresses and have any length.
fn key(id: &str) -> String {
    blake3::hash(id.as_bytes()).to_hex().chars().take(32).collect()
}
