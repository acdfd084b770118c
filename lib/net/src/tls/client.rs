// SPDX-License-Identifier: AGPL-3.0-or-later
//! The client's side of TLS: for mail to other hosts, and for whatever else we connect to.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::server::certificates;
use super::{ChannelBinding, ClientStream, TlsError, cipher_name, provider, server_end_point, version_name};
use crate::limits::HANDSHAKE;

/// What the server's certificate was worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It names the host and a trusted root vouches for it.
    Verified,
    /// It does not, and why.
    Unverified(String),
}

/// What is known of a connection that we made.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The suite by its IANA name.
    pub cipher: String,
    /// What the certificate was worth.
    pub verification: Verification,
    /// The server's chain, its own certificate first (for DANE).
    pub chain: Vec<CertificateDer<'static>>,
    /// For SCRAM-PLUS.
    pub binding: ChannelBinding,
}

/// Connects with TLS. Clones share everything.
#[derive(Clone)]
pub struct Connector {
    verifier: Arc<WebPkiServerVerifier>,
    alpn: Vec<Vec<u8>>,
}

impl Connector {
    /// Trusts the public authorities and the certificates in `extra_roots` (PEM files).
    pub fn new(extra_roots: &[PathBuf]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for path in extra_roots {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| TlsError::file(path, error))?;
            }
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| TlsError::File { path: PathBuf::from("tls.extra_roots"), reason: error.to_string() })?;
        Ok(Self { verifier, alpn: Vec::new() })
    }

    /// Offers protocols by ALPN.
    pub fn with_alpn(mut self, alpn: &[&str]) -> Self {
        self.alpn = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// Any certificate will do, and the facts say what it was worth (RFC 7435). `name` is the host that we meant.
    pub async fn opportunistic<S>(&self, name: &str, stream: S) -> io::Result<(ClientStream<S>, ServerFacts)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.connect(name, stream, false).await
    }

    /// The certificate must name `name` and lead to a trusted root.
    pub async fn verified<S>(&self, name: &str, stream: S) -> io::Result<(ClientStream<S>, ServerFacts)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.connect(name, stream, true).await
    }

    async fn connect<S>(&self, name: &str, stream: S, strict: bool) -> io::Result<(ClientStream<S>, ServerFacts)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(name.trim_end_matches('.').to_owned())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not a host name"))?;
        let witness =
            Arc::new(Witness { verifier: Arc::clone(&self.verifier), strict, outcome: Mutex::new(Verification::Verified) });
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Witness>::clone(&witness))
            .with_no_client_auth();
        config.alpn_protocols.clone_from(&self.alpn);
        // A resumed session has no certificate to look at.
        config.resumption = rustls::client::Resumption::disabled();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream =
            timeout(HANDSHAKE, connecting).await.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "TLS handshake"))??;
        let (_, connection) = stream.get_ref();
        let chain: Vec<CertificateDer<'static>> =
            connection.peer_certificates().unwrap_or_default().iter().map(|certificate| certificate.clone().into_owned()).collect();
        let facts = ServerFacts {
            version: version_name(connection.protocol_version()),
            cipher: cipher_name(connection.negotiated_cipher_suite()),
            verification: witness.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            binding: ChannelBinding::new(connection, chain.first().map(server_end_point).unwrap_or_default()),
            chain,
        };
        Ok((stream, facts))
    }
}

/// Verifies, remembers the outcome, and fails only when strict. Signatures of the handshake are always checked.
#[derive(Debug)]
struct Witness {
    verifier: Arc<WebPkiServerVerifier>,
    strict: bool,
    outcome: Mutex<Verification>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(error) if !self.strict => {
                *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Verification::Unverified(error.to_string());
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
