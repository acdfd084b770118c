// SPDX-License-Identifier: AGPL-3.0-or-later
//! The API endpoint: what a request has to be, and how its calls hang together.

use crate::limits::{CALLS_IN_REQUEST_MAX, CONCURRENT_REQUESTS_MAX, SIZE_REQUEST_BYTES_MAX};

use super::*;
use crate::endpoint::Kind as PlaceKind;

#[tokio::test]
async fn what_is_not_a_request_is_a_problem() {
    let home = Home::new().await;
    let json = [("content-type", "application/json")];
    for (headers, body, kind) in [
        (&json[..], "{".to_string(), "notJSON"),
        (&json, "{\"using\":[],\"using\":[]}".to_string(), "notJSON"),
        (&[("content-type", "text/plain")], "{\"using\":[],\"methodCalls\":[]}".to_string(), "notJSON"),
        (&[], "{\"using\":[],\"methodCalls\":[]}".to_string(), "notJSON"),
        (&json, "[]".to_string(), "notRequest"),
        (&json, json!({"using": ["urn:x"], "methodCalls": []}).to_string(), "unknownCapability"),
        (&json, json!({"using": ["urn:ietf:params:jmap:submission"], "methodCalls": []}).to_string(), "unknownCapability"),
    ] {
        let answered = home.send("POST", "/jmap/api/", headers, body.clone()).await;
        assert_eq!(answered.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answered.header("content-type"), "application/problem+json");
        assert_eq!(answered.json()["type"], format!("urn:ietf:params:jmap:error:{kind}"), "{body}");
    }
}

#[tokio::test]
async fn limits_hold_on_both_sides() {
    let home = Home::new().await;
    let limit = |answered: &Answered| answered.json()["limit"].as_str().map(str::to_string);
    let calls = |n: usize| json!({"using": [CORE], "methodCalls": vec![json!(["Core/echo", {}, "c"]); n]});
    assert_eq!(home.post(&calls(CALLS_IN_REQUEST_MAX)).await.status, StatusCode::OK);
    assert_eq!(limit(&home.post(&calls(CALLS_IN_REQUEST_MAX + 1)).await).as_deref(), Some("maxCallsInRequest"));

    let json = [("content-type", "application/json; charset=utf-8")];
    let mut body = calls(1).to_string().into_bytes();
    body.resize(SIZE_REQUEST_BYTES_MAX, b' ');
    assert_eq!(home.send("POST", "/jmap/api/", &json, body.clone()).await.status, StatusCode::OK);
    body.push(b' ');
    assert_eq!(limit(&home.send("POST", "/jmap/api/", &json, body).await).as_deref(), Some("maxSizeRequest"));

    let account = home.account.parse().expect("an id");
    let mut held: Vec<_> =
        (1..CONCURRENT_REQUESTS_MAX).map(|_| home.app.places.take(account, PlaceKind::Request, usize::MAX)).collect();
    assert_eq!(home.post(&calls(1)).await.status, StatusCode::OK);
    held.push(home.app.places.take(account, PlaceKind::Request, usize::MAX));
    assert_eq!(limit(&home.post(&calls(1)).await).as_deref(), Some("maxConcurrentRequests"));
}

#[tokio::test]
async fn calls_run_in_order_and_fail_alone() {
    let home = Home::new().await;
    let answered = home
        .post(&json!({
            "using": [CORE, MAIL],
            "createdIds": {"k": "x"},
            "methodCalls": [
                ["Core/echo", {"hello": true, "n": [1, "two", null]}, "a"],
                ["Email/copy", {"accountId": home.account}, "b"],
                ["Nothing/get", {}, "c"],
                ["Mailbox/get", {"accountId": "0000000000000", "ids": []}, "d"],
                ["Mailbox/get", {"ids": []}, "e"],
                ["Mailbox/get", {"accountId": home.account, "ids": [], "colour": "red"}, "f"],
                ["Mailbox/get", {"accountId": home.account, "#ids": {"resultOf": "a", "name": "Core/echo", "path": "/nothing"}}, "g"],
                ["Mailbox/get", {"accountId": home.account, "ids": ["nobody", "0000000000000"]}, "h"]
            ]
        }))
        .await
        .json();
    let seen: Vec<(&str, &str)> = answered["methodResponses"]
        .as_array()
        .expect("responses")
        .iter()
        .map(|response| (response[2].as_str().expect("an id"), response[1]["type"].as_str().unwrap_or("fine")))
        .collect();
    assert_eq!(
        seen,
        [
            ("a", "fine"),
            ("b", "unknownMethod"),
            ("c", "unknownMethod"),
            ("d", "accountNotFound"),
            ("e", "invalidArguments"),
            ("f", "invalidArguments"),
            ("g", "invalidResultReference"),
            ("h", "fine")
        ]
    );
    assert_eq!(answered["methodResponses"][0][1], json!({"hello": true, "n": [1, "two", null]}));
    assert_eq!(answered["methodResponses"][7][1]["notFound"], json!(["nobody", "0000000000000"]));
    assert_eq!(answered["createdIds"], json!({"k": "x"}));
    let session = home.send("GET", "/jmap/session", &[], "").await.json();
    assert_eq!(answered["sessionState"], session["state"]);
}

#[tokio::test]
async fn a_method_wants_its_capability() {
    let home = Home::new().await;
    let request = json!({"using": [CORE], "methodCalls": [["Mailbox/get", {"accountId": home.account}, "a"]]});
    assert_eq!(home.post(&request).await.json()["methodResponses"][0][1]["type"], "unknownMethod");
}
