// SPDX-License-Identifier: AGPL-3.0-or-later
//! What goes into a statement and what comes out of a row: four types, and ours made of them.

use hearth_types::{
    AccountId, Address, AddressBookId, BlobId, CardId, ClientId, Domain, DomainId, MailboxId, MessageId, ScriptId, SessionId,
    ThreadId, Timestamp,
};
use rusqlite::types::ValueRef;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::error::{Error, Result};

/// The four column types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BIGINT
    Bigint,
    /// TEXT
    Text,
    /// BOOLEAN
    Boolean,
    /// BLOB or BYTEA
    Bytes,
}

/// A value on its way into a statement. NULL has a type too: PostgreSQL wants to know it.
#[derive(Clone, Copy, Debug)]
pub enum Param<'a> {
    /// NULL of a type.
    Null(Kind),
    /// BIGINT
    Bigint(i64),
    /// TEXT
    Text(&'a str),
    /// BOOLEAN
    Boolean(bool),
    /// BLOB or BYTEA
    Bytes(&'a [u8]),
}

/// What can stand for `$n`.
pub trait ToParam {
    /// The value, borrowed.
    fn to_param(&self) -> Param<'_>;
    /// Its column type.
    fn kind() -> Kind
    where
        Self: Sized;
}

/// What can be read from a column.
pub trait Column: Sized {
    /// From SQLite.
    fn from_sqlite(value: ValueRef<'_>, column: usize) -> Result<Self>;
    /// From PostgreSQL.
    fn from_postgres(row: &PgRow, column: usize) -> Result<Self>;
}

fn mismatch(column: usize, want: Kind, got: ValueRef<'_>) -> Error {
    Error::Column { column, what: format!("want {want:?}, got {:?}", got.data_type()) }
}

fn unreadable(column: usize, what: &impl ToString) -> Error {
    Error::Column { column, what: what.to_string() }
}

pub(crate) fn bytes_of_sqlite(value: ValueRef<'_>, column: usize) -> Result<Option<&[u8]>> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(bytes) => Ok(Some(bytes)),
        other => Err(mismatch(column, Kind::Bytes, other)),
    }
}

pub(crate) fn bytes_of_postgres(row: &PgRow, column: usize) -> Result<Option<&[u8]>> {
    row.try_get(column).map_err(|e| unreadable(column, &e))
}

macro_rules! plain {
    ($type:ty, $kind:ident, $param:expr, $sqlite:pat => $value:expr) => {
        impl ToParam for $type {
            fn to_param(&self) -> Param<'_> {
                Param::$kind(($param)(self))
            }
            fn kind() -> Kind {
                Kind::$kind
            }
        }

        impl Column for $type {
            fn from_sqlite(value: ValueRef<'_>, column: usize) -> Result<Self> {
                match value {
                    $sqlite => $value,
                    other => Err(mismatch(column, Kind::$kind, other)),
                }
            }
            fn from_postgres(row: &PgRow, column: usize) -> Result<Self> {
                row.try_get(column).map_err(|e| unreadable(column, &e))
            }
        }
    };
}

plain!(i64, Bigint, |v: &i64| *v, ValueRef::Integer(i) => Ok(i));
plain!(bool, Boolean, |v: &bool| *v, ValueRef::Integer(i) => Ok(i != 0));
plain!(String, Text, String::as_str, ValueRef::Text(t) => Ok(String::from_utf8_lossy(t).into_owned()));
plain!(Vec<u8>, Bytes, Vec::as_slice, ValueRef::Blob(b) => Ok(b.to_vec()));

impl ToParam for &str {
    fn to_param(&self) -> Param<'_> {
        Param::Text(self)
    }
    fn kind() -> Kind {
        Kind::Text
    }
}

impl ToParam for &[u8] {
    fn to_param(&self) -> Param<'_> {
        Param::Bytes(self)
    }
    fn kind() -> Kind {
        Kind::Bytes
    }
}

impl<const N: usize> ToParam for [u8; N] {
    fn to_param(&self) -> Param<'_> {
        Param::Bytes(self)
    }
    fn kind() -> Kind {
        Kind::Bytes
    }
}

impl<const N: usize> Column for [u8; N] {
    fn from_sqlite(value: ValueRef<'_>, column: usize) -> Result<Self> {
        array(Vec::from_sqlite(value, column)?, column)
    }
    fn from_postgres(row: &PgRow, column: usize) -> Result<Self> {
        array(Vec::from_postgres(row, column)?, column)
    }
}

fn array<const N: usize>(bytes: Vec<u8>, column: usize) -> Result<[u8; N]> {
    bytes.try_into().map_err(|b: Vec<u8>| unreadable(column, &format!("want {N} bytes, got {}", b.len())))
}

impl<T: ToParam> ToParam for Option<T> {
    fn to_param(&self) -> Param<'_> {
        self.as_ref().map_or(Param::Null(T::kind()), T::to_param)
    }
    fn kind() -> Kind {
        T::kind()
    }
}

impl<T: Column> Column for Option<T> {
    fn from_sqlite(value: ValueRef<'_>, column: usize) -> Result<Self> {
        match value {
            ValueRef::Null => Ok(None),
            value => T::from_sqlite(value, column).map(Some),
        }
    }
    fn from_postgres(row: &PgRow, column: usize) -> Result<Self> {
        use sqlx::ValueRef as _;
        if row.try_get_raw(column).map_err(|e| unreadable(column, &e))?.is_null() {
            return Ok(None);
        }
        T::from_postgres(row, column).map(Some)
    }
}

/// Narrower integers are BIGINT in every table.
macro_rules! narrower {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn from_sqlite(value: ValueRef<'_>, column: usize) -> Result<Self> {
                i64::from_sqlite(value, column)?.try_into().map_err(|e| unreadable(column, &e))
            }
            fn from_postgres(row: &PgRow, column: usize) -> Result<Self> {
                i64::from_postgres(row, column)?.try_into().map_err(|e| unreadable(column, &e))
            }
        }
    )*};
}
narrower!(u8, u16, u32, u64, i32, usize);

macro_rules! numbered {
    ($($type:ty, $from:path, $to:ident);* $(;)?) => {$(
        impl ToParam for $type {
            fn to_param(&self) -> Param<'_> {
                Param::Bigint(self.$to())
            }
            fn kind() -> Kind {
                Kind::Bigint
            }
        }
        impl Column for $type {
            fn from_sqlite(value: ValueRef<'_>, column: usize) -> Result<Self> {
                i64::from_sqlite(value, column).map($from)
            }
            fn from_postgres(row: &PgRow, column: usize) -> Result<Self> {
                i64::from_postgres(row, column).map($from)
            }
        }
    )*};
}
numbered! {
    Timestamp, Timestamp::from_millis, millis;
    AccountId, AccountId::from_i64, as_i64;
    DomainId, DomainId::from_i64, as_i64;
    MailboxId, MailboxId::from_i64, as_i64;
    MessageId, MessageId::from_i64, as_i64;
    ThreadId, ThreadId::from_i64, as_i64;
    BlobId, BlobId::from_i64, as_i64;
    ScriptId, ScriptId::from_i64, as_i64;
    AddressBookId, AddressBookId::from_i64, as_i64;
    CardId, CardId::from_i64, as_i64;
    SessionId, SessionId::from_i64, as_i64;
    ClientId, ClientId::from_i64, as_i64;
}

impl ToParam for u32 {
    fn to_param(&self) -> Param<'_> {
        Param::Bigint(i64::from(*self))
    }
    fn kind() -> Kind {
        Kind::Bigint
    }
}

macro_rules! written {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn from_sqlite(value: ValueRef<'_>, column: usize) -> Result<Self> {
                String::from_sqlite(value, column)?.parse().map_err(|e| unreadable(column, &e))
            }
            fn from_postgres(row: &PgRow, column: usize) -> Result<Self> {
                String::from_postgres(row, column)?.parse().map_err(|e| unreadable(column, &e))
            }
        }
    )*};
}
written!(Address, Domain);

impl ToParam for Domain {
    fn to_param(&self) -> Param<'_> {
        Param::Text(self.as_str())
    }
    fn kind() -> Kind {
        Kind::Text
    }
}
