// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a child tells us: sd_notify's datagrams (`READY=1`, `STATUS=...`), one socket for each child.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::net::UnixDatagram;

/// The longest datagram we read; a longer one is cut.
const BYTES_MAX: usize = 4096;

/// A child's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Every listener answers.
    Ready,
    /// Why it cannot start.
    Status(String),
    /// Nothing that concerns us.
    Other,
}

/// A socket for one child; its file goes with it.
#[derive(Debug)]
pub struct NotifySocket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl NotifySocket {
    /// Binds it, in place of what a killed supervisor left there.
    pub fn bind(path: PathBuf) -> anyhow::Result<Self> {
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).with_context(|| format!("cannot make the socket {}", path.display()))?;
        Ok(Self { socket, path })
    }

    /// Where the child finds it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for a word.
    pub async fn receive(&self) -> News {
        let mut bytes = vec![0; BYTES_MAX];
        match self.socket.recv(&mut bytes).await {
            Ok(length) => parse(bytes.get(..length).unwrap_or_default()),
            Err(_) => News::Other,
        }
    }

    /// The last status that waits unread, if one does.
    pub fn pending(&self) -> Option<News> {
        let mut bytes = vec![0; BYTES_MAX];
        let mut last = None;
        while let Ok(length) = self.socket.try_recv(&mut bytes) {
            if let news @ News::Status(_) = parse(bytes.get(..length).unwrap_or_default()) {
                last = Some(news);
            }
        }
        last
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn parse(datagram: &[u8]) -> News {
    let text = String::from_utf8_lossy(datagram);
    for line in text.lines() {
        if line == "READY=1" {
            return News::Ready;
        }
        if let Some(status) = line.strip_prefix("STATUS=") {
            return News::Status(status.to_owned());
        }
    }
    News::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_datagram() {
        assert_eq!(parse(b"READY=1\n"), News::Ready);
        assert_eq!(parse(b"STATUS=port 25 is in use\n"), News::Status("port 25 is in use".into()));
        assert_eq!(parse(b"STOPPING=1"), News::Other);
        assert_eq!(parse(b"\xff\xfe"), News::Other);
    }
}
