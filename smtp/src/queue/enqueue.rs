// SPDX-License-Identifier: AGPL-3.0-or-later
//! Into the queue: on disk when it answers.

use hearth_db::{Durability, Tx};
use hearth_types::Timestamp;
use hearth_types::id::Id;

use super::body::{self, Packed};
use super::{NewMail, NewRecipient, Queue, QueueError};
use crate::limits::{LEASE, QUEUE_LIFETIME};
use crate::message::Message;

/// A mail whose body is packed, ready for its rows.
pub(super) struct Ready {
    pub id: Id,
    pub mail: NewMail,
    pub packed: Packed,
}

impl Queue {
    /// Puts a mail into the queue under a new id.
    pub async fn enqueue(&self, mail: NewMail) -> Result<Id, QueueError> {
        let id = Id::new(self.clock.now());
        self.enqueue_as(id, mail).await?;
        Ok(id)
    }

    /// Puts a mail into the queue; synced when it answers.
    pub async fn enqueue_as(&self, id: Id, mail: NewMail) -> Result<(), QueueError> {
        let now = self.clock.now();
        self.enqueue_due(id, mail, now, now).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Puts a mail into the queue that nobody may send yet: [`Queue::retry`] lets it go, and so does the end of a lease,
    /// where whoever put it aside died.
    pub(crate) async fn enqueue_aside(&self, mail: NewMail) -> Result<Id, QueueError> {
        let now = self.clock.now();
        let id = Id::new(now);
        self.enqueue_due(id, mail, now, now.after(LEASE)).await?;
        Ok(id)
    }

    async fn enqueue_due(&self, id: Id, mail: NewMail, now: Timestamp, due_at: Timestamp) -> Result<(), QueueError> {
        let ready = self.make_ready(id, mail).await?;
        let written = self.database.write(Durability::Synced, move |tx| insert_due(tx, &ready, now, due_at)).await;
        if written.as_ref().is_err_and(QueueError::is_full) {
            body::remove(&self.dir, id);
        }
        written
    }

    /// Puts mails into the queue under new ids, all of them or none; synced when it answers.
    pub async fn enqueue_all(&self, mails: Vec<NewMail>) -> Result<Vec<Id>, QueueError> {
        if mails.is_empty() {
            return Ok(Vec::new());
        }
        let (now, mut ids, mut ready) = (self.clock.now(), Vec::with_capacity(mails.len()), Vec::with_capacity(mails.len()));
        let mut packed = Ok(());
        for mail in mails {
            let id = Id::new(now);
            ids.push(id);
            match self.make_ready(id, mail).await {
                Ok(one) => ready.push(one),
                Err(error) => {
                    packed = Err(error);
                    break;
                }
            }
        }
        let written = match packed {
            Ok(()) => {
                let insert_all = move |tx: &mut Tx<'_>| ready.iter().try_for_each(|one| insert(tx, one, now));
                self.database.write(Durability::Synced, insert_all).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            if error.is_full() {
                ids.iter().for_each(|id| body::remove(&self.dir, *id));
            }
            return Err(error);
        }
        self.wake.notify_one();
        Ok(ids)
    }

    /// Packs the body; after this a large one is on disk.
    pub(super) async fn make_ready(&self, id: Id, mut mail: NewMail) -> Result<Ready, QueueError> {
        let dir = self.dir.clone();
        let packing = tokio::task::spawn_blocking(move || {
            let packed = body::pack(&dir, id, &mail.head, &mail.message)?;
            (mail.head, mail.message) = (Vec::new(), Message::default());
            Ok(Ready { id, mail, packed })
        });
        packing.await.unwrap_or(Err(QueueError::Db(hearth_db::Error::Gone)))
    }
}

pub(super) fn insert(tx: &mut Tx<'_>, ready: &Ready, now: Timestamp) -> Result<(), QueueError> {
    insert_due(tx, ready, now, now)
}

fn insert_due(tx: &mut Tx<'_>, ready: &Ready, now: Timestamp, due_at: Timestamp) -> Result<(), QueueError> {
    let Ready { id, mail, packed } = ready;
    let sender = mail.sender.as_ref().map(ToString::to_string).unwrap_or_default();
    tx.execute(
        "INSERT INTO message (id, sender, account, size_bytes, smtputf8, return_full, envid, created_at, expires_at, body,
                              require_tls)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &[
            &id.as_i64(),
            &sender,
            &mail.account,
            &packed.size_bytes,
            &mail.smtputf8,
            &mail.return_full,
            &mail.envid,
            &now,
            &now.after(QUEUE_LIFETIME),
            &packed.row,
            &mail.require_tls,
        ],
    )?;
    let mut positions = 0_i64..;
    mail.recipients
        .iter()
        .zip(&mut positions)
        .try_for_each(|(recipient, position)| insert_recipient(tx, *id, position, recipient, due_at))
}

fn insert_recipient(
    tx: &mut Tx<'_>,
    message: Id,
    position: i64,
    recipient: &NewRecipient,
    due_at: Timestamp,
) -> Result<(), QueueError> {
    let (kind, original) = match &recipient.orcpt {
        Some(orcpt) => (Some(orcpt.kind.clone()), Some(orcpt.address.clone())),
        None => (None, None),
    };
    tx.execute(
        "INSERT INTO recipient (message, position, address, domain, held, attempts, next_attempt_at, lease_until, delay_told,
                                notify, orcpt_kind, orcpt_address)
         VALUES ($1, $2, $3, $4, $5, 0, $6, 0, $5, $7, $8, $9)",
        &[
            &message.as_i64(),
            &position,
            &recipient.address.to_string(),
            recipient.address.domain(),
            &false,
            &due_at,
            &recipient.notify.map(hearth_wire::smtp::Notify::encode),
            &kind,
            &original,
        ],
    )?;
    Ok(())
}
