// SPDX-License-Identifier: AGPL-3.0-or-later
//! One transaction on either engine, as the stores see it.

use crate::error::{Error, Result};
use crate::value::{Column, ToParam};
use crate::{Engine, postgres, sqlite, value};

/// A running transaction. It lives on a blocking thread and never across an `await`.
pub struct Tx<'c> {
    pub(crate) arm: Arm<'c>,
}

pub(crate) enum Arm<'c> {
    Sqlite(&'c rusqlite::Connection),
    Postgres(&'c mut postgres::Session),
}

/// A row on its way out.
pub enum Row<'r> {
    #[doc(hidden)]
    Sqlite(&'r rusqlite::Row<'r>),
    #[doc(hidden)]
    Postgres(&'r sqlx::postgres::PgRow),
}

impl Row<'_> {
    /// The value of a column, counted from zero.
    pub fn get<T: Column>(&self, column: usize) -> Result<T> {
        match self {
            Self::Sqlite(row) => T::from_sqlite(row.get_ref(column)?, column),
            Self::Postgres(row) => T::from_postgres(row, column),
        }
    }

    /// The bytes of a column where they lie, `None` for NULL: for those who unpack them at once.
    pub fn bytes(&self, column: usize) -> Result<Option<&[u8]>> {
        match self {
            Self::Sqlite(row) => value::bytes_of_sqlite(row.get_ref(column)?, column),
            Self::Postgres(row) => value::bytes_of_postgres(row, column),
        }
    }
}

impl Tx<'_> {
    /// Which engine this is; for a store's `dialect.rs` alone.
    pub fn engine(&self) -> Engine {
        match self.arm {
            Arm::Sqlite(_) => Engine::Sqlite,
            Arm::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs a statement; the number of rows that it changed.
    pub fn execute(&mut self, sql: &'static str, params: &[&dyn ToParam]) -> Result<u64> {
        match &mut self.arm {
            Arm::Sqlite(connection) => sqlite::execute(connection, sql, params),
            Arm::Postgres(session) => session.execute(sql, params),
        }
    }

    /// Hands each row to `visit`, in order, without holding them all; ends early on an error.
    pub fn each<E: From<Error>>(
        &mut self,
        sql: &'static str,
        params: &[&dyn ToParam],
        visit: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match &mut self.arm {
            Arm::Sqlite(connection) => sqlite::each(connection, sql, params, visit),
            Arm::Postgres(session) => session.each(sql, params, visit),
        }
    }

    /// Every row, read by `read`.
    pub fn query<T>(
        &mut self,
        sql: &'static str,
        params: &[&dyn ToParam],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.each(sql, params, |row| {
            all.push(read(row)?);
            Ok::<_, Error>(())
        })?;
        Ok(all)
    }

    /// The first row, if there is one.
    pub fn find<T>(
        &mut self,
        sql: &'static str,
        params: &[&dyn ToParam],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut first = None;
        self.each(sql, params, |row| {
            if first.is_none() {
                first = Some(read(row)?);
            }
            Ok::<_, Error>(())
        })?;
        Ok(first)
    }

    /// The one row that must be there (an aggregate, a RETURNING).
    pub fn one<T>(&mut self, sql: &'static str, params: &[&dyn ToParam], read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<T> {
        self.find(sql, params, read)?.ok_or_else(|| Error::Column { column: 0, what: "no row where one must be".into() })
    }

    /// Fails when the engine has ended the transaction by itself, as SQLite may do on a full disk.
    pub(crate) fn must_be_open(&self) -> Result<()> {
        match &self.arm {
            Arm::Sqlite(connection) if connection.is_autocommit() => Err(Error::Full),
            _ => Ok(()),
        }
    }

    /// Runs `work` in a savepoint: what it did is undone when it fails, and the transaction goes on.
    pub fn savepoint<T, E: From<Error>>(&mut self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        self.execute("SAVEPOINT job", &[])?;
        let done = work(self);
        if done.is_err() {
            self.must_be_open()?;
            self.execute("ROLLBACK TO SAVEPOINT job", &[])?;
        }
        self.execute("RELEASE SAVEPOINT job", &[])?;
        done
    }
}
