// SPDX-License-Identifier: AGPL-3.0-or-later
//! The log of what this house published: append-only, each head made of the head before, so that a house that shows one
//! certificate to one person and another to the next can be found out.
//!
//! An entry names an address, so the entries themselves are for the house's own people. The world sees leaves, hashes of a
//! random nonce and an entry, and heads; whoever is given an entry with its nonce can find it among the leaves.

use hearth_db::Tx;
use hearth_types::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::directory::Directory;
use crate::error::Result;
use crate::random;

/// Octets of a hash.
pub const HASH_OCTETS: usize = 32;
/// Entries of one answer.
pub const LOG_PAGE_MAX: u32 = 1_000;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its number, from 1.
    pub seq: u64,
    /// What happened: time, verb, fingerprint, address and digest of the certificate, with spaces between.
    pub entry: String,
    /// What keeps the entry from being guessed.
    pub nonce: Vec<u8>,
    /// SHA-256 of nonce and entry.
    pub leaf: Vec<u8>,
    /// SHA-256 of the head before and the leaf.
    pub head: Vec<u8>,
}

/// A head that the house signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// How many entries there were.
    pub size: u64,
    /// What was signed.
    pub statement: String,
    /// A detached OpenPGP signature in armour.
    pub signature: String,
    /// When.
    pub signed_at: Timestamp,
}

/// The leaf of an entry.
pub fn leaf_of(nonce: &[u8], entry: &str) -> Vec<u8> {
    Sha256::new().chain_update(nonce).chain_update(entry.as_bytes()).finalize().to_vec()
}

/// The head after a leaf; the first head is made of 32 zero octets.
pub fn head_after(before: &[u8], leaf: &[u8]) -> Vec<u8> {
    Sha256::new().chain_update(before).chain_update(leaf).finalize().to_vec()
}

/// The head of an empty log.
pub fn first_head() -> Vec<u8> {
    vec![0; HASH_OCTETS]
}

/// What the house signs.
pub fn statement(domain: &str, size: u64, head: &[u8], at: Timestamp) -> String {
    let hex: String = head.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("hearth-key-log-1\n{domain}\n{size}\n{hex}\n{}\n", at.secs())
}

/// Writes a change down, in the transaction that makes it.
pub(super) fn append(
    tx: &mut Tx<'_>,
    verb: &str,
    fingerprint: &str,
    address: Option<&str>,
    whole: &[u8],
    now: Timestamp,
) -> Result<()> {
    let digest: String = Sha256::digest(whole).iter().map(|octet| format!("{octet:02x}")).collect();
    let entry = format!("{} {verb} {fingerprint} {} {digest}", now.secs(), address.unwrap_or("-"));
    // The row is the lock that keeps two writers in order.
    tx.execute("INSERT INTO cert_log_size (id, size, head) VALUES (1, 0, $1) ON CONFLICT (id) DO NOTHING", &[&first_head()])?;
    let (seq, before) = tx.one("UPDATE cert_log_size SET size = size + 1 WHERE id = 1 RETURNING size, head", &[], |row| {
        Ok((row.get::<i64>(0)?, row.get::<Vec<u8>>(1)?))
    })?;
    let nonce = random::bytes::<16>().to_vec();
    let leaf = leaf_of(&nonce, &entry);
    let head = head_after(&before, &leaf);
    tx.execute("UPDATE cert_log_size SET head = $1 WHERE id = 1", &[&head])?;
    tx.execute(
        "INSERT INTO cert_log (seq, entry, nonce, leaf, head) VALUES ($1, $2, $3, $4, $5)",
        &[&seq, &entry, &nonce, &leaf, &head],
    )?;
    Ok(())
}

impl Directory {
    /// Entries after a number, in order.
    pub async fn list_cert_log(&self, after: u64, count_max: u32) -> Result<Vec<LogEntry>> {
        let (after, count_max) = (i64::try_from(after).unwrap_or(i64::MAX), count_max.min(LOG_PAGE_MAX));
        self.scan(move |tx| {
            Ok(tx.query(
                "SELECT seq, entry, nonce, leaf, head FROM cert_log WHERE seq > $1 ORDER BY seq LIMIT $2",
                &[&after, &count_max],
                |row| {
                    Ok(LogEntry {
                        seq: u64::try_from(row.get::<i64>(0)?).unwrap_or(0),
                        entry: row.get(1)?,
                        nonce: row.get(2)?,
                        leaf: row.get(3)?,
                        head: row.get(4)?,
                    })
                },
            )?)
        })
        .await
    }

    /// How many entries there are, and the head.
    pub async fn find_cert_log_head(&self) -> Result<(u64, Vec<u8>)> {
        self.read(|tx| {
            let found = tx.find("SELECT size, head FROM cert_log_size WHERE id = 1", &[], |row| {
                Ok((u64::try_from(row.get::<i64>(0)?).unwrap_or(0), row.get::<Vec<u8>>(1)?))
            })?;
            Ok(found.unwrap_or_else(|| (0, first_head())))
        })
        .await
    }

    /// Keeps a head that the house signed.
    pub async fn add_signed_head(&self, signed: SignedHead) -> Result<()> {
        let size = i64::try_from(signed.size).unwrap_or(i64::MAX);
        self.write(move |tx| {
            tx.execute(
                "INSERT INTO cert_log_signed (size, statement, signature, signed_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (size) DO UPDATE SET
                    statement = excluded.statement, signature = excluded.signature, signed_at = excluded.signed_at",
                &[&size, &signed.statement, &signed.signature, &signed.signed_at],
            )?;
            Ok(())
        })
        .await
    }

    /// The newest head that the house signed.
    pub async fn find_signed_head(&self) -> Result<Option<SignedHead>> {
        self.read(|tx| {
            Ok(tx.find(
                "SELECT size, statement, signature, signed_at FROM cert_log_signed ORDER BY size DESC LIMIT 1",
                &[],
                |row| {
                    Ok(SignedHead {
                        size: u64::try_from(row.get::<i64>(0)?).unwrap_or(0),
                        statement: row.get(1)?,
                        signature: row.get(2)?,
                        signed_at: row.get(3)?,
                    })
                },
            )?)
        })
        .await
    }
}
