// SPDX-License-Identifier: AGPL-3.0-or-later
//! The children's log lines, passed on to our standard error.
//!
//! While the node starts they are held back: when it cannot start, the person gets one line that says why, and not
//! seven processes' farewells.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::limits::{LOG_LINE_BYTES_MAX, LOG_LINES_HELD_MAX};

/// Where the lines go; clones go to the same place.
#[derive(Clone, Debug)]
pub struct Logs {
    /// The lines held back, `None` once they pass through.
    held: Arc<Mutex<Option<Vec<Vec<u8>>>>>,
}

impl Logs {
    /// Holds lines back from the start.
    pub fn held() -> Self {
        Self { held: Arc::new(Mutex::new(Some(Vec::new()))) }
    }

    /// Lets go what was held; lines pass through from here on.
    pub fn release(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for line in held.take().unwrap_or_default() {
            write(&line);
        }
    }

    /// Passes on the lines of `stream` until it ends.
    pub async fn follow(self, stream: impl AsyncRead + Unpin) {
        let mut stream = BufReader::with_capacity(1024, stream);
        let mut line = Vec::new();
        while let Ok(true) = next_line(&mut stream, &mut line).await {
            self.pass(&line);
            line.clear();
            line.shrink_to(1024);
        }
    }

    fn pass(&self, line: &[u8]) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.as_mut() {
            Some(lines) if lines.len() < LOG_LINES_HELD_MAX => lines.push(line.to_vec()),
            Some(_) => {}
            None => write(line),
        }
    }
}

/// Reads a line into `line`, cut at the bound; `false` at the end.
async fn next_line(stream: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>) -> std::io::Result<bool> {
    loop {
        let bytes = stream.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let room = LOG_LINE_BYTES_MAX.saturating_sub(line.len()).min(part.len());
        line.extend_from_slice(part.get(..room).unwrap_or_default());
        let used = part.len() + usize::from(end.is_some());
        stream.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

fn write(line: &[u8]) {
    let mut stderr = std::io::stderr().lock();
    // Nobody reads the log any more: the servers go on.
    let _ = stderr.write_all(line).and_then(|()| stderr.write_all(b"\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8]) -> Vec<Vec<u8>> {
        let logs = Logs::held();
        logs.clone().follow(text).await;
        let held = logs.held.lock().unwrap().clone();
        held.unwrap()
    }

    #[tokio::test]
    async fn lines_are_cut_at_the_bound_and_the_next_is_whole() {
        for length in [LOG_LINE_BYTES_MAX - 1, LOG_LINE_BYTES_MAX, LOG_LINE_BYTES_MAX + 1] {
            let text = format!("{}\nnext\nlast", "x".repeat(length));
            let lines = lines(text.as_bytes()).await;
            assert_eq!(lines.len(), 3);
            assert_eq!(lines[0].len(), length.min(LOG_LINE_BYTES_MAX));
            assert_eq!((lines[1].as_slice(), lines[2].as_slice()), (&b"next"[..], &b"last"[..]));
        }
    }

    #[tokio::test]
    async fn what_is_held_has_an_end() {
        let text = "x\n".repeat(LOG_LINES_HELD_MAX + 5);
        assert_eq!(lines(text.as_bytes()).await.len(), LOG_LINES_HELD_MAX);
    }
}
