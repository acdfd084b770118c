// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bounds from both sides: what is read of a submission (those of single packets are at the foot of `intake.rs`), what is
//! kept of a certificate, and what is believed of one.

use std::collections::BTreeSet;
use std::time::Duration;

use hearth_identity::certs::TrustedHome;
use hearth_types::{Address, Domain};
use sequoia_openpgp::cert::CertRevocationBuilder;
use sequoia_openpgp::crypto::KeyPair;
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::packet::signature::subpacket::NotationDataFlags;
use sequoia_openpgp::packet::{Signature, UserID};
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::MarshalInto as _;
use sequoia_openpgp::types::{ReasonForRevocation, SignatureType};
use sequoia_openpgp::{Cert, Packet};

use crate::flood::{foreign_certifications, forged, monstrous_key, now, packet, packets, person, secret_cert};
use crate::limits::{
    APPROVED_BYTES_MAX, APPROVED_MAX, CANDIDATES_MAX, CERT_BYTES_MAX, CERTIFICATIONS_MAX, DSA_BITS_MAX, DSA_ORDER_BITS_MAX,
    PACKET_BYTES_MAX, PACKETS_MAX, REVOCATIONS_MAX, RSA_BITS_MAX, SELF_SIGNATURES_MAX, SIGNATURES_MAX, UPLOAD_BYTES_MAX,
    USER_IDS_MAX, VOUCHED_ADDRESSES_MAX, VOUCHES_MAX,
};
use crate::{Clean, Generated, Profile, Refusal, approved, authority, generate, read_submission};

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
        matches!(read_submission(&monstrous_key(6, 1, &[octets; 2]), now()), Err(Refusal::TooLarge { max: RSA_BITS_MAX, .. }))
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

#[test]
fn the_arithmetic_of_a_dsa_key_has_its_size() {
    const NUMBER: usize = DSA_BITS_MAX / 8;
    const ORDER: usize = DSA_ORDER_BITS_MAX / 8;
    let whole = person("", "alice@home.example").clean.whole();
    // p, q, g and y.
    for (numbers, is_refused) in [
        ([NUMBER, ORDER, NUMBER, NUMBER], false),
        ([NUMBER + 1, ORDER, NUMBER, NUMBER], true),
        ([NUMBER, ORDER + 1, NUMBER, NUMBER], true),
        ([NUMBER, ORDER, NUMBER + 1, NUMBER], true),
        ([NUMBER, ORDER, NUMBER, NUMBER + 1], true),
    ] {
        let as_primary = read_submission(&monstrous_key(6, 17, &numbers), now());
        let refused = matches!(as_primary, Err(Refusal::TooLarge { max: DSA_BITS_MAX, .. }));
        assert_eq!((refused, as_primary.is_ok()), (is_refused, !is_refused), "{numbers:?}");
        let as_subkey = [whole.clone(), monstrous_key(14, 17, &numbers)].concat();
        let left_out = read_submission(&as_subkey, now()).unwrap().dropped.excess_components;
        assert_eq!(left_out, usize::from(is_refused), "{numbers:?}");
    }
}

#[test]
fn signatures_of_one_certificate_have_their_number_and_each_component_its_share() {
    let cert = secret_cert(&person("", "alice@home.example"));
    let bare = packets([cert.primary_key().key().clone().parts_into_public().into()]);
    let one = packets([cert.userids().next().unwrap().self_signatures().next().unwrap().clone().into()]);
    let read = |signatures: usize| {
        let mut bytes = bare.clone();
        for (n, some) in forged(&one, signatures).chunks(CANDIDATES_MAX).enumerate() {
            bytes.extend(packets([UserID::from(format!("<u{n}@home.example>")).into()]));
            bytes.extend(some.concat());
        }
        read_submission(&bytes, now()).unwrap()
    };
    const { assert!(SIGNATURES_MAX / CANDIDATES_MAX < USER_IDS_MAX, "more can be sent than is kept") };
    for (signatures, left_out) in [(SIGNATURES_MAX, 0), (SIGNATURES_MAX + 1, 1), (SIGNATURES_MAX + 20, 20)] {
        let mut submission = read(signatures);
        assert_eq!(submission.dropped.excess_signatures, left_out, "{signatures}");
        let kept = submission.certs.remove(0).into_packets();
        let follows = |pair: &[Packet]| matches!(pair, [Packet::UserID(_), Packet::Signature(_)]);
        let user_ids = kept.iter().filter(|packet| matches!(packet, Packet::UserID(_))).count();
        assert_eq!(kept.windows(2).filter(|pair| follows(pair)).count(), user_ids, "none goes without");
    }
}

#[test]
fn a_submission_has_its_size_and_its_number_of_packets() {
    let whole = person("", "alice@home.example").clean.whole();
    let read = |more: Vec<u8>| read_submission(&[whole.clone(), more].concat(), now());
    let filled = |octets: usize| read(packet(63, &vec![0; octets - whole.len() - 6]));
    assert_eq!(filled(UPLOAD_BYTES_MAX).unwrap().certs.len(), 1);
    assert!(matches!(filled(UPLOAD_BYTES_MAX + 1), Err(Refusal::TooLarge { max: UPLOAD_BYTES_MAX, .. })));

    let inside = sequoia_openpgp::PacketPile::from_bytes(&whole).unwrap().children().count();
    let marker = packets([sequoia_openpgp::packet::Marker::default().into()]);
    assert_eq!(read(marker.repeat(PACKETS_MAX - inside)).unwrap().certs.len(), 1);
    assert!(matches!(read(marker.repeat(PACKETS_MAX - inside + 1)), Err(Refusal::TooLarge { max: PACKETS_MAX, .. })));

    // Within its size it is a signature (that says not when it was made), over it nothing that is known.
    let dropped = |octets: u32| {
        let remark = octets - 22;
        let mut body = vec![4, 0x10, 22, 8];
        body.extend(u16::try_from(remark + 6).unwrap().to_be_bytes());
        body.push(0xff);
        body.extend((remark + 1).to_be_bytes());
        body.push(26);
        body.resize(body.len() + remark as usize, b'x');
        body.extend([0, 0, 0, 0, 0, 1, 1, 0, 1, 1]);
        assert_eq!(body.len(), octets as usize);
        let dropped = read(packet(2, &body)).unwrap().dropped;
        (dropped.excess_signatures, dropped.other_packets)
    };
    assert_eq!((dropped(PACKET_BYTES_MAX), dropped(PACKET_BYTES_MAX + 1)), ((1, 0), (0, 1)));
}

#[test]
fn a_certificate_has_its_size() {
    let alice = person("", "alice@home.example");
    let cert = secret_cert(&alice);
    let mut signer = signer(&cert);
    // Real user ids with a remark each, the first with so many letters more.
    let mut with = |octets: usize, letters: usize| {
        let mut added = alice.clean.whole();
        for n in 1..USER_IDS_MAX {
            let more = "x".repeat(if n == 1 { letters } else { 0 });
            let user_id = UserID::from(format!("<u{n}{more}@home.example>"));
            let builder = SignatureBuilder::new(SignatureType::PositiveCertification).set_signature_creation_time(now());
            let remark = vec![b'x'; octets];
            let builder = builder.unwrap().set_notation("n@home.example", remark, NotationDataFlags::empty(), false);
            let signature = user_id.bind(&mut signer, &cert, builder.unwrap()).unwrap();
            added.extend(packets([user_id.into(), signature.into()]));
        }
        added
    };
    let clean = |bytes: &[u8]| Clean::from_raw(read_submission(bytes, now()).unwrap().certs.remove(0), now());
    // A number in a signature is now and then an octet shorter: it is tried again.
    let mut of_size = |wanted: usize| {
        let (mut octets, mut letters) = (8_150, 60);
        for _ in 0..100 {
            let bytes = with(octets, letters);
            let (more, less) = (wanted.saturating_sub(bytes.len()), bytes.len().saturating_sub(wanted));
            if more + less == 0 {
                return bytes;
            }
            let each = USER_IDS_MAX - 1;
            (octets, letters) = (octets + more / each - less / each, letters + more % each - less % each);
        }
        panic!("no certificate has {wanted} octets");
    };
    let (fits, over) = (of_size(CERT_BYTES_MAX), of_size(CERT_BYTES_MAX + 1));
    assert_eq!(clean(&fits).unwrap().whole().len(), CERT_BYTES_MAX);
    assert_eq!(clean(&over), Err(Refusal::TooLarge { what: "a certificate", max: CERT_BYTES_MAX }));
}

/// A house, another home that it trusts, and what it says about a certificate of that home's people.
fn two_homes() -> (Generated, Generated, TrustedHome) {
    let house = |domain: &str| authority::generate(&[Domain::parse(domain).unwrap()], now()).unwrap();
    let (ours, theirs) = (house("home.example"), house("b.example"));
    let domain = Domain::parse("b.example").unwrap();
    let bytes = authority::trust(&ours.secret, &theirs.clean.whole(), &domain, now()).unwrap();
    let fingerprint = theirs.clean.fingerprint().to_string();
    (ours, theirs, TrustedHome { domain, fingerprint, bytes, since: Default::default() })
}

#[test]
fn certifications_that_are_looked_at_have_their_number() {
    let (by, bob) = (secret_cert(&two_homes().1), person("Bob", "bob@b.example"));
    let (issuers, address) = (BTreeSet::from([by.fingerprint().to_hex()]), Address::parse("bob@b.example").unwrap());
    let looked_at = |count: usize| {
        let certifications = foreign_certifications(&secret_cert(&bob), &by, count);
        let user_id = packets([secret_cert(&bob).userids().next().unwrap().userid().clone().into()]);
        let found = [bob.clean.whole(), user_id, certifications].concat();
        authority::certifications_by(&issuers, &found, bob.clean.fingerprint(), &address).len()
    };
    assert_eq!((looked_at(CERTIFICATIONS_MAX), looked_at(CERTIFICATIONS_MAX + 1)), (CERTIFICATIONS_MAX, CERTIFICATIONS_MAX));
}

#[test]
fn what_a_home_says_of_its_own_people_has_its_number() {
    let (ours, theirs, home) = two_homes();
    let at = now() + Duration::from_secs(600);
    let believed = |addresses: usize, words: usize| {
        let addresses: Vec<Address> = (0..addresses).map(|n| Address::parse(&format!("b{n}@b.example")).unwrap()).collect();
        let bob = generate("", &addresses, Profile::Compatible, now()).unwrap();
        let user_ids: Vec<String> = addresses.iter().map(|address| format!("<{address}>")).collect();
        let mut sent = bob.clean.whole();
        for word in 0..words {
            let made = now() + Duration::from_secs(word as u64);
            let packets = authority::certify(&theirs.secret, &bob.clean.whole(), &user_ids, made).unwrap();
            let said: Vec<(String, Vec<u8>)> = user_ids.iter().cloned().zip(packets).collect();
            sent = authority::with_certifications(&sent, &said).unwrap();
        }
        authority::vouched_by_homes(&ours.clean.whole(), std::slice::from_ref(&home), &bob.clean, &sent, at).len()
    };
    assert_eq!(
        (believed(VOUCHED_ADDRESSES_MAX, 1), believed(VOUCHED_ADDRESSES_MAX + 1, 1)),
        (VOUCHED_ADDRESSES_MAX, VOUCHED_ADDRESSES_MAX)
    );
    assert_eq!((believed(1, VOUCHES_MAX), believed(1, VOUCHES_MAX + 1)), (VOUCHES_MAX, VOUCHES_MAX));
}
