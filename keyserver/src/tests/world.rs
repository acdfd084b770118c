// SPDX-License-Identifier: AGPL-3.0-or-later
//! A small Internet on this machine: DNS that leads some names here, and one HTTPS server that answers for all of them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hearth_net::dns::{Options, Resolver};
use hearth_net::fetch::Fetcher;
use hearth_net::tls::{Connector, Tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::House;
use crate::find::Finder;

/// What a host does with a request.
#[derive(Clone)]
pub(super) enum Says {
    Keys(Vec<u8>),
    NotFound,
    /// A redirect.
    Elsewhere(String),
    /// It takes the request and says nothing.
    Silence,
}

type Answers = Arc<Mutex<dyn FnMut(&str, &str) -> Says + Send>>;

/// It ends with the runtime of its test.
pub(super) struct World {
    dns: SocketAddr,
    port: u16,
    folder: tempfile::TempDir,
    /// What was asked for: host and path.
    pub(super) asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl World {
    /// `answers` is called with the host and the path of every request.
    pub(super) async fn new(names: &[&str], answers: impl FnMut(&str, &str) -> Says + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let made = rcgen::generate_simple_self_signed(names.clone()).unwrap();
        let (certificate, key) = (folder.path().join("ca.pem"), folder.path().join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let tls = Tls::load(&certificate, &key, &["http/1.1"]).unwrap();
        let (listener, socket) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let (port, dns) = (listener.local_addr().unwrap().port(), socket.local_addr().unwrap());
        tokio::spawn(answer_names(socket, names));
        let (answers, asked): (Answers, _) = (Arc::new(Mutex::new(answers)), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(tls.clone(), stream, Arc::clone(&answers), Arc::clone(&seen)));
            }
        });
        Self { dns, port, folder, asked }
    }

    /// Somebody of a house who looks around in it.
    pub(super) fn finder(&self, house: &House, keyserver: &str) -> Finder {
        let options = Options { servers: vec![self.dns], validate: Some(false), trust_anchor: None };
        let resolver = Resolver::new(&options).unwrap();
        let connector = Connector::new(&[self.folder.path().join("ca.pem")]).unwrap();
        let here = vec!["127.0.0.0/8".parse().unwrap()];
        let fetcher = Fetcher::new(resolver.clone(), connector, here).at_port(self.port);
        Finder::new(house.directory.clone(), resolver, fetcher, house.clock.clone(), keyserver)
    }

    /// How often hosts were asked whose name begins so.
    pub(super) fn count(&self, begins: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|(host, _)| host.starts_with(begins)).count()
    }
}

/// RFC 1035 §4: the address of this machine for the names that there are, and NXDOMAIN for all others.
async fn answer_names(socket: UdpSocket, names: Vec<String>) {
    let mut query = [0; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut query).await {
        let (mut at, mut labels) = (12, Vec::new());
        while query[at] != 0 {
            let end = at + 1 + usize::from(query[at]);
            labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
            at = end;
        }
        let question = &query[12..(at + 5).min(length)];
        let (is_here, is_a) = (names.contains(&labels.join(".")), query[at + 1..at + 3] == [0, 1]);
        let mut answer = query[..2].to_vec();
        answer.extend([0x81, if is_here { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(is_here && is_a), 0, 0, 0, 0]);
        answer.extend(question);
        if is_here && is_a {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
        }
        socket.send_to(&answer, from).await.unwrap();
    }
}

async fn converse(tls: Tls, stream: TcpStream, answers: Answers, asked: Arc<Mutex<Vec<(String, String)>>>) {
    let Ok((mut stream, _)) = tls.accept(stream).await else { return };
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(octet) = stream.read_u8().await else { return };
        request.push(octet);
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap().to_string();
    let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_string();
    let says = answers.lock().unwrap()(&host, &path);
    asked.lock().unwrap().push((host, path));
    let (status, field, body) = match says {
        Says::Keys(body) => ("200 OK", String::new(), body),
        Says::NotFound => ("404 Not Found", String::new(), Vec::new()),
        Says::Elsewhere(place) => ("302 Found", format!("Location: {place}\r\n"), Vec::new()),
        Says::Silence => return std::future::pending().await,
    };
    let head = format!("HTTP/1.1 {status}\r\n{field}Content-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.into_bytes(), body].concat()).await;
    let _ = stream.shutdown().await;
}
