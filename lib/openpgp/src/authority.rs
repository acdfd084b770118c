// SPDX-License-Identifier: AGPL-3.0-or-later
//! The house's own certificate: it says which key is whose in its domains, for a year at a time, trusts other homes for
//! their own domains and nothing else, and signs the head of the log.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use hearth_identity::certs::{TrustedHome, Vouch};
use hearth_types::{Address, Domain, Secret};
use sequoia_openpgp::armor::Kind;
use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::crypto::KeyPair;
use sequoia_openpgp::packet::UserID;
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::parse::stream::{DetachedVerifierBuilder, MessageLayer, MessageStructure, VerificationHelper};
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::MarshalInto as _;
use sequoia_openpgp::serialize::stream::{Armorer, Message, Signer};
use sequoia_openpgp::types::{Features, RevocationStatus, SignatureType};
use sequoia_openpgp::{Cert, KeyHandle, Packet};
use sequoia_wot::{Network, Roots};

use crate::clean::timestamp;
use crate::generate::BACKDATE;
use crate::limits::{CERTIFICATIONS_MAX, UPLOAD_CERTS_MAX, VOUCHED_ADDRESSES_MAX, VOUCHES_MAX};
use crate::{Clean, Generated, Refusal};

/// The setting that names the house's own certificate.
pub const AUTHORITY: &str = "keys.authority";
/// The setting that says `yes` when the house ended it and wants no other.
pub const CLOSED: &str = "keys.authority_closed";
/// The local part of the house's own address, as OpenPGP CA has it.
pub const LOCAL_PART: &str = "openpgp-ca";
/// How long a certification is good: a year, and a month to renew it.
pub const CERTIFIED_FOR: Duration = Duration::from_secs(395 * 24 * 3600);
/// It is renewed when less than this is left.
pub const RENEWED_BEFORE: Duration = Duration::from_secs(60 * 24 * 3600);
/// How much trust is complete (RFC 9580 §5.2.3.21).
pub const COMPLETE: u8 = 120;

/// Makes it, for every domain of the house. It never ends by itself: trust in it is what ends.
pub fn generate(domains: &[Domain], now: SystemTime) -> Result<Generated, Refusal> {
    let mut builder = CertBuilder::new()
        .set_creation_time(now - BACKDATE)
        .set_profile(sequoia_openpgp::Profile::RFC4880)
        .and_then(|builder| builder.set_features(Features::empty().set_seipdv1()))
        .map_err(Refusal::library)?
        .add_signing_subkey();
    for domain in domains {
        builder = builder.add_userid(UserID::from(format!("<{LOCAL_PART}@{domain}>")));
    }
    let (cert, revocation) = builder.generate().map_err(Refusal::library)?;
    Ok(Generated {
        clean: Clean::of(&cert, now)?,
        secret: Secret::new(cert.as_tsk().to_vec().map_err(Refusal::library)?),
        revocation: Secret::new(Packet::from(revocation).to_vec().map_err(Refusal::library)?),
    })
}

/// Gives it further domains.
pub fn with_domains(secret: &Secret<Vec<u8>>, domains: &[Domain], now: SystemTime) -> Result<Generated, Refusal> {
    let mut signer = primary(secret)?;
    let mut cert = Cert::from_bytes(secret.expose()).map_err(Refusal::library)?;
    for domain in domains {
        let user_id = UserID::from(format!("<{LOCAL_PART}@{domain}>"));
        let builder = SignatureBuilder::new(SignatureType::PositiveCertification).set_signature_creation_time(now);
        let binding = builder.and_then(|builder| user_id.bind(&mut signer, &cert, builder)).map_err(Refusal::library)?;
        cert = cert.insert_packets([Packet::from(user_id), Packet::from(binding)]).map_err(Refusal::library)?.0;
    }
    let revocation = cert.revoke(&mut signer, sequoia_openpgp::types::ReasonForRevocation::Unspecified, b"");
    let revocation = revocation.map_err(Refusal::library)?;
    Ok(Generated {
        clean: Clean::of(&cert, now)?,
        secret: Secret::new(cert.as_tsk().to_vec().map_err(Refusal::library)?),
        revocation: Secret::new(Packet::from(revocation).to_vec().map_err(Refusal::library)?),
    })
}

/// Certifies that user ids are their owner's; one signature packet for each.
pub fn certify(secret: &Secret<Vec<u8>>, whole: &[u8], user_ids: &[String], now: SystemTime) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut signer = primary(secret)?;
    let cert = Cert::from_bytes(whole).map_err(Refusal::library)?;
    let certified = user_ids.iter().map(|text| {
        let signature = SignatureBuilder::new(SignatureType::PositiveCertification)
            .set_signature_creation_time(now)
            .and_then(|builder| builder.set_signature_validity_period(CERTIFIED_FOR))
            .and_then(|builder| builder.sign_userid_binding(&mut signer, cert.primary_key().key(), &UserID::from(text.as_str())));
        signature.and_then(|signature| Packet::from(signature).to_vec()).map_err(Refusal::library)
    });
    certified.collect()
}

/// Trusts the certificate of another home, for addresses of its domain alone. The trust stays in this house.
pub fn trust(secret: &Secret<Vec<u8>>, home: &[u8], domain: &Domain, now: SystemTime) -> Result<Vec<u8>, Refusal> {
    let mut signer = primary(secret)?;
    let cert = Cert::from_bytes(home).map_err(Refusal::malformed)?;
    let is_its_own = |user_id: &UserID| {
        let address = user_id.email().ok().flatten().and_then(|email| Address::parse(email).ok());
        address.is_some_and(|address| address.domain() == domain && address.local() == LOCAL_PART)
    };
    let user_id = cert.userids().map(|user_id| user_id.userid().clone()).find(is_its_own).ok_or(Refusal::NoKey)?;
    let signature = SignatureBuilder::new(SignatureType::GenericCertification)
        .set_signature_creation_time(now)
        .and_then(|builder| builder.set_trust_signature(1, COMPLETE))
        .and_then(|builder| builder.set_regular_expression(scope(domain)))
        .and_then(|builder| builder.set_exportable_certification(false))
        .and_then(|builder| builder.sign_userid_binding(&mut signer, cert.primary_key().key(), &user_id))
        .map_err(Refusal::library)?;
    let (cert, _) = cert.insert_packets([Packet::from(user_id), Packet::from(signature)]).map_err(Refusal::library)?;
    cert.to_vec().map_err(Refusal::library)
}

/// The certificate of a home that is trusted, with what it says of itself now: a revocation, a later end, a new key. The
/// trust of this house (`own`, a fingerprint) stays on it as it was.
pub fn refreshed(own: &str, kept: &[u8], published: &[u8], domain: &Domain, now: SystemTime) -> Result<Vec<u8>, Refusal> {
    let before = Cert::from_bytes(kept).map_err(Refusal::library)?;
    let fingerprint = before.fingerprint().to_hex();
    let address = Address::new(LOCAL_PART, domain.clone()).map_err(Refusal::library)?;
    let trust = certifications_by(&BTreeSet::from([own.to_string()]), kept, &fingerprint, &address);
    // Merged, so that no revocation is lost; and bounded as everything that comes from outside.
    let merged = before.merge_public(Cert::from_bytes(published).map_err(Refusal::malformed)?).map_err(Refusal::malformed)?;
    with_certifications(&Clean::of(&merged, now)?.whole(), &trust)
}

/// RFC 9580 §5.2.3.22: addresses of a domain and no others, not even of names below it.
fn scope(domain: &Domain) -> String {
    format!("<[^>]+@{}>$", domain.as_str().replace('.', "\\."))
}

/// What of a found certificate says who else believes in it: the certifications of an address's user ids by these keys.
/// Bounded; nothing is believed yet.
pub fn certifications_by(issuers: &BTreeSet<String>, found: &[u8], fingerprint: &str, address: &Address) -> Vec<(String, Vec<u8>)> {
    if issuers.is_empty() {
        return Vec::new();
    }
    let Ok(certs) = sequoia_openpgp::cert::CertParser::from_bytes(found) else { return Vec::new() };
    let Some(cert) = certs.take(UPLOAD_CERTS_MAX).flatten().find(|cert| cert.fingerprint().to_hex() == fingerprint) else {
        return Vec::new();
    };
    let is_for = |user_id: &UserID| {
        user_id
            .email()
            .ok()
            .flatten()
            .and_then(|email| Address::parse(email).ok())
            .is_some_and(|named| named.key() == address.key())
    };
    let mut kept = Vec::new();
    for user_id in cert.userids().filter(|user_id| is_for(user_id.userid())) {
        let text = String::from_utf8_lossy(user_id.userid().value()).into_owned();
        let by_ours = user_id.bundle().certifications().filter(|signature| {
            signature
                .get_issuers()
                .iter()
                .any(|issuer| matches!(issuer, KeyHandle::Fingerprint(print) if issuers.contains(&print.to_hex())))
        });
        kept.extend(by_ours.filter_map(|signature| Some((text.clone(), Packet::from(signature.clone()).to_vec().ok()?))));
    }
    kept.truncate(CERTIFICATIONS_MAX);
    kept
}

/// How sure the house is, 0 to 120, that a certificate is its user id's: the most that flows from the house's own
/// certificate through the homes that it trusts (sequoia-wot).
pub fn confidence(root: &[u8], homes: &[Vec<u8>], found: &[u8], now: SystemTime) -> Result<u8, Refusal> {
    let policy = StandardPolicy::new();
    let cert = |bytes: &[u8]| Cert::from_bytes(bytes).map_err(Refusal::library);
    let (root, found) = (cert(root)?, cert(found)?);
    // Whoever ended a home's certificate says no more by it, not even what it said before.
    let is_ended = |cert: &Cert| matches!(cert.revocation_status(&policy, now), RevocationStatus::Revoked(_));
    if is_ended(&root) {
        return Ok(0);
    }
    let (root_fingerprint, target) = (root.fingerprint(), found.fingerprint());
    let user_ids: Vec<UserID> = found.userids().map(|user_id| user_id.userid().clone()).collect();
    let mut certs = vec![root, found];
    for home in homes {
        certs.extend(Some(cert(home)?).filter(|home| !is_ended(home)));
    }
    let network = Network::from_certs(certs, &policy, now, Roots::new([root_fingerprint])).map_err(Refusal::library)?;
    let most = user_ids.iter().map(|user_id| network.authenticate(user_id, &target, usize::from(COMPLETE)).amount()).max();
    Ok(u8::try_from(most.unwrap_or(0).min(usize::from(COMPLETE))).unwrap_or(COMPLETE))
}

/// A certificate of an address with these certifications of its user ids.
pub fn with_certifications(own: &[u8], vouched: &[(String, Vec<u8>)]) -> Result<Vec<u8>, Refusal> {
    let mut packets = Vec::new();
    for (user_id, packet) in vouched {
        packets.push(Packet::from(UserID::from(user_id.as_str())));
        packets.push(Packet::from_bytes(packet).map_err(Refusal::library)?);
    }
    let cert = Cert::from_bytes(own).map_err(Refusal::library)?;
    cert.insert_packets(packets).and_then(|(cert, _)| cert.to_vec()).map_err(Refusal::library)
}

/// What the homes that this house trusts say of a certificate in what was sent of it: each certification on which
/// sequoia-wot finds a complete path to the user id, and no other. They may be shown without the owner's approval.
pub fn vouched_by_homes(root: &[u8], homes: &[TrustedHome], clean: &Clean, sent: &[u8], now: SystemTime) -> Vec<Vouch> {
    let mut vouches = Vec::new();
    for home in homes {
        let issuer = BTreeSet::from([home.fingerprint.clone()]);
        let named = clean.named_user_ids().into_iter().filter(|named| !named.revoked && *named.address.domain() == home.domain);
        for named in named.take(VOUCHED_ADDRESSES_MAX) {
            let Some(own) = clean.only_of(&named.address) else { continue };
            let said = certifications_by(&issuer, sent, clean.fingerprint(), &named.address);
            // The newest come first, and are stored last.
            for one in said.into_iter().take(VOUCHES_MAX).collect::<Vec<_>>().into_iter().rev() {
                let whole = with_certifications(&own, std::slice::from_ref(&one));
                let sure = whole.and_then(|whole| confidence(root, std::slice::from_ref(&home.bytes), &whole, now));
                if sure.is_ok_and(|sure| sure >= COMPLETE) {
                    vouches.extend(vouch(clean.fingerprint(), &home.fingerprint, one, now));
                }
            }
        }
    }
    vouches
}

fn vouch(fingerprint: &str, issuer: &str, (user_id, packet): (String, Vec<u8>), now: SystemTime) -> Option<Vouch> {
    let Ok(Packet::Signature(signature)) = Packet::from_bytes(&packet) else { return None };
    signature.exportable().ok()?;
    Some(Vouch {
        fingerprint: fingerprint.to_string(),
        user_id,
        issuer: issuer.to_string(),
        packet,
        created_at: signature.signature_creation_time().map(timestamp)?,
        // One without an end is asked for again after a year, as ours are.
        expires_at: timestamp(signature.signature_expiration_time().unwrap_or(now + CERTIFIED_FOR).min(now + CERTIFIED_FOR)),
    })
}

/// Signs a text apart from it, in armour.
pub fn sign(secret: &Secret<Vec<u8>>, text: &str) -> Result<String, Refusal> {
    // The primary key certifies; texts are signed by the subkey that is for it.
    let (cert, policy) = (Cert::from_bytes(secret.expose()).map_err(Refusal::library)?, StandardPolicy::new());
    let key = cert.keys().with_policy(&policy, None).alive().revoked(false).unencrypted_secret().for_signing().next();
    let key = key.ok_or_else(|| Refusal::Locked("it has no key that signs".into()))?;
    let signer = key.key().clone().into_keypair().map_err(Refusal::library)?;
    let mut armored = Vec::new();
    let message = Armorer::new(Message::new(&mut armored)).kind(Kind::Signature).build().map_err(Refusal::library)?;
    let mut writer = Signer::new(message, signer).and_then(|signer| signer.detached().build()).map_err(Refusal::library)?;
    writer.write_all(text.as_bytes()).map_err(Refusal::library)?;
    writer.finalize().map_err(Refusal::library)?;
    String::from_utf8(armored).map_err(Refusal::library)
}

/// Did this certificate sign the text?
pub fn verify(cert: &[u8], text: &str, signature: &str, now: SystemTime) -> Result<bool, Refusal> {
    let policy = StandardPolicy::new();
    let helper = Helper { cert: Cert::from_bytes(cert).map_err(Refusal::malformed)? };
    let verifier = DetachedVerifierBuilder::from_bytes(signature.as_bytes()).map_err(Refusal::malformed)?;
    let Ok(mut verifier) = verifier.with_policy(&policy, now, helper) else { return Ok(false) };
    Ok(verifier.verify_bytes(text.as_bytes()).is_ok())
}

struct Helper {
    cert: Cert,
}

impl VerificationHelper for Helper {
    fn get_certs(&mut self, _: &[KeyHandle]) -> sequoia_openpgp::Result<Vec<Cert>> {
        Ok(vec![self.cert.clone()])
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> sequoia_openpgp::Result<()> {
        let is_good = structure.into_iter().any(|layer| match layer {
            MessageLayer::SignatureGroup { results } => results.into_iter().any(|result| result.is_ok()),
            _ => false,
        });
        if is_good { Ok(()) } else { Err(std::io::Error::other("no good signature").into()) }
    }
}

fn primary(secret: &Secret<Vec<u8>>) -> Result<KeyPair, Refusal> {
    let cert = Cert::from_bytes(secret.expose()).map_err(Refusal::library)?;
    let key = cert.primary_key().key().clone().parts_into_secret().map_err(Refusal::library)?;
    key.into_keypair().map_err(Refusal::library)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flood::{now, person};
    use crate::secret::Reason;
    use crate::{read_submission, secret};

    fn house(domain: &str) -> Generated {
        generate(&[Domain::parse(domain).unwrap()], now()).unwrap()
    }

    /// A person's certificate with the certification of a house on every user id.
    fn vouched(by: &Generated, person: &Generated, text: &str) -> Vec<u8> {
        let packets = certify(&by.secret, &person.clean.whole(), &[text.to_string()], now()).unwrap();
        let user_id = Packet::from(UserID::from(text));
        let cert = Cert::from_bytes(&person.clean.whole()).unwrap();
        let signature = Packet::from_bytes(&packets[0]).unwrap();
        cert.insert_packets([user_id, signature]).unwrap().0.to_vec().unwrap()
    }

    #[test]
    fn the_house_is_sure_of_its_own() {
        let ours = house("home.example");
        let alice = person("Alice", "alice@home.example");
        let with = vouched(&ours, &alice, "Alice <alice@home.example>");
        let sure = |found: &[u8]| confidence(&ours.clean.whole(), &[], found, now() + Duration::from_secs(5)).unwrap();
        assert_eq!((sure(&with), sure(&alice.clean.whole())), (COMPLETE, 0));
        // It ends by itself.
        let later = now() + CERTIFIED_FOR + Duration::from_secs(60);
        assert_eq!(confidence(&ours.clean.whole(), &[], &with, later).unwrap(), 0);
        // What strangers send of it goes through the intake without the certification.
        assert_eq!(read_submission(&with, now()).unwrap().dropped.foreign_signatures, 1);
    }

    #[test]
    fn it_grows_with_the_house() {
        let ours = house("home.example");
        let grown = with_domains(&ours.secret, &[Domain::parse("second.example").unwrap()], now()).unwrap();
        assert_eq!(grown.clean.fingerprint(), ours.clean.fingerprint());
        assert_eq!(grown.clean.named_user_ids().len(), 2);
    }

    #[test]
    fn another_home_is_believed_for_its_own_domain_alone() {
        let (ours, theirs) = (house("home.example"), house("b.example"));
        let (bob, mallory) = (person("Bob", "bob@b.example"), person("", "alice@home.example"));
        let trusted = trust(&ours.secret, &theirs.clean.whole(), &Domain::parse("b.example").unwrap(), now()).unwrap();
        let at = now() + Duration::from_secs(5);
        let sure = |homes: &[Vec<u8>], found: &[u8]| confidence(&ours.clean.whole(), homes, found, at).unwrap();
        let bob = vouched(&theirs, &bob, "Bob <bob@b.example>");
        assert_eq!((sure(std::slice::from_ref(&trusted), &bob), sure(&[theirs.clean.whole()], &bob)), (COMPLETE, 0));
        let false_alice = vouched(&theirs, &mallory, "<alice@home.example>");
        assert_eq!(sure(&[trusted], &false_alice), 0);
        // A home is trusted by its own address for its own domain, and for no other.
        let other = trust(&ours.secret, &theirs.clean.whole(), &Domain::parse("c.example").unwrap(), now());
        assert_eq!(other, Err(Refusal::NoKey));
    }

    #[test]
    fn what_a_home_says_of_itself_later_counts() {
        let (ours, theirs, strangers) = (house("home.example"), house("b.example"), house("c.example"));
        let domain = Domain::parse("b.example").unwrap();
        let own = ours.clean.fingerprint();
        let trusted = trust(&ours.secret, &theirs.clean.whole(), &domain, now()).unwrap();
        let (at, after) = (now() + Duration::from_secs(60), SystemTime::now() + Duration::from_secs(5));
        let again = |kept: &[u8], published: &[u8]| refreshed(own, kept, published, &domain, at);
        let bob = vouched(&theirs, &person("Bob", "bob@b.example"), "Bob <bob@b.example>");
        let sure = |home: &[u8]| confidence(&ours.clean.whole(), &[home.to_vec()], &bob, at).unwrap();

        // Nothing new: the trust stays, and a second time changes no octet.
        let same = again(&trusted, &theirs.clean.whole()).unwrap();
        assert_eq!((sure(&same), again(&same, &theirs.clean.whole()).unwrap() == same), (COMPLETE, true));
        // It has grown.
        let grown = with_domains(&theirs.secret, &[Domain::parse("d.example").unwrap()], now()).unwrap();
        let grown = again(&same, &grown.clean.whole()).unwrap();
        assert_eq!((sure(&grown), Clean::from_stored(&grown, at).unwrap().named_user_ids().len()), (COMPLETE, 2));
        // It was ended: its word counts no more, and an old copy does not undo that.
        let ended = [theirs.clean.whole(), theirs.revocation.expose().clone()].concat();
        let ended = again(&grown, &ended).unwrap();
        assert!(Clean::from_stored(&ended, at).unwrap().is_revoked());
        assert_eq!(sure(&ended), 0);
        assert_eq!(sure(&again(&ended, &theirs.clean.whole()).unwrap()), 0);
        // Another one in its place is not this one.
        assert!(again(&trusted, &strangers.clean.whole()).is_err());
        // Also with a reason that leaves what it signed before in force for others: who ended it vouches for nobody.
        for reason in [Reason::Superseded, Reason::Retired, Reason::Compromised] {
            let revocation = secret::revoke(&theirs.secret, None, reason, "").unwrap();
            let ended = theirs.clean.revoke(revocation, after).unwrap();
            let ended = again(&trusted, &ended.whole()).unwrap();
            assert_eq!(confidence(&ours.clean.whole(), &[ended], &bob, after).unwrap(), 0, "{reason:?}");
        }
        let revocation = secret::revoke(&ours.secret, None, Reason::Superseded, "").unwrap();
        let closed = ours.clean.revoke(revocation, after).unwrap().whole();
        assert_eq!(
            confidence(&closed, std::slice::from_ref(&trusted), &bob, after).unwrap(),
            0,
            "nor does a house that ended its own"
        );
    }

    #[test]
    fn what_a_friend_s_home_says_of_its_own_people_may_be_shown() {
        let (ours, theirs, strangers) = (house("home.example"), house("b.example"), house("stranger.example"));
        let domain = Domain::parse("b.example").unwrap();
        let bytes = trust(&ours.secret, &theirs.clean.whole(), &domain, now()).unwrap();
        let home = TrustedHome { domain, fingerprint: theirs.clean.fingerprint().to_string(), bytes, since: Default::default() };
        let at = now() + Duration::from_secs(5);
        let shown = |person: &Generated, sent: &[u8]| {
            vouched_by_homes(&ours.clean.whole(), std::slice::from_ref(&home), &person.clean, sent, at)
        };
        let (bob, carol) = (person("Bob", "bob@b.example"), person("Carol", "carol@c.example"));
        let by_theirs = shown(&bob, &vouched(&theirs, &bob, "Bob <bob@b.example>"));
        assert_eq!(by_theirs.len(), 1);
        assert_eq!((by_theirs[0].user_id.as_str(), &by_theirs[0].issuer), ("Bob <bob@b.example>", &home.fingerprint));
        assert!(by_theirs[0].expires_at <= timestamp(at + CERTIFIED_FOR));
        assert!(shown(&bob, &vouched(&strangers, &bob, "Bob <bob@b.example>")).is_empty());
        assert!(shown(&carol, &vouched(&theirs, &carol, "Carol <carol@c.example>")).is_empty(), "not its domain");
        // One that says it is theirs and is not: made for another certificate.
        let other = person("Bob", "bob@b.example");
        let packet = certify(&theirs.secret, &other.clean.whole(), &["Bob <bob@b.example>".to_string()], now()).unwrap().remove(0);
        let moved = with_certifications(&bob.clean.whole(), &[("Bob <bob@b.example>".into(), packet)]).unwrap();
        assert!(shown(&bob, &moved).is_empty());
    }

    #[test]
    fn only_certifications_by_those_we_know_are_kept() {
        let (ours, strangers) = (house("home.example"), house("stranger.example"));
        let alice = person("Alice", "alice@home.example");
        let text = "Alice <alice@home.example>";
        let one = vouched(&ours, &alice, text);
        let address = Address::parse("alice@home.example").unwrap();
        let by = |who: &Generated, found: &[u8]| {
            let issuers = BTreeSet::from([who.clean.fingerprint().to_string()]);
            certifications_by(&issuers, found, alice.clean.fingerprint(), &address)
        };
        assert_eq!(by(&ours, &one).len(), 1);
        assert_eq!(by(&ours, &one)[0].0, text);
        assert!(by(&strangers, &one).is_empty());
        assert!(by(&ours, b"nothing").is_empty());
    }

    #[test]
    fn a_signed_text_is_its_house_s_and_unchanged() {
        let (ours, strangers) = (house("home.example"), house("stranger.example"));
        let signature = sign(&ours.secret, "head 7\n").unwrap();
        let at = SystemTime::now() + Duration::from_secs(5);
        assert!(verify(&ours.clean.whole(), "head 7\n", &signature, at).unwrap());
        assert!(!verify(&ours.clean.whole(), "head 8\n", &signature, at).unwrap());
        assert!(!verify(&strangers.clean.whole(), "head 7\n", &signature, at).unwrap());
    }
}
