// SPDX-License-Identifier: AGPL-3.0-or-later
//! Bounds of this server that no other test stands on both sides of.

use hearth_identity::login::Gate;
use tokio::time::{Duration, Instant, pause, resume, sleep};

use super::wks::{key_mail, submission_key};
use super::*;
use crate::ctx::People;
use crate::limits::{AUTHORIZATION_BYTES_MAX, INTAKE_WAIT_MAX, INTAKES_AT_ONCE_MAX, WKS_ADDRESSES_MAX};

#[tokio::test]
async fn a_submission_waits_so_long_for_its_turn() {
    let house = House::new().await;
    let (_, alice) = house.alice().await;
    let mut places = Vec::new();
    for _ in 0..INTAKES_AT_ONCE_MAX {
        places.push(house.ctx.intake().await.unwrap());
    }
    pause();
    let begun = Instant::now();
    let busy = house.add(&alice.clean.whole()).await;
    assert_eq!((busy.status, &busy.headers["retry-after"]), (StatusCode::SERVICE_UNAVAILABLE, &"60".parse().unwrap()));
    assert!((INTAKE_WAIT_MAX..INTAKE_WAIT_MAX + Duration::from_secs(1)).contains(&begun.elapsed()));
    let leave = async {
        sleep(INTAKE_WAIT_MAX.saturating_sub(Duration::from_millis(10))).await;
        places.pop();
        resume();
    };
    let again = alice.clean.whole();
    let (taken, ()) = tokio::join!(house.add(&again), leave);
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text());
}

#[tokio::test]
async fn a_body_has_its_size() {
    let house = House::new().await;
    let form = "application/x-www-form-urlencoded";
    let body = |octets: usize| [b"keytext=".to_vec(), vec![b'a'; octets - 8]].concat();
    for (octets, says) in [(BODY_BYTES_MAX, "a submission may be"), (BODY_BYTES_MAX + 1, "The request is too large")] {
        let answer = house.ask(Method::POST, "keys.home.example", "/pks/add", form, body(octets)).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(answer.text().contains(says), "{octets}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_field_that_signs_in_has_its_size() {
    let mut house = House::new().await;
    let nowhere = Gate::new("/nonexistent/gate.sock");
    house.app = app(house.ctx.clone().with_people(People::new(nowhere, || anyhow::bail!("nobody looks"))));
    let bearer = |octets: usize| format!("Bearer {}", "x".repeat(octets - "Bearer ".len()));
    // Within the bound somebody is asked who it is (and is not there); over it nobody is.
    for (octets, status) in [(AUTHORIZATION_BYTES_MAX, 500), (AUTHORIZATION_BYTES_MAX + 1, 401)] {
        let fields = [("authorization", bearer(octets))];
        let answer = house.ask_with(Method::GET, "/find/bob@b.example", &fields, Body::empty()).await;
        assert_eq!(answer.status.as_u16(), status, "{octets}");
    }
}

#[tokio::test]
async fn so_many_addresses_of_a_certificate_by_mail_are_asked() {
    for (named, asked) in [(WKS_ADDRESSES_MAX, WKS_ADDRESSES_MAX), (WKS_ADDRESSES_MAX + 1, WKS_ADDRESSES_MAX)] {
        let house = House::new().await;
        let addresses: Vec<String> = (0..named).map(|n| format!("a{n}@home.example")).collect();
        house.add_person("Alice", &addresses.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let to = submission_key(&house.directory).await;
        // Those of other homes are nobody's to ask here, and take no place.
        let others = (0..named).map(|n| format!("b{n}@elsewhere.example"));
        let all: Vec<Address> = others.chain(addresses).map(|text| address(&text)).collect();
        house.send(key_mail(&generate("Alice", &all, Profile::Compatible, now()).unwrap(), &to)).await;
        assert_eq!(house.directory.list_letters(99).await.unwrap().len(), asked);
    }
}
