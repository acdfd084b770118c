// SPDX-License-Identifier: AGPL-3.0-or-later
//! Secret keys on their way into the vault and out of it. They pass through the memory of the `hearth` command and of
//! `hearth-oauth` alone: no server that reads strangers' bytes has one.

use std::time::SystemTime;

use hearth_types::Secret;
use sequoia_openpgp::armor::Kind;
use sequoia_openpgp::cert::amalgamation::key::PrimaryKey as _;
use sequoia_openpgp::crypto::Password;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::serialize::MarshalInto as _;
use sequoia_openpgp::types::ReasonForRevocation;
use sequoia_openpgp::{Cert, Packet, PacketPile};

use crate::clean::armor_with;
use crate::limits::{CERT_BYTES_MAX, UPLOAD_BYTES_MAX};
use crate::{Clean, Refusal, armor};

/// What the vault keeps of one certificate, sealed: a revocation made at birth, then the transferable
/// secret key; either may be missing. Both are OpenPGP packets, one after the other.
#[derive(Debug, Default)]
pub struct Keepsake {
    /// One signature packet.
    pub revocation: Option<Secret<Vec<u8>>>,
    /// A transferable secret key (RFC 9580 §10.2).
    pub secret: Option<Secret<Vec<u8>>>,
}

impl Keepsake {
    /// As the vault seals it.
    pub fn to_bytes(&self) -> Secret<Vec<u8>> {
        let mut bytes = Vec::new();
        for part in [&self.revocation, &self.secret].into_iter().flatten() {
            bytes.extend_from_slice(part.expose());
        }
        Secret::new(bytes)
    }

    /// What [`Keepsake::to_bytes`] made.
    pub fn parse(bytes: &Secret<Vec<u8>>) -> Result<Self, Refusal> {
        let pile = PacketPile::from_bytes(bytes.expose()).map_err(Refusal::library)?;
        let mut packets = pile.into_children().peekable();
        let mut keepsake = Self::default();
        if let Some(Packet::Signature(_)) = packets.peek() {
            let revocation = packets.next().map(|packet| packet.to_vec()).transpose().map_err(Refusal::library)?;
            keepsake.revocation = revocation.map(Secret::new);
        }
        if packets.peek().is_some() {
            let cert = Cert::from_packets(packets).map_err(Refusal::library)?;
            keepsake.secret = Some(Secret::new(cert.as_tsk().to_vec().map_err(Refusal::library)?));
        }
        Ok(keepsake)
    }
}

/// Why a certificate ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is said.
    Unspecified,
    /// Another one takes its place.
    Superseded,
    /// Somebody else may have the secret key: nothing signed by it counts, not even of the past.
    Compromised,
    /// It is no longer used.
    Retired,
}

impl From<Reason> for ReasonForRevocation {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unspecified => Self::Unspecified,
            Reason::Superseded => Self::KeySuperseded,
            Reason::Compromised => Self::KeyCompromised,
            Reason::Retired => Self::KeyRetired,
        }
    }
}

/// A secret key that somebody brought.
#[derive(Debug)]
pub struct Brought {
    /// The public part.
    pub clean: Clean,
    /// The transferable secret key, binary, under the passphrase that it came with: for the vault.
    pub secret: Secret<Vec<u8>>,
}

/// Reads a secret key, armoured or binary; `None` when it is something else.
pub fn read_secret(bytes: &[u8], now: SystemTime) -> Result<Option<Brought>, Refusal> {
    if bytes.len() > UPLOAD_BYTES_MAX {
        return Err(Refusal::TooLarge { what: "a submission", max: UPLOAD_BYTES_MAX });
    }
    let Ok(cert) = Cert::from_bytes(bytes) else { return Ok(None) };
    if !cert.is_tsk() {
        return Ok(None);
    }
    let secret = Secret::new(cert.as_tsk().to_vec().map_err(Refusal::library)?);
    if secret.expose().len() > CERT_BYTES_MAX {
        return Err(Refusal::TooLarge { what: "a secret key", max: CERT_BYTES_MAX });
    }
    Ok(Some(Brought { clean: Clean::of(&cert, now)?, secret }))
}

/// Signs a revocation with the secret key.
pub fn revoke(
    secret: &Secret<Vec<u8>>,
    passphrase: Option<&Secret<String>>,
    reason: Reason,
    message: &str,
) -> Result<Signature, Refusal> {
    let cert = open(secret)?;
    let mut primary = cert.primary_key().key().clone().parts_into_secret().map_err(locked)?;
    if primary.has_secret() && !primary.has_unencrypted_secret() {
        let passphrase = passphrase.ok_or_else(|| Refusal::Locked("it has a passphrase".into()))?;
        primary = primary.decrypt_secret(&Password::from(passphrase.expose().as_str())).map_err(locked)?;
    }
    let mut signer = primary.into_keypair().map_err(locked)?;
    cert.revoke(&mut signer, reason.into(), message.as_bytes()).map_err(Refusal::library)
}

/// Does a passphrase of its owner's stand before this secret key?
pub fn is_locked(secret: &Secret<Vec<u8>>) -> Result<bool, Refusal> {
    let cert = open(secret)?;
    Ok(cert.primary_key().key().optional_secret().is_some_and(|secret| secret.is_encrypted()))
}

/// Reads a revocation made at birth.
pub fn read_revocation(packet: &Secret<Vec<u8>>) -> Result<Signature, Refusal> {
    match Packet::from_bytes(packet.expose()).map_err(Refusal::library)? {
        Packet::Signature(signature) => Ok(signature),
        _ => Err(Refusal::NoKey),
    }
}

/// A revocation, armoured or binary, as the vault keeps it: refused when it does not end this certificate.
pub fn check_revocation(clean: &Clean, bytes: &[u8], now: SystemTime) -> Result<Secret<Vec<u8>>, Refusal> {
    let submission = crate::read_submission(bytes, now)?;
    let revocation = submission.revocations.into_iter().next().ok_or(Refusal::NoKey)?;
    if !clean.revoke(revocation.clone(), now)?.is_revoked() {
        return Err(Refusal::Unbound);
    }
    Packet::from(revocation).to_vec().map(Secret::new).map_err(Refusal::library)
}

/// A revocation as text, to be kept on paper.
pub fn armor_revocation(packet: &Secret<Vec<u8>>) -> Result<String, Refusal> {
    let comment = [("Comment", "whoever has this revocation can end the key")];
    String::from_utf8(armor_with(packet.expose(), Kind::PublicKey, &comment)?).map_err(Refusal::library)
}

/// The transferable secret key for another program, under a passphrase when one is given.
pub fn export(secret: &Secret<Vec<u8>>, passphrase: Option<&Secret<String>>, armored: bool) -> Result<Secret<Vec<u8>>, Refusal> {
    let mut cert = open(secret)?;
    if let Some(passphrase) = passphrase {
        cert = lock(cert, &Password::from(passphrase.expose().as_str()))?;
    }
    let bytes = cert.as_tsk().to_vec().map_err(Refusal::library)?;
    Ok(Secret::new(if armored { armor(&bytes, Kind::SecretKey)? } else { bytes }))
}

/// Puts every secret that has no passphrase under this one. RFC 9580 §3.7.2.1: version 4 by iterated S2K and
/// CFB with SHA-1 check, which GnuPG 2.2 reads; version 6 by AEAD.
fn lock(cert: Cert, passphrase: &Password) -> Result<Cert, Refusal> {
    let mut locked_keys: Vec<Packet> = Vec::new();
    for key in cert.keys().unencrypted_secret() {
        let is_primary = key.primary();
        let encrypted = key.key().clone().encrypt_secret(passphrase).map_err(Refusal::library)?;
        locked_keys.push(if is_primary {
            Packet::from(encrypted.role_into_primary())
        } else {
            Packet::from(encrypted.role_into_subordinate())
        });
    }
    cert.insert_packets(locked_keys).map(|(cert, _)| cert).map_err(Refusal::library)
}

fn open(secret: &Secret<Vec<u8>>) -> Result<Cert, Refusal> {
    Cert::from_bytes(secret.expose()).map_err(Refusal::library)
}

fn locked(error: impl std::fmt::Display) -> Refusal {
    Refusal::Locked(error.to_string())
}
