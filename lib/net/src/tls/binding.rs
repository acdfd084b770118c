// SPDX-License-Identifier: AGPL-3.0-or-later
//! Channel bindings: what both ends of one TLS connection know and nobody between them does.

use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::prelude::{FromDer, X509Certificate};

/// RFC 9266 §4: label, no context, 32 bytes.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
const EXPORTER_BYTES: usize = 32;

/// The channel bindings of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelBinding {
    /// `tls-exporter` (RFC 9266). Only for TLS 1.3: in 1.2 it is sound only with the extended master secret (§4.2),
    /// and rustls does not say whether a connection has it.
    pub exporter: Option<Vec<u8>>,
    /// `tls-server-end-point` (RFC 5929 §4). Empty where it is undefined (EdDSA certificates).
    pub server_end_point: Vec<u8>,
}

impl ChannelBinding {
    pub(super) fn new<Data>(connection: &rustls::ConnectionCommon<Data>, server_end_point: Vec<u8>) -> Self {
        let exporter = (connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3))
            .then(|| connection.export_keying_material([0; EXPORTER_BYTES], EXPORTER_LABEL, None).ok())
            .flatten()
            .map(|bytes| bytes.to_vec());
        Self { exporter, server_end_point }
    }
}

/// The hash of the server's certificate, RFC 5929 §4.1: by the certificate's own hash function, SHA-256 in place of
/// MD5 and SHA-1; empty when it has none.
pub fn server_end_point(certificate: &CertificateDer<'_>) -> Vec<u8> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        // md5WithRSA, sha1WithRSA, ecdsa-with-SHA1; sha256WithRSA, ecdsa-with-SHA256
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" | "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" => {
            Sha256::digest(certificate).to_vec()
        }
        // sha384WithRSA, ecdsa-with-SHA384
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Sha384::digest(certificate).to_vec(),
        // sha512WithRSA, ecdsa-with-SHA512
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Sha512::digest(certificate).to_vec(),
        _ => Vec::new(),
    }
}
