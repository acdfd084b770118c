// SPDX-License-Identifier: AGPL-3.0-or-later
//! Sieve scripts: named, at most one of them active (RFC 5804 §1.4; RFC 9661 §2).
//!
//! What a script means is not known here: whoever puts one in has compiled it. A change takes a modseq like
//! any other, so that the feed wakes who holds the active script in memory.

use hearth_types::ScriptId;
use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};
use crate::limits::{SCRIPT_BYTES_MAX, SCRIPT_NAME_BYTES_MAX, SCRIPTS_MAX};
use crate::tx::{MailTx, number};

/// A script without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Stays when it is renamed or written anew.
    pub id: ScriptId,
    /// In Unicode NFC.
    pub name: String,
    /// Is it the one that runs?
    pub active: bool,
    /// Of its text.
    pub size_bytes: u64,
    /// Of the last change of its text.
    pub modseq: u64,
}

/// All of them, by name.
pub fn scripts(tx: &mut MailTx<'_>) -> Result<Vec<Script>> {
    let account = tx.account();
    let mut all = tx.query("SELECT id, name, active, size_bytes, modseq FROM script WHERE account = $1", &[&account], read)?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// One, with its text.
pub fn script(tx: &mut MailTx<'_>, name: &str) -> Result<Option<(Script, Vec<u8>)>> {
    let (account, name) = (tx.account(), normal(name));
    tx.find(
        "SELECT id, name, active, size_bytes, modseq, content FROM script WHERE account = $1 AND name = $2",
        &[&account, &name],
        |row| Ok((read(row)?, row.get(5)?)),
    )
}

/// The one that runs, with its text.
pub fn active(tx: &mut MailTx<'_>) -> Result<Option<(Script, Vec<u8>)>> {
    let account = tx.account();
    tx.find("SELECT id, name, active, size_bytes, modseq, content FROM script WHERE account = $1 AND active", &[&account], |row| {
        Ok((read(row)?, row.get(5)?))
    })
}

fn read(row: &hearth_db::Row<'_>) -> hearth_db::Result<Script> {
    Ok(Script { id: row.get(0)?, name: row.get(1)?, active: row.get(2)?, size_bytes: row.get(3)?, modseq: row.get(4)? })
}

/// Would a script of this name and size be taken (RFC 5804 §2.5: HAVESPACE)?
pub fn has_room(tx: &mut MailTx<'_>, name: &str, size_bytes: u64) -> Result<()> {
    let name = normal(name);
    check_name(&name)?;
    if size_bytes > SCRIPT_BYTES_MAX as u64 {
        return Err(Error::TooLarge("script"));
    }
    let all = scripts(tx)?;
    if all.len() >= SCRIPTS_MAX && !all.iter().any(|script| script.name == name) {
        return Err(Error::TooMany("scripts"));
    }
    Ok(())
}

/// Writes a script, in the place of an older one of that name. A new one is not active.
pub fn put(tx: &mut MailTx<'_>, name: &str, content: &[u8]) -> Result<Script> {
    has_room(tx, name, content.len() as u64)?;
    let (account, name) = (tx.account(), normal(name));
    let modseq = tx.next_modseq()?;
    let (size_bytes, id) = (number(content.len() as u64)?, ScriptId::new(tx.now()));
    tx.one(
        "INSERT INTO script (account, id, name, active, size_bytes, modseq, content) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (account, name) DO UPDATE SET size_bytes = $5, modseq = $6, content = $7
         RETURNING id, name, active, size_bytes, modseq",
        &[&account, &id, &name, &false, &size_bytes, &number(modseq)?, &content.to_vec()],
        read,
    )
}

/// Gives a script another name; it stays active if it is.
pub fn rename(tx: &mut MailTx<'_>, from: &str, to: &str) -> Result<Script> {
    let (from, to) = (normal(from), normal(to));
    check_name(&to)?;
    let all = scripts(tx)?;
    let old = all.iter().find(|script| script.name == from).ok_or(Error::NoSuchScript)?;
    if from != to && all.iter().any(|script| script.name == to) {
        return Err(Error::ScriptExists);
    }
    let account = tx.account();
    tx.next_modseq()?;
    tx.execute("UPDATE script SET name = $3 WHERE account = $1 AND id = $2", &[&account, &old.id, &to])?;
    Ok(Script { name: to, ..old.clone() })
}

/// Deletes a script; the active one may not be (RFC 5804 §2.10).
pub fn delete(tx: &mut MailTx<'_>, name: &str) -> Result<()> {
    let name = normal(name);
    let all = scripts(tx)?;
    let old = all.iter().find(|script| script.name == name).ok_or(Error::NoSuchScript)?;
    if old.active {
        return Err(Error::ScriptActive);
    }
    let account = tx.account();
    tx.next_modseq()?;
    tx.execute("DELETE FROM script WHERE account = $1 AND id = $2", &[&account, &old.id])?;
    Ok(())
}

/// Lets this script run, and no other; `None` lets none run.
pub fn activate(tx: &mut MailTx<'_>, name: Option<&str>) -> Result<()> {
    let all = scripts(tx)?;
    let wanted = match name.map(normal) {
        Some(name) => Some(all.iter().find(|script| script.name == name).ok_or(Error::NoSuchScript)?.id),
        None => None,
    };
    let was = all.iter().find(|script| script.active).map(|script| script.id);
    if was == wanted {
        return Ok(());
    }
    let account = tx.account();
    tx.next_modseq()?;
    // One after the other: the index admits a single active one.
    tx.execute("UPDATE script SET active = $2 WHERE account = $1 AND active", &[&account, &false])?;
    if let Some(id) = wanted {
        tx.execute("UPDATE script SET active = $3 WHERE account = $1 AND id = $2", &[&account, &id, &true])?;
    }
    Ok(())
}

fn normal(name: &str) -> String {
    name.nfc().collect()
}

/// RFC 5804 §1.6: no control characters, no U+2028 and U+2029; 512 octets are enough.
fn check_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::BadName("it is empty"));
    }
    if name.len() > SCRIPT_NAME_BYTES_MAX {
        return Err(Error::BadName("it is too long"));
    }
    if name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(Error::BadName("it has a control character"));
    }
    Ok(())
}
