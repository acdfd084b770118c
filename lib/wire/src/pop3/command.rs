// SPDX-License-Identifier: AGPL-3.0-or-later
//! Commands as values (RFC 1939 §5 to §7).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hearth_types::Secret;

use crate::imap::Password;

/// What a client asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// CAPA (RFC 2449 §5)
    Capa,
    /// STLS (RFC 2595 §4)
    Stls,
    /// UTF8 (RFC 6856 §2)
    Utf8,
    /// USER
    User(String),
    /// PASS: all that is left of the line, spaces too.
    Pass(Password),
    /// AUTH (RFC 5034 §4); without a mechanism it asks which there are.
    Auth {
        /// In upper case.
        mechanism: Option<String>,
        /// The initial response, decoded; `=` is an empty one.
        initial: Option<Password>,
    },
    /// STAT
    Stat,
    /// LIST
    List(Option<u32>),
    /// UIDL
    Uidl(Option<u32>),
    /// RETR
    Retr(u32),
    /// TOP: message, and lines of its body.
    Top(u32, u32),
    /// DELE
    Dele(u32),
    /// RSET
    Rset,
    /// NOOP
    Noop,
    /// QUIT
    Quit,
}

/// Reads one line, with or without its end; an error says what was wrong.
pub fn parse_command(line: &[u8]) -> Result<Command, &'static str> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8")?;
    if text.contains(['\0', '\r']) {
        return Err("the line has a control character");
    }
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let verb = verb.to_ascii_uppercase();
    if verb == "PASS" {
        return if rest.is_empty() { Err("the password is missing") } else { Ok(Command::Pass(secret(rest.as_bytes().to_vec()))) };
    }
    let words: Vec<&str> = rest.split(' ').filter(|word| !word.is_empty()).collect();
    Ok(match (verb.as_str(), words.as_slice()) {
        ("CAPA", []) => Command::Capa,
        ("STLS", []) => Command::Stls,
        ("UTF8", []) => Command::Utf8,
        ("STAT", []) => Command::Stat,
        ("RSET", []) => Command::Rset,
        ("NOOP", []) => Command::Noop,
        ("QUIT", []) => Command::Quit,
        // (quirk: names with a space in them are taken whole)
        ("USER", [_, ..]) => Command::User(rest.trim().to_string()),
        ("AUTH", []) => Command::Auth { mechanism: None, initial: None },
        ("AUTH", [mechanism]) => Command::Auth { mechanism: Some(mechanism.to_ascii_uppercase()), initial: None },
        ("AUTH", [mechanism, initial]) => {
            let octets = if *initial == "=" { Vec::new() } else { BASE64.decode(initial).map_err(|_| "this is not base64")? };
            Command::Auth { mechanism: Some(mechanism.to_ascii_uppercase()), initial: Some(secret(octets)) }
        }
        ("LIST", []) => Command::List(None),
        ("LIST", [one]) => Command::List(Some(number(one)?)),
        ("UIDL", []) => Command::Uidl(None),
        ("UIDL", [one]) => Command::Uidl(Some(number(one)?)),
        ("RETR", [one]) => Command::Retr(number(one)?),
        ("DELE", [one]) => Command::Dele(number(one)?),
        ("TOP", [one, lines]) => Command::Top(number(one)?, number(lines)?),
        (
            "CAPA" | "STLS" | "UTF8" | "STAT" | "RSET" | "NOOP" | "QUIT" | "USER" | "AUTH" | "LIST" | "UIDL" | "RETR" | "DELE"
            | "TOP",
            _,
        ) => {
            return Err("these are not the arguments of this command");
        }
        _ => return Err("unknown command"),
    })
}

fn secret(octets: Vec<u8>) -> Password {
    Password(Secret::new(octets))
}

fn number(word: &str) -> Result<u32, &'static str> {
    if !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("this is not a number");
    }
    word.parse().map_err(|_| "the number is too large")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let auth = |mechanism: Option<&str>, initial: Option<&[u8]>| Command::Auth {
            mechanism: mechanism.map(str::to_string),
            initial: initial.map(|octets| secret(octets.to_vec())),
        };
        for (line, command) in [
            ("CAPA", Command::Capa),
            ("stls", Command::Stls),
            ("UTF8", Command::Utf8),
            ("USER jürgen", Command::User("jürgen".into())),
            ("USER alice@home.localhost", Command::User("alice@home.localhost".into())),
            ("USER al ice", Command::User("al ice".into())),
            ("PASS  two spaces ", Command::Pass(secret(b" two spaces ".to_vec()))),
            ("AUTH", auth(None, None)),
            ("AUTH plain", auth(Some("PLAIN"), None)),
            ("AUTH PLAIN =", auth(Some("PLAIN"), Some(b""))),
            ("AUTH PLAIN Zm9v", auth(Some("PLAIN"), Some(b"foo"))),
            ("STAT", Command::Stat),
            ("LIST", Command::List(None)),
            ("LIST 7", Command::List(Some(7))),
            ("uidl 7 ", Command::Uidl(Some(7))),
            ("UIDL", Command::Uidl(None)),
            ("RETR 1", Command::Retr(1)),
            ("TOP 1 0", Command::Top(1, 0)),
            ("DELE 4294967295", Command::Dele(u32::MAX)),
            ("RSET", Command::Rset),
            ("NOOP", Command::Noop),
            ("QUIT", Command::Quit),
        ] {
            for end in ["", "\n", "\r\n"] {
                assert_eq!(parse_command(format!("{line}{end}").as_bytes()), Ok(command.clone()), "{line}");
            }
        }
    }

    #[test]
    fn mistakes() {
        for line in [
            &b""[..],
            b"FROB",
            b"PASS",
            b"PASS ",
            b"USER",
            b"AUTH PLAIN x",
            b"AUTH A Zm9v b",
            b"LIST x",
            b"LIST -1",
            b"LIST 1 2",
            b"RETR",
            b"RETR 4294967296",
            b"TOP 1",
            b"NOOP x",
            b"USER \xff",
            b"USER a\0b",
            b"RETR 1\rDELE 1",
        ] {
            assert!(parse_command(line).is_err(), "{line:?}");
        }
    }
}
