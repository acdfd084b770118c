// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail that should be sealed and cannot be is kept, and its owner told; refused mail is sealed, or not kept.

use hearth_identity::certs::{Certificate, Key, Source};
use hearth_identity::directory::{Kind, NewAccount};
use hearth_mailstore::{Role, mailbox, message};
use hearth_types::Timestamp;
use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::serialize::SerializeInto;
use sequoia_openpgp::types::KeyFlags;

use super::house::House;
use super::judging;

const MESSAGE: &str = "From: Carol <carol@else.example>\r\nTo: alice@home.example\r\nSubject: Hello\r\n\r\nhi\r\n";

#[tokio::test]
async fn a_certificate_that_is_gone_costs_no_mail_and_is_told_once() {
    let house = House::new().await;
    house.server.directory.change_sealing(house.alice.id, Some("AB12")).await.expect("chosen");
    for _ in 0..2 {
        let reply = house.talk().send("carol@else.example", &["alice@home.example", "bob@home.example"], MESSAGE).await;
        assert!(reply.starts_with("250 "), "{reply}");
    }
    let seen = house.server.store.read(house.alice.id, |tx| {
        let inbox = mailbox::find_by_role(tx, Role::Inbox)?.expect("an INBOX");
        let ids: Vec<_> = message::view(tx, inbox.id)?.into_iter().map(|entry| entry.id).collect();
        message::summaries(tx, &ids)
    });
    let mut subjects: Vec<_> =
        seen.await.expect("read").into_iter().filter_map(|summary| summary.parsed.envelope.subject.clone()).collect();
    subjects.sort();
    assert_eq!(subjects, ["Hello", "Hello", "Your mail is not encrypted on the disk"]);
}

/// A certificate of Alice's, stored; its fingerprint.
async fn certificate(house: &House) -> String {
    let flags = KeyFlags::empty().set_transport_encryption().set_storage_encryption();
    let built = CertBuilder::new().add_userid("alice@home.example").add_subkey(flags, None, None).generate();
    let (cert, _) = built.expect("a certificate");
    let fingerprint = cert.fingerprint().to_hex();
    let whole = cert.to_vec().expect("octets");
    let stored = Certificate {
        fingerprint: fingerprint.clone(),
        account: Some(house.alice.id),
        source: Source::Imported,
        secret_stored: false,
        algorithm: 22,
        bits: 256,
        created_at: Timestamp::from_secs(1_000),
        expires_at: None,
        revoked: false,
        head: whole.clone(),
        tail: Vec::new(),
        keys: vec![Key { fingerprint: fingerprint.clone(), key_id: fingerprint[24..40].to_string() }],
        identities: Vec::new(),
        whole,
    };
    house.server.directory.store_cert(stored).await.expect("stored");
    fingerprint
}

async fn rejects(house: &House) -> Vec<String> {
    house.mails_at(house.alice.id, mailbox::REJECTS).await
}

#[tokio::test]
async fn refused_mail_is_kept_sealed_or_not_at_all() {
    let refuses = judging::rspamd("{\"action\":\"reject\",\"messages\":{\"smtp_message\":\"no\"}}").await;
    let house = judging::house(&refuses, true).await;
    let refused = async || assert_eq!(judging::send(&house).await, "550 5.7.1 no\r\n");
    refused().await;
    let mails = rejects(&house).await;
    assert!(mails.len() == 1 && mails[0].contains("Subject: x\r\n"), "{mails:?}");
    let fingerprint = certificate(&house).await;
    house.server.directory.change_sealing(house.alice.id, Some(&fingerprint)).await.expect("chosen");
    refused().await;
    let mails = rejects(&house).await;
    assert!(mails.len() == 2 && mails[1].contains("-----BEGIN PGP MESSAGE-----"), "{mails:?}");
    assert!(
        mails[1].contains("X-Hearth-Reason: It was refused: no.\r\n") && mails[1].contains("Subject: [...]\r\n"),
        "{}",
        mails[1]
    );
    assert!(!mails[1].contains("Subject: x"), "{}", mails[1]);
    // A certificate that is gone: nobody waits for what was refused, and it does not lie about in the open.
    house.server.directory.change_sealing(house.alice.id, Some("AB12")).await.expect("chosen");
    refused().await;
    assert_eq!(rejects(&house).await.len(), 2);
}

/// One sync, whatever each of them has of it.
#[tokio::test]
async fn sealed_edited_and_plain_copies_are_one_batch() {
    let house = House::new().await;
    let fingerprint = certificate(&house).await;
    house.server.directory.change_sealing(house.alice.id, Some(&fingerprint)).await.expect("chosen");
    super::filtering::rules(&house, house.bob.id, "require \"editheader\"; addheader \"X-Mine\" \"yes\";").await;
    let address: hearth_types::Address = "dora@home.example".parse().expect("an address");
    let new = NewAccount { address, kind: Kind::Person, name: "Dora".into(), admin: false };
    let dora = house.server.directory.add_account(new).await.expect("an account").id;
    let before = house.server.store.journal_batches();
    let to = ["alice@home.example", "bob@home.example", "dora@home.example"];
    let reply = house.talk().send("carol@else.example", &to, MESSAGE).await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(house.server.store.journal_batches() - before, 1);
    for (account, says) in [(house.alice.id, "BEGIN PGP MESSAGE"), (house.bob.id, "X-Mine: yes"), (dora, "Subject: Hello")] {
        let mails = house.mails(account, Role::Inbox).await;
        assert!(mails.len() == 1 && mails[0].contains(says), "{mails:?}");
    }
}
