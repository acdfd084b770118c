// SPDX-License-Identifier: AGPL-3.0-or-later
//! Opening what was encrypted to the submission address.

use std::io::Read as _;
use std::time::SystemTime;

use sequoia_openpgp::crypto::SessionKey;
use sequoia_openpgp::packet::{PKESK, SKESK};
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::parse::stream::{DecryptionHelper, DecryptorBuilder, MessageStructure, VerificationHelper};
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::types::SymmetricAlgorithm;
use sequoia_openpgp::{Cert, KeyHandle, Result};

use crate::cert::Refusal;
use crate::limits::{WKS_OPENED_BYTES_MAX, WKS_SESSION_KEYS_MAX};

struct Reader<'a>(Cert, &'a StandardPolicy<'a>, SystemTime);

impl VerificationHelper for Reader<'_> {
    fn get_certs(&mut self, _: &[KeyHandle]) -> Result<Vec<Cert>> {
        Ok(Vec::new())
    }

    /// Signatures prove nothing here: the nonce does.
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
        for key in self.0.keys().unencrypted_secret().with_policy(self.1, self.2).for_transport_encryption() {
            let mut pair = key.key().clone().into_keypair()?;
            let mut opens = |session: &PKESK| session.decrypt(&mut pair, algorithm).is_some_and(|(cipher, key)| open(cipher, &key));
            if sessions.iter().take(WKS_SESSION_KEYS_MAX).any(&mut opens) {
                break;
            }
        }
        Ok(None)
    }
}

/// What is inside, however it is packed, up to a bound: a small mail can unpack to a large one.
pub(crate) fn decrypt(sealed: &[u8], secret: &[u8], now: SystemTime) -> std::result::Result<Vec<u8>, Refusal> {
    let policy = StandardPolicy::new();
    let reader = Reader(Cert::from_bytes(secret).map_err(Refusal::library)?, &policy, now);
    let decryptor = DecryptorBuilder::from_bytes(sealed).and_then(|builder| builder.with_policy(&policy, now, reader));
    let mut inner = Vec::new();
    let limit = u64::try_from(WKS_OPENED_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    decryptor.map_err(Refusal::malformed)?.take(limit).read_to_end(&mut inner).map_err(Refusal::malformed)?;
    if inner.len() > WKS_OPENED_BYTES_MAX {
        return Err(Refusal::TooLarge { what: "what is in the mail", max: WKS_OPENED_BYTES_MAX });
    }
    Ok(inner)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use sequoia_openpgp::serialize::stream::{Compressor, Encryptor, LiteralWriter, Message};

    use super::*;
    use crate::cert::flood::{now, person, secret_cert};

    /// Zeros, packed, for several who can open them, in this order.
    fn sealed(octets: usize, to: &[&Cert]) -> Vec<u8> {
        let policy = StandardPolicy::new();
        let keys = to.iter().flat_map(|cert| cert.keys().with_policy(&policy, now()).supported().for_transport_encryption());
        let mut sealed = Vec::new();
        let message = Encryptor::for_recipients(Message::new(&mut sealed), keys).build().unwrap();
        let message = Compressor::new(message).build().unwrap();
        let mut message = LiteralWriter::new(message).build().unwrap();
        message.write_all(&vec![0; octets]).unwrap();
        message.finalize().unwrap();
        sealed
    }

    #[test]
    fn a_small_mail_that_unpacks_to_a_large_one_is_read_to_its_bound() {
        let submission = person("", "key-submission@home.example");
        let open = |octets: usize| {
            let sealed = sealed(octets, &[&secret_cert(&submission)]);
            assert!(sealed.len() < 16 << 10);
            decrypt(&sealed, submission.secret.expose(), now())
        };
        assert_eq!(open(WKS_OPENED_BYTES_MAX).unwrap().len(), WKS_OPENED_BYTES_MAX);
        assert!(matches!(open(WKS_OPENED_BYTES_MAX + 1), Err(Refusal::TooLarge { max: WKS_OPENED_BYTES_MAX, .. })));
    }

    #[test]
    fn so_many_session_keys_are_tried() {
        let (submission, other) = (person("", "key-submission@home.example"), person("", "bob@b.example"));
        let (ours, theirs) = (secret_cert(&submission), secret_cert(&other));
        let opens = |before: usize| {
            let to: Vec<&Cert> = std::iter::repeat_n(&theirs, before).chain([&ours]).collect();
            decrypt(&sealed(10, &to), submission.secret.expose(), now()).is_ok()
        };
        assert_eq!((opens(WKS_SESSION_KEYS_MAX - 1), opens(WKS_SESSION_KEYS_MAX)), (true, false));
    }
}
