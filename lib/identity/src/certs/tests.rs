// SPDX-License-Identifier: AGPL-3.0-or-later
//! Certificates in pieces, on each engine. The pieces here are no OpenPGP: this room does not look.

use hearth_types::{AccountId, Timestamp};

use super::{Certificate, Identity, Key, Purpose, Removed, Source, Token};
use crate::directory::Directory;
use crate::error::Error;
use crate::tests::{address, domain, on_each_engine};
use hearth_wire::wkd;

const FINGERPRINT: &str = "AC1F40D8B1A9F2B5D1E3C0A4879E63B10D6C5D2F";
const KEY_ID: &str = "879E63B10D6C5D2F";
const SUBKEY: &str = "00112233445566778899AABBCCDDEEFF00112233";

pub(super) fn certificate(fingerprint: &str, account: AccountId, named: &[&str]) -> Certificate {
    let identity = |text: &&str| Identity {
        user_id: format!("<{text}>"),
        address: address(text),
        created_at: Timestamp::from_secs(1_000),
        expires_at: None,
        revoked: false,
        block: format!("[{text}]").into_bytes(),
    };
    let key = |fingerprint: &str| Key { fingerprint: fingerprint.into(), key_id: fingerprint[24..].into() };
    Certificate {
        fingerprint: fingerprint.into(),
        account: Some(account),
        source: Source::Imported,
        secret_stored: false,
        algorithm: 22,
        bits: 256,
        created_at: Timestamp::from_secs(1_000),
        expires_at: None,
        revoked: false,
        whole: format!("whole {fingerprint}").into_bytes(),
        head: b"head".to_vec(),
        tail: b"tail".to_vec(),
        keys: vec![key(fingerprint), key(SUBKEY)],
        identities: named.iter().map(identity).collect(),
    }
}

async fn shown_by_address(directory: &Directory, text: &str) -> Vec<String> {
    let shown = directory.find_shown_certs_by_address(&address(text)).await.expect("a look-up");
    shown.iter().map(|shown| String::from_utf8_lossy(&shown.to_bytes()).into_owned()).collect()
}

#[test]
fn shown_by_its_owners_word_alone() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let alice = home.person("alice").await.id;
        directory.add_address(alice, &address("ally@home.test")).await.expect("an address");
        let certificate = certificate(FINGERPRINT, alice, &["Alice@home.test", "ally@home.test"]);
        directory.store_cert(certificate).await.expect("stored");
        assert!(shown_by_address(directory, "alice@home.test").await.is_empty());

        let unnamed = vec![address("alice@home.test"), address("bob@home.test")];
        let unnamed = directory.publish_cert(FINGERPRINT, unnamed).await.expect("published");
        assert_eq!(unnamed, [address("bob@home.test")]);
        assert_eq!(shown_by_address(directory, "ALICE@home.test").await, ["head[Alice@home.test]tail"]);
        let known = directory.list_known_certs(&address("alice@home.test")).await.expect("a look-up");
        let told: Vec<_> =
            known.iter().map(|known| (known.fingerprint.as_str(), known.source.as_str(), known.confidence)).collect();
        assert_eq!(told, [(FINGERPRINT, "local", 120)]);
        assert!(shown_by_address(directory, "ally@home.test").await.is_empty());
        let name = wkd::encode_local_part("alice");
        let by_name = directory.find_shown_certs_by_wkd_hash(&domain("home.test"), &name).await.expect("a look-up");
        assert_eq!((by_name.len(), by_name[0].identities.len()), (1, 1));
        let other = directory.find_shown_certs_by_wkd_hash(&domain("other.test"), &name).await.expect("a look-up");
        assert!(other.is_empty());

        assert!(directory.withdraw_cert_address(&address("alice@home.test")).await.expect("withdrawn"));
        assert!(!directory.withdraw_cert_address(&address("alice@home.test")).await.expect("nothing to do"));
        let by_key = directory.find_shown_certs_by_key(KEY_ID).await.expect("a look-up");
        assert_eq!(by_key[0].to_bytes(), b"headtail");
    });
}

#[test]
fn stored_again_it_keeps_what_was_decided() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let alice = home.person("alice").await.id;
        let mut newer = certificate(FINGERPRINT, alice, &["alice@home.test"]);
        newer.secret_stored = true;
        directory.store_cert(newer.clone()).await.expect("stored");
        directory.publish_cert(FINGERPRINT, vec![address("alice@home.test")]).await.expect("published");
        let held = directory.find_cert(FINGERPRINT).await.expect("a look-up").expect("held");

        newer.secret_stored = false;
        newer.revoked = true;
        newer.whole.push(b'!');
        assert!(directory.replace_cert(&held.whole, newer.clone()).await.expect("replaced"));
        assert!(!directory.replace_cert(&held.whole, newer).await.expect("somebody was quicker"));
        let listed = directory.list_certs(Some(alice)).await.expect("a list");
        assert_eq!(listed.len(), 1);
        assert!(listed[0].revoked && listed[0].secret_stored && listed[0].addresses[0].published);
        assert_eq!(shown_by_address(directory, "alice@home.test").await.len(), 1);
    });
}

#[test]
fn by_key_its_own_comes_first() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let alice = home.person("alice").await.id;
        let borrower = "0000000000000000000000000000000000000001";
        directory.store_cert(certificate(borrower, alice, &[])).await.expect("stored");
        let mut own = certificate(SUBKEY, alice, &[]);
        own.keys.truncate(1);
        directory.store_cert(own).await.expect("stored");
        for handle in [SUBKEY, &SUBKEY[24..]] {
            let shown = directory.find_shown_certs_by_key(handle).await.expect("a look-up");
            let shown: Vec<&str> = shown.iter().map(|shown| shown.fingerprint.as_str()).collect();
            assert_eq!(shown, [SUBKEY, borrower]);
            let held = directory.find_certs_by_key(handle).await.expect("a look-up");
            assert_eq!(held[0].fingerprint, SUBKEY);
        }
        assert!(directory.find_shown_certs_by_key("0D6C5D2F").await.expect("a look-up").is_empty());
    });
}

#[test]
fn a_strangers_address_is_shown_once_it_is_proven() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let alice = home.person("alice").await.id;
        let stranger = |named: &[&str]| Certificate { account: None, ..certificate(FINGERPRINT, alice, named) };
        let there = address("bob@elsewhere.test");
        // An address of ours is never shown in a certificate that belongs to nobody here.
        let named = ["bob@elsewhere.test", "alice@home.test"];
        assert!(directory.prove_cert(stranger(&named), &there).await.expect("proven"));
        assert!(directory.prove_cert(stranger(&named), &address("alice@home.test")).await.expect("named"));
        assert!(!directory.prove_cert(stranger(&named), &address("carol@elsewhere.test")).await.expect("not named"));
        assert_eq!(shown_by_address(directory, "bob@elsewhere.test").await, ["head[bob@elsewhere.test]tail"]);
        assert!(shown_by_address(directory, "alice@home.test").await.is_empty());
        let kept = directory.find_kept(FINGERPRINT).await.expect("a look-up").expect("kept");
        assert_eq!(kept.account, None);
        // A new version keeps what was proven; and one of ours may take it as their own.
        directory.store_cert(stranger(&named)).await.expect("stored");
        assert_eq!(shown_by_address(directory, "bob@elsewhere.test").await.len(), 1);
        directory.store_cert(certificate(FINGERPRINT, alice, &named)).await.expect("taken");
        assert_eq!(shown_by_address(directory, "alice@home.test").await.len(), 1);
        directory.store_cert(stranger(&named)).await.expect("an update of it");
        assert_eq!(directory.find_kept(FINGERPRINT).await.expect("a look-up").expect("kept").account, Some(alice));
        directory.disable_account(alice).await.expect("disabled");
        assert!(shown_by_address(directory, "bob@elsewhere.test").await.is_empty());
    });
}

#[test]
fn an_address_is_written_to_once_an_hour() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let there = address("Bob@elsewhere.test");
        let ask = |token: Token, to: &str| {
            let (directory, to) = (directory.clone(), address(to));
            async move {
                let about = (FINGERPRINT.to_string(), b"cert".to_vec());
                directory.add_proof(&token, Purpose::Proof, &to, about, Some(b"letter".to_vec())).await.expect("asked")
            }
        };
        let token = Token::fresh();
        assert!(ask(token.clone(), "Bob@elsewhere.test").await);
        assert!(!ask(Token::fresh(), "bob@elsewhere.test").await);
        home.clock.advance(std::time::Duration::from_millis(1));
        assert!(ask(Token::fresh(), "carol@elsewhere.test").await);
        let letters = directory.list_letters(9).await.expect("a list");
        assert_eq!((letters.len(), &letters[0].recipient), (2, &there));
        directory.remove_letter(letters[0].id).await.expect("taken");
        assert_eq!(directory.list_letters(9).await.expect("a list").len(), 1);

        let waiting = directory.find_waiting(&token, Purpose::Proof).await.expect("a look-up").expect("waits");
        assert_eq!((waiting.fingerprint.as_str(), waiting.address), (FINGERPRINT, Some(there.clone())));
        assert!(directory.find_waiting(&token, Purpose::Manage).await.expect("a look-up").is_none(), "another purpose");
        assert!(directory.is_proof_pending(FINGERPRINT, &there).await.expect("a look-up"));
        home.clock.advance(crate::limits::CERT_MAIL_EVERY);
        assert!(ask(Token::fresh(), "bob@elsewhere.test").await, "an hour later");
        home.clock.advance(crate::limits::PROOF_KEEP);
        assert!(directory.find_waiting(&token, Purpose::Proof).await.expect("a look-up").is_none(), "too late");
    });
}

#[test]
fn uploads_and_letters_are_bounded() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let first = Token::fresh();
        directory.add_upload(&first, FINGERPRINT, b"cert".to_vec()).await.expect("kept");
        for _ in 1..crate::limits::UPLOADS_MAX {
            home.clock.advance(std::time::Duration::from_millis(1));
            directory.add_upload(&Token::fresh(), FINGERPRINT, b"cert".to_vec()).await.expect("kept");
        }
        assert!(directory.find_waiting(&first, Purpose::Upload).await.expect("a look-up").is_some());
        let last = Token::fresh();
        directory.add_upload(&last, FINGERPRINT, b"cert".to_vec()).await.expect("kept");
        assert!(directory.find_waiting(&first, Purpose::Upload).await.expect("a look-up").is_none(), "the oldest went");
        assert!(directory.find_waiting(&last, Purpose::Upload).await.expect("a look-up").is_some());
        let to = address("bob@elsewhere.test");
        let long = |octets: usize| vec![b'x'; octets];
        directory.add_letter(&to, long(crate::limits::LETTER_BYTES_MAX)).await.expect("fits");
        assert!(directory.add_letter(&to, long(crate::limits::LETTER_BYTES_MAX + 1)).await.is_err());
        for _ in 1..crate::limits::LETTERS_MAX {
            home.clock.advance(std::time::Duration::from_millis(1));
            directory.add_letter(&to, b"x".to_vec()).await.expect("fits");
        }
        assert!(matches!(directory.add_letter(&to, b"x".to_vec()).await, Err(Error::TooMany { .. })));
    });
}

#[test]
fn a_token_is_43_letters() {
    let token = Token::fresh();
    assert_eq!(Token::parse(token.as_str()), Some(token.clone()));
    for bad in ["", "x", &format!("{}x", token.as_str()), &token.as_str().replace(|_: char| true, "/")] {
        assert_eq!(Token::parse(bad), None);
    }
}

#[test]
fn one_owner_and_nothing_left_behind() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let (alice, bob) = (home.person("alice").await.id, home.person("bob").await.id);
        directory.store_cert(certificate(FINGERPRINT, alice, &["alice@home.test"])).await.expect("stored");
        let taken = directory.store_cert(certificate(FINGERPRINT, bob, &["bob@home.test"])).await;
        assert!(matches!(taken, Err(Error::InUse(_))));
        assert!(directory.list_certs(Some(bob)).await.expect("a list").is_empty());
        let ended = "E".repeat(40);
        let revoked = Certificate { revoked: true, ..certificate(&ended, alice, &["alice@home.test"]) };
        directory.store_cert(Certificate { keys: Vec::new(), ..revoked }).await.expect("stored");
        directory.publish_cert(&ended, vec![address("alice@home.test")]).await.expect("published");
        directory.remove_account(alice).await.expect("removed");
        assert!(directory.find_cert(FINGERPRINT).await.expect("a look-up").is_none());
        assert!(directory.find_shown_certs_by_key(SUBKEY).await.expect("a look-up").is_empty());
        // A revocation outlives its owner's account, without a name.
        let kept = directory.find_kept(&ended).await.expect("a look-up").expect("it stays");
        assert_eq!((kept.account, kept.whole), (None, b"headtail".to_vec()));
        assert!(directory.find_shown_certs_by_address(&address("alice@home.test")).await.expect("a look-up").is_empty());

        directory.store_cert(certificate(FINGERPRINT, bob, &["bob@home.test"])).await.expect("free again");
    });
}

#[test]
fn what_its_owner_took_away_comes_back_by_the_owner_alone() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let alice = home.person("alice").await.id;
        let alices = || certificate(FINGERPRINT, alice, &["alice@home.test"]);
        directory.store_cert(alices()).await.expect("stored");
        directory.publish_cert(FINGERPRINT, vec![address("alice@home.test")]).await.expect("published");
        assert_eq!(directory.bury_cert(FINGERPRINT).await.expect("buried"), Removed::Whole);
        assert!(directory.find_kept(FINGERPRINT).await.expect("a look-up").is_none());
        let proven = directory.prove_cert(alices(), &address("alice@home.test")).await.expect("an answer");
        assert!(!proven && shown_by_address(directory, "alice@home.test").await.is_empty());

        directory.store_cert(alices()).await.expect("stored");
        assert!(directory.prove_cert(alices(), &address("alice@home.test")).await.expect("an answer"));
        // A revoked one is never forgotten, only its addresses are.
        directory.store_cert(Certificate { revoked: true, ..alices() }).await.expect("stored");
        assert_eq!(directory.bury_cert(FINGERPRINT).await.expect("buried"), Removed::Names);
        assert!(shown_by_address(directory, "alice@home.test").await.is_empty());
        let shown = directory.find_shown_certs_by_key(FINGERPRINT).await.expect("a look-up");
        assert!(shown.len() == 1 && shown[0].revoked && shown[0].identities.is_empty());
    });
}
