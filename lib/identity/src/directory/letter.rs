// SPDX-License-Identifier: AGPL-3.0-or-later
//! Letters that the house itself writes: to prove an address, to remind of something.
//!
//! Whoever has a reason to write puts the letter down in the same transaction as the reason; `hearth-smtp` takes it from
//! here into its queue, under the letter's own id, and then removes it. So a letter is written when its reason is on disk,
//! and no server needs a password for the submission port. A letter has the null sender: nobody answers a report of it.

use hearth_db::Tx;
use hearth_types::id::Id;
use hearth_types::{Address, Timestamp};

use super::Directory;
use crate::error::{Error, Result};
use crate::limits::{LETTER_BYTES_MAX, LETTERS_MAX};

/// A letter that waits to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its name in the queue.
    pub id: Id,
    /// To whom.
    pub recipient: Address,
    /// The whole message (RFC 5322), without signatures; its From names the domain that signs.
    pub raw: Vec<u8>,
}

impl Directory {
    /// Puts a letter down; synced when it answers.
    pub async fn add_letter(&self, recipient: &Address, raw: Vec<u8>) -> Result<()> {
        let (recipient, now) = (recipient.clone(), self.now());
        self.write(move |tx| add(tx, &recipient, &raw, now)).await
    }

    /// The oldest letters.
    pub async fn list_letters(&self, count_max: u32) -> Result<Vec<Letter>> {
        self.scan(move |tx| {
            Ok(tx.query("SELECT id, recipient, raw FROM letter ORDER BY id LIMIT $1", &[&count_max], |row| {
                Ok(Letter { id: Id::from_i64(row.get(0)?), recipient: row.get(1)?, raw: row.get(2)? })
            })?)
        })
        .await
    }

    /// Removes a letter that was taken.
    pub async fn remove_letter(&self, id: Id) -> Result<()> {
        self.write(move |tx| Ok(tx.execute("DELETE FROM letter WHERE id = $1", &[&id.as_i64()]).map(drop)?)).await
    }
}

pub(crate) fn add(tx: &mut Tx<'_>, recipient: &Address, raw: &[u8], now: Timestamp) -> Result<()> {
    if raw.len() > LETTER_BYTES_MAX {
        return Err(Error::Invalid(format!("a letter of the house has {LETTER_BYTES_MAX} octets at most")));
    }
    let waiting: i64 = tx.one("SELECT COUNT(*) FROM letter", &[], |row| row.get(0))?;
    if usize::try_from(waiting).unwrap_or(usize::MAX) >= LETTERS_MAX {
        return Err(Error::TooMany { what: "letters that wait for the mail server", max: LETTERS_MAX });
    }
    tx.execute(
        "INSERT INTO letter (id, recipient, raw) VALUES ($1, $2, $3)",
        &[&Id::new(now).as_i64(), &recipient.to_string(), &raw.to_vec()],
    )?;
    Ok(())
}
