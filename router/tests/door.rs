// SPDX-License-Identifier: AGPL-3.0-or-later
//! The door with real sockets: TLS in front, a process behind.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use bytes::Bytes;
use hearth_boot::{Boot, Config, Stop};
use hearth_net::tls::Connector;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener};
use tokio::task::{JoinHandle, JoinSet};

struct Door {
    dir: tempfile::TempDir,
    config: Config,
    stop: Stop,
    serving: JoinHandle<anyhow::Result<()>>,
}

/// Each test has a loopback address of its own, so that they run side by side on the same ports.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [a, b, ..] = std::process::id().to_le_bytes();
    Ipv4Addr::new(127, a.clamp(1, 254), b.clamp(1, 254), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Door {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["tls", "run"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let names: Vec<String> = ["id.example.org", "mail.example.org", "example.org"].map(str::to_owned).to_vec();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(dir.path().join("tls/node.pem"), made.cert.pem()).unwrap();
        std::fs::write(dir.path().join("tls/node.key"), made.signing_key.serialize_pem()).unwrap();
        let text =
            format!("[home]\ndomain = \"example.org\"\n[listen]\naddresses = [\"{}\"]\nport_offset = 20000\n", own_address());
        let config = Config::from_text(dir.path(), &text, []).unwrap();
        let boot = Boot::for_tests("router", config.clone());
        let stop = boot.stop.clone();
        let serving = tokio::spawn(hearth_router::serve(boot));
        let door = Self { dir, config, stop, serving };
        while TcpStream::connect(door.at(443)).await.is_err() {
            assert!(!door.serving.is_finished(), "the door does not open");
            tokio::task::yield_now().await;
        }
        door
    }

    fn at(&self, port: u16) -> SocketAddr {
        self.config.local_address(port)
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.dir.path().join(below)
    }

    async fn ask(&self, request: &str) -> String {
        let connector = Connector::new(&[self.path("tls/node.pem")]).unwrap();
        let stream = TcpStream::connect(self.at(443)).await.unwrap();
        let (mut stream, _) = connector.verified("id.example.org", stream).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn get(&self, host: &str, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n")).await
    }
}

/// A process that answers with what it was asked, and the length of the body. To abort it ends its connections too.
fn behind(socket: &Path) -> JoinHandle<()> {
    counted(socket, Arc::default())
}

/// The same; `connections` counts those that it took.
fn counted(socket: &Path, connections: Arc<AtomicUsize>) -> JoinHandle<()> {
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        let mut serving = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::Relaxed);
            let service = service_fn(|request: Request<Incoming>| async move {
                let head = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
                let mut length = 0;
                let mut body = request.into_body();
                while let Some(frame) = body.frame().await {
                    length += frame?.data_ref().map_or(0, Bytes::len);
                }
                let answer = Response::builder().header("x-own", "1").header("connection", "x-own");
                Ok::<_, hyper::Error>(answer.body(Full::new(Bytes::from(format!("{head} body={length}")))).unwrap())
            });
            serving.spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

#[tokio::test]
async fn a_request_reaches_the_process_with_true_facts_and_nothing_of_the_clients() {
    let door = Door::open().await;
    behind(&door.path("run/oauth.sock"));
    let answer = door.get("ID.example.org:20443", "/token?x=1").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("GET /token?x=1 "), "{answer}");
    assert!(answer.contains("\"x-forwarded-host\": \"id.example.org:20443\""), "{answer}");
    assert!(answer.contains("\"x-forwarded-proto\": \"https\"") && answer.contains("\"x-forwarded-for\": \"127."), "{answer}");
    assert!(!answer.contains("6.6.6.6"), "{answer}");
    assert!(answer.to_lowercase().contains("strict-transport-security: max-age="), "{answer}");
    assert!(!answer.to_lowercase().contains("x-own"), "a field for one connection: {answer}");
}

#[tokio::test]
async fn a_large_body_streams_through() {
    let door = Door::open().await;
    behind(&door.path("run/jmap.sock"));
    let body = "x".repeat(3 * 1024 * 1024);
    let request = format!(
        "POST /jmap/upload HTTP/1.1\r\nHost: mail.example.org\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = door.ask(&request).await;
    assert!(answer.contains(&format!("body={}", body.len())), "{}", answer.get(..200).unwrap_or(&answer));
}

#[tokio::test]
async fn a_process_that_is_down_is_503_and_back_is_back() {
    let door = Door::open().await;
    let answer = door.get("id.example.org", "/").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.to_lowercase().contains("retry-after: 2"), "{answer}");
    let process = behind(&door.path("run/oauth.sock"));
    assert!(door.get("id.example.org", "/").await.starts_with("HTTP/1.1 200 "));
    process.abort();
    let _ = process.await;
    // The file of the socket is still there, as a killed process leaves it.
    assert!(door.path("run/oauth.sock").exists());
    assert!(door.get("id.example.org", "/").await.starts_with("HTTP/1.1 503 "));
    std::fs::remove_file(door.path("run/oauth.sock")).unwrap();
    behind(&door.path("run/oauth.sock"));
    assert!(door.get("id.example.org", "/").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_connection_to_a_process_serves_the_next_request() {
    let door = Door::open().await;
    let connections = Arc::default();
    counted(&door.path("run/oauth.sock"), Arc::clone(&connections));
    for _ in 0..10 {
        assert!(door.get("id.example.org", "/").await.starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    let all_servers = "OPTIONS * HTTP/1.1\r\nHost: id.example.org\r\nConnection: close\r\n\r\n";
    let answer = door.ask(all_servers).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("OPTIONS * "), "{answer}");
}

#[tokio::test]
async fn names_that_are_not_ours_and_requests_without_a_name() {
    let door = Door::open().await;
    std::fs::remove_file(door.path("identity.db")).ok();
    assert!(door.get("example.com", "/").await.starts_with("HTTP/1.1 421 "));
    assert!(door.get("example.org", "/nothing").await.starts_with("HTTP/1.1 404 "));
    assert!(door.get("example.org", "/").await.contains("<h1>example.org</h1>"));
    assert!(door.ask("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    let two = "GET / HTTP/1.1\r\nHost: example.org\r\nHost: id.example.org\r\nConnection: close\r\n\r\n";
    assert!(door.ask(two).await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn plain_http_only_leads_to_https() {
    let door = Door::open().await;
    let mut stream = TcpStream::connect(door.at(80)).await.unwrap();
    stream.write_all(b"GET /a?b HTTP/1.1\r\nHost: id.example.org:20080\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    assert!(answer.contains("location: https://id.example.org:20443/a?b\r\n"), "{answer}");
    assert!(!answer.to_lowercase().contains("strict-transport-security"), "{answer}");
}

#[tokio::test]
async fn http2_is_spoken_when_it_is_agreed() {
    let door = Door::open().await;
    behind(&door.path("run/oauth.sock"));
    let connector = Connector::new(&[door.path("tls/node.pem")]).unwrap().with_alpn(&["h2"]);
    let stream = TcpStream::connect(door.at(443)).await.unwrap();
    let (stream, _) = connector.verified("id.example.org", stream).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://id.example.org:20443/jwks").body(Empty::<Bytes>::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("\"host\": \"id.example.org:20443\""));
}

#[tokio::test]
async fn stop_ends_idle_connections_and_the_server() {
    let door = Door::open().await;
    let mut idle = TcpStream::connect(door.at(80)).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    door.stop.request();
    door.serving.await.unwrap().unwrap();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
}
