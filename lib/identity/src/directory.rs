// SPDX-License-Identifier: AGPL-3.0-or-later
//! The directory: public facts about people, which every server reads.
//!
//! One method per question or change, grouped by noun in the files of this folder. Every method is
//! one transaction. Changes are synced before they answer, except where a method says otherwise.

mod account;
mod address;
mod audit;
mod contact;
mod domain;
mod everybody;
mod former;
mod group;
pub(crate) mod letter;
mod list;
mod masked;
mod network;
mod provisioned;
mod resolve;
mod revocation;
mod rules;
mod sentence;
mod session;
mod setting;
mod share;

use hearth_db::{Database, Durability, Migration, Source, Tx};
use hearth_types::{Clock, Timestamp};

pub use account::{Account, Kind, NewAccount};
pub use address::{AddressEntry, Alias};
pub use audit::{AuditEntry, By, Event};
pub use domain::DomainEntry;
pub use everybody::Everybody;
pub use group::{Member, MemberRole};
pub use letter::Letter;
pub use list::{List, Posting, Unsubscriber, leave_url};
pub use masked::Masked;
pub use network::network_of;
pub use resolve::Resolution;
pub use revocation::Revoked;
pub use rules::Rules;
pub use sentence::{SENTENCES, sentence};
pub use session::{NewSession, Session, SessionKind};
pub use share::{Sharer, Standing};

pub(crate) use revocation::{end as revocation_of_session, end_of_client as revocation_of_client};
pub(crate) use session::add as session_add;
pub(crate) use setting::change as setting_change;

use crate::error::Result;

const STEPS: &[Migration] = &[
    Migration { version: 1, name: "people", breaking: false, sql: include_str!("../migrations/directory-0001.sql") },
    Migration { version: 2, name: "letters", breaking: false, sql: include_str!("../migrations/directory-0002.sql") },
    Migration { version: 3, name: "keys", breaking: false, sql: include_str!("../migrations/directory-0003.sql") },
    Migration { version: 4, name: "masked addresses", breaking: false, sql: include_str!("../migrations/directory-0004.sql") },
    Migration { version: 5, name: "shares", breaking: false, sql: include_str!("../migrations/directory-0005.sql") },
    Migration { version: 6, name: "contacts", breaking: false, sql: include_str!("../migrations/directory-0006.sql") },
    Migration { version: 7, name: "token exchange", breaking: false, sql: include_str!("../migrations/directory-0007.sql") },
    Migration { version: 8, name: "provisioning", breaking: false, sql: include_str!("../migrations/directory-0008.sql") },
    Migration { version: 9, name: "bounded requests", breaking: false, sql: include_str!("../migrations/directory-0009.sql") },
    Migration { version: 10, name: "counted failures", breaking: false, sql: include_str!("../migrations/directory-0010.sql") },
    Migration { version: 11, name: "redirect URIs", breaking: false, sql: include_str!("../migrations/directory-0011.sql") },
    Migration { version: 12, name: "former addresses", breaking: false, sql: include_str!("../migrations/directory-0012.sql") },
];

/// The directory, open. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    database: Database,
    clock: Clock,
    /// In whose name changes are made through it.
    by: By,
}

impl Directory {
    /// Opens the directory, and makes it or brings it up to date where that is needed.
    pub async fn open(source: &Source, clock: Clock) -> Result<Self> {
        let source = source.clone();
        let opened = tokio::task::spawn_blocking(move || Database::open(&source, STEPS)).await;
        let database = opened.unwrap_or(Err(hearth_db::Error::Gone))?;
        Ok(Self { database, clock, by: By::default() })
    }

    /// The same, for changes that somebody makes: the audit log says who.
    pub fn by(&self, by: By) -> Self {
        Self { by, ..self.clone() }
    }

    /// The database below, for backups.
    pub fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A few rows, found by a key.
    pub(crate) async fn read<T: Send + 'static>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        self.database.look(work).await
    }

    /// As many rows as there are.
    pub(crate) async fn scan<T: Send + 'static>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        self.database.read(work).await
    }

    pub(crate) async fn write<T: Send + 'static>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        self.database.write(Durability::Synced, work).await
    }

    /// A change of what the house is: with the event that it says of itself, written down in the same transaction, so
    /// that no caller forgets it. `None` when nothing was changed.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<(T, Option<Event>)> + Send + 'static,
    ) -> Result<T> {
        let (by, now) = (self.by.clone(), self.now());
        self.write(move |tx| {
            let (done, event) = work(tx)?;
            if let Some(event) = event {
                audit::add(tx, &event, &by, now)?;
            }
            Ok(done)
        })
        .await
    }

    pub(crate) fn who(&self) -> By {
        self.by.clone()
    }

    /// A write that a power cut may undo: what is seen, counted or last used.
    pub(crate) async fn note<T: Send + 'static>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        self.database.write(Durability::Committed, work).await
    }
}
