// SPDX-License-Identifier: AGPL-3.0-or-later
//! The event source: it speaks when something changed, pings when asked to, and ends when it should.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;

use super::*;
use crate::endpoint::Kind as PlaceKind;
use crate::limits::{EVENT_SOURCES_MAX, EVENT_SOURCES_PER_ACCOUNT_MAX};

/// An open stream.
struct Events(hearth_web::axum::body::BodyDataStream);

impl Events {
    async fn open(home: &Home, query: &str, last: Option<&str>) -> Self {
        let mut request = Request::get(format!("/jmap/eventsource/?{query}")).header(header::AUTHORIZATION, "Bearer good-token");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = home.router.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut events = Self(response.into_body().into_data_stream());
        assert_eq!(events.next(Duration::from_secs(5)).await.as_deref(), Some(": hearth\n\n"));
        events
    }

    /// What comes next; `None` when the stream ended.
    async fn next(&mut self, within: Duration) -> Option<String> {
        let piece = timeout(within, self.0.next()).await.expect("in time")?;
        Some(String::from_utf8(piece.expect("a piece").to_vec()).expect("text"))
    }

    async fn state(&mut self, home: &Home) -> Value {
        let event = self.next(Duration::from_secs(5)).await.expect("an event");
        assert!(event.starts_with("event: state\nid: "), "{event}");
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
        let change: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(change["@type"], "StateChange");
        change["changed"][&home.account].clone()
    }
}

#[tokio::test]
async fn a_change_is_told() {
    let home = Home::new().await;
    let inbox = home.mailbox("inbox").await;
    let mut all = Events::open(&home, "types=*&closeafter=no&ping=0", None).await;
    let mut mailboxes = Events::open(&home, "types=Mailbox&closeafter=state&ping=0", None).await;
    let id = home.import(b"Subject: x\r\n\r\ny", &inbox, json!({})).await;
    let states = all.state(&home).await;
    for name in ["Email", "Thread", "Mailbox", "EmailDelivery"] {
        assert!(states[name].is_string(), "{name}: {states}");
    }
    let only = mailboxes.state(&home).await;
    assert_eq!(only.as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(mailboxes.next(Duration::from_secs(5)).await, None, "closeafter=state");

    home.one("Email/set", json!({"update": {&id: {"keywords/$flagged": true}}})).await;
    let flagged = all.state(&home).await;
    assert!(flagged["Email"].is_string() && flagged.get("EmailDelivery").is_none(), "{flagged}");
    let state = home.one("Email/get", json!({"ids": []})).await["state"].clone();
    assert_eq!(flagged["Email"], state);
}

#[tokio::test]
async fn a_card_is_told() {
    let home = Home::new().await;
    let mut all = Events::open(&home, "types=*&closeafter=no&ping=0", None).await;
    home.one("AddressBook/set", json!({"create": {"b": {"name": "Work"}}})).await;
    let states = all.state(&home).await;
    assert_eq!(states.as_object().map(|types| types.keys().cloned().collect()), Some(vec!["AddressBook".to_string()]));
    let book = home.one("AddressBook/get", json!({})).await["list"][0]["id"].as_str().expect("an id").to_string();
    home.one("ContactCard/set", json!({"create": {"c": {"addressBookIds": {book: true}}}})).await;
    let states = all.state(&home).await;
    assert_eq!(states.as_object().map(|types| types.keys().cloned().collect()), Some(vec!["ContactCard".to_string()]));
}

#[tokio::test]
async fn a_client_that_comes_again_hears_what_it_missed() {
    let home = Home::new().await;
    let inbox = home.mailbox("inbox").await;
    let state = home.one("Email/get", json!({"ids": []})).await["state"].as_str().expect("a state").to_string();
    home.import(b"Subject: x\r\n\r\ny", &inbox, json!({})).await;
    let mut events = Events::open(&home, "types=*&closeafter=state&ping=0", Some(&state)).await;
    assert!(events.state(&home).await["EmailDelivery"].is_string());
    // A state of another life: everything may have changed.
    let mut events = Events::open(&home, "types=*&closeafter=state&ping=0", Some("99999999")).await;
    assert_eq!(events.state(&home).await.as_object().map(serde_json::Map::len), Some(6));
}

#[tokio::test]
async fn it_ends_with_the_session_and_with_the_process() {
    let home = Home::new().await;
    let mut stopped = Events::open(&home, "types=*&closeafter=no&ping=0", None).await;
    home.app.stop.request();
    assert_eq!(stopped.next(Duration::from_secs(5)).await, None);

    let home = Home::new().await;
    let mut revoked = Events::open(&home, "types=*&closeafter=no&ping=0", None).await;
    home.directory.end_session(home.session.id).await.expect("ended");
    assert_eq!(revoked.next(Duration::from_secs(2)).await, None);
}

#[tokio::test]
async fn streams_are_bounded_on_both_sides() {
    let home = Home::new().await;
    let mut open = Vec::new();
    for _ in 0..EVENT_SOURCES_PER_ACCOUNT_MAX {
        open.push(Events::open(&home, "types=*&closeafter=no&ping=0", None).await);
    }
    let refused = home.send("GET", "/jmap/eventsource/?types=*", &[], "").await;
    assert_eq!(refused.json()["type"], "urn:ietf:params:jmap:error:limit");
    open.pop();
    open.push(Events::open(&home, "types=*&closeafter=no&ping=0", None).await);
    assert_eq!(home.send("GET", "/jmap/eventsource/?closeafter=soon", &[], "").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn streams_of_all_accounts_are_bounded_on_both_sides() {
    let home = Home::new().await;
    let somebody = hearth_types::AccountId::new(hearth_types::Timestamp::from_secs(1));
    let take = || home.app.places.take(somebody, PlaceKind::EventSource, usize::MAX).expect("a place");
    let mut others: Vec<_> = (1..EVENT_SOURCES_MAX).map(|_| take()).collect();
    drop(Events::open(&home, "types=*&closeafter=no&ping=0", None).await);
    others.push(take());
    let refused = home.send("GET", "/jmap/eventsource/?types=*", &[], "").await;
    assert_eq!(refused.json()["limit"], "maxConcurrentEventSources");
}

#[tokio::test]
async fn it_pings() {
    let home = Home::new().await;
    let mut events = Events::open(&home, "types=*&closeafter=no&ping=1", None).await;
    let ping = events.next(Duration::from_secs(crate::limits::PING_SECONDS_MIN + 5)).await;
    assert_eq!(ping.as_deref(), Some("event: ping\ndata: {\"interval\":5}\n\n"));
}
