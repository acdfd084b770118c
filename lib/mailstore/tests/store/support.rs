// SPDX-License-Identifier: AGPL-3.0-or-later
//! A home for a test: a folder, an engine, a clock that stands.

use std::io::Write as _;
use std::time::Duration;

use hearth_mailstore::{
    Backend, Content, Delivery, Durability, Entry, Error, FlagSet, MailTx, Mailbox, Recipient, Role, Store, StoreConfig, mailbox,
    message,
};
use hearth_types::{AccountId, Clock, MailboxId, Secret, Timestamp};

pub const NOON: Timestamp = Timestamp::from_secs(1_800_000_000);

pub struct Home {
    pub dir: tempfile::TempDir,
    pub backend: Backend,
    pub clock: Clock,
}

/// Runs a test on each engine that is there.
pub fn on_each_engine<F: Future<Output = ()>>(test: impl Fn(Home) -> F) {
    let mut backends = vec![Backend::Sqlite];
    if let Ok(url) = std::env::var("HEARTH_TEST_POSTGRES") {
        let mut random = [0; 8];
        getrandom::fill(&mut random).expect("random bytes");
        let schema = format!("test_{}", u64::from_be_bytes(random));
        backends.push(Backend::Postgres { url: Secret::new(url), schema });
    }
    for backend in backends {
        // Which engine a failure is about.
        let _ = writeln!(std::io::stdout(), "on {}", if matches!(backend, Backend::Sqlite) { "SQLite" } else { "PostgreSQL" });
        run(test(Home { dir: tempfile::tempdir().expect("a folder"), backend, clock: Clock::fixed(NOON) }));
    }
}

/// Runs a test on SQLite alone, for what PostgreSQL does not have.
pub fn on_sqlite<F: Future<Output = ()>>(test: impl Fn(Home) -> F) {
    run(test(Home { dir: tempfile::tempdir().expect("a folder"), backend: Backend::Sqlite, clock: Clock::fixed(NOON) }));
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(test);
}

impl Home {
    pub fn config(&self) -> StoreConfig {
        StoreConfig {
            dir: self.dir.path().to_path_buf(),
            backend: self.backend.clone(),
            process: "test".into(),
            clock: self.clock.clone(),
            quota_bytes: None,
            delivers: true,
        }
    }

    pub async fn store(&self) -> Store {
        Store::open(self.config()).await.expect("the store opens")
    }

    /// A store of another process, which does not deliver.
    pub async fn other(&self) -> Store {
        Store::open(StoreConfig { process: "other".into(), delivers: false, ..self.config() }).await.expect("the store opens")
    }
}

pub fn account(number: i64) -> AccountId {
    AccountId::from_i64(number)
}

pub const ALICE: AccountId = AccountId::from_i64(0x0a11_ce00);

pub fn mail(subject: &str, more: &str) -> Vec<u8> {
    format!("From: Bob <bob@x.org>\r\nTo: alice@y.org\r\nSubject: {subject}\r\n{more}\r\nhello {subject}\r\n").into_bytes()
}

/// A write whose answer is ours alone.
pub async fn write<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce(&mut MailTx<'_>) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    store.write(ALICE, Durability::Synced, work).await
}

pub async fn read<T: Send + 'static>(store: &Store, work: impl FnOnce(&mut MailTx<'_>) -> Result<T, Error> + Send + 'static) -> T {
    store.read(ALICE, work).await.expect("reads")
}

pub async fn by_role(store: &Store, role: Role) -> Mailbox {
    read(store, move |tx| mailbox::find_by_role(tx, role)).await.expect("every account has it")
}

pub async fn append(store: &Store, mailbox: MailboxId, raw: Vec<u8>, flags: FlagSet) -> message::Appended {
    let prepared = store.prepare(ALICE, Content::Bytes(raw)).await.expect("prepares");
    write(store, move |tx| message::append(tx, prepared, &[mailbox], &flags, NOON)).await.expect("appends")
}

pub async fn view(store: &Store, mailbox: MailboxId) -> Vec<Entry> {
    read(store, move |tx| message::view(tx, mailbox)).await
}

pub fn delivery(id: &str, raw: Vec<u8>, accounts: &[AccountId]) -> Delivery {
    let recipient = |account: &AccountId| Recipient {
        account: *account,
        prefix: format!("Delivered-To: {account}\r\n").into_bytes(),
        targets: Vec::new(),
        flags: FlagSet::EMPTY,
    };
    Delivery {
        id: id.into(),
        content: Content::Bytes(raw),
        received_at: NOON,
        recipients: accounts.iter().map(recipient).collect(),
    }
}

/// Waits until `done` says so; a test that waits ten seconds has failed.
pub async fn until<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    for _ in 0..1_000 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came: {what}");
}
