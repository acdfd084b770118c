// SPDX-License-Identifier: AGPL-3.0-or-later
//! What was imported already, so that an import can be stopped, resumed and repeated without doubles.

use crate::error::Result;
use crate::tx::MailTx;

/// Was the message of this key imported? A key names the source, the folder and the message there, in any words.
pub fn is_imported(tx: &mut MailTx<'_>, key: &str) -> Result<bool> {
    let (account, id) = (tx.account(), digest(key.as_bytes()));
    let found = tx.find("SELECT id FROM imported WHERE account = $1 AND id = $2", &[&account, &id], |_| Ok(()))?;
    Ok(found.is_some())
}

/// It is, as of this transaction.
pub fn note(tx: &mut MailTx<'_>, key: &str) -> Result<()> {
    let (account, id) = (tx.account(), digest(key.as_bytes()));
    tx.execute("INSERT INTO imported (account, id) VALUES ($1, $2) ON CONFLICT (account, id) DO NOTHING", &[&account, &id])?;
    Ok(())
}

/// 32 hexadecimal digits that stand for these octets.
pub fn digest(octets: &[u8]) -> String {
    blake3::hash(octets).to_hex().chars().take(32).collect()
}
