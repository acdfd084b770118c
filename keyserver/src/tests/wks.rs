// SPDX-License-Identifier: AGPL-3.0-or-later
//! Publishing by mail: the submission, the question, the answer.

use hearth_identity::Directory;

use super::*;
use crate::letter::seal;
use crate::remind::ensure_submission;
use crate::wks::{self, ROLE};

const SUBMISSION: &str = "key-submission@home.example";

pub(super) async fn submission_key(directory: &Directory) -> Vec<u8> {
    ensure_submission(directory, now()).await.unwrap();
    let secret = directory.find_service_cert(ROLE).await.unwrap().unwrap();
    Cert::from_bytes(&secret).unwrap().strip_secret_key_material().to_vec().unwrap()
}

/// PGP/MIME to the submission address.
fn mail(entity: &str, to: &[u8]) -> Vec<u8> {
    let sealed = seal(entity.as_bytes(), to, now()).unwrap().unwrap();
    format!(
        "From: alice@home.example\r\nTo: {SUBMISSION}\r\nSubject: Key publishing request\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=\"e\"\r\n\r\n\
         --e\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n\
         --e\r\nContent-Type: application/octet-stream\r\n\r\n{sealed}\r\n--e--\r\n"
    )
    .into_bytes()
}

pub(super) fn key_mail(generated: &Generated, to: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(armor(&generated.clean.whole(), ArmorKind::PublicKey).unwrap()).unwrap();
    mail(&format!("Content-Type: application/pgp-keys\r\n\r\n{text}"), to)
}

impl House {
    pub(super) async fn send(&self, raw: Vec<u8>) {
        self.directory.add_house_mail(&address(SUBMISSION), raw).await.unwrap();
        wks::take(&self.ctx).await.unwrap();
        assert!(self.directory.find_house_mail().await.unwrap().is_none());
    }

    async fn letter(&self) -> Option<String> {
        let letter = self.directory.list_letters(1).await.unwrap().pop()?;
        self.directory.remove_letter(letter.id).await.unwrap();
        Some(String::from_utf8(letter.raw).unwrap())
    }
}

#[tokio::test]
async fn a_key_by_mail_is_published_after_the_answer() {
    let house = House::new().await;
    house.add_person("Alice", &["alice@home.example"]).await;
    let to = submission_key(&house.directory).await;
    let policy = house.get("openpgpkey.home.example", "/.well-known/openpgpkey/home.example/policy").await;
    assert_eq!(policy.text(), format!("submission-address: {SUBMISSION}\n"));
    for (host, path) in [
        ("openpgpkey.home.example", "/.well-known/openpgpkey/home.example/submission-address"),
        ("home.example", "/.well-known/openpgpkey/submission-address"),
    ] {
        assert_eq!(house.get(host, path).await.text(), format!("{SUBMISSION}\n"));
    }
    assert_eq!(house.wkd("key-submission").await.user_ids(), [format!("<{SUBMISSION}>")]);

    let alice = generate("Alice", &[address("alice@home.example")], Profile::Compatible, now()).unwrap();
    house.send(key_mail(&alice, &to)).await;
    let question = house.letter().await.unwrap();
    assert!(question.contains("WKS-Phase: confirm") && question.contains("To: <alice@home.example>"), "{question}");
    assert_eq!(house.wkd("alice").await.status, StatusCode::NOT_FOUND);
    let opened = super::proof::open(alice.secret.expose(), &question);
    let line = |name: &str| opened.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_string();
    assert_eq!((line("fingerprint:"), line("sender:")), (alice.clean.fingerprint().to_string(), SUBMISSION.to_string()));

    let answer = |address: &str, nonce: &str| {
        let text = format!("type: confirmation-response\nsender: {SUBMISSION}\naddress: {address}\nnonce: {nonce}\n");
        mail(&format!("Content-Type: application/vnd.gnupg.wks\r\n\r\n{text}"), &to)
    };
    // Neither another nonce nor another address.
    house.send(answer("alice@home.example", &"x".repeat(43))).await;
    house.send(answer("bob@home.example", &line("nonce:"))).await;
    assert_eq!(house.wkd("alice").await.status, StatusCode::NOT_FOUND);
    house.send(answer("alice@home.example", &line("nonce:"))).await;
    assert_eq!(house.wkd("alice").await.user_ids(), ["Alice <alice@home.example>"]);
    assert!(house.letter().await.unwrap().contains("Your key is published"));
    // The nonce is used up.
    house.send(answer("alice@home.example", &line("nonce:"))).await;
    assert!(house.letter().await.is_none());
}

#[tokio::test]
async fn what_is_not_for_us_is_dropped_without_a_word() {
    let house = House::new().await;
    house.add_person("Alice", &["alice@home.example"]).await;
    let to = submission_key(&house.directory).await;
    let alice = generate("Alice", &[address("alice@home.example")], Profile::Compatible, now()).unwrap();
    let stranger = generate("", &[address("eve@elsewhere.example"), address("nobody@home.example")], Profile::Compatible, now());
    let ours = [b"X-WKS-Loop: home.example\r\n".to_vec(), key_mail(&alice, &to)].concat();
    let whole = key_mail(&alice, &to);
    for raw in [
        ours,
        key_mail(&stranger.unwrap(), &to),
        key_mail(&alice, &alice.clean.whole()),
        mail("Content-Type: text/plain\r\n\r\nhello\r\n", &to),
        mail("Content-Type: application/pgp-keys\r\n\r\nno key\r\n", &to),
        b"From: a@b.example\r\n\r\nhello\r\n".to_vec(),
        b"".to_vec(),
        vec![0xff; 4096],
        whole[..whole.len() / 2].to_vec(),
    ] {
        house.send(raw).await;
    }
    assert!(house.letter().await.is_none());
}
