// SPDX-License-Identifier: AGPL-3.0-or-later
//! Octets of a message on its way into the store: small ones wait in memory, large ones in a file.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hearth_mailstore::{Content, Error};
use tokio::io::AsyncWriteExt;

use crate::ctx::Shared;
use crate::limits::APPEND_MEMORY_BYTES_MAX;

/// The octets so far. A file of them goes away with this value.
pub struct Spool {
    shared: Arc<Shared>,
    memory: Vec<u8>,
    file: Option<(tokio::fs::File, Spooled)>,
    /// How many there are.
    pub size_bytes: u64,
}

struct Spooled(PathBuf);

impl Drop for Spooled {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a spooled message cannot be removed");
        }
    }
}

impl Spool {
    /// None yet.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, memory: Vec::new(), file: None, size_bytes: 0 }
    }

    /// So many more will come.
    pub async fn expect(&mut self, more_bytes: u64) -> Result<(), Error> {
        if self.file.is_some() || self.size_bytes.saturating_add(more_bytes) <= APPEND_MEMORY_BYTES_MAX {
            return Ok(());
        }
        let number = self.shared.spooled.fetch_add(1, Ordering::Relaxed);
        let path = self.shared.spool.join(format!("append.{}.{number}", std::process::id()));
        let mut file = tokio::fs::File::create_new(&path).await?;
        let spooled = Spooled(path);
        file.write_all(&std::mem::take(&mut self.memory)).await?;
        self.file = Some((file, spooled));
        Ok(())
    }

    /// Here they are; no more than were expected.
    pub async fn write(&mut self, octets: &[u8]) -> Result<(), Error> {
        self.size_bytes += octets.len() as u64;
        match &mut self.file {
            Some((file, _)) => Ok(file.write_all(octets).await?),
            None => {
                self.memory.extend_from_slice(octets);
                Ok(())
            }
        }
    }

    /// All are here. A file stays until this value goes.
    pub async fn finish(&mut self) -> Result<Content, Error> {
        match &mut self.file {
            Some((file, spooled)) => {
                file.flush().await?;
                Ok(Content::File(spooled.0.clone()))
            }
            None => Ok(Content::Bytes(std::mem::take(&mut self.memory))),
        }
    }
}
