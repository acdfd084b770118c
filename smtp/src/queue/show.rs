// SPDX-License-Identifier: AGPL-3.0-or-later
//! The queue for people: `hearth queue list|show|retry|hold|release|drop`.
//!
//! The server sees a change within [`QUEUE_LOOK`](crate::limits::QUEUE_LOOK).

use hearth_db::{Durability, Row, Tx};
use hearth_types::Timestamp;
use hearth_types::id::Id;
use hearth_wire::smtp::body_offset;

use super::claim::{remove_if_finished, sender};
use super::{Queue, QueueError, body};

/// A mail that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMail {
    /// Its id, as the log has it.
    pub id: Id,
    /// The envelope sender; empty is the null sender.
    pub sender: String,
    /// Its size.
    pub size_bytes: u64,
    /// When it came.
    pub created_at: Timestamp,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// Who does not have it yet.
    pub recipients: Vec<QueuedRecipient>,
}

/// Somebody who does not have it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedRecipient {
    /// The address.
    pub address: String,
    /// What it waits for.
    pub waits: Waits,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub next_attempt_at: Timestamp,
    /// What was said the last time.
    pub last_reply: Option<String>,
}

/// What a recipient waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Its time.
    Time,
    /// A worker has it now.
    Worker,
    /// A person, to release it.
    Release,
}

impl Waits {
    /// `waiting`, `working`, `held`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Time => "waiting",
            Self::Worker => "working",
            Self::Release => "held",
        }
    }
}

impl Queue {
    /// Every mail that waits, oldest first.
    pub async fn list(&self) -> Result<Vec<QueuedMail>, QueueError> {
        let now = self.clock.now();
        self.database
            .read(move |tx| {
                let mut mails =
                    tx.query("SELECT id, sender, size_bytes, created_at, expires_at FROM message ORDER BY id", &[], mail)?;
                for mail in &mut mails {
                    mail.recipients = recipients(tx, mail.id, now)?;
                }
                Ok(mails)
            })
            .await
    }

    /// One mail, and its header as text.
    pub async fn show(&self, id: Id) -> Result<Option<(QueuedMail, String)>, QueueError> {
        let now = self.clock.now();
        let found = self
            .database
            .read(move |tx| {
                let found = tx.find(
                    "SELECT id, sender, size_bytes, created_at, expires_at FROM message WHERE id = $1",
                    &[&id.as_i64()],
                    mail,
                )?;
                let Some(found) = found else { return Ok::<_, QueueError>(None) };
                let recipients = recipients(tx, id, now)?;
                Ok(Some(QueuedMail { recipients, ..found }))
            })
            .await?;
        let Some(mail) = found else { return Ok(None) };
        let message = self.body(id).await?.unwrap_or_default();
        let start = message.start();
        let header = String::from_utf8_lossy(start.get(..body_offset(start)).unwrap_or_default()).into_owned();
        Ok(Some((mail, header)))
    }

    /// Tries a mail (or all) again at once; the number of recipients.
    pub async fn retry(&self, id: Option<Id>) -> Result<u64, QueueError> {
        let (now, id) = (self.clock.now(), id.map(Id::as_i64));
        let changed = self
            .change(move |tx| {
                Ok(tx.execute(
                    "UPDATE recipient SET next_attempt_at = $1
                     WHERE NOT held AND next_attempt_at > $1 AND (message = $2 OR $3)",
                    &[&now, &id.unwrap_or_default(), &id.is_none()],
                )?)
            })
            .await?;
        self.wake.notify_one();
        Ok(changed)
    }

    /// Keeps a mail from being tried until it is released; the number of recipients.
    pub async fn hold(&self, id: Id) -> Result<u64, QueueError> {
        self.change(move |tx| Ok(tx.execute("UPDATE recipient SET held = $2 WHERE message = $1", &[&id.as_i64(), &true])?)).await
    }

    /// Lets a held mail go on, at once; the number of recipients.
    pub async fn release(&self, id: Id) -> Result<u64, QueueError> {
        let now = self.clock.now();
        let changed = self
            .change(move |tx| {
                Ok(tx.execute(
                    "UPDATE recipient SET held = $2, next_attempt_at = $3 WHERE message = $1 AND held",
                    &[&id.as_i64(), &false, &now],
                )?)
            })
            .await?;
        self.wake.notify_one();
        Ok(changed)
    }

    /// Removes a mail without a report; false when there was none.
    pub async fn drop_mail(&self, id: Id) -> Result<bool, QueueError> {
        let removed = self
            .change(move |tx| {
                tx.execute("DELETE FROM recipient WHERE message = $1", &[&id.as_i64()])?;
                remove_if_finished(tx, id)
            })
            .await?;
        if removed {
            body::remove(&self.dir, id);
        }
        Ok(removed)
    }

    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.database.write(Durability::Synced, work).await
    }
}

fn mail(row: &Row<'_>) -> hearth_db::Result<QueuedMail> {
    let text: String = row.get(1)?;
    Ok(QueuedMail {
        id: Id::from_i64(row.get(0)?),
        sender: sender(&text).map(|address| address.to_string()).unwrap_or(text),
        size_bytes: row.get(2)?,
        created_at: row.get(3)?,
        expires_at: row.get(4)?,
        recipients: Vec::new(),
    })
}

fn recipients(tx: &mut Tx<'_>, message: Id, now: Timestamp) -> Result<Vec<QueuedRecipient>, QueueError> {
    Ok(tx.query(
        "SELECT address, held, lease_until, attempts, next_attempt_at, last_reply FROM recipient WHERE message = $1 ORDER BY position",
        &[&message.as_i64()],
        |row| {
            let (held, lease_until): (bool, Timestamp) = (row.get(1)?, row.get(2)?);
            let waits = match () {
                () if held => Waits::Release,
                () if lease_until > now => Waits::Worker,
                () => Waits::Time,
            };
            Ok(QueuedRecipient {
                address: row.get(0)?,
                waits,
                attempts: row.get(3)?,
                next_attempt_at: row.get(4)?,
                last_reply: row.get(5)?,
            })
        },
    )?)
}
