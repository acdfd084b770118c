// SPDX-License-Identifier: AGPL-3.0-or-later
//! SCRAM-SHA-256 (RFC 5802 with the hash of RFC 7677): messages and arithmetic of the server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::Malformed;
use super::prep;

/// RFC 7677 §4: at least 4096. It is enough for app passwords, which are 128 random bits.
pub const ITERATIONS: u32 = 4096;
/// Characters of a client's nonce.
const NONCE_CHARS_MAX: usize = 256;

/// What a server keeps of a password: it proves a client right, and cannot be used to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// `H(ClientKey)`
    pub stored_key: [u8; 32],
    /// `HMAC(SaltedPassword, "Server Key")`
    pub server_key: [u8; 32],
}

impl Verifier {
    /// Computes it: `iterations` rounds of PBKDF2, a millisecond or so for [`ITERATIONS`].
    pub fn new(password: &str, salt: &[u8], iterations: u32) -> Self {
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(prep::prepare(password).as_bytes(), salt, iterations, &mut salted);
        let client_key = hmac(&salted, b"Client Key");
        Self { stored_key: Sha256::digest(client_key).into(), server_key: hmac(&salted, b"Server Key") }
    }

    /// RFC 5802 §3: ClientKey is the proof XOR ClientSignature, and its hash is the stored key.
    pub(super) fn admits(&self, auth_message: &[u8], proof: &[u8; 32]) -> bool {
        let mut client_key = hmac(&self.stored_key, auth_message);
        for (key, proof) in client_key.iter_mut().zip(proof) {
            *key ^= proof;
        }
        Sha256::digest(client_key).ct_eq(&self.stored_key).into()
    }

    /// `ServerSignature`, by which the client knows that we knew.
    pub(super) fn sign(&self, auth_message: &[u8]) -> [u8; 32] {
        hmac(&self.server_key, auth_message)
    }
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// What the client says of channel binding (RFC 5802 §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// It cannot.
    Cannot,
    /// It could, and believes that we cannot.
    Thinks,
    /// It does, with this type.
    Binds(String),
}

/// `client-first-message`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFirst {
    pub flag: Flag,
    pub authorization: Option<String>,
    pub user: String,
    pub nonce: String,
    /// `gs2-header` as it was sent.
    pub header: String,
    /// `client-first-message-bare` as it was sent.
    pub bare: String,
}

/// `client-final-message`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFinal {
    pub binding: Vec<u8>,
    pub nonce: String,
    pub proof: [u8; 32],
    /// `client-final-message-without-proof` as it was sent.
    pub without_proof: String,
}

fn malformed(what: &'static str) -> Malformed {
    Malformed { mechanism: "SCRAM", what }
}

/// RFC 5802 §7: `saslname`, with `=2C` for a comma and `=3D` for an equals sign.
pub(super) fn parse_saslname(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        name.push_str(before);
        let (escaped, after) = match (after.strip_prefix("2C"), after.strip_prefix("3D")) {
            (Some(after), _) => (',', after),
            (_, Some(after)) => ('=', after),
            _ => return None,
        };
        name.push(escaped);
        rest = after;
    }
    name.push_str(rest);
    (!name.is_empty() && !name.contains('\0')).then_some(name)
}

/// RFC 5802 §7: `gs2-header [reserved-mext ","] username "," nonce ["," extensions]`.
pub(super) fn parse_client_first(octets: &[u8]) -> Result<ClientFirst, Malformed> {
    let text = std::str::from_utf8(octets).map_err(|_| malformed("not UTF-8"))?;
    let mut parts = text.splitn(3, ',');
    let (Some(flag), Some(authzid), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(malformed("no gs2 header"));
    };
    let flag_value = match flag {
        "n" => Flag::Cannot,
        "y" => Flag::Thinks,
        other => Flag::Binds(other.strip_prefix("p=").ok_or(malformed("the gs2 flag is not n, y or p="))?.to_string()),
    };
    let authorization = match authzid {
        "" => None,
        named => Some(named.strip_prefix("a=").and_then(parse_saslname).ok_or(malformed("the authzid is not a saslname"))?),
    };
    let mut fields = bare.split(',');
    // RFC 5802 §5.1: an extension that must be understood (`m=`) is not, so it stands where the name would.
    let user = fields.next().and_then(|f| f.strip_prefix("n=")).and_then(parse_saslname).ok_or(malformed("no name"))?;
    let nonce = fields.next().and_then(|f| f.strip_prefix("r=")).ok_or(malformed("no nonce"))?;
    if nonce.is_empty() || nonce.len() > NONCE_CHARS_MAX || !nonce.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
        return Err(malformed("the nonce is not printable, or too long"));
    }
    Ok(ClientFirst {
        flag: flag_value,
        authorization,
        user: prep::prepare(&user).into_owned(),
        nonce: nonce.to_string(),
        header: format!("{flag},{authzid},"),
        bare: bare.to_string(),
    })
}

/// RFC 5802 §7: `channel-binding "," nonce ["," extensions] "," proof`.
pub(super) fn parse_client_final(octets: &[u8]) -> Result<ClientFinal, Malformed> {
    let text = std::str::from_utf8(octets).map_err(|_| malformed("not UTF-8"))?;
    let (without_proof, proof) = text.rsplit_once(",p=").ok_or(malformed("no proof"))?;
    let mut fields = without_proof.split(',');
    let binding = fields.next().and_then(|f| f.strip_prefix("c=")).ok_or(malformed("no channel binding"))?;
    let nonce = fields.next().and_then(|f| f.strip_prefix("r=")).ok_or(malformed("no nonce"))?;
    let binding = STANDARD.decode(binding).map_err(|_| malformed("the channel binding is not base64"))?;
    let proof =
        STANDARD.decode(proof).ok().and_then(|proof| proof.try_into().ok()).ok_or(malformed("the proof is not 32 octets"))?;
    Ok(ClientFinal { binding, nonce: nonce.to_string(), proof, without_proof: without_proof.to_string() })
}

/// `server-first-message`.
pub(super) fn encode_server_first(nonce: &str, salt: &[u8], iterations: u32) -> String {
    format!("r={nonce},s={},i={iterations}", STANDARD.encode(salt))
}

/// `server-final-message` with a verifier.
pub(super) fn encode_server_final(signature: &[u8; 32]) -> String {
    format!("v={}", STANDARD.encode(signature))
}

/// What a client computes; for tests of servers, and for our own outgoing logins.
pub mod client {
    use super::{STANDARD, Sha256, hmac, prep};
    use base64::Engine as _;
    use sha2::Digest;

    /// `client-final-message` for a header (`n,,` or `p=tls-exporter,,`), the binding's data, what was sent
    /// bare and what came back; `None` when what came back is not a `server-first-message`.
    pub fn encode_final(header: &str, binding: &[u8], bare: &str, server_first: &str, password: &str) -> Option<String> {
        let mut fields = server_first.split(',');
        let nonce = fields.next()?.strip_prefix("r=")?;
        let salt = STANDARD.decode(fields.next()?.strip_prefix("s=")?).ok()?;
        let iterations = fields.next()?.strip_prefix("i=")?.parse().ok()?;
        let bound = STANDARD.encode([header.as_bytes(), binding].concat());
        let without_proof = format!("c={bound},r={nonce}");
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(prep::prepare(password).as_bytes(), &salt, iterations, &mut salted);
        let client_key = hmac(&salted, b"Client Key");
        let stored_key = Sha256::digest(client_key);
        let signature = hmac(&stored_key, format!("{bare},{server_first},{without_proof}").as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, signature)| key ^ signature).collect();
        Some(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unescaped() {
        for (text, name) in [("user", Some("user")), ("a=2Cb=3Dc", Some("a,b=c")), ("a=2cb", None), ("a=", None), ("", None)] {
            assert_eq!(parse_saslname(text).as_deref(), name, "{text}");
        }
    }

    #[test]
    fn the_first_message() {
        let first = parse_client_first(b"p=tls-exporter,a=boss,n=user,r=abc,x=1").expect("a message");
        assert_eq!(first.flag, Flag::Binds("tls-exporter".into()));
        assert_eq!(first.authorization.as_deref(), Some("boss"));
        assert_eq!((first.header.as_str(), first.bare.as_str()), ("p=tls-exporter,a=boss,", "n=user,r=abc,x=1"));
        let long = format!("n,,n=user,r={}", "a".repeat(NONCE_CHARS_MAX + 1));
        for text in ["", "n", "n,,", "q,,n=a,r=b", "n,b=,n=a,r=b", "n,,m=x,n=a,r=b", "n,,n=a", "n,,n=a,r=", "n,,n=a,r=a b", &long] {
            assert!(parse_client_first(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_client_first(&long.as_bytes()[..long.len() - 1]).is_ok());
    }

    #[test]
    fn the_final_message() {
        for text in ["", "c=biws,r=a", "c=biws,p=AA==", "c=!,r=a,p=AA==", "c=biws,r=a,p=AA==", "r=a,c=biws,p=AA=="] {
            assert!(parse_client_final(text.as_bytes()).is_err(), "{text}");
        }
    }
}
