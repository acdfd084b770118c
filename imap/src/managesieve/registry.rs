// SPDX-License-Identifier: AGPL-3.0-or-later
//! The table of what ManageSieve speaks, and its capability lines.

use hearth_filter::sieve::{CAPABILITIES, NOTIFY_METHODS};
use hearth_spec::Row;
use hearth_wire::sasl::ChannelBinding;
use hearth_wire::sieve_protocol::encode_line;

use crate::registry;

/// All of it: commands, then capabilities.
pub const ROWS: &[Row] = &[
    Row::spoken("AUTHENTICATE", 5804, "§2.1"),
    Row::spoken("STARTTLS", 5804, "§2.2"),
    Row::spoken("LOGOUT", 5804, "§2.3"),
    Row::spoken("CAPABILITY", 5804, "§2.4"),
    Row::spoken("HAVESPACE", 5804, "§2.5"),
    Row::spoken("PUTSCRIPT", 5804, "§2.6"),
    Row::spoken("LISTSCRIPTS", 5804, "§2.7"),
    Row::spoken("SETACTIVE", 5804, "§2.8"),
    Row::spoken("GETSCRIPT", 5804, "§2.9"),
    Row::spoken("DELETESCRIPT", 5804, "§2.10"),
    Row::spoken("RENAMESCRIPT", 5804, "§2.11"),
    Row::spoken("CHECKSCRIPT", 5804, "§2.12"),
    Row::spoken("NOOP", 5804, "§2.13"),
    Row::spoken("UNAUTHENTICATE", 5804, "§2.14"),
    Row::spoken("IMPLEMENTATION", 5804, "§1.7"),
    Row::spoken("SASL", 5804, "§1.7"),
    Row::spoken("SIEVE", 5804, "§1.7"),
    Row::spoken("NOTIFY", 5804, "§1.7"),
    Row::spoken("OWNER", 5804, "§1.7"),
    Row::spoken("VERSION", 5804, "§1.7"),
    Row::declined("LANGUAGE", 5804, "§1.7", "texts are in English"),
    Row::declined("Referrals", 5804, "§1.3", "a home is one node"),
];

/// The capability lines. `owner` when somebody has signed in.
pub fn encode_capabilities(out: &mut Vec<u8>, tls: bool, can_tls: bool, owner: Option<&str>, binding: &ChannelBinding) {
    encode_line(out, &["IMPLEMENTATION", "Hearth"], None);
    // RFC 5804 §1.7: without a mechanism, the empty string.
    encode_line(out, &["SASL", &registry::mechanisms(tls, binding).join(" ")], None);
    encode_line(out, &["SIEVE", &CAPABILITIES.join(" ")], None);
    encode_line(out, &["NOTIFY", &NOTIFY_METHODS.join(" ")], None);
    if !tls && can_tls {
        encode_line(out, &["STARTTLS"], None);
    }
    if let Some(owner) = owner {
        encode_line(out, &["OWNER", owner], None);
    }
    encode_line(out, &["UNAUTHENTICATE"], None);
    encode_line(out, &["VERSION", "1.0"], None);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(tls: bool, owner: Option<&str>) -> String {
        let mut out = Vec::new();
        encode_capabilities(&mut out, tls, true, owner, &ChannelBinding::none());
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn what_is_shown_when() {
        let plain = shown(false, None);
        assert!(plain.contains("\"SASL\" \"\"\r\n") && plain.contains("\"STARTTLS\"\r\n") && !plain.contains("OWNER"), "{plain}");
        let tls = shown(true, Some("alice@x"));
        assert!(tls.contains("\"SASL\" \"SCRAM-SHA-256 ") && !tls.contains("STARTTLS"), "{tls}");
        assert!(tls.contains("\"OWNER\" \"alice@x\"\r\n") && tls.contains(" fileinto "), "{tls}");
        for line in plain.lines() {
            let name = line.split('"').nth(1).unwrap_or_default();
            assert!(ROWS.iter().any(|row| row.name == name && row.is_spoken()), "{name}");
        }
    }
}
