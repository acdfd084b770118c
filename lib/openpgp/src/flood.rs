// SPDX-License-Identifier: AGPL-3.0-or-later
//! For tests: people with certificates, and certificates that break servers.

#![expect(missing_docs, reason = "what is not said by its name has its line")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hearth_types::Address;
use sequoia_openpgp::armor::Kind;
use sequoia_openpgp::packet::signature::subpacket::NotationDataFlags;
use sequoia_openpgp::packet::{UserID, signature::SignatureBuilder};
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::{MarshalInto as _, stream};
use sequoia_openpgp::types::{CompressionAlgorithm, HashAlgorithm, SignatureType};
use sequoia_openpgp::{Cert, Packet, PacketPile};

use crate::{Generated, Profile, generate};

/// 2026-11-22.
pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

pub fn person(name: &str, address: &str) -> Generated {
    generate(name, &[Address::parse(address).unwrap()], Profile::Compatible, now()).unwrap()
}

pub fn secret_cert(generated: &Generated) -> Cert {
    Cert::from_bytes(generated.secret.expose()).unwrap()
}

pub fn packets(packets: impl IntoIterator<Item = Packet>) -> Vec<u8> {
    packets.into_iter().flat_map(|packet| packet.to_vec().unwrap()).collect()
}

/// Certifications of a user id by somebody else, each with other bytes.
pub fn foreign_certifications(of: &Cert, by: &Cert, count: usize) -> Vec<u8> {
    let mut signer = by.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let user_id = of.userids().next().unwrap().userid().clone();
    let builder = SignatureBuilder::new(SignatureType::GenericCertification).set_signature_creation_time(now()).unwrap();
    let one = user_id.bind(&mut signer, of, builder).unwrap();
    forged(&Packet::from(one).to_vec().unwrap(), count).concat()
}

/// User ids that carry the certificate's own signature over another one.
pub fn forged_user_ids(of: &Cert, count: usize) -> Vec<u8> {
    let signature = of.userids().next().unwrap().self_signatures().next().unwrap().clone();
    let user_id = |n| Packet::from(UserID::from(format!("<u{n}@home.example>")));
    packets((0..count).flat_map(|n| [user_id(n), signature.clone().into()]))
}

/// Subkeys that carry the certificate's own signature over another one.
pub fn forged_subkeys(of: &Cert, count: usize) -> Vec<u8> {
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

/// Key revocations that name the certificate as their issuer and are none: each with other bytes, all of them old.
pub fn forged_revocations(of: &Generated, count: usize) -> Vec<u8> {
    forged(of.revocation.expose(), count).concat()
}

/// A signature packet so many times, each with other bytes at its end, so that none verifies and none is another one.
pub fn forged(signature: &[u8], count: usize) -> Vec<Vec<u8>> {
    let other = |n: usize| {
        let mut copy = signature.to_vec();
        let end = copy.len();
        copy[end - 8..].copy_from_slice(&n.to_be_bytes());
        copy
    };
    (0..count).map(other).collect()
}

/// A signature over the primary key with a remark of so many octets, made by the key itself.
pub fn large_signature(of: &Cert, octets: usize) -> Vec<u8> {
    let mut signer = of.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let builder = SignatureBuilder::new(SignatureType::DirectKey)
        .set_signature_creation_time(now())
        .and_then(|builder| builder.set_notation("n@home.example", vec![b'x'; octets], NotationDataFlags::empty(), false))
        .unwrap();
    packets([builder.sign_direct_key(&mut signer, of.primary_key().key()).unwrap().into()])
}

/// Signatures in signatures in signatures (RFC 9580 §5.2.3.34), each in the unhashed area of the next.
pub fn nested_signatures(depth: usize) -> Vec<u8> {
    let outer = |inner: &[u8]| {
        let mut body = vec![4, 0x10, 22, 8, 0, 0];
        body.extend(u16::try_from(inner.len()).unwrap().to_be_bytes());
        body.extend(inner);
        body.extend([0, 0, 0, 1, 1, 0, 1, 1]);
        body
    };
    let mut body = outer(&[]);
    for _ in 0..depth {
        let mut subpacket = vec![0xff];
        subpacket.extend(u32::try_from(body.len() + 1).unwrap().to_be_bytes());
        subpacket.push(32);
        subpacket.extend(&body);
        body = outer(&subpacket);
    }
    packet(2, &body)
}

/// A packet by its number and its octets (RFC 9580 §4.2.1).
pub fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xc0 | tag, 0xff];
    bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

/// The same in pieces of 32 octets (RFC 9580 §4.2.1.4), which only data may come in.
pub fn packet_in_pieces(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xc0 | tag];
    let (pieces, rest) = body.as_chunks::<32>();
    for piece in pieces {
        bytes.push(0xe0 | 5);
        bytes.extend(piece);
    }
    bytes.push(u8::try_from(rest.len()).unwrap());
    bytes.extend(rest);
    bytes
}

/// Pictures (RFC 9580 §5.12) of so many octets each.
pub fn pictures(count: usize, octets: usize) -> Vec<u8> {
    let mut subpacket = vec![0xff];
    subpacket.extend(u32::try_from(octets + 1).unwrap().to_be_bytes());
    subpacket.push(1);
    subpacket.resize(subpacket.len() + octets, 0);
    packet(17, &subpacket).repeat(count)
}

/// Zeros by the megabyte in a few kilobytes (RFC 9580 §5.6).
pub fn compressed_zeros(octets: usize) -> Vec<u8> {
    use std::io::Write as _;
    let mut bytes = Vec::new();
    let message = stream::Message::new(&mut bytes);
    let message = stream::Compressor::new(message).algo(CompressionAlgorithm::Zlib).build().unwrap();
    let mut message = stream::LiteralWriter::new(message).build().unwrap();
    message.write_all(&vec![0; octets]).unwrap();
    message.finalize().unwrap();
    bytes
}

/// A version 4 public key of an algorithm whose numbers have so many octets each.
pub fn monstrous_key(tag: u8, algorithm: u8, numbers: &[usize]) -> Vec<u8> {
    let mut body = vec![4, 0x60, 0, 0, 0, algorithm];
    for &octets in numbers {
        body.extend(u16::try_from(octets * 8).unwrap().to_be_bytes());
        body.extend(vec![0xff; octets]);
    }
    packet(tag, &body)
}

/// Signatures and keys of versions that there are not.
pub fn unknown_versions(count: usize) -> Vec<u8> {
    (0..count).flat_map(|n| packet(if n % 2 == 0 { 2 } else { 14 }, &[9, 1, 2, 3, n as u8, 0, 0, 0, 0, 0, 0, 0])).collect()
}

/// The certificate's user ids and subkeys with octets changed inside of their packets; the packets' own lengths stay.
pub fn mangled(whole: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let pile = PacketPile::from_bytes(whole).unwrap();
    let mut all = Vec::new();
    for (position, original) in pile.children().enumerate() {
        let mut bytes = original.to_vec().unwrap();
        if position > 0 {
            for _ in 0..3 {
                let span = bytes.len() - 6;
                let at = 6 + next() as usize % span.max(1);
                if let Some(octet) = bytes.get_mut(at) {
                    *octet ^= next() as u8;
                }
            }
        }
        all.extend(bytes);
    }
    all
}

/// Armour with header lines of so many octets in all.
pub fn armor_with_headers(bytes: &[u8], octets: usize) -> Vec<u8> {
    let text = String::from_utf8(crate::armor(bytes, Kind::PublicKey).unwrap()).unwrap();
    let (begin, rest) = text.split_once('\n').unwrap();
    let line = format!("Comment: {}\n", "x".repeat(990));
    format!("{begin}\n{}{rest}", line.repeat(octets / 1000)).into_bytes()
}

/// A certificate, and what makes it break a server.
pub type Poison = fn(&Generated) -> Vec<u8>;

/// What is put between a certificate and its revocation: the name of each, what the answer says was left out, and how it is
/// made.
pub const POISONS: &[(&str, &str, Poison)] = &[
    ("10,000 foreign certifications", "10000 signatures by other keys", |of| {
        foreign_certifications(&secret_cert(of), &secret_cert(&person("Bob", "bob@elsewhere.example")), 10_000)
    }),
    ("10,000 forged revocations", "signatures over the bounds", |of| forged_revocations(of, 10_000)),
    ("200 forged user ids", "user ids and subkeys over the bounds", |of| forged_user_ids(&secret_cert(of), 200)),
    ("500 forged subkeys", "user ids and subkeys over the bounds", |of| forged_subkeys(&secret_cert(of), 500)),
    ("a signature of 60 kB", "", |of| large_signature(&secret_cert(of), 60_000)),
    ("a signature over the bound", "oversized packets", |_| packet(2, &vec![4; 1 << 20])),
    ("nested signatures", "other things", |_| nested_signatures(2_900).repeat(20)),
    ("pictures", "pictures", |_| pictures(50, 60_000)),
    ("compressed zeros", "other things", |_| compressed_zeros(64 << 20)),
    ("a monstrous DSA subkey", "user ids and subkeys over the bounds", |_| monstrous_key(14, 17, &[8_000; 4])),
    ("monstrous RSA subkeys", "", |_| monstrous_key(14, 1, &[8_000; 2]).repeat(7)),
    ("unknown versions", "other things", |_| unknown_versions(10_000)),
    ("a binding by SHA-1", "", |of| sha1_binding(&secret_cert(of))),
    ("a subkey in pieces", "", |of| {
        let subkey = secret_cert(of).keys().subkeys().next().unwrap().key().clone().parts_into_public();
        let body = Packet::from(subkey.role_into_subordinate()).to_vec().unwrap();
        packet_in_pieces(14, &body[2..])
    }),
];

/// A binding of the first user id that rests on SHA-1.
pub fn sha1_binding(of: &Cert) -> Vec<u8> {
    let mut signer = of.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let user_id = of.userids().next().unwrap().userid().clone();
    let builder = SignatureBuilder::new(SignatureType::PositiveCertification)
        .set_hash_algo(HashAlgorithm::SHA1)
        .set_signature_creation_time(now())
        .unwrap();
    let signature = user_id.bind(&mut signer, of, builder).unwrap();
    packets([user_id.into(), signature.into()])
}
