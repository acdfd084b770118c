// SPDX-License-Identifier: AGPL-3.0-or-later
//! A stream inside DEFLATE (RFC 4978, RFC 1951), both ways.
//!
//! What compresses together can be guessed from its length (CRIME, CVE-2012-4929): nothing of a login passes through here, for
//! COMPRESS comes after it, and at each flush the dictionary is dropped, so that no answer is compressed
//! with another one. What a client may inflate is bounded by the bounds of commands, as without compression.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use crate::ctx::Stream;

/// Octets read from the network at once.
const INPUT_BYTES: usize = 4 * 1024;
/// Octets that are compressed at once.
const PIECE_BYTES: usize = 16 * 1024;

/// A compressed stream.
pub struct Deflated {
    inner: Stream,
    inflate: Decompress,
    deflate: Compress,
    /// What came and is not inflated yet: these octets of `input`.
    input: Box<[u8]>,
    pending: std::ops::Range<usize>,
    /// What is compressed and not written yet, from `written` on.
    output: Vec<u8>,
    written: usize,
    /// Was something compressed that a reader cannot see yet?
    dirty: bool,
    /// One of the process' compressors.
    _permit: OwnedSemaphorePermit,
}

impl Deflated {
    /// Around a stream, from its next byte on.
    pub fn new(inner: Stream, permit: OwnedSemaphorePermit) -> Self {
        Self {
            inner,
            inflate: Decompress::new(false),
            deflate: Compress::new(Compression::fast(), false),
            input: vec![0; INPUT_BYTES].into_boxed_slice(),
            pending: 0..0,
            output: Vec::new(),
            written: 0,
            dirty: false,
            _permit: permit,
        }
    }

    /// Writes what is compressed.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.output.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        self.output.clear();
        self.output.shrink_to(PIECE_BYTES);
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Compresses all of `piece`.
    fn compress(&mut self, piece: &[u8], flush: FlushCompress) -> io::Result<()> {
        let mut rest = piece;
        loop {
            self.output.reserve(INPUT_BYTES);
            let room = self.output.capacity() - self.output.len();
            let (taken, made) = (self.deflate.total_in(), self.deflate.total_out());
            self.deflate.compress_vec(rest, &mut self.output, flush).map_err(io::Error::other)?;
            let taken = usize::try_from(self.deflate.total_in() - taken).unwrap_or(usize::MAX);
            let made = usize::try_from(self.deflate.total_out() - made).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
            // When there was room left, nothing more waits inside.
            if rest.is_empty() && made < room {
                return Ok(());
            }
        }
    }
}

impl AsyncRead for Deflated {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let (taken, made) = (this.inflate.total_in(), this.inflate.total_out());
            let pending = this.input.get(this.pending.clone()).unwrap_or_default();
            let status = this
                .inflate
                .decompress(pending, buffer.initialize_unfilled(), FlushDecompress::Sync)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let taken = usize::try_from(this.inflate.total_in() - taken).unwrap_or(usize::MAX);
            let made = usize::try_from(this.inflate.total_out() - made).unwrap_or(usize::MAX);
            this.pending.start += taken;
            if made > 0 || buffer.remaining() == 0 {
                buffer.advance(made);
                return Poll::Ready(Ok(()));
            }
            if status == Status::StreamEnd {
                return Poll::Ready(Ok(()));
            }
            if !this.pending.is_empty() {
                if taken == 0 {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                continue;
            }
            let mut input = ReadBuf::new(&mut this.input);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut input))?;
            this.pending = 0..input.filled().len();
            if this.pending.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Deflated {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.output.len() >= PIECE_BYTES {
            ready!(this.poll_drain(cx))?;
        }
        let piece = bytes.get(..bytes.len().min(PIECE_BYTES)).unwrap_or_default();
        this.compress(piece, FlushCompress::None)?;
        this.dirty |= !piece.is_empty();
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if std::mem::take(&mut this.dirty) {
            this.compress(&[], FlushCompress::Full)?;
        }
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut *this).poll_flush(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Semaphore;

    fn permit() -> OwnedSemaphorePermit {
        Arc::new(Semaphore::new(1)).try_acquire_owned().expect("there is one")
    }

    fn pair(pipe_bytes: usize) -> (Deflated, Deflated) {
        let (one, other) = tokio::io::duplex(pipe_bytes);
        (Deflated::new(Box::new(one), permit()), Deflated::new(Box::new(other), permit()))
    }

    /// Octets that do not compress, and octets that do.
    fn texts() -> [Vec<u8>; 2] {
        let mut seed = 5_u32;
        let noise = (0..300_000).map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        });
        [noise.collect(), b"* 1 FETCH (FLAGS (\\Seen))\r\n".repeat(20_000)]
    }

    #[tokio::test]
    async fn what_goes_in_comes_out() {
        for pipe_bytes in [1, 7, 4096, 1 << 20] {
            for text in texts() {
                let text = if pipe_bytes < 10 { text[..20_000].to_vec() } else { text };
                let (mut one, mut other) = pair(pipe_bytes);
                let sent = text.clone();
                let writer = tokio::spawn(async move {
                    one.write_all(&sent).await.expect("written");
                    one.flush().await.expect("flushed");
                    // The end of the flush is the end of what the other side can see: nothing waits inside.
                    one
                });
                let mut read = vec![0; text.len()];
                other.read_exact(&mut read).await.expect("read");
                assert!(read == text, "through a pipe of {pipe_bytes}");
                // The end of a flush carries no text, and a narrow pipe has room for it only when somebody reads on.
                tokio::select! {
                    written = writer => drop(written.expect("no panic")),
                    more = other.read_u8() => panic!("more than was written: {more:?}"),
                }
            }
        }
    }

    #[tokio::test]
    async fn each_flush_is_seen_and_stands_alone() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let mut stream = Deflated::new(Box::new(near), permit());
        let mut lengths = Vec::new();
        for _ in 0..3 {
            stream.write_all(&b"a secret of the house ".repeat(10)).await.expect("written");
            stream.flush().await.expect("flushed");
            let mut wire = vec![0; 1024];
            lengths.push(far.read(&mut wire).await.expect("read"));
        }
        // Said twice, it is no shorter: an answer tells nothing of the one before.
        assert!(lengths.iter().all(|&length| length == lengths[0] && length < 100), "{lengths:?}");
    }

    #[tokio::test]
    async fn what_is_not_deflate_is_an_error() {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut stream = Deflated::new(Box::new(near), permit());
        far.write_all(b"\xff\xff\xff\xff a NOOP\r\n").await.expect("written");
        let mut read = [0; 64];
        assert_eq!(stream.read(&mut read).await.map_err(|error| error.kind()), Err(io::ErrorKind::InvalidData));
    }

    #[tokio::test]
    async fn the_end_is_the_end() {
        let (near, far) = tokio::io::duplex(1024);
        drop(far);
        let mut stream = Deflated::new(Box::new(near), permit());
        assert_eq!(stream.read(&mut [0; 64]).await.expect("an end"), 0);
    }
}
