// SPDX-License-Identifier: AGPL-3.0-or-later
//! Entries of METADATA (RFC 5464): named values of a mailbox, or of the account as a whole.

use hearth_types::MailboxId;

use crate::error::{Error, Result};
use crate::limits::{ANNOTATION_BYTES_MAX, ANNOTATION_TEXTS_BYTES_MAX, ANNOTATIONS_MAX};
use crate::tx::{MailTx, number};

/// Stands for the account.
const NOWHERE: MailboxId = MailboxId::from_i64(0);

/// All entries of a mailbox (`None`: of the account), by name.
pub fn list(tx: &mut MailTx<'_>, mailbox: Option<MailboxId>) -> Result<Vec<(String, Vec<u8>)>> {
    let (account, mailbox) = (tx.account(), mailbox.unwrap_or(NOWHERE));
    let mut all =
        tx.query("SELECT name, content FROM annotation WHERE account = $1 AND mailbox = $2", &[&account, &mailbox], |row| {
            Ok((row.get::<String>(0)?, row.get::<Vec<u8>>(1)?))
        })?;
    all.sort();
    Ok(all)
}

/// One entry of a mailbox; without it, that of the account.
pub fn find_for(tx: &mut MailTx<'_>, mailbox: MailboxId, name: &str) -> Result<Option<Vec<u8>>> {
    let (account, name) = (tx.account(), name.to_string());
    let found = tx.query(
        "SELECT mailbox, content FROM annotation WHERE account = $1 AND mailbox IN ($2, $3) AND name = $4",
        &[&account, &mailbox, &NOWHERE, &name],
        |row| Ok((row.get::<MailboxId>(0)?, row.get::<Vec<u8>>(1)?)),
    )?;
    Ok(found.into_iter().max_by_key(|(of, _)| *of == mailbox).map(|(_, value)| value))
}

/// Every entry as text, with the path of its mailbox (`None`: of the account): what a script may read, up to
/// [`ANNOTATION_TEXTS_BYTES_MAX`].
pub fn texts(tx: &mut MailTx<'_>) -> Result<Vec<(Option<String>, String, String)>> {
    let mut places = vec![(None, None)];
    places.extend(crate::mailbox::list(tx)?.into_iter().map(|mailbox| (Some(mailbox.path), Some(mailbox.id))));
    let (mut all, mut left) = (Vec::new(), ANNOTATION_TEXTS_BYTES_MAX);
    for (path, id) in places {
        for (name, value) in list(tx, id)? {
            let Some(rest) = left.checked_sub(name.len() + value.len()) else { return Ok(all) };
            left = rest;
            all.push((path.clone(), name, String::from_utf8_lossy(&value).into_owned()));
        }
    }
    Ok(all)
}

/// Every entry of the account and its mailboxes (`None`: of the account), with a hash of its value: to see what changed.
pub fn digests(tx: &mut MailTx<'_>) -> Result<Vec<(Option<MailboxId>, String, i64)>> {
    let account = tx.account();
    let mut all = tx.query("SELECT mailbox, name, content FROM annotation WHERE account = $1", &[&account], |row| {
        let place = Some(row.get::<MailboxId>(0)?).filter(|place| *place != NOWHERE);
        Ok((place, row.get::<String>(1)?, crate::account::short_hash(&row.get::<Vec<u8>>(2)?)))
    })?;
    all.sort();
    Ok(all)
}

/// The modseq of the last change to any of them.
pub fn changed_at(tx: &mut MailTx<'_>) -> Result<u64> {
    let account = tx.account();
    tx.one("SELECT annotated FROM account WHERE account = $1", &[&account], |row| row.get(0))
}

/// Who waits for a change is woken by the number, and sees by it that it was one of these.
fn note_change(tx: &mut MailTx<'_>) -> Result<()> {
    let (account, modseq) = (tx.account(), tx.next_modseq()?);
    tx.execute("UPDATE account SET annotated = $2 WHERE account = $1", &[&account, &number(modseq)?])?;
    Ok(())
}

/// Sets an entry, or removes it.
pub fn change(tx: &mut MailTx<'_>, mailbox: Option<MailboxId>, name: &str, value: Option<&[u8]>) -> Result<()> {
    let (account, place) = (tx.account(), mailbox.unwrap_or(NOWHERE));
    note_change(tx)?;
    let name = name.to_string();
    let Some(value) = value else {
        tx.execute("DELETE FROM annotation WHERE account = $1 AND mailbox = $2 AND name = $3", &[&account, &place, &name])?;
        return Ok(());
    };
    if value.len() > ANNOTATION_BYTES_MAX {
        return Err(Error::TooLarge("entry"));
    }
    tx.execute(
        "INSERT INTO annotation (account, mailbox, name, content) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account, mailbox, name) DO UPDATE SET content = $4",
        &[&account, &place, &name, &value.to_vec()],
    )?;
    let count: i64 =
        tx.one("SELECT COUNT(*) FROM annotation WHERE account = $1 AND mailbox = $2", &[&account, &place], |row| row.get(0))?;
    // The transaction ends with the error, and what was written with it.
    if usize::try_from(count).unwrap_or(usize::MAX) > ANNOTATIONS_MAX {
        return Err(Error::TooMany("entries"));
    }
    Ok(())
}

/// Takes away those of a mailbox that is removed.
pub(crate) fn forget(tx: &mut MailTx<'_>, mailbox: MailboxId) -> Result<()> {
    let account = tx.account();
    let gone = tx.execute("DELETE FROM annotation WHERE account = $1 AND mailbox = $2", &[&account, &mailbox])?;
    if gone == 0 { Ok(()) } else { note_change(tx) }
}
