// SPDX-License-Identifier: AGPL-3.0-or-later
//! Damage of every kind to what strangers send: certificates, queries, mails. An answer or a refusal, never a panic, and
//! never more out than the bounds allow. The damage is drawn from fixed seeds, so that a failure can be repeated.

use proptest::prelude::*;

use super::*;
use crate::cert::{Clean, approved, read_submission};
use crate::find::Source as FoundBy;
use crate::limits::CERT_BYTES_MAX;
use crate::search::Search;

fn real() -> &'static [u8] {
    static REAL: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    REAL.get_or_init(|| {
        let alice = generate("Alice", &[address("alice@home.example")], Profile::Compatible, now()).unwrap();
        [alice.clean.whole(), alice.revocation.expose().clone()].concat()
    })
}

/// Some octets changed, some left out, some doubled.
fn damage(changes: &[(usize, u8, u8)]) -> Vec<u8> {
    let mut bytes = real().to_vec();
    for (place, octet, how) in changes {
        let place = place % bytes.len().max(1);
        match how % 4 {
            0 => bytes[place] = *octet,
            1 => bytes[place] ^= 1 << (octet % 8),
            2 => drop(bytes.drain(place..(place + usize::from(*octet)).min(bytes.len() - 1))),
            _ => {
                let again = bytes[place..(place + usize::from(*octet)).min(bytes.len())].to_vec();
                bytes.splice(place..place, again);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_certificate_is_read_or_refused(changes in prop::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..12)) {
        let bytes = damage(&changes);
        if let Ok(submission) = read_submission(&bytes, now()) {
            for raw in submission.certs {
                let fingerprint = raw.fingerprint();
                if let Ok(clean) = Clean::from_raw(raw, now()) {
                    prop_assert!(clean.whole().len() <= CERT_BYTES_MAX);
                    // What was cleaned once stays as it is.
                    prop_assert_eq!(&Clean::from_stored(&clean.whole(), now()).unwrap(), &clean);
                }
                let _ = approved::read(&bytes, &fingerprint, now());
            }
        }
    }

    #[test]
    fn any_text_is_a_question_or_none(text in ".{0,600}") {
        if let Ok(Search::Key(digits)) = Search::parse(&text) {
            prop_assert!(matches!(digits.len(), 16 | 40 | 64));
        }
        let _ = FoundBy::parse(&text);
        let _ = hearth_wire::autocrypt::parse(&text);
        let _ = hearth_wire::wks::ConfirmationResponse::parse(&text);
    }

    #[test]
    fn any_mail_is_answered_or_dropped(head in "[ -~\r\n]{0,400}", body in prop::collection::vec(any::<u8>(), 0..600)) {
        let secret = real();
        let raw = [b"Content-Type: multipart/encrypted; boundary=e\r\n".to_vec(), head.into_bytes(), b"\r\n\r\n--e\r\n".to_vec(),
            b"Content-Type: application/octet-stream\r\n\r\n".to_vec(), body, b"\r\n--e--\r\n".to_vec()].concat();
        let asks = crate::wks::read(&raw, secret, now());
        prop_assert!(matches!(asks, crate::wks::Asks::Nothing(_)));
    }
}
