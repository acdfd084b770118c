// SPDX-License-Identifier: AGPL-3.0-or-later
//! Back-channel logout as a client meets it: by HTTPS on this machine, through a stop, and beside a client that is unwell.

mod support;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_net::tls::Tls;
use hearth_oauth::endpoint::logout_token;
use hearth_oauth::limits;
use serde_json::json;
use support::{House, claims, on_both_engines, request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What a path says; none is silence.
type Says = Arc<Mutex<Option<&'static str>>>;

/// A web server with the back-channel addresses of clients: `/well` says 200, `/ill` 503, `/odd` what it is told to.
struct Receiver {
    port: u16,
    folder: tempfile::TempDir,
    odd: Says,
    /// Path and `sid`, in their order.
    heard: Arc<Mutex<Vec<(String, String)>>>,
}

impl Receiver {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
        let (certificate, key) = (folder.path().join("ca.pem"), folder.path().join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let tls = Tls::load(&certificate, &key, &["http/1.1"]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (odd, heard) = (Says::default(), Arc::default());
        let (says, list) = (Arc::clone(&odd), Arc::clone(&heard));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(tls.clone(), stream, Arc::clone(&says), Arc::clone(&list)));
            }
        });
        Self { port, folder, odd, heard }
    }

    fn roots(&self) -> Vec<PathBuf> {
        vec![self.folder.path().join("ca.pem")]
    }

    /// A client that is told at a path, and alice signed in to it; the `sid` that it knows.
    async fn client(&self, house: &House, name: &str, browser: &mut support::Browser) -> String {
        let to = json!({"backchannel_logout_uri": format!("https://localhost:{}/{name}", self.port)}).to_string();
        let secret = house.client(name, |new| new.metadata = to).await;
        let code = browser.code(&request(&[("client_id", name)])).await;
        let tokens = house.exchange_as((name, &secret), &code, &[]).await.json();
        claims(tokens["id_token"].as_str().unwrap())["sid"].as_str().unwrap().to_string()
    }

    fn count(&self, path: &str) -> usize {
        self.heard.lock().unwrap().iter().filter(|(heard, _)| heard == path).count()
    }

    async fn until(&self, path: &str, count: usize) {
        let waited = tokio::time::timeout(Duration::from_secs(15), async {
            while self.count(path) < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_ok(), "{path} was told {} times, not {count}", self.count(path));
    }
}

async fn converse(tls: Tls, stream: tokio::net::TcpStream, odd: Says, heard: Arc<Mutex<Vec<(String, String)>>>) {
    let Ok((mut stream, _)) = tls.accept(stream).await else { return };
    let mut text = Vec::new();
    let token = loop {
        let Ok(octet) = stream.read_u8().await else { return };
        text.push(octet);
        let so_far = String::from_utf8_lossy(&text);
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            break body.strip_prefix("logout_token=").unwrap().to_string();
        }
    };
    let path = String::from_utf8_lossy(&text).split(' ').nth(1).unwrap().trim_start_matches('/').to_string();
    let says = match path.as_str() {
        "well" => Some("200 OK"),
        "ill" => Some("503 Service Unavailable"),
        _ => *odd.lock().unwrap(),
    };
    heard.lock().unwrap().push((path, claims(&token)["sid"].as_str().unwrap().to_string()));
    match says {
        Some(says) => {
            let answer = format!("HTTP/1.1 {says}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        None => tokio::time::sleep(Duration::from_secs(60)).await,
    }
}

/// The task of the house, until it is stopped.
fn follow(house: &House, receiver: &Receiver) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let told = logout_token::follow(house.ctx.clone(), receiver.roots(), async {
        let _ = stopped.await;
    });
    (stop, tokio::spawn(told))
}

async fn seen(house: &House) -> i64 {
    house.directory.find_setting("oauth.logout.seen").await.unwrap().unwrap().parse().unwrap()
}

/// One look and no more: the house begins to listen.
async fn begin(house: &House, receiver: &Receiver) {
    logout_token::follow(house.ctx.clone(), receiver.roots(), std::future::ready(())).await;
}

#[tokio::test]
async fn whoever_a_stop_cut_off_is_told_after_the_next_start() {
    on_both_engines(async |house| {
        let receiver = Receiver::start().await;
        begin(&house, &receiver).await;
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let sid = receiver.client(&house, "odd", &mut browser).await;
        let before = seen(&house).await;
        house.directory.end_session(sid.parse().unwrap()).await.unwrap();
        let (stop, told) = follow(&house, &receiver);
        receiver.until("odd", 1).await;
        stop.send(()).unwrap();
        told.await.unwrap();
        assert_eq!(seen(&house).await, before, "it heard, and did not say so");
        // The stop left nothing running that could tell it; the next start does, at once.
        *receiver.odd.lock().unwrap() = Some("200 OK");
        let (stop, told) = follow(&house, &receiver);
        receiver.until("odd", 2).await;
        tokio::time::timeout(limits::LOGOUT_LOOK_EVERY * 3, async {
            while seen(&house).await == before {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("the number goes on once it was told");
        stop.send(()).unwrap();
        told.await.unwrap();
        begin(&house, &receiver).await;
        let heard = receiver.heard.lock().unwrap().clone();
        assert_eq!(heard, [("odd".to_string(), sid.clone()), ("odd".to_string(), sid)]);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_is_unwell_is_left_after_its_tries_and_has_nobody_told_twice() {
    on_both_engines(async |house| {
        let receiver = Receiver::start().await;
        begin(&house, &receiver).await;
        let mut browser = house.browser();
        browser.sign_in("alice").await;
        let sid = receiver.client(&house, "ill", &mut browser).await;
        receiver.client(&house, "well", &mut browser).await;
        let before = seen(&house).await;
        house.directory.end_session(sid.parse().unwrap()).await.unwrap();
        let (stop, told) = follow(&house, &receiver);
        receiver.until("ill", limits::LOGOUT_TRIES as usize).await;
        assert_eq!((receiver.count("well"), seen(&house).await), (1, before));
        // Nothing is waited for after the last try.
        tokio::time::timeout(limits::LOGOUT_LOOK_EVERY * 3, async {
            while seen(&house).await == before {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("it is left");
        stop.send(()).unwrap();
        told.await.unwrap();
        assert_eq!((receiver.count("well"), receiver.count("ill")), (1, limits::LOGOUT_TRIES as usize));
    })
    .await;
}
