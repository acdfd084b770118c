// SPDX-License-Identifier: AGPL-3.0-or-later
//! Web Key Directory names: under which path a home publishes the certificate of an address
//! (draft-koch-openpgp-webkey-service-21 §3.1).
//!
//! The local part of an address becomes 32 letters: its ASCII letters in lower case, SHA-1 over its
//! UTF-8, Zooko's base 32 of that. SHA-1 is a name here, not a proof: who finds two local parts with
//! one name still has to own both mailboxes.

use sha1::{Digest, Sha1};

/// Letters of a hashed local part: 160 bits in groups of five.
pub const HASH_LETTERS: usize = 32;

/// RFC 6189 §5.1.6: the letters of z-base-32, easiest to read out first.
const Z_BASE_32: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";

/// The name of a local part in a `hu/` folder.
pub fn encode_local_part(local: &str) -> String {
    // Draft §3.1: "all upper-case ASCII characters ... are mapped to lowercase. Non-ASCII characters
    // are not changed": `É` and `é` are two mailboxes here, whatever Unicode says.
    encode_z_base_32(&Sha1::digest(local.to_ascii_lowercase()))
}

/// Is this text the name of some local part? Upper case is not: the letters are compared as they are.
pub fn is_hashed_local_part(text: &str) -> bool {
    text.len() == HASH_LETTERS && text.bytes().all(|letter| Z_BASE_32.contains(&letter))
}

/// Five bits a letter, most significant first; the last letter is filled up with zeros.
pub fn encode_z_base_32(bytes: &[u8]) -> String {
    let mut letters = String::with_capacity(bytes.len().saturating_mul(8).div_ceil(5));
    let (mut held, mut bits) = (0_u32, 0_u32);
    let mut push = |five: u32| letters.push(char::from(Z_BASE_32.get((five & 31) as usize).copied().unwrap_or(b'y')));
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(held >> bits);
        }
    }
    if bits > 0 {
        push(held << (5 - bits));
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_local_parts() {
        // The first is the draft's own example (§3.1); GnuPG 2.2.40 (`gpg-wks-client --print-wkd-hash`) gives the same for all.
        for (local, name) in [
            ("Joe.Doe", "iy9q119eutrkn8s1mk4r39qejnbu3n5q"),
            ("joe.doe", "iy9q119eutrkn8s1mk4r39qejnbu3n5q"),
            ("test1", "stnkabub89rpcphiz4ppbxixkwyt1pic"),
            ("alice", "kei1q4tipxxu1yj79k9kfukdhfy631xe"),
            ("Bob", "jycbiujnsxs47xrkethgtj69xuunurok"),
            ("key-submission", "54f6ry7x1qqtpor16txw5gdmdbbh6a73"),
            ("postmaster", "17o8za5yunot7q6wddwcs4jqodngre8t"),
        ] {
            assert_eq!(encode_local_part(local), name, "{local}");
            assert!(is_hashed_local_part(name));
        }
    }

    #[test]
    fn only_ascii_is_lowered() {
        assert_eq!(encode_local_part("Émile"), "hksgg9icq1u3kzsmixfb7sntxrwxwp9s");
        assert_eq!(encode_local_part("ÉMILE"), "hksgg9icq1u3kzsmixfb7sntxrwxwp9s");
        assert_eq!(encode_local_part("émile"), "xnsqnec36o4uw3hoyfb3uh3yf1onzpxw");
    }

    #[test]
    fn groups_of_five_bits() {
        // The examples of the z-base-32 specification (O'Whielacronx, 2002) that are whole octets.
        for (bytes, letters) in [
            (&b""[..], ""),
            (b"\x00", "yy"),
            (b"\xff", "9h"),
            (b"\xf0\xbf\xc7", "6n9hq"),
            (b"\xd4\x7a\x04", "4t7ye"),
            (b"hello", "pb1sa5dx"),
        ] {
            assert_eq!(encode_z_base_32(bytes), letters);
        }
    }

    #[test]
    fn what_is_no_name() {
        let long = "y".repeat(HASH_LETTERS + 1);
        for text in
            ["", "kei1q4tipxxu1yj79k9kfukdhfy631x", &long, "KEI1Q4TIPXXU1YJ79K9KFUKDHFY631XE", "kei1q4tipxxu1yj79k9kfukdhfy631x0"]
        {
            assert!(!is_hashed_local_part(text), "{text}");
        }
    }
}
