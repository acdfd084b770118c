// SPDX-License-Identifier: AGPL-3.0-or-later
//! Tests of the stores. Each runs on SQLite, and on PostgreSQL when `HEARTH_TEST_POSTGRES` names a
//! server: there in a schema of its own, which is dropped at the end.

mod directory;
mod grants;
mod resolve;
mod revocations;
mod vault;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use hearth_db::{Database, Source};
use hearth_types::{Address, Clock, Domain, Secret, Timestamp};

use crate::directory::{Account, Directory, Kind, NewAccount};
use crate::vault::Vault;

/// A home on one engine.
pub(super) struct Home {
    pub directory: Directory,
    pub clock: Clock,
    pub source: Source,
    pub vault_source: Source,
    pub key_file: PathBuf,
}

/// Runs a test on each engine that is at hand, each time with an empty home of domain `home.test`.
pub(super) fn on_each_engine<F: Future<Output = ()>>(test: impl Fn(Home) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| Source::Sqlite(folder.path().join(name));
    runtime.block_on(async {
        test(Home::open(&at("identity.db"), at("vault.db"), folder.path().join("sqlite.key")).await).await;
    });
    let Ok(url) = std::env::var("HEARTH_TEST_POSTGRES") else {
        return;
    };
    let name = format!("identity_{}", hearth_types::id::Id::new(Clock::system().now()));
    let of = |suffix: &str| Source::Postgres { url: Secret::new(url.clone()), schema: format!("{name}_{suffix}") };
    runtime.block_on(async {
        test(Home::open(&of("directory"), of("vault"), folder.path().join("postgres.key")).await).await;
    });
    let dropped = runtime.block_on(async {
        let (directory, vault) = (of("directory"), of("vault"));
        tokio::task::spawn_blocking(move || drop_schema(&directory).and_then(|()| drop_schema(&vault))).await
    });
    dropped.expect("no panic").expect("the schemas are dropped");
}

fn drop_schema(source: &Source) -> hearth_db::Result<()> {
    let database = Database::open(source, &[])?;
    database.write_now(hearth_db::Durability::Synced, |tx| {
        tx.execute("DO $$ BEGIN EXECUTE 'DROP SCHEMA ' || quote_ident(current_schema()) || ' CASCADE'; END $$", &[]).map(drop)
    })
}

impl Home {
    async fn open(directory: &Source, vault_source: Source, key_file: PathBuf) -> Self {
        let clock = Clock::fixed(Timestamp::from_secs(1_800_000_000));
        let source = directory.clone();
        let directory = Directory::open(directory, clock.clone()).await.expect("the directory opens");
        directory.add_domain(&domain("home.test")).await.expect("a domain");
        Self { directory, clock, source, vault_source, key_file }
    }

    pub async fn vault(&self) -> Vault {
        Vault::open(&self.vault_source, &self.key_file, self.clock.clone()).await.expect("the vault opens")
    }

    pub async fn add(&self, local: &str, kind: Kind, admin: bool) -> Account {
        let new = NewAccount { address: address(&format!("{local}@home.test")), kind, name: local.into(), admin };
        // Ids of one millisecond are told apart by chance; a test wants them in order.
        self.clock.advance(Duration::from_millis(1));
        self.directory.add_account(new).await.expect("an account")
    }

    pub async fn person(&self, local: &str) -> Account {
        self.add(local, Kind::Person, false).await
    }
}

pub(super) fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

pub(super) fn domain(text: &str) -> Domain {
    text.parse().expect("a domain")
}
