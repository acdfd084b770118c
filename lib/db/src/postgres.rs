// SPDX-License-Identifier: AGPL-3.0-or-later
//! The PostgreSQL arm: a pool of sqlx, waited for on the blocking thread that runs the transaction.

use std::str::FromStr;
use std::time::Duration;

use futures_util::TryStreamExt;
use hearth_types::Secret;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use tokio::runtime::Handle;

use crate::error::{Error, Result};
use crate::news::Listener;
use crate::tx::Row;
use crate::value::{Kind, Param, ToParam};

/// Connections that one process opens to the server.
const CONNECTIONS_MAX: u32 = 4;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct Server {
    pool: PgPool,
    schema: String,
    runtime: Handle,
}

/// A transaction on the server, and the runtime that its socket lives on.
pub(crate) struct Session {
    transaction: Transaction<'static, Postgres>,
    runtime: Handle,
}

impl Server {
    /// Makes the schema when it is not there. Called on a blocking thread of a tokio runtime.
    pub(crate) fn connect(url: &Secret<String>, schema: &str) -> Result<Self> {
        let runtime = Handle::current();
        let failed = |e: sqlx::Error| Error::Open { place: format!("postgresql schema {schema}"), cause: e.to_string() };
        let options = PgConnectOptions::from_str(url.expose()).map_err(failed)?.options([("search_path", schema)]);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .min_connections(0)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(options);
        // The name is ours (a literal in a store, or a test's), never a stranger's; quoted all the same.
        let create = format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", schema.replace('"', ""));
        match runtime.block_on(sqlx::raw_sql(AssertSqlSafe(create)).execute(&pool)) {
            Ok(_) => {}
            // Two processes that make it at once: one of them meets the other's unique key (23505, 42P06).
            Err(error) if matches!(Error::from_ref(&error), Some("23505" | "42P06")) => {}
            Err(error) => return Err(failed(error)),
        }
        Ok(Self { pool, schema: schema.to_owned(), runtime })
    }

    pub(crate) async fn tell(&self, news: String) -> Result<()> {
        sqlx::query("SELECT pg_notify($1, $2)").bind(&self.schema).bind(news).execute(&self.pool).await?;
        Ok(())
    }

    /// On a connection that it keeps to itself: those of the pool are for transactions.
    pub(crate) async fn listen(&self) -> Result<Listener> {
        let options = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT);
        let pool = options.connect_lazy_with(self.pool.connect_options().as_ref().clone());
        Listener::open(&pool, &self.schema).await
    }

    /// `read`: one snapshot for all statements, and no writing.
    pub(crate) fn begin(&self, read: bool) -> Result<Session> {
        let begin = if read { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" } else { "BEGIN" };
        let transaction = self.runtime.block_on(self.pool.begin_with(begin))?;
        Ok(Session { transaction, runtime: self.runtime.clone() })
    }

    /// Several statements at once, in a transaction of their own: a migration.
    pub(crate) fn run_script(session: &mut Session, script: String) -> Result<()> {
        let runtime = session.runtime.clone();
        runtime.block_on(sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut *session.transaction))?;
        Ok(())
    }
}

impl Error {
    fn from_ref(error: &sqlx::Error) -> Option<&'static str> {
        let code = error.as_database_error()?.code()?;
        ["23505", "42P06"].into_iter().find(|known| *known == code)
    }
}

impl Session {
    pub(crate) fn commit(self) -> Result<()> {
        Ok(self.runtime.block_on(self.transaction.commit())?)
    }

    pub(crate) fn rollback(self) -> Result<()> {
        Ok(self.runtime.block_on(self.transaction.rollback())?)
    }

    pub(crate) fn execute(&mut self, sql: &'static str, params: &[&dyn ToParam]) -> Result<u64> {
        let done = self.runtime.block_on(bound(sql, params).execute(&mut *self.transaction))?;
        Ok(done.rows_affected())
    }

    pub(crate) fn each<E: From<Error>>(
        &mut self,
        sql: &'static str,
        params: &[&dyn ToParam],
        mut visit: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rows = bound(sql, params).fetch(&mut *self.transaction);
        while let Some(row) = self.runtime.block_on(rows.try_next()).map_err(Error::from)? {
            visit(&Row::Postgres(&row))?;
        }
        Ok(())
    }
}

fn bound<'q>(sql: &'static str, params: &[&'q dyn ToParam]) -> Query<'q, Postgres, PgArguments> {
    params.iter().fold(sqlx::query(sql), |query, param| match param.to_param() {
        Param::Null(Kind::Bigint) => query.bind(None::<i64>),
        Param::Null(Kind::Text) => query.bind(None::<String>),
        Param::Null(Kind::Boolean) => query.bind(None::<bool>),
        Param::Null(Kind::Bytes) => query.bind(None::<Vec<u8>>),
        Param::Bigint(i) => query.bind(i),
        Param::Boolean(b) => query.bind(b),
        Param::Text(t) => query.bind(t),
        Param::Bytes(b) => query.bind(b),
    })
}
