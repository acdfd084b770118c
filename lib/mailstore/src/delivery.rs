// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail on its way in: durable for all its recipients before it is answered.

use std::sync::Arc;

use hearth_types::{AccountId, BlobId, MailboxId, MessageId, Timestamp};
use hearth_wire::message::Parsed;

use crate::account::remove_if_there;
use crate::body::{self, Content, Packed, PackedData};
use crate::error::{Error, Result};
use crate::flags::FlagSet;
use crate::limits::{DELIVERY_ID_BYTES_MAX, PREFIX_BYTES_MAX, RECIPIENTS_MAX};
use crate::mailbox::{self, Role};
use crate::message;
use crate::tx::MailTx;

/// One mail for some accounts of this home.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Names this delivery: the same id to the same account again delivers nothing and answers as
    /// before. At most 64 characters.
    pub id: String,
    /// The mail, from its trace fields on; per recipient, [`Recipient::prefix`] goes in front.
    pub content: Content,
    /// INTERNALDATE.
    pub received_at: Timestamp,
    /// For whom.
    pub recipients: Vec<Recipient>,
}

/// One account, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Whose mail it is.
    pub account: AccountId,
    /// Header fields of this copy alone, each ending in CRLF (`Return-Path: ..`, `Delivered-To: ..`); may be empty.
    pub prefix: Vec<u8>,
    /// Where it goes: one or more mailboxes; none, or one that is not there, means INBOX (or is made: [`Target::Path`]).
    pub targets: Vec<Target>,
    /// Its first flags.
    pub flags: FlagSet,
}

/// A mailbox to deliver to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By role; INBOX when the account has none such.
    Role(Role),
    /// By path.
    Path {
        /// `Lists/rust`.
        path: String,
        /// Make it when it is not there (RFC 5490 `:create`); else INBOX.
        create: bool,
    },
}

/// Where it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The message.
    pub id: MessageId,
    /// The (first) mailbox and its UID there. `None`: it is safe in the journal, and the account takes it as soon as it can.
    pub place: Option<(MailboxId, u32)>,
    /// It was there already: this id came a second time.
    pub again: bool,
}

/// Why this recipient did not get it. Nothing of it is kept for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 552 5.2.2.
    OverQuota,
}

/// A delivery that was accepted: what the journal holds, and what each account is given.
pub(crate) struct Accepted {
    pub id: String,
    pub received_at: Timestamp,
    pub packed: Packed,
    pub copies: Vec<Copy>,
}

/// One recipient's copy.
pub(crate) struct Copy {
    pub recipient: Recipient,
    pub message: MessageId,
    pub parsed: Arc<Parsed>,
}

pub(crate) fn check(delivery: &Delivery) -> Result<()> {
    if delivery.id.is_empty() || delivery.id.len() > DELIVERY_ID_BYTES_MAX || delivery.id.contains('\0') {
        return Err(Error::Forbidden("a delivery id has 1 to 64 characters"));
    }
    if delivery.recipients.len() > RECIPIENTS_MAX {
        return Err(Error::TooMany("recipients of one delivery"));
    }
    if delivery.recipients.iter().any(|recipient| recipient.prefix.len() > PREFIX_BYTES_MAX) {
        return Err(Error::TooMany("bytes of a recipient's own header"));
    }
    Ok(())
}

/// What each copy is: what the first was read to be, but for what is written in front.
pub(crate) fn copies(packed: &Packed, recipients: Vec<Recipient>, first: Parsed, now: Timestamp) -> Result<Vec<Copy>> {
    let mut copies: Vec<Copy> = Vec::with_capacity(recipients.len());
    let first = Arc::new(first);
    for recipient in recipients {
        let parsed = match copies.first() {
            None => Arc::clone(&first),
            Some(before) if before.recipient.prefix == recipient.prefix => Arc::clone(&first),
            Some(before) => Arc::new(match first.begun_with(&before.recipient.prefix, &recipient.prefix) {
                Some(parsed) => parsed,
                None => body::parse(packed, &recipient.prefix)?,
            }),
        };
        copies.push(Copy { recipient, message: MessageId::new(now), parsed });
    }
    Ok(copies)
}

/// Puts one copy into its account, unless it is there.
pub(crate) fn commit(tx: &mut MailTx<'_>, accepted: &Accepted, copy: &Copy) -> Result<Delivered> {
    let (account, now) = (tx.account(), tx.now());
    let known =
        tx.find("SELECT message, mailbox, uid FROM delivery WHERE account = $1 AND id = $2", &[&account, &accepted.id], |row| {
            Ok(Delivered { id: row.get(0)?, place: Some((row.get(1)?, row.get(2)?)), again: true })
        })?;
    if let Some(known) = known {
        link_again(tx, accepted, known.id)?;
        return Ok(known);
    }
    let mailboxes = targets(tx, &copy.recipient.targets)?;
    let body = body::free_id(tx, BlobId::new(now))?;
    if let PackedData::File(file) = &accepted.packed.data {
        // The copies of a large mail are one file with several names.
        let (from, to) = (file.path(), tx.place.blob_path(body));
        remove_if_there(&to)?;
        std::fs::hard_link(from, to)?;
    }
    body::add(tx, body, &copy.recipient.prefix, &accepted.packed)?;
    let new = message::New {
        id: message::free_id(tx, copy.message)?,
        body,
        parsed: &copy.parsed,
        mailboxes: &mailboxes,
        flags: &copy.recipient.flags,
        received_at: accepted.received_at,
    };
    let appended = message::add(tx, new)?;
    let mailbox = mailboxes.first().copied().ok_or(Error::NoSuchMailbox)?;
    tx.execute(
        "INSERT INTO delivery (account, id, message, mailbox, uid, at) VALUES ($1, $2, $3, $4, $5, $6)",
        &[&account, &accepted.id, &appended.id, &mailbox, &appended.uid, &now],
    )?;
    Ok(Delivered { id: appended.id, place: Some((mailbox, appended.uid)), again: false })
}

/// A power cut may leave the row and not the name of its file, which is synced with the segment: the journal has the file
/// still.
fn link_again(tx: &mut MailTx<'_>, accepted: &Accepted, message: MessageId) -> Result<()> {
    let PackedData::File(file) = &accepted.packed.data else { return Ok(()) };
    let account = tx.account();
    let body =
        tx.find("SELECT body FROM message WHERE account = $1 AND id = $2", &[&account, &message], |row| row.get::<BlobId>(0))?;
    match body.map(|body| tx.place.blob_path(body)).filter(|to| !to.exists()) {
        Some(to) => Ok(std::fs::hard_link(file.path(), to)?),
        None => Ok(()),
    }
}

/// The mailboxes to deliver to: at least one.
fn targets(tx: &mut MailTx<'_>, targets: &[Target]) -> Result<Vec<MailboxId>> {
    let mut ids = Vec::new();
    for target in targets {
        let id = match target {
            Target::Role(role) => mailbox::id_by_role(tx, *role)?,
            Target::Path { path, create } => match mailbox::find_as_named(tx, path)? {
                Some(found) => Some(found.id),
                // A name that cannot be is no reason to lose mail.
                None if *create => mailbox::add_path(tx, path, None).map(|made| Some(made.id)).or_else(peers_to_none)?,
                None => None,
            },
        };
        let id = match id {
            Some(id) => id,
            None => inbox(tx)?,
        };
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if ids.is_empty() {
        ids.push(inbox(tx)?);
    }
    Ok(ids)
}

fn peers_to_none(error: Error) -> Result<Option<MailboxId>> {
    if error.is_peers() { Ok(None) } else { Err(error) }
}

fn inbox(tx: &mut MailTx<'_>) -> Result<MailboxId> {
    mailbox::id_by_role(tx, Role::Inbox)?.ok_or_else(|| Error::Damaged("an account has no INBOX".into()))
}

/// Forgets ids that no sender repeats any more.
pub(crate) fn forget(tx: &mut MailTx<'_>, before: Timestamp) -> Result<()> {
    let account = tx.account();
    tx.execute("DELETE FROM delivery WHERE account = $1 AND at < $2", &[&account, &before])?;
    Ok(())
}
