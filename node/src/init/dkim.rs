// SPDX-License-Identifier: AGPL-3.0-or-later
//! DKIM keys of a domain: RSA for everybody, Ed25519 for those who know it (RFC 8463).
//!
//! `DIR/dkim/<domain>/{rsa,ed25519}.key` is PKCS#8 PEM for the owner alone; `.txt` is the value of the TXT record at
//! `<selector>._domainkey.<domain>`. The selectors are the names.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize};

use super::write::{folder, replace, sync_folder};

/// The selectors, which are the files' names.
pub const SELECTORS: [&str; 2] = ["rsa", "ed25519"];

/// Makes both keys below `dkim`.
pub fn create(dkim: &Path, domain: &str) -> anyhow::Result<()> {
    let folder_path = dkim.join(domain);
    folder(&folder_path)?;
    // RFC 8301 §3.2: at least 1024 bits, 2048 recommended; more does not fit every resolver's answer.
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    // RFC 6376 §3.6.1: p= is the public key; everybody writes the SubjectPublicKeyInfo (erratum 3017).
    save(&folder_path, "rsa", &rsa, &format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(rsa.subject_public_key_info())))?;
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519)?;
    // RFC 8463 §4.2: the 32 octets alone.
    save(&folder_path, "ed25519", &ed25519, &format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(ed25519.public_key_raw())))?;
    sync_folder(&folder_path)
}

fn save(folder: &Path, selector: &str, key: &KeyPair, record: &str) -> anyhow::Result<()> {
    replace(&folder.join(format!("{selector}.key")), key.serialize_pem().as_bytes(), 0o600)?;
    replace(&folder.join(format!("{selector}.txt")), record.as_bytes(), 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn two_keys_that_only_the_owner_reads_and_their_records() {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path(), "example.org").unwrap();
        for (selector, start, length) in [("rsa", "v=DKIM1; k=rsa; p=", 294), ("ed25519", "v=DKIM1; k=ed25519; p=", 32)] {
            let path = dir.path().join(format!("example.org/{selector}.key"));
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(std::fs::read_to_string(&path).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
            let record = std::fs::read_to_string(path.with_extension("txt")).unwrap();
            let key = record.strip_prefix(start).unwrap();
            assert_eq!(STANDARD.decode(key).unwrap().len(), length, "{record}");
        }
    }
}
