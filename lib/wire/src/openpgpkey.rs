// SPDX-License-Identifier: AGPL-3.0-or-later
//! OPENPGPKEY (RFC 7929): the name in DNS under which a domain keeps the certificate of an address, and its record.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hearth_types::Address;
use sha2::{Digest as _, Sha256};

/// The number of the record's type (RFC 7929 §2), for programs that do not know its name.
pub const TYPE: u16 = 61;
/// Octets of the hash that are kept (RFC 7929 §3).
const HASH_OCTETS: usize = 28;

/// The whole name without a final dot. RFC 7929 §3: the local part as it is written; nothing is lowered.
pub fn name_of(local: &str, domain: &str) -> String {
    format!("{}._openpgpkey.{domain}", encode_local_part(local))
}

/// The names to ask for an address: as written, and with ASCII letters lowered, as GnuPG publishes it.
pub fn names_of(address: &Address) -> Vec<String> {
    let domain = address.domain().as_str();
    let mut names = vec![name_of(address.local(), domain)];
    let lowered = name_of(&address.local().to_ascii_lowercase(), domain);
    if !names.contains(&lowered) {
        names.push(lowered);
    }
    names
}

/// RFC 7929 §3: SHA-256 of the local part in UTF-8, cut to 28 octets, in hexadecimal.
pub fn encode_local_part(local: &str) -> String {
    Sha256::digest(local.as_bytes()).iter().take(HASH_OCTETS).map(|octet| format!("{octet:02x}")).collect()
}

/// A line of a zone file (RFC 7929 §2.3): the certificate in binary becomes base64.
pub fn encode_record(address: &Address, certificate: &[u8]) -> String {
    let name = name_of(&address.local().to_ascii_lowercase(), address.domain().as_str());
    format!("{name}. 3600 IN OPENPGPKEY {}", BASE64_STANDARD.encode(certificate))
}

/// The same for servers that do not know the type (RFC 3597 §5).
pub fn encode_generic_record(address: &Address, certificate: &[u8]) -> String {
    let name = name_of(&address.local().to_ascii_lowercase(), address.domain().as_str());
    let hex: String = certificate.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{name}. 3600 IN TYPE{TYPE} \\# {} {hex}", certificate.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard() {
        // RFC 7929 §3.
        assert_eq!(
            name_of("hugh", "example.com"),
            "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._openpgpkey.example.com"
        );
    }

    #[test]
    fn both_spellings_are_asked_for() {
        let names = |text: &str| names_of(&Address::parse(text).unwrap());
        assert_eq!(names("hugh@example.com").len(), 1);
        let both = names("Hugh@example.com");
        assert_eq!(both.len(), 2);
        assert_eq!(both[1], names("hugh@example.com")[0]);
    }

    #[test]
    fn both_forms_of_a_record() {
        let hugh = Address::parse("Hugh@example.com").unwrap();
        assert!(encode_record(&hugh, b"\x98\x01").ends_with("._openpgpkey.example.com. 3600 IN OPENPGPKEY mAE="));
        assert!(encode_generic_record(&hugh, b"\x98\x01").ends_with(".example.com. 3600 IN TYPE61 \\# 2 9801"));
    }
}
