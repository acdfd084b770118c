// SPDX-License-Identifier: AGPL-3.0-or-later
//! Lines and literals from a stranger, and replies to them: bounded memory, bounded time.
//!
//! A [`Lines`] never holds more than the bound of the read that runs plus one read's worth, gives its buffers back
//! when they are empty, and fails with `TimedOut` when a deadline passes. It knows no protocol: what a line means,
//! and whether a bare LF may end one, is the caller's.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::limits::{KEEP_BYTES_MAX, READ_BYTES_IDLE, READ_BYTES_MAX, SKIP_BYTES_MAX, WRITE_BYTES_MAX};

/// How long a peer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From the moment we wait until the first byte of a line.
    pub idle: Duration,
    /// From the first byte of a line until its end; and for each [`Lines::fill`] within data.
    pub progress: Duration,
    /// For each flush.
    pub write: Duration,
}

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// CR LF, as the standards want it.
    CrLf,
    /// LF alone. Some protocols must not take this for an end (SMTP smuggling).
    Lf,
}

/// What a read for a line gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The line without its ending.
    Line(Vec<u8>, Ending),
    /// Longer than the bound. The rest of it is skipped by the next read.
    TooLong,
    /// The peer has closed; an unfinished line is dropped.
    Closed,
}

/// A stream with a bounded buffer in each direction.
#[derive(Debug)]
pub struct Lines<S> {
    stream: S,
    deadlines: Deadlines,
    input: Vec<u8>,
    /// `input[..start]` has been consumed.
    start: usize,
    next_read: usize,
    skipping: bool,
    output: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lines<S> {
    /// Wraps a stream.
    pub fn new(stream: S, deadlines: Deadlines) -> Self {
        Self { stream, deadlines, input: Vec::new(), start: 0, next_read: READ_BYTES_IDLE, skipping: false, output: Vec::new() }
    }

    /// Changes the deadlines from here on.
    pub fn set_deadlines(&mut self, deadlines: Deadlines) {
        self.deadlines = deadlines;
    }

    /// The deadlines in force.
    pub fn deadlines(&self) -> Deadlines {
        self.deadlines
    }

    /// The stream itself, for facts about it.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Whether nothing that the peer sent waits to be read. STARTTLS demands it: what came before TLS must not be
    /// taken for what came inside (RFC 3207 §4.2, CVE-2011-0411).
    pub fn is_empty(&self) -> bool {
        self.start == self.input.len() && !self.skipping
    }

    /// The stream, without what was read ahead: ask [`Lines::is_empty`] first. Output that waits is dropped: flush first.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// Reads a line of at most `bytes_max` bytes, its ending not counted. Output that waits is flushed first.
    pub async fn read_line(&mut self, bytes_max: usize) -> io::Result<Line> {
        self.flush().await?;
        let begun = Instant::now();
        let mut finish_by = (!self.rest().is_empty()).then(|| begun + self.deadlines.progress);
        if self.skipping && !self.skip(begun + self.deadlines.progress).await? {
            return Ok(Line::Closed);
        }
        let mut searched = 0;
        loop {
            if let Some(at) = self.rest().iter().skip(searched).position(|byte| *byte == b'\n').map(|at| at + searched) {
                return Ok(self.take_line(at, bytes_max));
            }
            searched = self.rest().len();
            // One more than the bound may be the CR of the ending.
            if searched > bytes_max.saturating_add(1) {
                self.consume(searched);
                self.skipping = true;
                return Ok(Line::TooLong);
            }
            let by = finish_by.unwrap_or(begun + self.deadlines.idle);
            let room = bytes_max.saturating_add(2).saturating_sub(searched);
            if self.read_more(by, room).await? == 0 {
                return Ok(Line::Closed);
            }
            finish_by.get_or_insert_with(|| Instant::now() + self.deadlines.progress);
        }
    }

    /// The bytes that wait, read from the peer when none do; empty when the peer has closed. Use [`Lines::consume`]
    /// for as many as were understood. For literals and message data.
    pub async fn fill(&mut self) -> io::Result<&[u8]> {
        if self.rest().is_empty() {
            self.flush().await?;
            let by = Instant::now() + self.deadlines.progress;
            self.read_more(by, READ_BYTES_MAX).await?;
        }
        Ok(self.rest())
    }

    /// Like [`Lines::fill`], but waits as long as the `idle` deadline allows: for IDLE and for pipelined silence.
    pub async fn fill_idle(&mut self) -> io::Result<&[u8]> {
        if self.rest().is_empty() {
            self.flush().await?;
            let by = Instant::now() + self.deadlines.idle;
            self.read_more(by, READ_BYTES_MAX).await?;
        }
        Ok(self.rest())
    }

    /// Counts `bytes` of what [`Lines::fill`] gave as read.
    pub fn consume(&mut self, bytes: usize) {
        self.start = self.start.saturating_add(bytes).min(self.input.len());
        if self.start == self.input.len() {
            self.input.clear();
            self.start = 0;
            self.input.shrink_to(KEEP_BYTES_MAX);
        }
    }

    /// Reads exactly `length` bytes into `sink`; `false` when the peer closed before. The caller has checked `length`.
    pub async fn read_exact(&mut self, length: usize, sink: &mut Vec<u8>) -> io::Result<bool> {
        let mut left = length;
        while left > 0 {
            let chunk = self.fill().await?;
            if chunk.is_empty() {
                return Ok(false);
            }
            let taken = chunk.len().min(left);
            sink.extend_from_slice(&chunk[..taken]);
            left -= taken;
            self.consume(taken);
        }
        Ok(true)
    }

    /// Writes; sends on when much waits. Call [`Lines::flush`] at the end of a reply (a read does so too).
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.output.len().saturating_add(bytes.len()) > WRITE_BYTES_MAX {
            self.flush().await?;
        }
        if bytes.len() > WRITE_BYTES_MAX {
            // In pieces, so that the deadline is for a piece and not for the whole of a long message.
            for piece in bytes.chunks(WRITE_BYTES_MAX) {
                timeout(self.deadlines.write, self.stream.write_all(piece)).await.map_err(|_| late("the peer does not read"))??;
            }
            return Ok(());
        }
        self.output.extend_from_slice(bytes);
        Ok(())
    }

    /// Sends what waits.
    pub async fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let stream = &mut self.stream;
        let output = &self.output;
        timeout(self.deadlines.write, async {
            stream.write_all(output).await?;
            stream.flush().await
        })
        .await
        .map_err(|_| late("the peer does not read"))??;
        self.output.clear();
        self.output.shrink_to(KEEP_BYTES_MAX);
        Ok(())
    }

    /// Flushes and closes our direction.
    pub async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        timeout(self.deadlines.write, self.stream.shutdown()).await.map_err(|_| late("the peer does not close"))?
    }

    fn rest(&self) -> &[u8] {
        &self.input[self.start..]
    }

    fn take_line(&mut self, at: usize, bytes_max: usize) -> Line {
        let line = &self.rest()[..at];
        let (line, ending) = match line.strip_suffix(b"\r") {
            Some(line) => (line, Ending::CrLf),
            None => (line, Ending::Lf),
        };
        let line = if line.len() <= bytes_max { Line::Line(line.to_vec(), ending) } else { Line::TooLong };
        self.consume(at + 1);
        line
    }

    /// Reads once into the buffer, at most `room` bytes. Small after silence, larger while data streams.
    async fn read_more(&mut self, by: Instant, room: usize) -> io::Result<usize> {
        if self.start > 0 {
            self.input.drain(..self.start);
            self.start = 0;
        }
        let size = self.next_read.min(room).max(1);
        self.input.reserve_exact(size);
        let mut limited = (&mut self.stream).take(size as u64);
        let read = timeout_at(by, limited.read_buf(&mut self.input)).await.map_err(|_| late("the peer is silent"))??;
        self.next_read = if read == size { (size * 4).min(READ_BYTES_MAX) } else { READ_BYTES_IDLE };
        Ok(read)
    }

    /// Drops the rest of a line that was too long; `false` when it does not end.
    async fn skip(&mut self, by: Instant) -> io::Result<bool> {
        let mut skipped = 0;
        loop {
            if let Some(at) = self.rest().iter().position(|byte| *byte == b'\n') {
                self.consume(at + 1);
                self.skipping = false;
                return Ok(true);
            }
            skipped += self.rest().len();
            let all = self.rest().len();
            self.consume(all);
            if skipped > SKIP_BYTES_MAX || self.read_more(by, READ_BYTES_MAX).await? == 0 {
                return Ok(false);
            }
        }
    }
}

fn late(says: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, says)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::DuplexStream;

    const SHORT: Deadlines =
        Deadlines { idle: Duration::from_secs(60), progress: Duration::from_secs(10), write: Duration::from_secs(10) };

    fn pair() -> (Lines<DuplexStream>, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1024 * 1024);
        (Lines::new(ours, SHORT), theirs)
    }

    fn line(text: &str) -> Line {
        Line::Line(text.as_bytes().to_vec(), Ending::CrLf)
    }

    #[tokio::test]
    async fn a_line_at_the_bound_is_a_line_and_one_more_is_too_long() {
        for (length, fits) in [(1, true), (511, true), (512, true), (513, false), (514, false), (5000, false)] {
            let (mut lines, mut peer) = pair();
            peer.write_all(format!("{}\r\nnext\r\n", "a".repeat(length)).as_bytes()).await.unwrap();
            let first = lines.read_line(512).await.unwrap();
            assert_eq!(first != Line::TooLong, fits, "{length}");
            assert_eq!(lines.read_line(512).await.unwrap(), line("next"), "{length}");
        }
    }

    #[tokio::test]
    async fn any_cut_of_the_bytes_gives_the_same_lines() {
        let bytes = b"one\r\n\r\ntwo\nthree\r\r\nfour";
        for cut in 0..=bytes.len() {
            let (mut lines, mut peer) = pair();
            peer.write_all(&bytes[..cut]).await.unwrap();
            let rest = bytes[cut..].to_vec();
            let writer = tokio::spawn(async move {
                tokio::task::yield_now().await;
                peer.write_all(&rest).await.unwrap();
            });
            assert_eq!(lines.read_line(10).await.unwrap(), line("one"));
            assert_eq!(lines.read_line(10).await.unwrap(), line(""));
            assert_eq!(lines.read_line(10).await.unwrap(), Line::Line(b"two".to_vec(), Ending::Lf));
            assert_eq!(lines.read_line(10).await.unwrap(), line("three\r"));
            assert_eq!(lines.read_line(10).await.unwrap(), Line::Closed, "an unfinished line is not a line");
            writer.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_gigabyte_without_a_line_end_is_held_nowhere() {
        let (ours, mut peer) = tokio::io::duplex(64 * 1024);
        let mut lines = Lines::new(ours, SHORT);
        let flood = tokio::spawn(async move {
            let block = vec![b'x'; 64 * 1024];
            let mut sent = 0_usize;
            while sent < 1024 * 1024 * 1024 && peer.write_all(&block).await.is_ok() {
                sent += block.len();
            }
            sent
        });
        assert_eq!(lines.read_line(1000).await.unwrap(), Line::TooLong);
        assert!(lines.input.capacity() <= 1024 + READ_BYTES_MAX, "{}", lines.input.capacity());
        assert_eq!(lines.read_line(1000).await.unwrap(), Line::Closed);
        assert!(lines.input.capacity() <= READ_BYTES_MAX, "{}", lines.input.capacity());
        drop(lines);
        assert!(flood.await.unwrap() <= SKIP_BYTES_MAX + 64 * 1024 * 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_a_second_is_cut_at_the_deadline_of_the_line() {
        let (mut lines, mut peer) = pair();
        let begun = Instant::now();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if peer.write_all(b"x").await.is_err() {
                    return;
                }
            }
        });
        let error = lines.read_line(1000).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), 11, "a second of silence, then ten for the line");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_cut_at_the_idle_deadline() {
        let (mut lines, _peer) = pair();
        let begun = Instant::now();
        assert_eq!(lines.read_line(1000).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_is_cut() {
        let (ours, _peer) = tokio::io::duplex(16);
        let mut lines = Lines::new(ours, SHORT);
        assert_eq!(lines.write(&vec![b'x'; 100_000]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_was_pipelined_shows_before_starttls() {
        let (mut lines, mut peer) = pair();
        peer.write_all(b"STARTTLS\r\n").await.unwrap();
        assert_eq!(lines.read_line(100).await.unwrap(), line("STARTTLS"));
        assert!(lines.is_empty());
        peer.write_all(b"STARTTLS\r\nEHLO evil\r\n").await.unwrap();
        assert_eq!(lines.read_line(100).await.unwrap(), line("STARTTLS"));
        assert!(!lines.is_empty());
    }

    #[tokio::test]
    async fn literals_and_lines_alternate() {
        let (mut lines, mut peer) = pair();
        let body = "b".repeat(70_000);
        peer.write_all(format!("a {{70000}}\r\n{body} tail\r\n").as_bytes()).await.unwrap();
        assert_eq!(lines.read_line(100).await.unwrap(), line("a {70000}"));
        let mut literal = Vec::new();
        assert!(lines.read_exact(70_000, &mut literal).await.unwrap());
        assert_eq!(literal, body.as_bytes());
        assert_eq!(lines.read_line(100).await.unwrap(), line(" tail"));
        assert!(lines.input.capacity() <= KEEP_BYTES_MAX);
        drop(peer);
        assert!(!lines.read_exact(1, &mut literal).await.unwrap());
    }

    #[tokio::test]
    async fn output_waits_for_a_flush_and_large_output_does_not() {
        let (mut lines, mut peer) = pair();
        lines.write(b"* OK ").await.unwrap();
        lines.write(b"hello\r\n").await.unwrap();
        lines.flush().await.unwrap();
        let mut got = vec![0; 12];
        peer.read_exact(&mut got).await.unwrap();
        assert_eq!(got, b"* OK hello\r\n");
        lines.write(&vec![b'x'; WRITE_BYTES_MAX + 1]).await.unwrap();
        assert!(lines.output.is_empty());
    }
}
