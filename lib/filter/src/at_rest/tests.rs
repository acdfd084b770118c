// SPDX-License-Identifier: AGPL-3.0-or-later
//! Sealed, and opened as the owner's mail program would.
use std::io::Read as _;
use std::time::{Duration, UNIX_EPOCH};

use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::crypto::SessionKey;
use sequoia_openpgp::packet::{PKESK, SKESK};
use sequoia_openpgp::parse::stream::{DecryptionHelper, DecryptorBuilder, MessageStructure, VerificationHelper};
use sequoia_openpgp::serialize::SerializeInto as _;
use sequoia_openpgp::types::{KeyFlags, SymmetricAlgorithm};
use sequoia_openpgp::{KeyHandle, Profile};

use super::*;

const MAIL: &[u8] = b"Return-Path: <bob@x.org>\r\nReceived: from x.org by y.org\r\nX-Hearth-Reason: known sender\r\n\
From: Bob <bob@x.org>\r\nTo: alice@y.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Mon, 23 Nov 2026 01:00:00 +0000\r\n\
Message-ID: <1@x.org>\r\nX-Mailer: very private\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;\r\n charset=utf-8\r\n\
Content-Transfer-Encoding: 8bit\r\n\r\nDear Alice,\r\n\xc3\xa4\r\n-- \r\nBob\r\n";

fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn alice(profile: Profile) -> Cert {
    CertBuilder::new()
        .set_profile(profile)
        .expect("a profile")
        .set_creation_time(noon() - Duration::from_secs(3600))
        .add_userid("alice@y.org")
        .add_subkey(KeyFlags::empty().set_transport_encryption().set_storage_encryption(), None, None)
        .generate()
        .expect("a certificate")
        .0
}

/// Alice's mail program.
struct Reader<'c>(&'c Cert);

impl VerificationHelper for Reader<'_> {
    fn get_certs(&mut self, _: &[KeyHandle]) -> sequoia_openpgp::Result<Vec<Cert>> {
        Ok(Vec::new())
    }

    fn check(&mut self, _: MessageStructure<'_>) -> sequoia_openpgp::Result<()> {
        Ok(())
    }
}

impl DecryptionHelper for Reader<'_> {
    fn decrypt(
        &mut self,
        pkesks: &[PKESK],
        _: &[SKESK],
        _: Option<SymmetricAlgorithm>,
        decrypt: &mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool,
    ) -> sequoia_openpgp::Result<Option<Cert>> {
        for key in self.0.keys().unencrypted_secret() {
            let mut pair = key.key().clone().into_keypair()?;
            for pkesk in pkesks {
                if pkesk.decrypt(&mut pair, None).is_some_and(|(algorithm, session)| decrypt(algorithm, &session)) {
                    return Ok(None);
                }
            }
        }
        Err(sequoia_openpgp::anyhow::anyhow!("no key of hers"))
    }
}

fn open(sealed: &[u8], cert: &Cert) -> Vec<u8> {
    let at = sealed.windows(10).position(|bytes| bytes == b"-----BEGIN").expect("armour");
    let policy = StandardPolicy::new();
    let reader = DecryptorBuilder::from_bytes(&sealed[at..]).expect("a message");
    let mut opened = Vec::new();
    let mut reader = reader.with_policy(&policy, noon(), Reader(cert)).expect("decrypts");
    reader.read_to_end(&mut opened).expect("reads");
    opened
}

#[test]
fn the_owner_reads_all_of_it_and_nobody_else_the_subject() {
    for profile in [Profile::RFC4880, Profile::RFC9580] {
        let cert = alice(profile);
        let bytes = cert.to_vec().expect("bytes");
        let sealed = seal(MAIL, &bytes, noon(), "=_edge").expect("seals");
        let text = String::from_utf8(sealed.clone()).expect("ASCII");
        assert_eq!(
            text.split_once("MIME-Version").expect("a header").0,
            "Return-Path: <bob@x.org>\r\nReceived: from x.org by y.org\r\nX-Hearth-Reason: known sender\r\n\
             From: Bob <bob@x.org>\r\nTo: alice@y.org\r\nSubject: [...]\r\nDate: Mon, 23 Nov 2026 01:00:00 +0000\r\n\
             Message-ID: <1@x.org>\r\n"
        );
        assert!(!text.contains("private") && !text.contains("Dear"));
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        assert_eq!(
            String::from_utf8(open(&sealed, &cert)).expect("UTF-8"),
            "From: Bob <bob@x.org>\r\nTo: alice@y.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
             Date: Mon, 23 Nov 2026 01:00:00 +0000\r\nMessage-ID: <1@x.org>\r\nX-Mailer: very private\r\n\
             HP-Outer: From: Bob <bob@x.org>\r\nHP-Outer: To: alice@y.org\r\nHP-Outer: Subject: [...]\r\n\
             HP-Outer: Date: Mon, 23 Nov 2026 01:00:00 +0000\r\nHP-Outer: Message-ID: <1@x.org>\r\n\
             Content-Type: text/plain;\r\n charset=utf-8;\r\n\thp=\"cipher\"; protected-headers=\"v1\"\r\n\
             Content-Transfer-Encoding: 8bit\r\n\r\nDear Alice,\r\nä\r\n-- \r\nBob\r\n"
        );
        assert!(matches!(seal(&sealed, &bytes, noon(), "=_e"), Err(NotSealed::Already)), "once is enough");
    }
}

#[test]
fn a_mail_of_the_oldest_kind_has_a_type_inside() {
    let cert = alice(Profile::RFC4880);
    let sealed = seal(b"From: b@x.org\r\n\r\nhi\r\n", &cert.to_vec().expect("bytes"), noon(), "=_edge").expect("seals");
    let opened = String::from_utf8(open(&sealed, &cert)).expect("text");
    assert!(opened.contains("\r\nContent-Type: text/plain; charset=us-ascii;\r\n\thp=\"cipher\""), "{opened}");
    assert!(opened.ends_with("\r\n\r\nhi\r\n"));
}

#[test]
fn what_is_encrypted_is_left_alone() {
    let cert = alice(Profile::RFC4880).to_vec().expect("bytes");
    for mail in [
        "Content-Type: multipart/encrypted; boundary=a\r\n\r\n",
        "content-type:\r\n Multipart/Encrypted; boundary=a\r\n\r\n",
        "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\n",
        "Subject: a\r\n\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n",
    ] {
        assert!(matches!(seal(mail.as_bytes(), &cert, noon(), "=_e"), Err(NotSealed::Already)), "{mail}");
    }
    let signed = "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\n";
    assert!(seal(signed.as_bytes(), &cert, noon(), "=_e").is_ok(), "anybody reads it");
}

#[test]
fn without_a_good_key_nothing_is_sealed() {
    let (bare, _) = CertBuilder::new()
        .set_creation_time(noon() - Duration::from_secs(3600))
        .add_userid("alice@y.org")
        .add_signing_subkey()
        .generate()
        .expect("a certificate");
    assert!(matches!(seal(MAIL, &bare.to_vec().expect("bytes"), noon(), "=_e"), Err(NotSealed::NoKey)));
    let (over, _) = CertBuilder::new()
        .set_creation_time(noon() - Duration::from_secs(7200))
        .set_validity_period(Duration::from_secs(3600))
        .add_userid("alice@y.org")
        .add_transport_encryption_subkey()
        .generate()
        .expect("a certificate");
    assert!(matches!(seal(MAIL, &over.to_vec().expect("bytes"), noon(), "=_e"), Err(NotSealed::NoKey)));
    assert!(matches!(seal(MAIL, b"no certificate", noon(), "=_e"), Err(NotSealed::Library(_))));
}

#[test]
fn a_large_mail_is_sealed_piece_by_piece() {
    let cert = alice(Profile::RFC9580);
    let rest: Vec<u8> = b"line\r\n".repeat(500_000);
    let mut sealed = Vec::new();
    seal_to(&mut sealed, MAIL, &mut rest.as_slice(), &cert.to_vec().expect("bytes"), noon(), "=_edge").expect("seals");
    assert!(sealed.ends_with(b"-----END PGP MESSAGE-----\r\n\r\n--=_edge--\r\n"));
    let opened = open(&sealed, &cert);
    assert!(opened.ends_with(&[b"Dear Alice,\r\n\xc3\xa4\r\n-- \r\nBob\r\n".as_slice(), &rest].concat()));
}
