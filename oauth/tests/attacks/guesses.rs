// SPDX-License-Identifier: AGPL-3.0-or-later
//! Guesses at people's passwords and codes, from one network and from many: how many are looked at, and that those whose
//! they are get in meanwhile. For 34 and 39.

use std::net::IpAddr;

use hearth_identity::login::Refusal;
use hearth_oauth::gate::{Marks, SignIn};
use hearth_types::Secret;
use hearth_web::axum::http::StatusCode;

use crate::support::factors::{add_totp, code, password, second};
use crate::support::{HOME, House, on_both_engines};
use crate::token_endpoint::visitor;

/// Codes of six digits that are looked at for one account, from wherever they come, before the first hour is over.
const CODES_LOOKED_AT: usize = 20;

/// The network of a stranger, each in an area of its own.
fn elsewhere(n: usize) -> String {
    format!("198.{}.{}.1", 20 + n / 250, n % 250)
}

/// Somebody knows alice's password and tries codes from so many networks; how many were looked at.
async fn guess_codes(house: &House, networks: usize, right: &[String]) -> usize {
    let mut looked_at = 0;
    for network in 0..networks {
        let mut guesser = house.browser_at(&elsewhere(network));
        let page = password(&mut guesser).await;
        if !page.body.contains("name=\"proof\"") {
            continue;
        }
        let wrong = (0..).map(|n| format!("{:06}", network * 100 + n)).filter(|guess| !right.contains(guess));
        for guess in wrong.take(25) {
            match second(&mut guesser, &page, &guess).await.status {
                StatusCode::UNAUTHORIZED => looked_at += 1,
                StatusCode::TOO_MANY_REQUESTS => break,
                other => panic!("{other}"),
            }
        }
    }
    looked_at
}

#[tokio::test]
async fn codes_are_counted_wherever_they_come_from() {
    on_both_engines(async |house| {
        let (secret, sheet) = add_totp(&house, &mut visitor(&house, "alice").await).await;
        house.clock.advance(std::time::Duration::from_secs(60));
        let step = house.clock.now().secs() / 30;
        let right: Vec<_> = (step - 1..=step + 1).map(|step| hearth_identity::vault::totp_code(&secret, step)).collect();
        let looked_at = guess_codes(&house, 12, &right).await;
        assert!((1..=CODES_LOOKED_AT).contains(&looked_at), "{looked_at} codes were looked at");
        // A right password alone makes no network known, and takes no place from those that are.
        let known = async |network: &str| house.directory.find_known_network(house.alice.id, network).await.unwrap().is_some();
        assert!(!known(&elsewhere(0)).await && known(HOME).await);
        guess_codes(&house, 40, &right).await;
        assert!(known(HOME).await);
        // Alice gets in where she has been before, and elsewhere with a line of her sheet.
        let mut home = house.browser();
        let page = password(&mut home).await;
        assert_eq!(second(&mut home, &page, &code(&house, &secret)).await.status, StatusCode::SEE_OTHER);
        let mut away = house.browser_at("203.0.113.200");
        let page = password(&mut away).await;
        assert_eq!(second(&mut away, &page, &sheet[1]).await.status, StatusCode::SEE_OTHER);
        assert!(known("203.0.113.200").await, "she is in, so this network is hers");
    })
    .await;
}

/// One guess at alice's password.
async fn guess(house: &House, n: usize, from: &str) -> SignIn {
    let from: IpAddr = from.parse().unwrap();
    house.ctx.doorkeeper.sign_in("alice@home.example", &Secret::new(format!("guess {n}")), from, &Marks::default()).await.unwrap()
}

fn waits(answer: &SignIn) -> bool {
    matches!(answer, SignIn::Refused(Refusal::Wait(_)))
}

/// Alice away from home, while strangers guess.
pub async fn the_owner_elsewhere(house: &House) {
    let mut own = house.browser();
    own.sign_in("alice").await;
    // Three networks guess until they have to wait.
    for n in 0..60 {
        guess(house, n, &elsewhere(n % 3)).await;
    }
    assert!(waits(&guess(house, 60, &elsewhere(0)).await));
    let mut stranger = house.browser_at("203.0.113.99");
    assert_ne!(password(&mut stranger).await.status, StatusCode::TOO_MANY_REQUESTS, "a network that never failed");
    // More networks than a household is ever in: then a browser that she signed in with before is what tells her apart.
    for n in 100..400 {
        guess(house, n, &elsewhere(n)).await;
    }
    assert_eq!(password(&mut house.browser_at("203.0.113.100")).await.status, StatusCode::TOO_MANY_REQUESTS);
    own.jar.remove("__Host-hearth");
    own.from = "203.0.113.100".into();
    assert_ne!(password(&mut own).await.status, StatusCode::TOO_MANY_REQUESTS, "her browser is known");
    // It is a secret of this browser and this person: another's, or one that was made up, is worth nothing.
    let mark = own.jar["__Host-hearth-known"].clone();
    let mut bobs = house.browser();
    bobs.sign_in("bob").await;
    assert_ne!(bobs.jar["__Host-hearth-known"], mark);
    let turned = format!("{}{}", if mark.starts_with('0') { '1' } else { '0' }, &mark[1..]);
    for false_mark in [bobs.jar["__Host-hearth-known"].clone(), turned, "0".repeat(mark.len())] {
        let mut thief = house.browser_at("203.0.113.101");
        thief.jar.insert("__Host-hearth-known".into(), false_mark);
        assert_eq!(password(&mut thief).await.status, StatusCode::TOO_MANY_REQUESTS);
    }
    let mut another = house.browser();
    another.sign_in("alice").await;
    assert_ne!(another.jar["__Host-hearth-known"], mark, "each browser has its own");
}

#[tokio::test]
async fn an_app_password_on_the_sign_in_page_is_a_guess_like_others() {
    on_both_engines(async |house| {
        let mut looked_at = 0;
        for n in 0..60 {
            // 26 letters of the alphabet, as they are shown.
            let guess = Secret::new(format!("aaaaa-aaaaa-aaaaa-aaaaa-aaaa{:02}", n));
            let answer = house
                .ctx
                .doorkeeper
                .sign_in("alice@home.example", &guess, "198.51.100.7".parse().unwrap(), &Marks::default())
                .await
                .unwrap();
            looked_at += usize::from(!waits(&answer));
        }
        assert!(looked_at < 15, "{looked_at} of 60");
    })
    .await;
}
