// SPDX-License-Identifier: AGPL-3.0-or-later
//! An address is shown once its owner answered a letter: VKS, and the pages.

use std::time::Duration;

use hearth_identity::limits::{CERT_MAIL_EVERY, PROOF_KEEP, UPLOAD_KEEP};

use super::*;
use crate::wks::open::decrypt;

const FORM: &str = "application/x-www-form-urlencoded";

/// What is in the OpenPGP message of a letter, for who has the secret key.
pub(super) fn open(secret: &[u8], letter: &str) -> String {
    let from = letter.find("-----BEGIN PGP MESSAGE-----").expect("it is encrypted");
    String::from_utf8(decrypt(&letter.as_bytes()[from..], secret, now()).unwrap()).unwrap()
}

/// The path of the link in a text.
fn link(text: &str) -> String {
    let from = text.find("https://keys.home.example/").expect("a link") + "https://keys.home.example".len();
    text[from..].lines().next().unwrap().trim().to_string()
}

fn carol(addresses: &[&str]) -> Generated {
    let addresses: Vec<Address> = addresses.iter().map(|text| address(text)).collect();
    generate("Carol", &addresses, Profile::Compatible, now()).unwrap()
}

impl House {
    pub(super) async fn request(&self, token: &str, addresses: &[&str]) -> (StatusCode, Value) {
        let body = json!({ "token": token, "addresses": addresses, "locale": ["fr_FR", "en"] }).to_string();
        let path = "/vks/v1/request-verify";
        let answer = self.ask(Method::POST, "keys.home.example", path, "application/json", body).await;
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    pub(super) async fn letters(&self) -> Vec<(String, String)> {
        let letters = self.directory.list_letters(9).await.unwrap();
        letters.into_iter().map(|one| (one.recipient.to_string(), String::from_utf8(one.raw).unwrap())).collect()
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask(Method::POST, "keys.home.example", path, FORM, body.to_string()).await
    }
}

#[tokio::test]
async fn a_strangers_key_is_shown_when_mailbox_and_key_are_proven() {
    let house = House::new().await;
    let carol = carol(&["carol@there.example", "c@there.example"]);
    let (status, body) = house.upload(&carol.clean.whole()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["key_fpr"], carol.clean.fingerprint());
    assert_eq!(body["status"], json!({ "carol@there.example": "unpublished", "c@there.example": "unpublished" }));
    let by_fingerprint = format!("/vks/v1/by-fingerprint/{}", carol.clean.fingerprint());
    assert_eq!(house.keys(&by_fingerprint).await.status, StatusCode::NOT_FOUND, "not even without identities");

    let token = body["token"].as_str().unwrap();
    let (status, body) = house.request(token, &["Carol@there.example", "mallory@there.example"]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["status"]["carol@there.example"], "pending");
    assert_eq!(body["status"]["c@there.example"], "unpublished");
    let letters = house.letters().await;
    assert_eq!((letters.len(), letters[0].0.as_str()), (1, "carol@there.example"));
    let (_, raw) = &letters[0];
    for line in [
        "From: <postmaster@home.example>\r\n",
        "To: <carol@there.example>\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Date: Sun, 22 Nov 2026 ",
        "Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\";\r\n",
        "\r\n\r\nVersion: 1\r\n",
    ] {
        assert!(raw.contains(line), "{line} {raw}");
    }
    assert!(!raw.contains("/verify/") && !raw.replace("\r\n", "").contains('\n'), "{raw}");
    let text = open(carol.secret.expose(), raw);
    assert!(text.contains("Content-Language: fr\r\n") && text.contains(carol.clean.fingerprint()), "{text}");

    let path = link(&text);
    let question = house.keys(&path).await;
    assert!(question.status == StatusCode::OK && question.text().contains("carol@there.example"), "{}", question.text());
    assert_eq!(house.keys(&by_fingerprint).await.status, StatusCode::NOT_FOUND, "looking publishes nothing");
    assert_eq!(house.post(&path, "").await.status, StatusCode::OK);
    assert_eq!(house.keys("/vks/v1/by-email/carol@there.example").await.user_ids(), ["Carol <carol@there.example>"]);
    assert_eq!(house.keys(&by_fingerprint).await.user_ids(), ["Carol <carol@there.example>"]);
    assert_eq!(house.post(&path, "").await.status, StatusCode::NOT_FOUND, "once");

    // Its revocation is merged and served, as for anybody's.
    assert_eq!(house.add(carol.revocation.expose()).await.status, StatusCode::OK);
    let index = house.keys("/pks/lookup?op=index&search=carol@there.example").await;
    assert!(index.text().contains(":r\n") && index.text().contains("uid:Carol"), "{}", index.text());
}

#[tokio::test]
async fn an_address_hears_from_us_once_an_hour_and_tokens_end() {
    let house = House::new().await;
    let first = carol(&["carol@there.example"]);
    let (_, body) = house.upload(&first.clean.whole()).await;
    let token = body["token"].as_str().unwrap().to_string();
    for _ in 0..3 {
        assert_eq!(house.request(&token, &["carol@there.example"]).await.0, StatusCode::OK);
    }
    let second = carol(&["CAROL@there.example"]);
    let (_, body) = house.upload(&second.clean.whole()).await;
    let (_, body) = house.request(body["token"].as_str().unwrap(), &["carol@there.example"]).await;
    assert_eq!(body["status"]["CAROL@there.example"], "unpublished");
    assert_eq!(house.letters().await.len(), 1, "whatever the key and the spelling");
    house.clock.advance(CERT_MAIL_EVERY.saturating_sub(Duration::from_millis(1)));
    assert_eq!(house.request(&token, &["carol@there.example"]).await.0, StatusCode::OK);
    assert_eq!(house.letters().await.len(), 1);
    house.clock.advance(UPLOAD_KEEP);
    let (status, body) = house.request(&token, &["carol@there.example"]).await;
    assert!(status == StatusCode::BAD_REQUEST && body["error"].is_string(), "{body}");
    let path = link(&open(first.secret.expose(), &house.letters().await[0].1));
    assert_eq!(house.keys(&path).await.status, StatusCode::OK);
    house.clock.advance(PROOF_KEEP);
    assert_eq!(house.keys(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.post(&path, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_person_of_the_house_proves_by_mail_too_and_nobody_else_for_them() {
    let house = House::new().await;
    let (account, alice) = house.alice().await;
    house.add_person("Bob", &["bob@home.example"]).await;
    let mallory = carol(&["alice@home.example", "nobody@home.example"]);
    let (_, body) = house.upload(&mallory.clean.whole()).await;
    let token = body["token"].as_str().unwrap();
    let (_, body) = house.request(token, &["alice@home.example", "nobody@home.example"]).await;
    assert_eq!(body["status"]["nobody@home.example"], "pending", "nobody learns that it is nobody's");
    assert_eq!(house.letters().await.len(), 1);
    assert_eq!(house.wkd("alice").await.cert().fingerprint().to_hex(), alice.clean.fingerprint());
    // Only Alice reads the letter, and only Mallory can open it. If they are one:
    let path = link(&open(mallory.secret.expose(), &house.letters().await[0].1));
    assert_eq!(house.post(&path, "").await.status, StatusCode::OK);
    assert_eq!(house.wkd("alice").await.cert().fingerprint().to_hex(), mallory.clean.fingerprint());
    let kept = house.directory.find_kept(mallory.clean.fingerprint()).await.unwrap().unwrap();
    assert_eq!(kept.account, Some(account));
    for bad in ["/verify/x", "/verify/", "/manage/x"] {
        assert_eq!(house.keys(bad).await.status, StatusCode::NOT_FOUND, "{bad}");
    }
}

#[tokio::test]
async fn an_address_is_removed_by_who_reads_its_mail() {
    let house = House::new().await;
    house.alice().await;
    for address in ["nobody@home.example", "alice%40home.example"] {
        let answer = house.post("/remove", &format!("address={address}")).await;
        assert!(answer.status == StatusCode::OK && answer.text().contains("One letter an hour"), "{}", answer.text());
    }
    let letters = house.letters().await;
    assert_eq!((letters.len(), letters[0].0.as_str()), (1, "alice@home.example"));
    let path = link(&letters[0].1);
    assert!(path.starts_with("/manage/"), "{path}");
    assert!(house.keys(&path).await.text().contains("alice@home.example"));
    assert_eq!(house.wkd("alice").await.status, StatusCode::OK);
    assert_eq!(house.post(&path.replace("manage", "verify"), "").await.status, StatusCode::NOT_FOUND, "another purpose");
    assert_eq!(house.post(&path, "").await.status, StatusCode::OK);
    assert_eq!(house.wkd("alice").await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.post(&path, "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.post("/remove", "address=x").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_pages_speak_both_languages_without_a_script() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    for (path, english, french) in [
        ("/", "people of this house", "personnes de cette maison"),
        ("/upload", "Your PUBLIC key", "Votre clé PUBLIQUE"),
        ("/remove", "We write to the address", "Nous écrivons"),
        ("/statistics", "Since the last start", "Depuis le dernier"),
        ("/search?q=nobody@home.example", "No key is published", "Aucune clé"),
    ] {
        for (tag, words) in [("en", english), ("fr-FR,fr;q=0.9", french)] {
            let answer = house.ask_with(Method::GET, path, &[("accept-language", tag)], Body::empty()).await;
            assert!(answer.text().contains(words), "{path} {tag}: {}", answer.text());
            assert!(answer.text().contains(&format!("<html lang=\"{}\">", &tag[..2])), "{path} {tag}");
            assert!(answer.text().contains("width=device-width") && !answer.text().contains("<script"), "{path}");
            let policy = answer.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'"), "{path}");
        }
    }
    let found = house.keys("/search?q=alice@home.example").await;
    assert!(
        found.text().contains("Alice &#60;alice@home.example&#62;") || found.text().contains("Alice &lt;alice@home.example&gt;")
    );
    assert!(found.text().contains(&format!("/vks/v1/by-fingerprint/{}", alice.clean.fingerprint())));
    assert_eq!(house.keys("/search?q=Alice").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(house.keys("/assets/hearth.css").await.status, StatusCode::OK);

    // Upload by the form of the page: an empty text field before the file.
    let text = String::from_utf8(armor(&carol(&["carol@there.example"]).clean.whole(), ArmorKind::PublicKey).unwrap()).unwrap();
    let part = |content: &str| format!("--edge\r\nContent-Disposition: form-data; name=\"keytext\"\r\n\r\n{content}\r\n");
    let body = format!("{}{}--edge--\r\n", part(""), part(&text));
    let kind = "multipart/form-data; boundary=edge";
    let uploaded = house.ask(Method::POST, "keys.home.example", "/upload", kind, body).await;
    assert_eq!(uploaded.status, StatusCode::OK, "{}", uploaded.text());
    let token = uploaded.text().split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let asked = house.post("/upload/letter", &format!("token={token}&address=carol%40there.example")).await;
    assert!(asked.text().contains("a letter is on its way"), "{}", asked.text());
    assert_eq!(house.letters().await.len(), 1);
}
