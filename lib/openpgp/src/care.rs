// SPDX-License-Identifier: AGPL-3.0-or-later
//! Looking after a certificate with its secret key: a later end, a new encryption key.

use std::time::{Duration, SystemTime};

use hearth_types::Secret;
use sequoia_openpgp::cert::{CipherSuite, KeyBuilder, ValidCert};
use sequoia_openpgp::crypto::{KeyPair, Password};
use sequoia_openpgp::packet::{Key, key};
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::MarshalInto as _;
use sequoia_openpgp::types::PublicKeyAlgorithm;
use sequoia_openpgp::{Cert, Packet};

use crate::generate::{BACKDATE, POST_QUANTUM, encryption_flags};
use crate::{Clean, Refusal};

/// How long an encryption key that was replaced can still be encrypted to: correspondents learn of the new one meanwhile.
/// It opens old mail for as long as its secret is kept.
pub const REPLACED_KEPT: Duration = Duration::from_secs(14 * 24 * 3600);

/// A certificate that was looked after.
#[derive(Debug)]
pub struct Cared {
    /// The public part.
    pub clean: Clean,
    /// The transferable secret key, under the passphrase that it had: for the vault.
    pub secret: Secret<Vec<u8>>,
}

/// Lets the certificate, and the subkeys that end with it or later, end at another time.
pub fn extend(
    secret: &Secret<Vec<u8>>,
    passphrase: Option<&Secret<String>>,
    until: SystemTime,
    now: SystemTime,
) -> Result<Cared, Refusal> {
    let cert = Cert::from_bytes(secret.expose()).map_err(Refusal::library)?;
    let policy = StandardPolicy::new();
    let valid = cert.with_policy(&policy, now).map_err(|error| Refusal::Unsafe(error.to_string()))?;
    let mut primary = signer(valid.primary_key().key().clone(), passphrase)?;
    let end = valid.primary_key().key_expiration_time();
    let mut made = valid.primary_key().set_expiration_time(&mut primary, Some(until)).map_err(Refusal::library)?;
    for subkey in valid.keys().subkeys().revoked(false) {
        // One that ends sooner was replaced; one without an end of its own ends with the certificate.
        if subkey.key_expiration_time().is_none_or(|own| end.is_none_or(|end| own < end)) {
            continue;
        }
        let signatures = if subkey.for_signing() {
            let mut own = signer(subkey.key().clone(), passphrase)?;
            subkey.set_expiration_time(&mut primary, Some(&mut own), Some(until))
        } else {
            subkey.set_expiration_time(&mut primary, None, Some(until))
        };
        made.extend(signatures.map_err(Refusal::library)?);
    }
    finish(&cert, made.into_iter().map(Packet::from).collect(), now)
}

/// Adds a new encryption key; those that there are end after [`REPLACED_KEPT`].
pub fn rotate(secret: &Secret<Vec<u8>>, passphrase: Option<&Secret<String>>, now: SystemTime) -> Result<Cared, Refusal> {
    let cert = Cert::from_bytes(secret.expose()).map_err(Refusal::library)?;
    let policy = StandardPolicy::new();
    let valid = cert.with_policy(&policy, now).map_err(|error| Refusal::Unsafe(error.to_string()))?;
    let mut primary = signer(valid.primary_key().key().clone(), passphrase)?;
    let mut made = new_encryption_key(&valid, primary.clone(), passphrase, now)?;
    let end = now + REPLACED_KEPT;
    for subkey in valid.keys().subkeys().revoked(false).alive() {
        let encrypts = subkey.for_transport_encryption() || subkey.for_storage_encryption();
        if encrypts && !subkey.for_signing() && subkey.key_expiration_time().is_none_or(|own| own > end) {
            let signatures = subkey.set_expiration_time(&mut primary, None, Some(end)).map_err(Refusal::library)?;
            made.extend(signatures.into_iter().map(Packet::from));
        }
    }
    finish(&cert, made, now)
}

fn new_encryption_key(
    valid: &ValidCert<'_>,
    primary: KeyPair,
    passphrase: Option<&Secret<String>>,
    now: SystemTime,
) -> Result<Vec<Packet>, Refusal> {
    let is_post_quantum = valid.cert().keys().subkeys().any(|subkey| subkey.key().pk_algo() == PublicKeyAlgorithm::MLKEM768_X25519);
    let builder = KeyBuilder::new(encryption_flags())
        .set_cipher_suite(if is_post_quantum { POST_QUANTUM } else { CipherSuite::Cv25519 })
        .set_creation_time(now - BACKDATE)
        .set_password(passphrase.map(|text| Password::from(text.expose().as_str())));
    // Without an end of its own, it ends with the certificate.
    builder.subkey(valid.clone()).and_then(|subkey| subkey.set_primary_key_signer(primary).attach()).map_err(Refusal::library)
}

fn finish(cert: &Cert, made: Vec<Packet>, now: SystemTime) -> Result<Cared, Refusal> {
    let (cert, _) = cert.clone().insert_packets(made).map_err(Refusal::library)?;
    Ok(Cared { clean: Clean::of(&cert, now)?, secret: Secret::new(cert.as_tsk().to_vec().map_err(Refusal::library)?) })
}

/// A key that signs, out of its passphrase.
fn signer<R: key::KeyRole>(key: Key<key::PublicParts, R>, passphrase: Option<&Secret<String>>) -> Result<KeyPair, Refusal> {
    let locked = |error: &dyn std::fmt::Display| Refusal::Locked(error.to_string());
    let mut key = key.parts_into_secret().map_err(|error| locked(&error))?;
    if !key.has_unencrypted_secret() {
        let passphrase = passphrase.ok_or_else(|| Refusal::Locked("it has a passphrase".into()))?;
        key = key.decrypt_secret(&Password::from(passphrase.expose().as_str())).map_err(|error| locked(&error))?;
    }
    key.into_keypair().map_err(|error| locked(&error))
}

#[cfg(test)]
mod tests {
    use hearth_types::Address;

    use super::*;
    use crate::{Generated, Profile, generate, secret};

    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    fn alice(profile: Profile) -> Generated {
        generate("Alice", &[Address::parse("alice@home.example").unwrap()], profile, SystemTime::now()).unwrap()
    }

    /// Encryption keys that can be used at a time, newest first, and whether a signing key can.
    fn usable(clean: &Clean, at: SystemTime) -> (Vec<String>, bool) {
        let cert = Cert::from_bytes(&clean.whole()).unwrap();
        let policy = StandardPolicy::new();
        let keys = || cert.keys().with_policy(&policy, at).alive().revoked(false);
        let mut encryption: Vec<_> =
            keys().for_transport_encryption().map(|key| (key.key().creation_time(), key.key().fingerprint().to_hex())).collect();
        encryption.sort_by(|a, b| b.cmp(a));
        let alive = cert.with_policy(&policy, at).is_ok_and(|valid| valid.alive().is_ok());
        (encryption.into_iter().map(|(_, fingerprint)| fingerprint).collect(), alive && keys().for_signing().next().is_some())
    }

    #[test]
    fn extended_it_lives_longer_all_of_it() {
        for profile in [Profile::Compatible, Profile::Modern] {
            let alice = alice(profile);
            let now = SystemTime::now() + Duration::from_secs(2);
            let (later, until) = (now + 4 * YEAR, now + 5 * YEAR);
            assert_eq!(usable(&alice.clean, later), (vec![], false), "{profile:?}");
            let cared = extend(&alice.secret, None, until, now).unwrap();
            let (encryption, signs) = usable(&cared.clean, later);
            assert!(encryption.len() == 1 && signs, "{profile:?}: {encryption:?}");
            assert_eq!(usable(&cared.clean, until + YEAR), (vec![], false));
            assert_eq!(cared.clean.fingerprint(), alice.clean.fingerprint());
            // Also when it has ended already.
            let revived = extend(&alice.secret, None, now + 9 * YEAR, now + 4 * YEAR);
            assert!(revived.is_ok(), "{revived:?}");
        }
    }

    #[test]
    fn rotated_it_has_a_new_encryption_key_and_the_old_one_ends_soon() {
        for profile in Profile::ALL {
            let alice = alice(profile);
            let now = SystemTime::now() + Duration::from_secs(2);
            let (before, _) = usable(&alice.clean, now);
            let cared = rotate(&alice.secret, None, now).unwrap();
            let soon = now + Duration::from_secs(60);
            let (both, signs) = usable(&cared.clean, soon);
            assert!(both.len() == 2 && both[1] == before[0] && signs, "{profile:?}: {both:?}");
            let (after, _) = usable(&cared.clean, soon + REPLACED_KEPT);
            assert_eq!(after, both[..1], "{profile:?}");
            // What was replaced stays so when the rest is extended; its secret is still there.
            let extended = extend(&cared.secret, None, now + 5 * YEAR, soon).unwrap();
            assert_eq!(usable(&extended.clean, now + 4 * YEAR).0, both[..1], "{profile:?}");
            let kept = Cert::from_bytes(extended.secret.expose()).unwrap();
            assert_eq!(kept.keys().secret().count(), 4, "{profile:?}");
        }
    }

    #[test]
    fn under_a_passphrase_it_wants_the_passphrase_and_keeps_it() {
        let alice = alice(Profile::Compatible);
        let passphrase = Secret::new("the white rabbit".to_string());
        let locked = secret::export(&alice.secret, Some(&passphrase), false).unwrap();
        let now = SystemTime::now() + Duration::from_secs(2);
        let wrong = Secret::new("the red queen".to_string());
        for passphrase in [None, Some(&wrong)] {
            assert!(matches!(rotate(&locked, passphrase, now), Err(Refusal::Locked(_))));
            assert!(matches!(extend(&locked, passphrase, now + YEAR, now), Err(Refusal::Locked(_))));
        }
        let rotated = rotate(&locked, Some(&passphrase), now).unwrap();
        let extended = extend(&rotated.secret, Some(&passphrase), now + 5 * YEAR, now + Duration::from_secs(5)).unwrap();
        let cert = Cert::from_bytes(extended.secret.expose()).unwrap();
        assert_eq!((cert.keys().secret().count(), cert.keys().unencrypted_secret().count()), (4, 0));
    }
}
