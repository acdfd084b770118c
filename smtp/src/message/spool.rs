// SPDX-License-Identifier: AGPL-3.0-or-later
//! Octets that become a message: in memory as long as they are few, then in a file.
//!
//! The file loses its name as soon as it is made, so that whatever ends the process leaves nothing behind; only a crash
//! between these two leaves an empty file, which [`clear`] removes at the next start.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Message, Rest, start_len};
use crate::ctx::{Held, Server};
use crate::limits::{MESSAGE_IN_MEMORY_BYTES_MAX, SPOOL_RESERVE_BYTES, SPOOL_WRITE_BYTES};

/// How such a file is called for a moment.
const SUFFIX: &str = ".spool";

/// Takes octets. Blocks once there is a file.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    memory: Vec<u8>,
    file: Option<Spooled>,
}

#[derive(Debug)]
struct Spooled {
    start: Vec<u8>,
    file: File,
    len: u64,
}

impl Spool {
    /// None yet; a file would be in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), memory: Vec::new(), file: None }
    }

    fn room(&self) -> usize {
        if self.file.is_some() { SPOOL_WRITE_BYTES } else { MESSAGE_IN_MEMORY_BYTES_MAX }
    }

    /// What is more than fits goes into the file.
    fn settle(&mut self) -> io::Result<()> {
        if self.memory.len() <= self.room() { Ok(()) } else { self.write_down() }
    }

    fn write_down(&mut self) -> io::Result<()> {
        let spooled = match &mut self.file {
            Some(spooled) => spooled,
            None => {
                let start = self.memory.get(..start_len(&self.memory)).unwrap_or_default().to_vec();
                self.memory.drain(..start.len());
                self.file.insert(Spooled { start, file: nameless(&self.dir)?, len: 0 })
            }
        };
        // What was acknowledged and is on its way into mailboxes needs room; what has not been does not.
        let space = rustix::fs::fstatvfs(&spooled.file).map_err(io::Error::from)?;
        if space.f_bavail.saturating_mul(space.f_frsize) < SPOOL_RESERVE_BYTES {
            return Err(io::ErrorKind::StorageFull.into());
        }
        spooled.file.write_all(&self.memory)?;
        spooled.len += self.memory.len() as u64;
        self.memory.clear();
        self.memory.shrink_to(SPOOL_WRITE_BYTES);
        Ok(())
    }

    /// All are here.
    pub fn finish(mut self) -> io::Result<Message> {
        if self.file.is_some() {
            self.write_down()?;
        }
        Ok(match self.file {
            None => Message::from(self.memory),
            Some(Spooled { start, len: 0, .. }) => Message::from(start),
            Some(Spooled { start, file, len }) => {
                Message { start: Arc::new(start), rest: Some(Arc::new(Rest { file, len, packed: None })) }
            }
        })
    }
}

impl Write for Spool {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.memory.extend_from_slice(octets);
        self.settle()?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn nameless(dir: &Path) -> io::Result<File> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("{}-{}{SUFFIX}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = dir.join(name);
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Removes what a process left that ended between making a file and taking its name. At a start, when nobody spools.
pub(crate) fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.to_str().is_some_and(|path| path.ends_with(SUFFIX)) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Takes a message from a peer: counts what it takes with that of all others, and blocks nobody.
#[derive(Debug)]
pub(crate) struct Intake {
    spool: Spool,
    held: Held,
    len: u64,
}

impl Intake {
    /// None yet.
    pub fn new(server: &Server) -> Self {
        Self { spool: Spool::new(server.queue.dir()), held: server.hold(), len: 0 }
    }

    /// Octets so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Lets `put` add octets. `Ok(false)`: all messages together would take too much, or the disk is full.
    pub async fn add<T>(&mut self, put: impl FnOnce(&mut Vec<u8>) -> T) -> io::Result<(T, bool)> {
        let before = self.spool.memory.len();
        let done = put(&mut self.spool.memory);
        self.len += self.spool.memory.len().saturating_sub(before) as u64;
        if self.spool.memory.len() > self.spool.room() {
            let empty = Spool::new(&self.spool.dir);
            let mut spool = std::mem::replace(&mut self.spool, empty);
            let settled = tokio::task::spawn_blocking(move || {
                let settled = spool.settle();
                (spool, settled)
            });
            let (spool, settled) = settled.await.map_err(io::Error::other)?;
            self.spool = spool;
            match settled {
                Err(error) if is_full(&error) => return Ok((done, false)),
                settled => settled?,
            }
        }
        let on_disk = self.spool.file.as_ref().map_or(0, |spooled| spooled.len);
        let fits = self.held.memory.grow_to(self.spool.memory.capacity() as u64) && self.held.disk.grow_to(on_disk);
        Ok((done, fits))
    }

    /// Keeps nothing of it.
    pub fn forget(&mut self) {
        self.spool = Spool::new(&self.spool.dir);
    }

    /// All are here. What is held is given back when the message is done with. `None`: the disk is full.
    pub async fn finish(self) -> io::Result<Option<(Message, Held)>> {
        let Self { spool, held, .. } = self;
        if spool.file.is_none() {
            return Ok(Some((spool.finish()?, held)));
        }
        match tokio::task::spawn_blocking(move || spool.finish()).await.map_err(io::Error::other)? {
            Ok(message) => Ok(Some((message, held))),
            Err(error) if is_full(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
