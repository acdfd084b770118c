// SPDX-License-Identifier: AGPL-3.0-or-later
//! The journal: accepted mail of all accounts, one sync for all that waits together.
//!
//! A delivery is appended to the newest *segment* (`DIR/mail/journal/<number>.log`) and synced with all
//! others that wait; then each copy is committed to its account's database without a sync; then it is
//! answered. A segment that is full or old is closed, and removed when every copy in it is committed
//! and the databases that got one are synced. At start what is left of segments is replayed: an
//! account that has the delivery's id already skips it.
//!
//! On a slow disk the sync is all that counts: eight databases cannot share one, the journal can.
//!
//! What fails *before* the sync fails the delivery (and the segment is cut back to where it was). What
//! fails after it (the account's database has no room left) does not: the mail is durable, and the
//! account is given it as soon as it takes it.

mod frame;

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hearth_db::{Database, Durability};
use hearth_types::{AccountId, Timestamp};
use tokio::sync::oneshot;

use crate::account::{Account, remove_if_there, sync_folder};
use crate::body::PackedData;
use crate::delivery::{self, Accepted, Delivered};
use crate::error::{Error, Result};
use crate::limits::{
    BATCH_MAX, GATHER_MAX, GATHER_MIN, GATHER_PART, GATHER_STEP, RESERVE_BYTES, SEGMENT_AGE_MAX, SEGMENT_BYTES_MAX, WRITE_BYTES,
};
use crate::store::{Inner, Kept, Store};

/// The journal of the process that delivers.
pub(crate) struct Journal {
    folder: PathBuf,
    queue: Mutex<Queue>,
    rhythm: Mutex<Rhythm>,
    segment: Mutex<Option<Segment>>,
    closed: Mutex<Vec<Arc<Content>>>,
    /// Copies whose account could not take them yet.
    late: Mutex<Vec<Late>>,
    next_number: AtomicUsize,
    batches: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    working: bool,
}

/// What the last two batches were like.
#[derive(Default)]
struct Rhythm {
    mails: usize,
    mails_before: usize,
    took: Duration,
}

/// What is accepted or refused as one: a mail, and the copies of it that are not the same for everybody.
struct Waiting {
    all: Vec<Arc<Accepted>>,
    frames: Vec<Vec<u8>>,
    answer: oneshot::Sender<Result<Vec<Vec<Delivered>>>>,
}

/// The segment that is written to.
struct Segment {
    file: File,
    len: u64,
    opened_at: Timestamp,
    content: Arc<Content>,
}

/// How a segment ends that could not be read to its end.
const UNREAD: &str = "unread";

/// What must be durable elsewhere before a segment may go.
struct Content {
    path: PathBuf,
    pending: AtomicUsize,
    /// Something in it could not be read: it is kept aside, and the bodies that it names with it.
    unread: AtomicBool,
    accounts: Mutex<HashMap<AccountId, Arc<Account>>>,
    files: Mutex<Vec<PathBuf>>,
}

struct Late {
    accepted: Arc<Accepted>,
    copy: usize,
    content: Arc<Content>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    /// Opens the journal and replays what is in it. Blocks.
    pub fn open(inner: &Inner, folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let journal = Self {
            folder,
            queue: Mutex::default(),
            rhythm: Mutex::default(),
            segment: Mutex::default(),
            closed: Mutex::default(),
            late: Mutex::default(),
            next_number: AtomicUsize::new(1),
            batches: AtomicUsize::new(0),
        };
        journal.replay(inner)?;
        Ok(journal)
    }

    /// Batches that were written since it was opened, each with one sync.
    pub fn batches(&self) -> usize {
        self.batches.load(Ordering::Relaxed)
    }

    /// Where the body of a large mail is until its segment goes.
    pub fn body_path(&self, id: hearth_types::BlobId) -> PathBuf {
        self.folder.join(format!("{id}.body"))
    }

    fn segments(&self) -> Result<Vec<(usize, PathBuf)>> {
        let mut segments = Vec::new();
        for file in std::fs::read_dir(&self.folder)? {
            let path = file?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".log")?.parse().ok());
            segments.extend(number.map(|number| (number, path)));
        }
        segments.sort();
        Ok(segments)
    }

    fn replay(&self, inner: &Inner) -> Result<()> {
        let segments = self.segments()?;
        let mut whole = true;
        for (number, path) in &segments {
            self.next_number.fetch_max(number + 1, Ordering::Relaxed);
            let content = Arc::new(Content::new(path.clone()));
            let bytes = std::fs::read(path)?;
            let (all, unread) = frame::read_all(&bytes, &self.folder);
            content.unread.store(unread > 0, Ordering::Relaxed);
            for accepted in all {
                self.replay_one(inner, accepted, &content);
            }
            if content.pending.load(Ordering::Acquire) > 0 {
                whole = false;
                lock(&self.closed).push(content);
            } else {
                content.cut(&self.folder)?;
            }
        }
        let kept = std::fs::read_dir(&self.folder)?.map(|file| Ok(file?.path())).collect::<Result<Vec<PathBuf>>>()?;
        let is_unread = |path: &PathBuf| path.extension().is_some_and(|extension| extension == UNREAD);
        if whole && !kept.iter().any(is_unread) {
            // Bodies of deliveries that never came to be.
            for path in kept {
                if path.extension().is_some_and(|extension| extension == "body") {
                    remove_if_there(&path)?;
                }
            }
        }
        Ok(())
    }

    fn replay_one(&self, inner: &Inner, accepted: Accepted, content: &Arc<Content>) {
        let accepted = Arc::new(accepted);
        content.keep_file(&accepted);
        for (index, copy) in accepted.copies.iter().enumerate() {
            let id = copy.recipient.account;
            if !inner.has_folder(id) {
                tracing::info!(account = %id, delivery = accepted.id, "mail in the journal for an account that is gone");
                continue;
            }
            let done = inner.open_account(id).and_then(|account| {
                content.touch(&account);
                let now = inner.now();
                account.database.write_now(Durability::Committed, |tx| {
                    let mut tx = crate::tx::MailTx::new(tx, &account, now);
                    let delivered = delivery::commit(&mut tx, &accepted, copy)?;
                    Ok::<_, Error>((delivered, tx.finish()?))
                })
            });
            match done {
                Ok((delivered, after)) => {
                    if !delivered.again {
                        tracing::info!(account = %id, delivery = accepted.id, "mail was taken from the journal");
                    }
                    if let Some(modseq) = after.modseq {
                        inner.feed.publish(id, modseq);
                    }
                }
                Err(error) => {
                    tracing::error!(account = %id, delivery = accepted.id, %error, "mail waits in the journal");
                    content.pending.fetch_add(1, Ordering::AcqRel);
                    lock(&self.late).push(Late { accepted: accepted.clone(), copy: index, content: content.clone() });
                }
            }
        }
    }

    /// Appends deliveries, in one batch and with all others that wait, and commits them. Called inside the runtime.
    pub async fn deliver(store: &Store, all: Vec<Accepted>) -> Result<Vec<Vec<Delivered>>> {
        let journal = store.journal()?;
        let frames = all.iter().map(frame::write).collect::<Result<Vec<_>>>()?;
        let all = all.into_iter().map(Arc::new).collect();
        let (answer, answered) = oneshot::channel();
        let take_up_work = {
            let mut queue = lock(&journal.queue);
            queue.waiting.push_back(Waiting { all, frames, answer });
            !std::mem::replace(&mut queue.working, true)
        };
        if take_up_work {
            let store = store.clone();
            tokio::task::spawn_blocking(move || Self::work(&store));
        }
        answered.await.unwrap_or(Err(Error::Gone))
    }

    /// Batches until nothing waits.
    fn work(store: &Store) {
        struct StandDown<'a>(&'a Journal);
        impl Drop for StandDown<'_> {
            // Reached by a panic too: those that wait are told, and the next delivery begins anew.
            fn drop(&mut self) {
                let mut queue = lock(&self.0.queue);
                queue.working = false;
                queue.waiting.clear();
            }
        }
        let Ok(journal) = store.journal() else { return };
        let guard = StandDown(journal);
        loop {
            journal.gather();
            let batch: Vec<Waiting> = {
                let mut queue = lock(&journal.queue);
                if queue.waiting.is_empty() {
                    queue.working = false;
                    std::mem::forget(guard);
                    return;
                }
                let count = queue.waiting.len().min(BATCH_MAX);
                queue.waiting.drain(..count).collect()
            };
            let begun = Instant::now();
            let appended = journal.append(&batch, store.inner().now());
            journal.remember(batch.len(), begun.elapsed());
            match appended {
                Ok(content) => batch.into_iter().for_each(|waiting| journal.commit(store, waiting, &content)),
                Err(error) => {
                    tracing::warn!(%error, "mail cannot be journalled");
                    batch.into_iter().for_each(|waiting| drop(waiting.answer.send(Err(repeat(&error)))));
                }
            }
        }
    }

    /// On a disk whose syncs are slow, those who were answered just now soon come again: a short wait lets them ride
    /// along instead of making two half batches that take turns. Who delivers alone never waits.
    fn gather(&self) {
        let (expected, wait) = {
            let rhythm = lock(&self.rhythm);
            (rhythm.mails + rhythm.mails_before, rhythm.took / GATHER_PART)
        };
        if expected <= 2 || wait < GATHER_MIN {
            return;
        }
        let until = Instant::now() + wait.min(GATHER_MAX);
        while Instant::now() < until && (1..expected).contains(&lock(&self.queue).waiting.len()) {
            std::thread::sleep(GATHER_STEP);
        }
    }

    fn remember(&self, mails: usize, took: Duration) {
        let mut rhythm = lock(&self.rhythm);
        *rhythm = Rhythm { mails, mails_before: rhythm.mails, took };
    }

    /// Writes and syncs a batch; on failure nothing of it is left.
    fn append(&self, batch: &[Waiting], now: Timestamp) -> Result<Arc<Content>> {
        let frames = || batch.iter().flat_map(|waiting| &waiting.frames);
        let len: u64 = frames().map(|frame| frame.len() as u64).sum();
        let all = || batch.iter().flat_map(|waiting| &waiting.all);
        // A journal that is full to the last byte could not be emptied: its mail needs room in the mailboxes too.
        let space = rustix::fs::statvfs(&self.folder).map_err(std::io::Error::from)?;
        if space.f_bavail.saturating_mul(space.f_frsize) < RESERVE_BYTES.saturating_add(2 * len) {
            return Err(Error::Full);
        }
        let mut current = lock(&self.segment);
        if current.as_ref().is_some_and(|segment| segment.is_done(now)) {
            self.close(&mut current);
        }
        if current.is_none() {
            *current = Some(self.new_segment(now)?);
        }
        if all().any(|accepted| matches!(accepted.packed.data, PackedData::File(_))) {
            // The file has been synced; its name is before the frame that says it.
            sync_folder(&self.folder)?;
        }
        let Some(segment) = current.as_mut() else { return Err(Error::Gone) };
        let written = write_frames(&segment.file, frames()).and_then(|()| segment.file.sync_data());
        if let Err(error) = written {
            // Back to where it was; if that fails too, a torn frame at the end is harmless, and nothing is added after it.
            if segment.file.set_len(segment.len).and_then(|()| segment.file.sync_data()).is_err() {
                self.close(&mut current);
            }
            return Err(error.into());
        }
        segment.len += len;
        self.batches.fetch_add(1, Ordering::Relaxed);
        let copies = all().map(|accepted| accepted.copies.len()).sum();
        segment.content.pending.fetch_add(copies, Ordering::AcqRel);
        all().for_each(|accepted| segment.content.keep_file(accepted));
        Ok(segment.content.clone())
    }

    fn new_segment(&self, now: Timestamp) -> Result<Segment> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{number:016}.log"));
        let file = File::options().append(true).create_new(true).open(&path)?;
        sync_folder(&self.folder)?;
        Ok(Segment { file, len: 0, opened_at: now, content: Arc::new(Content::new(path)) })
    }

    fn close(&self, current: &mut Option<Segment>) {
        lock(&self.closed).extend(current.take().map(|segment| segment.content));
    }

    /// Gives journalled deliveries to their accounts, in the order of the journal, and answers when they have them.
    fn commit(&self, store: &Store, waiting: Waiting, content: &Arc<Content>) {
        let Waiting { all, answer, .. } = waiting;
        let mut commits = Vec::new();
        for accepted in &all {
            for (index, copy) in accepted.copies.iter().enumerate() {
                commits.push(store.inner().open_account(copy.recipient.account).map(|account| {
                    content.touch(&account);
                    let job = accepted.clone();
                    store.write_in(account, Kept::ByJournal, move |tx| match job.copies.get(index) {
                        Some(copy) => delivery::commit(tx, &job, copy),
                        None => Err(Error::Gone),
                    })
                }));
            }
        }
        let (store, content) = (store.clone(), content.clone());
        tokio::spawn(async move {
            let (mut delivered, mut commits) = (Vec::with_capacity(all.len()), commits.into_iter());
            for accepted in &all {
                let mut each = Vec::with_capacity(accepted.copies.len());
                for (index, (copy, commit)) in accepted.copies.iter().zip(commits.by_ref()).enumerate() {
                    let done = match commit {
                        Ok(commit) => commit.await,
                        Err(error) => Err(error),
                    };
                    each.push(match done {
                        Ok(done) => {
                            content.pending.fetch_sub(1, Ordering::AcqRel);
                            done
                        }
                        Err(error) => put_off(&store, accepted, (index, copy), &content, &error),
                    });
                }
                delivered.push(each);
            }
            // The sender may have hung up; the mail is here all the same.
            drop(answer.send(Ok(delivered)));
        });
    }

    /// Is there anything to do later?
    pub fn has_work(&self) -> bool {
        lock(&self.segment).is_some() || !lock(&self.closed).is_empty() || !lock(&self.late).is_empty()
    }

    /// Tries again what an account could not take. Inside the runtime.
    pub async fn commit_late(store: &Store) {
        let Ok(journal) = store.journal() else { return };
        let late = std::mem::take(&mut *lock(&journal.late));
        for late in late {
            let job = late.accepted.clone();
            let Some(account) = late.accepted.copies.get(late.copy).map(|copy| copy.recipient.account) else { continue };
            let index = late.copy;
            let done = store.write(account, Durability::Synced, move |tx| match job.copies.get(index) {
                Some(copy) => delivery::commit(tx, &job, copy),
                None => Err(Error::Gone),
            });
            match done.await {
                Ok(_) => {
                    // One that could not be opened before was not noted: what it has now is synced before the segment goes.
                    match store.inner().open_account(account) {
                        Ok(open) => {
                            late.content.touch(&open);
                            late.content.pending.fetch_sub(1, Ordering::AcqRel);
                        }
                        Err(_) => lock(&journal.late).push(late),
                    }
                }
                Err(_) => lock(&journal.late).push(late),
            }
        }
    }

    /// Removes the segments whose mail is committed everywhere, after syncing where it went. With
    /// `all`, closes the one that is written to first. Blocks.
    pub fn cut(&self, now: Timestamp, all: bool) -> Result<()> {
        {
            let mut current = lock(&self.segment);
            if current.as_ref().is_some_and(|segment| all || segment.is_done(now)) {
                self.close(&mut current);
            }
        }
        let closed = std::mem::take(&mut *lock(&self.closed));
        for content in closed {
            if content.pending.load(Ordering::Acquire) > 0 {
                lock(&self.closed).push(content);
            } else if let Err(error) = content.cut(&self.folder) {
                tracing::warn!(%error, "a journal segment stays for now");
                lock(&self.closed).push(content);
            }
        }
        Ok(())
    }
}

impl Segment {
    fn is_done(&self, now: Timestamp) -> bool {
        self.len >= SEGMENT_BYTES_MAX || now.since(self.opened_at) >= SEGMENT_AGE_MAX
    }
}

impl Content {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            pending: AtomicUsize::new(0),
            unread: AtomicBool::new(false),
            accounts: Mutex::default(),
            files: Mutex::default(),
        }
    }

    fn touch(&self, account: &Arc<Account>) {
        lock(&self.accounts).entry(account.id).or_insert_with(|| account.clone());
    }

    /// A large body stays in the journal's folder as long as the segment that names it.
    fn keep_file(&self, accepted: &Accepted) {
        if let PackedData::File(file) = &accepted.packed.data {
            file.keep();
            lock(&self.files).push(file.path().to_path_buf());
        }
    }

    fn cut(&self, folder: &Path) -> Result<()> {
        let has_files = !lock(&self.files).is_empty();
        for account in lock(&self.accounts).values() {
            account.database.sync_log()?;
            if has_files {
                match account.sync_blobs() {
                    // Its account was removed meanwhile.
                    Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
                    done => done?,
                }
            }
        }
        if self.unread.load(Ordering::Relaxed) {
            let kept = self.path.with_extension(UNREAD);
            tracing::error!(path = %kept.display(), "a delivery in this journal segment could not be read: it is kept aside");
            std::fs::rename(&self.path, kept)?;
            return sync_folder(folder);
        }
        remove_if_there(&self.path)?;
        if has_files {
            // The names go after the segment that needs them has gone for good.
            sync_folder(folder)?;
        }
        lock(&self.files).iter().try_for_each(|path| remove_if_there(path))
    }
}

/// The mail is durable, and its account cannot take it now.
fn put_off(
    store: &Store,
    accepted: &Arc<Accepted>,
    (index, copy): (usize, &delivery::Copy),
    content: &Arc<Content>,
    error: &Error,
) -> Delivered {
    tracing::error!(account = %copy.recipient.account, delivery = accepted.id, %error, "mail waits in the journal");
    if let Ok(journal) = store.journal() {
        lock(&journal.late).push(Late { accepted: accepted.clone(), copy: index, content: content.clone() });
    }
    Delivered { id: copy.message, place: None, again: false }
}

/// One behind the other, in a few large writes.
fn write_frames<'f>(file: &File, mut frames: impl Iterator<Item = &'f Vec<u8>>) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(WRITE_BYTES, file);
    match frames.try_for_each(|frame| out.write_all(frame)).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) => {
            // What was not written stays so: dropped, it would be written behind what is cut off now.
            drop(out.into_parts());
            Err(error)
        }
    }
}

/// The same failure for each of a batch.
fn repeat(error: &Error) -> Error {
    match error {
        Error::Full => Error::Full,
        other => Error::Io(std::io::Error::other(other.to_string())),
    }
}

/// On PostgreSQL there is no journal: all copies in one transaction.
pub(crate) fn deliver_at_once(inner: &Inner, database: &Database, all: &[Accepted]) -> Result<Vec<Vec<Delivered>>> {
    let mut accounts = HashMap::new();
    let mut order = Vec::new();
    for (number, accepted) in all.iter().enumerate() {
        for copy in &accepted.copies {
            let id = copy.recipient.account;
            accounts.insert(id, inner.open_account(id)?);
            order.push((number, accepted, copy));
        }
    }
    let places: Vec<usize> = order.iter().map(|(number, ..)| *number).collect();
    let mut order: Vec<_> = order.into_iter().enumerate().collect();
    // Always locked in the same order: two deliveries to the same people do not wait for each other in a ring.
    order.sort_by_key(|(_, (_, _, copy))| copy.recipient.account);
    let now = inner.now();
    let mut done = database.write_now(Durability::Synced, |tx| {
        let mut done = Vec::with_capacity(order.len());
        for (place, (_, accepted, copy)) in &order {
            let account = accounts.get(&copy.recipient.account).ok_or(Error::Gone)?;
            crate::store::lock_account(tx, account.id)?;
            let mut tx = crate::tx::MailTx::new(tx, account, now);
            let delivered = delivery::commit(&mut tx, accepted, copy)?;
            if matches!(accepted.packed.data, PackedData::File(_)) {
                account.sync_blobs()?;
            }
            done.push((*place, account.id, delivered, tx.finish()?));
        }
        Ok::<_, Error>(done)
    })?;
    done.sort_by_key(|one| one.0);
    let mut delivered: Vec<Vec<Delivered>> = all.iter().map(|_| Vec::new()).collect();
    for ((_, account, one, after), number) in done.into_iter().zip(places) {
        if let Some(modseq) = after.modseq {
            inner.feed.publish(account, modseq);
        }
        delivered.get_mut(number).ok_or(Error::Gone)?.push(one);
    }
    Ok(delivered)
}
