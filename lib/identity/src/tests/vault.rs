// SPDX-License-Identifier: AGPL-3.0-or-later
//! Secrets.

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use hearth_types::{AccountId, Secret};
use hearth_wire::sasl::scram::Verifier;

use super::{address, on_each_engine};
use crate::Error;
use crate::limits::{
    APP_PASSWORDS_MAX, SCRAM_NAMES_MAX, SECRET_KEY_BYTES_MAX, SIGNING_KEY_AHEAD, SIGNING_KEY_LIFE, SIGNING_KEY_OVERLAP,
};
use crate::service::{Service, Services};
use crate::vault::{Algorithm, Asker, NewPasskey, PasswordCheck, ScramOffer, Vault};

const ALICE: AccountId = AccountId::from_i64(1);
const BOB: AccountId = AccountId::from_i64(2);

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_string())
}

#[test]
fn a_human_password() {
    on_each_engine(|home| async move {
        let vault = home.vault().await;
        assert_eq!(vault.check_password(Some(ALICE), &secret("correct horse"), Asker::Known).await.unwrap(), PasswordCheck::Wrong);
        let before = vault.passwords_set();
        vault.set_password(ALICE, Some(secret("correct horse \u{2168}"))).await.unwrap();
        assert_ne!(vault.passwords_set(), before);
        for (account, password, check) in [
            (Some(ALICE), "correct horse \u{2168}", PasswordCheck::Right),
            (Some(ALICE), "correct horse IX", PasswordCheck::Right),
            (Some(ALICE), "correct horse ix", PasswordCheck::Wrong),
            (Some(BOB), "correct horse IX", PasswordCheck::Wrong),
            (None, "correct horse IX", PasswordCheck::Wrong),
        ] {
            assert_eq!(vault.check_password(account, &secret(password), Asker::Known).await.unwrap(), check, "{password}");
        }
        assert!(matches!(vault.set_password(ALICE, Some(secret("short"))).await, Err(Error::Invalid(_))));
        let long = secret(&"a".repeat(10_000));
        assert_eq!(vault.check_password(Some(ALICE), &long, Asker::Known).await.unwrap(), PasswordCheck::Wrong);
        assert!(vault.has_password(ALICE).await.unwrap());
        vault.set_password(ALICE, None).await.unwrap();
        assert!(!vault.has_password(ALICE).await.unwrap());
        assert!(!vault.has_second_factor(ALICE).await.unwrap());
    });
}

#[test]
fn an_app_password_by_hash_and_by_scram() {
    on_each_engine(|home| async move {
        let vault = home.vault().await;
        let only_imap: Services = [Service::Imap].into_iter().collect();
        let (first, typed) =
            vault.add_app_password(ALICE, &[address("alice@home.test")], "phone", Services::mail(), None).await.unwrap();
        home.clock.advance(Duration::from_millis(1));
        let (second, other) = vault.add_app_password(ALICE, &[address("alice@home.test")], "desk", only_imap, None).await.unwrap();
        let found = vault.find_app_password(ALICE, &typed).await.unwrap().expect("it is there");
        assert_eq!((found.id, found.label.as_str(), found.services), (first, "phone", Services::mail()));
        let spaced = secret(&other.expose().replace('-', " ").to_uppercase());
        assert_eq!(vault.find_app_password(ALICE, &spaced).await.unwrap().map(|app| app.id), Some(second));
        assert!(vault.find_app_password(BOB, &typed).await.unwrap().is_none(), "another account's");

        let offer = vault.find_scram_offer(Some(ALICE), "alice@home.test", true).await.unwrap();
        let of = |password: &Secret<String>| Verifier::new(password.expose(), &offer.salt, offer.iterations);
        assert_eq!(offer.verifiers, [of(&typed), of(&other)], "one salt for both");
        assert_eq!(offer.apps.iter().map(|app| app.id).collect::<Vec<_>>(), [first, second]);

        assert_eq!(vault.remove_app_password(first).await.unwrap(), Some(ALICE));
        assert_eq!(vault.remove_app_password(first).await.unwrap(), None);
        assert!(vault.find_app_password(ALICE, &typed).await.unwrap().is_none());
        for (label, services) in [("", Services::mail()), ("x", Services::default()), ("x", [Service::Web].into_iter().collect())] {
            assert!(matches!(
                vault.add_app_password(ALICE, &[address("alice@home.test")], label, services, None).await,
                Err(Error::Invalid(_))
            ));
        }
    });
}

#[test]
fn scram_tells_nobody_who_lives_here() {
    on_each_engine(|home| async move {
        let vault = home.vault().await;
        let salt = async |account, user: &str| {
            let offer = vault.find_scram_offer(account, user, true).await.unwrap();
            (offer.salt, offer.iterations)
        };
        let nobody = salt(None, "nobody@home.test").await;
        assert_eq!(nobody, salt(None, "nobody@home.test").await, "the same each time");
        assert_eq!(nobody, salt(Some(BOB), "nobody@home.test").await, "whoever has the name, and whether anybody does");
        assert_ne!(nobody, salt(None, "nobody2@home.test").await);
        assert_eq!((nobody.0.len(), nobody.1), (salt(Some(ALICE), "alice@home.test").await.0.len(), 4096));
        let before = salt(Some(ALICE), "alice@home.test").await;
        vault.add_app_password(ALICE, &[address("alice@home.test")], "phone", Services::mail(), None).await.unwrap();
        assert_eq!(before, salt(Some(ALICE), "alice@home.test").await, "the first app password changes nothing");
    });
}

#[test]
fn an_app_password_from_before_names_goes_on_by_scram() {
    on_each_engine(|home| async move {
        let vault = home.vault().await;
        let alice = [address("alice@home.test"), address("a@home.test")];
        let fresh = vault.find_scram_offer(Some(ALICE), "alice@home.test", true).await.unwrap();
        // As a release from before made it: without names.
        let (old, typed) = vault.add_app_password(ALICE, &[], "phone", Services::mail(), None).await.unwrap();
        home.clock.advance(Duration::from_millis(1));
        let (new, other) = vault.add_app_password(ALICE, &alice, "desk", Services::mail(), None).await.unwrap();
        let of = |password: &Secret<String>, offer: &ScramOffer| Verifier::new(password.expose(), &offer.salt, offer.iterations);
        let offer = vault.find_scram_offer(Some(ALICE), "alice@home.test", true).await.unwrap();
        assert_eq!(offer.verifiers, [of(&typed, &offer), of(&other, &offer)], "both, by the primary address");
        let offer = vault.find_scram_offer(Some(ALICE), "a@home.test", false).await.unwrap();
        assert_eq!(offer.verifiers, [of(&other, &offer)], "the new one by the other address");
        assert_eq!(offer.apps.iter().map(|app| app.id).collect::<Vec<_>>(), [new]);
        // When the last old one is gone the name has the salt that it had before anybody lived here.
        vault.remove_app_password(old).await.unwrap();
        let offer = vault.find_scram_offer(Some(ALICE), "alice@home.test", true).await.unwrap();
        assert_eq!((offer.salt.clone(), offer.iterations), (fresh.salt, fresh.iterations));
        assert_eq!(offer.verifiers, [of(&other, &offer)]);
        vault.forget(ALICE).await.unwrap();
        for (name, is_primary) in [("alice@home.test", true), ("a@home.test", false)] {
            assert!(vault.find_scram_offer(Some(ALICE), name, is_primary).await.unwrap().apps.is_empty());
        }
    });
}

#[test]
fn names_of_an_app_password_are_bounded() {
    on_each_engine(|home| async move {
        let vault = home.vault().await;
        let names: Vec<_> = (0..=SCRAM_NAMES_MAX).map(|n| address(&format!("a{n}@home.test"))).collect();
        vault.add_app_password(ALICE, &names, "phone", Services::mail(), None).await.unwrap();
        let known = async |n: usize| {
            let name = names[n].key();
            vault.find_scram_offer(Some(ALICE), &name, false).await.unwrap().apps.len()
        };
        assert_eq!((known(SCRAM_NAMES_MAX - 1).await, known(SCRAM_NAMES_MAX).await), (1, 0));
    });
}

#[test]
fn app_passwords_are_bounded() {
    on_each_engine(|home| async move {
        let vault = home.vault().await;
        for n in 0..APP_PASSWORDS_MAX {
            home.clock.advance(Duration::from_millis(1));
            vault
                .add_app_password(ALICE, &[address("alice@home.test")], &format!("device {n}"), Services::mail(), None)
                .await
                .expect("within the bound");
        }
        let beyond = vault.add_app_password(ALICE, &[address("alice@home.test")], "one more", Services::mail(), None).await;
        assert!(matches!(beyond, Err(Error::TooMany { max: APP_PASSWORDS_MAX, .. })));
        assert_eq!(vault.list_app_passwords(ALICE).await.unwrap().len(), APP_PASSWORDS_MAX);
    });
}

#[test]
fn signing_keys_are_made_once() {
    on_each_engine(|home| async move {
        let keys = home.vault().await.signing_keys().await.unwrap();
        assert_eq!(keys.iter().filter(|key| key.signs).count(), 3);
        for key in &keys {
            let pkcs8 = key.pkcs8.expose();
            match key.algorithm {
                Algorithm::Rs256 => assert_eq!(RsaKeyPair::from_pkcs8(pkcs8).unwrap().public_modulus_len(), 256),
                Algorithm::Es256 => drop(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).unwrap()),
                Algorithm::EdDsa => drop(Ed25519KeyPair::from_pkcs8(pkcs8).unwrap()),
            }
        }
        let node = home.vault().await.node_key().await.unwrap();
        assert!(Ed25519KeyPair::from_pkcs8(node.expose()).is_ok());
        assert!(home.vault().await.node_key().await.unwrap().matches(node.expose()), "made once");
        let again = home.vault().await.signing_keys().await.unwrap();
        let kids = |keys: &[crate::vault::SigningKey]| keys.iter().map(|key| key.kid.clone()).collect::<Vec<_>>();
        assert_eq!(kids(&keys), kids(&again));
    });
}

#[test]
fn a_vault_without_its_key_file_stays_shut() {
    on_each_engine(|home| async move {
        let hash = home.vault().await.keyed_hash("a", b"b");
        assert_eq!(home.vault().await.keyed_hash("a", b"b"), hash, "the pepper stays");
        assert_ne!(home.vault().await.keyed_hash("ab", b""), hash);
        let open =
            async |name: &str| Vault::open(&home.vault_source, &home.key_file.with_extension(name), home.clock.clone()).await;
        assert!(matches!(open("gone").await, Err(Error::Sealed(_))));
        assert!(!home.key_file.with_extension("gone").exists(), "no new one is made");
        std::fs::write(home.key_file.with_extension("other"), [9; 32]).unwrap();
        assert!(matches!(open("other").await, Err(Error::Sealed(_))));
    });
}

#[test]
fn openpgp_secret_keys_are_sealed() {
    on_each_engine(|home| async move {
        let vault = home.vault().await;
        let fingerprint = "0123456789abcdef0123456789abcdef01234567";
        let key = Secret::new(vec![0x94; SECRET_KEY_BYTES_MAX]);
        vault.store_secret_key(ALICE, fingerprint, &key).await.unwrap();
        let (owner, opened) = vault.find_secret_key(&fingerprint.to_uppercase()).await.unwrap().expect("it is there");
        assert!(owner == ALICE && opened.matches(key.expose()));
        let longer = Secret::new(vec![0x94; SECRET_KEY_BYTES_MAX + 1]);
        assert!(matches!(vault.store_secret_key(ALICE, fingerprint, &longer).await, Err(Error::Invalid(_))));
        assert!(matches!(vault.store_secret_key(BOB, fingerprint, &key).await, Err(Error::InUse(_))));
        assert!(matches!(vault.store_secret_key(ALICE, "abc", &key).await, Err(Error::Invalid(_))));
        vault.add_app_password(ALICE, &[address("alice@home.test")], "phone", Services::mail(), None).await.unwrap();
        vault.forget(ALICE).await.unwrap();
        assert!(vault.find_secret_key(fingerprint).await.unwrap().is_none());
        assert!(vault.list_app_passwords(ALICE).await.unwrap().is_empty());
    });
}

#[test]
fn signing_keys_take_turns() {
    on_each_engine(|home| async move {
        let vault = home.vault().await;
        let of = async |algorithm| {
            let keys = vault.signing_keys().await.unwrap();
            let of: Vec<_> = keys.into_iter().filter(|key| key.algorithm == algorithm).collect();
            let signs = of.iter().find(|key| key.signs).expect("one signs").kid.clone();
            (of.len(), signs)
        };
        let (_, first) = of(Algorithm::EdDsa).await;
        assert!(!vault.turn_signing_keys().await.unwrap());
        home.clock.advance(SIGNING_KEY_LIFE);
        assert!(vault.turn_signing_keys().await.unwrap(), "the next is made");
        assert_eq!(of(Algorithm::EdDsa).await, (2, first.clone()));
        home.clock.advance(SIGNING_KEY_AHEAD - Duration::from_millis(1));
        assert!(!vault.turn_signing_keys().await.unwrap());
        home.clock.advance(Duration::from_millis(1));
        assert!(vault.turn_signing_keys().await.unwrap(), "it signs");
        let (count, second) = of(Algorithm::EdDsa).await;
        assert!(count == 2 && second != first);
        home.clock.advance(SIGNING_KEY_OVERLAP);
        assert!(vault.turn_signing_keys().await.unwrap(), "the old one goes");
        assert_eq!(of(Algorithm::EdDsa).await, (1, second));
    });
}

#[test]
fn lists_of_all_say_what_each_is_asked_for() {
    on_each_engine(|home| async move {
        let vault = home.vault().await;
        vault.set_password(ALICE, Some(secret("correct horse battery"))).await.unwrap();
        vault.set_password(BOB, None).await.unwrap();
        assert_eq!(vault.list_with_password().await.unwrap(), [ALICE].into());
        assert_eq!(vault.list_with_second_factor().await.unwrap(), [].into());
        for (account, id) in [(ALICE, 1), (ALICE, 2), (BOB, 3)] {
            let new = NewPasskey {
                account,
                credential: vec![id],
                label: "key".into(),
                public_key: vec![1],
                sign_count: 0,
                backup_eligible: false,
            };
            vault.add_passkey(new).await.unwrap();
        }
        let codes = vault.make_recovery_codes(ALICE).await.unwrap();
        assert!(vault.use_recovery_code(ALICE, codes[0].expose()).await.unwrap());
        vault.add_totp(AccountId::from_i64(3), "not confirmed").await.unwrap();
        let left = crate::limits::RECOVERY_CODES - 1;
        assert_eq!(vault.list_with_second_factor().await.unwrap(), [(ALICE, left), (BOB, 0)].into());
        assert_eq!(vault.count_recovery_codes(ALICE).await.unwrap(), left);
    });
}

#[tokio::test]
async fn a_vault_that_is_damaged_is_told_from_a_sound_one() {
    use std::io::{Seek as _, SeekFrom, Write as _};

    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (folder.path().join("vault.db"), folder.path().join("vault.key"));
    let clock = hearth_types::Clock::fixed(hearth_types::Timestamp::from_secs(1_800_000_000));
    let open = async || Vault::open(&hearth_db::Source::Sqlite(file.clone()), &key, clock.clone()).await;
    let vault = open().await.unwrap();
    vault.add_link(ALICE, false, std::time::Duration::from_secs(60)).await.unwrap();
    assert_eq!(vault.check().await.unwrap(), None);
    drop(vault);
    // Whoever closes it last writes what the log holds into the file, and takes the log away.
    let log = folder.path().join("vault.db-wal");
    let closed = tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while log.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    closed.await.expect("it is closed");
    // The last page of the file, where none of what opening reads lies.
    let mut damaged = std::fs::File::options().write(true).open(&file).unwrap();
    damaged.seek(SeekFrom::End(-4096)).unwrap();
    damaged.write_all(&[0xff; 4096]).unwrap();
    drop(damaged);
    let found = match open().await {
        Ok(vault) => vault.check().await,
        Err(error) => Err(error),
    };
    assert!(!matches!(found, Ok(None)), "{found:?}");
}
