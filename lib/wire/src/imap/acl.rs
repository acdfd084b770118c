// SPDX-License-Identifier: AGPL-3.0-or-later
//! ACL (RFC 4314): SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS, and what they answer.
//!
//! Which letters are rights is not for the grammar to say; here they are small letters and digits.

use super::command::Command;
use super::cursor::{Bad, Cursor, Parsed};
use super::encode::Writer;
use super::limits::{IDENTIFIER_BYTES_MAX, RIGHTS_BYTES_MAX};
use super::mailbox_name::{Charset, encode_mailbox, parse_mailbox};
use super::response::encode_astring;

/// How SETACL changes what an identifier has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RightsChange {
    /// These and no others.
    Replace,
    /// `+`
    Add,
    /// `-`
    Remove,
}

/// The arguments of the five.
pub(crate) fn parse_acl(cursor: &mut Cursor<'_>, verb: &str, charset: Charset) -> Parsed<Command> {
    let mailbox = parse_mailbox(cursor, charset)?;
    Ok(match verb {
        "GETACL" => Command::GetAcl(mailbox),
        "MYRIGHTS" => Command::MyRights(mailbox),
        "LISTRIGHTS" => Command::ListRights { mailbox, identifier: parse_identifier(cursor)? },
        "DELETEACL" => Command::DeleteAcl { mailbox, identifier: parse_identifier(cursor)? },
        _ => {
            let identifier = parse_identifier(cursor)?;
            cursor.space()?;
            let text = cursor.astring_utf8()?;
            let (change, rights) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
                (Some(rights), _) => (RightsChange::Add, rights),
                (_, Some(rights)) => (RightsChange::Remove, rights),
                _ => (RightsChange::Replace, text.as_str()),
            };
            // RFC 4314 §2: uppercase rights are not allowed.
            if rights.len() > RIGHTS_BYTES_MAX || !rights.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
                return Err(Bad("rights are small letters"));
            }
            Command::SetAcl { mailbox, identifier, change, rights: rights.to_string() }
        }
    })
}

/// identifier = astring
fn parse_identifier(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.space()?;
    let identifier = cursor.astring_utf8()?;
    // RFC 4314 §3: what prepares to nothing is BAD; control characters are nobody's name.
    if identifier.is_empty() || identifier.len() > IDENTIFIER_BYTES_MAX || identifier.chars().any(char::is_control) {
        return Err(Bad("not an identifier"));
    }
    Ok(identifier)
}

impl Writer<'_> {
    pub(super) fn acl(&mut self, command: &Command) {
        match command {
            Command::GetAcl(mailbox) => self.named("GETACL", mailbox),
            Command::MyRights(mailbox) => self.named("MYRIGHTS", mailbox),
            Command::ListRights { mailbox, identifier } | Command::DeleteAcl { mailbox, identifier } => {
                self.named(if matches!(command, Command::ListRights { .. }) { "LISTRIGHTS" } else { "DELETEACL" }, mailbox);
                self.text(" ");
                self.astring(identifier.as_bytes());
            }
            Command::SetAcl { mailbox, identifier, change, rights } => {
                self.named("SETACL", mailbox);
                self.text(" ");
                self.astring(identifier.as_bytes());
                let sign = match change {
                    RightsChange::Replace => "",
                    RightsChange::Add => "+",
                    RightsChange::Remove => "-",
                };
                self.text(" ");
                self.astring(format!("{sign}{rights}").as_bytes());
            }
            _ => {}
        }
    }
}

/// `* ACL name identifier rights ..` CRLF (RFC 4314 §3.6)
pub fn encode_acl_line(out: &mut Vec<u8>, name: &str, pairs: &[(String, String)], charset: Charset) {
    out.extend_from_slice(b"* ACL ");
    encode_mailbox(out, name, charset);
    for text in pairs.iter().flat_map(|(identifier, rights)| [identifier, rights]) {
        out.push(b' ');
        encode_astring(out, text.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// `* LISTRIGHTS name identifier required optional ..` CRLF (RFC 4314 §3.7)
pub fn encode_list_rights_line(out: &mut Vec<u8>, name: &str, identifier: &str, rights: &[&str], charset: Charset) {
    out.extend_from_slice(b"* LISTRIGHTS ");
    encode_mailbox(out, name, charset);
    for text in [identifier].iter().chain(rights) {
        out.push(b' ');
        encode_astring(out, text.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// `* MYRIGHTS name rights` CRLF (RFC 4314 §3.8)
pub fn encode_my_rights_line(out: &mut Vec<u8>, name: &str, rights: &str, charset: Charset) {
    out.extend_from_slice(b"* MYRIGHTS ");
    encode_mailbox(out, name, charset);
    out.push(b' ');
    encode_astring(out, rights.as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_and_identifiers_have_bounds() {
        let parse = |text: &str| parse_acl(&mut Cursor::new(text.as_bytes()), "SETACL", Charset::Utf7);
        let rights = |count: usize| format!("x anna {}", "l".repeat(count));
        assert!(parse(&rights(RIGHTS_BYTES_MAX)).is_ok());
        assert!(parse(&rights(RIGHTS_BYTES_MAX + 1)).is_err());
        let identifier = |count: usize| format!("x {} l", "a".repeat(count));
        assert!(parse(&identifier(IDENTIFIER_BYTES_MAX)).is_ok());
        assert!(parse(&identifier(IDENTIFIER_BYTES_MAX + 1)).is_err());
        assert!(parse("x \"\" l").is_err());
        assert!(parse("x anna lQ").is_err());
        assert!(parse("x anna \"\"").is_ok());
    }

    #[test]
    fn lines() {
        let mut out = Vec::new();
        encode_acl_line(
            &mut out,
            "a b",
            &[("anna@home.example".into(), "lrs".into()), ("-anyone".into(), String::new())],
            Charset::Utf8,
        );
        encode_list_rights_line(&mut out, "x", "anyone", &["", "l", "r"], Charset::Utf8);
        encode_my_rights_line(&mut out, "x", "lr", Charset::Utf8);
        let text = String::from_utf8(out).expect("ASCII");
        let lines = "* ACL \"a b\" anna@home.example lrs -anyone \"\"\r\n* LISTRIGHTS x anyone \"\" l r\r\n* MYRIGHTS x lr\r\n";
        assert_eq!(text, lines);
    }
}
