// SPDX-License-Identifier: AGPL-3.0-or-later
//! APPEND (RFC 9051 §6.3.12, MULTIAPPEND RFC 3502): its words are read here, its messages go elsewhere.
//!
//! The fragmentizer announces each literal. If the text so far is an APPEND up to its message,
//! [`parse_append_head`] says so, and the message's bytes never become part of a command.

use super::command::AppendOptions;
use super::cursor::{Bad, Cursor, Parsed};
use super::date::parse_date_time;
use super::mailbox_name::{Charset, MailboxName, parse_mailbox};
use super::parse_store::parse_flag_list;

/// An APPEND up to its first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendHead {
    /// The client's tag.
    pub tag: String,
    /// Where to.
    pub mailbox: MailboxName,
    /// Of the first message.
    pub options: AppendOptions,
}

/// Reads `tag APPEND mailbox [flags] [date-time] {n}` CRLF. `None` when this is no APPEND, or when the
/// literal is its mailbox's name; an error when it is an APPEND with a mistake.
pub fn parse_append_head(text: &[u8], charset: Charset) -> Option<Result<AppendHead, (String, Bad)>> {
    let mut cursor = Cursor::new(text);
    let tag = cursor.tag().ok()?;
    cursor.space().ok()?;
    if !cursor.word("APPEND") {
        return None;
    }
    cursor.space().ok()?;
    if is_literal_announced(&cursor) {
        return None;
    }
    let head = parse_mailbox(&mut cursor, charset).and_then(|mailbox| Ok((mailbox, parse_options(&mut cursor)?)));
    Some(match head {
        Ok((mailbox, options)) => Ok(AppendHead { tag, mailbox, options }),
        Err(bad) => Err((tag, bad)),
    })
}

/// What follows a message: another one's options up to its literal, or nothing more (`None`).
pub fn parse_append_next(line: &[u8]) -> Parsed<Option<AppendOptions>> {
    let mut cursor = Cursor::new(line);
    if cursor.is_at_end() { Ok(None) } else { parse_options(&mut cursor).map(Some) }
}

/// [SP flag-list] [SP date-time] SP literal-head
fn parse_options(cursor: &mut Cursor<'_>) -> Parsed<AppendOptions> {
    let mut options = AppendOptions::default();
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        options.flags = parse_flag_list(cursor)?;
        cursor.space()?;
    }
    if cursor.peek() == Some(b'"') {
        options.received_at = Some(parse_date_time(cursor)?);
        cursor.space()?;
    }
    if is_literal_announced(cursor) { Ok(options) } else { Err(Bad("the message is missing")) }
}

/// Is all that is left `{n}` CRLF, perhaps with `~` before it (RFC 3516 §4.4: literal8)?
fn is_literal_announced(cursor: &Cursor<'_>) -> bool {
    let rest = cursor.rest();
    let rest = rest.strip_prefix(b"~").unwrap_or(rest);
    let head_end = rest.iter().position(|&byte| byte == b'}').and_then(|at| rest.get(at + 1..));
    rest.starts_with(b"{") && matches!(head_end, Some(b"\r\n" | b"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::Timestamp;

    #[test]
    fn heads() {
        let head = |text: &str| parse_append_head(text.as_bytes(), Charset::Utf7);
        let name = |name: &str| MailboxName::new(name).expect(name);
        let plain = AppendHead { tag: "a".into(), mailbox: name("x y"), options: AppendOptions::default() };
        assert_eq!(head("a APPEND \"x y\" {10}\r\n"), Some(Ok(plain.clone())));
        assert_eq!(head("a APPEND {3+}\r\nx y ~{10+}\r\n"), Some(Ok(plain)));
        let options =
            AppendOptions { flags: vec!["\\Seen".into(), "$x".into()], received_at: Some(Timestamp::from_secs(837_596_665)) };
        let full = AppendHead { tag: "a".into(), mailbox: name("INBOX"), options };
        assert_eq!(head("a append inbox (\\Seen $x) \"17-Jul-1996 02:44:25 -0700\" {1}\r\n"), Some(Ok(full)));
        assert_eq!(head("a APPEND {3}\r\n"), None);
        assert_eq!(head("a LOGIN x {3}\r\n"), None);
        assert!(matches!(head("a APPEND INBOX (\\Seen {3}\r\n"), Some(Err(_))));
        assert!(matches!(head("a APPEND INBOX {3}\r\nabc {4}\r\n"), Some(Err(_))));
    }

    #[test]
    fn what_follows_a_message() {
        assert_eq!(parse_append_next(b"\r\n"), Ok(None));
        let options = AppendOptions { flags: vec!["\\Draft".into()], received_at: None };
        assert_eq!(parse_append_next(b" (\\Draft) {3}\r\n"), Ok(Some(options)));
        assert!(parse_append_next(b" x\r\n").is_err());
        assert!(parse_append_next(b"{3}\r\n").is_err());
    }
}
