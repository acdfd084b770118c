// SPDX-License-Identifier: AGPL-3.0-or-later
//! Certificates of people elsewhere: what was found, where, and since when. A cache with a history, not a directory: it is
//! shown to the people of this house alone, and what nobody asks for any more is forgotten.

use hearth_db::Tx;
use hearth_types::{AccountId, Address, Domain, Timestamp};

use crate::directory::Directory;
use crate::error::Result;
use crate::limits::{AUTOCRYPT_PEERS_MAX, SEEN_KEEP, SEEN_MAX, SEEN_OF_ADDRESS_MAX, TOLD_LISTED_MAX};

/// A certificate that was found for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Of the primary key.
    pub fingerprint: String,
    /// By which way.
    pub source: String,
    /// Who was asked: a domain.
    pub via: String,
    /// How sure we were, 0 to 120.
    pub confidence: u8,
    /// The certificate with the identities of the address alone.
    pub bytes: Vec<u8>,
    /// When it was first found this way.
    pub first_seen_at: Timestamp,
    /// When it was last found this way.
    pub last_seen_at: Timestamp,
}

/// What a person was told of a correspondent's certificate; how it was found is missing for people of this house, and for
/// what was forgotten since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The correspondent, as addresses are compared.
    pub address: String,
    /// Of the primary key.
    pub fingerprint: String,
    /// When the person was last told.
    pub told_at: Timestamp,
    /// By which way it was found.
    pub source: Option<String>,
    /// Who was asked.
    pub via: Option<String>,
    /// How sure the house was, 0 to 120.
    pub confidence: Option<u8>,
    /// When it was first found this way.
    pub first_seen_at: Option<Timestamp>,
}

/// What a correspondent sent in Autocrypt fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutocryptPeer {
    /// The certificate as it came: no more than octets.
    pub keydata: Vec<u8>,
    /// They wish that answers are encrypted.
    pub mutual: bool,
    /// When the mail was sent.
    pub effective_at: Timestamp,
}

/// More than what a domain says of its own addresses (`wkd`, `dane`): its home was believed.
const MORE_THAN_PUBLISHED: u32 = 80;

/// Forgets what a home was asked for, and what is thought surer because of its word.
pub(crate) fn forget_word(tx: &mut Tx<'_>, home: &Domain) -> Result<()> {
    tx.execute(
        "DELETE FROM cert_seen WHERE (source = 'friend' AND via = $1) OR (confidence > $2 AND address_key LIKE $3)",
        &[home, &MORE_THAN_PUBLISHED, &format!("%@{home}")],
    )?;
    Ok(())
}

impl Directory {
    /// Remembers what was found for an address.
    pub async fn note_seen_certs(&self, address: &Address, seen: Vec<Seen>) -> Result<()> {
        let (key, now) = (address.key(), self.now());
        self.note(move |tx| {
            for seen in &seen {
                tx.execute(
                    "INSERT INTO cert_seen
                        (address_key, fingerprint, source, via, confidence, bytes, first_seen_at, last_seen_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
                     ON CONFLICT (address_key, fingerprint, source) DO UPDATE SET
                        via = excluded.via, confidence = excluded.confidence, bytes = excluded.bytes,
                        last_seen_at = excluded.last_seen_at",
                    &[&key, &seen.fingerprint, &seen.source, &seen.via, &u32::from(seen.confidence), &seen.bytes, &now],
                )?;
            }
            tx.execute("DELETE FROM cert_seen WHERE last_seen_at <= $1", &[&now.before(SEEN_KEEP)])?;
            tx.execute(
                "DELETE FROM cert_seen WHERE address_key = $1 AND (fingerprint, source) IN
                    (SELECT fingerprint, source FROM cert_seen WHERE address_key = $1
                      ORDER BY last_seen_at DESC, fingerprint, source LIMIT 1000000 OFFSET $2)",
                &[&key, &SEEN_OF_ADDRESS_MAX],
            )?;
            tx.execute(
                "DELETE FROM cert_seen WHERE (address_key, fingerprint, source) IN
                    (SELECT address_key, fingerprint, source FROM cert_seen
                      ORDER BY last_seen_at DESC, address_key, fingerprint, source LIMIT 1000000 OFFSET $1)",
                &[&SEEN_MAX],
            )?;
            Ok(())
        })
        .await
    }

    /// What was found for an address so far, the newest first.
    pub async fn list_seen_certs(&self, address: &Address) -> Result<Vec<Seen>> {
        let key = address.key();
        self.read(move |tx| {
            Ok(tx.query(
                "SELECT fingerprint, source, via, confidence, bytes, first_seen_at, last_seen_at FROM cert_seen
                  WHERE address_key = $1 ORDER BY last_seen_at DESC, confidence DESC, fingerprint, source",
                &[&key],
                |row| {
                    Ok(Seen {
                        fingerprint: row.get(0)?,
                        source: row.get(1)?,
                        via: row.get(2)?,
                        confidence: u8::try_from(row.get::<i64>(3)?).unwrap_or(0),
                        bytes: row.get(4)?,
                        first_seen_at: row.get(5)?,
                        last_seen_at: row.get(6)?,
                    })
                },
            )?)
        })
        .await
    }

    /// Tells a person of a certificate for an address; what they were told before and when, when it was another one.
    pub async fn tell_of_cert(
        &self,
        account: AccountId,
        address: &Address,
        fingerprint: &str,
    ) -> Result<Option<(String, Timestamp)>> {
        let (key, fingerprint, now) = (address.key(), fingerprint.to_string(), self.now());
        self.note(move |tx| {
            let before = tx.find(
                "SELECT fingerprint, told_at FROM cert_told WHERE account = $1 AND address_key = $2",
                &[&account, &key],
                |row| Ok((row.get::<String>(0)?, row.get::<Timestamp>(1)?)),
            )?;
            tx.execute(
                "INSERT INTO cert_told (account, address_key, fingerprint, told_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (account, address_key) DO UPDATE SET fingerprint = excluded.fingerprint, told_at = excluded.told_at",
                &[&account, &key, &fingerprint, &now],
            )?;
            Ok(before.filter(|(told, _)| *told != fingerprint))
        })
        .await
    }

    /// What a person was told of their correspondents' certificates, the newest first.
    pub async fn list_told_certs(&self, account: AccountId) -> Result<Vec<Told>> {
        self.read(move |tx| {
            let mut all: Vec<Told> = tx.query(
                "SELECT t.address_key, t.fingerprint, t.told_at, s.source, s.via, s.confidence, s.first_seen_at
                   FROM cert_told t
                   LEFT JOIN cert_seen s ON s.address_key = t.address_key AND s.fingerprint = t.fingerprint
                  WHERE t.account = $1
                  ORDER BY t.told_at DESC, t.address_key, s.confidence DESC, s.source LIMIT $2",
                &[&account, &TOLD_LISTED_MAX],
                |row| {
                    Ok(Told {
                        address: row.get(0)?,
                        fingerprint: row.get(1)?,
                        told_at: row.get(2)?,
                        source: row.get(3)?,
                        via: row.get(4)?,
                        confidence: row.get::<Option<i64>>(5)?.and_then(|amount| u8::try_from(amount).ok()),
                        first_seen_at: row.get(6)?,
                    })
                },
            )?;
            // Found by several ways: the surest counts.
            all.dedup_by(|later, first| later.address == first.address);
            Ok(all)
        })
        .await
    }

    /// Keeps what a correspondent sent, unless a newer mail said otherwise (Autocrypt Level 1 §2.3).
    pub async fn note_autocrypt_peer(&self, account: AccountId, address: &Address, peer: AutocryptPeer) -> Result<()> {
        let (key, effective) = (address.key(), peer.effective_at.min(self.now()));
        self.note(move |tx| {
            tx.execute(
                "INSERT INTO autocrypt_peer (account, address_key, keydata, mutual, effective_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (account, address_key) DO UPDATE SET
                    keydata = excluded.keydata, mutual = excluded.mutual, effective_at = excluded.effective_at
                  WHERE autocrypt_peer.effective_at <= excluded.effective_at",
                &[&account, &key, &peer.keydata, &peer.mutual, &effective],
            )?;
            tx.execute(
                "DELETE FROM autocrypt_peer WHERE account = $1 AND address_key IN
                    (SELECT address_key FROM autocrypt_peer WHERE account = $1
                      ORDER BY effective_at DESC, address_key LIMIT 1000000 OFFSET $2)",
                &[&account, &AUTOCRYPT_PEERS_MAX],
            )?;
            Ok(())
        })
        .await
    }

    /// What a correspondent of a person last sent.
    pub async fn find_autocrypt_peer(&self, account: AccountId, address: &Address) -> Result<Option<AutocryptPeer>> {
        let key = address.key();
        self.read(move |tx| {
            Ok(tx.find(
                "SELECT keydata, mutual, effective_at FROM autocrypt_peer WHERE account = $1 AND address_key = $2",
                &[&account, &key],
                |row| Ok(AutocryptPeer { keydata: row.get(0)?, mutual: row.get(1)?, effective_at: row.get(2)? }),
            )?)
        })
        .await
    }
}
