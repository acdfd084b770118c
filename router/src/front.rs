// SPDX-License-Identifier: AGPL-3.0-or-later
//! The two doors: HTTPS with everything behind it, and HTTP, which only sends people to HTTPS.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use hearth_boot::{Config, Stop};
use hearth_net::listen::Peer;
use hearth_net::tls::Tls;
use http::header::{HOST, STRICT_TRANSPORT_SECURITY};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::app::{Apps, DOOR};
use crate::domains::Domains;
use crate::forward::{Body, From, Processes, own};
use crate::limits::{HEAD_BYTES_MAX, HEAD_DEADLINE, HEADERS_MAX, HSTS_SECONDS, PING, STREAMS_MAX, WINDOW_BYTES};
use crate::page;
use crate::route::{Route, decide, host_name};

/// What every connection shares.
pub struct Front {
    /// The configuration.
    pub config: Arc<Config>,
    /// The names that we answer to.
    pub domains: Domains,
    /// Those who answer behind us.
    pub processes: Processes,
    /// The household's apps.
    pub apps: Apps,
    /// Certificates.
    pub tls: Tls,
    /// The request to stop.
    pub stop: Stop,
}

impl Front {
    /// One HTTPS connection.
    pub async fn https(self: Arc<Self>, stream: TcpStream, peer: Peer) {
        match self.tls.accept(stream).await {
            Ok((stream, _)) => self.connection(stream, peer, Door::Https).await,
            Err(error) => tracing::debug!(remote = %peer.remote, %error, "TLS"),
        }
    }

    /// One HTTP connection.
    pub async fn http(self: Arc<Self>, stream: TcpStream, peer: Peer) {
        self.connection(stream, peer, Door::Http).await;
    }

    async fn connection<S>(self: Arc<Self>, stream: S, peer: Peer, door: Door)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stop = self.stop.clone();
        let service = service_fn(move |request| {
            let front = Arc::clone(&self);
            async move { Ok::<_, Infallible>(front.answer(request, peer, door).await) }
        });
        let builder = builder();
        let mut serving = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = stop.requested() => {
                // Requests in flight are answered, new ones are not taken.
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(remote = %peer.remote, %error, "connection");
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: Peer, door: Door) -> Response<Body> {
        let Some((authority, host)) = named(&request) else { return own(page::bad_request()) };
        if request.method() == Method::CONNECT {
            return own(page::bad_request());
        }
        let route = self.route(&host, request.uri().path()).await;
        let name = match &route {
            Route::Process(process) => process.name(),
            Route::App => "app",
            Route::NotOurs => "unknown",
            _ => "own",
        };
        let mut answer = match door {
            Door::Https => self.arrive(route, request, peer, &authority).await,
            Door::Http => own(self.to_https(&route, &request, &host)),
        };
        metrics::counter!("hearth_http_requests_total", "to" => name, "status" => answer.status().as_str().to_owned()).increment(1);
        if door == Door::Https && !is_localhost(&host) {
            // RFC 6797 §7.2: never over plain HTTP. A localhost name belongs to whoever sits at the machine.
            let value = HeaderValue::from_str(&format!("max-age={HSTS_SECONDS}"));
            if let Ok(value) = value {
                answer.headers_mut().insert(STRICT_TRANSPORT_SECURITY, value);
            }
        }
        answer
    }

    async fn route(&self, host: &str, path: &str) -> Route {
        match decide(&self.domains.now(), host, path) {
            Route::NotOurs => decide(&*self.domains.look_again().await, host, path),
            route => route,
        }
    }

    async fn arrive(&self, route: Route, mut request: Request<Incoming>, peer: Peer, authority: &str) -> Response<Body> {
        let from = From { ip: peer.ip(), authority };
        // By this field we speak to our own.
        request.headers_mut().remove(DOOR);
        match route {
            Route::Process(process) => self.processes.ask(process, request.map(BodyExt::boxed), &from).await,
            Route::App => self.apps.answer(request, &from).await,
            Route::Home(domain) => own(page::home(&self.config, &domain)),
            Route::MtaSts(_) => own(page::mta_sts(&self.config)),
            Route::Autoconfig(domain) => own(page::autoconfig(&self.config, &domain)),
            Route::ToHome(domain) => own(page::redirect(&self.config.https_url(&domain, "/"))),
            Route::NotFound => own(page::not_found()),
            Route::NotOurs => own(page::not_ours()),
        }
    }

    fn to_https(&self, route: &Route, request: &Request<Incoming>, host: &str) -> page::Page {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        match route {
            Route::NotOurs => page::not_found(),
            // RFC 8555 §8.3: answered here, by HTTP, once certificates come by ACME.
            _ if path.starts_with("/.well-known/acme-challenge/") => page::not_found(),
            _ => page::redirect(&self.config.https_url(host, path)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Https,
    Http,
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(PING);
    builder
}

/// The authority that was asked for and the name in it. RFC 9112 §3.2: exactly one Host; an absolute form beats it.
fn named<B>(request: &Request<B>) -> Option<(String, String)> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return None;
    }
    let authority = match request.uri().authority() {
        Some(authority) => authority.as_str().to_owned(),
        None => host?.to_str().ok()?.to_owned(),
    };
    let name = host_name(&authority)?;
    Some((authority.to_ascii_lowercase(), name))
}

fn is_localhost(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, hosts: &[&str]) -> Request<()> {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn one_host_and_the_absolute_form_beats_it() {
        assert_eq!(named(&request("/", &["ID.x.org:1"])), Some(("id.x.org:1".into(), "id.x.org".into())));
        assert_eq!(named(&request("https://id.x.org/", &["evil.org"])).unwrap().1, "id.x.org");
        assert_eq!(named(&request("/", &[])), None);
        assert_eq!(named(&request("/", &["a.org", "b.org"])), None);
    }

    #[test]
    fn localhost_names_are_known_by_their_end() {
        assert!(is_localhost("localhost") && is_localhost("id.home.localhost"));
        assert!(!is_localhost("notlocalhost") && !is_localhost("localhost.example.org"));
    }
}
