// SPDX-License-Identifier: AGPL-3.0-or-later
//! What waits to be sent on: durable, and visible to the `hearth` command.
//!
//! A message is stored once, with a row for each recipient that does not have it yet. `enqueue.rs` writes both in one
//! synced transaction; `claim.rs` hands due rows to a worker with a lease (a worker that dies loses them to the next)
//! and settles what came of them; `schedule.rs` says when to try again; `bounce.rs` writes reports; `show.rs` is for
//! people; `letters.rs` takes what the other servers of the house write; `reports.rs` keeps what others report; `worker.rs` (with `outbound/`) does the work. What differs between the engines is in `dialect.rs`.

mod body;
pub mod bounce;
pub mod claim;
mod dialect;
mod enqueue;
pub(crate) mod letters;
mod reports;
pub mod schedule;
mod show;
#[cfg(test)]
mod tests;
pub(crate) mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearth_db::{Database, Migration, Source};
use hearth_types::{AccountId, Address, Clock};
use hearth_wire::smtp::{Notify, OriginalRecipient};

use crate::message::Message;

pub use reports::KeptReport;
pub use show::{QueuedMail, QueuedRecipient, Waits};

const STEPS: &[Migration] = &[
    Migration { version: 1, name: "queue", breaking: false, sql: include_str!("../../migrations/queue-0001.sql") },
    Migration { version: 2, name: "requiretls", breaking: false, sql: include_str!("../../migrations/queue-0002.sql") },
    Migration { version: 3, name: "reports", breaking: false, sql: include_str!("../../migrations/queue-0003.sql") },
];

/// The queue, open. Cheap to clone; the server and the `hearth` command may have it open at once.
#[derive(Clone)]
pub struct Queue {
    database: Database,
    /// Where large bodies are.
    dir: PathBuf,
    clock: Clock,
    wake: Arc<tokio::sync::Notify>,
}

/// A mail on its way into the queue.
#[derive(Clone, Debug)]
pub struct NewMail {
    /// The envelope sender; `None` is the null sender.
    pub sender: Option<Address>,
    /// Who submitted it.
    pub account: Option<AccountId>,
    /// It needs SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// A report of failure returns all of it (RFC 3461 RET=FULL).
    pub return_full: bool,
    /// No server on the way may take it without TLS (RFC 8689).
    pub require_tls: bool,
    /// The sender's own name for it (RFC 3461 ENVID).
    pub envid: Option<String>,
    /// Header fields that go in front.
    pub head: Vec<u8>,
    /// The message.
    pub message: Message,
    /// For whom.
    pub recipients: Vec<NewRecipient>,
}

/// One recipient of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecipient {
    /// Who.
    pub address: Address,
    /// When the sender wants to hear; `None` is what is usual.
    pub notify: Option<Notify>,
    /// As the sender first wrote it (RFC 3461 ORCPT).
    pub orcpt: Option<OriginalRecipient>,
}

impl NewRecipient {
    /// Without any wishes.
    pub fn to(address: Address) -> Self {
        Self { address, notify: None, orcpt: None }
    }
}

/// What the queue can answer instead of what was asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The database.
    #[error(transparent)]
    Db(#[from] hearth_db::Error),
    /// A file of a large body.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A row or a file is not what it should be.
    #[error("the queue is damaged: {0}")]
    Damaged(String),
}

impl QueueError {
    /// Is it the disk that is full?
    pub fn is_full(&self) -> bool {
        match self {
            Self::Db(error) => error.is_full(),
            Self::Io(error) => matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded),
            Self::Damaged(_) => false,
        }
    }
}

impl Queue {
    /// Opens the queue in a folder (usually `DIR/queue`), or in a schema with its large bodies in that folder.
    pub async fn open(source: &Source, dir: impl Into<PathBuf>, clock: Clock) -> Result<Self, QueueError> {
        let (source, dir) = (source.clone(), dir.into());
        let folder = dir.clone();
        let opened = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&folder)?;
            Ok::<_, QueueError>(Database::open(&source, STEPS)?)
        });
        let database = opened.await.unwrap_or(Err(QueueError::Db(hearth_db::Error::Gone)))?;
        Ok(Self { database, dir, clock, wake: Arc::default() })
    }

    /// Where large bodies are; and messages on their way in.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The database below, for backups.
    pub fn database(&self) -> &Database {
        &self.database
    }
}
