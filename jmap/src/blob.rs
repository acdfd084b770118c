// SPDX-License-Identifier: AGPL-3.0-or-later
//! Blobs (RFC 8620 §6): found, for methods and for downloads.
//!
//! A part of a message is cut out of its body and has its transfer encoding taken off. A part of a part
//! (the attachment of an attached message) is not named: Email/parse gives ids for one level, and a
//! client that goes deeper uploads what it downloaded.

use hearth_mailstore::{Body, MailTx, card, message};
use hearth_wire::message::Part;

use crate::blob_id::{BlobRef, Source};
use crate::error::MethodError;
use crate::method::contact_card::card::from_store;
use crate::method::contact_card::media;
use crate::method::email::body::find_part;
use crate::method::email::value::{Raw, content};

/// A blob that is there.
pub struct Found {
    /// Its id.
    pub blob: BlobRef,
    /// The bytes that hold it.
    pub body: Body,
    /// The part of them that it is, if not all.
    pub part: Option<Part>,
}

impl Found {
    /// About how large it is: its size, before a transfer encoding is taken off.
    pub fn encoded_size_bytes(&self) -> u64 {
        self.part.as_ref().map_or_else(|| self.body.len(), Part::size_bytes)
    }

    /// All of it, in memory. Blocks.
    pub fn octets(&self) -> Result<Vec<u8>, MethodError> {
        match &self.part {
            Some(part) => content(part, &self.body),
            None => Raw::range(&self.body, 0..self.body.len()),
        }
    }
}

/// Finds a blob; it is read after the transaction.
pub fn find(tx: &mut MailTx<'_>, blob: &BlobRef) -> Result<Option<Found>, MethodError> {
    let body = match blob.source {
        Source::Message(id) => message::body(tx, id)?,
        Source::Upload(id) => hearth_mailstore::blob::find(tx, id)?.map(|(_, body)| body),
        Source::Card(id, hash) => {
            let card = card::find(tx, id)?.map(|card| from_store(&card.content)).transpose()?;
            card.and_then(|card| media::find(card, hash)).map(Body::from_bytes)
        }
    };
    let Some(body) = body else { return Ok(None) };
    let part = match &blob.part {
        None => None,
        Some(number) => {
            let structure = match blob.source {
                Source::Message(id) => message::find(tx, id)?.map(|summary| summary.parsed.structure),
                Source::Upload(_) | Source::Card(..) => {
                    Some(hearth_wire::message::parse(&Raw::range(&body, 0..body.len())?).structure)
                }
            };
            let Some(part) = structure.as_ref().and_then(|structure| find_part(structure, number)) else {
                return Ok(None);
            };
            Some(part.clone())
        }
    };
    Ok(Some(Found { blob: blob.clone(), body, part }))
}

/// Runs what reads the disk or is long on a thread that may wait.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, MethodError> + Send + 'static) -> Result<T, MethodError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(MethodError::ours(&hearth_types::Trouble::from(error))))
}
