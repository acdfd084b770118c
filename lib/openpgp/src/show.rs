// SPDX-License-Identifier: AGPL-3.0-or-later
//! What two people compare, on paper, by telephone, or by holding a phone before a screen.

/// A fingerprint in groups of four with a wider gap in the middle, as GnuPG prints it.
pub fn in_groups(fingerprint: &str) -> String {
    let groups: Vec<&str> =
        (0..fingerprint.len()).step_by(4).filter_map(|at| fingerprint.get(at..(at + 4).min(fingerprint.len()))).collect();
    let (first, second) = groups.split_at(groups.len() / 2);
    format!("{}  {}", first.join(" "), second.join(" "))
}

/// What OpenKeychain and Delta Chat scan.
pub fn uri(fingerprint: &str) -> String {
    format!("OPENPGP4FPR:{fingerprint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_by_four() {
        let v4 = "AC1F40D8B1A9F2B5D1E3C0A4879E63B10D6C5D2F";
        assert_eq!(in_groups(v4), "AC1F 40D8 B1A9 F2B5 D1E3  C0A4 879E 63B1 0D6C 5D2F");
        assert_eq!(in_groups(&"0123456789ABCDEF".repeat(4)).split("  ").count(), 2);
    }
}
