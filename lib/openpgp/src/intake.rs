// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bytes of a stranger into a bounded submission, before any arithmetic is done.
//!
//! Packets are read one after the other and sorted at once; what no owner of the key can have put
//! there (certifications by others, user attributes, junk) is counted and forgotten, so that a
//! certificate with ten thousand foreign certifications costs the reading of its bytes and no more.
//! What remains is bounded per component by [`limits`](crate::limits).

use std::time::SystemTime;

use sequoia_openpgp::crypto::mpi::PublicKey;
use sequoia_openpgp::packet::signature::subpacket::SubpacketTag;
use sequoia_openpgp::packet::{Key, Signature, UserID, key};
use sequoia_openpgp::parse::{PacketParser, PacketParserBuilder, PacketParserResult, Parse as _};
use sequoia_openpgp::types::SignatureType;
use sequoia_openpgp::{KeyHandle, Packet};

use crate::Refusal;
use crate::limits::{
    ARMOR_BLOCKS_MAX, CANDIDATES_MAX, CLOCK_SKEW_MAX, DSA_BITS_MAX, DSA_ORDER_BITS_MAX, PACKET_BYTES_MAX, PACKETS_MAX,
    RSA_BITS_MAX, SIGNATURES_MAX, SUBKEYS_MAX, UPLOAD_BYTES_MAX, UPLOAD_CERTS_MAX, USER_ID_BYTES_MAX, USER_IDS_MAX,
};

const ARMOR_BEGIN: &[u8] = b"-----BEGIN PGP ";

type PrimaryKey = Key<key::PublicParts, key::PrimaryRole>;
type Subkey = Key<key::PublicParts, key::SubordinateRole>;

/// What was in the bytes, sorted and bounded; nothing of it is verified.
#[derive(Debug, Default)]
pub struct Submission {
    /// Certificates.
    pub certs: Vec<Raw>,
    /// Revocations of keys that are not in the submission.
    pub revocations: Vec<Signature>,
    /// What was left out.
    pub dropped: Dropped,
}

/// How much was left out, so that the sender can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Signatures by other keys.
    pub foreign_signatures: usize,
    /// Signatures over a bound, or made in the future.
    pub excess_signatures: usize,
    /// User ids and subkeys over a bound.
    pub excess_components: usize,
    /// User attributes (pictures), oversized packets, junk.
    pub other_packets: usize,
}

impl Dropped {
    /// For the sender: what did not come through, or nothing.
    pub fn says(&self) -> String {
        let rows = [
            (self.foreign_signatures, "signatures by other keys"),
            (self.excess_signatures, "signatures over the bounds"),
            (self.excess_components, "user ids and subkeys over the bounds"),
            (self.other_packets, "pictures, oversized packets and other things"),
        ];
        let said: Vec<String> =
            rows.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        if said.is_empty() { String::new() } else { format!("left out: {}", said.join(", ")) }
    }
}

/// One certificate, unverified.
#[derive(Clone, Debug)]
pub struct Raw {
    primary: PrimaryKey,
    handles: [KeyHandle; 2],
    on_primary: Signatures,
    /// The key revocation that came last: who appends one to a flood means it.
    appended: Option<Signature>,
    user_ids: Vec<(UserID, Signatures)>,
    subkeys: Vec<(Subkey, Signatures)>,
}

/// Candidates on one component.
#[derive(Clone, Debug, Default)]
struct Signatures {
    bindings: Vec<Signature>,
    revocations: Vec<Signature>,
}

impl Raw {
    /// Of the primary key, upper-case hexadecimal.
    pub fn fingerprint(&self) -> String {
        self.primary.fingerprint().to_hex()
    }

    /// The packets in the order of a certificate (RFC 9580 §10.1).
    pub(super) fn into_packets(self) -> Vec<Packet> {
        let mut packets = vec![Packet::from(self.primary)];
        packets.extend(self.appended.map(Packet::from));
        packets.extend(self.on_primary.into_packets());
        for (user_id, signatures) in self.user_ids {
            packets.push(user_id.into());
            packets.extend(signatures.into_packets());
        }
        for (subkey, signatures) in self.subkeys {
            packets.push(subkey.into());
            packets.extend(signatures.into_packets());
        }
        packets
    }
}

impl Signatures {
    fn into_packets(self) -> impl Iterator<Item = Packet> {
        self.revocations.into_iter().chain(self.bindings).map(Packet::from)
    }
}

/// Reads armoured or binary bytes: certificates, and revocations without one.
pub fn read_submission(bytes: &[u8], now: SystemTime) -> Result<Submission, Refusal> {
    if bytes.len() > UPLOAD_BYTES_MAX {
        return Err(Refusal::TooLarge { what: "a submission", max: UPLOAD_BYTES_MAX });
    }
    let mut reader = Reader { latest: now + CLOCK_SKEW_MAX, packets: 0, at: At::Nothing, out: Submission::default() };
    for block in blocks(bytes)? {
        reader.read_block(block)?;
    }
    let mut submission = reader.out;
    for raw in &mut submission.certs {
        raw.shed_old_subkeys(&mut submission.dropped);
        raw.shed_signatures(&mut submission.dropped);
    }
    if submission.certs.is_empty() && submission.revocations.is_empty() {
        return Err(Refusal::NoKey);
    }
    Ok(submission)
}

/// Armoured blocks one after the other, or all bytes as one binary block.
fn blocks(bytes: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    // RFC 9580 §5: the first octet of a packet has its high bit set, which no armour has.
    if bytes.first().is_none_or(|first| first & 0x80 != 0) {
        return Ok(vec![bytes]);
    }
    let mut starts: Vec<usize> = memchr::memmem::find_iter(bytes, ARMOR_BEGIN).take(ARMOR_BLOCKS_MAX + 1).collect();
    if starts.len() > ARMOR_BLOCKS_MAX {
        return Err(Refusal::TooLarge { what: "the number of armoured blocks", max: ARMOR_BLOCKS_MAX });
    }
    starts.push(bytes.len());
    let block = |pair: &[usize]| pair.first().zip(pair.last()).and_then(|(&from, &to)| bytes.get(from..to));
    Ok(starts.windows(2).filter_map(block).collect())
}

/// The component that the next signature is about.
enum At {
    Nothing,
    Primary,
    UserId,
    Subkey,
    Dropped,
}

struct Reader {
    latest: SystemTime,
    packets: usize,
    at: At,
    out: Submission,
}

impl Reader {
    fn read_block(&mut self, block: &[u8]) -> Result<(), Refusal> {
        self.at = At::Nothing;
        let mut next = PacketParserBuilder::from_bytes(block)
            .map_err(Refusal::malformed)?
            .max_packet_size(PACKET_BYTES_MAX)
            .build()
            .map_err(Refusal::malformed)?;
        while let PacketParserResult::Some(parser) = next {
            self.packets += 1;
            if self.packets > PACKETS_MAX {
                return Err(Refusal::TooLarge { what: "the number of packets", max: PACKETS_MAX });
            }
            let (packet, rest) = PacketParser::next(parser).map_err(Refusal::malformed)?;
            self.take(packet)?;
            next = rest;
        }
        Ok(())
    }

    fn take(&mut self, packet: Packet) -> Result<(), Refusal> {
        match packet {
            Packet::SecretKey(_) | Packet::SecretSubkey(_) => return Err(Refusal::Secret),
            Packet::PublicKey(primary) => self.begin(primary)?,
            Packet::UserID(user_id) => self.take_user_id(user_id),
            Packet::PublicSubkey(subkey) => self.take_subkey(subkey),
            Packet::Signature(signature) => self.take_signature(signature),
            Packet::Marker(_) => {}
            _ => {
                self.out.dropped.other_packets += 1;
                self.at = At::Dropped;
            }
        }
        Ok(())
    }

    fn begin(&mut self, primary: PrimaryKey) -> Result<(), Refusal> {
        if self.out.certs.len() >= UPLOAD_CERTS_MAX {
            return Err(Refusal::TooLarge { what: "the number of certificates", max: UPLOAD_CERTS_MAX });
        }
        check_arithmetic(primary.mpis())?;
        let handles = [KeyHandle::from(primary.fingerprint()), KeyHandle::from(primary.keyid())];
        let on_primary = Signatures::default();
        self.out.certs.push(Raw { primary, handles, on_primary, appended: None, user_ids: Vec::new(), subkeys: Vec::new() });
        self.at = At::Primary;
        Ok(())
    }

    fn take_user_id(&mut self, user_id: UserID) {
        self.at = At::Dropped;
        let Some(raw) = self.out.certs.last_mut() else { return };
        if raw.user_ids.len() >= USER_IDS_MAX || user_id.value().len() > USER_ID_BYTES_MAX {
            self.out.dropped.excess_components += 1;
            return;
        }
        raw.user_ids.push((user_id, Signatures::default()));
        self.at = At::UserId;
    }

    fn take_subkey(&mut self, subkey: Subkey) {
        self.at = At::Dropped;
        let Some(raw) = self.out.certs.last_mut() else { return };
        if subkey.creation_time() > self.latest || is_monstrous(subkey.mpis()) {
            self.out.dropped.excess_components += 1;
            return;
        }
        // The newest are chosen at the end; meanwhile twice as many are held.
        if raw.subkeys.len() >= 2 * SUBKEYS_MAX {
            raw.shed_old_subkeys(&mut self.out.dropped);
        }
        raw.subkeys.push((subkey, Signatures::default()));
        self.at = At::Subkey;
    }

    fn take_signature(&mut self, mut signature: Signature) {
        let made = signature.signature_creation_time();
        if made.is_none_or(|made| made > self.latest) {
            self.out.dropped.excess_signatures += 1;
            return;
        }
        let Some(raw) = self.out.certs.last_mut() else { return self.take_bare(signature) };
        let issuers = signature.get_issuers();
        if !issuers.is_empty() && !issuers.iter().any(|issuer| raw.handles.iter().any(|handle| handle.aliases(issuer))) {
            if matches!(self.at, At::Nothing) {
                return self.take_bare(signature);
            }
            self.out.dropped.foreign_signatures += 1;
            return;
        }
        drop_unhashed(&mut signature);
        if signature.typ() == SignatureType::KeyRevocation {
            raw.appended = Some(signature.clone());
        }
        let Some((target, is_revocation)) = raw.place(&self.at, signature.typ()) else {
            self.out.dropped.other_packets += 1;
            return;
        };
        let kept = if is_revocation { &mut target.revocations } else { &mut target.bindings };
        if !add_candidate(kept, signature, is_revocation) {
            self.out.dropped.excess_signatures += 1;
        }
    }

    /// A revocation certificate as programs write it at a key's birth: a signature alone.
    fn take_bare(&mut self, mut signature: Signature) {
        if signature.typ() == SignatureType::KeyRevocation && self.out.revocations.len() < UPLOAD_CERTS_MAX {
            drop_unhashed(&mut signature);
            self.out.revocations.push(signature);
        } else {
            self.out.dropped.other_packets += 1;
        }
    }
}

impl Raw {
    /// The component that a signature of this type can be about (RFC 9580 §5.2.1), and whether it revokes. What is about
    /// the primary key is taken wherever it stands: a revocation appended at the end counts.
    fn place(&mut self, at: &At, typ: SignatureType) -> Option<(&mut Signatures, bool)> {
        use SignatureType::{
            CasualCertification, CertificationRevocation, DirectKey, GenericCertification, KeyRevocation, PersonaCertification,
            PositiveCertification, SubkeyBinding, SubkeyRevocation,
        };
        match (typ, at) {
            (KeyRevocation, _) => Some((&mut self.on_primary, true)),
            (DirectKey, _) => Some((&mut self.on_primary, false)),
            (CertificationRevocation, At::UserId) => Some((&mut self.user_ids.last_mut()?.1, true)),
            (GenericCertification | PersonaCertification | CasualCertification | PositiveCertification, At::UserId) => {
                Some((&mut self.user_ids.last_mut()?.1, false))
            }
            (SubkeyRevocation, At::Subkey) => Some((&mut self.subkeys.last_mut()?.1, true)),
            (SubkeyBinding, At::Subkey) => Some((&mut self.subkeys.last_mut()?.1, false)),
            _ => None,
        }
    }

    /// Leaves [`SIGNATURES_MAX`]: first the first choice of each component, then the second, and so on.
    fn shed_signatures(&mut self, dropped: &mut Dropped) {
        let mut lists: Vec<&mut Vec<Signature>> = vec![&mut self.on_primary.revocations, &mut self.on_primary.bindings];
        let components = self.user_ids.iter_mut().map(|(_, on)| on).chain(self.subkeys.iter_mut().map(|(_, on)| on));
        lists.extend(components.flat_map(|on| [&mut on.revocations, &mut on.bindings]));
        let mut room = SIGNATURES_MAX;
        let mut keeps = vec![0; lists.len()];
        for round in 1..=CANDIDATES_MAX {
            for (list, keep) in lists.iter().zip(&mut keeps).filter(|(list, _)| list.len() >= round) {
                debug_assert!(list.len() <= CANDIDATES_MAX);
                if room > 0 {
                    (*keep, room) = (round, room - 1);
                }
            }
        }
        for (list, keep) in lists.into_iter().zip(keeps) {
            dropped.excess_signatures += list.len() - keep;
            list.truncate(keep);
        }
    }

    fn shed_old_subkeys(&mut self, dropped: &mut Dropped) {
        if self.subkeys.len() > SUBKEYS_MAX {
            dropped.excess_components += self.subkeys.len() - SUBKEYS_MAX;
            self.subkeys.sort_by_key(|(subkey, _)| std::cmp::Reverse(subkey.creation_time()));
            self.subkeys.truncate(SUBKEYS_MAX);
        }
    }
}

/// Adds a signature to candidates that are in order of preference; `false` when one was left out.
/// Bindings: the newest first, as the newest binding is the one that holds. Revocations: the oldest.
fn add_candidate(kept: &mut Vec<Signature>, signature: Signature, oldest_first: bool) -> bool {
    let made = signature.signature_creation_time();
    let comes_before = |other: &Signature| {
        let other = other.signature_creation_time();
        if oldest_first { other <= made } else { other >= made }
    };
    if kept.iter().any(|other| other.normalized_eq(&signature)) {
        return true;
    }
    let place = kept.partition_point(comes_before);
    kept.insert(place, signature);
    let fits = kept.len() <= CANDIDATES_MAX;
    kept.truncate(CANDIDATES_MAX);
    fits
}

/// Fails for a primary key whose signatures would cost too much to check.
fn check_arithmetic(key: &PublicKey) -> Result<(), Refusal> {
    match key {
        PublicKey::RSA { n, .. } if n.bits() > RSA_BITS_MAX => {
            Err(Refusal::TooLarge { what: "the bits of an RSA key", max: RSA_BITS_MAX })
        }
        key if is_monstrous(key) => Err(Refusal::TooLarge { what: "the bits of a DSA key", max: DSA_BITS_MAX }),
        _ => Ok(()),
    }
}

/// A DSA key with numbers that no standard has. (RSA of any size is refused by the library before it computes.)
fn is_monstrous(key: &PublicKey) -> bool {
    match key {
        PublicKey::DSA { p, q, g, y } => {
            [p, g, y].iter().any(|number| number.bits() > DSA_BITS_MAX) || q.bits() > DSA_ORDER_BITS_MAX
        }
        _ => false,
    }
}

/// Anybody can write into the unhashed area: only what helps to find and to check the signer stays.
fn drop_unhashed(signature: &mut Signature) {
    let keeps = [SubpacketTag::Issuer, SubpacketTag::IssuerFingerprint, SubpacketTag::EmbeddedSignature];
    let tags: Vec<SubpacketTag> = signature.unhashed_area().iter().map(|subpacket| subpacket.tag()).collect();
    for tag in tags {
        if !keeps.contains(&tag) {
            signature.unhashed_area_mut().remove_all(tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sequoia_openpgp::packet::signature::SignatureBuilder;
    use sequoia_openpgp::packet::signature::subpacket::{Subpacket, SubpacketValue};
    use sequoia_openpgp::serialize::MarshalInto as _;

    use super::*;
    use crate::flood::{foreign_certifications, forged_subkeys, forged_user_ids, now, packets, person, secret_cert};
    use crate::{armor, clean::Clean};

    fn read(bytes: &[u8]) -> Result<Submission, Refusal> {
        read_submission(bytes, now())
    }

    #[test]
    fn armoured_and_binary_are_the_same() {
        let whole = person("Alice", "alice@home.example").clean.whole();
        let text = armor(&whole, sequoia_openpgp::armor::Kind::PublicKey).unwrap();
        assert!(text.ends_with(b"-----\n"));
        let mail = [b"Dear Bob,\r\nhere is my key:\r\n\r\n".as_slice(), &text, b"\r\n\r\nYours\r\n"].concat();
        for bytes in [&whole, &text, &mail] {
            let submission = read(bytes).unwrap();
            assert_eq!(submission.certs.len(), 1);
            assert_eq!(submission.dropped, Dropped::default());
            assert_eq!(Clean::from_raw(submission.certs.into_iter().next().unwrap(), now()).unwrap().whole(), whole);
        }
    }

    #[test]
    fn several_blocks_and_a_bare_revocation() {
        let (alice, bob) = (person("Alice", "alice@home.example"), person("Bob", "bob@home.example"));
        let block = |bytes: &[u8]| armor(bytes, sequoia_openpgp::armor::Kind::PublicKey).unwrap();
        let text = [block(&alice.clean.whole()), block(bob.revocation.expose())].concat();
        let submission = read(&text).unwrap();
        assert_eq!((submission.certs.len(), submission.revocations.len()), (1, 1));
        let both = [alice.clean.whole(), bob.clean.whole()].concat();
        assert_eq!(read(&both).unwrap().certs.len(), 2);
    }

    #[test]
    fn what_is_no_key() {
        for bytes in [&b""[..], b"hello", b"-----BEGIN PGP PUBLIC KEY BLOCK-----", b"\xff\xff\xff", b"\xb4\x05alice", &[0x80; 512]]
        {
            let refusal = read(bytes).unwrap_err();
            assert!(matches!(refusal, Refusal::NoKey | Refusal::Malformed(_)), "{bytes:?}: {refusal:?}");
        }
        let whole = person("", "alice@home.example").clean.whole();
        // Cut anywhere: an error or less, never a panic.
        for end in 0..whole.len() {
            if let Ok(submission) = read(&whole[..end]) {
                assert!(submission.certs.len() <= 1);
            }
        }
    }

    #[test]
    fn a_secret_key_is_refused_wherever_it_hides() {
        let (alice, bob) = (person("", "alice@home.example"), person("", "bob@home.example"));
        assert_eq!(read(bob.secret.expose()).unwrap_err(), Refusal::Secret);
        let behind = [alice.clean.whole(), bob.secret.expose().clone()].concat();
        assert_eq!(read(&behind).unwrap_err(), Refusal::Secret);
    }

    #[test]
    fn each_bound_from_both_sides() {
        let alice = person("", "alice@home.example");
        let cert = secret_cert(&alice);
        let whole = alice.clean.whole();
        let excess = |bytes: &[u8]| read(bytes).unwrap().dropped.excess_components;
        assert_eq!(excess(&[whole.clone(), forged_user_ids(&cert, USER_IDS_MAX - 1)].concat()), 0);
        assert_eq!(excess(&[whole.clone(), forged_user_ids(&cert, USER_IDS_MAX)].concat()), 1);
        assert_eq!(excess(&[whole.clone(), forged_subkeys(&cert, SUBKEYS_MAX - 2)].concat()), 0);
        assert_eq!(excess(&[whole.clone(), forged_subkeys(&cert, SUBKEYS_MAX + 1)].concat()), 3);
        assert_eq!(excess(&[whole.clone(), forged_subkeys(&cert, 500)].concat()), 502 - SUBKEYS_MAX);
        let long = |octets: usize| [whole.clone(), packets([UserID::from("x".repeat(octets)).into()])].concat();
        assert_eq!((excess(&long(USER_ID_BYTES_MAX)), excess(&long(USER_ID_BYTES_MAX + 1))), (0, 1));

        let many = |count: usize| vec![whole.as_slice(); count].concat();
        assert_eq!(read(&many(UPLOAD_CERTS_MAX)).unwrap().certs.len(), UPLOAD_CERTS_MAX);
        assert!(matches!(read(&many(UPLOAD_CERTS_MAX + 1)).unwrap_err(), Refusal::TooLarge { max: UPLOAD_CERTS_MAX, .. }));

        let text = armor(&whole, sequoia_openpgp::armor::Kind::PublicKey).unwrap();
        let blocks = |count: usize| read(&vec![text.as_slice(); count].concat());
        assert_eq!(blocks(ARMOR_BLOCKS_MAX).unwrap().certs.len(), ARMOR_BLOCKS_MAX);
        assert!(matches!(blocks(ARMOR_BLOCKS_MAX + 1).unwrap_err(), Refusal::TooLarge { max: ARMOR_BLOCKS_MAX, .. }));
    }

    #[test]
    fn signatures_by_others_are_counted() {
        let (alice, bob) = (person("", "alice@home.example"), person("", "bob@home.example"));
        let flood = foreign_certifications(&secret_cert(&alice), &secret_cert(&bob), 10_000);
        assert_eq!(read(&[alice.clean.whole(), flood].concat()).unwrap().dropped.foreign_signatures, 10_000);
    }

    #[test]
    fn candidates_are_bounded_and_none_is_of_the_future() {
        let alice = secret_cert(&person("", "alice@home.example"));
        let mut signer = alice.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
        let mut direct = |made: SystemTime| {
            let builder = SignatureBuilder::new(SignatureType::DirectKey).set_signature_creation_time(made).unwrap();
            Packet::from(builder.sign_direct_key(&mut signer, alice.primary_key().key()).unwrap())
        };
        let mut bytes = packets([alice.primary_key().key().clone().parts_into_public().into()]);
        for n in 0..CANDIDATES_MAX as u64 {
            bytes.extend(packets([direct(now() - Duration::from_secs(n))]));
        }
        assert_eq!(read(&bytes).unwrap().dropped.excess_signatures, 0);
        bytes.extend(packets([direct(now() - Duration::from_secs(3600))]));
        assert_eq!(read(&bytes).unwrap().dropped.excess_signatures, 1);
        bytes.extend(packets([direct(now() + CLOCK_SKEW_MAX)]));
        assert_eq!(read(&bytes).unwrap().dropped.excess_signatures, 2);
        bytes.extend(packets([direct(now() + CLOCK_SKEW_MAX + Duration::from_secs(1))]));
        let submission = read(&bytes).unwrap();
        assert_eq!(submission.dropped.excess_signatures, 3);
        let kept = &submission.certs[0].on_primary.bindings;
        assert_eq!(kept.len(), CANDIDATES_MAX);
        assert_eq!(kept[0].signature_creation_time(), Some(now() + CLOCK_SKEW_MAX), "the newest is first");
    }

    #[test]
    fn the_unhashed_area_is_swept() {
        let alice = person("", "alice@home.example");
        let cert = secret_cert(&alice);
        let mut signature = cert.userids().next().unwrap().self_signatures().next().unwrap().clone();
        let before = signature.to_vec().unwrap();
        let note = Subpacket::new(SubpacketValue::PolicyURI(vec![b'x'; 9_000]), false).unwrap();
        signature.unhashed_area_mut().add(note).unwrap();
        drop_unhashed(&mut signature);
        assert_eq!(signature.to_vec().unwrap(), before);
        assert!(signature.issuers().next().is_some() || signature.issuer_fingerprints().next().is_some());
    }
}
