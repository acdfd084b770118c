// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a mailbox is sorted and threaded by: short rows, read in one sweep; the envelope when it is asked for.

use hearth_types::{MailboxId, MessageId, Timestamp};
use hearth_wire::message::{Envelope, Parsed};

use crate::error::Result;
use crate::message;
use crate::tx::MailTx;

/// A message as orders see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// UID.
    pub uid: u32,
    /// INTERNALDATE.
    pub received_at: Timestamp,
    /// The Date field; INTERNALDATE when there is none.
    pub sent_at: Timestamp,
    /// RFC822.SIZE.
    pub size_bytes: u64,
    /// The base subject (RFC 5256 §2.1), in lower case, at most 255 characters.
    pub subject: String,
    /// Name, else address, of the first sender; in lower case, at most 255 characters.
    pub sender: String,
    /// The envelope, if it was asked for.
    pub envelope: Option<Envelope>,
}

/// The messages of a mailbox from one UID to another, both included, by UID.
pub fn scan(tx: &mut MailTx<'_>, mailbox: MailboxId, from: u32, to: u32, with_envelopes: bool) -> Result<Vec<Scanned>> {
    let account = tx.account();
    if !with_envelopes {
        return tx.query(
            "SELECT e.uid, m.received_at, m.sent_at, m.size_bytes, m.subject, m.sender
             FROM entry e JOIN message m ON m.account = e.account AND m.id = e.message
             WHERE e.account = $1 AND e.mailbox = $2 AND e.uid >= $3 AND e.uid <= $4 ORDER BY e.uid",
            &[&account, &mailbox, &from, &to],
            read,
        );
    }
    let mut damaged: Vec<(usize, MessageId)> = Vec::new();
    let mut at = 0;
    let mut all = tx.query(
        "SELECT e.uid, m.received_at, m.sent_at, m.size_bytes, m.subject, m.sender, s.packed, m.id
         FROM entry e JOIN message m ON m.account = e.account AND m.id = e.message
            JOIN summary s ON s.account = e.account AND s.message = e.message
         WHERE e.account = $1 AND e.mailbox = $2 AND e.uid >= $3 AND e.uid <= $4 ORDER BY e.uid",
        &[&account, &mailbox, &from, &to],
        |row| {
            let envelope = row.bytes(6)?.and_then(Parsed::unpack_envelope);
            if envelope.is_none() {
                damaged.push((at, row.get(7)?));
            }
            at += 1;
            Ok(Scanned { envelope, ..read(row)? })
        },
    )?;
    for (at, id) in damaged {
        let envelope = message::find(tx, id)?.map(|summary| summary.parsed.envelope);
        if let Some(scanned) = all.get_mut(at) {
            scanned.envelope = envelope;
        }
    }
    Ok(all)
}

fn read(row: &hearth_db::Row<'_>) -> hearth_db::Result<Scanned> {
    Ok(Scanned {
        uid: row.get(0)?,
        received_at: row.get(1)?,
        sent_at: row.get(2)?,
        size_bytes: row.get(3)?,
        subject: row.get(4)?,
        sender: row.get(5)?,
        envelope: None,
    })
}
