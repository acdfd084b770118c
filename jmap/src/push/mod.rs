// SPDX-License-Identifier: AGPL-3.0-or-later
//! Push by event source (RFC 8620 §7.3): a stream that says which types changed and what their state is now.
//!
//! The store's feed wakes a stream whichever process made the change. A stream holds no transaction and no
//! thread while it waits; it ends when its session does, when the process stops, or after the first event
//! for a client that asked for that.

mod event;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use hearth_identity::login::Watch;
use hearth_mailstore::{Error, MailTx, changes};
use hearth_types::AccountId;
use hearth_web::Peer;
use hearth_web::axum::body::Body;
use hearth_web::axum::extract::{Query, State};
use hearth_web::axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use hearth_web::axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::endpoint::{App, Kind, Place};
use crate::error::{MethodError, Problem};
use crate::limits::{CHANGES_LOOKED_AT, EVENT_SOURCES_MAX, EVENT_SOURCES_PER_ACCOUNT_MAX, PUSH_GATHER, PUSH_LOOK};
use event::{Options, Variables, parse_variables, ping_event, state_event};

/// Carries out the request.
pub async fn run(State(app): State<Arc<App>>, Query(variables): Query<Variables>, peer: Peer, headers: HeaderMap) -> Response {
    let guest = match app.admit(&headers, &peer).await {
        Ok(guest) => guest,
        Err(response) => return response,
    };
    let options = match parse_variables(&variables) {
        Ok(options) => options,
        Err(why) => return Problem::NotRequest(why.to_string()).into_response(),
    };
    let account = guest.caller.account;
    let place = app.places.take(account, Kind::EventSource, EVENT_SOURCES_PER_ACCOUNT_MAX);
    let Some(place) = place.filter(|_| app.places.count(Kind::EventSource) <= EVENT_SOURCES_MAX) else {
        return Problem::Limit("maxConcurrentEventSources").into_response();
    };
    // RFC 8620 §7.3: a client that was here before says which state it knows.
    let known: Option<u64> = headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let wakes = app.house.store.subscribe(account);
    // Else it is told of what changes from now on: from the moment of the request, not of the first look.
    let now = app.house.store.read(account, |tx| tx.modseq().map_err(MethodError::from)).await;
    let Ok(now) = now else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let known = known.unwrap_or(now);
    let watch = app.door.watch(&guest.login);
    let source =
        Source { next_ping: next_ping(&options), app, account, options, known, wakes, watch, is_over: false, _place: place };
    let first = stream::once(async { Ok::<_, std::convert::Infallible>(Bytes::from_static(b": hearth\n\n")) });
    let events = stream::unfold(source, |mut source| async move {
        let event = source.next().await?;
        Some((Ok(Bytes::from(event)), source))
    });
    let mut response = Response::new(Body::from_stream(futures_util::StreamExt::chain(first, events)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// One client's stream.
struct Source {
    app: Arc<App>,
    account: AccountId,
    options: Options,
    /// The modseq that the client knows of.
    known: u64,
    wakes: watch::Receiver<u64>,
    watch: Watch,
    next_ping: Option<Instant>,
    is_over: bool,
    _place: Place,
}

fn next_ping(options: &Options) -> Option<Instant> {
    options.ping.map(|interval| Instant::now() + interval)
}

impl Source {
    /// The next event, when there is one; `None` ends the stream.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.is_over {
                return None;
            }
            if let Some(event) = self.look().await? {
                self.is_over = self.options.close_after_state;
                return Some(event);
            }
            let ping = self.next_ping;
            tokio::select! {
                () = self.app.stop.requested() => return None,
                () = self.watch.ended() => return None,
                () = async { sleep_until(ping.unwrap_or_else(Instant::now)).await }, if ping.is_some() => {
                    self.next_ping = next_ping(&self.options);
                    return Some(ping_event(self.options.ping.unwrap_or_default()));
                }
                woken = self.wakes.changed() => {
                    woken.ok()?;
                    // Changes come in flocks; one event tells of all of them.
                    sleep(PUSH_GATHER).await;
                }
                () = sleep(PUSH_LOOK) => {}
            }
        }
    }

    /// What changed since the client was last told. `None`: the account cannot be looked at, so the client comes again.
    async fn look(&mut self) -> Option<Option<String>> {
        self.wakes.borrow_and_update();
        let since = self.known;
        let looked: Result<_, MethodError> = self
            .app
            .house
            .store
            .read(self.account, move |tx| {
                let now = tx.modseq()?;
                Ok((now, if since == now { HashSet::new() } else { changed_types(tx, since, now)? }))
            })
            .await;
        let (now, changed) = looked.ok()?;
        self.known = now;
        let types: Vec<&str> =
            event::TYPES.iter().copied().filter(|name| changed.contains(name) && self.options.wants(name)).collect();
        Some((!types.is_empty()).then(|| state_event(self.account, now, &types)))
    }
}

/// The types that changed between two states; all of them when that cannot be told (any more, or after a restored backup).
fn changed_types(tx: &mut MailTx<'_>, since: u64, now: u64) -> Result<HashSet<&'static str>, Error> {
    let all = || event::TYPES.iter().copied().collect();
    if since > now {
        return Ok(all());
    }
    let messages = match changes::messages(tx, since, CHANGES_LOOKED_AT) {
        Err(Error::TooOld) => return Ok(all()),
        messages => messages?,
    };
    let threads = changes::threads(tx, since, 1)?;
    let (mailboxes, _) = changes::mailboxes(tx, since, 1)?;
    // RFC 8621 §1.5: EmailDelivery changes when a mail arrived; what was not looked at may be one.
    let delivered = !messages.created.is_empty() || messages.more;
    let changed = [
        ("Email", has_changes(&messages)),
        ("EmailDelivery", delivered),
        ("Thread", has_changes(&threads)),
        ("Mailbox", has_changes(&mailboxes)),
        ("AddressBook", has_changes(&changes::address_books(tx, since, 1)?)),
        ("ContactCard", has_changes(&changes::cards(tx, since, 1)?)),
    ];
    Ok(changed.into_iter().filter_map(|(name, is)| is.then_some(name)).collect())
}

fn has_changes<I>(changes: &changes::Changes<I>) -> bool {
    changes.more || !(changes.created.is_empty() && changes.updated.is_empty() && changes.destroyed.is_empty())
}
