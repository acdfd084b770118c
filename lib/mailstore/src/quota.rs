// SPDX-License-Identifier: AGPL-3.0-or-later
//! Quota of an account (RFC 9208, RFC 9425): its messages and their bytes, each counted once, and the bytes of its cards.

use crate::error::Result;
use crate::tx::{MailTx, number};

/// Usage and limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of all messages and cards.
    pub used_bytes: u64,
    /// Messages.
    pub messages: u64,
    /// The bound in bytes, if there is one.
    pub limit_bytes: Option<u64>,
    /// The bound of messages, if there is one.
    pub limit_messages: Option<u64>,
}

impl Quota {
    /// Is there room for so many messages with so many bytes?
    pub fn admits(&self, messages: u64, bytes: u64) -> bool {
        self.limit_bytes.is_none_or(|limit| self.used_bytes.saturating_add(bytes) <= limit)
            && self.limit_messages.is_none_or(|limit| self.messages.saturating_add(messages) <= limit)
    }
}

/// What is used, and the bound.
pub fn find(tx: &mut MailTx<'_>) -> Result<Quota> {
    tx.flush()?;
    let (account, usual) = (tx.account(), tx.place.quota_bytes);
    tx.one("SELECT used_bytes, messages, limit_bytes, limit_messages FROM account WHERE account = $1", &[&account], |row| {
        let limit_bytes = row.get::<Option<u64>>(2)?.or(usual);
        Ok(Quota { used_bytes: row.get(0)?, messages: row.get(1)?, limit_bytes, limit_messages: row.get(3)? })
    })
}

/// Sets the bound of bytes, or leaves it to what is usual in the house.
pub fn set_limit(tx: &mut MailTx<'_>, limit_bytes: Option<u64>) -> Result<()> {
    let account = tx.account();
    let limit = limit_bytes.map(number).transpose()?;
    tx.execute("UPDATE account SET limit_bytes = $2 WHERE account = $1", &[&account, &limit])?;
    Ok(())
}

/// Sets or lifts the bound of messages.
pub fn set_message_limit(tx: &mut MailTx<'_>, limit_messages: Option<u64>) -> Result<()> {
    let account = tx.account();
    let limit = limit_messages.map(number).transpose()?;
    tx.execute("UPDATE account SET limit_messages = $2 WHERE account = $1", &[&account, &limit])?;
    Ok(())
}
