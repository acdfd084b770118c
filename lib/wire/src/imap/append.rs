// SPDX-License-Identifier: AGPL-3.0-or-later
//! APPEND (RFC 9051 §6.3.12, MULTIAPPEND RFC 3502, UTF8 RFC 6855) and REPLACE (RFC 8508): their words are read
//! here, their messages go elsewhere.
//!
//! The fragmentizer announces each literal. If the text so far is one of these up to its message,
//! [`parse_append_head`] says so, and the message's bytes never become part of a command.

use super::command::AppendOptions;
use super::cursor::{Bad, Cursor, Parsed};
use super::date::parse_date_time;
use super::mailbox_name::{Charset, MailboxName, parse_mailbox};
use super::parse_store::parse_flag_list;
use super::set::{End, parse_end};

/// An APPEND or REPLACE up to its first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendHead {
    /// The client's tag.
    pub tag: String,
    /// Of REPLACE: the message that goes.
    pub replaces: Option<Replaced>,
    /// Where to.
    pub mailbox: MailboxName,
    /// Of the first message.
    pub options: AppendOptions,
}

/// The message that REPLACE takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// UID REPLACE?
    pub uid: bool,
    /// Which one.
    pub message: End,
}

/// Reads `tag APPEND mailbox [flags] [date-time] {n}` CRLF. `None` when this is no APPEND, or when the
/// literal is its mailbox's name; an error when it is an APPEND with a mistake.
pub fn parse_append_head(text: &[u8], charset: Charset) -> Option<Result<AppendHead, (String, Bad)>> {
    let mut cursor = Cursor::new(text);
    let tag = cursor.tag().ok()?;
    cursor.space().ok()?;
    let uid = cursor.word("UID");
    if uid {
        cursor.space().ok()?;
    }
    let replaces = cursor.word("REPLACE");
    if !replaces && (uid || !cursor.word("APPEND")) {
        return None;
    }
    cursor.space().ok()?;
    let mut message = None;
    if replaces {
        message = match parse_end(&mut cursor).and_then(|end| cursor.space().map(|()| end)) {
            Ok(message) => Some(Replaced { uid, message }),
            Err(bad) => return Some(Err((tag, bad))),
        };
    }
    if is_literal_announced(&cursor) {
        return None;
    }
    let head = parse_mailbox(&mut cursor, charset).and_then(|mailbox| Ok((mailbox, parse_options(&mut cursor)?)));
    Some(match head {
        Ok((mailbox, options)) => Ok(AppendHead { tag, replaces: message, mailbox, options }),
        Err(bad) => Err((tag, bad)),
    })
}

/// What follows a message: another one's options up to its literal, or nothing more (`None`). `utf8` as the options
/// of that message have it.
pub fn parse_append_next(line: &[u8], utf8: bool) -> Parsed<Option<AppendOptions>> {
    let mut cursor = Cursor::new(line);
    if utf8 {
        cursor.expect(b')', "a closing parenthesis is missing")?;
    }
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
    if cursor.word("UTF8") {
        cursor.space()?;
        cursor.expect(b'(', "an opening parenthesis is missing")?;
        options.utf8 = true;
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
        let plain = AppendHead { tag: "a".into(), replaces: None, mailbox: name("x y"), options: AppendOptions::default() };
        assert_eq!(head("a APPEND \"x y\" {10}\r\n"), Some(Ok(plain.clone())));
        assert_eq!(head("a APPEND {3+}\r\nx y ~{10+}\r\n"), Some(Ok(plain)));
        let options = AppendOptions {
            flags: vec!["\\Seen".into(), "$x".into()],
            received_at: Some(Timestamp::from_secs(837_596_665)),
            utf8: false,
        };
        let full = AppendHead { tag: "a".into(), replaces: None, mailbox: name("INBOX"), options };
        assert_eq!(head("a append inbox (\\Seen $x) \"17-Jul-1996 02:44:25 -0700\" {1}\r\n"), Some(Ok(full)));
        assert_eq!(head("a APPEND {3}\r\n"), None);
        assert_eq!(head("a LOGIN x {3}\r\n"), None);
        assert!(matches!(head("a APPEND INBOX (\\Seen {3}\r\n"), Some(Err(_))));
        assert!(matches!(head("a APPEND INBOX {3}\r\nabc {4}\r\n"), Some(Err(_))));
    }

    #[test]
    fn replace() {
        let head = |text: &str| parse_append_head(text.as_bytes(), Charset::Utf7);
        let replaced = |text: &str| head(text).expect(text).expect(text).replaces;
        assert_eq!(replaced("a REPLACE 4 Drafts (\\Seen) {5}\r\n"), Some(Replaced { uid: false, message: End::Number(4) }));
        assert_eq!(replaced("a uid replace * Drafts ~{5+}\r\n"), Some(Replaced { uid: true, message: End::Star }));
        assert_eq!(head("a REPLACE 4 {6}\r\n"), None);
        assert_eq!(head("a UID APPEND INBOX {5}\r\n"), None);
        for text in ["a REPLACE 0 Drafts {5}\r\n", "a REPLACE 1:2 Drafts {5}\r\n", "a REPLACE Drafts {5}\r\n"] {
            assert!(matches!(head(text), Some(Err(_))), "{text}");
        }
    }

    #[test]
    fn utf8_messages() {
        let head = parse_append_head(b"a APPEND INBOX (\\Seen) UTF8 (~{5}\r\n", Charset::Utf8);
        assert!(head.expect("an append").expect("without a mistake").options.utf8);
        assert_eq!(parse_append_next(b")\r\n", true), Ok(None));
        assert_eq!(parse_append_next(b") UTF8 (~{3}\r\n", true).map(|next| next.is_some_and(|next| next.utf8)), Ok(true));
        assert!(parse_append_next(b"\r\n", true).is_err());
        assert!(parse_append_next(b")\r\n", false).is_err());
    }

    #[test]
    fn what_follows_a_message() {
        assert_eq!(parse_append_next(b"\r\n", false), Ok(None));
        let options = AppendOptions { flags: vec!["\\Draft".into()], received_at: None, utf8: false };
        assert_eq!(parse_append_next(b" (\\Draft) {3}\r\n", false), Ok(Some(options)));
        assert!(parse_append_next(b" x\r\n", false).is_err());
        assert!(parse_append_next(b"{3}\r\n", false).is_err());
    }
}
