// SPDX-License-Identifier: AGPL-3.0-or-later
//! Quota of an account (RFC 9208, RFC 9425): bytes of its messages, each counted once.

use crate::error::Result;
use crate::tx::{MailTx, number};

/// Usage and limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of all messages.
    pub used_bytes: u64,
    /// Messages.
    pub messages: u64,
    /// The bound in bytes, if there is one.
    pub limit_bytes: Option<u64>,
}

/// What is used, and the bound.
pub fn find(tx: &mut MailTx<'_>) -> Result<Quota> {
    tx.flush()?;
    let account = tx.account();
    tx.one("SELECT used_bytes, messages, limit_bytes FROM account WHERE account = $1", &[&account], |row| {
        Ok(Quota { used_bytes: row.get(0)?, messages: row.get(1)?, limit_bytes: row.get(2)? })
    })
}

/// Sets or lifts the bound.
pub fn set_limit(tx: &mut MailTx<'_>, limit_bytes: Option<u64>) -> Result<()> {
    let account = tx.account();
    let limit = limit_bytes.map(number).transpose()?;
    tx.execute("UPDATE account SET limit_bytes = $2 WHERE account = $1", &[&account, &limit])?;
    Ok(())
}
