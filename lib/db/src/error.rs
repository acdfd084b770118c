// SPDX-License-Identifier: AGPL-3.0-or-later
//! What can go wrong below the stores, sorted by what the caller can do about it.

/// A result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a statement, a transaction or an opening failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk (or the server's) is full. Nothing was written; it goes on when there is space.
    #[error("no space left to store this")]
    Full,
    /// A unique, foreign key or check constraint refused the change.
    #[error("a constraint refused the change: {0}")]
    Constraint(String),
    /// The data was written by a newer release, in a way that this one cannot read.
    #[error("{place} was written by a newer Hearth (schema {found}, this one knows {known}); install that release")]
    Newer {
        /// Which database.
        place: String,
        /// The schema that was found.
        found: i64,
        /// The newest that this binary knows.
        known: i64,
    },
    /// A column does not hold what the code reads.
    #[error("column {column}: {what}")]
    Column {
        /// Its place in the row, from zero.
        column: usize,
        /// What was wrong.
        what: String,
    },
    /// The file cannot be opened.
    #[error("cannot open {place}: {cause}")]
    Open {
        /// Which database.
        place: String,
        /// What the engine or the system said.
        cause: String,
    },
    /// SQLite said something else.
    #[error("sqlite: {0}")]
    Sqlite(rusqlite::Error),
    /// PostgreSQL said something else.
    #[error("postgresql: {0}")]
    Postgres(sqlx::Error),
    /// The lock file, the write-ahead log, or a folder.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The work ended before its answer: the process stops, or a panic ended the job.
    #[error("the write was given up")]
    Gone,
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{ConstraintViolation, DiskFull};
        match error.sqlite_error_code() {
            Some(DiskFull) => Self::Full,
            Some(ConstraintViolation) => Self::Constraint(error.to_string()),
            _ => Self::Sqlite(error),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        // PostgreSQL, appendix A: class 23 is an integrity constraint violation, 53100 is disk_full.
        match error.as_database_error().and_then(|e| e.code()) {
            Some(code) if code == "53100" => Self::Full,
            Some(code) if code.starts_with("23") => Self::Constraint(error.to_string()),
            _ => Self::Postgres(error),
        }
    }
}

impl Error {
    /// Is it the disk that is full?
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full => true,
            Self::Io(error) => error.kind() == std::io::ErrorKind::StorageFull || error.kind() == std::io::ErrorKind::QuotaExceeded,
            _ => false,
        }
    }
}
