// SPDX-License-Identifier: AGPL-3.0-or-later
//! The bytes of a queued message: compressed, in the row when small, else in a file named after the message.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_types::id::Id;

use super::QueueError;
use crate::limits::QUEUED_BODY_IN_DB_BYTES_MAX;
use crate::message::Message;

/// The level that was measured best for mail.
const LEVEL: i32 = 3;
/// As far back as this (a power of two) a large body is searched for what it repeats: it is what packing takes in memory.
const WINDOW_LOG: u32 = 19;
/// A file without a row is somebody's who has not written the row yet, unless it is older than this.
const STRAY_AFTER: Duration = Duration::from_secs(3600);

/// A body that is on disk as far as it must be before its row is.
pub(super) struct Packed {
    /// Bytes of the message.
    pub size_bytes: i64,
    /// What goes into the row; `None`: it is in the file.
    pub row: Option<Vec<u8>>,
}

pub(super) fn path(dir: &Path, id: Id) -> PathBuf {
    dir.join(format!("{id}.zst"))
}

/// Compresses; writes and syncs the file when it is large.
pub(super) fn pack(dir: &Path, id: Id, head: &[u8], message: &Message) -> Result<Packed, QueueError> {
    let size = head.len() as u64 + message.len();
    let size_bytes = i64::try_from(size).unwrap_or(i64::MAX);
    if size <= QUEUED_BODY_IN_DB_BYTES_MAX as u64 {
        return Ok(Packed { size_bytes, row: Some(write(Vec::new(), head, message)?) });
    }
    let path = path(dir, id);
    let written = write_file(&path, head, message).and_then(|()| File::open(dir)?.sync_all());
    if let Err(error) = written {
        // A full disk: nothing half-written stays.
        let _ = fs::remove_file(&path);
        return Err(error.into());
    }
    Ok(Packed { size_bytes, row: None })
}

fn write_file(path: &Path, head: &[u8], message: &Message) -> io::Result<()> {
    write(File::options().create_new(true).write(true).open(path)?, head, message)?.sync_data()
}

fn write<W: Write>(to: W, head: &[u8], message: &Message) -> io::Result<W> {
    let mut encoder = zstd::stream::write::Encoder::new(to, LEVEL)?;
    encoder.window_log(WINDOW_LOG)?;
    encoder.include_checksum(true)?;
    encoder.write_all(head)?;
    let mut written = Ok(());
    message.each(|piece| {
        if written.is_ok() {
            written = encoder.write_all(piece);
        }
    })?;
    written?;
    encoder.finish()
}

/// The message again. `size_bytes` is the row's; what does not agree with it is damaged.
pub(super) fn unpack(dir: &Path, id: Id, row: Option<Vec<u8>>, size_bytes: i64) -> Result<Message, QueueError> {
    let damaged = |error: io::Error| QueueError::Damaged(format!("the body of {id}: {error}"));
    let Some(row) = row else {
        let file = File::open(path(dir, id)).map_err(damaged)?;
        return Message::unpack(file, size_bytes.unsigned_abs()).map_err(damaged);
    };
    let size = usize::try_from(size_bytes).map_err(|_| QueueError::Damaged(format!("size of {id}")))?;
    let mut raw = Vec::with_capacity(size);
    // One byte more than there should be shows that there are too many, and bounds what is read.
    let limit = size_bytes.unsigned_abs().saturating_add(1);
    match zstd::stream::read::Decoder::new(row.as_slice())?.take(limit).read_to_end(&mut raw) {
        Ok(length) if length == size => Ok(Message::from(raw)),
        Ok(length) => Err(QueueError::Damaged(format!("the body of {id} has {length} bytes, not {size}"))),
        Err(error) => Err(damaged(error)),
    }
}

/// Removes the file of a message whose row is gone; there may be none.
pub(super) fn remove(dir: &Path, id: Id) {
    match fs::remove_file(path(dir, id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => tracing::warn!(queue = %id, %error, "a body cannot be removed"),
        _ => {}
    }
}

/// Messages that have a file, old enough to have a row.
pub(super) fn list(dir: &Path) -> io::Result<Vec<Id>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".zst")).and_then(|id| id.parse::<Id>().ok());
        let old = entry.metadata()?.modified()?.elapsed().is_ok_and(|age| age > STRAY_AFTER);
        ids.extend(id.filter(|_| old));
    }
    Ok(ids)
}
