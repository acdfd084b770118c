// SPDX-License-Identifier: AGPL-3.0-or-later
//! Handing a request to a process and its answer back, both streamed.
//!
//! A connection to a process's Unix socket waits a few seconds for the next request, so that not each has to make one.
//! What a client says of itself in forwarding fields is dropped; what we say is true.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hearth_boot::Config;
use http::header::{CONNECTION, HOST, HeaderMap, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tower::Service;

use crate::limits::{ANSWER_DEADLINE, IDLE_KEEP, IDLE_MAX};
use crate::page::{Page, too_slow, unavailable};
use crate::route::Upstream;

/// The body of any answer.
pub type Body = BoxBody<Bytes, hyper::Error>;

/// Who asked, as the process behind us is told.
#[derive(Clone, Debug)]
pub struct From<'a> {
    /// The client's address.
    pub ip: IpAddr,
    /// The authority that it asked for, with the port.
    pub authority: &'a str,
}

/// The processes behind us, and the connections to them that wait for a request. Clones share these.
#[derive(Clone)]
pub struct Processes(Client<Sockets, Body>);

/// Connects to a process by its name: `http://oauth/` is `DIR/run/oauth.sock`.
#[derive(Clone)]
struct Sockets(Arc<Config>);

impl Processes {
    /// Connected to none yet.
    pub fn new(config: Arc<Config>) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_KEEP)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(Sockets(config));
        Self(client)
    }

    /// Sends `request` to a process. What fails becomes a page.
    pub async fn ask(&self, process: Upstream, request: Request<Body>, from: &From<'_>) -> Response<Body> {
        match timeout(ANSWER_DEADLINE, self.send(process, request, from)).await {
            Ok(Ok(mut answer)) => {
                drop_hop_by_hop(answer.headers_mut());
                answer.map(BodyExt::boxed)
            }
            Ok(Err(error)) => {
                tracing::warn!(process = process.name(), error = format!("{error:#}"), "no answer");
                own(unavailable())
            }
            Err(_) => {
                tracing::warn!(process = process.name(), "no answer in time");
                own(too_slow())
            }
        }
    }

    async fn send(&self, process: Upstream, request: Request<Body>, from: &From<'_>) -> anyhow::Result<Response<Incoming>> {
        Ok(self.0.request(rewritten(process, request, from)?).await?)
    }
}

impl Service<Uri> for Sockets {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, process: Uri) -> Self::Future {
        let socket = self.0.run_path(&format!("{}.sock", process.host().unwrap_or_default()));
        Box::pin(async move { UnixStream::connect(socket).await.map(TokioIo::new) })
    }
}

/// No body.
pub fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// A page of ours as an answer.
pub fn own(page: Page) -> Response<Body> {
    page.map(|body| body.map_err(|never| match never {}).boxed())
}

fn rewritten(process: Upstream, request: Request<Body>, from: &From<'_>) -> anyhow::Result<Request<Body>> {
    let mut request = led_to(process.name(), request)?;
    drop_hop_by_hop(request.headers_mut());
    say_who(request.headers_mut(), from)?;
    Ok(request)
}

/// The same request for `authority`. It is sent in the origin form, with what was asked for in Host (RFC 9112 §3.2.2).
pub fn led_to(authority: &str, request: Request<Body>) -> anyhow::Result<Request<Body>> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    parts.uri = Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path).build()?;
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Ok(Request::from_parts(parts, body))
}

/// Our word in place of the client's.
pub fn say_who(headers: &mut HeaderMap, from: &From<'_>) -> anyhow::Result<()> {
    for name in ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-real-ip"] {
        headers.remove(name);
    }
    let authority = HeaderValue::from_str(from.authority)?;
    headers.insert(HOST, authority.clone());
    headers.insert(HeaderName::from_static("x-forwarded-host"), authority);
    headers.insert(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_str(&from.ip.to_string())?);
    headers.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static("https"));
    Ok(())
}

/// RFC 9110 §7.6.1: fields for one connection are not passed on. hyper frames the body anew.
pub fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(rows: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in rows {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn what_a_client_says_of_itself_is_replaced() {
        let mut headers =
            headers(&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "7.7.7.7"), ("forwarded", "for=6.6.6.6"), ("host", "x")]);
        say_who(&mut headers, &From { ip: "192.0.2.1".parse().unwrap(), authority: "id.example.org:10443" }).unwrap();
        let all: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        assert_eq!(all, ["192.0.2.1"]);
        assert_eq!(headers["host"], "id.example.org:10443");
        assert_eq!(headers["x-forwarded-host"], "id.example.org:10443");
        assert!(!headers.contains_key("forwarded"));
    }

    #[test]
    fn fields_for_one_connection_are_not_passed_on() {
        let mut headers = headers(&[
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("te", "trailers"),
            ("keep-alive", "1"),
            ("accept", "*/*"),
        ]);
        drop_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }
}
