// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the house itself has a hand in: certifications, homes that it trusts, keys of its own services, reminders, and
//! mails to addresses that a server answers.

use hearth_db::Tx;
use hearth_types::id::Id;
use hearth_types::{Address, Domain, Timestamp};

use crate::directory::{Directory, letter};
use crate::error::{Error, Result};
use crate::limits::{HOUSE_MAIL_BYTES_MAX, HOUSE_MAILS_MAX};

/// A certification of one user id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouch {
    /// Of the certificate.
    pub fingerprint: String,
    /// The user id, as it stands there.
    pub user_id: String,
    /// Of the key that certifies.
    pub issuer: String,
    /// One signature packet.
    pub packet: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A home whose certificate this house trusts for its domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedHome {
    /// Its domain.
    pub domain: Domain,
    /// Of its certificate.
    pub fingerprint: String,
    /// The certificate with our trust signature.
    pub bytes: Vec<u8>,
    /// Since when.
    pub since: Timestamp,
}

/// A mail to an address that a server of the house answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HouseMail {
    /// Its number.
    pub id: Id,
    /// To which address.
    pub recipient: Address,
    /// The mail.
    pub raw: Vec<u8>,
}

/// Takes back what an issuer certified; what its owner approved of stays theirs to show. Whoever refreshes by the prefix log
/// learns of it.
pub(crate) fn remove_vouches(tx: &mut Tx<'_>, issuer: &str, now: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE cert SET changed_at = $2
          WHERE fingerprint IN (SELECT fingerprint FROM cert_vouch WHERE NOT approved AND issuer = $1)",
        &[&issuer, &now],
    )?;
    tx.execute("DELETE FROM cert_vouch WHERE NOT approved AND issuer = $1", &[&issuer])?;
    Ok(())
}

impl Directory {
    /// Keeps certifications, each in place of the issuer's older one.
    pub async fn store_vouches(&self, vouches: Vec<Vouch>) -> Result<()> {
        let now = self.now();
        self.write(move |tx| {
            for vouch in &vouches {
                tx.execute(
                    "INSERT INTO cert_vouch (fingerprint, user_id, issuer, packet, approved, created_at, expires_at)
                     VALUES ($1, $2, $3, $4, FALSE, $5, $6)
                     ON CONFLICT (fingerprint, user_id, issuer) DO UPDATE SET
                        packet = excluded.packet, approved = FALSE, created_at = excluded.created_at, expires_at = excluded.expires_at",
                    &[&vouch.fingerprint, &vouch.user_id, &vouch.issuer, &vouch.packet, &vouch.created_at, &vouch.expires_at],
                )?;
                // Whoever refreshes by the prefix log learns of it.
                tx.execute("UPDATE cert SET changed_at = $1 WHERE fingerprint = $2", &[&now, &vouch.fingerprint])?;
            }
            tx.execute("DELETE FROM cert_vouch WHERE expires_at <= $1", &[&now])?;
            Ok(())
        })
        .await
    }

    /// Keeps what the owner of a certificate approved of, in place of what was approved of before; `false` when the owner
    /// said something newer already, or the certificate is not held.
    pub async fn replace_approved(&self, fingerprint: &str, made_at: Timestamp, vouches: Vec<Vouch>) -> Result<bool> {
        let (fingerprint, now) = (fingerprint.to_string(), self.now());
        self.write(move |tx| {
            let held = tx.execute("UPDATE cert SET changed_at = $1 WHERE fingerprint = $2", &[&now, &fingerprint])?;
            let newest = tx.one(
                "SELECT MAX(created_at) FROM cert_vouch WHERE fingerprint = $1 AND approved AND issuer = $2",
                &[&fingerprint, &format!("{fingerprint} approves")],
                |row| row.get::<Option<Timestamp>>(0),
            )?;
            if held == 0 || newest.is_some_and(|newest| newest >= made_at) {
                return Ok(false);
            }
            tx.execute("DELETE FROM cert_vouch WHERE fingerprint = $1 AND approved", &[&fingerprint])?;
            for vouch in &vouches {
                tx.execute(
                    "INSERT INTO cert_vouch (fingerprint, user_id, issuer, packet, approved, created_at, expires_at)
                     VALUES ($1, $2, $3, $4, TRUE, $5, $6)
                     ON CONFLICT DO NOTHING",
                    &[&fingerprint, &vouch.user_id, &vouch.issuer, &vouch.packet, &vouch.created_at, &vouch.expires_at],
                )?;
            }
            Ok(true)
        })
        .await
    }

    /// Takes back all that an issuer certified.
    pub async fn remove_vouches_by(&self, issuer: &str) -> Result<()> {
        let (issuer, now) = (issuer.to_string(), self.now());
        self.write(move |tx| remove_vouches(tx, &issuer, now)).await
    }

    /// The certifications of a certificate.
    pub async fn list_vouches(&self, fingerprint: &str) -> Result<Vec<Vouch>> {
        let fingerprint = fingerprint.to_string();
        self.read(move |tx| {
            Ok(tx.query(
                "SELECT fingerprint, user_id, issuer, packet, created_at, expires_at FROM cert_vouch
                  WHERE fingerprint = $1 ORDER BY user_id, issuer",
                &[&fingerprint],
                |row| {
                    Ok(Vouch {
                        fingerprint: row.get(0)?,
                        user_id: row.get(1)?,
                        issuer: row.get(2)?,
                        packet: row.get(3)?,
                        created_at: row.get(4)?,
                        expires_at: row.get(5)?,
                    })
                },
            )?)
        })
        .await
    }

    /// Every home that is trusted, by domain.
    pub async fn list_trusted_homes(&self) -> Result<Vec<TrustedHome>> {
        self.read(|tx| {
            Ok(tx.query("SELECT domain, fingerprint, bytes, since FROM trusted_home ORDER BY domain", &[], |row| {
                Ok(TrustedHome { domain: row.get(0)?, fingerprint: row.get(1)?, bytes: row.get(2)?, since: row.get(3)? })
            })?)
        })
        .await
    }

    /// The key of a service of the house, secret part and all. It guards no more than that service's own mails.
    pub async fn find_service_cert(&self, role: &str) -> Result<Option<Vec<u8>>> {
        let role = role.to_string();
        self.read(move |tx| Ok(tx.find("SELECT secret FROM service_cert WHERE role = $1", &[&role], |row| row.get(0))?)).await
    }

    /// Keeps the key of a service in place of the one before.
    pub async fn replace_service_cert(&self, role: &str, fingerprint: &str, secret: Vec<u8>) -> Result<()> {
        let (role, fingerprint, now) = (role.to_string(), fingerprint.to_string(), self.now());
        self.write(move |tx| {
            tx.execute(
                "INSERT INTO service_cert (role, fingerprint, secret, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (role) DO UPDATE SET
                    fingerprint = excluded.fingerprint, secret = excluded.secret, created_at = excluded.created_at",
                &[&role, &fingerprint, &secret, &now],
            )?;
            Ok(())
        })
        .await
    }

    /// Puts a mail down for the server that answers its recipient; synced when it answers.
    pub async fn add_house_mail(&self, recipient: &Address, raw: Vec<u8>) -> Result<()> {
        let (recipient, now) = (recipient.to_string(), self.now());
        self.write(move |tx| {
            if raw.len() > HOUSE_MAIL_BYTES_MAX {
                return Err(Error::Invalid(format!("such a mail has {HOUSE_MAIL_BYTES_MAX} octets at most")));
            }
            let waiting: i64 = tx.one("SELECT COUNT(*) FROM house_mail", &[], |row| row.get(0))?;
            if usize::try_from(waiting).unwrap_or(usize::MAX) >= HOUSE_MAILS_MAX {
                return Err(Error::TooMany { what: "mails that wait for a server of the house", max: HOUSE_MAILS_MAX });
            }
            tx.execute(
                "INSERT INTO house_mail (id, recipient, raw) VALUES ($1, $2, $3)",
                &[&Id::new(now).as_i64(), &recipient, &raw],
            )?;
            Ok(())
        })
        .await
    }

    /// The oldest such mail.
    pub async fn find_house_mail(&self) -> Result<Option<HouseMail>> {
        self.read(|tx| {
            Ok(tx.find("SELECT id, recipient, raw FROM house_mail ORDER BY id LIMIT 1", &[], |row| {
                Ok(HouseMail { id: Id::from_i64(row.get(0)?), recipient: row.get(1)?, raw: row.get(2)? })
            })?)
        })
        .await
    }

    /// Removes a mail that was answered.
    pub async fn remove_house_mail(&self, id: Id) -> Result<()> {
        self.write(move |tx| Ok(tx.execute("DELETE FROM house_mail WHERE id = $1", &[&id.as_i64()]).map(drop)?)).await
    }

    /// Writes a reminder that a certificate ends, once for each number of days; `false` when it was written before.
    pub async fn remind_of_cert(
        &self,
        fingerprint: &str,
        expires_at: Timestamp,
        days: u32,
        recipient: &Address,
        raw: Vec<u8>,
    ) -> Result<bool> {
        let (fingerprint, recipient, now) = (fingerprint.to_string(), recipient.clone(), self.now());
        self.write(move |tx| {
            let first = tx.execute(
                "INSERT INTO cert_reminder (fingerprint, expires_at, days, sent_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (fingerprint, expires_at, days) DO NOTHING",
                &[&fingerprint, &expires_at, &days, &now],
            )?;
            if first > 0 {
                letter::add(tx, &recipient, &raw, now)?;
            }
            Ok(first > 0)
        })
        .await
    }
}
