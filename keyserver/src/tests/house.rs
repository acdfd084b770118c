// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the house says itself: its certifications in what is served, its log; and that strangers look nothing up through it.

use hearth_identity::certs::log::{first_head, head_after, statement};
use hearth_identity::certs::{SignedHead, Vouch};
use hearth_types::Secret;

use super::*;
use crate::cert::authority;
use crate::find::AUTHORITY;

#[tokio::test]
async fn what_the_house_certifies_is_served() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let ours = authority::generate(&[Domain::parse(DOMAIN).unwrap()], now()).unwrap();
    let text = "Alice <alice@home.example>".to_string();
    let packets = authority::certify(&ours.secret, &alice.clean.whole(), std::slice::from_ref(&text), now()).unwrap();
    let at = house.clock.now();
    let vouch = Vouch {
        fingerprint: alice.clean.fingerprint().into(),
        user_id: text,
        issuer: ours.clean.fingerprint().into(),
        packet: packets[0].clone(),
        created_at: at,
        expires_at: at.after(authority::CERTIFIED_FOR),
    };
    let before = house.wkd("alice").await;
    house.directory.store_vouches(vec![vouch]).await.unwrap();
    let after = house.wkd("alice").await;
    assert_eq!(after.user_ids(), ["Alice <alice@home.example>"]);
    assert_ne!(before.headers["etag"], after.headers["etag"]);
    let soon = now() + std::time::Duration::from_secs(60);
    let sure = |bytes: &[u8]| authority::confidence(&ours.clean.whole(), &[], bytes, soon).unwrap();
    assert_eq!((sure(&before.body), sure(&after.body)), (0, authority::COMPLETE));
    // It comes back from a stranger's refresh as it was.
    assert_eq!(house.add(&after.body).await.status, StatusCode::OK);
    assert_eq!(house.wkd("alice").await.body, after.body);
}

#[tokio::test]
async fn the_log_is_open_and_tells_no_address() {
    let house = House::new().await;
    assert_eq!(house.keys("/log").await.status, StatusCode::NOT_FOUND);
    house.alice().await;
    let ours = authority::generate(&[Domain::parse(DOMAIN).unwrap()], now()).unwrap();
    house.directory.change_setting(AUTHORITY, ours.clean.fingerprint()).await.unwrap();
    let (size, head) = house.directory.find_cert_log_head().await.unwrap();
    let said = statement(DOMAIN, size, &head, house.clock.now());
    let signature = authority::sign(&Secret::new(ours.secret.expose().clone()), &said).unwrap();
    let signed = SignedHead { size, statement: said.clone(), signature, signed_at: house.clock.now() };
    house.directory.add_signed_head(signed).await.unwrap();

    let told: Value = serde_json::from_slice(&house.keys("/log").await.body).unwrap();
    assert_eq!((told["size"].as_u64(), told["statement"].as_str()), (Some(size), Some(said.as_str())));
    assert_eq!(told["fingerprint"], ours.clean.fingerprint());
    let page = house.keys("/log/0").await;
    assert!(!page.text().contains("alice") && !page.text().contains('@'));
    let rows: Vec<Value> = serde_json::from_slice(&page.body).unwrap();
    let unhex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let computed = rows.iter().fold(first_head(), |head, row| head_after(&head, &unhex(row["leaf"].as_str().unwrap())));
    assert_eq!((rows.len() as u64, computed), (size, head));
    assert_eq!(house.keys(&format!("/log/{size}")).await.text(), "[]");
    for path in ["/log/x", "/log/-1", "/log/99999999999999999999"] {
        assert_eq!(house.keys(path).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[tokio::test]
async fn nobody_looks_elsewhere_through_a_house_that_knows_no_people() {
    let house = House::new().await;
    let answer = house.keys("/find/bob@b.example").await;
    assert_eq!((answer.status, &answer.headers["cache-control"]), (StatusCode::NOT_FOUND, &"no-store".parse().unwrap()));
}

#[tokio::test]
async fn what_a_friend_s_home_certifies_of_its_own_people_is_kept_and_counts() {
    let house = House::new().await;
    let b = Domain::parse("b.example").unwrap();
    let (ours, theirs) = (
        authority::generate(&[Domain::parse(DOMAIN).unwrap()], now()).unwrap(),
        authority::generate(std::slice::from_ref(&b), now()).unwrap(),
    );
    let directory = &house.directory;
    directory.store_cert(ours.clean.to_certificate(None, Source::House, false, |_| true)).await.unwrap();
    directory.change_setting(AUTHORITY, ours.clean.fingerprint()).await.unwrap();
    // Bob lives elsewhere and proved his address; his home says that it is his.
    let bob = crate::cert::flood::person("Bob", "bob@b.example");
    directory.store_cert(bob.clean.to_certificate(None, Source::Imported, false, |_| true)).await.unwrap();
    directory.publish_cert(bob.clean.fingerprint(), vec![address("bob@b.example")]).await.unwrap();
    let text = "Bob <bob@b.example>".to_string();
    let word = authority::certify(&theirs.secret, &bob.clean.whole(), std::slice::from_ref(&text), now()).unwrap().remove(0);
    let sent = authority::with_certifications(&bob.clean.whole(), &[(text, word.clone())]).unwrap();
    let seen = || async {
        let index: Value = serde_json::from_slice(&house.keys("/pks/v2/index/bob@b.example").await.body).unwrap();
        let served = house.keys("/pks/v2/certs/by-identity/bob@b.example").await.body;
        (index[0]["userIDs"][0]["confidence"].as_u64().unwrap(), served.windows(word.len()).any(|part| part == word))
    };
    let answer = house.add(&sent).await;
    assert_eq!(answer.text().lines().next().unwrap(), format!("{} nothing new", bob.clean.fingerprint()));
    assert_eq!(seen().await, (60, false), "a stranger's word");

    let at = now() + std::time::Duration::from_secs(60);
    house.clock.advance(std::time::Duration::from_secs(120));
    let bytes = authority::trust(&ours.secret, &theirs.clean.whole(), &b, at).unwrap();
    directory.add_friend(&b, theirs.clean.fingerprint(), bytes).await.unwrap();
    let answer = house.add(&sent).await;
    assert_eq!(answer.text().lines().next().unwrap(), format!("{} updated", bob.clean.fingerprint()));
    assert_eq!(seen().await, (120, true));
    let again = house.add(&sent).await;
    assert_eq!(again.text().lines().next().unwrap(), format!("{} nothing new", bob.clean.fingerprint()));
    directory.end_friend(&b).await.unwrap();
    assert_eq!(seen().await, (60, false));
}
