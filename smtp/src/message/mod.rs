// SPDX-License-Identifier: AGPL-3.0-or-later
//! A message on its way through the server, whatever its size.
//!
//! A small one is in memory. Of a large one the [start](Message::start) is: its header, which is bounded, and the first
//! octets of its body; the rest is in a file that is read in pieces. Who changes a header makes another start and shares the
//! rest, so that no copy of a large body is ever made. What looks into bodies (signatures, judges, rules, the store) takes
//! [pieces](Message::each); what looks at fields takes the start.
//!
//! - `spool.rs` takes octets in: a file of it has no name and goes away with the last who holds it.
//! - `read.rs` gives them again.

mod read;
mod spool;

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use hearth_mailstore::{Content, Source};

pub(crate) use read::PIECE_BYTES;
pub use read::{Pieces, Reader};
pub use spool::Spool;
pub(crate) use spool::{Intake, clear};

use crate::limits::{MESSAGE_IN_MEMORY_BYTES_MAX, MESSAGE_START_BYTES};
use hearth_wire::smtp::HEADER_BYTES_MAX;

/// A whole message. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Message {
    start: Arc<Vec<u8>>,
    rest: Option<Arc<Rest>>,
}

/// What is not in memory.
#[derive(Debug)]
struct Rest {
    file: File,
    len: u64,
    /// The file is the whole message, compressed, and so many octets of it are the start. `None`: it is the rest alone.
    packed: Option<u64>,
}

impl From<Vec<u8>> for Message {
    fn from(whole: Vec<u8>) -> Self {
        Self { start: Arc::new(whole), rest: None }
    }
}

impl From<Arc<Vec<u8>>> for Message {
    fn from(whole: Arc<Vec<u8>>) -> Self {
        Self { start: whole, rest: None }
    }
}

impl From<&[u8]> for Message {
    fn from(whole: &[u8]) -> Self {
        Self::from(whole.to_vec())
    }
}

impl PartialEq for Message {
    /// The same octets, of large ones in the same file.
    fn eq(&self, other: &Self) -> bool {
        let same_rest = match (&self.rest, &other.rest) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        same_rest && self.start == other.start
    }
}

impl Eq for Message {}

impl Message {
    /// Of a file that is the whole message, compressed (zstd), of `len` octets. Blocks.
    pub(crate) fn unpack(file: File, len: u64) -> io::Result<Self> {
        let packed = |start: Vec<u8>, file, skipped: u64| Self {
            start: Arc::new(start),
            rest: Some(Arc::new(Rest { file, len: len.saturating_sub(skipped), packed: Some(skipped) })),
        };
        let whole = packed(Vec::new(), file, 0);
        let in_memory = len <= MESSAGE_IN_MEMORY_BYTES_MAX as u64;
        let wanted = if in_memory { len } else { (HEADER_BYTES_MAX + 4 + MESSAGE_START_BYTES) as u64 };
        let mut start = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
        let mut reader = whole.reader()?;
        (&mut reader).take(wanted).read_to_end(&mut start)?;
        if in_memory {
            // To the end, where damage shows.
            io::copy(&mut reader, &mut io::sink())?;
            return Ok(Self::from(start));
        }
        drop(reader);
        start.truncate(start_len(&start));
        start.shrink_to_fit();
        let Some(Rest { file, .. }) = whole.rest.and_then(|rest| Arc::try_unwrap(rest).ok()) else {
            return Err(io::Error::other("a message is read twice at once"));
        };
        let skipped = start.len() as u64;
        Ok(packed(start, file, skipped))
    }

    /// The header and the first octets of the body; all of a small message.
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// All of it, when it is small.
    pub fn whole(&self) -> Option<&Arc<Vec<u8>>> {
        self.rest.is_none().then_some(&self.start)
    }

    /// Octets.
    pub fn len(&self) -> u64 {
        self.start.len() as u64 + self.rest.as_ref().map_or(0, |rest| rest.len)
    }

    /// None at all?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// With another start before the same rest.
    pub fn with_start(&self, start: Vec<u8>) -> Self {
        Self { start: Arc::new(start), rest: self.rest.clone() }
    }

    /// With fields in front.
    pub fn with_fields(&self, fields: &[u8]) -> Self {
        if fields.is_empty() { self.clone() } else { self.with_start([fields, self.start()].concat()) }
    }

    /// All of it, from the beginning. What it reads blocks when the message is large.
    pub fn reader(&self) -> io::Result<Reader> {
        Reader::new(self, 0)
    }

    /// What comes after the start.
    pub fn rest(&self) -> io::Result<Reader> {
        Reader::new(self, self.start.len())
    }

    /// Gives every piece of it to `take`. Blocks when it is large.
    pub fn each(&self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        self.each_from(0, &mut take)
    }

    /// As [`Message::each`], from an octet of the start on.
    pub fn each_from(&self, offset: usize, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        take(self.start.get(offset..).unwrap_or_default());
        if self.rest.is_none() {
            return Ok(());
        }
        let mut reader = self.rest()?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match reader.read(&mut piece)? {
                0 => return Ok(()),
                length => take(piece.get(..length).unwrap_or_default()),
            }
        }
    }

    /// Piece by piece for who must not block, from an octet of the start on.
    pub fn pieces_from(&self, offset: usize) -> Pieces {
        Pieces::new(self.clone(), offset)
    }

    /// For the mail store.
    pub fn content(&self) -> Content {
        match self.whole() {
            Some(whole) => Content::Shared(Arc::clone(whole)),
            None => Content::Source(Arc::new(self.clone())),
        }
    }
}

impl Source for Message {
    fn len(&self) -> u64 {
        Message::len(self)
    }

    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.reader()?))
    }
}

/// How much of these first octets of a large message stays in memory: all up to the first empty line, and a little more.
/// Without an empty line it is all of them, and whoever checks its bound refuses the header.
fn start_len(octets: &[u8]) -> usize {
    let header = if octets.starts_with(b"\r\n") {
        Some(2)
    } else {
        let within = octets.get(..HEADER_BYTES_MAX + 4).unwrap_or(octets);
        within.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
    };
    header.map_or(octets.len(), |end| octets.len().min(end + MESSAGE_START_BYTES))
}

#[cfg(test)]
mod tests;
