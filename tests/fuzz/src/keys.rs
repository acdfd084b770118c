// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is sent to the directory of keys.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hearth_keyserver::cert::{Clean, Generated, Profile, approved, armor, authority, generate, read_submission};
use hearth_keyserver::form::{Accepts, keytext};
use hearth_keyserver::limits::{APPROVED_MAX, CERTIFICATIONS_MAX, USER_IDS_MAX};
use hearth_keyserver::search::Search;
use hearth_keyserver::wks;
use hearth_types::{Address, Domain};
use hearth_wire::wks::ConfirmationResponse;
use hearth_wire::{autocrypt, wkd};
use sequoia_openpgp::Packet;
use sequoia_openpgp::parse::{PacketParser, PacketParserResult, Parse as _};

/// 2026-11-22.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

/// Packets, armoured or not: what is kept is clean, stays so when it is read again, and holds no secret.
pub fn openpgp(data: &[u8]) {
    let Ok(submission) = read_submission(data, now()) else { return };
    for raw in submission.certs {
        let Ok(clean) = Clean::from_raw(raw, now()) else { continue };
        let whole = clean.whole();
        assert!(!has_secret(&whole), "a secret key was kept");
        let again = Clean::from_stored(&whole, now()).expect("what was kept can be read");
        assert_eq!(again.whole(), whole, "clean is clean");
        assert_eq!(again.fingerprint(), clean.fingerprint());
        for named in clean.named_user_ids() {
            if let Some(only) = clean.only_of(&named.address) {
                assert!(!has_secret(&only), "a secret key is served");
            }
        }
        believed(data, &clean);
        let armored = armor(&whole, sequoia_openpgp::armor::Kind::PublicKey).expect("armour");
        let once_more = read_submission(&armored, now()).expect("our own armour");
        assert_eq!(once_more.certs.len(), 1);
    }
}

/// What others say of a certificate in the same bytes: bounded, and nobody is believed whom the house does not know.
fn believed(data: &[u8], clean: &Clean) {
    if let Some(approved) = approved::read(data, clean.fingerprint(), now()) {
        assert!(approved.vouches.len() <= USER_IDS_MAX * (APPROVED_MAX + 1));
    }
    let (house, home) = &*HOMES;
    let issuers = BTreeSet::from([home.clean.fingerprint().to_owned(), clean.fingerprint().to_owned()]);
    for named in clean.named_user_ids() {
        let said = authority::certifications_by(&issuers, data, clean.fingerprint(), &named.address);
        assert!(said.len() <= CERTIFICATIONS_MAX);
        let Some(own) = clean.only_of(&named.address) else { continue };
        let Ok(whole) = authority::with_certifications(&own, &said) else { continue };
        let sure = authority::confidence(&house.clean.whole(), &[home.clean.whole()], &whole, now());
        assert!(sure.is_err() || sure == Ok(0), "a stranger is believed");
    }
}

/// A house and another home.
static HOMES: LazyLock<(Generated, Generated)> = LazyLock::new(|| {
    let home = |domain: &str| authority::generate(&[Domain::parse(domain).expect("a domain")], now()).expect("a key");
    (home("home.example"), home("b.example"))
});

fn has_secret(bytes: &[u8]) -> bool {
    let mut result = PacketParser::from_bytes(bytes).expect("packets");
    while let PacketParserResult::Some(parser) = result {
        let (packet, next) = parser.recurse().expect("packets");
        if matches!(packet, Packet::SecretKey(_) | Packet::SecretSubkey(_)) {
            return true;
        }
        result = next;
    }
    false
}

/// What HKP, VKS and WKD are asked, and the forms in which keys are brought.
pub fn query(data: &[u8]) {
    let (head, body) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    let text = String::from_utf8_lossy(head);
    if let Ok(Search::Key(digits)) = Search::parse(&text) {
        assert!(matches!(digits.len(), 16 | 40 | 64) && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{digits}");
    }
    let _ = hearth_keyserver::endpoint::hkp_v2::versioned(&text);
    let _ = wkd::is_hashed_local_part(&text);
    assert!(wkd::is_hashed_local_part(&wkd::encode_local_part(&text)), "{text:?}");
    for accepts in [Accepts::Form, Accepts::Keys] {
        for kind in ["application/x-www-form-urlencoded", "application/pgp-keys", &text] {
            let found = keytext(Some(kind), body, accepts);
            assert!(found.is_err() || found.is_ok_and(|found| found.len() <= body.len()));
        }
    }
    let _ = autocrypt::parse(&String::from_utf8_lossy(data));
}

static HOUSE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let address = Address::parse("key-submission@home.example").expect("an address");
    let generated = generate("", &[address], Profile::Compatible, now()).expect("a key");
    generated.secret.expose().to_vec()
});

/// A mail to the submission address, and what may stand in it once it is open.
pub fn wks_mail(data: &[u8]) {
    let _ = wks::read(data, &HOUSE, now());
    if let Some(response) = std::str::from_utf8(data).ok().and_then(ConfirmationResponse::parse) {
        assert!(!response.nonce.is_empty());
    }
    // The same bytes in the place of the encrypted part.
    let head: &[u8] = b"From: alice@home.example\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n\r\n";
    let _ = wks::read(&[head, data].concat(), &HOUSE, now());
}
