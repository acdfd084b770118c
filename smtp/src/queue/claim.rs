// SPDX-License-Identifier: AGPL-3.0-or-later
//! Out of the queue: due recipients are claimed with a lease, and what came of them is settled in one transaction
//! with the reports that it leads to.

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_db::{Durability, Row, Tx};
use hearth_types::id::Id;
use hearth_types::{AccountId, Address, Timestamp};
use hearth_wire::smtp::{Notify, OriginalRecipient, RcptParams, parse_command};

use super::{NewMail, Queue, QueueError, body, dialect, enqueue};
use crate::limits::{CLAIM_MAX, LEASE};
use crate::message::{self, Message};

/// A message with the recipients of it that are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The message.
    pub id: Id,
    /// The envelope sender; `None` is the null sender.
    pub sender: Option<Address>,
    /// Who submitted it.
    pub account: Option<AccountId>,
    /// Its size.
    pub size_bytes: u64,
    /// It needs SMTPUTF8.
    pub smtputf8: bool,
    /// RFC 3461 RET=FULL.
    pub return_full: bool,
    /// RFC 8689.
    pub require_tls: bool,
    /// RFC 3461 ENVID.
    pub envid: Option<String>,
    /// When it came.
    pub created_at: Timestamp,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// Who is due.
    pub recipients: Vec<Due>,
}

/// A recipient that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its place among the message's recipients.
    pub position: i64,
    /// Who.
    pub address: Address,
    /// How often it was tried.
    pub attempts: u32,
    /// The sender has heard of the delay.
    pub delay_told: bool,
    /// When the sender wants to hear; `None` is what is usual.
    pub notify: Option<Notify>,
    /// As the sender first wrote it.
    pub orcpt: Option<OriginalRecipient>,
}

/// What came of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The recipient at this place is finished, well or not; the row goes.
    Done(i64),
    /// Try again.
    Later {
        /// Its place.
        position: i64,
        /// When.
        at: Timestamp,
        /// What was said.
        reply: String,
        /// The sender has heard of the delay.
        delay_told: bool,
    },
}

impl Queue {
    /// Claims recipients that are due, for [`LEASE`].
    pub async fn claim(&self) -> Result<Vec<Claimed>, QueueError> {
        let now = self.clock.now();
        self.database.write(Durability::Committed, move |tx| claim(tx, now)).await
    }

    /// A message itself.
    pub async fn body(&self, id: Id) -> Result<Option<Message>, QueueError> {
        let dir = self.dir.clone();
        self.database
            .read(move |tx| {
                let found = tx.find("SELECT body, size_bytes FROM message WHERE id = $1", &[&id.as_i64()], |row| {
                    Ok((row.get::<Option<Vec<u8>>>(0)?, row.get::<i64>(1)?))
                })?;
                found.map(|(row, size)| body::unpack(&dir, id, row, size)).transpose()
            })
            .await
    }

    /// Writes down what came of recipients of one message, and puts reports into the queue, in one synced transaction.
    pub async fn settle(&self, message: Id, settled: Vec<Settled>, reports: Vec<NewMail>) -> Result<(), QueueError> {
        let now = self.clock.now();
        let mut ready = Vec::with_capacity(reports.len());
        for report in reports {
            ready.push(self.make_ready(Id::new(now), report).await?);
        }
        let has_reports = !ready.is_empty();
        let finished = self
            .database
            .write(Durability::Synced, move |tx| {
                settled.iter().try_for_each(|one| settle(tx, message, one))?;
                ready.iter().try_for_each(|report| enqueue::insert(tx, report, now))?;
                remove_if_finished(tx, message)
            })
            .await?;
        if finished {
            body::remove(&self.dir, message);
        }
        if has_reports {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// How long until something is due; `None` when nothing waits.
    pub async fn due_in(&self) -> Result<Option<Duration>, QueueError> {
        let now = self.clock.now();
        let next: Option<Timestamp> = self
            .database
            .read(move |tx| {
                // A leased row is due when its lease ends.
                tx.one(
                    "SELECT MIN(CASE WHEN lease_until > next_attempt_at THEN lease_until ELSE next_attempt_at END)
                     FROM recipient WHERE NOT held",
                    &[],
                    |row| row.get(0),
                )
            })
            .await?;
        Ok(next.map(|next| next.since(now)))
    }

    /// Waits until a mail comes in, in this process.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// After a start: nobody works on anything, so every lease ends; bodies without a row go, and what a process left that
    /// was taking a message in.
    pub async fn recover(&self) -> Result<(), QueueError> {
        let dir = self.dir.clone();
        self.database
            .write(Durability::Committed, move |tx| {
                tx.execute("UPDATE recipient SET lease_until = 0 WHERE lease_until > 0", &[])?;
                message::clear(&dir)?;
                for id in body::list(&dir)? {
                    let known = tx.one("SELECT COUNT(*) FROM message WHERE id = $1", &[&id.as_i64()], |row| row.get::<i64>(0))?;
                    if known == 0 {
                        body::remove(&dir, id);
                    }
                }
                Ok(())
            })
            .await
    }
}

fn claim(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Claimed>, QueueError> {
    let sql = dialect::claim(tx.engine());
    let rows = tx.query(sql, &[&now, &now.after(LEASE), &CLAIM_MAX], |row| Ok((Id::from_i64(row.get(1)?), due(row))))?;
    let mut by_message: BTreeMap<i64, Vec<Due>> = BTreeMap::new();
    for (message, due) in rows {
        match due {
            Ok(due) => by_message.entry(message.as_i64()).or_default().push(due),
            // Its lease keeps it aside; it is named again when that ends, and stops nobody else.
            Err(error) => tracing::error!(queue = %message, %error, "a recipient in the queue cannot be read; it is set aside"),
        }
    }
    let mut claimed = Vec::with_capacity(by_message.len());
    for (id, recipients) in by_message {
        claimed.extend(find_message(tx, Id::from_i64(id), recipients)?);
    }
    Ok(claimed)
}

fn find_message(tx: &mut Tx<'_>, id: Id, recipients: Vec<Due>) -> Result<Option<Claimed>, QueueError> {
    let found = tx.find(
        "SELECT sender, account, size_bytes, smtputf8, return_full, envid, created_at, expires_at, require_tls
         FROM message WHERE id = $1",
        &[&id.as_i64()],
        |row| {
            Ok(Claimed {
                id,
                sender: sender(&row.get::<String>(0)?),
                account: row.get(1)?,
                size_bytes: row.get(2)?,
                smtputf8: row.get(3)?,
                return_full: row.get(4)?,
                envid: row.get(5)?,
                created_at: row.get(6)?,
                expires_at: row.get(7)?,
                require_tls: row.get(8)?,
                recipients: Vec::new(),
            })
        },
    )?;
    Ok(found.map(|message| Claimed { recipients, ..message }))
}

fn due(row: &Row<'_>) -> hearth_db::Result<Due> {
    let kind: Option<String> = row.get(6)?;
    let original: Option<String> = row.get(7)?;
    Ok(Due {
        position: row.get(0)?,
        address: row.get(2)?,
        attempts: row.get(3)?,
        delay_told: row.get(4)?,
        notify: row.get::<Option<String>>(5)?.and_then(|text| notify(&text)),
        orcpt: kind.zip(original).map(|(kind, address)| OriginalRecipient { kind, address }),
    })
}

pub(super) fn sender(text: &str) -> Option<Address> {
    if text.is_empty() { None } else { text.parse().ok() }
}

/// The table has it as it stands behind `NOTIFY=`.
fn notify(text: &str) -> Option<Notify> {
    match parse_command(format!("RCPT TO:<a@b.c> NOTIFY={text}").as_bytes()) {
        Ok(hearth_wire::smtp::Command::Rcpt(_, RcptParams { notify, .. })) => notify,
        _ => None,
    }
}

fn settle(tx: &mut Tx<'_>, message: Id, settled: &Settled) -> Result<(), QueueError> {
    match settled {
        Settled::Done(position) => {
            tx.execute("DELETE FROM recipient WHERE message = $1 AND position = $2", &[&message.as_i64(), position])?
        }
        Settled::Later { position, at, reply, delay_told } => tx.execute(
            "UPDATE recipient
             SET attempts = attempts + 1, next_attempt_at = $3, lease_until = 0, last_reply = $4, delay_told = $5
             WHERE message = $1 AND position = $2",
            &[&message.as_i64(), position, at, reply, delay_told],
        )?,
    };
    Ok(())
}

/// A message that everybody has, or will not have, goes; true when it went.
pub(super) fn remove_if_finished(tx: &mut Tx<'_>, message: Id) -> Result<bool, QueueError> {
    let removed = tx.execute(
        "DELETE FROM message WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM recipient WHERE message = $1)",
        &[&message.as_i64()],
    )?;
    Ok(removed > 0)
}
