// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reading what another host publishes over HTTPS, when a stranger may have chosen the host.
//!
//! A name is resolved here, *every* address of it is looked at, and the connection goes to an address that was looked at:
//! nobody reaches the machines of this house's network by a name that leads there. HTTPS on its own port alone, the
//! certificate must verify, redirects are few and are checked like the first request, and size and time have ends. It
//! only asks; no cookie, no credential, no body leaves.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HOST, LOCATION, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use crate::dns::{DnsError, Resolver};
use crate::tls::Connector;

/// The port of HTTPS, the only one that is connected to.
const PORT: u16 = 443;
/// One attempt to connect to one address.
const CONNECT: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
/// Octets of a URL.
const URL_BYTES_MAX: usize = 2048;

/// How much one answer may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Octets of the body.
    pub body_bytes_max: usize,
    /// All of it: names, redirects, body.
    pub time: Duration,
    /// Redirects that are followed.
    pub redirects_max: usize,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The status of the last answer.
    pub status: u16,
    /// Content-Type, or nothing.
    pub content_type: String,
    /// The body, whole.
    pub body: Vec<u8>,
}

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not an `https` URL with a name and the port of HTTPS.
    #[error("{0} is not a URL that is fetched: want https, a name and no port")]
    Url(String),
    /// The name has no address.
    #[error("{0} has no address")]
    NoAddress(String),
    /// One of its addresses is not on the Internet.
    #[error("{host} leads to {address}, which is not on the Internet")]
    NotPublic {
        /// The name.
        host: String,
        /// The address.
        address: IpAddr,
    },
    /// The name could not be looked up.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// No connection, or no TLS that verifies.
    #[error("{host}: {cause}")]
    Connection {
        /// The name.
        host: String,
        /// What happened.
        cause: String,
    },
    /// More redirects than are followed, or one that leads nowhere.
    #[error("{0} redirects too often")]
    Redirects(String),
    /// The body has more octets than were asked for.
    #[error("{0} answers with too much")]
    TooLarge(String),
    /// Over its time.
    #[error("{0} does not answer in time")]
    TimedOut(String),
}

/// Fetches. Clones share everything.
#[derive(Clone)]
pub struct Fetcher {
    resolver: Resolver,
    connector: Connector,
    private: Arc<[IpNet]>,
    port: u16,
}

impl Fetcher {
    /// `private` are networks off the Internet that may be connected to all the same: other homes of a test, or of a
    /// household with more than one.
    pub fn new(resolver: Resolver, connector: Connector, private: Vec<IpNet>) -> Self {
        Self { resolver, connector: connector.with_alpn(&["http/1.1"]), private: private.into(), port: PORT }
    }

    /// Connects to another port; what a URL may say stays as it is. For the servers of a test, which listen where they may.
    #[cfg(feature = "test-port")]
    #[must_use]
    pub fn at_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Reads a URL. Any status is an answer.
    pub async fn get(&self, url: &str, bounds: &Bounds) -> Result<Fetched, FetchError> {
        match timeout(bounds.time, self.follow(url, bounds)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(FetchError::TimedOut(url.chars().take(200).collect())),
        }
    }

    async fn follow(&self, url: &str, bounds: &Bounds) -> Result<Fetched, FetchError> {
        let mut url = parse(url)?;
        for _ in 0..=bounds.redirects_max {
            match self.ask(&url, bounds).await? {
                Asked::Answer(fetched) => return Ok(fetched),
                Asked::Elsewhere(place) => {
                    let joined = url.join(&place).map_err(|_| FetchError::Url(place))?;
                    url = parse(joined.as_str())?;
                }
            }
        }
        Err(FetchError::Redirects(url.host_str().unwrap_or_default().to_string()))
    }

    async fn ask(&self, url: &Url, bounds: &Bounds) -> Result<Asked, FetchError> {
        let host = url.host_str().unwrap_or_default().to_string();
        let failed = |cause: String| FetchError::Connection { host: host.clone(), cause };
        let stream = self.connect(&host).await?;
        let (stream, _) = self.connector.verified(&host, stream).await.map_err(|error| failed(error.to_string()))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(error.to_string()))?;
        let target = url.query().map_or_else(|| url.path().to_string(), |query| format!("{}?{query}", url.path()));
        let request = Request::get(target)
            .header(HOST, HeaderValue::from_str(&host).map_err(|error| failed(error.to_string()))?)
            .header(USER_AGENT, "Hearth")
            .header(ACCEPT, "*/*")
            .body(Empty::<Bytes>::new())
            .map_err(|error| failed(error.to_string()))?;
        let answered = async {
            let answer = sender.send_request(request).await.map_err(|error| failed(error.to_string()))?;
            let (head, body) = answer.into_parts();
            let text = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
            let moved = [
                StatusCode::MOVED_PERMANENTLY,
                StatusCode::FOUND,
                StatusCode::SEE_OTHER,
                StatusCode::TEMPORARY_REDIRECT,
                StatusCode::PERMANENT_REDIRECT,
            ];
            if moved.contains(&head.status) && !text(LOCATION).is_empty() {
                return Ok(Asked::Elsewhere(text(LOCATION).to_string()));
            }
            let body = Limited::new(body, bounds.body_bytes_max).collect().await.map_err(|error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    FetchError::TooLarge(host.clone())
                } else {
                    failed(error.to_string())
                }
            })?;
            let content_type = text(CONTENT_TYPE).to_string();
            Ok(Asked::Answer(Fetched { status: head.status.as_u16(), content_type, body: body.to_bytes().to_vec() }))
        };
        // The connection is driven while the answer is awaited, and ends with it.
        tokio::pin!(answered, connection);
        let mut open = true;
        loop {
            tokio::select! {
                answer = &mut answered => return answer,
                ended = &mut connection, if open => {
                    open = false;
                    if let Err(error) = ended {
                        return Err(failed(error.to_string()));
                    }
                }
            }
        }
    }

    async fn connect(&self, host: &str) -> Result<TcpStream, FetchError> {
        let addresses = self.resolver.addresses(host).await?.records;
        if addresses.is_empty() {
            return Err(FetchError::NoAddress(host.to_string()));
        }
        if let Some(address) = addresses.iter().copied().find(|address| !self.may_reach(*address)) {
            return Err(FetchError::NotPublic { host: host.to_string(), address });
        }
        let mut last = io::Error::from(io::ErrorKind::NotConnected);
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            match timeout(CONNECT, TcpStream::connect(SocketAddr::new(address, self.port))).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(FetchError::Connection { host: host.to_string(), cause: last.to_string() })
    }

    fn may_reach(&self, address: IpAddr) -> bool {
        is_public(address) || self.private.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

enum Asked {
    Answer(Fetched),
    Elsewhere(String),
}

/// A name, no address in digits: those have no certificate that we would believe.
fn parse(text: &str) -> Result<Url, FetchError> {
    let shown = || FetchError::Url(text.chars().take(200).collect());
    if text.len() > URL_BYTES_MAX {
        return Err(shown());
    }
    let url = Url::parse(text).map_err(|_| shown())?;
    let is_good = url.scheme() == "https"
        && url.port_or_known_default() == Some(PORT)
        && url.username().is_empty()
        && url.password().is_none()
        && url.domain().is_some_and(|domain| domain.contains('.'));
    if is_good { Ok(url) } else { Err(shown()) }
}

/// Is this address somebody's on the Internet? The special ranges of the registries of RFC 6890 are nobody's.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (b == 18 || b == 19)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let embedded = |high: usize| {
        let octets = address.octets();
        let four: Option<[u8; 4]> = octets.get(high..high + 4).and_then(|four| four.try_into().ok());
        four.is_some_and(|four| is_public_v4(Ipv4Addr::from(four)))
    };
    match (a, b) {
        // RFC 6052 §2.1, RFC 3056 §2: an IPv4 address is inside.
        (0x64, 0xff9b) => address.segments().get(2..6) == Some(&[0; 4]) && embedded(12),
        (0x2002, _) => embedded(2),
        // Teredo, benchmarks, documentation and the like.
        (0x2001, second) => second >= 0x200 && second != 0xdb8,
        (0x3fff, second) => second >= 0x1000,
        // RFC 4291 §2.4: what is given out so far.
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::net::UdpSocket;

    use super::*;
    use crate::dns::Options;

    #[test]
    fn the_ranges_of_nobody() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:192.168.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "198.17.0.1",
            "2001:4860:4860::8888",
            "2a01:4f8::1",
            "64:ff9b::101:101",
            "2002:101:101::1",
            "::ffff:9.9.9.9",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn urls_that_are_not_fetched() {
        for text in [
            "http://example.org/",
            "ftp://example.org/",
            "https://example.org:8443/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://0x7f000001/",
            "https://localhost/",
            "https://user@example.org/",
            "https://user:secret@example.org/",
            "https:",
            "example.org",
        ] {
            assert!(matches!(parse(text), Err(FetchError::Url(_))), "{text}");
        }
        assert!(parse("https://example.org:443/a?b").is_ok());
        let long = |octets: usize| format!("https://example.org/{}", "a".repeat(octets));
        assert!(parse(&long(URL_BYTES_MAX - 20)).is_ok());
        assert!(parse(&long(URL_BYTES_MAX - 19)).is_err());
    }

    #[tokio::test]
    async fn without_names_nothing_is_fetched_and_it_ends_in_time() {
        let resolver = Resolver::new(&Options { servers: vec!["192.0.2.1:53".parse().unwrap()], ..Options::default() }).unwrap();
        let fetcher = Fetcher::new(resolver, Connector::new(&[]).unwrap(), Vec::new());
        let bounds = Bounds { body_bytes_max: 10, time: Duration::from_millis(50), redirects_max: 0 };
        let error = fetcher.get("https://example.org/", &bounds).await.unwrap_err();
        assert!(matches!(error, FetchError::TimedOut(_) | FetchError::Dns(_)), "{error}");
    }

    /// A name server that has these addresses for every name at first, and others from the second question of a kind on;
    /// and how often it was asked.
    async fn names(first: &[&str], then: &[&str]) -> (Resolver, Arc<AtomicUsize>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let servers = vec![socket.local_addr().unwrap()];
        let read = |all: &[&str]| all.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let (first, then, asked) = (read(first), read(then), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            let (mut query, mut kinds_asked) = ([0; 1500], Vec::new());
            while let Ok((_, from)) = socket.recv_from(&mut query).await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut end = 12;
                while query[end] != 0 {
                    end += 1 + usize::from(query[end]);
                }
                let (question, kind) = (query[12..end + 5].to_vec(), query[end + 2]);
                let addresses = if kinds_asked.contains(&kind) { &then } else { &first };
                kinds_asked.push(kind);
                let _ = socket.send_to(&answer(&query[..2], &question, kind, addresses), from).await;
            }
        });
        (Resolver::new(&Options { servers, validate: Some(false), trust_anchor: None }).unwrap(), asked)
    }

    /// RFC 1035 §4.1; AAAA is kind 28.
    fn answer(id: &[u8], question: &[u8], kind: u8, addresses: &[IpAddr]) -> Vec<u8> {
        let data = |address: &IpAddr| match (kind, address) {
            (1, IpAddr::V4(v4)) => Some(v4.octets().to_vec()),
            (28, IpAddr::V6(v6)) => Some(v6.octets().to_vec()),
            _ => None,
        };
        let records: Vec<Vec<u8>> = addresses.iter().filter_map(data).collect();
        let mut octets = [id, &[0x81, 0x80, 0, 1, 0, records.len() as u8, 0, 0, 0, 0], question].concat();
        for data in records {
            octets.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
            octets.extend(data);
        }
        octets
    }

    const BOUNDS: Bounds = Bounds { body_bytes_max: 10, time: Duration::from_secs(10), redirects_max: 0 };

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_connected_to() {
        let inside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        inside.set_nonblocking(true).unwrap();
        for addresses in [
            &["127.0.0.1"][..],
            // Of two answers one is on the Internet.
            &["9.9.9.9", "127.0.0.1"],
            &["127.0.0.1", "9.9.9.9"],
            &["2620:fe::fe", "127.0.0.1"],
            &["9.9.9.9", "::1"],
            // An IPv4 address within one of IPv6, and by NAT64.
            &["::ffff:127.0.0.1"],
            &["::ffff:10.0.0.1", "9.9.9.9"],
            &["64:ff9b::7f00:1"],
        ] {
            let (resolver, _) = names(addresses, addresses).await;
            let mut fetcher = Fetcher::new(resolver, Connector::new(&[]).unwrap(), vec!["192.168.0.0/16".parse().unwrap()]);
            fetcher.port = inside.local_addr().unwrap().port();
            match fetcher.get("https://name.example.org/", &BOUNDS).await {
                Err(FetchError::NotPublic { host, address }) => {
                    assert_eq!(host, "name.example.org");
                    assert!(addresses.iter().any(|text| text.parse() == Ok(address)) && !is_public(address), "{address}");
                }
                other => panic!("{addresses:?}: {other:?}"),
            }
            assert!(inside.accept().is_err(), "{addresses:?}: nobody was connected to");
        }
    }

    #[tokio::test]
    async fn a_name_is_looked_up_once_and_what_was_looked_at_is_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connected = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connected);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                drop(stream);
            }
        });
        // The first answer may be connected to; the second, a moment later, would be another machine.
        let (resolver, asked) = names(&["127.0.0.1"], &["10.0.0.1"]).await;
        let mut fetcher = Fetcher::new(resolver, Connector::new(&[]).unwrap(), vec!["127.0.0.1/32".parse().unwrap()]);
        fetcher.port = port;
        let error = fetcher.get("https://name.example.org/", &BOUNDS).await.unwrap_err();
        assert!(matches!(error, FetchError::Connection { .. }), "{error}");
        assert_eq!((asked.load(Ordering::SeqCst), connected.load(Ordering::SeqCst)), (2, 1), "one question each for A and AAAA");
    }
}
