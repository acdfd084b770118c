// SPDX-License-Identifier: AGPL-3.0-or-later
//! The only room that knows there are two SQL engines.
//!
//! A [`Database`] is one SQLite file or one schema of a PostgreSQL database. Above it a query is one
//! literal with `$1` placeholders that runs on either, through the synchronous face of [`Tx`]:
//!
//! ```ignore
//! let names: Vec<String> = db.read(|tx| tx.query("SELECT name FROM mailbox WHERE account = $1", &[&account], |row| row.get(0))).await?;
//! db.write(Durability::Synced, move |tx| tx.execute("UPDATE mailbox SET name = $2 WHERE id = $1", &[&id, &name])).await?;
//! ```
//!
//! - Reads see one snapshot. Writes begin with `BEGIN IMMEDIATE` behind a lock file (`flock`: the
//!   kernel's queue is fair between processes), and writes that wait together are committed
//!   together, each in a savepoint of its own: see [`group`](mod@crate::database).
//! - SQLite is reached by rusqlite and PostgreSQL by sqlx, for the reasons and figures in
//!   `docs/adr/0001-one-sql-text-two-engines.md`. No transaction spans an `await`.
//! - Column types are TEXT, BIGINT, BOOLEAN and BYTES (which a migration turns into BLOB or BYTEA).
//!
//! To add a table: a [`Migration`] at the end of the store's list, and functions beside the noun.

mod database;
mod error;
mod migrate;
mod news;
mod postgres;
mod sqlite;
mod tx;
mod value;

pub use database::{Database, Durability, Source};
pub use error::{Error, Result};
pub use migrate::Migration;
pub use news::{Listener, NEWS_BYTES_MAX};
pub use tx::{Row, Tx};
pub use value::{Column, Kind, Param, ToParam};

/// Which of the two a [`Database`] is; for a store's `dialect.rs` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// One file.
    Sqlite,
    /// One schema on a server.
    Postgres,
}
