// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the `hearth` command asks.

use hearth_identity::login::{Cannot, Service, Services};
use hearth_types::{AccountId, Secret, Trouble};

use super::{PASSWORD, PEER, on_each_engine, peer};

fn words(trouble: &Trouble) -> &str {
    trouble.cause().downcast_ref::<Cannot>().map(|cannot| cannot.0.as_str()).expect("words for a person")
}

#[test]
fn app_passwords() {
    on_each_engine(|home| async move {
        assert!(home.gate.is_up().await);
        let (first, _) = home.app_password(&[Service::Imap]).await;
        let (second, _) = home.app_password(&Service::MAIL).await;
        let all = home.gate.list_app_passwords(home.alice.id).await.unwrap();
        assert_eq!(all.iter().map(|app| app.id).collect::<Vec<_>>(), [first, second]);
        assert_eq!((all[0].services.to_string().as_str(), all[1].services, all[0].last_used_at), ("imap", Services::mail(), None));
        let nobody = home.gate.add_app_password(AccountId::from_i64(1), "x", Services::mail(), None).await;
        assert_eq!(words(&nobody.err().unwrap()), "there is no such account");
        let nothing = home.gate.add_app_password(home.alice.id, "x", Services::default(), None).await;
        assert!(words(&nothing.err().unwrap()).contains("smtp, imap"));
    });
}

#[test]
fn the_vault_is_looked_through() {
    on_each_engine(|home| async move {
        assert_eq!(home.gate.check_vault().await.unwrap(), None);
    });
}

#[test]
fn passwords_and_forgetting() {
    on_each_engine(|home| async move {
        let short = home.gate.set_password(home.alice.id, Some(&Secret::new("short".into()))).await;
        assert!(words(&short.err().unwrap()).contains("at least"));
        let (_, app) = home.app_password(&Service::MAIL).await;
        home.gate.set_password(home.alice.id, None).await.unwrap();
        let human = Secret::new(PASSWORD.to_string());
        let enter = async |password| home.gate.password("alice@home.test", password, Service::Imap, peer(PEER)).await.unwrap();
        assert!(enter(&human).await.is_err());
        assert!(enter(&app).await.is_ok(), "app passwords stay");
        home.gate.forget(home.alice.id).await.unwrap();
        assert!(enter(&app).await.is_err());
    });
}

#[test]
fn openpgp_secret_keys() {
    on_each_engine(|home| async move {
        let fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567";
        let key = Secret::new((0..64 * 1024).map(|n| n as u8).collect::<Vec<u8>>());
        home.gate.store_secret_key(home.alice.id, fingerprint, &key).await.unwrap();
        let exported = home.gate.export_secret_key(fingerprint).await.unwrap().expect("it is there");
        assert!(exported.matches(key.expose()), "the longest that may be");
        let rows = home.directory.list_audit(Some(home.alice.id), 10).await.unwrap();
        assert!(rows.iter().any(|row| row.event == "secret-key.exported"));
        assert!(home.gate.remove_secret_key(fingerprint).await.unwrap());
        assert!(!home.gate.remove_secret_key(fingerprint).await.unwrap());
        assert!(home.gate.export_secret_key(fingerprint).await.unwrap().is_none());
        assert!(words(&home.gate.export_secret_key("x").await.err().unwrap()).contains("fingerprint"));
    });
}

#[test]
fn what_a_command_did_to_an_account_is_told_its_owner() {
    on_each_engine(|home| async move {
        let tell = async |event: &str| home.gate.tell(home.alice.id, event, "al@home.test").await;
        tell("address.added").await.unwrap();
        assert!(home.directory.list_letters(10).await.unwrap().is_empty(), "before they first came it is no news");
        let (_, app) = home.app_password(&[Service::Imap]).await;
        home.gate.password("alice@home.test", &app, Service::Imap, peer(PEER)).await.unwrap().unwrap();
        tell("address.added").await.unwrap();
        let letters = home.directory.list_letters(10).await.unwrap();
        let [letter] = letters.as_slice() else { panic!("{} letters", letters.len()) };
        let raw = String::from_utf8_lossy(&letter.raw);
        assert!(
            letter.recipient == home.alice.primary && raw.contains("Subject: An address was added to your account\r\n"),
            "{raw}"
        );
        assert!(words(&tell("login.done").await.unwrap_err()).contains("nobody is told"));
        tell("account.disabled").await.unwrap();
        assert_eq!(home.directory.list_letters(10).await.unwrap().len(), 1, "who is disabled receives no mail");
    });
}
