// SPDX-License-Identifier: AGPL-3.0-or-later
//! Plain/TLS connections with a line and literal reader.
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub type R<T> = Result<T, String>;
pub fn es<E: std::fmt::Display>(e: E) -> String {
    e.to_string()
}

/// Test servers carry self-signed certificates: the signature is checked, the name and chain are not.
#[derive(Debug)]
struct AnyCert(Arc<rustls::crypto::CryptoProvider>);
impl ServerCertVerifier for AnyCert {
    fn verify_server_cert(
        &self,
        _: &CertificateDer,
        _: &[CertificateDer],
        _: &ServerName,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        m: &[u8],
        c: &CertificateDer,
        d: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(m, c, d, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        m: &[u8],
        c: &CertificateDer,
        d: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(m, c, d, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

pub fn tls_client_config(resume: bool) -> rustls::ClientConfig {
    let p = Arc::new(rustls::crypto::ring::default_provider());
    let mut c = rustls::ClientConfig::builder_with_provider(p.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCert(p)))
        .with_no_client_auth();
    if !resume {
        c.resumption = rustls::client::Resumption::disabled();
    }
    c
}
pub fn connector(resume: bool) -> TlsConnector {
    TlsConnector::from(Arc::new(tls_client_config(resume)))
}

pub enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Gone,
}
impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, b: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match &mut *self {
            Io::Plain(s) => Pin::new(s).poll_read(cx, b),
            Io::Tls(s) => Pin::new(s).poll_read(cx, b),
            Io::Gone => Poll::Ready(Ok(())),
        }
    }
}
impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, b: &[u8]) -> Poll<std::io::Result<usize>> {
        match &mut *self {
            Io::Plain(s) => Pin::new(s).poll_write(cx, b),
            Io::Tls(s) => Pin::new(s).poll_write(cx, b),
            Io::Gone => Poll::Ready(Err(std::io::ErrorKind::NotConnected.into())),
        }
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut *self {
            Io::Plain(s) => Pin::new(s).poll_flush(cx),
            Io::Tls(s) => Pin::new(s).poll_flush(cx),
            Io::Gone => Poll::Ready(Ok(())),
        }
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut *self {
            Io::Plain(s) => Pin::new(s).poll_shutdown(cx),
            Io::Tls(s) => Pin::new(s).poll_shutdown(cx),
            Io::Gone => Poll::Ready(Ok(())),
        }
    }
}

pub struct Conn {
    io: Io,
    buf: Vec<u8>,
    pos: usize,
}
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);

static SOURCES: AtomicUsize = AtomicUsize::new(1);
static NEXT_SOURCE: AtomicUsize = AtomicUsize::new(0);
/// Connections come from so many addresses of the loopback network in turn, as from as many machines.
pub fn spread(sources: usize) {
    SOURCES.store(sources.max(1), Ordering::Relaxed);
}
fn source() -> Option<SocketAddr> {
    let sources = SOURCES.load(Ordering::Relaxed);
    let n = NEXT_SOURCE.fetch_add(1, Ordering::Relaxed) % sources;
    // Each in a network of its own (of 24 bits), as limits by address count them.
    (sources > 1).then(|| SocketAddr::from(([127, 1 + (n >> 8) as u8 % 254, n as u8, 1 + (n / 65_024) as u8], 0)))
}
/// Names below `.test` (RFC 6761 §6.2) are this machine.
fn place(addr: &str) -> String {
    match addr.rsplit_once(':') {
        Some((host, port)) if host.ends_with(".test") => format!("127.0.0.1:{port}"),
        _ => addr.to_string(),
    }
}
async fn dial(addr: &str) -> std::io::Result<TcpStream> {
    let to: SocketAddr = match place(addr).parse() {
        Ok(to) => to,
        Err(_) => return TcpStream::connect(addr).await,
    };
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = source() {
        socket.set_reuseaddr(true)?;
        socket.bind(from)?;
    }
    socket.connect(to).await
}

impl Conn {
    pub async fn connect(addr: &str) -> R<Conn> {
        let s = tokio::time::timeout(TIMEOUT, dial(addr)).await.map_err(es)?.map_err(|e| format!("connect {addr}: {e}"))?;
        s.set_nodelay(true).ok();
        Ok(Conn { io: Io::Plain(s), buf: Vec::new(), pos: 0 })
    }
    pub async fn start_tls(&mut self, c: &TlsConnector, host: &str) -> R<()> {
        match std::mem::replace(&mut self.io, Io::Gone) {
            Io::Plain(s) => {
                let name = ServerName::try_from(host.to_string()).map_err(es)?;
                let t = tokio::time::timeout(TIMEOUT, c.connect(name, s)).await.map_err(es)?.map_err(|e| format!("tls: {e}"))?;
                self.io = Io::Tls(Box::new(t));
                Ok(())
            }
            _ => Err("start_tls on a non-plain connection".into()),
        }
    }
    pub async fn write(&mut self, b: &[u8]) -> R<()> {
        self.io.write_all(b).await.map_err(es)?;
        self.io.flush().await.map_err(es)
    }
    pub async fn close(&mut self) {
        let _ = self.io.shutdown().await;
        self.io = Io::Gone;
    }
    /// Closes with a TCP reset, so that the client leaves no TIME_WAIT port behind.
    pub fn abort(&mut self) {
        if let Io::Plain(s) = &self.io {
            #[allow(deprecated)]
            let _ = s.set_linger(Some(std::time::Duration::ZERO));
        }
        self.io = Io::Gone;
    }
    async fn fill(&mut self) -> R<()> {
        if self.pos > 0 && self.pos == self.buf.len() {
            self.buf.clear();
            self.pos = 0;
        } else if self.pos > 1 << 16 {
            self.buf.drain(..self.pos);
            self.pos = 0;
        }
        let old = self.buf.len();
        self.buf.reserve(32 * 1024);
        let n = tokio::time::timeout(TIMEOUT, self.io.read_buf(&mut self.buf))
            .await
            .map_err(|_| "read timed out".to_string())?
            .map_err(es)?;
        if n == 0 && self.buf.len() == old {
            return Err("connection closed".into());
        }
        Ok(())
    }
    /// One line without CRLF.
    pub async fn line(&mut self) -> R<Vec<u8>> {
        let mut from = self.pos;
        loop {
            if let Some(i) = self.buf[from..].iter().position(|&b| b == b'\n') {
                let end = from + i;
                let mut e = end;
                if e > self.pos && self.buf[e - 1] == b'\r' {
                    e -= 1;
                }
                let l = self.buf[self.pos..e].to_vec();
                self.pos = end + 1;
                return Ok(l);
            }
            let off = self.buf.len() - self.pos;
            self.fill().await?;
            from = self.pos + off;
        }
    }
    pub async fn take(&mut self, n: usize) -> R<Vec<u8>> {
        while self.buf.len() - self.pos < n {
            self.fill().await?;
        }
        let v = self.buf[self.pos..self.pos + n].to_vec();
        self.pos += n;
        Ok(v)
    }
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await.is_ok() {}
        let v = self.buf[self.pos..].to_vec();
        self.pos = self.buf.len();
        v
    }
}

/// A tiny HTTP/1.1 client with keep-alive.
pub struct Http {
    conn: Option<Conn>,
    pub tls: TlsConnector,
    cur: String,
}
pub struct Resp {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}
impl Resp {
    pub fn header(&self, k: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == k).map(|(_, v)| v.as_str())
    }
    pub fn json(&self) -> R<serde_json::Value> {
        serde_json::from_slice(&self.body).map_err(|e| {
            format!("json: {e}: status {} {}", self.status, String::from_utf8_lossy(&self.body[..self.body.len().min(200)]))
        })
    }
    pub fn ok(self) -> R<Resp> {
        if (200..300).contains(&self.status) {
            Ok(self)
        } else {
            Err(format!("http {}: {}", self.status, String::from_utf8_lossy(&self.body[..self.body.len().min(300)])))
        }
    }
}
/// (https, host, addr, path)
pub fn split_url(u: &str) -> R<(bool, String, String, String)> {
    let (tls, rest) = if let Some(r) = u.strip_prefix("https://") {
        (true, r)
    } else if let Some(r) = u.strip_prefix("http://") {
        (false, r)
    } else {
        return Err(format!("bad url {u}"));
    };
    let (auth, path) = match rest.find(['/', '?']) {
        Some(i) => (&rest[..i], rest[i..].to_string()),
        None => (rest, "/".to_string()),
    };
    let addr = if auth.contains(':') { auth.to_string() } else { format!("{auth}:{}", if tls { 443 } else { 80 }) };
    Ok((tls, auth.to_string(), addr, path))
}
impl Http {
    pub fn new(tls: TlsConnector) -> Http {
        Http { conn: None, tls, cur: String::new() }
    }
    pub fn drop_conn(&mut self) {
        if let Some(c) = &mut self.conn {
            c.abort();
        }
        self.conn = None;
    }
    async fn open(&mut self, tls: bool, auth: &str, addr: &str) -> R<()> {
        let key = format!("{tls}{addr}");
        if self.conn.is_none() || self.cur != key {
            let mut c = Conn::connect(addr).await?;
            if tls {
                c.start_tls(&self.tls.clone(), auth.split(':').next().unwrap()).await?;
            }
            self.conn = Some(c);
            self.cur = key;
        }
        Ok(())
    }
    pub async fn send(&mut self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> R<()> {
        let (tls, auth, addr, path) = split_url(url)?;
        self.open(tls, &auth, &addr).await?;
        let mut h = format!("{method} {path} HTTP/1.1\r\nHost: {auth}\r\n");
        for (k, v) in headers {
            h.push_str(k);
            h.push_str(": ");
            h.push_str(v);
            h.push_str("\r\n");
        }
        if !body.is_empty() || method == "POST" || method == "PUT" {
            h.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        h.push_str("\r\n");
        let mut b = h.into_bytes();
        b.extend_from_slice(body);
        self.conn.as_mut().unwrap().write(&b).await
    }
    pub async fn head(&mut self) -> R<Resp> {
        let c = self.conn.as_mut().ok_or("not connected")?;
        let l = c.line().await?;
        let s = String::from_utf8_lossy(&l);
        let status = s.split(' ').nth(1).and_then(|x| x.parse().ok()).ok_or_else(|| format!("bad status line {s}"))?;
        let mut headers = vec![];
        loop {
            let l = c.line().await?;
            if l.is_empty() {
                break;
            }
            let s = String::from_utf8_lossy(&l).into_owned();
            if let Some((k, v)) = s.split_once(':') {
                headers.push((k.to_ascii_lowercase(), v.trim().to_string()));
            }
        }
        Ok(Resp { status, headers, body: vec![] })
    }
    async fn once(&mut self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> R<Resp> {
        self.send(method, url, headers, body).await?;
        let mut r = loop {
            let r = self.head().await?;
            if r.status != 100 {
                break r;
            }
        };
        let c = self.conn.as_mut().unwrap();
        if method == "HEAD" || r.status == 204 || r.status == 304 {
        } else if r.header("transfer-encoding").is_some_and(|v| v.contains("chunked")) {
            loop {
                let l = c.line().await?;
                let n = usize::from_str_radix(String::from_utf8_lossy(&l).split(';').next().unwrap().trim(), 16).map_err(es)?;
                if n == 0 {
                    while !c.line().await?.is_empty() {}
                    break;
                }
                let d = c.take(n).await?;
                r.body.extend_from_slice(&d);
                c.line().await?;
            }
        } else if let Some(n) = r.header("content-length").and_then(|v| v.parse().ok()) {
            r.body = c.take(n).await?;
        } else {
            r.body = c.rest().await;
            self.conn = None;
        }
        if r.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close")) {
            self.conn = None;
        }
        Ok(r)
    }
    pub async fn req(&mut self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> R<Resp> {
        let reused = self.conn.is_some();
        match self.once(method, url, headers, body).await {
            Ok(r) => Ok(r),
            Err(_) if reused => {
                self.conn = None;
                let r = self.once(method, url, headers, body).await;
                if r.is_err() {
                    self.conn = None;
                }
                r
            }
            Err(e) => {
                self.conn = None;
                Err(e)
            }
        }
    }
}
