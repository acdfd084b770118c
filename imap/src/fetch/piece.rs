// SPDX-License-Identifier: AGPL-3.0-or-later
//! A response in pieces, some of which are still on the disk.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use hearth_mailstore::{Body, Result, limits::BODY_CHUNK_BYTES};
use hearth_wire::message::TransferEncoding;

use super::decode::Decoder;

/// A part of a response.
pub enum Piece {
    /// Octets that are there.
    Bytes(Vec<u8>),
    /// A slice of a body, without NUL.
    Slice(Arc<Body>, Range<u64>),
    /// A slice of a body, decoded, of which octets `window` are wanted.
    Decoded {
        /// The body.
        body: Arc<Body>,
        /// The slice, still encoded.
        range: Range<u64>,
        /// How it is encoded.
        decoder: Decoder,
        /// Octets still to be passed over.
        skip: u64,
        /// Octets still wanted.
        left: u64,
    },
}

/// Pieces in their order, read as they are written.
#[derive(Default)]
pub struct Renderer {
    pieces: VecDeque<Piece>,
}

impl Renderer {
    /// Adds octets at the end.
    pub fn bytes(&mut self, bytes: &[u8]) {
        match self.pieces.back_mut() {
            Some(Piece::Bytes(last)) => last.extend_from_slice(bytes),
            _ => self.pieces.push_back(Piece::Bytes(bytes.to_vec())),
        }
    }

    /// Octets under construction at the end.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        if !matches!(self.pieces.back(), Some(Piece::Bytes(_))) {
            self.pieces.push_back(Piece::Bytes(Vec::new()));
        }
        match self.pieces.back_mut() {
            Some(Piece::Bytes(last)) => last,
            _ => unreachable!("the last piece was just made"),
        }
    }

    /// Adds a piece at the end.
    pub fn push(&mut self, piece: Piece) {
        self.pieces.push_back(piece);
    }

    /// Is nothing left?
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// How many octets are left, about.
    fn len(&self) -> usize {
        let octets = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::Slice(_, range) => usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX),
            Piece::Decoded { left, .. } => usize::try_from(*left).unwrap_or(usize::MAX),
        };
        self.pieces.iter().map(octets).fold(0, usize::saturating_add)
    }

    /// Does reading on need the disk?
    pub fn needs_disk(&self) -> bool {
        self.pieces.iter().any(|piece| !matches!(piece, Piece::Bytes(_)))
    }

    /// The next octets, about `budget` of them. Blocks for reads of the disk.
    pub fn next(&mut self, budget: usize) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        if self.pieces.len() > 1 {
            out.reserve_exact(self.len().min(budget));
        }
        while out.len() < budget {
            match self.pieces.front_mut() {
                None => break,
                Some(Piece::Bytes(bytes)) => {
                    if out.capacity() == 0 {
                        out = std::mem::take(bytes)
                    } else {
                        out.append(bytes)
                    }
                    self.pieces.pop_front();
                }
                Some(Piece::Slice(body, range)) => {
                    let end = range.end.min(range.start + BODY_CHUNK_BYTES as u64);
                    let before = out.len();
                    body.read(range.start..end, &mut out)?;
                    hide_nuls(out.get_mut(before..).unwrap_or_default());
                    pad(&mut out, before, end - range.start);
                    range.start = end;
                    if range.is_empty() {
                        self.pieces.pop_front();
                    }
                }
                Some(Piece::Decoded { body, range, decoder, skip, left }) => {
                    let mut decoded = Vec::new();
                    read_decoded(body, range, decoder, &mut decoded)?;
                    let skipped = usize::try_from(*skip).unwrap_or(usize::MAX).min(decoded.len());
                    *skip -= skipped as u64;
                    let rest = decoded.get(skipped..).unwrap_or_default();
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    out.extend_from_slice(rest.get(..taken).unwrap_or_default());
                    *left -= taken as u64;
                    if *left == 0 || range.is_empty() {
                        let at = out.len();
                        pad(&mut out, at, *left);
                        self.pieces.pop_front();
                    }
                }
            }
        }
        Ok(out)
    }
}

/// What stands for a NUL in a literal.
const NUL_STANDS: u8 = 0x80;

/// RFC 9051 §4.3.1: a literal holds no NUL; only literal8 does, which BINARY gives. Another octet stands for it, so that
/// sizes and places hold.
pub fn hide_nuls(octets: &mut [u8]) {
    octets.iter_mut().for_each(|octet| *octet = if *octet == 0 { NUL_STANDS } else { *octet });
}

/// A literal's length from `start` on has been promised: if the disk gives less, the rest is made of spaces.
fn pad(out: &mut Vec<u8>, start: usize, promised: u64) {
    let end = start.saturating_add(usize::try_from(promised).unwrap_or(0));
    out.resize(end.max(out.len()), b' ');
}

/// Decodes the next chunk of a slice; the end of the slice is the end of the decoding.
fn read_decoded(body: &Body, range: &mut Range<u64>, decoder: &mut Decoder, out: &mut Vec<u8>) -> Result<()> {
    let end = range.end.min(range.start + BODY_CHUNK_BYTES as u64);
    decoder.push(&body.range(range.start..end)?, out);
    range.start = end;
    if range.is_empty() {
        decoder.finish(out);
    }
    Ok(())
}

/// How many octets a slice has when it is decoded; `None` for an encoding that we do not know. Reads it all.
pub fn decoded_len(body: &Body, range: Range<u64>, encoding: TransferEncoding) -> Result<Option<u64>> {
    let Some(mut decoder) = Decoder::new(encoding) else { return Ok(None) };
    if matches!(decoder, Decoder::Identity) {
        return Ok(Some(range.end - range.start));
    }
    let (mut left, mut length) = (range, 0);
    let mut decoded = Vec::new();
    while !left.is_empty() {
        decoded.clear();
        read_decoded(body, &mut left, &mut decoder, &mut decoded)?;
        length += decoded.len() as u64;
    }
    Ok(Some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut renderer = Renderer::default();
        renderer.bytes(b"a");
        renderer.tail().extend_from_slice(b"b");
        renderer.bytes(b"c");
        assert!(!renderer.needs_disk());
        assert_eq!(renderer.next(1).expect("no disk"), b"abc");
        assert!(renderer.is_empty());
    }

    #[test]
    fn what_was_promised_is_given() {
        let mut out = b"xab".to_vec();
        pad(&mut out, 1, 4);
        assert_eq!(out, b"xab  ");
        pad(&mut out, 1, 2);
        assert_eq!(out, b"xab  ");
    }
}
