// SPDX-License-Identifier: AGPL-3.0-or-later
//! A message to a certificate, and its opening, by Sequoia.

use std::io::Write as _;

use sequoia_openpgp::crypto::SessionKey;
use sequoia_openpgp::packet::{PKESK, SKESK};
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::parse::stream::{DecryptionHelper, DecryptorBuilder, MessageStructure, VerificationHelper};
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::stream::{Encryptor, LiteralWriter, Message};
use sequoia_openpgp::types::SymmetricAlgorithm;
use sequoia_openpgp::{Cert, KeyHandle, Result};

pub const TEXT: &[u8] = b"The kettle is on.\n";

pub fn encrypt(whole: &[u8]) -> Vec<u8> {
    let policy = StandardPolicy::new();
    let cert = Cert::from_bytes(whole).unwrap();
    let mut sealed = Vec::new();
    let recipients = cert.keys().with_policy(&policy, None).supported().alive().revoked(false).for_transport_encryption();
    let message = Encryptor::for_recipients(Message::new(&mut sealed), recipients).build().unwrap();
    let mut writer = LiteralWriter::new(message).build().unwrap();
    writer.write_all(TEXT).unwrap();
    writer.finalize().unwrap();
    sealed
}

pub fn decrypt(secret: &[u8], sealed: &[u8]) -> Vec<u8> {
    struct Reader<'a>(Cert, &'a StandardPolicy<'a>);
    impl VerificationHelper for Reader<'_> {
        fn get_certs(&mut self, _: &[KeyHandle]) -> Result<Vec<Cert>> {
            Ok(vec![self.0.clone()])
        }
        fn check(&mut self, _: MessageStructure<'_>) -> Result<()> {
            Ok(())
        }
    }
    impl DecryptionHelper for Reader<'_> {
        fn decrypt(
            &mut self,
            sessions: &[PKESK],
            _: &[SKESK],
            algorithm: Option<SymmetricAlgorithm>,
            open: &mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool,
        ) -> Result<Option<Cert>> {
            for key in self.0.keys().unencrypted_secret().with_policy(self.1, None).for_transport_encryption() {
                let mut pair = key.key().clone().into_keypair()?;
                if sessions.iter().any(|session| session.decrypt(&mut pair, algorithm).is_some_and(|(a, key)| open(a, &key))) {
                    break;
                }
            }
            Ok(None)
        }
    }
    let policy = StandardPolicy::new();
    let reader = Reader(Cert::from_bytes(secret).unwrap(), &policy);
    let mut text = Vec::new();
    let mut decryptor = DecryptorBuilder::from_bytes(sealed).unwrap().with_policy(&policy, None, reader).unwrap();
    std::io::copy(&mut decryptor, &mut text).unwrap();
    text
}
