// SPDX-License-Identifier: AGPL-3.0-or-later
//! DKIM signatures (RFC 6376, RFC 8463): RSA for everybody, Ed25519 beside it, both relaxed/relaxed; and ARC sets (RFC
//! 8617), by the RSA key, or the other where that is all there is.
//!
//! Keys are files, `DIR/dkim/<domain>/rsa.key` and `ed25519.key` (PKCS#8 in PEM); the selectors are named after them.
//! A domain without keys is not signed for. Files are looked at again after a while, so that new keys need no restart.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hearth_types::Domain;
use mail_auth::arc::{ArcSealer, ArcSet};
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256, SigningKey};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{Canonicalization, DkimSigner, Done};
use mail_auth::{ArcOutput, AuthenticatedMessage, AuthenticationResults};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::message::Message;

/// Keys are read again after this long.
const KEPT: Duration = Duration::from_secs(60);
/// RFC 6376 §5.4.1. A name that stands here once more than it may stand in the message cannot be added later without
/// breaking the signature ("oversigning"); mail-auth signs every instance of a name that it finds.
const SIGNED: [&str; 18] = [
    "From",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "To",
    "Cc",
    "Cc",
    "Subject",
    "Subject",
    "Date",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// RFC 8058 §4: of a list's copy, what the list added too.
const SIGNED_OF_LIST: [&str; 10] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Id",
    "List-Post",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Content-Type",
];
/// RFC 8617 §4.1.2: no ARC fields, and no Authentication-Results.
const SEALED: [&str; 14] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "DKIM-Signature",
];

/// Signs for the domains of this home. Cheap to clone.
#[derive(Clone)]
pub struct Signer {
    dir: PathBuf,
    known: Arc<Mutex<HashMap<Domain, Known>>>,
}

struct Known {
    keys: Option<Arc<Keys>>,
    read_at: Instant,
}

/// The keys of a domain.
pub struct Keys {
    rsa: Option<Pair<RsaKey<Sha256>>>,
    ed25519: Option<Pair<Ed25519Key>>,
}

/// What one key signs, each with its list of fields.
struct Pair<K: SigningKey<Hasher = Sha256>> {
    ours: DkimSigner<K, Done>,
    list: DkimSigner<K, Done>,
    sealer: ArcSealer<K, Done>,
}

impl<K: SigningKey<Hasher = Sha256>> Pair<K> {
    fn read(dir: &Path, domain: &str, selector: &str, key: impl Fn(Vec<u8>) -> mail_auth::Result<K>) -> Option<Self> {
        let der = pem(&dir.join(format!("{selector}.key"))).and_then(|pem| der(&pem))?;
        let key = || usable(dir, selector, key(der.clone()));
        let relaxed = Canonicalization::Relaxed;
        let signer = |key: K, fields: &[&'static str]| {
            let signer = DkimSigner::from_key(key).domain(domain).selector(selector).headers(fields.iter().copied());
            signer.header_canonicalization(relaxed).body_canonicalization(relaxed)
        };
        let sealer = ArcSealer::from_key(key()?).domain(domain).selector(selector).headers(SEALED);
        Some(Self {
            ours: signer(key()?, &SIGNED),
            list: signer(key()?, &SIGNED_OF_LIST),
            sealer: sealer.header_canonicalization(relaxed).body_canonicalization(relaxed),
        })
    }
}

impl Signer {
    /// Keys below `dir`, usually `DIR/dkim`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), known: Arc::default() }
    }

    /// The keys of a domain, if it has any.
    pub async fn keys_of(&self, domain: &Domain) -> Option<Arc<Keys>> {
        if let Some(known) = self.known().get(domain).filter(|known| known.read_at.elapsed() < KEPT) {
            return known.keys.clone();
        }
        let (dir, name) = (self.dir.join(domain.as_str()), domain.clone());
        let keys = tokio::task::spawn_blocking(move || Keys::read(&dir, &name)).await.ok().flatten().map(Arc::new);
        let mut known = self.known();
        // Domains of this home alone come here, so the map is as small as their list.
        known.insert(domain.clone(), Known { keys: keys.clone(), read_at: Instant::now() });
        keys
    }

    /// The signatures of a message as header fields; none when the domain has no keys (it goes out all the same).
    pub async fn fields(&self, domain: &Domain, message: &Message) -> String {
        let Some(keys) = self.keys_of(domain).await else { return String::new() };
        let message = message.clone();
        match tokio::task::spawn_blocking(move || keys.sign(&message)).await {
            Ok(Ok(fields)) => fields,
            Ok(Err(error)) => {
                tracing::error!(%domain, %error, "a mail could not be signed; it goes out unsigned");
                String::new()
            }
            Err(error) => {
                tracing::error!(%domain, %error, "a mail could not be signed; it goes out unsigned");
                String::new()
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Domain, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    fn read(dir: &Path, domain: &Domain) -> Option<Self> {
        let rsa = Pair::read(dir, domain.as_str(), "rsa", rsa_key);
        let ed25519 = Pair::read(dir, domain.as_str(), "ed25519", |der| Ed25519Key::from_pkcs8_maybe_unchecked_der(&der));
        if rsa.is_none() && ed25519.is_none() {
            tracing::debug!(%domain, "no DKIM keys; its mail is not signed");
            return None;
        }
        Some(Self { rsa, ed25519 })
    }

    /// The signatures of a message, as header fields.
    pub fn sign(&self, message: &Message) -> Result<String, mail_auth::Error> {
        let mut fields = String::new();
        if let Some(rsa) = &self.rsa {
            fields.push_str(&sign(&rsa.ours, message)?);
        }
        if let Some(ed25519) = &self.ed25519 {
            fields.push_str(&sign(&ed25519.ours, message)?);
        }
        Ok(fields)
    }

    /// The signatures of a list's copy, over what the list added too.
    pub fn sign_list(&self, message: &Message) -> Result<String, mail_auth::Error> {
        let mut fields = String::new();
        if let Some(rsa) = &self.rsa {
            fields.push_str(&sign(&rsa.list, message)?);
        }
        if let Some(ed25519) = &self.ed25519 {
            fields.push_str(&sign(&ed25519.list, message)?);
        }
        Ok(fields)
    }

    /// The next set of a chain; `None` without a key.
    pub fn seal<'x>(
        &self,
        message: &'x AuthenticatedMessage<'x>,
        results: &'x AuthenticationResults<'x>,
        chain: &ArcOutput<'_>,
    ) -> Option<mail_auth::Result<ArcSet<'x>>> {
        // (quirk: few verify ARC by Ed25519, 2026-11)
        match (&self.rsa, &self.ed25519) {
            (Some(rsa), _) => Some(rsa.sealer.seal(message, results, chain)),
            (None, Some(ed25519)) => Some(ed25519.sealer.seal(message, results, chain)),
            (None, None) => None,
        }
    }
}

/// Blocks when the message is large.
fn sign<K: SigningKey<Hasher = Sha256>>(signer: &DkimSigner<K, Done>, message: &Message) -> Result<String, mail_auth::Error> {
    if let Some(whole) = message.whole() {
        return Ok(signer.sign(whole)?.to_header());
    }
    let mut signing = signer.sign_streaming();
    message.each(|piece| signing.write(piece)).map_err(|error| mail_auth::Error::Io(error.to_string()))?;
    Ok(signing.finish()?.to_header())
}

fn pem(path: &Path) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(pem) => Some(pem),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "a DKIM key cannot be read");
            None
        }
    }
}

/// The octets inside the armour.
fn der(pem: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    let body: String =
        pem.lines().filter(|line| !line.starts_with("-----")).flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
    base64::prelude::BASE64_STANDARD.decode(body).ok()
}

fn rsa_key(der: Vec<u8>) -> mail_auth::Result<RsaKey<Sha256>> {
    RsaKey::from_key_der(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der)))
}

fn usable<K>(dir: &Path, name: &str, key: mail_auth::Result<K>) -> Option<K> {
    key.inspect_err(|error| tracing::error!(dir = %dir.display(), name, %error, "a DKIM key cannot be used")).ok()
}
