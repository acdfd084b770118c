// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a program may leave here that nobody vouches for.

mod support;

use std::time::Duration;

use hearth_oauth::gate::throttle::Deed;
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Request, StatusCode, header};
use support::{CHALLENGE, House, Reply, ask, encode, on_both_engines};

const HOME: &str = "192.0.2.7";
const ELSEWHERE: &str = "198.51.100.9";

async fn post(house: &House, from: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
    let request = Request::post(path)
        .header("x-forwarded-for", from)
        .header("dpop", "none")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    ask(&house.router, request.body(Body::from(encode(fields))).unwrap()).await
}

/// Without a proof.
async fn leave(house: &House, from: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
    let request =
        Request::post(path).header("x-forwarded-for", from).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    ask(&house.router, request.body(Body::from(encode(fields))).unwrap()).await
}

fn waits(reply: &Reply, wait: Duration) {
    assert_eq!(reply.error(), (429, "temporarily_unavailable".into()));
    assert_eq!(reply.headers[header::RETRY_AFTER], wait.as_secs().to_string().as_str());
}

#[tokio::test]
async fn one_network_leaves_so_many_requests_of_a_client_that_anybody_can_name() {
    on_both_engines(async |house| {
        house
            .client("tv", |new| {
                new.public = true;
                new.grant_types = vec!["urn:ietf:params:oauth:grant-type:device_code".into()];
            })
            .await;
        let pushed = [
            ("client_id", "phone"),
            ("redirect_uri", "http://127.0.0.1/cb"),
            ("response_type", "code"),
            ("scope", "openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let shown = [("client_id", "tv"), ("scope", "openid")];
        let rule = Deed::Waiting.rule();
        for _ in 0..=rule.free / 2 {
            assert_eq!(leave(&house, HOME, "/par", &pushed).await.status, StatusCode::CREATED);
        }
        for _ in 0..rule.free / 2 {
            assert_eq!(leave(&house, HOME, "/device-authorization", &shown).await.status, StatusCode::OK);
        }
        waits(&leave(&house, HOME, "/par", &pushed).await, rule.first_wait);
        waits(&leave(&house, HOME, "/device-authorization", &shown).await, rule.first_wait);
        // Others, and a client that proves who it is, are not in the way.
        assert_eq!(leave(&house, ELSEWHERE, "/par", &pushed).await.status, StatusCode::CREATED);
        let secret = house.client("server", |_| {}).await;
        let mut proven = pushed.to_vec();
        proven[0] = ("client_id", "server");
        proven[1] = ("redirect_uri", support::CALLBACK);
        proven.push(("client_secret", &secret));
        assert_eq!(leave(&house, HOME, "/par", &proven).await.status, StatusCode::CREATED);
        house.clock.advance(rule.first_wait);
        assert_eq!(leave(&house, HOME, "/par", &pushed).await.status, StatusCode::CREATED);
    })
    .await;
}

#[tokio::test]
async fn one_network_shows_so_many_proofs_of_such_a_client() {
    on_both_engines(async |house| {
        let rule = Deed::Proof.rule();
        let fields = [("grant_type", "authorization_code"), ("client_id", "phone"), ("code", "none")];
        for _ in 0..=rule.free {
            assert_eq!(post(&house, HOME, "/token", &fields).await.error(), (400, "invalid_dpop_proof".into()));
        }
        waits(&post(&house, HOME, "/token", &fields).await, rule.first_wait);
        assert_eq!(post(&house, ELSEWHERE, "/token", &fields).await.error(), (400, "invalid_dpop_proof".into()));
    })
    .await;
}
