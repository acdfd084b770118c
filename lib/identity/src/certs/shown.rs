// SPDX-License-Identifier: AGPL-3.0-or-later
//! What strangers see of a certificate.
//!
//! Every query here asks for the three conditions of an identity again (see the module's head), so
//! that an address that was taken away, or an account that was disabled, is gone at once.

use hearth_db::Tx;
use hearth_types::{Address, Domain, Timestamp};

use super::SHOWN_MAX;
use super::stored::is_handle_of;
use crate::directory::Directory;
use crate::error::Result;

/// A certificate with those of its identities that may be shown; with none it is still of use: it
/// carries revocations, expiry and subkeys to those who know it already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Of the primary key.
    pub fingerprint: String,
    /// The number of the primary key's algorithm (RFC 9580 §9.1).
    pub algorithm: u8,
    /// Bits of the primary key.
    pub bits: u32,
    /// When the primary key was made.
    pub created_at: Timestamp,
    /// When the certificate ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// Is the whole certificate revoked?
    pub revoked: bool,
    /// When what we hold of it last changed.
    pub changed_at: Timestamp,
    /// The identities that may be shown.
    pub identities: Vec<ShownIdentity>,
    head: Vec<u8>,
    tail: Vec<u8>,
}

/// An identity that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownIdentity {
    /// As it stands in the certificate.
    pub user_id: String,
    /// When the owner last bound it to the key.
    pub created_at: Timestamp,
    /// When that binding ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// Is the address of a domain of this home? Others were proven by a letter.
    pub is_ours: bool,
    /// Does the home of its domain, which this house trusts, say whose it is? sequoia-wot weighed that when it came.
    pub is_vouched: bool,
    block: Vec<u8>,
}

impl Shown {
    /// The certificate, in binary.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        for identity in &self.identities {
            bytes.extend_from_slice(&identity.block);
        }
        bytes.extend_from_slice(&self.tail);
        bytes
    }
}

impl Directory {
    /// Under the name that a Web Key Directory gives an address: only the identities of that address.
    pub async fn find_shown_certs_by_wkd_hash(&self, domain: &Domain, wkd_hash: &str) -> Result<Vec<Shown>> {
        let (domain, wkd_hash, now) = (domain.clone(), wkd_hash.to_string(), self.now());
        self.read(move |tx| {
            let keys = tx.query(
                "SELECT DISTINCT address_key FROM cert_identity WHERE domain = $1 AND wkd_hash = $2 AND published LIMIT 4",
                &[&domain, &wkd_hash],
                |row| row.get::<String>(0),
            )?;
            let mut shown = Vec::new();
            for key in keys {
                shown.append(&mut find_by_address_key(tx, &key, now)?);
            }
            Ok(shown)
        })
        .await
    }

    /// By address, in any spelling of it: only the identities of that address.
    pub async fn find_shown_certs_by_address(&self, address: &Address) -> Result<Vec<Shown>> {
        let (key, now) = (address.key(), self.now());
        self.read(move |tx| find_by_address_key(tx, &key, now)).await
    }

    /// By fingerprint or key id of any of its keys, upper-case hexadecimal: all identities that may be
    /// shown, or none. Those whose primary key it is come first.
    pub async fn find_shown_certs_by_key(&self, handle: &str) -> Result<Vec<Shown>> {
        let (handle, now) = (handle.to_string(), self.now());
        self.read(move |tx| {
            let mut fingerprints = tx.query(
                "SELECT DISTINCT fingerprint FROM cert_key WHERE key_fingerprint = $1 OR key_id = $1 LIMIT $2",
                &[&handle, &shown_max()],
                |row| row.get::<String>(0),
            )?;
            fingerprints.sort_by_key(|fingerprint| !is_handle_of(fingerprint, &handle));
            let mut shown = Vec::new();
            for fingerprint in fingerprints {
                shown.extend(find_one(tx, &fingerprint, None, now)?);
            }
            Ok(shown)
        })
        .await
    }
}

fn shown_max() -> i64 {
    i64::try_from(SHOWN_MAX).unwrap_or(1)
}

fn find_by_address_key(tx: &mut Tx<'_>, address_key: &str, now: Timestamp) -> Result<Vec<Shown>> {
    let fingerprints = tx.query(
        "SELECT DISTINCT fingerprint FROM cert_identity WHERE address_key = $1 AND published LIMIT $2",
        &[&address_key, &shown_max()],
        |row| row.get::<String>(0),
    )?;
    let mut shown = Vec::new();
    for fingerprint in fingerprints {
        let found = find_one(tx, &fingerprint, Some(address_key), now)?;
        shown.extend(found.filter(|shown| !shown.identities.is_empty()));
    }
    Ok(shown)
}

/// One certificate with its identities, or with those of one address.
fn find_one(tx: &mut Tx<'_>, fingerprint: &str, address_key: Option<&str>, now: Timestamp) -> Result<Option<Shown>> {
    let found = tx.find(
        "SELECT fingerprint, algorithm, bits, created_at, expires_at, revoked, changed_at, head, tail
           FROM cert WHERE fingerprint = $1",
        &[&fingerprint],
        |row| {
            Ok(Shown {
                fingerprint: row.get(0)?,
                algorithm: row.get(1)?,
                bits: row.get(2)?,
                created_at: row.get(3)?,
                expires_at: row.get(4)?,
                revoked: row.get(5)?,
                changed_at: row.get(6)?,
                identities: Vec::new(),
                head: row.get(7)?,
                tail: row.get(8)?,
            })
        },
    )?;
    let Some(mut shown) = found else { return Ok(None) };
    shown.identities = list_identities(tx, fingerprint, address_key)?;
    for identity in &mut shown.identities {
        // Certifications that this house made or accepted go behind the owner's own signatures.
        tx.each(
            "SELECT v.packet, CASE WHEN h.domain IS NULL OR v.approved THEN FALSE ELSE TRUE END
               FROM cert_vouch v LEFT JOIN trusted_home h ON h.fingerprint = v.issuer
              WHERE v.fingerprint = $1 AND v.user_id = $2 AND v.expires_at > $3 ORDER BY v.issuer",
            &[&fingerprint, &identity.user_id, &now],
            |row| {
                identity.is_vouched |= row.get::<bool>(1)?;
                identity.block.extend_from_slice(&row.get::<Vec<u8>>(0)?);
                Ok::<_, hearth_db::Error>(())
            },
        )?;
    }
    Ok(Some(shown))
}

/// Those that fulfil the conditions, as their owner signed them.
fn list_identities(tx: &mut Tx<'_>, fingerprint: &str, address_key: Option<&str>) -> Result<Vec<ShownIdentity>> {
    Ok(tx.query(
        "SELECT i.user_id, i.created_at, i.expires_at, i.block, CASE WHEN d.id IS NULL THEN FALSE ELSE TRUE END
           FROM cert_identity i
           JOIN cert c ON c.fingerprint = i.fingerprint
           LEFT JOIN account o ON o.id = c.account
           LEFT JOIN domain d ON d.name = i.domain
           LEFT JOIN address a ON a.address_key = i.address_key
          WHERE i.fingerprint = $1 AND i.published AND NOT i.revoked AND ($2 IS NULL OR i.address_key = $2)
            AND (o.id IS NULL OR NOT o.disabled) AND (d.id IS NULL OR a.account = c.account OR c.source = 'house')
          ORDER BY i.created_at, i.user_id",
        &[&fingerprint, &address_key.map(str::to_string)],
        |row| {
            Ok(ShownIdentity {
                user_id: row.get(0)?,
                created_at: row.get(1)?,
                expires_at: row.get(2)?,
                is_ours: row.get(4)?,
                is_vouched: false,
                block: row.get(3)?,
            })
        },
    )?)
}
