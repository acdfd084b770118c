// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is kept of a certificate, each bound from both sides. What is read at all is at the foot of `intake.rs`.

use std::time::Duration;

use sequoia_openpgp::cert::CertRevocationBuilder;
use sequoia_openpgp::crypto::KeyPair;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::packet::signature::subpacket::NotationDataFlags;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::MarshalInto as _;
use sequoia_openpgp::types::{ReasonForRevocation, SignatureType};
use sequoia_openpgp::{Cert, Packet};

use crate::flood::{monstrous_key, now, person, secret_cert};
use crate::limits::{APPROVED_BYTES_MAX, APPROVED_MAX, REVOCATIONS_MAX, RSA_BITS_MAX, SELF_SIGNATURES_MAX};
use crate::{Clean, Refusal, approved, read_submission};

fn signer(cert: &Cert) -> KeyPair {
    cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap()
}

/// A moment of its own for each of many signatures.
fn moment(number: usize) -> std::time::SystemTime {
    now() - Duration::from_secs(50) + Duration::from_secs(number as u64)
}

#[test]
fn self_signatures_and_revocations_have_their_number() {
    let cert = secret_cert(&person("Alice", "alice@home.example"));
    let mut signer = signer(&cert);
    let user_id = cert.userids().next().unwrap().userid().clone();
    let mut kept = |self_signatures: usize, revocations: usize| {
        let mut packets = vec![Packet::from(user_id.clone())];
        // One is there from its birth.
        for number in 1..self_signatures {
            let builder = SignatureBuilder::new(SignatureType::PositiveCertification);
            let builder = builder.set_signature_creation_time(moment(number)).unwrap();
            packets.push(user_id.bind(&mut signer, &cert, builder).unwrap().into());
        }
        for number in 0..revocations {
            let builder = CertRevocationBuilder::new().set_signature_creation_time(moment(number)).unwrap();
            let builder = builder.set_reason_for_revocation(ReasonForRevocation::KeyRetired, b"").unwrap();
            packets.push(builder.build(&mut signer, &cert, None).unwrap().into());
        }
        let clean = Clean::of(&cert.clone().insert_packets(packets).unwrap().0, now()).unwrap();
        let kept = Cert::from_bytes(&clean.whole()).unwrap();
        let first = kept.userids().next().unwrap();
        (first.self_signatures().count(), kept.primary_key().self_revocations().count())
    };
    assert_eq!(kept(SELF_SIGNATURES_MAX, REVOCATIONS_MAX), (SELF_SIGNATURES_MAX, REVOCATIONS_MAX));
    assert_eq!(kept(SELF_SIGNATURES_MAX + 1, REVOCATIONS_MAX + 1), (SELF_SIGNATURES_MAX, REVOCATIONS_MAX));
}

#[test]
fn the_arithmetic_of_an_rsa_key_has_its_size() {
    let refused = |octets: usize| {
        matches!(read_submission(&monstrous_key(6, 1, 2, octets), now()), Err(Refusal::TooLarge { max: RSA_BITS_MAX, .. }))
    };
    assert_eq!((refused(RSA_BITS_MAX / 8), refused(RSA_BITS_MAX / 8 + 1)), (false, true));
}

#[test]
fn what_the_owner_approved_of_has_its_number_and_size() {
    let alice = person("Alice", "alice@home.example");
    let cert = secret_cert(&alice);
    let user_id = cert.userids().next().unwrap().userid().clone();
    let certify = |octets: usize| {
        let by = secret_cert(&person("", "bob@b.example"));
        let notation = vec![b'x'; octets];
        let builder = SignatureBuilder::new(SignatureType::PositiveCertification).set_signature_creation_time(now()).unwrap();
        let builder = builder.set_notation("n@b.example", &notation, NotationDataFlags::empty(), false).unwrap();
        builder.sign_userid_binding(&mut signer(&by), cert.primary_key().key(), &user_id).unwrap()
    };
    let kept = |certifications: &[Signature]| {
        let mut packets = Vec::new();
        for one in certifications {
            packets.extend([Packet::from(user_id.clone()), one.clone().into()]);
        }
        let with = cert.clone().insert_packets(packets).unwrap().0;
        let first = with.userids().next().unwrap();
        let approvals = first.approve_of_certifications(&StandardPolicy::new(), now(), &mut signer(&cert), certifications).unwrap();
        let mut packets = vec![Packet::from(user_id.clone())];
        packets.extend(approvals.into_iter().map(Packet::from));
        let whole = with.clone().insert_packets(packets).unwrap().0.to_vec().unwrap();
        let found = approved::read(&whole, alice.clean.fingerprint(), now() + Duration::from_secs(5));
        found.map_or(0, |found| found.vouches.iter().filter(|vouch| !vouch.issuer.ends_with("approves")).count())
    };
    let many: Vec<Signature> = (0..=APPROVED_MAX).map(|_| certify(1)).collect();
    assert_eq!((kept(&many[1..]), kept(&many)), (APPROVED_MAX, APPROVED_MAX));

    let octets_of = |signature: &Signature| Packet::from(signature.clone()).to_vec().unwrap().len();
    let around = octets_of(&certify(3_000)) - 3_000;
    let (fits, over) = (certify(APPROVED_BYTES_MAX - around), certify(APPROVED_BYTES_MAX - around + 1));
    assert_eq!((octets_of(&fits), octets_of(&over)), (APPROVED_BYTES_MAX, APPROVED_BYTES_MAX + 1));
    assert_eq!((kept(&[fits]), kept(&[over])), (1, 0));
}
