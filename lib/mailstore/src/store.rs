// SPDX-License-Identifier: AGPL-3.0-or-later
//! The store of a process: open accounts, transactions, what is done in the background.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use hearth_db::{Database, Durability, Source, Tx};
use hearth_types::{AccountId, BlobId, Clock, MessageId, Secret, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::account::{self, Account, remove_if_there};
use crate::body::{self, Body, Content, PackedData};
use crate::delivery::{self, Accepted, Delivered, Delivery, Recipient, Refusal};
use crate::error::{Error, Result};
use crate::feed::{Feed, far};
use crate::journal::{self, Journal};
use crate::limits::{ACCOUNT_IDLE_MAX, FEED_TIMER, HOUSEKEEPING, INDEX_DELAY, OPEN_ACCOUNTS_MAX, SYNC_DELAY};
use crate::message::Prepared;
use crate::tx::{After, MailTx};
use crate::{blob, changes, lesson, limits, memory, message, quota, schema, search, snooze};

/// Where rows live. Journal, large bodies and the feed are in the data directory on both.
#[derive(Clone, Debug)]
pub enum Backend {
    /// One database per account, below `DIR/mail`.
    Sqlite,
    /// One schema for all accounts.
    Postgres {
        /// Where the server is and who we are there.
        url: Secret<String>,
        /// The schema, `mail` outside of tests.
        schema: String,
    },
}

/// What a process says when it opens the store.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The data directory (DIR), not DIR/mail.
    pub dir: PathBuf,
    /// Which engine.
    pub backend: Backend,
    /// The process: `smtp`, `imap`, `jmap`. Names the feed socket.
    pub process: String,
    /// Where time comes from.
    pub clock: Clock,
    /// Bytes that an account may keep when nothing else was said for it; `None`: any number.
    pub quota_bytes: Option<u64>,
    /// Only hearth-smtp: open the journal, replay it, take deliveries.
    pub delivers: bool,
}

/// The mail of all accounts; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

pub(crate) struct Inner {
    config: StoreConfig,
    mail: PathBuf,
    shared: Option<Database>,
    boot: i64,
    accounts: Mutex<HashMap<AccountId, Arc<Account>>>,
    /// Held while an account is opened: it has one writer's queue per process.
    opening: Mutex<()>,
    pub feed: Arc<Feed>,
    journal: OnceLock<Journal>,
    later: Mutex<Later>,
    wake: Arc<Notify>,
    /// Ended with the store.
    tasks: Mutex<Vec<AbortHandle>>,
}

/// What the background does.
#[derive(Default)]
struct Later {
    sync: HashMap<AccountId, Arc<Account>>,
    index: HashSet<AccountId>,
}

/// What keeps a write, should the power go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is synced when it is answered.
    Now,
    /// It is synced within a second.
    Soon,
    /// The journal has it, synced, until the database is synced for the journal's sake.
    ByJournal,
}

impl Kept {
    const fn durability(self) -> Durability {
        match self {
            Self::Now => Durability::Synced,
            Self::Soon | Self::ByJournal => Durability::Committed,
        }
    }
}

impl From<Durability> for Kept {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Synced => Self::Now,
            Durability::Committed => Self::Soon,
        }
    }
}

/// An error of the caller, or one of the database that the caller's type does not know.
enum Outcome<E> {
    Theirs(E),
    Db(hearth_db::Error),
}

impl<E> From<hearth_db::Error> for Outcome<E> {
    fn from(error: hearth_db::Error) -> Self {
        Self::Db(error)
    }
}

impl<E: From<Error>> Outcome<E> {
    fn into_theirs(self) -> E {
        match self {
            Self::Theirs(error) => error,
            Self::Db(error) => E::from(Error::from(error)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// On PostgreSQL: nobody else changes the account until this transaction ends, so that what it reads
/// first is still so when it writes.
pub(crate) fn lock_account(tx: &mut Tx<'_>, account: AccountId) -> hearth_db::Result<()> {
    if tx.engine() == hearth_db::Engine::Postgres {
        tx.execute("SELECT modseq FROM account WHERE account = $1 FOR UPDATE", &[&account])?;
    }
    Ok(())
}

/// Work that blocks, on a thread for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Gone))
}

/// A write under way: what the caller's work gave, and what is left to do after the commit.
type Written<T, E> = Pin<Box<dyn Future<Output = Result<(T, After), Outcome<E>>> + Send>>;

impl Store {
    /// Opens the store: makes folders, binds the feed socket, and (with `delivers`) replays the
    /// journal. Call it inside the tokio runtime, once per process.
    pub async fn open(config: StoreConfig) -> Result<Self> {
        let inner = blocking(move || Inner::open(config)).await?;
        let store = Self(Arc::new(inner));
        let feed = store.0.feed.clone();
        let listening = tokio::spawn(async move {
            loop {
                feed.receive().await;
            }
        });
        let looking_after = tokio::spawn(look_after(Arc::downgrade(&store.0), store.0.wake.clone()));
        let mut tasks = vec![listening.abort_handle(), looking_after.abort_handle()];
        if let Some(database) = &store.0.shared {
            let (database, feed) = (database.clone(), store.0.feed.clone());
            tasks.push(tokio::spawn(far::hear(database.clone(), feed.clone())).abort_handle());
            tasks.push(tokio::spawn(far::tell(database, feed)).abort_handle());
        }
        lock(&store.0.tasks).extend(tasks);
        Ok(store)
    }

    /// Reads one snapshot of an account, on a blocking thread. An account that is new gets its six
    /// mailboxes first. `E` is the caller's error, made from ours by `From`.
    pub async fn read<T, E>(
        &self,
        account: AccountId,
        work: impl FnOnce(&mut MailTx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let inner = self.0.clone();
        let done = tokio::task::spawn_blocking(move || inner.read_now(account, work)).await;
        done.unwrap_or_else(|_| Err(E::from(Error::Gone)))
    }

    /// Changes an account. All that `work` does is kept, or nothing when it fails. Answers when it is
    /// as durable as asked: [`Durability::Committed`] for flags (synced within a second),
    /// [`Durability::Synced`] for all else.
    ///
    /// Whoever changes very many messages calls it for a few hundred at a time: one call holds the
    /// account's lock until it is done, and another process may be waiting for it.
    pub async fn write<T, E>(
        &self,
        account: AccountId,
        durability: Durability,
        work: impl FnOnce(&mut MailTx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let account = match self.0.find_open(account) {
            Some(open) => open,
            None => {
                let inner = self.0.clone();
                blocking(move || inner.open_account(account)).await?
            }
        };
        self.write_in(account, durability.into(), work).await
    }

    /// As [`Store::write`]; the place in the account's queue is taken now, not when the answer is awaited.
    pub(crate) fn write_in<T, E>(
        &self,
        account: Arc<Account>,
        kept: Kept,
        work: impl FnOnce(&mut MailTx<'_>) -> Result<T, E> + Send + 'static,
    ) -> impl Future<Output = Result<T, E>> + Send + 'static
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let inner = self.0.clone();
        let (place, now) = (account.clone(), inner.now());
        let durability = kept.durability();
        let job = move |tx: &mut Tx<'_>| {
            lock_account(tx, place.id)?;
            let mut tx = MailTx::new(tx, &place, now);
            let done = work(&mut tx).map_err(Outcome::Theirs)?;
            let after = tx.finish().map_err(|error| Outcome::Theirs(E::from(error)))?;
            Ok((done, after))
        };
        // A database of its own joins waiting writes into one commit. PostgreSQL does that itself, and
        // transactions of one account each cannot wait for each other in a ring.
        let written: Written<T, E> = if account.is_own_database {
            Box::pin(account.database.write(durability, job))
        } else {
            let database = account.database.clone();
            let task = tokio::task::spawn_blocking(move || database.write_now(durability, job));
            Box::pin(async move { task.await.unwrap_or(Err(Outcome::Db(hearth_db::Error::Gone))) })
        };
        async move {
            let (done, after) = written.await.map_err(Outcome::into_theirs)?;
            inner.after_write(account, kept, after);
            Ok(done)
        }
    }

    /// Mail on its way in. When it answers `Ok`, what was delivered is on disk for every recipient
    /// that got `Ok`; the outcomes are in the order of the recipients. An `Err` means nothing was
    /// accepted and nothing is left behind ([`Error::Full`]: 452 4.3.1). The same id again delivers nothing twice.
    pub async fn deliver(&self, delivery: Delivery) -> Result<Vec<Result<Delivered, Refusal>>> {
        self.deliver_all(vec![delivery]).await?.pop().ok_or(Error::Gone)
    }

    /// Several deliveries that are accepted as one, with one sync: a mail, and the copies of it that are not the same for
    /// everybody. As [`Store::deliver`], with the outcomes in the order of the deliveries.
    pub async fn deliver_all(&self, deliveries: Vec<Delivery>) -> Result<Vec<Vec<Result<Delivered, Refusal>>>> {
        let inner = self.0.clone();
        let accepting = move || {
            let mut taken = HashMap::new();
            deliveries.into_iter().map(|delivery| inner.accept(delivery, &mut taken)).collect::<Result<Vec<_>>>()
        };
        let (accepted, mut outcomes): (Vec<_>, Vec<_>) = blocking(accepting).await?.into_iter().unzip();
        let delivered = if accepted.iter().all(|one| one.copies.is_empty()) {
            Vec::new()
        } else if self.0.shared.is_some() {
            let inner = self.0.clone();
            blocking(move || {
                let database = inner.shared.as_ref().ok_or(Error::Gone)?;
                journal::deliver_at_once(&inner, database, &accepted)
            })
            .await?
        } else {
            Journal::deliver(self, accepted).await?
        };
        for (outcomes, delivered) in outcomes.iter_mut().zip(delivered) {
            let open = outcomes.iter_mut().filter(|outcome| outcome.is_none());
            open.zip(delivered).for_each(|(outcome, one)| *outcome = Some(Ok(one)));
        }
        outcomes.into_iter().map(|each| each.into_iter().collect::<Option<Vec<_>>>().ok_or(Error::Gone)).collect()
    }

    /// Batches that the journal of this process wrote, each with one sync; none on PostgreSQL.
    pub fn journal_batches(&self) -> usize {
        self.0.journal.get().map_or(0, Journal::batches)
    }

    /// The account's modseq as it grows, whoever changes it. The first value is the one now (0 until
    /// it is known).
    pub fn subscribe(&self, account: AccountId) -> watch::Receiver<u64> {
        let receiver = self.0.feed.subscribe(account);
        let store = self.clone();
        tokio::spawn(async move { store.tell_modseq(account).await });
        receiver
    }

    async fn tell_modseq(&self, account: AccountId) {
        match self.read(account, |tx| tx.modseq()).await {
            Ok(modseq) => self.0.feed.tell(account, modseq),
            Err(error) => tracing::warn!(%account, %error, "the modseq cannot be read"),
        }
    }

    /// Compresses a body and, when it is large, writes and syncs its file: done before
    /// [`message::append`](crate::message::append) so that no transaction waits for it.
    pub async fn prepare(&self, account: AccountId, content: Content) -> Result<Prepared> {
        let inner = self.0.clone();
        blocking(move || {
            let account = inner.open_account(account)?;
            let id = BlobId::new(inner.now());
            let (packed, parsed) = body::prepare(&content, b"", || account.blob_path(id))?;
            if matches!(packed.data, PackedData::File(_)) {
                account.sync_blobs()?;
            }
            Ok(Prepared { id, packed, parsed })
        })
        .await
    }

    /// Mails that the text index of an account does not know yet. An account that was never opened is not made by asking.
    pub async fn index_lag(&self, account: AccountId) -> Result<u64> {
        if self.0.shared.is_none() && !self.0.has_folder(account) {
            return Ok(0);
        }
        self.read(account, search::index_lag).await
    }

    /// Accounts that may have put mail off ([`snooze`]).
    pub async fn snoozers(&self) -> Result<Vec<AccountId>> {
        let folder = account::snoozed_folder(&self.0.mail);
        blocking(move || snooze::marked(&folder)).await
    }

    /// The body of a message, to be read in pieces.
    pub async fn body(&self, account: AccountId, message: MessageId) -> Result<Option<Body>> {
        self.read(account, move |tx| message::body(tx, message)).await
    }

    /// Removes all mail of an account: its folder, or its rows. Nobody may use it any more.
    pub async fn remove_account(&self, account: AccountId) -> Result<()> {
        let inner = self.0.clone();
        blocking(move || {
            lock(&inner.accounts).remove(&account);
            let mut later = lock(&inner.later);
            later.sync.remove(&account);
            later.index.remove(&account);
            drop(later);
            if let Some(database) = &inner.shared {
                database.write_now(Durability::Synced, |tx| remove_rows(tx, account))?;
            }
            Account::remove(&inner.mail, account)
        })
        .await
    }

    /// Syncs and closes everything. For a gentle stop, when no command is under way.
    pub async fn close(&self) -> Result<()> {
        self.sync_flags().await?;
        let inner = self.0.clone();
        blocking(move || {
            if let Some(journal) = inner.journal.get() {
                journal.cut(inner.now(), true)?;
            }
            lock(&inner.accounts).clear();
            Ok(())
        })
        .await
    }

    pub(crate) fn journal(&self) -> Result<&Journal> {
        self.0.journal.get().ok_or(Error::NoJournal)
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    async fn sync_flags(&self) -> Result<()> {
        let waiting = std::mem::take(&mut lock(&self.0.later).sync);
        if waiting.is_empty() {
            return Ok(());
        }
        let inner = self.0.clone();
        blocking(move || {
            for (id, account) in waiting {
                if let Err(error) = account.database.sync_log() {
                    tracing::warn!(account = %id, %error, "flags cannot be synced");
                    lock(&inner.later).sync.entry(id).or_insert(account);
                }
            }
            Ok(())
        })
        .await
    }

    /// Puts new mail into the text index.
    async fn index(&self) {
        let waiting = std::mem::take(&mut lock(&self.0.later).index);
        for account in waiting {
            if let Err(error) = self.read(account, search::catch_up).await {
                tracing::warn!(%account, %error, "mail cannot be indexed");
            }
        }
    }

    /// Forgets tombstones, delivery ids and uploads that are too old, in the accounts that are open.
    /// The store does it by itself every hour.
    pub async fn forget_old(&self) {
        let accounts: Vec<AccountId> = lock(&self.0.accounts).keys().copied().collect();
        let now = self.0.now();
        for account in accounts {
            let done = self.write(account, Durability::Committed, move |tx| {
                changes::forget(tx, now.before(limits::TOMBSTONES_KEPT))?;
                delivery::forget(tx, now.before(limits::DELIVERY_IDS_KEPT))?;
                memory::forget(tx)?;
                lesson::forget(tx)?;
                blob::expire(tx)
            });
            if let Err(error) = done.await {
                tracing::warn!(%account, %error, "old things cannot be forgotten");
            }
        }
    }
}

impl Inner {
    fn open(config: StoreConfig) -> Result<Self> {
        let mail = config.dir.join("mail");
        std::fs::create_dir_all(&mail)?;
        let shared = match &config.backend {
            Backend::Sqlite => None,
            Backend::Postgres { url, schema } => {
                let source = Source::Postgres { url: url.clone(), schema: schema.clone() };
                Some(Database::open(&source, schema::STEPS)?)
            }
        };
        let feed = Arc::new(Feed::open(&config.dir.join("run"), &config.process, shared.is_some())?);
        let inner = Self {
            boot: account::boot_number(),
            mail,
            shared,
            accounts: Mutex::default(),
            opening: Mutex::default(),
            feed,
            journal: OnceLock::new(),
            later: Mutex::default(),
            wake: Arc::default(),
            tasks: Mutex::default(),
            config,
        };
        if inner.config.delivers && inner.shared.is_none() {
            let journal = Journal::open(&inner, inner.mail.join("journal"))?;
            drop(inner.journal.set(journal));
        }
        Ok(inner)
    }

    pub fn now(&self) -> Timestamp {
        self.config.clock.now()
    }

    fn find_open(&self, id: AccountId) -> Option<Arc<Account>> {
        let account = lock(&self.accounts).get(&id).cloned();
        account.inspect(|account| account.touch(self.now()))
    }

    /// An open account; blocks when it is not open yet.
    pub fn open_account(&self, id: AccountId) -> Result<Arc<Account>> {
        if let Some(open) = self.find_open(id) {
            return Ok(open);
        }
        let _one_at_a_time = lock(&self.opening);
        if let Some(open) = self.find_open(id) {
            return Ok(open);
        }
        let account = Account::open(&self.mail, id, self.shared.as_ref(), &self.config, self.boot)?;
        let mut accounts = lock(&self.accounts);
        while accounts.len() >= OPEN_ACCOUNTS_MAX {
            let now = self.now();
            // The one that nobody holds and that was used longest ago; when all are held, one more is open for a while.
            let idle = accounts.values().filter(|account| Arc::strong_count(account) == 1);
            let Some(oldest) = idle.max_by_key(|account| account.idle_for(now)).map(|account| account.id) else { break };
            accounts.remove(&oldest);
        }
        accounts.insert(id, account.clone());
        self.wake.notify_one();
        Ok(account)
    }

    /// Has the account been here before?
    pub fn has_folder(&self, id: AccountId) -> bool {
        account::folder(&self.mail, id).join("mail.db").is_file()
    }

    fn read_now<T, E: From<Error>>(&self, id: AccountId, work: impl FnOnce(&mut MailTx<'_>) -> Result<T, E>) -> Result<T, E> {
        let account = self.open_account(id)?;
        let now = self.now();
        let done = account.database.read_now(|tx| work(&mut MailTx::new(tx, &account, now)).map_err(Outcome::Theirs));
        done.map_err(Outcome::into_theirs)
    }

    /// After a commit: tell, sync soon, remove files, index.
    fn after_write(&self, account: Arc<Account>, kept: Kept, after: After) {
        for body in after.garbage {
            if let Err(error) = remove_if_there(&account.blob_path(body)) {
                tracing::warn!(account = %account.id, %body, %error, "a body file stays behind");
            }
        }
        let Some(modseq) = after.modseq else { return };
        self.feed.publish(account.id, modseq);
        let mut later = lock(&self.later);
        later.index.insert(account.id);
        if kept == Kept::Soon && account.is_own_database {
            later.sync.insert(account.id, account);
        }
        drop(later);
        self.wake.notify_one();
    }

    /// Reads, compresses and checks a delivery; outcomes that are known already are in their places.
    #[expect(clippy::type_complexity, reason = "two lists that belong together for one call")]
    /// `taken`: messages and bytes that were accepted for each account just now, and that its quota does not count yet.
    fn accept(&self, delivery: Delivery, taken: &mut Taken) -> Result<(Accepted, Vec<Option<Result<Delivered, Refusal>>>)> {
        delivery::check(&delivery)?;
        if !self.config.delivers {
            return Err(Error::NoJournal);
        }
        let now = self.now();
        let path = || match self.journal.get() {
            Some(journal) => journal.body_path(BlobId::new(now)),
            None => self.mail.join(format!("{}.body", BlobId::new(now))),
        };
        let first = delivery.recipients.first().map(|recipient| recipient.prefix.clone()).unwrap_or_default();
        let (packed, parsed) = body::prepare(&delivery.content, &first, path)?;
        let (mut outcomes, mut accepted) = (Vec::new(), Vec::new());
        let mut parsed_is_for_first = true;
        for (index, recipient) in delivery.recipients.into_iter().enumerate() {
            let refused = self.refusal(&recipient, packed.len, taken)?;
            outcomes.push(refused.map(Err));
            match refused {
                None => accepted.push(recipient),
                Some(_) => parsed_is_for_first &= index > 0,
            }
        }
        let parsed = match accepted.first() {
            Some(recipient) if !parsed_is_for_first => body::parse(&packed, &recipient.prefix)?,
            _ => parsed,
        };
        let copies = delivery::copies(&packed, accepted, parsed, now)?;
        Ok((Accepted { id: delivery.id, received_at: delivery.received_at, packed, copies }, outcomes))
    }

    fn refusal(&self, recipient: &Recipient, len: u64, taken: &mut Taken) -> Result<Option<Refusal>> {
        let quota = self.read_now(recipient.account, quota::find)?;
        let (messages, bytes) = taken.entry(recipient.account).or_default();
        let (messages_then, bytes_then) = (*messages + 1, *bytes + len + recipient.prefix.len() as u64);
        if !quota.admits(messages_then, bytes_then) {
            return Ok(Some(Refusal::OverQuota));
        }
        (*messages, *bytes) = (messages_then, bytes_then);
        Ok(None)
    }

    /// Closes what nobody used for a while.
    fn close_idle(&self) {
        let now = self.now();
        lock(&self.accounts).retain(|_, account| {
            let idle = account.idle_for(now);
            if idle >= HOUSEKEEPING && account.is_own_database {
                account.rest();
            }
            Arc::strong_count(account) > 1 || idle < ACCOUNT_IDLE_MAX
        });
    }
}

/// Messages and bytes by account.
type Taken = HashMap<AccountId, (u64, u64)>;

fn remove_rows(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    for sql in [
        "DELETE FROM words WHERE account = $1",
        "DELETE FROM delivery WHERE account = $1",
        "DELETE FROM gone WHERE account = $1",
        "DELETE FROM thread_ref WHERE account = $1",
        "DELETE FROM thread WHERE account = $1",
        "DELETE FROM blob WHERE account = $1",
        "DELETE FROM body WHERE account = $1",
        "DELETE FROM entry WHERE account = $1",
        "DELETE FROM summary WHERE account = $1",
        "DELETE FROM message WHERE account = $1",
        "DELETE FROM mailbox WHERE account = $1",
        "DELETE FROM annotation WHERE account = $1",
        "DELETE FROM acl WHERE account = $1",
        "DELETE FROM follow WHERE account = $1",
        "DELETE FROM script WHERE account = $1",
        "DELETE FROM memory WHERE account = $1",
        "DELETE FROM imported WHERE account = $1",
        "DELETE FROM lesson WHERE account = $1",
        "DELETE FROM learning WHERE account = $1",
        "DELETE FROM word WHERE account = $1",
        "DELETE FROM card_address WHERE account = $1",
        "DELETE FROM card_book WHERE account = $1",
        "DELETE FROM card WHERE account = $1",
        "DELETE FROM address_book WHERE account = $1",
        "DELETE FROM account WHERE account = $1",
    ] {
        tx.execute(sql, &[&account])?;
    }
    Ok(())
}

impl Drop for Inner {
    fn drop(&mut self) {
        lock(&self.tasks).iter().for_each(AbortHandle::abort);
    }
}

/// The one background task: it sleeps as long as there is nothing to do.
async fn look_after(inner: Weak<Inner>, wake: Arc<Notify>) {
    let (mut housekept, mut told) = (Instant::now(), Instant::now());
    let mut forgot = Instant::now();
    loop {
        let Some(nap) = inner.upgrade().map(|inner| inner.nap()) else { return };
        let notified = async {
            wake.notified().await;
            tokio::time::sleep(SYNC_DELAY).await;
        };
        drop(tokio::time::timeout(nap, notified).await);
        let Some(store) = inner.upgrade().map(Store) else { return };
        if let Err(error) = store.sync_flags().await {
            tracing::warn!(%error, "flags cannot be synced");
        }
        if housekept.elapsed() >= INDEX_DELAY {
            housekept = Instant::now();
            store.index().await;
            Journal::commit_late(&store).await;
            let inner = store.0.clone();
            let cut = blocking(move || {
                inner.close_idle();
                inner.journal.get().map_or(Ok(()), |journal| journal.cut(inner.now(), false))
            });
            if let Err(error) = cut.await {
                tracing::warn!(%error, "the journal cannot be cut");
            }
        }
        if told.elapsed() >= FEED_TIMER {
            told = Instant::now();
            for account in store.0.feed.awaited() {
                store.tell_modseq(account).await;
            }
        }
        if forgot.elapsed() >= limits::FORGETTING {
            forgot = Instant::now();
            store.forget_old().await;
        }
    }
}

impl Inner {
    /// How long the background may sleep when nobody wakes it.
    fn nap(&self) -> Duration {
        let later = lock(&self.later);
        if !later.sync.is_empty() {
            return SYNC_DELAY;
        }
        let has_work = !later.index.is_empty() || self.journal.get().is_some_and(Journal::has_work);
        drop(later);
        if has_work {
            INDEX_DELAY
        } else if !lock(&self.accounts).is_empty() {
            HOUSEKEEPING
        } else {
            FEED_TIMER
        }
    }
}
