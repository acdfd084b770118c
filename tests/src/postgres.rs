// SPDX-License-Identifier: AGPL-3.0-or-later
//! A PostgreSQL database for one home: `HEARTH_TEST_ENGINE=postgres` puts every home of the tests into one.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

use crate::{run, stranger};

/// A database that is dropped with its home.
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    /// A new one, if homes are to be kept in PostgreSQL.
    pub fn if_asked_for() -> Result<Option<Self>> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if std::env::var("HEARTH_TEST_ENGINE").as_deref() != Ok("postgres") {
            return Ok(None);
        }
        let server = std::env::var("HEARTH_TEST_POSTGRES").context("HEARTH_TEST_ENGINE=postgres needs HEARTH_TEST_POSTGRES")?;
        let name = format!("home_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let database = Self { server, name };
        database.sql(&format!("CREATE DATABASE {}", database.name))?;
        Ok(Some(database))
    }

    /// Where it is, for `hearth init --postgres`.
    pub fn url(&self) -> String {
        let server = self.server.rsplit_once('/').map_or(self.server.as_str(), |(server, _)| server);
        format!("{server}/{}", self.name)
    }

    /// A statement in one of the home's schemas.
    pub fn sql_in(&self, schema: &str, statement: &str) -> Result<()> {
        let statement = format!("SET search_path = {schema}; {statement}");
        run(stranger("psql").args([&self.url(), "--quiet", "--no-psqlrc", "--command", &statement])).map(drop)
    }

    fn sql(&self, statement: &str) -> Result<()> {
        run(stranger("psql").args([&self.server, "--quiet", "--no-psqlrc", "--command", statement])).map(drop)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // One that stays behind goes with the server, which the tests started.
        let _ = self.sql(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}
