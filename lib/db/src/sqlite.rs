// SPDX-License-Identifier: AGPL-3.0-or-later
//! The SQLite arm: connections, statements, the lock file, the write-ahead log.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OpenFlags, Statement};
use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};
use crate::tx::Row;
use crate::value::{Param, ToParam};

/// Pages (of 4 KiB) that a connection caches: small, for the kernel caches the file anyway.
const CACHE_KIB: i64 = 256;
/// Statements kept prepared per connection.
const STATEMENTS_MAX: usize = 64;
/// Pages in the write-ahead log before a commit moves them into the file.
const CHECKPOINT_PAGES: i64 = 1000;
/// Readers never wait for the writer; this covers recovery and checkpoints.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

pub(crate) fn open(path: &Path, access: Access) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |e: &dyn ToString| Error::Open { place: path.display().to_string(), cause: e.to_string() };
    let connection = Connection::open_with_flags(path, flags).map_err(|e| failed(&e))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let prepare = || -> rusqlite::Result<()> {
        if access == Access::Write {
            connection.pragma_update(None, "journal_mode", "WAL")?;
        }
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "query_only", access == Access::Read)
    };
    prepare().map_err(|e| failed(&e))?;
    Ok(connection)
}

/// Does the file use a write-ahead log already? Changing that wants the file for oneself, so it is done
/// once, behind the lock, before anybody reads. Bytes 18 and 19 of the header say so (sqlite.org/fileformat2.html §1.3.3).
pub(crate) fn has_write_ahead_log(path: &Path) -> bool {
    let mut header = [0; 20];
    File::open(path).and_then(|mut file| file.read_exact(&mut header)).is_ok() && header[18..] == [2, 2]
}

pub(crate) fn set_synced(connection: &Connection, synced: bool) -> Result<()> {
    Ok(connection.pragma_update(None, "synchronous", if synced { "FULL" } else { "NORMAL" })?)
}

/// The lock file beside a database. `flock` queues processes fairly, which SQLite's busy timeout does not.
pub(crate) struct FairLock(File);

impl FairLock {
    pub(crate) fn beside(path: &Path) -> Result<Self> {
        let file = File::options().create(true).truncate(false).write(true).open(sibling(path, "-lock"))?;
        Ok(Self(file))
    }

    pub(crate) fn hold(&self) -> Result<Held<'_>> {
        loop {
            match flock(&self.0, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Held(&self.0)),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(Error::Io(errno.into())),
            }
        }
    }
}

pub(crate) struct Held<'a>(&'a File);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // It cannot fail for a lock that is held; closing the file would free it all the same.
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes what was committed without a sync durable: the write-ahead log holds it, or the file does
/// and SQLite synced both at the checkpoint that moved it there.
pub(crate) fn sync_log(path: &Path) -> Result<()> {
    match File::open(sibling(path, "-wal")) {
        Ok(log) => {
            log.sync_data()?;
            // The log may be new since the last connection closed, and its name not on disk yet.
            path.parent().map_or(Ok(()), |folder| Ok(File::open(folder)?.sync_all()?))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn execute(connection: &Connection, sql: &'static str, params: &[&dyn ToParam]) -> Result<u64> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, params)?;
    if statement.column_count() == 0 {
        return Ok(statement.raw_execute()? as u64);
    }
    let mut rows = statement.raw_query();
    let mut count = 0;
    while rows.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}

pub(crate) fn each<E: From<Error>>(
    connection: &Connection,
    sql: &'static str,
    params: &[&dyn ToParam],
    mut visit: impl FnMut(&Row<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = connection.prepare_cached(sql).map_err(Error::from)?;
    bind(&mut statement, params)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(Error::from)? {
        visit(&Row::Sqlite(row))?;
    }
    Ok(())
}

/// Binds `$n` to the n-th parameter. To SQLite `$1` is a name, numbered by where it first stands in
/// the text, so the number is read from the name.
fn bind(statement: &mut Statement<'_>, params: &[&dyn ToParam]) -> Result<()> {
    for index in 1..=statement.parameter_count() {
        let number = statement.parameter_name(index).and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let param = number.and_then(|n| params.get(n.checked_sub(1)?));
        let param =
            param.ok_or(Error::Sqlite(rusqlite::Error::InvalidParameterCount(params.len(), statement.parameter_count())))?;
        statement.raw_bind_parameter(index, Bound(param.to_param()))?;
    }
    Ok(())
}

struct Bound<'a>(Param<'a>);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Param::Null(_) => ToSqlOutput::Owned(Value::Null),
            Param::Bigint(i) => ToSqlOutput::Owned(Value::Integer(i)),
            Param::Boolean(b) => ToSqlOutput::Owned(Value::Integer(b.into())),
            Param::Text(t) => ToSqlOutput::Borrowed(ValueRef::Text(t.as_bytes())),
            Param::Bytes(b) => ToSqlOutput::Borrowed(ValueRef::Blob(b)),
        })
    }
}
