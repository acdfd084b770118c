// SPDX-License-Identifier: AGPL-3.0-or-later
//! The server's side of TLS, with certificates that may change under way.
//!
//! No task watches the files: when a handshake begins and the last look is two seconds old, their times are read.
//! A pair that cannot be used is logged and the old one stays.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use super::{ChannelBinding, ServerStream, TlsError, cipher_name, provider, server_end_point, version_name};
use crate::limits::{CERTIFICATE_CHECK, HANDSHAKE, PEM_BYTES_MAX, TLS_SEND_BUFFER_BYTES};

/// What is known of a connection after its handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The suite by its IANA name.
    pub cipher: String,
    /// The name that the client asked for.
    pub sni: Option<String>,
    /// The protocol agreed by ALPN.
    pub alpn: Option<Vec<u8>>,
    /// For SCRAM-PLUS.
    pub binding: ChannelBinding,
}

/// Accepts TLS with the certificate in two files. Clones share everything.
#[derive(Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

struct Shared {
    certificate: PathBuf,
    key: PathBuf,
    alpn: Vec<Vec<u8>>,
    tickets: Option<Arc<dyn ProducesTickets>>,
    now: ArcSwap<Loaded>,
    looked: Mutex<Instant>,
}

/// One state of the files.
struct Loaded {
    config: Arc<ServerConfig>,
    server_end_point: Vec<u8>,
    times: Times,
}

type Times = (Option<SystemTime>, Option<SystemTime>);

impl Tls {
    /// Loads a chain and its key (PEM). `alpn` are the protocols offered, first is best; none for mail.
    pub fn load(certificate: &Path, key: &Path, alpn: &[&str]) -> Result<Self, TlsError> {
        let alpn: Vec<Vec<u8>> = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        // Without tickets every connection has a full handshake: slower, not wrong.
        let tickets = rustls::crypto::aws_lc_rs::Ticketer::new().ok();
        let loaded = read(certificate, key, &alpn, tickets.as_ref())?;
        let (certificate, key) = (certificate.to_path_buf(), key.to_path_buf());
        let looked = Mutex::new(Instant::now());
        Ok(Self { shared: Arc::new(Shared { certificate, key, alpn, tickets, now: ArcSwap::from_pointee(loaded), looked }) })
    }

    /// Runs the handshake, within [`HANDSHAKE`].
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<(ServerStream<S>, Facts)> {
        self.look();
        let loaded = self.shared.now.load_full();
        let acceptor = TlsAcceptor::from(Arc::clone(&loaded.config));
        let accepting = acceptor.accept_with(stream, |connection| connection.set_buffer_limit(Some(TLS_SEND_BUFFER_BYTES)));
        let stream =
            timeout(HANDSHAKE, accepting).await.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "TLS handshake"))??;
        let (_, connection) = stream.get_ref();
        let facts = Facts {
            version: version_name(connection.protocol_version()),
            cipher: cipher_name(connection.negotiated_cipher_suite()),
            sni: connection.server_name().map(str::to_lowercase),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            binding: ChannelBinding::new(connection, loaded.server_end_point.clone()),
        };
        Ok((stream, facts))
    }

    /// Reads the files again when they have changed; `true` when new ones are in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let shared = &self.shared;
        if times(&shared.certificate, &shared.key) == shared.now.load().times {
            return Ok(false);
        }
        shared.now.store(Arc::new(read(&shared.certificate, &shared.key, &shared.alpn, shared.tickets.as_ref())?));
        Ok(true)
    }

    /// `reload`, at most every [`CERTIFICATE_CHECK`].
    fn look(&self) {
        let mut looked = self.shared.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.elapsed() < CERTIFICATE_CHECK {
            return;
        }
        *looked = Instant::now();
        drop(looked);
        match self.reload() {
            Ok(false) => {}
            Ok(true) => tracing::info!(certificate = %self.shared.certificate.display(), "certificate reloaded"),
            Err(error) => tracing::warn!(%error, "the new certificate cannot be used; the old one stays"),
        }
    }
}

fn read(certificate: &Path, key: &Path, alpn: &[Vec<u8>], tickets: Option<&Arc<dyn ProducesTickets>>) -> Result<Loaded, TlsError> {
    // The times first: a change while we read is then seen the next time.
    let times = times(certificate, key);
    let chain = certificates(certificate)?;
    let first = chain.first().ok_or_else(|| TlsError::file(certificate, "it has no certificate"))?;
    let server_end_point = server_end_point(first);
    let private = PrivateKeyDer::from_pem_slice(&pem(key)?).map_err(|error| TlsError::file(key, error))?;
    let pair = |error: rustls::Error| TlsError::Pair { path: certificate.to_path_buf(), reason: error.to_string() };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(pair)?;
    config.alpn_protocols = alpn.to_vec();
    // Tickets are sealed and kept by the client; a store of sessions would cost us memory.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    if let Some(tickets) = tickets {
        config.ticketer = Arc::clone(tickets);
    }
    Ok(Loaded { config: Arc::new(config), server_end_point, times })
}

/// All certificates of a PEM file.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = pem(path)?;
    CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(|error| TlsError::file(path, error))
}

fn pem(path: &Path) -> Result<Vec<u8>, TlsError> {
    let length = fs::metadata(path).map_err(|error| TlsError::file(path, error))?.len();
    if length > PEM_BYTES_MAX {
        return Err(TlsError::file(path, "it is too large for a certificate"));
    }
    fs::read(path).map_err(|error| TlsError::file(path, error))
}

fn times(certificate: &Path, key: &Path) -> Times {
    let time = |path: &Path| fs::metadata(path).and_then(|facts| facts.modified()).ok();
    (time(certificate), time(key))
}
