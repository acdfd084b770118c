// SPDX-License-Identifier: AGPL-3.0-or-later
//! Certifications by others that the owner of a certificate approved of (1PA3PC): a signature of type 0x16 by the primary
//! key lists the digests of those that may be shown. All others are left out, because anybody can make them.

use std::time::SystemTime;

use hearth_identity::certs::Vouch;
use hearth_types::Timestamp;
use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::MarshalInto as _;
use sequoia_openpgp::{KeyHandle, Packet};

use crate::clean::timestamp;
use crate::limits::{APPROVED_BYTES_MAX, APPROVED_MAX, CERT_BYTES_MAX, UPLOAD_CERTS_MAX};

/// What an owner approved of, in one version of the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// When the owner last said so.
    pub made_at: Timestamp,
    /// The certifications, and the owner's approvals of them.
    pub vouches: Vec<Vouch>,
}

/// What the owner of the certificate with this fingerprint approved of; `None` when nothing is said of it, or the bytes are
/// more than a certificate has. Certifications without an end of their own stay until the owner says otherwise.
pub fn read(bytes: &[u8], fingerprint: &str, now: SystemTime) -> Option<Approved> {
    if bytes.len() > CERT_BYTES_MAX {
        return None;
    }
    let certs = CertParser::from_bytes(bytes).ok()?.take(UPLOAD_CERTS_MAX).flatten();
    let cert = certs.into_iter().find(|cert| cert.fingerprint().to_hex() == fingerprint)?;
    let policy = StandardPolicy::new();
    let valid = cert.with_policy(&policy, now).ok()?;
    let (mut made_at, mut vouches) = (None, Vec::new());
    for user_id in valid.userids() {
        let text = String::from_utf8_lossy(user_id.userid().value()).into_owned();
        let approvals: Vec<&Signature> = user_id.certification_approval_key_signatures().take(1).collect();
        let [approval] = approvals.as_slice() else { continue };
        made_at = made_at.max(approval.signature_creation_time().map(timestamp));
        // The approval itself is shown too, so that others can see it; no key has this name, so nothing takes its place.
        vouches.extend(vouch(fingerprint, &text, format!("{fingerprint} approves"), approval));
        for signature in user_id.approved_certifications().take(APPROVED_MAX) {
            let issuer = signature.get_issuers().into_iter().find_map(|issuer| match issuer {
                KeyHandle::Fingerprint(print) => Some(print.to_hex()),
                KeyHandle::KeyID(_) => None,
            });
            vouches.extend(issuer.and_then(|issuer| vouch(fingerprint, &text, issuer, signature)));
        }
    }
    Some(Approved { made_at: made_at?, vouches })
}

fn vouch(fingerprint: &str, user_id: &str, issuer: String, signature: &Signature) -> Option<Vouch> {
    let packet = Packet::from(signature.clone()).to_vec().ok().filter(|packet| packet.len() <= APPROVED_BYTES_MAX)?;
    signature.exportable().ok()?;
    Some(Vouch {
        fingerprint: fingerprint.to_string(),
        user_id: user_id.to_string(),
        issuer,
        packet,
        created_at: signature.signature_creation_time().map(timestamp).unwrap_or_default(),
        expires_at: signature.signature_expiration_time().map_or(Timestamp::from_millis(i64::MAX), timestamp),
    })
}

#[cfg(test)]
mod tests {
    use sequoia_openpgp::packet::signature::SignatureBuilder;
    use sequoia_openpgp::types::SignatureType;

    use super::*;
    use crate::flood::{now, person, secret_cert};

    #[test]
    fn what_the_owner_approved_of_and_nothing_else() {
        let (alice, bob, eve) = (person("Alice", "alice@home.example"), person("", "bob@b.example"), person("", "eve@e.example"));
        let cert = secret_cert(&alice);
        let certify = |by: &sequoia_openpgp::Cert| {
            let mut signer = by.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
            let user_id = cert.userids().next().unwrap().userid().clone();
            let builder = SignatureBuilder::new(SignatureType::PositiveCertification).set_signature_creation_time(now()).unwrap();
            builder.sign_userid_binding(&mut signer, cert.primary_key().key(), &user_id).unwrap()
        };
        let (by_bob, by_eve) = (certify(&secret_cert(&bob)), certify(&secret_cert(&eve)));
        let user_id = cert.userids().next().unwrap().userid().clone();
        let with = cert
            .clone()
            .insert_packets([Packet::from(user_id.clone()), by_bob.clone().into(), Packet::from(user_id.clone()), by_eve.into()])
            .unwrap()
            .0;
        let fingerprint = alice.clean.fingerprint();
        assert_eq!(read(&with.to_vec().unwrap(), fingerprint, now()), None, "nothing is approved of");

        let policy = StandardPolicy::new();
        let mut signer = cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
        let approvals = {
            let amalgamation = with.userids().next().unwrap();
            amalgamation.approve_of_certifications(&policy, now(), &mut signer, [&by_bob]).unwrap()
        };
        let mut packets = vec![Packet::from(user_id)];
        packets.extend(approvals.into_iter().map(Packet::from));
        let approved = with.insert_packets(packets).unwrap().0.to_vec().unwrap();
        let at = now() + std::time::Duration::from_secs(5);
        let read_of = |bytes: &[u8]| read(bytes, fingerprint, at);
        let found = read_of(&approved).expect("an approval");
        let issuers: Vec<&str> = found.vouches.iter().map(|vouch| vouch.issuer.as_str()).collect();
        assert_eq!(issuers, [format!("{fingerprint} approves").as_str(), bob.clean.fingerprint()]);
        assert_eq!(found.vouches[1].user_id, "Alice <alice@home.example>");
        assert!(read(&approved, bob.clean.fingerprint(), at).is_none());
        assert!(read_of(&vec![0x99; CERT_BYTES_MAX + 1]).is_none());
    }
}
