// SPDX-License-Identifier: AGPL-3.0-or-later
//! For tests: people with certificates, and certificates that break servers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hearth_types::Address;
use sequoia_openpgp::packet::{UserID, signature::SignatureBuilder};
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::MarshalInto as _;
use sequoia_openpgp::types::SignatureType;
use sequoia_openpgp::{Cert, Packet};

use super::{Generated, Profile, generate};

/// 2026-11-22.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

pub(crate) fn person(name: &str, address: &str) -> Generated {
    generate(name, &[Address::parse(address).unwrap()], Profile::Compatible, now()).unwrap()
}

pub(crate) fn secret_cert(generated: &Generated) -> Cert {
    Cert::from_bytes(generated.secret.expose()).unwrap()
}

pub(crate) fn packets(packets: impl IntoIterator<Item = Packet>) -> Vec<u8> {
    packets.into_iter().flat_map(|packet| packet.to_vec().unwrap()).collect()
}

/// Certifications of a user id by somebody else, each with other bytes.
pub(crate) fn foreign_certifications(of: &Cert, by: &Cert, count: usize) -> Vec<u8> {
    let mut signer = by.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let user_id = of.userids().next().unwrap().userid().clone();
    let builder = SignatureBuilder::new(SignatureType::GenericCertification).set_signature_creation_time(now()).unwrap();
    let one = user_id.bind(&mut signer, of, builder).unwrap();
    let bytes = Packet::from(one).to_vec().unwrap();
    let mut all = Vec::new();
    for n in 0..count {
        let mut copy = bytes.clone();
        let end = copy.len();
        copy[end - 8..].copy_from_slice(&n.to_be_bytes());
        all.extend(copy);
    }
    all
}

/// User ids that carry the certificate's own signature over another one.
pub(crate) fn forged_user_ids(of: &Cert, count: usize) -> Vec<u8> {
    let signature = of.userids().next().unwrap().self_signatures().next().unwrap().clone();
    let user_id = |n| Packet::from(UserID::from(format!("<u{n}@home.example>")));
    packets((0..count).flat_map(|n| [user_id(n), signature.clone().into()]))
}

/// Subkeys that carry the certificate's own signature over another one.
pub(crate) fn forged_subkeys(of: &Cert, count: usize) -> Vec<u8> {
    let of = of.clone().strip_secret_key_material();
    let policy = StandardPolicy::new();
    let subkey = of.keys().subkeys().with_policy(&policy, now()).for_transport_encryption().next().unwrap();
    let signature = subkey.self_signatures().next().unwrap().clone();
    let made = subkey.key().creation_time();
    packets((0..count).flat_map(|n| {
        let mut key = subkey.key().clone().role_into_subordinate();
        key.set_creation_time(made - Duration::from_secs(n as u64)).unwrap();
        [Packet::from(key), signature.clone().into()]
    }))
}
