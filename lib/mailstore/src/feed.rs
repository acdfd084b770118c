// SPDX-License-Identifier: AGPL-3.0-or-later
//! The feed: after a commit, (account, modseq) goes by datagram to every process of the house.
//!
//! Each store binds `DIR/run/feed.<process>.<pid>.<n>.sock` and reads it; whoever commits sends to all
//! of them. A datagram may be lost (the receiver's queue is full, it just started): that costs time
//! only, for those who wait also look by themselves on a slow timer. Where several machines share a
//! PostgreSQL server, [`far`] carries the same news between them.

pub(crate) mod far;

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram as Sender;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hearth_types::AccountId;
use tokio::net::UnixDatagram;
use tokio::sync::watch;

use crate::account::remove_if_there;
use crate::error::Result;

/// Bytes of a datagram: account and modseq, both big-endian.
const NEWS_BYTES: usize = 16;
/// Linux, unix(7): sun_path has 108 bytes, the last one a NUL.
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// A folder that changed less than this ago may change again without a new time.
const FOLDER_SETTLES: Duration = Duration::from_secs(1);

pub(crate) struct Feed {
    receiver: UnixDatagram,
    sender: Sender,
    name: String,
    folder: Folder,
    peers: Mutex<Peers>,
    watchers: Mutex<HashMap<AccountId, watch::Sender<u64>>>,
    /// For the other machines, where there may be any.
    outbox: Option<far::Outbox>,
}

#[derive(Default)]
struct Peers {
    names: Vec<String>,
    changed: Option<SystemTime>,
    looked: Option<SystemTime>,
}

/// `DIR/run`, and a short way to name what is in it.
struct Folder {
    path: PathBuf,
    open: File,
}

impl Folder {
    /// The path of a socket; by way of the open folder when it is too long for the kernel.
    fn socket(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return path;
        }
        Path::new("/proc/self/fd").join(self.open.as_raw_fd().to_string()).join(name)
    }
}

impl Feed {
    /// Binds the socket of this store. Needs a tokio runtime to be entered. `far`: other machines share the
    /// database, and [`far::tell`] and [`far::hear`] run.
    pub fn open(run: &Path, process: &str, far: bool) -> Result<Self> {
        static STORES: AtomicU32 = AtomicU32::new(0);
        std::fs::create_dir_all(run)?;
        let folder = Folder { path: run.to_path_buf(), open: File::open(run)? };
        let number = STORES.fetch_add(1, Ordering::Relaxed);
        let name = format!("feed.{process}.{}.{number}.sock", std::process::id());
        remove_if_there(&run.join(&name))?;
        let receiver = UnixDatagram::bind(folder.socket(&name))?;
        let sender = Sender::unbound()?;
        sender.set_nonblocking(true)?;
        let outbox = far.then(far::Outbox::default);
        Ok(Self { receiver, sender, name, folder, peers: Mutex::default(), watchers: Mutex::default(), outbox })
    }

    /// Tells everybody, ourselves included.
    pub fn publish(&self, account: AccountId, modseq: u64) {
        self.tell(account, modseq);
        if let Some(outbox) = &self.outbox {
            outbox.add(account, modseq);
        }
        let mut news = [0; NEWS_BYTES];
        let (first, second) = news.split_at_mut(8);
        first.copy_from_slice(&account.as_i64().to_be_bytes());
        second.copy_from_slice(&modseq.to_be_bytes());
        for peer in self.peers() {
            match self.sender.send_to(&news, self.folder.socket(&peer)) {
                // Nobody reads it any more: a process that was killed.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    drop(remove_if_there(&self.folder.path.join(&peer)));
                }
                // Its queue is full, or it has just gone: its timer will do.
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn peers(&self) -> Vec<String> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = self.folder.open.metadata().and_then(|meta| meta.modified()).ok();
        let settled = |at: SystemTime| peers.looked.and_then(|looked| looked.duration_since(at).ok()) > Some(FOLDER_SETTLES);
        if changed.is_none() || changed != peers.changed || !changed.is_some_and(settled) {
            let files = std::fs::read_dir(&self.folder.path).into_iter().flatten().flatten();
            let names = files.filter_map(|file| file.file_name().into_string().ok());
            let names = names.filter(|name| name.starts_with("feed.") && name.ends_with(".sock") && *name != self.name);
            *peers = Peers { names: names.collect(), changed, looked: Some(SystemTime::now()) };
        }
        peers.names.clone()
    }

    /// Reads one datagram and wakes who waits for its account.
    pub async fn receive(&self) {
        let mut news = [0; NEWS_BYTES + 1];
        match self.receiver.recv(&mut news).await {
            Ok(NEWS_BYTES) => {
                let (account, modseq) = news.split_at(8);
                let eight = |bytes: &[u8]| bytes.first_chunk::<8>().map_or(0, |eight| u64::from_be_bytes(*eight));
                self.tell(AccountId::from_i64(eight(account).cast_signed()), eight(modseq));
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the feed cannot be read");
                tokio::time::sleep(FOLDER_SETTLES).await;
            }
        }
    }

    /// Wakes who waits in this process.
    pub fn tell(&self, account: AccountId, modseq: u64) {
        if let Some(watcher) = self.watchers().get(&account) {
            watcher.send_if_modified(|seen| {
                let is_news = modseq > *seen;
                *seen = modseq.max(*seen);
                is_news
            });
        }
    }

    pub fn subscribe(&self, account: AccountId) -> watch::Receiver<u64> {
        self.watchers().entry(account).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// The accounts that somebody here waits for; forgets the others.
    pub fn awaited(&self) -> Vec<AccountId> {
        let mut watchers = self.watchers();
        watchers.retain(|_, watcher| watcher.receiver_count() > 0);
        watchers.keys().copied().collect()
    }

    fn watchers(&self) -> std::sync::MutexGuard<'_, HashMap<AccountId, watch::Sender<u64>>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        drop(remove_if_there(&self.folder.path.join(&self.name)));
    }
}
