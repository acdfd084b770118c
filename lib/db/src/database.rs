// SPDX-License-Identifier: AGPL-3.0-or-later
//! An open database: readers, and one writer that commits together what waits together.
//!
//! # Group commit
//!
//! A write is a job in a queue. The first job that finds nobody working takes a blocking thread and
//! becomes the worker: it takes what waits, begins a transaction behind the fair lock, runs each job
//! in a savepoint of its own (a bad job fails alone), commits once and only then lets the jobs
//! answer. Jobs that came meanwhile are the next round. So an idle database has no thread, a single
//! write costs one commit, and a hundred at once cost a few.
//!
//! One round holds the lock for at most [`HOLD_MAX`], so that a bulk writer in one process does not
//! starve an interactive one in another.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hearth_types::{Clock, Secret};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::migrate::{self, Migration};
use crate::news::Listener;
use crate::postgres::Server;
use crate::sqlite::{self, Access, FairLock};
use crate::tx::{Arm, Tx};

/// Where a database is.
#[derive(Clone, Debug)]
pub enum Source {
    /// One file; its folder must be there.
    Sqlite(PathBuf),
    /// One schema of a PostgreSQL database (`postgres://user:password@host:port/name`).
    Postgres {
        /// Where the server is and who we are there.
        url: Secret<String>,
        /// The schema that holds our tables.
        schema: String,
    },
}

/// When a write is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Committed: seen by all, survives a crash of the process; a power cut before the next sync
    /// undoes it. [`Database::sync_log`] makes it durable. On PostgreSQL the same as `Synced`.
    Committed,
    /// Synced to disk before the write is answered.
    Synced,
}

/// How long one round of writes may hold the lock.
pub const HOLD_MAX: Duration = Duration::from_millis(20);
/// Reading connections that are kept open when idle.
const READERS_IDLE_MAX: usize = 2;

/// An open database; cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    engine: Arms,
    queue: Mutex<Queue>,
}

enum Arms {
    Sqlite(Box<OneFile>),
    Postgres(Server),
}

/// A SQLite file with its connections.
struct OneFile {
    path: PathBuf,
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Option<Connection>>,
    lock: FairLock,
}

impl OneFile {
    fn open(path: &Path) -> Result<Self> {
        let failed = |cause: &dyn ToString| Error::Open { place: path.display().to_string(), cause: cause.to_string() };
        let lock = FairLock::beside(path).map_err(|e| failed(&e))?;
        let mut writer = None;
        if !sqlite::has_write_ahead_log(path) {
            let _held = lock.hold()?;
            writer = Some(sqlite::open(path, Access::Write)?);
        }
        Ok(Self { path: path.to_path_buf(), readers: Mutex::default(), writer: Mutex::new(writer), lock })
    }
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    working: bool,
}

/// Takes the transaction, or why there is none.
type Work = Box<dyn FnOnce(Result<&mut Tx<'_>>) -> Finish + Send>;

struct Job {
    durability: Durability,
    /// Runs in the transaction, or learns that there is none.
    run: Work,
}

/// What a job leaves behind: whether to keep what it did, and how to answer when that is known.
struct Finish {
    keep: bool,
    answer: Box<dyn FnOnce(Result<()>) + Send>,
}

impl Database {
    /// Opens (or makes) a database and applies the steps that it lacks. Blocks: call it before the
    /// runtime is busy, or on a blocking thread; PostgreSQL needs a runtime to be entered.
    pub fn open(source: &Source, steps: &'static [Migration]) -> Result<Self> {
        let engine = match source {
            Source::Sqlite(path) => Arms::Sqlite(Box::new(OneFile::open(path)?)),
            Source::Postgres { url, schema } => Arms::Postgres(Server::connect(url, schema)?),
        };
        let database = Self(Arc::new(Inner { engine, queue: Mutex::default() }));
        database.bring_up_to_date(steps)?;
        Ok(database)
    }

    fn bring_up_to_date(&self, steps: &'static [Migration]) -> Result<()> {
        let place = self.place();
        let newest = steps.last().map_or(0, |step| step.version);
        let found = self.read_now(|tx| {
            let found = migrate::newest_applied(tx)?;
            if found.is_some_and(|found| found > newest) {
                migrate::refuse_newer(tx, &place, steps)?;
            }
            Ok::<_, Error>(found)
        })?;
        if found.is_none_or(|found| found < newest) {
            self.write_now(Durability::Synced, |tx| migrate::apply(tx, &place, steps, Clock::system().now()))?;
        }
        Ok(())
    }

    /// What to call it in a message to a person.
    pub fn place(&self) -> String {
        match &self.0.engine {
            Arms::Sqlite(file) => file.path.display().to_string(),
            Arms::Postgres(_) => "the PostgreSQL database".to_string(),
        }
    }

    /// Reads one snapshot, on a blocking thread.
    pub async fn read<T, E>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let database = self.clone();
        tokio::task::spawn_blocking(move || database.read_now(work)).await.unwrap_or_else(|_| Err(E::from(Error::Gone)))
    }

    /// Reads a few rows where it is asked: SQLite on the caller's thread, for a keyed read takes less time than the way to
    /// another thread and back, and waits for no writer. What reads many rows belongs into [`Database::read`].
    pub async fn look<T, E>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &self.0.engine {
            Arms::Sqlite(_) => self.read_now(work),
            Arms::Postgres(_) => self.read(work).await,
        }
    }

    /// Writes, together with whatever else waits; answers when it is as durable as was asked. The
    /// job takes its place in the queue when this is called, not when the answer is awaited: writes of
    /// one caller happen in the order of the calls. Needs a tokio runtime to be entered.
    pub fn write<T, E>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> impl Future<Output = Result<T, E>> + Send + 'static
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let run = Box::new(move |tx: Result<&mut Tx<'_>>| {
            let done = tx.map_err(E::from).and_then(|tx| tx.savepoint(work));
            let keep = done.is_ok();
            // The receiver may be gone: a client that hung up. What it asked for is done all the same.
            let answer = Box::new(move |committed: Result<()>| {
                // A job that failed says why itself.
                drop(sender.send(match (done, committed) {
                    (Ok(value), Ok(())) => Ok(value),
                    (Ok(_), Err(error)) => Err(E::from(error)),
                    (Err(error), _) => Err(error),
                }));
            });
            Finish { keep, answer }
        });
        let take_up_work = {
            let mut queue = self.queue();
            queue.waiting.push_back(Job { durability, run });
            !std::mem::replace(&mut queue.working, true)
        };
        if take_up_work {
            let database = self.clone();
            tokio::task::spawn_blocking(move || database.work());
        }
        async move { receiver.await.unwrap_or_else(|_| Err(E::from(Error::Gone))) }
    }

    /// Rounds of writing until nothing waits.
    fn work(&self) {
        struct StandDown<'a>(&'a Database);
        impl Drop for StandDown<'_> {
            // Reached by a panic in a job alone: its round is told, and who came meanwhile gets another worker.
            fn drop(&mut self) {
                let mut queue = self.0.queue();
                queue.working = !queue.waiting.is_empty();
                if queue.working {
                    let database = self.0.clone();
                    tokio::task::spawn_blocking(move || database.work());
                }
            }
        }
        let guard = StandDown(self);
        loop {
            let jobs = {
                let mut queue = self.queue();
                if queue.waiting.is_empty() {
                    queue.working = false;
                    std::mem::forget(guard);
                    return;
                }
                std::mem::take(&mut queue.waiting)
            };
            self.round(jobs);
        }
    }

    /// Runs as many jobs as fit into [`HOLD_MAX`] in one transaction; puts the others back in front.
    fn round(&self, mut jobs: VecDeque<Job>) {
        let durability = jobs.iter().map(|job| job.durability).max().unwrap_or(Durability::Synced);
        let begun = Instant::now();
        let mut finishes = Vec::with_capacity(jobs.len());
        let committed = self.transact(durability, |tx| {
            while let Some(job) = jobs.pop_front() {
                finishes.push((job.run)(Ok(&mut *tx)));
                // A full disk may have ended the transaction (SQLite does so by itself): then nothing of this round is kept.
                tx.must_be_open()?;
                if begun.elapsed() >= HOLD_MAX {
                    break;
                }
            }
            Ok(finishes.iter().any(|finish| finish.keep))
        });
        let failed = committed.err();
        if let Some(error) = &failed {
            tracing::warn!(database = self.place(), %error, "a round of writes failed");
            if finishes.is_empty() {
                // It never began (the server is away, the lock file cannot be had): those who wait learn why.
                finishes.extend(jobs.drain(..).map(|job| (job.run)(Err(error.repeat()))));
            }
        }
        for finish in finishes {
            (finish.answer)(failed.as_ref().map_or(Ok(()), |error| Err(error.repeat())));
        }
        let mut queue = self.queue();
        while let Some(job) = jobs.pop_back() {
            queue.waiting.push_front(job);
        }
    }

    /// One transaction; `work` says whether there is anything to keep.
    fn transact(&self, durability: Durability, work: impl FnOnce(&mut Tx<'_>) -> Result<bool>) -> Result<()> {
        match &self.0.engine {
            Arms::Sqlite(file) => {
                let OneFile { path, writer, lock, .. } = &**file;
                let mut writer = lock_of(writer);
                let _held = lock.hold()?;
                let connection = match writer.take() {
                    Some(connection) => connection,
                    None => sqlite::open(path, Access::Write)?,
                };
                sqlite::set_synced(&connection, durability == Durability::Synced)?;
                connection.execute_batch("BEGIN IMMEDIATE")?;
                let done = work(&mut Tx { arm: Arm::Sqlite(&connection) })
                    .and_then(|keep| connection.execute_batch(if keep { "COMMIT" } else { "ROLLBACK" }).map_err(Error::from));
                if done.is_err() && !connection.is_autocommit() {
                    connection.execute_batch("ROLLBACK")?;
                }
                *writer = Some(connection);
                done
            }
            Arms::Postgres(server) => {
                let mut session = server.begin(false)?;
                let keep = work(&mut Tx { arm: Arm::Postgres(&mut session) });
                match keep {
                    Ok(true) => session.commit(),
                    Ok(false) => session.rollback(),
                    Err(error) => {
                        session.rollback()?;
                        Err(error)
                    }
                }
            }
        }
    }

    /// Reads one snapshot on this thread, which must be allowed to block.
    pub fn read_now<T, E: From<Error>>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        match &self.0.engine {
            Arms::Sqlite(file) => {
                let OneFile { path, readers, .. } = &**file;
                let idle = lock_of(readers).pop();
                let connection = match idle {
                    Some(connection) => connection,
                    None => sqlite::open(path, Access::Read)?,
                };
                connection.execute_batch("BEGIN").map_err(Error::from)?;
                let done = work(&mut Tx { arm: Arm::Sqlite(&connection) });
                // Some failures end the transaction by themselves; what failed is told, not that.
                if !connection.is_autocommit() {
                    connection.execute_batch("COMMIT").map_err(Error::from)?;
                }
                let mut readers = lock_of(readers);
                if readers.len() < READERS_IDLE_MAX {
                    readers.push(connection);
                }
                done
            }
            Arms::Postgres(server) => {
                let mut session = server.begin(true)?;
                let done = work(&mut Tx { arm: Arm::Postgres(&mut session) });
                session.rollback()?;
                done
            }
        }
    }

    /// Writes on this thread, which must be allowed to block, in a transaction of its own.
    pub fn write_now<T, E: From<Error>>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut result = None;
        self.transact(durability, |tx| {
            let done = work(tx);
            let keep = done.is_ok();
            result = Some(done);
            Ok(keep)
        })?;
        result.unwrap_or_else(|| Err(E::from(Error::Gone)))
    }

    /// Makes durable what was written with [`Durability::Committed`]. Blocks for one sync.
    pub fn sync_log(&self) -> Result<()> {
        match &self.0.engine {
            Arms::Sqlite(file) => sqlite::sync_log(&file.path),
            Arms::Postgres(_) => Ok(()),
        }
    }

    /// Tells whoever listens to this schema, on whichever machine; at most [`NEWS_BYTES_MAX`](crate::NEWS_BYTES_MAX)
    /// bytes. On SQLite there is no other machine.
    pub async fn tell(&self, news: String) -> Result<()> {
        match &self.0.engine {
            Arms::Sqlite(_) => Ok(()),
            Arms::Postgres(server) => server.tell(news).await,
        }
    }

    /// Hears what is told from now on; `None` on SQLite.
    pub async fn listen(&self) -> Result<Option<Listener>> {
        match &self.0.engine {
            Arms::Sqlite(_) => Ok(None),
            Arms::Postgres(server) => server.listen().await.map(Some),
        }
    }

    /// Closes the idle connections; the next use opens them again.
    pub fn rest(&self) {
        if let Arms::Sqlite(file) = &self.0.engine {
            let OneFile { readers, writer, .. } = &**file;
            lock_of(readers).clear();
            if let Ok(mut writer) = writer.try_lock() {
                *writer = None;
            }
        }
    }

    /// A copy of the whole database as one file, taken while it is in use (SQLite only).
    pub fn copy_to(&self, target: &Path) -> Result<()> {
        match &self.0.engine {
            Arms::Sqlite(file) => {
                let path = &file.path;
                let connection = sqlite::open(path, Access::Write)?;
                connection.execute("VACUUM INTO ?1", [target.to_string_lossy()])?;
                Ok(())
            }
            Arms::Postgres(_) => {
                Err(Error::Open { place: self.place(), cause: "use pg_dump to copy a PostgreSQL database".into() })
            }
        }
    }

    /// Looks through the whole file; what is wrong with it, if anything is (SQLite; a server looks after itself).
    pub async fn check(&self) -> Result<Option<String>> {
        if matches!(self.0.engine, Arms::Postgres(_)) {
            return Ok(None);
        }
        let says: Vec<String> = self.read(|tx| tx.query("PRAGMA quick_check", &[], |row| row.get(0))).await?;
        Ok((says != ["ok"]).then(|| says.join(" ")))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock_of(&self.0.queue)
    }
}

/// What a panic left behind a lock here is whole: each critical section is one move.
fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Error {
    /// The same failure for each job of a round.
    fn repeat(&self) -> Self {
        match self {
            Self::Full => Self::Full,
            other if other.is_full() => Self::Full,
            Self::Gone => Self::Gone,
            other => Self::Io(std::io::Error::other(other.to_string())),
        }
    }
}
