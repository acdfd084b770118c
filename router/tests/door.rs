// SPDX-License-Identifier: AGPL-3.0-or-later
//! The door with real sockets: TLS in front, a process behind.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use bytes::Bytes;
use hearth_boot::{Boot, Config, Stop};
use hearth_db::Source;
use hearth_identity::Directory;
use hearth_identity::grants::NewClient;
use hearth_net::tls::Connector;
use hearth_types::Clock;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
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

/// oauth as far as an app's door is concerned: who has the cookie `yes` may pass, until `closed`.
fn doorkeeper(socket: &Path, app: SocketAddr, closed: Arc<AtomicBool>) {
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let closed = Arc::clone(&closed);
            let service = service_fn(move |request: Request<Incoming>| {
                let field =
                    |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
                let asked = format!("{} {} of {}", request.method(), request.uri(), field("x-hearth-app"));
                let is_door = request.uri().path() == "/forward/check" && field("x-hearth-door") == "1";
                let lets_in = is_door && field("cookie").contains("__Host-hearth-app=yes") && !closed.load(Ordering::Relaxed);
                let answer =
                    Response::builder().header("x-hearth-upstream", format!("http://{app}")).header("remote-user", "alice");
                let answer = if lets_in { answer } else { Response::builder().status(if is_door { 303 } else { 200 }) };
                let answer = answer.header("location", "/.hearth/start").body(Full::new(Bytes::from(asked)));
                async move { Ok::<_, hyper::Error>(answer.unwrap()) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
}

/// An app that says what it was asked, and echoes what comes by a WebSocket.
async fn app() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|mut request: Request<Incoming>| async move {
                if !request.headers().contains_key("upgrade") {
                    let said = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
                    return Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(said))));
                }
                let protocol = request.headers()["upgrade"].clone();
                tokio::spawn(async move {
                    let mut both = TokioIo::new(hyper::upgrade::on(&mut request).await.unwrap());
                    let (mut read, mut write) = tokio::io::split(&mut both);
                    let _ended = tokio::io::copy(&mut read, &mut write).await;
                });
                let answer = Response::builder().status(101).header("connection", "upgrade").header("upgrade", protocol);
                Ok(answer.body(Full::default()).unwrap())
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades(),
            );
        }
    });
    address
}

/// A door with an app of the household behind it.
async fn door_with_an_app(closed: Arc<AtomicBool>) -> Door {
    let door = Door::open().await;
    let directory = Directory::open(&Source::Sqlite(door.path("identity.db")), Clock::system()).await.unwrap();
    directory.add_domain(&"example.org".parse().unwrap()).await.unwrap();
    let films = NewClient {
        identifier: None,
        name: "Films".into(),
        public: true,
        redirect_uris: vec!["https://mail.films.example:20443/.hearth/callback".into()],
        post_logout_redirect_uris: Vec::new(),
        grant_types: Vec::new(),
        scopes: vec!["openid".into()],
        preset: None,
        trusted: true,
        metadata: r#"{"hearth_upstream":"http://127.0.0.1:1"}"#.into(),
    };
    directory.add_client(films).await.unwrap();
    doorkeeper(&door.path("run/oauth.sock"), app().await, closed);
    door
}

#[tokio::test]
async fn an_app_is_reached_by_who_is_let_through_and_is_told_who_it_is() {
    let door = door_with_an_app(Arc::default()).await;
    let ask = async |path: &str, fields: &str| {
        door.ask(&format!("GET {path} HTTP/1.1\r\nHost: mail.films.example:20443\r\nConnection: close\r\n{fields}\r\n")).await
    };
    let stranger = ask("/album?x=1", "X-Hearth-Door: 1\r\nRemote-User: alice\r\n").await;
    assert!(stranger.starts_with("HTTP/1.1 303 ") && stranger.contains("location: /.hearth/start"), "{stranger}");
    let start = ask("/.hearth/start?to=/album", "X-Hearth-Door: 1\r\nX-Hearth-App: https://other.example\r\n").await;
    assert!(start.ends_with("GET /forward/start?to=/album of https://mail.films.example:20443"), "{start}");
    let forged = "Cookie: a=1; __Host-hearth-app=yes\r\nRemote-User: admin\r\nRemote-Email: admin@example.org\r\nX-Forwarded-For: 6.6.6.6\r\n";
    let alice = ask("/album?x=1", forged).await;
    assert!(alice.starts_with("HTTP/1.1 200 ") && alice.contains("GET /album?x=1 "), "{alice}");
    assert!(alice.contains(r#""remote-user": "alice""#) && alice.contains(r#""cookie": "a=1""#), "{alice}");
    assert!(alice.contains(r#""host": "mail.films.example:20443""#), "{alice}");
    for kept in ["admin", "yes", "6.6.6.6", "x-hearth"] {
        assert!(!alice.split("\r\n\r\n").nth(1).unwrap().contains(kept), "{kept}: {alice}");
    }
}

#[tokio::test]
async fn a_websocket_passes_and_ends_when_its_person_may_no_longer() {
    let closed = Arc::new(AtomicBool::new(false));
    let door = door_with_an_app(Arc::clone(&closed)).await;
    let connector = Connector::new(&[door.path("tls/node.pem")]).unwrap();
    let stream = TcpStream::connect(door.at(443)).await.unwrap();
    let (mut stream, _) = connector.verified("id.example.org", stream).await.unwrap();
    let upgrade = "GET /socket HTTP/1.1\r\nHost: mail.films.example:20443\r\nCookie: __Host-hearth-app=yes\r\n\
                   Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && head.contains("upgrade: websocket"), "{head}");
    stream.write_all(b"hello").await.unwrap();
    let mut echo = [0; 5];
    stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"hello");
    closed.store(true, Ordering::Relaxed);
    let mut rest = Vec::new();
    // Ends within the time between two looks.
    let _cut = stream.read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
}
