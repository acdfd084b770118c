// SPDX-License-Identifier: AGPL-3.0-or-later
//! An open account: its database, its folder, its first mailboxes.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use hearth_db::{Database, Durability, Source};
use hearth_types::{AccountId, BlobId, Timestamp};

use crate::error::{Error, Result};
use crate::limits::ORPHAN_AGE;
use crate::mailbox;
use crate::schema;
use crate::snooze;
use crate::store::StoreConfig;
use crate::tx::MailTx;

/// An open account.
pub(crate) struct Account {
    pub id: AccountId,
    pub database: Database,
    /// Of its own (SQLite), or one for all (PostgreSQL).
    pub is_own_database: bool,
    folder: PathBuf,
    search: OnceLock<Database>,
    /// Says that mail was put off.
    pub snoozed: PathBuf,
    last_used: AtomicI64,
    /// Names this boot of the machine; never 0.
    pub boot: i64,
    /// The bound of bytes where none was set.
    pub quota_bytes: Option<u64>,
}

/// Where the accounts are listed that have put mail off.
pub(crate) fn snoozed_folder(mail: &Path) -> PathBuf {
    mail.join("snoozed")
}

/// The folder of an account: `DIR/mail/<last two letters of the id>/<id>`. The last letters are
/// random, so the folders are about as full as each other.
pub(crate) fn folder(mail: &Path, id: AccountId) -> PathBuf {
    let name = id.to_string();
    let shard = name.get(name.len().saturating_sub(2)..).unwrap_or("00").to_string();
    mail.join(shard).join(name)
}

impl Account {
    /// Opens it, and makes what a new one lacks. Blocks.
    pub fn open(mail: &Path, id: AccountId, shared: Option<&Database>, config: &StoreConfig, boot: i64) -> Result<Arc<Self>> {
        let (clock, quota_bytes) = (&config.clock, config.quota_bytes);
        let folder = folder(mail, id);
        let blobs = folder.join("blobs");
        let is_new = !blobs.is_dir();
        if is_new {
            std::fs::create_dir_all(&blobs)?;
        }
        let database = match shared {
            Some(database) => database.clone(),
            None => Database::open(&Source::Sqlite(folder.join("mail.db")), schema::STEPS)?,
        };
        let is_own_database = shared.is_none();
        let last_used = AtomicI64::new(clock.now().millis());
        let snoozed = snoozed_folder(mail).join(id.to_string());
        let account =
            Self { id, database, is_own_database, folder, search: OnceLock::new(), snoozed, last_used, boot, quota_bytes };
        let account = Arc::new(account);
        account.make_if_new(clock.now())?;
        account.mark_if_snoozed()?;
        if is_new {
            // The folder's name must be as durable as the mail that is about to be put into it.
            for path in [Some(account.folder.as_path()), account.folder.parent(), Some(mail)].into_iter().flatten() {
                sync_folder(path)?;
            }
        } else {
            account.sweep(clock.now());
        }
        Ok(account)
    }

    fn make_if_new(&self, now: Timestamp) -> Result<()> {
        let id = self.id;
        let is_there = |tx: &mut hearth_db::Tx<'_>| tx.find("SELECT account FROM account WHERE account = $1", &[&id], |_| Ok(()));
        if self.database.read_now(is_there)?.is_some() {
            return Ok(());
        }
        self.database.write_now(Durability::Synced, |tx| {
            // UIDVALIDITY begins with the time, so that an account that is made anew does not repeat one (RFC 9051 §2.3.1.1).
            let made = tx.execute(
                "INSERT INTO account (account, modseq, boot, uid_validity, horizon, messages, used_bytes, indexed_modseq)
                 VALUES ($1, 0, $2, $3, 0, 0, 0, 0) ON CONFLICT DO NOTHING",
                &[&id, &self.boot, &now.secs()],
            )?;
            if made == 1 {
                let mut tx = MailTx::new(tx, self, now);
                mailbox::add_first(&mut tx)?;
                tx.finish()?;
            }
            Ok::<_, Error>(())
        })
    }

    /// The list of those who have put mail off may have been lost: it is beside what one copies of an account.
    fn mark_if_snoozed(&self) -> Result<()> {
        let name = snooze::SNOOZED.to_string();
        let top = "SELECT id FROM mailbox WHERE account = $1 AND parent = 0 AND name = $2";
        match self.database.read_now(|tx| tx.find(top, &[&self.id, &name], |_| Ok(())))? {
            Some(()) => snooze::mark(&self.snoozed),
            None => Ok(()),
        }
    }

    /// Where the file of a large body is.
    pub fn blob_path(&self, body: BlobId) -> PathBuf {
        self.folder.join("blobs").join(body.to_string())
    }

    /// Makes the names in the blob folder durable.
    pub fn sync_blobs(&self) -> Result<()> {
        sync_folder(&self.folder.join("blobs"))
    }

    /// The text index (SQLite), opened when first needed. Damaged or of a newer release: it is made anew, for it can be.
    pub fn search_database(&self) -> Result<&Database> {
        if let Some(open) = self.search.get() {
            return Ok(open);
        }
        let path = self.folder.join("search.db");
        let source = Source::Sqlite(path.clone());
        let database = Database::open(&source, schema::SEARCH_STEPS).or_else(|error| {
            tracing::warn!(account = %self.id, %error, "the text index is made anew");
            for suffix in ["", "-wal", "-shm"] {
                remove_if_there(&path.with_file_name(format!("search.db{suffix}")))?;
            }
            Database::open(&source, schema::SEARCH_STEPS).map_err(Error::from)
        })?;
        Ok(self.search.get_or_init(|| database))
    }

    /// Closes its connections; the next use opens them again.
    pub fn rest(&self) {
        self.database.rest();
        if let Some(search) = self.search.get() {
            search.rest();
        }
    }

    /// It is in use now.
    pub fn touch(&self, now: Timestamp) {
        self.last_used.store(now.millis(), Ordering::Relaxed);
    }

    /// How long nobody has used it.
    pub fn idle_for(&self, now: Timestamp) -> Duration {
        now.since(Timestamp::from_millis(self.last_used.load(Ordering::Relaxed)))
    }

    /// Removes body files that no row knows: left by a crash between file and row. Best effort.
    fn sweep(&self, now: Timestamp) {
        let Ok(files) = std::fs::read_dir(self.folder.join("blobs")) else { return };
        for file in files.flatten() {
            // When it got this name, not when it was written: a journal gives old files.
            let named = file.metadata().ok().map(|meta| meta.ctime()).and_then(|secs| u64::try_from(secs).ok());
            let age = named.and_then(|secs| (UNIX_EPOCH + Duration::from_secs(secs)).elapsed().ok()).unwrap_or_default();
            let Some(body) = file.file_name().to_str().and_then(|name| name.parse::<BlobId>().ok()) else { continue };
            if age < ORPHAN_AGE {
                continue;
            }
            let known = self
                .database
                .read_now(|tx| tx.find("SELECT id FROM body WHERE account = $1 AND id = $2", &[&self.id, &body], |_| Ok(())));
            if matches!(known, Ok(None)) && remove_if_there(&file.path()).is_ok() {
                tracing::info!(account = %self.id, %body, at = now.secs(), "removed a body that no message has");
            }
        }
    }

    /// Removes all of it.
    pub fn remove(mail: &Path, id: AccountId) -> Result<()> {
        snooze::unmark(&snoozed_folder(mail).join(id.to_string()))?;
        match std::fs::remove_dir_all(folder(mail, id)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    Ok(File::open(path)?.sync_all()?)
}

pub(crate) fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// A number for this boot of the machine, from the kernel's boot id; where there is none, for this process.
pub(crate) fn boot_number() -> i64 {
    let id = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id = if id.is_empty() { getrandom::u64().unwrap_or(1).to_be_bytes().to_vec() } else { id };
    short_hash(&id).max(1)
}

/// 63 bits of a hash.
pub(crate) fn short_hash(bytes: &[u8]) -> i64 {
    let hash = blake3::hash(bytes);
    let mut first = [0; 8];
    first.copy_from_slice(hash.as_bytes().first_chunk::<8>().unwrap_or(&[0; 8]));
    (u64::from_be_bytes(first) >> 1).cast_signed()
}
