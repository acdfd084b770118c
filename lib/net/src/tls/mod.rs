// SPDX-License-Identifier: AGPL-3.0-or-later
//! TLS 1.2 and 1.3 by rustls with aws-lc-rs; hybrid post-quantum key exchange where the peer has it.
//!
//! [`Tls`] is the server's side: it follows its certificate files without a restart. [`Connector`] is the client's:
//! opportunistic (any certificate, and it says whether it was a good one) or verified. [`ChannelBinding`] is what
//! SCRAM-PLUS ties a login to.

mod binding;
mod client;
mod server;

pub use binding::{ChannelBinding, server_end_point};
pub use client::{Connector, ServerFacts, Verification};
pub use server::{Facts, Tls};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// Both directions of TLS over `S`, as a server.
pub type ServerStream<S> = tokio_rustls::server::TlsStream<S>;
/// Both directions of TLS over `S`, as a client.
pub type ClientStream<S> = tokio_rustls::client::TlsStream<S>;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of certificates or a key cannot be read.
    #[error("cannot read {}: {reason}; it must be PEM and readable by the user who runs the node", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// The certificate and the key do not belong together, or are of a kind we cannot use.
    #[error("the certificate {} and its key do not work: {reason}; put back a matching pair", .path.display())]
    Pair {
        /// The certificate's file.
        path: PathBuf,
        /// What rustls said.
        reason: String,
    },
}

impl TlsError {
    fn file(path: &Path, reason: impl ToString) -> Self {
        Self::File { path: path.to_path_buf(), reason: reason.to_string() }
    }
}

/// The one provider of cryptography; never the process-wide default, so that nobody else can change it.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn version_name(version: Option<rustls::ProtocolVersion>) -> &'static str {
    match version {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLS",
    }
}

fn cipher_name(suite: Option<rustls::SupportedCipherSuite>) -> String {
    // rustls names a suite TLS13_AES_256_GCM_SHA384; the registry of IANA has TLS_AES_256_GCM_SHA384.
    suite.and_then(|suite| suite.suite().as_str()).map(|name| name.replacen("TLS13_", "TLS_", 1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::{Duration, UNIX_EPOCH};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Writes a self-signed pair for `name` with a time of change that differs each call.
    fn write_pair(dir: &Path, name: &str, age: u64) -> (PathBuf, PathBuf) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let paths = (dir.join("node.pem"), dir.join("node.key"));
        fs::write(&paths.0, made.cert.pem()).unwrap();
        fs::write(&paths.1, made.signing_key.serialize_pem()).unwrap();
        let then = UNIX_EPOCH + Duration::from_secs(1_700_000_000 - age);
        for path in [&paths.0, &paths.1] {
            fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
        }
        paths
    }

    async fn meet(
        tls: &Tls,
        connector: &Connector,
        name: &str,
        strict: bool,
    ) -> (std::io::Result<Facts>, std::io::Result<ServerFacts>) {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let server = async {
            let (mut stream, facts) = tls.accept(ours).await?;
            stream.write_all(b"hi").await?;
            stream.shutdown().await?;
            Ok(facts)
        };
        let client = async {
            let (mut stream, facts) =
                if strict { connector.verified(name, theirs).await? } else { connector.opportunistic(name, theirs).await? };
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            assert_eq!(text, "hi");
            Ok(facts)
        };
        tokio::join!(server, client)
    }

    #[tokio::test]
    async fn both_sides_have_the_same_channel_bindings() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = write_pair(dir.path(), "mail.example.org", 10);
        let tls = Tls::load(&cert, &key, &[]).unwrap();
        let (server, client) = meet(&tls, &Connector::new(&[]).unwrap(), "mail.example.org", false).await;
        let (server, client) = (server.unwrap(), client.unwrap());
        assert_eq!(server.binding, client.binding);
        assert_eq!(server.binding.exporter.as_ref().map(Vec::len), Some(32));
        assert_eq!(server.binding.server_end_point.len(), 32);
        assert_eq!((server.version, server.sni.as_deref()), ("TLSv1.3", Some("mail.example.org")));
        assert!(server.cipher.starts_with("TLS_"), "{}", server.cipher);
    }

    #[tokio::test]
    async fn opportunistic_takes_any_certificate_and_says_what_it_was_worth() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = write_pair(dir.path(), "mail.example.org", 10);
        let tls = Tls::load(&cert, &key, &[]).unwrap();
        let stranger = Connector::new(&[]).unwrap();
        let friend = Connector::new(std::slice::from_ref(&cert)).unwrap();
        let (_, unverified) = meet(&tls, &stranger, "mail.example.org", false).await;
        assert!(matches!(unverified.unwrap().verification, Verification::Unverified(_)));
        let (_, verified) = meet(&tls, &friend, "mail.example.org", false).await;
        assert_eq!(verified.unwrap().verification, Verification::Verified);
        let (_, other_name) = meet(&tls, &friend, "mail.example.com", false).await;
        assert!(matches!(other_name.unwrap().verification, Verification::Unverified(_)));
        assert!(meet(&tls, &stranger, "mail.example.org", true).await.1.is_err());
        assert!(meet(&tls, &friend, "mail.example.org", true).await.1.is_ok());
    }

    #[tokio::test]
    async fn new_files_are_used_without_a_restart_and_bad_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = write_pair(dir.path(), "old.example.org", 30);
        let tls = Tls::load(&cert, &key, &[]).unwrap();
        let connector = Connector::new(&[]).unwrap();
        let chain = async |tls: &Tls| meet(tls, &connector, "old.example.org", false).await.1.unwrap().chain;
        let old = chain(&tls).await;
        assert!(!tls.reload().unwrap());
        write_pair(dir.path(), "new.example.org", 20);
        assert!(tls.reload().unwrap());
        let new = chain(&tls).await;
        assert_ne!(old, new);
        fs::write(&cert, "no certificate").unwrap();
        assert!(tls.reload().unwrap_err().to_string().contains("node.pem"));
        assert_eq!(chain(&tls).await, new);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_speaks_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = write_pair(dir.path(), "mail.example.org", 10);
        let tls = Tls::load(&cert, &key, &[]).unwrap();
        let (ours, _theirs) = tokio::io::duplex(1024);
        assert_eq!(tls.accept(ours).await.err().map(|error| error.kind()), Some(std::io::ErrorKind::TimedOut));
    }

    #[test]
    fn a_missing_file_is_named() {
        let says = Tls::load(Path::new("/nowhere/node.pem"), Path::new("/nowhere/node.key"), &[]).err().unwrap().to_string();
        assert!(says.contains("/nowhere/node.pem"), "{says}");
    }
}
