// SPDX-License-Identifier: AGPL-3.0-or-later
//! The household's apps behind a login.
//!
//! For each request oauth is asked whether whoever sent it may pass; only then does it go on to the app, which learns who
//! it is from `Remote-User`, `Remote-Name`, `Remote-Email` and `Remote-Groups`. What a client sent under these names is
//! dropped, and our own cookies stay here: the app never sees what could open anything. `/.hearth/` is not the app's: the
//! way to the sign-in and back.
//!
//! A connection that becomes a WebSocket is asked for again every [`TUNNEL_LOOK`], and ends when its person may no longer.

use std::sync::Arc;

use hearth_boot::Stop;
use http::header::{CONNECTION, COOKIE, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::copy_bidirectional;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use crate::forward::{Body, From, Processes, drop_hop_by_hop, led_to, nothing, own, say_who};
use crate::limits::{APP_ANSWER_DEADLINE, APP_CONNECT, IDLE_KEEP, IDLE_MAX, TUNNEL_LOOK, TUNNELS_MAX};
use crate::page;
use crate::route::Upstream;

/// By this field oauth knows that the front door itself asks, and says where the app is.
pub const DOOR: HeaderName = HeaderName::from_static("x-hearth-door");
/// Which app is asked for.
const APP: HeaderName = HeaderName::from_static("x-hearth-app");
/// Where it is, in oauth's answer.
const UPSTREAM: &str = "x-hearth-upstream";
/// Who somebody is.
const REMOTE: [&str; 4] = ["remote-user", "remote-name", "remote-email", "remote-groups"];
/// Paths of ours on the app's host, and where they are at oauth.
const OURS: (&str, &str) = ("/.hearth/", "/forward/");
/// What our cookies on the app's host begin with.
const COOKIES: &str = "__Host-hearth-";

/// The way to the apps.
pub struct Apps {
    processes: Processes,
    client: Client<HttpConnector, Body>,
    tunnels: Arc<Semaphore>,
    stop: Stop,
}

/// What oauth is asked about a request.
#[derive(Clone)]
struct Question {
    app: HeaderValue,
    headers: HeaderMap,
    ip: std::net::IpAddr,
    authority: String,
}

/// Its yes: where the app is, and who comes.
struct Pass {
    upstream: String,
    who: Vec<(&'static str, HeaderValue)>,
}

impl Apps {
    /// Connected to none yet.
    pub fn new(processes: Processes, stop: Stop) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(APP_CONNECT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_KEEP)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        Self { processes, client, tunnels: Arc::new(Semaphore::new(TUNNELS_MAX)), stop }
    }

    /// One request to the app that `from.authority` names.
    pub async fn answer(&self, mut request: Request<Incoming>, from: &From<'_>) -> Response<Body> {
        let Some(question) = Question::about(&request, from) else { return own(page::bad_request()) };
        if let Some(there) = ours(request.uri()) {
            *request.uri_mut() = there;
            request.headers_mut().insert(APP, question.app);
            return self.processes.ask(Upstream::Oauth, request.map(BodyExt::boxed), from).await;
        }
        match question.ask(&self.processes).await {
            Ok(pass) => self.pass(request, from, &pass, question).await.unwrap_or_else(|error| {
                tracing::warn!(
                    app = from.authority,
                    upstream = pass.upstream,
                    error = format!("{error:#}"),
                    "no answer of the app"
                );
                own(page::app_unavailable())
            }),
            Err(answer) => *answer,
        }
    }

    async fn pass(
        &self,
        mut request: Request<Incoming>,
        from: &From<'_>,
        pass: &Pass,
        question: Question,
    ) -> anyhow::Result<Response<Body>> {
        let upgrade = wanted(&request);
        let place = match &upgrade {
            Some(_) => Some(Arc::clone(&self.tunnels).try_acquire_owned()?),
            None => None,
        };
        let client = hyper::upgrade::on(&mut request);
        let mut request = led_to(&pass.upstream, request.map(BodyExt::boxed))?;
        let headers = request.headers_mut();
        drop_hop_by_hop(headers);
        keep_ours(headers);
        say_who(headers, from)?;
        for (name, value) in &pass.who {
            headers.insert(HeaderName::from_static(name), value.clone());
        }
        if let Some(protocol) = upgrade {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, protocol);
        }
        let mut answer = timeout(APP_ANSWER_DEADLINE, self.client.request(request)).await??;
        match place {
            Some(place) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                let app = hyper::upgrade::on(&mut answer);
                let (processes, stop) = (self.processes.clone(), self.stop.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = tunnel(client, app, place) => {}
                        () = question.until_refused(&processes) => {}
                        () = stop.requested() => {}
                    }
                });
            }
            _ => drop_hop_by_hop(answer.headers_mut()),
        }
        Ok(answer.map(BodyExt::boxed))
    }
}

impl Question {
    /// `None` when the request names its host in a way that no field can carry.
    fn about(request: &Request<Incoming>, from: &From<'_>) -> Option<Self> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let mut headers = HeaderMap::new();
        for cookie in request.headers().get_all(COOKIE) {
            headers.append(COOKIE, cookie.clone());
        }
        let app = HeaderValue::from_str(&format!("https://{}", from.authority)).ok()?;
        headers.insert(APP, app.clone());
        headers.insert("x-forwarded-uri", HeaderValue::from_str(path).ok()?);
        headers.insert(DOOR, HeaderValue::from_static("1"));
        Some(Self { app, headers, ip: from.ip, authority: from.authority.to_owned() })
    }

    /// Whether it may go on; if not, what its sender is told.
    async fn ask(&self, processes: &Processes) -> Result<Pass, Box<Response<Body>>> {
        let mut request = Request::new(nothing());
        *request.uri_mut() = Uri::from_static("/forward/check?redirect=1");
        *request.headers_mut() = self.headers.clone();
        let from = From { ip: self.ip, authority: &self.authority };
        let answer = processes.ask(Upstream::Oauth, request, &from).await;
        if answer.status() != StatusCode::OK {
            return Err(Box::new(answer));
        }
        Pass::read(answer.headers()).ok_or_else(|| Box::new(own(page::app_unavailable())))
    }

    async fn until_refused(&self, processes: &Processes) {
        loop {
            sleep(TUNNEL_LOOK).await;
            // A process that starts again is no refusal.
            if self.ask(processes).await.is_err_and(|answer| !answer.status().is_server_error()) {
                return;
            }
        }
    }
}

impl Pass {
    fn read(said: &HeaderMap) -> Option<Self> {
        let upstream = said.get(UPSTREAM)?.to_str().ok()?.strip_prefix("http://")?.to_owned();
        let who = REMOTE.iter().filter_map(|name| Some((*name, said.get(*name)?.clone())));
        Some(Self { upstream, who: who.filter(|(_, value)| !value.is_empty()).collect() })
    }
}

/// Where a path of ours leads.
fn ours(uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(OURS.0)?;
    format!("{}{rest}", OURS.1).parse().ok()
}

/// RFC 9110 §7.8: what an HTTP/1.1 client would like to speak instead.
fn wanted(request: &Request<Incoming>) -> Option<HeaderValue> {
    request.headers().get(UPGRADE).filter(|_| request.version() == Version::HTTP_11).cloned()
}

/// Nothing of what opens something goes to the app, and nobody says for themselves who they are.
fn keep_ours(headers: &mut HeaderMap) {
    // An app behind WSGI or CGI cannot tell `Remote_User` from `Remote-User`; nginx, too, passes on no field with an underscore.
    let odd: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
    for name in odd.into_iter().chain(REMOTE.map(HeaderName::from_static)).chain([APP]) {
        headers.remove(name);
    }
    let theirs: Vec<HeaderValue> = headers.get_all(COOKIE).iter().filter_map(without_ours).collect();
    headers.remove(COOKIE);
    for cookie in theirs {
        headers.append(COOKIE, cookie);
    }
}

fn without_ours(field: &HeaderValue) -> Option<HeaderValue> {
    let is_theirs = |pair: &&[u8]| !pair.trim_ascii_start().starts_with(COOKIES.as_bytes());
    let theirs: Vec<&[u8]> = field.as_bytes().split(|byte| *byte == b';').filter(is_theirs).collect();
    let joined = theirs.join(&b';');
    HeaderValue::from_bytes(joined.trim_ascii()).ok().filter(|field| !field.is_empty())
}

/// Octets both ways until one side has ended.
async fn tunnel(client: OnUpgrade, app: OnUpgrade, _place: OwnedSemaphorePermit) {
    let (Ok(client), Ok(app)) = tokio::join!(client, app) else { return };
    let (mut client, mut app) = (TokioIo::new(client), TokioIo::new(app));
    if let Err(error) = copy_bidirectional(&mut client, &mut app).await {
        tracing::debug!(%error, "a tunnel");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_paths_lead_to_oauth() {
        let to = |path: &'static str| ours(&Uri::from_static(path)).map(|uri| uri.to_string());
        assert_eq!(to("/.hearth/callback?code=1"), Some("/forward/callback?code=1".into()));
        assert_eq!(to("/.hearth/"), Some("/forward/".into()));
        assert_eq!((to("/.hearth"), to("/x/.hearth/out"), to("/")), (None, None, None));
    }

    #[test]
    fn the_app_sees_neither_our_cookies_nor_a_forged_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1; __Host-hearth-app=secret;b=2".parse().unwrap());
        headers.append(COOKIE, "__Host-hearth-app-start=secret".parse().unwrap());
        headers.append("remote-user", "admin".parse().unwrap());
        headers.append("Remote-Email", "admin@example.org".parse().unwrap());
        headers.append("Remote_Name", "admin".parse().unwrap());
        headers.append(APP, "https://other.example.org".parse().unwrap());
        keep_ours(&mut headers);
        assert_eq!(
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect::<Vec<_>>(),
            [("cookie", "a=1;b=2")]
        );
    }

    #[test]
    fn a_yes_says_where_and_who() {
        let said = |rows: &[(&'static str, &str)]| {
            let rows = rows.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
            Pass::read(&HeaderMap::from_iter(rows))
        };
        let pass = said(&[(UPSTREAM, "http://127.0.0.1:8096"), ("remote-user", "alice"), ("remote-groups", "")]).unwrap();
        assert_eq!((pass.upstream.as_str(), pass.who.len()), ("127.0.0.1:8096", 1));
        assert!(said(&[("remote-user", "alice")]).is_none());
        assert!(said(&[(UPSTREAM, "ftp://127.0.0.1")]).is_none());
    }
}
