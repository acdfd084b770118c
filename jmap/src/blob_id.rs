// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a blob id names: a message, an upload, or a part of either; or a medium of a card. Pure.
//!
//! `m<message>`, `u<upload>`, and `c<card>-<hash>`; a part follows after `_`, its number with `-` for the dots (RFC 8620 §1.2
//! has no dot in an id).

use std::fmt;

use hearth_types::{BlobId, CardId, MessageId};

/// A blob of RFC 8620 §6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRef {
    /// Where the bytes are.
    pub source: Source,
    /// Which part of them, with its transfer encoding taken off; `None` for all.
    pub part: Option<String>,
}

/// Bytes that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A message.
    Message(MessageId),
    /// An upload.
    Upload(BlobId),
    /// Of the media of a card those with this hash.
    Card(CardId, u64),
}

/// Octets of a part's number.
const PART_BYTES_MAX: usize = 200;

impl BlobRef {
    /// A whole message.
    pub const fn message(id: MessageId) -> Self {
        Self { source: Source::Message(id), part: None }
    }

    /// An upload.
    pub const fn upload(id: BlobId) -> Self {
        Self { source: Source::Upload(id), part: None }
    }

    /// A medium of a card.
    pub const fn card(id: CardId, hash: u64) -> Self {
        Self { source: Source::Card(id, hash), part: None }
    }

    /// A part of the same bytes.
    pub fn part(&self, number: &str) -> Self {
        Self { source: self.source, part: Some(number.to_string()) }
    }

    /// Reads an id; `None` when it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (source, part) = match text.split_once('_') {
            Some((source, part)) => (source, Some(parse_number(part)?)),
            None => (text, None),
        };
        let source = match source.split_at_checked(1)? {
            ("m", id) => Source::Message(id.parse().ok()?),
            ("u", id) => Source::Upload(id.parse().ok()?),
            ("c", rest) if part.is_none() => parse_medium(rest)?,
            _ => return None,
        };
        Some(Self { source, part })
    }
}

/// A card, and sixteen digits of a hash, which begin with no sign.
fn parse_medium(text: &str) -> Option<Source> {
    let (card, hash) = text.split_once('-')?;
    let hash = (hash.len() == 16 && !hash.starts_with('+')).then(|| u64::from_str_radix(hash, 16).ok())??;
    Some(Source::Card(card.parse().ok()?, hash))
}

/// `1-2` is the part `1.2`.
fn parse_number(text: &str) -> Option<String> {
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    (text.len() <= PART_BYTES_MAX && text.split('-').all(is_number)).then(|| text.replace('-', "."))
}

impl fmt::Display for BlobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Source::Message(id) => write!(f, "m{id}")?,
            Source::Upload(id) => write!(f, "u{id}")?,
            Source::Card(id, hash) => write!(f, "c{id}-{hash:016x}")?,
        }
        match &self.part {
            Some(number) => write!(f, "_{}", number.replace('.', "-")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::is_id;
    use hearth_types::Timestamp;

    #[test]
    fn written_and_read_again() {
        let message = BlobRef::message(MessageId::new(Timestamp::from_secs(1)));
        let upload = BlobRef::upload(BlobId::new(Timestamp::from_secs(1)));
        let medium = BlobRef::card(CardId::new(Timestamp::from_secs(1)), 0xabc);
        for blob in [message.part("1"), message.part("2.1.3"), upload.part("1"), message, upload, medium] {
            let text = blob.to_string();
            assert!(is_id(&text), "{text}");
            assert_eq!(BlobRef::parse(&text), Some(blob));
        }
    }

    #[test]
    fn what_is_no_blob_of_ours() {
        let id = MessageId::new(Timestamp::from_secs(1));
        for text in [
            "",
            "m",
            "u",
            "x",
            &format!("x{id}"),
            &format!("m{id}_"),
            &format!("m{id}_a"),
            &format!("m{id}_1-"),
            &format!("m{id}_1_2"),
            &format!("c{id}"),
            &format!("c{id}-abc"),
            &format!("c{id}-+00000000000000a"),
            &format!("c{id}-0000000000000abc_1"),
            "ü",
        ] {
            assert_eq!(BlobRef::parse(text), None, "{text}");
        }
        let number = |octets: usize| format!("m{id}_{}", "1".repeat(octets));
        assert!(BlobRef::parse(&number(PART_BYTES_MAX)).is_some());
        assert!(BlobRef::parse(&number(PART_BYTES_MAX + 1)).is_none());
    }
}
