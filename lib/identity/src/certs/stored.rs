// SPDX-License-Identifier: AGPL-3.0-or-later
//! Keeping certificates, and what their owners decided about them.

use hearth_db::Tx;
use hearth_types::{AccountId, Address, Timestamp};
use hearth_wire::wkd;

use super::{Certificate, SHOWN_MAX, Source, log};
use crate::directory::Directory;
use crate::error::{Error, Result};

/// A certificate as its owner's own commands see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Of the primary key.
    pub fingerprint: String,
    /// Whose it is.
    pub account: AccountId,
    /// Is its secret key sealed in the vault?
    pub secret_stored: bool,
    /// All that we hold.
    pub whole: Vec<u8>,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Of the primary key.
    pub fingerprint: String,
    /// Whose it is.
    pub account: AccountId,
    /// Is its secret key sealed in the vault?
    pub secret_stored: bool,
    /// When the primary key was made.
    pub created_at: Timestamp,
    /// When the certificate ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// Is the whole certificate revoked?
    pub revoked: bool,
    /// The addresses in its user ids, as far as they were the account's when it was stored.
    pub addresses: Vec<NamedAddress>,
}

/// An address that a certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedAddress {
    /// The address.
    pub address: Address,
    /// Did the owner revoke this user id?
    pub revoked: bool,
    /// Is it shown here?
    pub published: bool,
}

/// How much of a certificate went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// All of it.
    Whole,
    /// It is revoked: it stays without its addresses, for those who have it already.
    Names,
}

impl Directory {
    /// Stores a certificate in place of what was held of it. What its owner had published stays
    /// published. A certificate that belongs to another account is not taken over.
    pub async fn store_cert(&self, certificate: Certificate) -> Result<()> {
        let now = self.now();
        self.write(move |tx| {
            // Its owner brings it back.
            tx.execute("DELETE FROM cert_tombstone WHERE fingerprint = $1", &[&certificate.fingerprint])?;
            store(tx, &certificate, now)
        })
        .await
    }

    /// The same, but only while what is held is still `held`; `false` when somebody was quicker.
    pub async fn replace_cert(&self, held: &[u8], certificate: Certificate) -> Result<bool> {
        let (now, held) = (self.now(), held.to_vec());
        self.write(move |tx| {
            let whole =
                tx.find("SELECT whole FROM cert WHERE fingerprint = $1", &[&certificate.fingerprint], |row| row.get::<Vec<u8>>(0))?;
            let is_same = whole.is_some_and(|whole| whole == held);
            if is_same {
                store(tx, &certificate, now)?;
            }
            Ok(is_same)
        })
        .await
    }

    /// Shows these addresses in this certificate and in no other; those that it does not name are given back.
    pub async fn publish_cert(&self, fingerprint: &str, addresses: Vec<Address>) -> Result<Vec<Address>> {
        let (fingerprint, now) = (fingerprint.to_string(), self.now());
        self.write(move |tx| {
            let mut unnamed = Vec::new();
            for address in addresses {
                if !publish(tx, &fingerprint, &address, now)? {
                    unnamed.push(address);
                }
            }
            Ok(unnamed)
        })
        .await
    }

    /// Shows an address in no certificate. `false` when it was shown in none.
    pub async fn withdraw_cert_address(&self, address: &Address) -> Result<bool> {
        let (key, now) = (address.key(), self.now());
        self.write(move |tx| {
            let shown = tx.query(
                "UPDATE cert_identity SET published = FALSE WHERE address_key = $1 AND published RETURNING fingerprint",
                &[&key],
                |row| row.get::<String>(0),
            )?;
            for fingerprint in &shown {
                log::append(tx, "withdrawn", fingerprint, Some(&key), &[], now)?;
            }
            Ok(!shown.is_empty())
        })
        .await
    }

    /// Forgets a certificate by its owner's wish: a tombstone keeps others from bringing it back. A revocation outlives it.
    pub async fn bury_cert(&self, fingerprint: &str) -> Result<Removed> {
        let (fingerprint, now) = (fingerprint.to_string(), self.now());
        self.write(move |tx| {
            tx.execute(
                "INSERT INTO cert_tombstone (fingerprint, reason, removed_at) VALUES ($1, 'owner', $2)
                 ON CONFLICT (fingerprint) DO UPDATE SET removed_at = excluded.removed_at",
                &[&fingerprint, &now],
            )?;
            tx.execute("UPDATE cert_identity SET published = FALSE WHERE fingerprint = $1", &[&fingerprint])?;
            log::append(tx, "removed", &fingerprint, None, &[], now)?;
            let gone = tx.execute("DELETE FROM cert WHERE fingerprint = $1 AND NOT revoked", &[&fingerprint])?;
            if gone > 0 {
                return Ok(Removed::Whole);
            }
            tx.execute("UPDATE cert SET secret_stored = FALSE, changed_at = $2 WHERE fingerprint = $1", &[&fingerprint, &now])?;
            Ok(Removed::Names)
        })
        .await
    }

    /// A certificate by the fingerprint of its primary key.
    pub async fn find_cert(&self, fingerprint: &str) -> Result<Option<Held>> {
        let fingerprint = fingerprint.to_string();
        self.read(move |tx| {
            Ok(tx.find(
                "SELECT fingerprint, account, secret_stored, whole FROM cert
                  WHERE fingerprint = $1 AND account IS NOT NULL",
                &[&fingerprint],
                held,
            )?)
        })
        .await
    }

    /// Certificates by the fingerprint or key id of any of their keys; those whose primary key it is come first.
    pub async fn find_certs_by_key(&self, handle: &str) -> Result<Vec<Held>> {
        let handle = handle.to_string();
        self.read(move |tx| {
            let mut found = tx.query(
                "SELECT DISTINCT c.fingerprint, c.account, c.secret_stored, c.whole
                   FROM cert_key k JOIN cert c ON c.fingerprint = k.fingerprint
                  WHERE (k.key_fingerprint = $1 OR k.key_id = $1) AND c.account IS NOT NULL
                  LIMIT $2",
                &[&handle, &i64::try_from(SHOWN_MAX).unwrap_or(1)],
                held,
            )?;
            found.sort_by_key(|held| !is_handle_of(&held.fingerprint, &handle));
            Ok(found)
        })
        .await
    }

    /// All certificates, or those of one account, oldest first.
    pub async fn list_certs(&self, account: Option<AccountId>) -> Result<Vec<Summary>> {
        self.scan(move |tx| list(tx, account)).await
    }
}

fn held(row: &hearth_db::Row<'_>) -> hearth_db::Result<Held> {
    Ok(Held { fingerprint: row.get(0)?, account: row.get(1)?, secret_stored: row.get(2)?, whole: row.get(3)? })
}

/// Is `handle` this fingerprint, or the key id that follows from it? RFC 9580 §5.5.4: the last eight octets of a
/// version 4 fingerprint, the first eight of a version 6 one.
pub(super) fn is_handle_of(fingerprint: &str, handle: &str) -> bool {
    let is_version_4 = fingerprint.len() == 40;
    fingerprint == handle
        || (handle.len() == 16 && if is_version_4 { fingerprint.ends_with(handle) } else { fingerprint.starts_with(handle) })
}

pub(super) fn store(tx: &mut Tx<'_>, certificate: &Certificate, now: Timestamp) -> Result<()> {
    let held = tx.find("SELECT account, whole, source FROM cert WHERE fingerprint = $1", &[&certificate.fingerprint], |row| {
        let is_of_the_house = row.get::<String>(2)? == Source::House.as_str();
        Ok(((row.get::<Option<AccountId>>(0)?, is_of_the_house), row.get::<Vec<u8>>(1)?))
    })?;
    let (owner, before) = held.unzip();
    let (owner, is_of_the_house) = owner.unwrap_or_default();
    if certificate.account.is_some_and(|account| is_of_the_house || owner.is_some_and(|owner| account != owner)) {
        return Err(Error::InUse(format!("{} belongs to another account", certificate.fingerprint)));
    }
    tx.execute(
        "INSERT INTO cert
            (fingerprint, account, source, algorithm, bits, whole, head, tail, secret_stored, revoked,
             created_at, expires_at, added_at, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
         ON CONFLICT (fingerprint) DO UPDATE SET
            account = COALESCE(excluded.account, cert.account), whole = excluded.whole, head = excluded.head, tail = excluded.tail,
            secret_stored = cert.secret_stored OR excluded.secret_stored, revoked = excluded.revoked,
            expires_at = excluded.expires_at, changed_at = excluded.changed_at",
        &[
            &certificate.fingerprint,
            &certificate.account,
            &certificate.source.as_str(),
            &i64::from(certificate.algorithm),
            &certificate.bits,
            &certificate.whole,
            &certificate.head,
            &certificate.tail,
            &certificate.secret_stored,
            &certificate.revoked,
            &certificate.created_at,
            &certificate.expires_at,
            &now,
        ],
    )?;
    store_keys(tx, certificate)?;
    let shown = store_identities(tx, certificate)?;
    // What nobody can see yet is no publication; a revocation is one for whoever has the certificate.
    if before.is_some_and(|before| before != certificate.whole) && (shown || certificate.revoked) {
        let verb = if certificate.revoked { "revoked" } else { "changed" };
        log::append(tx, verb, &certificate.fingerprint, None, &certificate.whole, now)?;
    }
    Ok(())
}

fn store_keys(tx: &mut Tx<'_>, certificate: &Certificate) -> Result<()> {
    tx.execute("DELETE FROM cert_key WHERE fingerprint = $1", &[&certificate.fingerprint])?;
    for key in &certificate.keys {
        tx.execute(
            "INSERT INTO cert_key (fingerprint, key_fingerprint, key_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &[&certificate.fingerprint, &key.fingerprint, &key.key_id],
        )?;
    }
    Ok(())
}

/// `true` when one of them is shown.
fn store_identities(tx: &mut Tx<'_>, certificate: &Certificate) -> Result<bool> {
    let published =
        tx.query("SELECT user_id FROM cert_identity WHERE fingerprint = $1 AND published", &[&certificate.fingerprint], |row| {
            row.get::<String>(0)
        })?;
    tx.execute("DELETE FROM cert_identity WHERE fingerprint = $1", &[&certificate.fingerprint])?;
    for identity in &certificate.identities {
        tx.execute(
            "INSERT INTO cert_identity
                (fingerprint, user_id, address_key, address, domain, wkd_hash, block, revoked, published, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT DO NOTHING",
            &[
                &certificate.fingerprint,
                &identity.user_id,
                &identity.address.key(),
                &identity.address.to_string(),
                identity.address.domain(),
                &wkd::encode_local_part(identity.address.local()),
                &identity.block,
                &identity.revoked,
                &published.contains(&identity.user_id),
                &identity.created_at,
                &identity.expires_at,
            ],
        )?;
    }
    Ok(!published.is_empty())
}

pub(super) fn publish(tx: &mut Tx<'_>, fingerprint: &str, address: &Address, now: Timestamp) -> Result<bool> {
    let named = tx.execute(
        "UPDATE cert_identity SET published = TRUE WHERE fingerprint = $1 AND address_key = $2",
        &[&fingerprint, &address.key()],
    )?;
    if named > 0 {
        tx.execute(
            "UPDATE cert_identity SET published = FALSE WHERE fingerprint <> $1 AND address_key = $2 AND published",
            &[&fingerprint, &address.key()],
        )?;
        let whole: Vec<u8> = tx.one("SELECT whole FROM cert WHERE fingerprint = $1", &[&fingerprint], |row| row.get(0))?;
        log::append(tx, "published", fingerprint, Some(&address.key()), &whole, now)?;
    }
    Ok(named > 0)
}

/// Whoever leaves takes their certificates along. One that was revoked stays, with no name in it, for those who have it.
pub(crate) fn leave(tx: &mut Tx<'_>, account: AccountId, now: Timestamp) -> Result<()> {
    let revoked = tx.query("SELECT fingerprint, head, tail FROM cert WHERE account = $1 AND revoked", &[&account], |row| {
        Ok((row.get::<String>(0)?, [row.get::<Vec<u8>>(1)?, row.get::<Vec<u8>>(2)?].concat()))
    })?;
    for (fingerprint, nameless) in revoked {
        tx.execute("DELETE FROM cert_identity WHERE fingerprint = $1", &[&fingerprint])?;
        tx.execute("DELETE FROM cert_vouch WHERE fingerprint = $1", &[&fingerprint])?;
        tx.execute(
            "UPDATE cert SET account = NULL, secret_stored = FALSE, whole = $2, changed_at = $3 WHERE fingerprint = $1",
            &[&fingerprint, &nameless, &now],
        )?;
    }
    Ok(())
}

/// Did its owner take it away?
pub(super) fn is_buried(tx: &mut Tx<'_>, fingerprint: &str) -> Result<bool> {
    Ok(tx.find("SELECT 1 FROM cert_tombstone WHERE fingerprint = $1", &[&fingerprint], |_| Ok(()))?.is_some())
}

fn list(tx: &mut Tx<'_>, account: Option<AccountId>) -> Result<Vec<Summary>> {
    let mut summaries: Vec<Summary> = Vec::new();
    tx.each(
        "SELECT c.fingerprint, c.account, c.secret_stored, c.created_at, c.expires_at, c.revoked,
                i.address, i.revoked, i.published
           FROM cert c LEFT JOIN cert_identity i ON i.fingerprint = c.fingerprint
          WHERE c.account IS NOT NULL AND ($1 IS NULL OR c.account = $1)
          ORDER BY c.added_at, c.fingerprint, i.address, i.user_id",
        &[&account],
        |row| {
            let fingerprint: String = row.get(0)?;
            if summaries.last().is_none_or(|last| last.fingerprint != fingerprint) {
                summaries.push(Summary {
                    fingerprint,
                    account: row.get(1)?,
                    secret_stored: row.get(2)?,
                    created_at: row.get(3)?,
                    expires_at: row.get(4)?,
                    revoked: row.get(5)?,
                    addresses: Vec::new(),
                });
            }
            if let (Some(address), Some(summary)) = (row.get::<Option<Address>>(6)?, summaries.last_mut()) {
                summary.addresses.push(NamedAddress { address, revoked: row.get(7)?, published: row.get(8)? });
            }
            Ok::<_, hearth_db::Error>(())
        },
    )?;
    Ok(summaries)
}
