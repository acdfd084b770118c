// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a configuration to listening doors: what is opened, in which order, and closed again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context as _;
use hearth_boot::{Boot, Config, Engine};
use hearth_db::Source;
use hearth_identity::Directory;
use hearth_identity::login::{Gate, Revocations};
use hearth_mailstore::{Backend, Store, StoreConfig};
use hearth_net::listen::{self, Admission, Listener};
use hearth_net::tls::{Facts, Tls};
use hearth_types::{Clock, Secret};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::ctx::{Shared, Stream};
use crate::limits::{COMPRESSED_SESSIONS_MAX, PROGRESS_EVERY};
use crate::listing::Listings;
use crate::mirror::Mirrors;
use crate::{managesieve, pop3, session, snooze};

/// IMAP with STARTTLS.
const PORT: u16 = 143;
/// IMAP in TLS from the first byte (RFC 8314 §3.2).
const PORT_TLS: u16 = 993;
/// POP3 with STLS.
const PORT_POP3: u16 = 110;
/// POP3 in TLS from the first byte (RFC 8314 §3.3).
const PORT_POP3_TLS: u16 = 995;
/// ManageSieve with STARTTLS (RFC 5804 §1.8).
const PORT_SIEVE: u16 = 4190;
/// What a connection too many is told.
const REFUSAL: &[u8] = b"* BYE [LIMIT] too many connections\r\n";
const REFUSAL_POP3: &[u8] = b"-ERR [SYS/TEMP] too many connections\r\n";
const REFUSAL_SIEVE: &[u8] = b"BYE (TRYLATER) \"too many connections\"\r\n";

/// The bound ports.
pub struct Doors {
    plain: Vec<Listener>,
    tls: Vec<Listener>,
    pop3: Vec<Listener>,
    pop3_tls: Vec<Listener>,
    sieve: Vec<Listener>,
}

/// What is spoken behind a port.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    Imap,
    Pop3,
    Sieve,
}

/// Binds the ports, or says which one cannot be had.
pub fn bind(boot: &Boot) -> anyhow::Result<Doors> {
    let bind = |port| listen::bind_all(&boot.config.addresses(port));
    Ok(Doors {
        plain: bind(PORT)?,
        tls: bind(PORT_TLS)?,
        pop3: bind(PORT_POP3)?,
        pop3_tls: bind(PORT_POP3_TLS)?,
        sieve: bind(PORT_SIEVE)?,
    })
}

/// Opens the stores and loads the certificate.
pub async fn open(boot: &Boot) -> anyhow::Result<Arc<Shared>> {
    let config = &boot.config;
    let clock = Clock::system();
    let directory = Directory::open(&directory_source(config), clock.clone()).await.context("the directory cannot be opened")?;
    let store = StoreConfig {
        dir: config.dir.clone(),
        backend: backend(config),
        process: boot.name.to_string(),
        clock: clock.clone(),
        quota_bytes: config.quota_bytes(),
        delivers: false,
    };
    let store = Store::open(store).await.context("the mail store cannot be opened")?;
    let tls = Tls::load(&config.path("tls/node.pem"), &config.path("tls/node.key"), &[])?;
    let spool = config.run_path("append");
    clean_spool(&spool).context("the folder for large messages cannot be made")?;
    Ok(Arc::new(Shared {
        store,
        gate: Gate::new(config.run_path("gate.sock")),
        revocations: Revocations::start(directory.clone()),
        directory,
        tls: Some(tls),
        clock,
        stop: boot.stop.clone(),
        mirrors: Mirrors::default(),
        listings: Listings::default(),
        hostname: config.hostname(),
        append_bytes_max: config.limits.message_size_bytes_max,
        spool,
        spooled: AtomicU64::new(0),
        progress_every: PROGRESS_EVERY,
        compressors: Arc::new(Semaphore::new(COMPRESSED_SESSIONS_MAX)),
        maildrops: pop3::Maildrops::default(),
        sieve_url: format!("sieve://{}:{}", config.hostname(), config.port(PORT_SIEVE)),
        jmap_url: config.https_url(&config.hostname(), "/jmap/session"),
    }))
}

/// Serves until the request to stop, then lets the sessions say BYE.
pub async fn run(boot: &Boot, shared: Arc<Shared>, doors: Doors) -> anyhow::Result<()> {
    let limits = &boot.config.limits;
    let admission = Admission::new(limits.connections_max, limits.connections_per_address_max);
    let speak = |protocol: Protocol, tls: bool| {
        let shared = Arc::clone(&shared);
        move |stream: TcpStream, peer: listen::Peer| {
            let shared = Arc::clone(&shared);
            async move {
                if tls {
                    serve_tls(protocol, shared, stream, peer).await;
                } else {
                    begin(protocol, shared, Box::new(stream), peer, None).await;
                }
            }
        }
    };
    let stop = || {
        let stop = boot.stop.clone();
        async move { stop.requested().await }
    };
    use Protocol::{Imap, Pop3, Sieve};
    tokio::join!(
        snooze::run(Arc::clone(&shared)),
        listen::serve(doors.plain, admission.clone(), REFUSAL, stop(), speak(Imap, false)),
        // The refusal would not be TLS, so there is none.
        listen::serve(doors.tls, admission.clone(), b"", stop(), speak(Imap, true)),
        listen::serve(doors.pop3, admission.clone(), REFUSAL_POP3, stop(), speak(Pop3, false)),
        listen::serve(doors.pop3_tls, admission.clone(), b"", stop(), speak(Pop3, true)),
        listen::serve(doors.sieve, admission, REFUSAL_SIEVE, stop(), speak(Sieve, false)),
    );
    shared.store.close().await?;
    Ok(())
}

async fn begin(protocol: Protocol, shared: Arc<Shared>, stream: Stream, peer: listen::Peer, tls: Option<Facts>) {
    match protocol {
        Protocol::Imap => session::serve(shared, stream, peer.ip(), tls).await,
        Protocol::Pop3 => pop3::serve(shared, stream, peer.ip(), tls).await,
        Protocol::Sieve => managesieve::serve(shared, stream, peer.ip(), tls).await,
    }
}

async fn serve_tls(protocol: Protocol, shared: Arc<Shared>, stream: TcpStream, peer: listen::Peer) {
    let Some(tls) = shared.tls.clone() else { return };
    match Box::pin(tls.accept(stream)).await {
        Ok((stream, facts)) => begin(protocol, shared, Box::new(stream), peer, Some(facts)).await,
        Err(error) => tracing::debug!(peer = %peer.ip(), %error, "TLS handshake failed"),
    }
}

fn directory_source(config: &Config) -> Source {
    match config.store.engine {
        Engine::Sqlite => Source::Sqlite(config.path("identity.db")),
        Engine::Postgres => Source::Postgres { url: Secret::new(config.store.url.clone()), schema: "directory".to_string() },
    }
}

fn backend(config: &Config) -> Backend {
    match config.store.engine {
        Engine::Sqlite => Backend::Sqlite,
        Engine::Postgres => Backend::Postgres { url: Secret::new(config.store.url.clone()), schema: "mail".to_string() },
    }
}

/// An empty folder for messages that are being appended; what a crash left there is nobody's.
fn clean_spool(spool: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(spool) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir_all(spool)
}
