// SPDX-License-Identifier: AGPL-3.0-or-later
//! Uploads (RFC 8620 §6.1): bytes that are not yet a message; they expire.

use hearth_types::BlobId;

use crate::body::{self, Body};
use crate::error::Result;
use crate::limits::{BLOB_KEPT, MEDIA_TYPE_BYTES_MAX};
use crate::message::Prepared;
use crate::tx::{MailTx, number};

/// An upload.
#[derive(Clone, Debug)]
pub struct Blob {
    /// Its id.
    pub id: BlobId,
    /// Its length.
    pub size_bytes: u64,
    /// The media type that the client named.
    pub media_type: String,
}

/// Keeps prepared content as a blob.
pub fn add(tx: &mut MailTx<'_>, prepared: Prepared, media_type: &str) -> Result<Blob> {
    let (account, now) = (tx.account(), tx.now());
    let size_bytes = prepared.len();
    let (body, _) = prepared.adopt(tx)?;
    let media_type: String = media_type.chars().filter(|c| !c.is_control()).take(MEDIA_TYPE_BYTES_MAX).collect();
    // A blob has the number of its body.
    tx.execute(
        "INSERT INTO blob (account, id, body, size_bytes, media_type, expires_at) VALUES ($1, $2, $2, $3, $4, $5)",
        &[&account, &body, &number(size_bytes)?, &media_type, &now.after(BLOB_KEPT)],
    )?;
    Ok(Blob { id: body, size_bytes, media_type })
}

/// A blob and its bytes.
pub fn find(tx: &mut MailTx<'_>, id: BlobId) -> Result<Option<(Blob, Body)>> {
    let (account, now) = (tx.account(), tx.now());
    let found = tx.find(
        "SELECT size_bytes, media_type, body FROM blob WHERE account = $1 AND id = $2 AND expires_at > $3",
        &[&account, &id, &now],
        |row| Ok((Blob { id, size_bytes: row.get(0)?, media_type: row.get(1)? }, row.get::<BlobId>(2)?)),
    )?;
    let Some((blob, body)) = found else { return Ok(None) };
    Ok(body::find(tx, body)?.map(|body| (blob, body)))
}

/// Removes what has expired.
pub(crate) fn expire(tx: &mut MailTx<'_>) -> Result<()> {
    let (account, now) = (tx.account(), tx.now());
    let bodies: Vec<BlobId> =
        tx.query("DELETE FROM blob WHERE account = $1 AND expires_at <= $2 RETURNING body", &[&account, &now], |row| row.get(0))?;
    bodies.into_iter().try_for_each(|body| body::remove_if_unused(tx, body))
}
