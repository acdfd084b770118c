// SPDX-License-Identifier: AGPL-3.0-or-later
//! Numbered steps that bring a database from any older release to this one.
//!
//! A step serves both engines: `BYTES` becomes BLOB or BYTEA, and a line `-- sqlite:`, `-- postgres:`
//! or `-- both:` says for whom the lines after it are. Expand, then contract; a released step is
//! never edited. A step that the previous release could not read past is marked `breaking`.

use hearth_types::Timestamp;

use crate::Engine;
use crate::error::{Error, Result};
use crate::postgres::Server;
use crate::tx::{Arm, Tx};

/// One step.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number: 1, 2, 3 and so on without a gap.
    pub version: i64,
    /// What it does, in a word or two.
    pub name: &'static str,
    /// A release that does not know this step cannot use the database after it.
    pub breaking: bool,
    /// The statements.
    pub sql: &'static str,
}

const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_version (
    version BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    breaking BOOLEAN NOT NULL,
    applied_at BIGINT NOT NULL
)";

/// Processes that start together migrate one after the other; on SQLite the write lock sees to that. The number is
/// free for any one use, and another schema of the same database waits no longer than its steps take.
const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(4827) IS NULL";

/// The newest step that the database has; `None` for a database that has not begun.
pub(crate) fn newest_applied(tx: &mut Tx<'_>) -> Result<Option<i64>> {
    let begun = match tx.engine() {
        Engine::Sqlite => tx.one("SELECT COUNT(*) FROM sqlite_master WHERE name = 'schema_version'", &[], |row| row.get::<i64>(0))?,
        Engine::Postgres => tx.one(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'schema_version' AND table_schema = current_schema()",
            &[],
            |row| row.get::<i64>(0),
        )?,
    };
    if begun == 0 {
        return Ok(None);
    }
    tx.one("SELECT COALESCE(MAX(version), 0) FROM schema_version", &[], |row| row.get(0)).map(Some)
}

/// Applies what is missing. Runs inside one write transaction: a power cut leaves all of it or none.
pub(crate) fn apply(tx: &mut Tx<'_>, place: &str, steps: &[Migration], now: Timestamp) -> Result<()> {
    if tx.engine() == Engine::Postgres {
        tx.one(ONE_AT_A_TIME, &[], |row| row.get::<bool>(0))?;
    }
    tx.execute(VERSIONS, &[])?;
    refuse_newer(tx, place, steps)?;
    let applied = tx.query("SELECT version FROM schema_version", &[], |row| row.get::<i64>(0))?;
    for step in steps.iter().filter(|step| !applied.contains(&step.version)) {
        let script = for_engine(step.sql, tx.engine());
        match &mut tx.arm {
            Arm::Sqlite(connection) => connection.execute_batch(&script)?,
            Arm::Postgres(session) => Server::run_script(session, script)?,
        }
        tx.execute(
            "INSERT INTO schema_version (version, name, breaking, applied_at) VALUES ($1, $2, $3, $4)",
            &[&step.version, &step.name, &step.breaking, &now],
        )?;
    }
    Ok(())
}

/// Fails when the database has a breaking step that this binary does not know.
pub(crate) fn refuse_newer(tx: &mut Tx<'_>, place: &str, steps: &[Migration]) -> Result<()> {
    let known = steps.last().map_or(0, |step| step.version);
    let found =
        tx.find("SELECT version FROM schema_version WHERE breaking AND version > $1 ORDER BY version DESC", &[&known], |row| {
            row.get::<i64>(0)
        })?;
    match found {
        Some(found) => Err(Error::Newer { place: place.to_string(), found, known }),
        None => Ok(()),
    }
}

fn for_engine(sql: &str, engine: Engine) -> String {
    let mut script = String::with_capacity(sql.len());
    let mut ours = true;
    for line in sql.lines() {
        match line.trim() {
            "-- both:" => ours = true,
            "-- sqlite:" => ours = engine == Engine::Sqlite,
            "-- postgres:" => ours = engine == Engine::Postgres,
            _ if ours => {
                script.push_str(line);
                script.push('\n');
            }
            _ => {}
        }
    }
    let bytes = if engine == Engine::Sqlite { "BLOB" } else { "BYTEA" };
    script.replace(" BYTES", &format!(" {bytes}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_for_each_engine() {
        let sql = "CREATE TABLE a (b BYTES);\n-- sqlite:\nX;\n-- postgres:\nY;\n-- both:\nZ;";
        assert_eq!(for_engine(sql, Engine::Sqlite), "CREATE TABLE a (b BLOB);\nX;\nZ;\n");
        assert_eq!(for_engine(sql, Engine::Postgres), "CREATE TABLE a (b BYTEA);\nY;\nZ;\n");
    }
}
