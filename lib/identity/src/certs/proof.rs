// SPDX-License-Identifier: AGPL-3.0-or-later
//! What waits for somebody to answer a letter: that an address is theirs, and what is to be done with it.
//!
//! A [`Token`] is a secret that stands in a link; its hash is kept. An address is asked once an hour at most, whatever is
//! asked and by whom.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_db::Tx;
use hearth_types::{AccountId, Address, Timestamp};
use sha2::{Digest as _, Sha256};

use super::Certificate;
use super::stored::{is_buried, publish, store};
use crate::directory::{Directory, letter};
use crate::error::Result;
use crate::limits::{CERT_MAIL_EVERY, PROOF_KEEP, UPLOAD_KEEP, UPLOADS_MAX};
use crate::random;

/// 256 bits that only the reader of a letter (or the sender of an upload) has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new one.
    pub fn fresh() -> Self {
        Self(URL_SAFE_NO_PAD.encode(random::bytes::<32>()))
    }

    /// One that somebody brought.
    pub fn parse(text: &str) -> Option<Self> {
        let is_token = text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        is_token.then(|| Self(text.to_string()))
    }

    /// As it stands in a link.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0.as_bytes()).to_vec()
    }
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To ask for letters about what was uploaded.
    Upload,
    /// To show an address in a certificate.
    Proof,
    /// To show an address in no certificate.
    Manage,
    /// To say which certificate of an address is the right one (HKP v2).
    Canonical,
    /// To show an address in a certificate that came by mail.
    WebKeyService,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Proof => "proof",
            Self::Manage => "manage",
            Self::Canonical => "canonical",
            Self::WebKeyService => "wks",
        }
    }
}

/// What waits for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Of the certificate that it is about; empty when it is about none.
    pub fingerprint: String,
    /// The certificate as it was uploaded.
    pub bytes: Vec<u8>,
    /// The address that it is about.
    pub address: Option<Address>,
}

/// A certificate whoever it belongs to; a stranger's belongs to nobody here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Of the primary key.
    pub fingerprint: String,
    /// Whose it is, when it is one of ours.
    pub account: Option<AccountId>,
    /// All that we hold.
    pub whole: Vec<u8>,
}

impl Directory {
    /// Keeps what was uploaded for as long as [`UPLOAD_KEEP`]; the oldest goes when there are too many.
    pub async fn add_upload(&self, token: &Token, fingerprint: &str, bytes: Vec<u8>) -> Result<()> {
        let (token, fingerprint, now) = (token.clone(), fingerprint.to_string(), self.now());
        self.write(move |tx| {
            let waiting = Waiting { fingerprint, bytes, address: None };
            add(tx, &token, Purpose::Upload, &waiting, now, now.after(UPLOAD_KEEP))
        })
        .await
    }

    /// Keeps what a letter is about, and puts the letter down; `false` when the address was asked within the hour. Without a
    /// letter the same is kept, so that nothing which follows tells whether one was written.
    pub async fn add_proof(
        &self,
        token: &Token,
        purpose: Purpose,
        address: &Address,
        about: (String, Vec<u8>),
        letter: Option<Vec<u8>>,
    ) -> Result<bool> {
        let (token, address, now) = (token.clone(), address.clone(), self.now());
        self.write(move |tx| {
            let told = tx.execute(
                "INSERT INTO cert_mail (address_key, sent_at) VALUES ($1, $2)
                 ON CONFLICT (address_key) DO UPDATE SET sent_at = excluded.sent_at WHERE cert_mail.sent_at <= $3",
                &[&address.key(), &now, &now.before(CERT_MAIL_EVERY)],
            )?;
            if told == 0 {
                return Ok(false);
            }
            tx.execute("DELETE FROM cert_mail WHERE sent_at <= $1", &[&now.before(CERT_MAIL_EVERY)])?;
            if let Some(letter) = &letter {
                letter::add(tx, &address, letter, now)?;
            }
            let (fingerprint, bytes) = about;
            let waiting = Waiting { fingerprint, bytes, address: Some(address) };
            add(tx, &token, purpose, &waiting, now, now.after(PROOF_KEEP))?;
            Ok(true)
        })
        .await
    }

    /// What waits for this token, while it is good.
    pub async fn find_waiting(&self, token: &Token, purpose: Purpose) -> Result<Option<Waiting>> {
        let (hash, now) = (token.hash(), self.now());
        self.read(move |tx| {
            Ok(tx.find(
                "SELECT fingerprint, bytes, address FROM cert_upload
                  WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3",
                &[&hash, &purpose.as_str(), &now],
                |row| Ok(Waiting { fingerprint: row.get(0)?, bytes: row.get(1)?, address: row.get(2)? }),
            )?)
        })
        .await
    }

    /// Forgets a token.
    pub async fn remove_waiting(&self, token: &Token) -> Result<()> {
        let hash = token.hash();
        self.write(move |tx| Ok(tx.execute("DELETE FROM cert_upload WHERE token_hash = $1", &[&hash]).map(drop)?)).await
    }

    /// Does a letter about this address wait for an answer?
    pub async fn is_proof_pending(&self, fingerprint: &str, address: &Address) -> Result<bool> {
        let (fingerprint, key, now) = (fingerprint.to_string(), address.key(), self.now());
        self.read(move |tx| {
            let found = tx.find(
                "SELECT 1 FROM cert_upload
                  WHERE fingerprint = $1 AND address_key = $2 AND purpose = 'proof' AND expires_at > $3 LIMIT 1",
                &[&fingerprint, &key, &now],
                |_| Ok(()),
            )?;
            Ok(found.is_some())
        })
        .await
    }

    /// Stores a certificate and shows one of its addresses, in this certificate and no other, all at once. `false` when
    /// the certificate does not name the address, or its owner took it away from here.
    pub async fn prove_cert(&self, certificate: Certificate, address: &Address) -> Result<bool> {
        let (address, now) = (address.clone(), self.now());
        self.write(move |tx| {
            if is_buried(tx, &certificate.fingerprint)? {
                return Ok(false);
            }
            store(tx, &certificate, now)?;
            publish(tx, &certificate.fingerprint, &address, now)
        })
        .await
    }

    /// A certificate by the fingerprint of its primary key, whoever it belongs to.
    pub async fn find_kept(&self, fingerprint: &str) -> Result<Option<Kept>> {
        let fingerprint = fingerprint.to_string();
        self.read(move |tx| {
            Ok(tx.find("SELECT fingerprint, account, whole FROM cert WHERE fingerprint = $1", &[&fingerprint], |row| {
                Ok(Kept { fingerprint: row.get(0)?, account: row.get(1)?, whole: row.get(2)? })
            })?)
        })
        .await
    }

    /// The fingerprint of the certificate that has a key of this fingerprint or id; its own primary key comes first.
    pub async fn find_fingerprint_by_key(&self, handle: &str) -> Result<Option<String>> {
        Ok(self.find_shown_certs_by_key(handle).await?.into_iter().next().map(|shown| shown.fingerprint))
    }

    /// The fingerprints of certificates that changed from the first moment on and before the second, in order.
    pub async fn list_changed_certs(&self, from: Timestamp, before: Timestamp) -> Result<Vec<String>> {
        self.scan(move |tx| {
            Ok(tx.query(
                "SELECT fingerprint FROM cert WHERE changed_at >= $1 AND changed_at < $2 ORDER BY fingerprint",
                &[&from, &before],
                |row| row.get(0),
            )?)
        })
        .await
    }
}

fn add(tx: &mut Tx<'_>, token: &Token, purpose: Purpose, waiting: &Waiting, now: Timestamp, until: Timestamp) -> Result<()> {
    tx.execute("DELETE FROM cert_upload WHERE expires_at <= $1", &[&now])?;
    tx.execute(
        "DELETE FROM cert_upload WHERE token_hash IN
            (SELECT token_hash FROM cert_upload ORDER BY created_at DESC, token_hash LIMIT 1000000 OFFSET $1)",
        &[&i64::try_from(UPLOADS_MAX.saturating_sub(1)).unwrap_or(i64::MAX)],
    )?;
    tx.execute(
        "INSERT INTO cert_upload (token_hash, fingerprint, bytes, address_key, address, purpose, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            &token.hash(),
            &waiting.fingerprint,
            &waiting.bytes,
            &waiting.address.as_ref().map(Address::key),
            &waiting.address.as_ref().map(ToString::to_string),
            &purpose.as_str(),
            &now,
            &until,
        ],
    )?;
    Ok(())
}
