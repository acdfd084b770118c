// SPDX-License-Identifier: AGPL-3.0-or-later
//! The octets of a message, in order.

use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::{Message, Rest};

/// A large message is read in pieces of this size.
pub(crate) const PIECE_BYTES: usize = 32 * 1024;

/// Reads a message.
pub struct Reader {
    start: Arc<Vec<u8>>,
    at: usize,
    rest: Option<Unread>,
}

/// The rest, as far as it was not read.
struct Unread {
    from: Kind,
    left: u64,
}

enum Kind {
    Plain(At),
    Packed(Box<zstd::stream::read::Decoder<'static, BufReader<At>>>),
}

/// A place in a file that others read as well.
struct At {
    rest: Arc<Rest>,
    at: u64,
}

impl Read for At {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.rest.file.read_at(into, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

impl Reader {
    pub(super) fn new(message: &Message, at: usize) -> io::Result<Self> {
        let rest = match &message.rest {
            None => None,
            Some(rest) => Some(Unread { from: open(rest)?, left: rest.len }),
        };
        Ok(Self { start: Arc::clone(&message.start), at, rest })
    }
}

fn open(rest: &Arc<Rest>) -> io::Result<Kind> {
    let at = At { rest: Arc::clone(rest), at: 0 };
    let Some(skipped) = rest.packed else { return Ok(Kind::Plain(at)) };
    let mut decoder = zstd::stream::read::Decoder::new(at)?;
    let gone = io::copy(&mut (&mut decoder).take(skipped), &mut io::sink())?;
    if gone < skipped {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Kind::Packed(Box::new(decoder)))
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let start = self.start.get(self.at..).unwrap_or_default();
        if !start.is_empty() {
            let length = start.len().min(into.len());
            if let (Some(from), Some(to)) = (start.get(..length), into.get_mut(..length)) {
                to.copy_from_slice(from);
            }
            self.at += length;
            return Ok(length);
        }
        match &mut self.rest {
            Some(rest) => rest.read(into),
            None => Ok(0),
        }
    }
}

impl Read for Unread {
    /// Exactly as many octets as there must be; too few or too many are damage.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let length = match &mut self.from {
            Kind::Plain(at) => at.read(into)?,
            Kind::Packed(decoder) => decoder.read(into)?,
        };
        match self.left.checked_sub(length as u64) {
            Some(left) if length > 0 || left == 0 => self.left = left,
            Some(_) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a message is shorter than it was")),
            None => return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is longer than it was")),
        }
        Ok(length)
    }
}

/// Reads a message without blocking: what is in a file is read on a thread for that.
pub struct Pieces {
    message: Message,
    at: usize,
    reader: Option<Reader>,
    piece: Vec<u8>,
}

impl Pieces {
    pub(super) fn new(message: Message, at: usize) -> Self {
        Self { message, at, reader: None, piece: Vec::new() }
    }

    /// The next piece; empty at the end.
    pub async fn next(&mut self) -> io::Result<&[u8]> {
        let start = self.message.start.len();
        if self.at < start {
            let from = self.at;
            self.at = start.min(from + PIECE_BYTES);
            return Ok(self.message.start.get(from..self.at).unwrap_or_default());
        }
        if self.message.rest.is_none() {
            return Ok(&[]);
        }
        let (reader, message) = (self.reader.take(), self.message.clone());
        let mut piece = std::mem::take(&mut self.piece);
        let read = tokio::task::spawn_blocking(move || {
            let mut reader = reader.map_or_else(|| Reader::new(&message, start), Ok)?;
            piece.resize(PIECE_BYTES, 0);
            let mut length = 0;
            while let Some(room) = piece.get_mut(length..).filter(|room| !room.is_empty()) {
                match reader.read(room)? {
                    0 => break,
                    more => length += more,
                }
            }
            piece.truncate(length);
            Ok::<_, io::Error>((reader, piece))
        });
        let (reader, piece) = read.await.map_err(io::Error::other)??;
        (self.reader, self.piece) = (Some(reader), piece);
        Ok(&self.piece)
    }
}
