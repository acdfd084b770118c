// SPDX-License-Identifier: AGPL-3.0-or-later
//! The table of what POP3 speaks. CAPA is read from here.

use hearth_spec::Row;
use hearth_wire::sasl::ChannelBinding;

use crate::registry;

/// All of it: commands, then capabilities.
pub const ROWS: &[Row] = &[
    Row::spoken("CAPA", 2449, "§5"),
    Row::spoken("STLS", 2595, "§4"),
    Row::spoken("USER", 1939, "§7"),
    Row::spoken("PASS", 1939, "§7"),
    Row::spoken("AUTH", 5034, "§4"),
    Row::spoken("STAT", 1939, "§5"),
    Row::spoken("LIST", 1939, "§5"),
    Row::spoken("RETR", 1939, "§5"),
    Row::spoken("DELE", 1939, "§5"),
    Row::spoken("NOOP", 1939, "§5"),
    Row::spoken("RSET", 1939, "§5"),
    Row::spoken("TOP", 1939, "§7"),
    Row::spoken("UIDL", 1939, "§7"),
    Row::spoken("QUIT", 1939, "§6"),
    Row::spoken("SASL", 5034, "§3"),
    Row::spoken("RESP-CODES", 2449, "§6.4"),
    Row::spoken("AUTH-RESP-CODE", 3206, "§6"),
    Row::spoken("PIPELINING", 2449, "§6.6"),
    Row::spoken("EXPIRE", 2449, "§6.7"),
    Row::spoken("UTF8", 6856, "§2"),
    Row::spoken("IMPLEMENTATION", 2449, "§6.9"),
    Row::declined("APOP", 1939, "§7", "it needs passwords in the clear on the server, and MD5"),
    Row::declined("LOGIN-DELAY", 2449, "§6.5", "who asks often costs little"),
    Row::declined("LANG", 6856, "§3", "replies are in English"),
];

/// The lines of CAPA, each without its end.
pub fn capabilities(tls: bool, can_tls: bool, signed_in: bool, binding: &ChannelBinding) -> Vec<String> {
    let mut lines: Vec<String> =
        // RFC 6856 §2.2: names and passwords may be UTF-8 too.
        ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "UTF8 USER", "IMPLEMENTATION Hearth"]
            .iter()
            .map(ToString::to_string)
            .collect();
    if !signed_in && tls {
        lines.push("USER".into());
        lines.push(format!("SASL {}", registry::mechanisms(tls, binding).join(" ")));
    }
    if !signed_in && !tls && can_tls {
        lines.push("STLS".into());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_when() {
        let none = ChannelBinding::none();
        let plain = capabilities(false, true, false, &none).join("\n");
        assert!(plain.contains("STLS") && !plain.contains("SASL") && !plain.contains("\nUSER"), "{plain}");
        let tls = capabilities(true, true, false, &none).join("\n");
        assert!(!tls.contains("STLS") && tls.contains("SASL SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN"), "{tls}");
        let inside = capabilities(true, true, true, &none).join("\n");
        assert!(inside.contains("UIDL") && !inside.contains("SASL"), "{inside}");
        // Each line is the name of a row that is spoken.
        for line in tls.lines().chain(plain.lines()) {
            let name = line.split(' ').next().unwrap_or_default();
            assert!(ROWS.iter().any(|row| row.name == name && row.is_spoken()), "{name}");
        }
    }
}
