// SPDX-License-Identifier: AGPL-3.0-or-later
//! The routes: Session, API, upload, download, event source; who may, how many at once, and what a browser is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hearth_boot::Stop;
use hearth_identity::login::{Login, Refusal};
use hearth_types::AccountId;
use hearth_web::axum::Router;
use hearth_web::axum::body::{Body, to_bytes};
use hearth_web::axum::extract::{Request, State};
use hearth_web::axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hearth_web::axum::middleware::{Next, from_fn};
use hearth_web::axum::response::{IntoResponse, Response};
use hearth_web::axum::routing::{get, post};
use hearth_web::{Guard, Peer, guard};

use crate::auth::{Denied, Door, wait};
use crate::ctx::{Caller, House};
use crate::dispatch;
use crate::error::Problem;
use crate::limits::{ANSWER_WITHIN, CONCURRENT_REQUESTS_MAX, SIZE_REQUEST_BYTES_MAX};
use crate::registry::is_capability;
use crate::request::parse_request;
use crate::session::{session, session_state};
use crate::{download, push, upload};

/// What all routes share.
pub struct App {
    /// Stores, clock, URLs.
    pub house: Arc<House>,
    /// Who somebody is.
    pub door: Door,
    /// How many of each thing an account has under way.
    pub places: Arc<Places>,
    /// The process is asked to stop.
    pub stop: Stop,
}

/// The routes in one router.
pub fn router(app: Arc<App>) -> Router {
    // An upload may be as large as a mail; each route reads no more than is its own.
    let body_bytes_max = usize::try_from(app.house.size_upload_bytes_max).unwrap_or(usize::MAX).max(SIZE_REQUEST_BYTES_MAX);
    let bounds = Guard { body_bytes_max: body_bytes_max.saturating_add(1), answer_within: ANSWER_WITHIN };
    let routes = Router::new()
        .route("/.well-known/jmap", get(show_session))
        .route("/jmap/session", get(show_session))
        .route("/jmap/api/", post(run_api))
        .route("/jmap/api", post(run_api))
        .route("/jmap/upload/{account}/", post(upload::run))
        .route("/jmap/download/{account}/{blob}/{name}", get(download::run))
        .route("/jmap/eventsource/", get(push::run))
        .with_state(app)
        .layer(from_fn(share_with_browsers));
    guard(routes, bounds)
}

/// A client that was let in.
pub struct Guest {
    /// Its session.
    pub login: Login,
    /// Whose request it is.
    pub caller: Caller,
}

impl App {
    /// Lets a client in, or says why not.
    pub async fn admit(&self, headers: &HeaderMap, peer: &Peer) -> Result<Guest, Response> {
        let field = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        match self.door.admit(field, peer.ip).await {
            Ok(login) => Ok(Guest { caller: Caller::from(&login), login }),
            Err(denied) => Err(deny(&denied, &self.house.urls.resource_metadata())),
        }
    }
}

/// RFC 6750 §3 and RFC 7617 §2: 401 names both schemes; 403 and 429 are for those whom another try will not help. RFC 9728 §5.1:
/// each says where this resource is described.
fn deny(denied: &Denied, described: &str) -> Response {
    metrics::counter!("hearth_jmap_denied_total").increment(1);
    let refusal = match denied {
        Denied::Nothing => None,
        Denied::Refused(refusal) => Some(*refusal),
        Denied::Ours(trouble) => return Problem::ours(trouble).into_response(),
    };
    let bearer = match refusal {
        None => "Bearer realm=\"hearth\"",
        Some(Refusal::Forbidden) => "Bearer realm=\"hearth\", error=\"insufficient_scope\", scope=\"mail\"",
        Some(_) => "Bearer realm=\"hearth\", error=\"invalid_token\"",
    };
    let status = match refusal {
        Some(Refusal::Forbidden) => StatusCode::FORBIDDEN,
        Some(Refusal::Wait(_)) => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::UNAUTHORIZED,
    };
    let mut response = (status, "sign in with an access token or an app password\n").into_response();
    let headers = response.headers_mut();
    let bearer = format!("{bearer}, resource_metadata=\"{described}\"");
    headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_str(&bearer).unwrap_or(HeaderValue::from_static("Bearer")));
    headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"hearth\", charset=\"UTF-8\""));
    if let Some(wait) = refusal.and_then(wait) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        (status, [kind], self.to_wire().to_string()).into_response()
    }
}

/// A JSON answer.
pub fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (status, [kind], value.to_string()).into_response()
}

/// RFC 8620 §2: the Session object.
async fn show_session(State(app): State<Arc<App>>, peer: Peer, headers: HeaderMap) -> Response {
    match app.admit(&headers, &peer).await {
        Ok(guest) => json(StatusCode::OK, &session(&app.house, &guest.caller)),
        Err(response) => response,
    }
}

/// RFC 8620 §3.1: a Request object in, a Response object out.
async fn run_api(State(app): State<Arc<App>>, peer: Peer, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let guest = match app.admit(&parts.headers, &peer).await {
        Ok(guest) => guest,
        Err(response) => return response,
    };
    match run_calls(&app, &guest, &parts.headers, body).await {
        Ok(answer) => answer,
        Err(problem) => {
            metrics::counter!("hearth_jmap_problems_total").increment(1);
            problem.into_response()
        }
    }
}

async fn run_calls(app: &App, guest: &Guest, headers: &HeaderMap, body: Body) -> Result<Response, Problem> {
    let account = guest.caller.account;
    let Some(_place) = app.places.take(account, Kind::Request, CONCURRENT_REQUESTS_MAX) else {
        return Err(Problem::Limit("maxConcurrentRequests"));
    };
    if !is_json(headers) {
        return Err(Problem::NotJson("the Content-Type is not application/json".to_string()));
    }
    let body = to_bytes(body, SIZE_REQUEST_BYTES_MAX).await.map_err(|_| Problem::Limit("maxSizeRequest"))?;
    let request = parse_request(&body, is_capability)?;
    drop(body);
    let answered = dispatch::run(&app.house, &guest.caller, request).await;
    Ok(json(StatusCode::OK, &answered.to_wire(&session_state(&app.house, &guest.caller))))
}

/// RFC 8620 §3.1: `application/json`, parameters or not.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// CORS (Fetch §3.2) for mail programs in a browser. Any origin may ask, for nothing here looks at cookies:
/// whoever asks has to show a credential in a field that no page sets without meaning to.
async fn share_with_browsers(request: Request, next: Next) -> Response {
    let is_preflight = request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    // A page elsewhere may read what it was allowed to fetch.
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    if is_preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Authorization, Content-Type, Last-Event-ID, Range"),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    } else {
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("WWW-Authenticate, Retry-After, Content-Range"),
        );
    }
    response
}

/// What an account can have several of at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// API requests.
    Request,
    /// Uploads.
    Upload,
    /// Event streams.
    EventSource,
}

/// How many of each are under way.
#[derive(Debug, Default)]
pub struct Places(Mutex<HashMap<(AccountId, Kind), usize>>);

/// One of them; it is given back when dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    key: (AccountId, Kind),
}

impl Places {
    /// Takes a place if there are fewer than `max`.
    pub fn take(self: &Arc<Self>, account: AccountId, kind: Kind, max: usize) -> Option<Place> {
        let key = (account, kind);
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(key).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Place { places: Arc::clone(self), key })
    }

    /// All places of a kind that are taken.
    pub fn count(&self, kind: Kind) -> usize {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.iter().filter(|((_, of), _)| *of == kind).map(|(_, count)| count).sum()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::Timestamp;

    #[test]
    fn places_are_bounded_on_both_sides_and_given_back() {
        let places = Arc::new(Places::default());
        let account = AccountId::new(Timestamp::from_secs(1));
        let held: Vec<_> =
            (0..CONCURRENT_REQUESTS_MAX).map(|_| places.take(account, Kind::Request, CONCURRENT_REQUESTS_MAX)).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(places.take(account, Kind::Request, CONCURRENT_REQUESTS_MAX).is_none());
        assert!(places.take(account, Kind::Upload, 1).is_some());
        assert_eq!(places.count(Kind::Request), CONCURRENT_REQUESTS_MAX);
        drop(held);
        assert_eq!(places.count(Kind::Request), 0);
        assert!(places.take(account, Kind::Request, CONCURRENT_REQUESTS_MAX).is_some());
    }
}
