// SPDX-License-Identifier: AGPL-3.0-or-later
//! Commands as values (RFC 5804 §2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hearth_types::Secret;

use crate::imap::Password;
use crate::imap::cursor::{Cursor, Parsed};

/// What a client asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// CAPABILITY
    Capability,
    /// STARTTLS
    StartTls,
    /// AUTHENTICATE
    Authenticate {
        /// In upper case.
        mechanism: String,
        /// The initial response, decoded.
        initial: Option<Password>,
    },
    /// UNAUTHENTICATE
    Unauthenticate,
    /// LOGOUT
    Logout,
    /// NOOP, with a text to be sent back.
    Noop(Option<String>),
    /// HAVESPACE
    HaveSpace(String, u64),
    /// PUTSCRIPT
    PutScript(String, Vec<u8>),
    /// CHECKSCRIPT
    CheckScript(Vec<u8>),
    /// LISTSCRIPTS
    ListScripts,
    /// SETACTIVE; an empty name lets none run.
    SetActive(String),
    /// GETSCRIPT
    GetScript(String),
    /// DELETESCRIPT
    DeleteScript(String),
    /// RENAMESCRIPT
    RenameScript(String, String),
}

/// Reads one whole command, its literals included; an error says what was wrong.
pub fn parse_command(text: &[u8]) -> Result<Command, &'static str> {
    let mut cursor = Cursor::new(text);
    parse(&mut cursor).map_err(|bad| bad.0)
}

/// A line of an authentication exchange (RFC 5804 §2.1): a string in base64, or `"*"` to give up (`None`).
pub fn parse_answer(text: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let mut cursor = Cursor::new(text);
    let answer = cursor.string().map_err(|bad| bad.0)?;
    cursor.end().map_err(|bad| bad.0)?;
    if answer == b"*" { Ok(None) } else { BASE64.decode(&answer).map(Some).map_err(|_| "this is not base64") }
}

fn parse(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let verb = cursor.keyword()?;
    let command = match verb.as_str() {
        "CAPABILITY" => Command::Capability,
        "STARTTLS" => Command::StartTls,
        "UNAUTHENTICATE" => Command::Unauthenticate,
        "LOGOUT" => Command::Logout,
        "LISTSCRIPTS" => Command::ListScripts,
        "NOOP" if cursor.is_at_end() => Command::Noop(None),
        "NOOP" => Command::Noop(Some(name(cursor)?)),
        "AUTHENTICATE" => {
            let mechanism = name(cursor)?.to_ascii_uppercase();
            let initial = if cursor.is_at_end() { None } else { Some(octets(cursor)?) };
            Command::Authenticate { mechanism, initial }
        }
        "HAVESPACE" => {
            let name = name(cursor)?;
            cursor.space()?;
            Command::HaveSpace(name, cursor.number64()?)
        }
        "PUTSCRIPT" => {
            let name = name(cursor)?;
            cursor.space()?;
            Command::PutScript(name, cursor.string()?)
        }
        "CHECKSCRIPT" => {
            cursor.space()?;
            Command::CheckScript(cursor.string()?)
        }
        "SETACTIVE" => Command::SetActive(name(cursor)?),
        "GETSCRIPT" => Command::GetScript(name(cursor)?),
        "DELETESCRIPT" => Command::DeleteScript(name(cursor)?),
        "RENAMESCRIPT" => Command::RenameScript(name(cursor)?, name(cursor)?),
        _ => return Err(crate::imap::Bad("unknown command")),
    };
    cursor.end()?;
    Ok(command)
}

/// SP string, in UTF-8.
fn name(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.space()?;
    crate::imap::cursor::utf8(cursor.string()?)
}

/// SP string, in base64; `=` is an empty one.
fn octets(cursor: &mut Cursor<'_>) -> Parsed<Password> {
    cursor.space()?;
    let text = cursor.string()?;
    let octets = if text == b"=" { Ok(Vec::new()) } else { BASE64.decode(&text) };
    octets.map(|octets| Password(Secret::new(octets))).map_err(|_| crate::imap::Bad("this is not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let initial = |octets: &[u8]| Some(Password(Secret::new(octets.to_vec())));
        for (text, command) in [
            ("CAPABILITY\r\n", Command::Capability),
            ("starttls\r\n", Command::StartTls),
            ("LOGOUT\r\n", Command::Logout),
            ("UNAUTHENTICATE\r\n", Command::Unauthenticate),
            ("NOOP\r\n", Command::Noop(None)),
            ("NOOP \"tag 1\"\r\n", Command::Noop(Some("tag 1".into()))),
            ("AUTHENTICATE \"plain\"\r\n", Command::Authenticate { mechanism: "PLAIN".into(), initial: None }),
            ("Authenticate \"PLAIN\" \"Zm9v\"\r\n", Command::Authenticate { mechanism: "PLAIN".into(), initial: initial(b"foo") }),
            ("AUTHENTICATE \"X\" {4+}\r\nZm9v\r\n", Command::Authenticate { mechanism: "X".into(), initial: initial(b"foo") }),
            ("AUTHENTICATE \"X\" \"\"\r\n", Command::Authenticate { mechanism: "X".into(), initial: initial(b"") }),
            ("HAVESPACE \"a b\" 99\r\n", Command::HaveSpace("a b".into(), 99)),
            ("PUTSCRIPT \"f\" {7+}\r\nkeep;\r\n\r\n", Command::PutScript("f".into(), b"keep;\r\n".to_vec())),
            ("CHECKSCRIPT \"keep;\"\r\n", Command::CheckScript(b"keep;".to_vec())),
            ("LISTSCRIPTS\r\n", Command::ListScripts),
            ("SETACTIVE \"\"\r\n", Command::SetActive(String::new())),
            ("GETSCRIPT {3+}\r\na\"b\r\n", Command::GetScript("a\"b".into())),
            ("DELETESCRIPT \"a\\\"b\"\r\n", Command::DeleteScript("a\"b".into())),
            ("RENAMESCRIPT \"a\" \"b\"\r\n", Command::RenameScript("a".into(), "b".into())),
        ] {
            assert_eq!(parse_command(text.as_bytes()), Ok(command), "{text}");
        }
    }

    #[test]
    fn answers() {
        assert_eq!(parse_answer(b"\"Zm9v\"\r\n"), Ok(Some(b"foo".to_vec())));
        assert_eq!(parse_answer(b"{4+}\r\nZm9v\r\n"), Ok(Some(b"foo".to_vec())));
        assert_eq!(parse_answer(b"\"\"\r\n"), Ok(Some(vec![])));
        assert_eq!(parse_answer(b"\"*\"\r\n"), Ok(None));
        assert!(parse_answer(b"*\r\n").is_err() && parse_answer(b"\"!\"\r\n").is_err() && parse_answer(b"\"Zm9v\" x\r\n").is_err());
    }

    #[test]
    fn mistakes() {
        for text in [
            &b""[..],
            b"FROB\r\n",
            b"LOGOUT x\r\n",
            b"GETSCRIPT x\r\n",
            b"GETSCRIPT\r\n",
            b"GETSCRIPT \"\xff\"\r\n",
            b"HAVESPACE \"a\" -1\r\n",
            b"PUTSCRIPT \"a\"\r\n",
            b"PUTSCRIPT \"a\" {9+}\r\nx\r\n",
            b"AUTHENTICATE \"PLAIN\" \"!\"\r\n",
            b"RENAMESCRIPT \"a\"\r\n",
        ] {
            assert!(parse_command(text).is_err(), "{text:?}");
        }
    }
}
