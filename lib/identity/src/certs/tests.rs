// SPDX-License-Identifier: AGPL-3.0-or-later
//! Certificates in pieces, on each engine. The pieces here are no OpenPGP: this room does not look.

use hearth_types::{AccountId, Timestamp};

use super::{Certificate, Identity, Key, Source};
use crate::directory::Directory;
use crate::error::Error;
use crate::tests::{address, domain, on_each_engine};
use hearth_wire::wkd;

const FINGERPRINT: &str = "AC1F40D8B1A9F2B5D1E3C0A4879E63B10D6C5D2F";
const KEY_ID: &str = "879E63B10D6C5D2F";
const SUBKEY: &str = "00112233445566778899AABBCCDDEEFF00112233";

fn certificate(fingerprint: &str, account: AccountId, named: &[&str]) -> Certificate {
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
        account,
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
        assert!(directory.replace_cert(&held, newer.clone()).await.expect("replaced"));
        assert!(!directory.replace_cert(&held, newer).await.expect("somebody was quicker"));
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
fn one_owner_and_nothing_left_behind() {
    on_each_engine(|home| async move {
        let directory = &home.directory;
        let (alice, bob) = (home.person("alice").await.id, home.person("bob").await.id);
        directory.store_cert(certificate(FINGERPRINT, alice, &["alice@home.test"])).await.expect("stored");
        let taken = directory.store_cert(certificate(FINGERPRINT, bob, &["bob@home.test"])).await;
        assert!(matches!(taken, Err(Error::InUse(_))));
        assert!(directory.list_certs(Some(bob)).await.expect("a list").is_empty());
        directory.remove_account(alice).await.expect("removed");
        assert!(directory.find_cert(FINGERPRINT).await.expect("a look-up").is_none());
        assert!(directory.find_shown_certs_by_key(SUBKEY).await.expect("a look-up").is_empty());

        directory.store_cert(certificate(FINGERPRINT, bob, &["bob@home.test"])).await.expect("free again");
        assert!(directory.remove_cert(FINGERPRINT).await.expect("removed"));
        assert!(!directory.remove_cert(FINGERPRINT).await.expect("gone"));
    });
}
