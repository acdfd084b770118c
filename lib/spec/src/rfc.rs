// SPDX-License-Identifier: AGPL-3.0-or-later
//! The standards that the code cites: number, title, and what made them obsolete.
//!
//! `cargo xtask rfc` fails when a comment cites a number that is not here.

/// One document of the RFC series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc {
    /// Its number.
    pub number: u16,
    /// Its title, shortened to what tells it apart.
    pub title: &'static str,
    /// The document that replaced it, 0 when none did.
    pub obsoleted_by: u16,
}

const fn rfc(number: u16, title: &'static str) -> Rfc {
    Rfc { number, title, obsoleted_by: 0 }
}

const fn old(number: u16, title: &'static str, obsoleted_by: u16) -> Rfc {
    Rfc { number, title, obsoleted_by }
}

/// All of them, by number.
pub const ALL: &[Rfc] = &[
    rfc(1035, "Domain names: implementation and specification"),
    rfc(1870, "SMTP extension for message size declaration"),
    rfc(1939, "POP3"),
    rfc(2045, "MIME part one: format of message bodies"),
    rfc(2046, "MIME part two: media types"),
    rfc(2047, "MIME part three: non-ASCII header text"),
    rfc(2087, "IMAP4 QUOTA extension"),
    rfc(2177, "IMAP4 IDLE"),
    rfc(2183, "Content-Disposition"),
    rfc(2231, "MIME parameter value and encoded word extensions"),
    rfc(2369, "List header fields"),
    rfc(2557, "MIME encapsulation of aggregate documents"),
    rfc(2606, "Reserved top level DNS names"),
    rfc(2920, "SMTP command pipelining"),
    rfc(2971, "IMAP4 ID extension"),
    rfc(3030, "SMTP CHUNKING and BINARYMIME"),
    rfc(3156, "MIME security with OpenPGP"),
    rfc(3207, "SMTP over TLS (STARTTLS)"),
    rfc(3348, "IMAP4 child mailbox extension"),
    rfc(3461, "SMTP delivery status notifications"),
    rfc(3462, "multipart/report"),
    rfc(3463, "Enhanced mail system status codes"),
    rfc(3464, "Delivery status notification format"),
    old(3501, "IMAP4rev1", 9051),
    rfc(3502, "IMAP MULTIAPPEND"),
    rfc(3516, "IMAP4 BINARY"),
    rfc(3629, "UTF-8"),
    rfc(3691, "IMAP UNSELECT"),
    rfc(3834, "Automatic responses to mail"),
    rfc(3986, "URI"),
    rfc(4013, "SASLprep"),
    rfc(4122, "UUID"),
    rfc(4314, "IMAP4 ACL"),
    rfc(4315, "IMAP UIDPLUS"),
    rfc(4422, "SASL"),
    rfc(4505, "SASL ANONYMOUS"),
    rfc(4616, "SASL PLAIN"),
    rfc(4648, "Base16, base32 and base64"),
    rfc(4731, "IMAP4 ESEARCH"),
    rfc(4954, "SMTP AUTH"),
    rfc(4959, "IMAP SASL-IR"),
    rfc(4978, "IMAP COMPRESS"),
    rfc(5032, "IMAP SEARCH WITHIN"),
    rfc(5161, "IMAP ENABLE"),
    rfc(5182, "IMAP SEARCHRES"),
    rfc(5228, "Sieve"),
    rfc(5230, "Sieve vacation"),
    rfc(5233, "Sieve subaddress"),
    rfc(5234, "ABNF"),
    rfc(5256, "IMAP SORT and THREAD"),
    rfc(5258, "IMAP LIST-EXTENDED"),
    rfc(5267, "IMAP CONTEXT"),
    rfc(5321, "SMTP"),
    rfc(5322, "Internet message format"),
    rfc(5464, "IMAP METADATA"),
    rfc(5465, "IMAP NOTIFY"),
    rfc(5530, "IMAP response codes"),
    rfc(5705, "TLS keying material exporters"),
    rfc(5802, "SCRAM"),
    rfc(5804, "ManageSieve"),
    rfc(5819, "IMAP LIST-STATUS"),
    rfc(5890, "IDNA definitions"),
    rfc(5929, "Channel bindings for TLS"),
    rfc(6125, "Service identity in TLS"),
    rfc(6154, "IMAP SPECIAL-USE"),
    rfc(6265, "HTTP cookies"),
    rfc(6376, "DKIM"),
    rfc(6409, "Message submission"),
    rfc(6530, "Internationalized mail: overview"),
    rfc(6531, "SMTPUTF8"),
    rfc(6532, "Internationalized mail headers"),
    rfc(6749, "OAuth 2.0"),
    rfc(6750, "OAuth bearer tokens"),
    rfc(6797, "HTTP Strict Transport Security"),
    rfc(6819, "OAuth threat model"),
    rfc(6851, "IMAP MOVE"),
    rfc(6855, "IMAP UTF8=ACCEPT"),
    rfc(6901, "JSON Pointer"),
    rfc(6960, "OCSP"),
    rfc(6979, "Deterministic DSA and ECDSA"),
    rfc(7009, "OAuth token revocation"),
    rfc(7033, "WebFinger"),
    rfc(7162, "IMAP CONDSTORE and QRESYNC"),
    rfc(7208, "SPF"),
    rfc(7435, "Opportunistic security"),
    old(7489, "DMARC (2015)", 9989),
    rfc(7493, "I-JSON"),
    rfc(7505, "Null MX"),
    rfc(7515, "JWS"),
    rfc(7517, "JWK"),
    rfc(7518, "JWA"),
    rfc(7519, "JWT"),
    rfc(7591, "OAuth dynamic client registration"),
    rfc(7617, "HTTP Basic"),
    rfc(7628, "OAUTHBEARER"),
    rfc(7636, "PKCE"),
    rfc(7638, "JWK thumbprint"),
    rfc(7662, "OAuth token introspection"),
    rfc(7672, "SMTP DANE"),
    rfc(7677, "SCRAM-SHA-256"),
    rfc(7888, "IMAP non-synchronizing literals"),
    rfc(7889, "IMAP APPENDLIMIT"),
    rfc(7929, "DANE for OpenPGP"),
    rfc(8098, "Message disposition notification"),
    rfc(8187, "Characters in HTTP header parameters"),
    rfc(8252, "OAuth for native apps"),
    rfc(8301, "DKIM: algorithms and key usage"),
    rfc(8314, "Cleartext considered obsolete: TLS for mail"),
    rfc(8414, "OAuth server metadata"),
    rfc(8437, "IMAP UNAUTHENTICATE"),
    rfc(8438, "IMAP STATUS=SIZE"),
    rfc(8446, "TLS 1.3"),
    rfc(8457, "IMAP $Important"),
    rfc(8460, "TLS reporting"),
    rfc(8461, "MTA-STS"),
    rfc(8463, "DKIM Ed25519"),
    rfc(8474, "IMAP OBJECTID"),
    rfc(8508, "IMAP REPLACE"),
    rfc(8514, "IMAP SAVEDATE"),
    rfc(8555, "ACME"),
    rfc(8601, "Authentication-Results"),
    rfc(8615, "Well-known URIs"),
    rfc(8617, "ARC"),
    rfc(8620, "JMAP core"),
    rfc(8621, "JMAP mail"),
    rfc(8628, "OAuth device grant"),
    rfc(8689, "REQUIRETLS"),
    rfc(8693, "OAuth token exchange"),
    rfc(8707, "OAuth resource indicators"),
    rfc(8887, "JMAP over WebSocket"),
    rfc(8970, "IMAP PREVIEW"),
    rfc(9051, "IMAP4rev2"),
    rfc(9068, "JWT access tokens"),
    rfc(9106, "Argon2"),
    rfc(9110, "HTTP semantics"),
    rfc(9112, "HTTP/1.1"),
    rfc(9113, "HTTP/2"),
    rfc(9114, "HTTP/3"),
    rfc(9126, "Pushed authorization requests"),
    rfc(9207, "OAuth issuer identification"),
    rfc(9208, "IMAP QUOTA"),
    rfc(9266, "Channel bindings for TLS 1.3"),
    rfc(9394, "IMAP PARTIAL"),
    rfc(9404, "JMAP Blob"),
    rfc(9422, "SMTP LIMITS"),
    rfc(9425, "JMAP Quotas"),
    rfc(9449, "DPoP"),
    rfc(9457, "Problem details for HTTP"),
    rfc(9580, "OpenPGP"),
    rfc(9698, "IMAP JMAPACCESS"),
    rfc(9700, "OAuth security best current practice"),
    rfc(9728, "OAuth protected resource metadata"),
    rfc(9788, "Header protection"),
    rfc(9980, "Post-quantum cryptography in OpenPGP"),
    rfc(9989, "DMARC"),
];

/// Looks a document up.
pub fn find(number: u16) -> Option<&'static Rfc> {
    ALL.binary_search_by_key(&number, |rfc| rfc.number).ok().map(|at| &ALL[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_and_closed() {
        assert!(ALL.windows(2).all(|pair| pair[0].number < pair[1].number));
        assert!(ALL.iter().all(|rfc| rfc.obsoleted_by == 0 || find(rfc.obsoleted_by).is_some()));
    }
}
