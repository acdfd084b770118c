// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who asks does not learn who lives here: neither from the words of an answer nor from the time that it takes.

use std::time::{Duration, Instant};

use super::*;
use crate::limits::{BY_ADDRESS_EVERY, LETTER_ANSWERED_AFTER, UPLOAD_EVERY};

/// Rounds of which the quickest counts: what else the machine does makes an answer slower, never quicker.
const ROUNDS: usize = 60;

/// So much may lie between the quickest answers all the same: a busy machine must not fail, what asks somebody elsewhere or
/// hashes a password must.
const SLACK: Duration = Duration::from_millis(50);

/// Somebody who is not there, somebody who is and has no key, an address that its owner's key does not show, and a home
/// that is none of ours.
const NOT_SHOWN: [&str; 4] = ["nobody@home.example", "bob@home.example", "a.liddell@home.example", "carol@there.example"];

#[tokio::test]
async fn an_address_that_is_not_shown_is_answered_like_one_that_is_not_there() {
    let house = House::new().await;
    house.alice().await;
    house.add_person("Bob", &["bob@home.example"]).await;
    type Path = fn(&str) -> String;
    let paths: [Path; 5] = [
        |who| format!("/pks/v2/certs/by-identity/{who}"),
        |who| format!("/pks/v2/index/{who}"),
        |who| format!("/pks/lookup?op=get&options=mr&search={who}"),
        |who| format!("/pks/lookup?op=index&options=mr&search={who}"),
        |who| format!("/vks/v1/by-email/{who}"),
    ];
    for path in paths {
        let first = house.keys(&path(NOT_SHOWN[0])).await;
        for who in NOT_SHOWN {
            house.clock.advance(BY_ADDRESS_EVERY);
            let answer = house.keys(&path(who)).await;
            assert_eq!(
                (answer.status, answer.headers, answer.body),
                (first.status, first.headers.clone(), first.body.clone()),
                "{who}"
            );
        }
    }
    let by_wkd = async |who: &str| house.wkd(who.split('@').next().unwrap()).await;
    let first = by_wkd(NOT_SHOWN[0]).await;
    assert_eq!(first.status, StatusCode::NOT_FOUND);
    for who in &NOT_SHOWN[..3] {
        let answer = by_wkd(who).await;
        assert_eq!(
            (answer.status, answer.headers, answer.body),
            (first.status, first.headers.clone(), first.body.clone()),
            "{who}"
        );
    }
    let mut quickest = [Duration::MAX; NOT_SHOWN.len()];
    for _ in 0..ROUNDS {
        for (who, quickest) in NOT_SHOWN.iter().zip(&mut quickest) {
            house.clock.advance(BY_ADDRESS_EVERY);
            let begun = Instant::now();
            assert_eq!(house.keys(&paths[0](who)).await.status, StatusCode::NOT_FOUND);
            *quickest = begun.elapsed().min(*quickest);
        }
    }
    let (least, most) = (quickest.iter().min().unwrap(), quickest.iter().max().unwrap());
    assert!(*most < *least + SLACK, "the same statements for all of them: {quickest:?}");
}

#[tokio::test]
async fn who_asks_for_a_letter_waits_as_long_when_none_is_written() {
    let house = House::new().await;
    house.alice().await;
    let form = "application/x-www-form-urlencoded";
    let mut removals = Vec::new();
    // Known, known and written to within the hour, unknown.
    for who in ["alice@home.example", "alice@home.example", "nobody@home.example"] {
        house.clock.advance(UPLOAD_EVERY);
        let begun = Instant::now();
        let sent = house.ask(Method::POST, "keys.home.example", "/pks/v2/sendtoken", "text/plain", who).await;
        assert!(begun.elapsed() >= LETTER_ANSWERED_AFTER, "{who}");
        assert_eq!((sent.status, sent.body.len()), (StatusCode::OK, 0), "{who}");
        let begun = Instant::now();
        let asked = house.ask(Method::POST, "keys.home.example", "/remove", form, format!("address={who}")).await;
        assert!(begun.elapsed() >= LETTER_ANSWERED_AFTER, "{who}");
        assert_eq!(asked.status, StatusCode::OK, "{who}");
        removals.push(asked.text().to_string());
    }
    removals.dedup();
    assert_eq!(removals.len(), 1, "one answer for all");
    assert!(!house.directory.list_letters(9).await.unwrap().is_empty(), "and one letter was written");
}

/// Somebody with a key, somebody without, a further address of somebody's, nobody, and somebody of another home.
const NAMED: [&str; 5] =
    ["alice@home.example", "bob@home.example", "a.liddell@home.example", "nobody@home.example", "carol@there.example"];

#[tokio::test]
async fn what_an_upload_is_told_of_an_address_is_the_same_whoever_lives_there() {
    let house = House::new().await;
    house.alice().await;
    house.add_person("Bob", &["bob@home.example"]).await;
    let upload = async || {
        let theirs = generate("", &NAMED.map(address), Profile::Compatible, now()).unwrap();
        let (_, body) = house.upload(&theirs.clean.whole()).await;
        (theirs, body["token"].as_str().unwrap().to_string(), one_word(&body))
    };
    // Of an upload, of who asks, of who uploads the same again, and of who asks for another key within the hour.
    let (first, token, word) = upload().await;
    assert_eq!(word, "unpublished");
    let begun = Instant::now();
    let (_, body) = house.request(&token, &NAMED).await;
    assert!(begun.elapsed() >= LETTER_ANSWERED_AFTER);
    assert_eq!(one_word(&body), "pending");
    assert_eq!(one_word(&house.upload(&first.clean.whole()).await.1), "pending");
    let (_, token, _) = upload().await;
    assert_eq!(one_word(&house.request(&token, &NAMED).await.1), "unpublished", "an hour has not passed");
    let mut told: Vec<String> = house.letters().await.into_iter().map(|(to, _)| to).collect();
    told.sort();
    let mut real = NAMED.to_vec();
    real.retain(|who| *who != "nobody@home.example");
    real.sort_unstable();
    assert_eq!(told, real, "and who is there has a letter");
    // One by one, each waits as long.
    for who in NAMED {
        house.clock.advance(UPLOAD_EVERY * 2);
        let (_, token, _) = upload().await;
        let begun = Instant::now();
        house.request(&token, &[who]).await;
        assert!(begun.elapsed() >= LETTER_ANSWERED_AFTER, "{who}");
    }
}

/// The status that every address of an upload has.
fn one_word(body: &Value) -> String {
    let words: Vec<&str> = body["status"].as_object().unwrap().values().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(words, [words[0]; NAMED.len()], "{body}");
    words[0].to_string()
}

#[tokio::test]
async fn what_was_asked_at_another_door_before_tells_nothing_either() {
    for door in ["/pks/v2/sendtoken", "/remove"] {
        let house = House::new().await;
        house.alice().await;
        house.add_person("Bob", &["bob@home.example"]).await;
        for (count, who) in NAMED.into_iter().enumerate() {
            house.clock.advance(UPLOAD_EVERY);
            let stats: Value = serde_json::from_slice(&house.keys("/pks/lookup?op=stats").await.body).unwrap();
            assert_eq!(stats["letters"].as_u64(), Some(count as u64), "the statistics do not tell whether one was written: {door}");
            let (kind, body) = match door {
                "/remove" => ("application/x-www-form-urlencoded", format!("address={who}")),
                _ => ("text/plain", who.to_string()),
            };
            assert_eq!(house.ask(Method::POST, "keys.home.example", door, kind, body).await.status, StatusCode::OK);
        }
        let theirs = generate("", &NAMED.map(address), Profile::Compatible, now()).unwrap();
        let (_, body) = house.upload(&theirs.clean.whole()).await;
        assert_eq!(one_word(&house.request(body["token"].as_str().unwrap(), &NAMED).await.1), "unpublished", "{door}");
    }
}
