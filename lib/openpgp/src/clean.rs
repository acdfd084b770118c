// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the owner of a key really signed: verified, bounded, and taken apart for the store.
//!
//! A [`Clean`] certificate holds its primary key, and those user ids and subkeys that carry a
//! self-signature or self-revocation which verifies: of each kind a few (see `limits.rs`), newest
//! bindings and oldest revocations. Certifications by others are left out: the house shows what the
//! owner says, and a household has no use for ten thousand strangers' opinions.
//!
//! Signatures are kept whatever hash they use: whether to believe SHA-1 is for the reader of a
//! certificate to decide, and a revocation is never lost to a policy.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hearth_identity::certs::{Certificate, Identity, Key, Source};
use hearth_types::{AccountId, Address, Timestamp};
use sequoia_openpgp::armor::{Kind, Writer};
use sequoia_openpgp::cert::amalgamation::{UserIDAmalgamation, ValidateAmalgamation as _};
use sequoia_openpgp::cert::bundle::ComponentBundle;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::{Marshal as _, MarshalInto as _};
use sequoia_openpgp::types::RevocationStatus;
use sequoia_openpgp::{Cert, Packet};

use crate::limits::{CERT_BYTES_MAX, REVOCATIONS_MAX, SELF_SIGNATURES_MAX, SUBKEYS_MAX, USER_IDS_MAX};
use crate::{Raw, Refusal};

/// A verified certificate, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clean {
    fingerprint: String,
    algorithm: u8,
    bits: u32,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked: bool,
    head: Vec<u8>,
    tail: Vec<u8>,
    keys: Vec<Key>,
    user_ids: Vec<CleanUserId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct CleanUserId {
    text: String,
    address: Option<Address>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked: bool,
    block: Vec<u8>,
}

/// What a look-up by address may tell about one user id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedUserId {
    /// The address in it.
    pub address: Address,
    /// Did the owner revoke it?
    pub revoked: bool,
}

impl Clean {
    /// Verifies a certificate of a submission.
    pub fn from_raw(raw: Raw, now: SystemTime) -> Result<Self, Refusal> {
        Self::of(&assemble(raw)?, now)
    }

    /// Reads a certificate that we stored.
    pub fn from_stored(whole: &[u8], now: SystemTime) -> Result<Self, Refusal> {
        Self::of(&Cert::from_bytes(whole).map_err(Refusal::library)?, now)
    }

    /// Verifies a certificate; a secret key in it stays behind.
    pub fn of(cert: &Cert, now: SystemTime) -> Result<Self, Refusal> {
        let clean = dissect(cert, now)?;
        if clean.user_ids.is_empty() && clean.tail.is_empty() && !clean.has_signed_head(cert)? {
            return Err(Refusal::Unbound);
        }
        if clean.whole().len() > CERT_BYTES_MAX {
            return Err(Refusal::TooLarge { what: "a certificate", max: CERT_BYTES_MAX });
        }
        Ok(clean)
    }

    /// This certificate with what is new in another version of it.
    pub fn merge(&self, update: Raw, now: SystemTime) -> Result<Self, Refusal> {
        let held = Cert::from_bytes(&self.whole()).map_err(Refusal::library)?;
        Self::of(&held.merge_public(assemble(update)?).map_err(Refusal::malformed)?, now)
    }

    /// This certificate with a revocation of it, if the revocation verifies.
    pub fn revoke(&self, revocation: Signature, now: SystemTime) -> Result<Self, Refusal> {
        let held = Cert::from_bytes(&self.whole()).map_err(Refusal::library)?;
        let (merged, _) = held.insert_packets([Packet::from(revocation)]).map_err(Refusal::malformed)?;
        Self::of(&merged, now)
    }

    /// Fails when a program that keeps to today's rules could not use the certificate.
    pub fn check_safe(&self, now: SystemTime) -> Result<(), Refusal> {
        let cert = Cert::from_bytes(&self.whole()).map_err(Refusal::library)?;
        cert.with_policy(&StandardPolicy::new(), now).map(drop).map_err(|error| Refusal::Unsafe(error.to_string()))
    }

    /// Of the primary key, upper-case hexadecimal.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Is the whole certificate revoked?
    pub fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// The user ids that hold an address.
    pub fn named_user_ids(&self) -> Vec<NamedUserId> {
        let named =
            |user_id: &CleanUserId| user_id.address.clone().map(|address| NamedUserId { address, revoked: user_id.revoked });
        self.user_ids.iter().filter_map(named).collect()
    }

    /// All of it, in binary.
    pub fn whole(&self) -> Vec<u8> {
        let mut whole = self.head.clone();
        for user_id in &self.user_ids {
            whole.extend_from_slice(&user_id.block);
        }
        whole.extend_from_slice(&self.tail);
        whole
    }

    /// The certificate with the user ids of one address, or nothing when it names the address in none that is good.
    pub fn only_of(&self, address: &Address) -> Option<Vec<u8>> {
        let is_its =
            |user_id: &&CleanUserId| !user_id.revoked && user_id.address.as_ref().is_some_and(|named| named.key() == address.key());
        let blocks: Vec<&CleanUserId> = self.user_ids.iter().filter(is_its).collect();
        if blocks.is_empty() {
            return None;
        }
        let mut bytes = self.head.clone();
        for user_id in blocks {
            bytes.extend_from_slice(&user_id.block);
        }
        bytes.extend_from_slice(&self.tail);
        Some(bytes)
    }

    /// As the store keeps it: only user ids with an address that `owns` affirms can ever be shown.
    pub fn to_certificate(
        &self,
        account: impl Into<Option<AccountId>>,
        source: Source,
        secret_stored: bool,
        owns: impl Fn(&Address) -> bool,
    ) -> Certificate {
        let identity = |user_id: &CleanUserId| {
            let address = user_id.address.clone().filter(&owns)?;
            Some(Identity {
                user_id: user_id.text.clone(),
                address,
                created_at: user_id.created_at,
                expires_at: user_id.expires_at,
                revoked: user_id.revoked,
                block: user_id.block.clone(),
            })
        };
        Certificate {
            fingerprint: self.fingerprint.clone(),
            account: account.into(),
            source,
            secret_stored,
            algorithm: self.algorithm,
            bits: self.bits,
            created_at: self.created_at,
            expires_at: self.expires_at,
            revoked: self.revoked,
            whole: self.whole(),
            head: self.head.clone(),
            tail: self.tail.clone(),
            keys: self.keys.clone(),
            identities: self.user_ids.iter().filter_map(identity).collect(),
        }
    }

    /// As the store keeps it for an account: with the identities that are the account's own, and those of other domains,
    /// which may be proven.
    pub fn for_store(&self, account: AccountId, source: Source, secret_stored: bool, owned: &[Address]) -> Certificate {
        let is_foreign = |address: &Address| owned.iter().all(|own| own.domain() != address.domain());
        self.to_certificate(account, source, secret_stored, |address| {
            is_foreign(address) || owned.iter().any(|own| own.key() == address.key())
        })
    }

    /// Those of an account's addresses that a user id names which is not revoked.
    pub fn named_and_owned(&self, owned: &[Address]) -> Vec<Address> {
        let named = self.named_user_ids();
        let is_named = |own: &&Address| named.iter().any(|user_id| !user_id.revoked && user_id.address.key() == own.key());
        owned.iter().filter(is_named).cloned().collect()
    }

    /// When it ends, if it does.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    fn has_signed_head(&self, cert: &Cert) -> Result<bool, Refusal> {
        let bare = Packet::from(cert.primary_key().key().clone()).to_vec().map_err(Refusal::library)?;
        Ok(self.head.len() > bare.len())
    }
}

/// Binary OpenPGP data as text (RFC 9580 §6.2), ending in a line feed as rpm and others demand.
pub fn armor(bytes: &[u8], kind: Kind) -> Result<Vec<u8>, Refusal> {
    armor_with(bytes, kind, &[])
}

/// The same with armour headers.
pub(crate) fn armor_with(bytes: &[u8], kind: Kind, headers: &[(&str, &str)]) -> Result<Vec<u8>, Refusal> {
    let mut writer = Writer::with_headers(Vec::new(), kind, headers.to_vec()).map_err(Refusal::library)?;
    std::io::Write::write_all(&mut writer, bytes).map_err(Refusal::library)?;
    writer.finalize().map_err(Refusal::library)
}

fn assemble(raw: Raw) -> Result<Cert, Refusal> {
    Cert::from_packets(raw.into_packets().into_iter()).map_err(Refusal::malformed)
}

fn dissect(cert: &Cert, now: SystemTime) -> Result<Clean, Refusal> {
    let policy = StandardPolicy::new();
    let primary = cert.primary_key();
    let mut keys = vec![key_of(primary.key())];
    let mut head = Packet::from(primary.key().clone()).to_vec().map_err(Refusal::library)?;
    write_signatures(&mut head, primary.bundle())?;

    let mut subkeys = Vec::new();
    for subkey in cert.keys().subkeys() {
        let mut signatures = Vec::new();
        if write_signatures(&mut signatures, subkey.bundle())? {
            let mut block = Packet::from(subkey.key().clone()).to_vec().map_err(Refusal::library)?;
            block.append(&mut signatures);
            subkeys.push((subkey.key().creation_time(), key_of(subkey.key()), block));
        }
    }
    subkeys.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.fingerprint.cmp(&b.1.fingerprint)));
    subkeys.truncate(SUBKEYS_MAX);
    let mut tail = Vec::new();
    for (_, key, block) in subkeys {
        keys.push(key);
        tail.extend_from_slice(&block);
    }

    let valid = primary.clone().with_policy(&policy, now).ok();
    Ok(Clean {
        fingerprint: cert.fingerprint().to_hex(),
        algorithm: primary.key().pk_algo().into(),
        bits: primary.key().mpis().bits().and_then(|bits| u32::try_from(bits).ok()).unwrap_or(0),
        created_at: timestamp(primary.key().creation_time()),
        expires_at: valid.and_then(|valid| valid.key_expiration_time()).map(timestamp),
        revoked: matches!(cert.revocation_status(&policy, now), RevocationStatus::Revoked(_)),
        head,
        tail,
        keys,
        user_ids: dissect_user_ids(cert, now)?,
    })
}

fn dissect_user_ids(cert: &Cert, now: SystemTime) -> Result<Vec<CleanUserId>, Refusal> {
    let mut user_ids = Vec::new();
    for user_id in cert.userids() {
        // What is not UTF-8 names nobody that we could show it for.
        let Ok(text) = std::str::from_utf8(user_id.userid().value()) else { continue };
        let mut signatures = Vec::new();
        if !write_signatures(&mut signatures, user_id.bundle())? {
            continue;
        }
        let mut block = Packet::from(user_id.userid().clone()).to_vec().map_err(Refusal::library)?;
        block.append(&mut signatures);
        user_ids.push(describe(&user_id, text, block, now));
    }
    user_ids.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.text.cmp(&b.text)));
    user_ids.truncate(USER_IDS_MAX);
    Ok(user_ids)
}

fn describe(user_id: &UserIDAmalgamation<'_>, text: &str, block: Vec<u8>, now: SystemTime) -> CleanUserId {
    let policy = StandardPolicy::new();
    let newest = user_id.self_signatures().next();
    CleanUserId {
        text: text.to_string(),
        address: user_id.userid().email().ok().flatten().and_then(|email| Address::parse(email).ok()),
        created_at: newest.and_then(|signature| signature.signature_creation_time()).map(timestamp).unwrap_or_default(),
        expires_at: newest.and_then(|signature| signature.signature_expiration_time()).map(timestamp),
        // A user id that only carries revocations has nobody who says that it is still good.
        revoked: newest.is_none() || matches!(user_id.revocation_status(&policy, now), RevocationStatus::Revoked(_)),
        block,
    }
}

/// Writes the verified signatures that are kept on one component; `false` when there is none.
fn write_signatures<C>(out: &mut Vec<u8>, component: &ComponentBundle<C>) -> Result<bool, Refusal> {
    // Sequoia hands out self-signatures newest first; each is verified here, before it is counted.
    let mut revocations: Vec<&Signature> = component.self_revocations().collect();
    revocations.sort_by_key(|signature| signature.signature_creation_time());
    let kept = revocations.into_iter().take(REVOCATIONS_MAX).chain(component.self_signatures().take(SELF_SIGNATURES_MAX));
    let mut any = false;
    for signature in kept.filter(|signature| signature.exportable().is_ok()) {
        Packet::from(signature.clone()).serialize(out).map_err(Refusal::library)?;
        any = true;
    }
    Ok(any)
}

fn key_of<P, R>(key: &sequoia_openpgp::packet::Key<P, R>) -> Key
where
    P: sequoia_openpgp::packet::key::KeyParts,
    R: sequoia_openpgp::packet::key::KeyRole,
{
    Key { fingerprint: key.fingerprint().to_hex(), key_id: key.keyid().to_hex() }
}

pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::from_secs(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::flood::{foreign_certifications, forged_subkeys, forged_user_ids, now, packets, person, secret_cert};
    use crate::{Generated, read_submission};

    fn raw(bytes: &[u8]) -> Raw {
        read_submission(bytes, now()).unwrap().certs.remove(0)
    }

    fn clean(bytes: &[u8]) -> Clean {
        Clean::from_raw(raw(bytes), now()).unwrap()
    }

    fn poisoned(alice: &Generated, bob: &Generated) -> Vec<u8> {
        let (cert, by) = (secret_cert(alice), secret_cert(bob));
        [
            alice.clean.whole(),
            forged_user_ids(&cert, 200),
            foreign_certifications(&cert, &by, 10_000),
            forged_subkeys(&cert, 500),
            alice.revocation.expose().clone(),
        ]
        .concat()
    }

    #[test]
    fn clean_stays_clean() {
        let alice = person("Alice", "alice@home.example").clean;
        assert_eq!(clean(&alice.whole()), alice);
        assert_eq!(Clean::from_stored(&alice.whole(), now()).unwrap(), alice);
        assert_eq!((alice.algorithm, alice.bits, alice.keys.len(), alice.revoked), (22, 256, 3, false));
        assert!(alice.expires_at.is_some_and(|end| end > timestamp(now())));
        assert_eq!(alice.fingerprint().len(), 40);
        assert!(alice.keys[0].fingerprint.ends_with(&alice.keys[0].key_id));
    }

    #[test]
    fn a_poisoned_certificate_is_cleaned_in_bounded_time_and_its_revocation_is_taken() {
        let (alice, bob) = (person("Alice", "alice@home.example"), person("Bob", "bob@home.example"));
        let poison = poisoned(&alice, &bob);
        assert!(poison.len() > 1_000_000);
        let begun = Instant::now();
        let merged = alice.clean.merge(raw(&poison), now()).unwrap();
        // 30 ms here without optimisation; the bound is a guard against another order of growth, not a timing.
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
        assert!(merged.is_revoked());
        assert!(merged.whole().len() < alice.clean.whole().len() + 400, "{}", merged.whole().len());
        assert_eq!((merged.user_ids.len(), merged.keys.len()), (1, 3));
    }

    #[test]
    fn a_revocation_alone_is_merged_once_and_a_foreign_one_is_not() {
        let (alice, bob) = (person("", "alice@home.example"), person("", "bob@home.example"));
        let signature = |of: &Generated| read_submission(of.revocation.expose(), now()).unwrap().revocations.remove(0);
        let revoked = alice.clean.revoke(signature(&alice), now()).unwrap();
        assert!(revoked.is_revoked() && !alice.clean.is_revoked());
        assert_eq!(revoked.revoke(signature(&alice), now()).unwrap(), revoked);
        assert_eq!(alice.clean.revoke(signature(&bob), now()).unwrap(), alice.clean);
        // A version without the revocation does not undo it.
        assert_eq!(revoked.merge(raw(&alice.clean.whole()), now()).unwrap(), revoked);
    }

    #[test]
    fn what_its_key_did_not_sign_is_left_out() {
        let alice = person("Alice", "alice@home.example");
        let cert = secret_cert(&alice);
        let with_forged = [alice.clean.whole(), forged_user_ids(&cert, 5), forged_subkeys(&cert, 5)].concat();
        assert_eq!(clean(&with_forged), alice.clean);
        let bare = packets([cert.primary_key().key().clone().parts_into_public().into()]);
        let forged = [bare.clone(), forged_user_ids(&cert, 1)].concat();
        for bytes in [bare, forged] {
            assert_eq!(Clean::from_raw(raw(&bytes), now()), Err(Refusal::Unbound));
        }
    }

    #[test]
    fn any_choice_of_blocks_is_a_certificate() {
        let addresses = ["alice@home.example", "a@home.example"].map(|address| Address::parse(address).unwrap());
        let alice = crate::generate("Alice", &addresses, crate::Profile::Compatible, now()).unwrap().clean;
        assert_eq!(alice.user_ids.len(), 2);
        let owned = alice.to_certificate(AccountId::from_i64(7), Source::Imported, false, |address| address.local() == "a");
        assert_eq!(owned.identities.len(), 1);
        for chosen in [vec![], vec![&owned.identities[0].block]] {
            let bytes: Vec<u8> =
                [&owned.head].into_iter().chain(chosen.iter().copied()).chain([&owned.tail]).flatten().copied().collect();
            let cert = Cert::from_bytes(&bytes).unwrap();
            assert_eq!((cert.userids().count(), cert.keys().count()), (chosen.len(), 3));
            let policy = StandardPolicy::new();
            let valid = cert.with_policy(&policy, now()).unwrap();
            assert_eq!(valid.keys().for_transport_encryption().count(), 1);
        }
    }
}
