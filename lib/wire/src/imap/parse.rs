// SPDX-License-Identifier: AGPL-3.0-or-later
//! The second stage of reading: the text of one whole command into a [`Tagged`] value.
//!
//! A mistake costs the command and says what was wrong; the tag comes back with it when there was one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hearth_types::Secret;

use super::command::{Command, Password, Qresync, StatusItem, Tagged};
use super::cursor::{Bad, Cursor, Parsed, utf8};
use super::limits::{ID_PAIRS_MAX, ID_VALUE_BYTES_MAX, LIST_ITEMS_MAX};
use super::mailbox_name::{Charset, parse_mailbox};
use super::set::parse_sequence_set;
use super::{acl, notify, parse_fetch, parse_list, parse_metadata, parse_search, parse_sort, parse_sources, parse_store};

/// A command that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SyntaxError {
    /// Its tag, if there was one: the answer is tagged BAD, else untagged BAD.
    pub tag: Option<String>,
    /// What was wrong, in words.
    pub what: &'static str,
}

/// command = tag SP (command-any / command-auth / command-nonauth / command-select) CRLF
pub fn parse_command(text: &[u8], charset: Charset) -> Result<Tagged, SyntaxError> {
    let mut cursor = Cursor::new(text);
    let tag = cursor.tag().map_err(|Bad(what)| SyntaxError { tag: None, what })?;
    let parsed = parse_after_tag(&mut cursor, charset);
    match parsed {
        Ok(command) => Ok(Tagged { tag, command }),
        Err(Bad(what)) => Err(SyntaxError { tag: Some(tag), what }),
    }
}

/// The tag and the verb of whatever this is, for choosing how to read the rest; the verb in upper case.
pub fn parse_tag_and_verb(text: &[u8]) -> Option<(String, String)> {
    let mut cursor = Cursor::new(text);
    let tag = cursor.tag().ok()?;
    cursor.space().ok()?;
    Some((tag, cursor.keyword().ok()?))
}

fn parse_after_tag(cursor: &mut Cursor<'_>, charset: Charset) -> Parsed<Command> {
    cursor.space()?;
    let verb = cursor.keyword()?;
    let command = if verb == "UID" {
        cursor.space()?;
        let verb = cursor.keyword()?;
        parse_uid_command(cursor, &verb, charset)?
    } else {
        parse_verb(cursor, &verb, charset)?
    };
    cursor.end()?;
    Ok(command)
}

fn parse_verb(cursor: &mut Cursor<'_>, verb: &str, charset: Charset) -> Parsed<Command> {
    Ok(match verb {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "LOGOUT" => Command::Logout,
        "STARTTLS" => Command::StartTls,
        "NAMESPACE" => Command::Namespace,
        "IDLE" => Command::Idle,
        "CHECK" => Command::Check,
        "CLOSE" => Command::Close,
        "UNSELECT" => Command::Unselect,
        "EXPUNGE" => Command::Expunge,
        "UNAUTHENTICATE" => Command::Unauthenticate,
        "GETJMAPACCESS" => Command::GetJmapAccess,
        "SEARCH" => parse_search::parse_search(cursor, false)?,
        "SORT" => parse_sort::parse_sort(cursor, false)?,
        "THREAD" => parse_sort::parse_thread(cursor, false)?,
        "FETCH" => parse_fetch::parse_fetch(cursor, false)?,
        "STORE" => parse_store::parse_store(cursor, false)?,
        "COPY" | "MOVE" => parse_copy(cursor, verb, false, charset)?,
        _ => {
            cursor.space().map_err(|_| if is_known(verb) { Bad("arguments are missing") } else { Bad("unknown command") })?;
            return parse_verb_with_arguments(cursor, verb, charset);
        }
    })
}

fn is_known(verb: &str) -> bool {
    const WITH_ARGUMENTS: [&str; 28] = [
        "ID",
        "ENABLE",
        "AUTHENTICATE",
        "LOGIN",
        "SELECT",
        "EXAMINE",
        "CREATE",
        "DELETE",
        "RENAME",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "LIST",
        "LSUB",
        "STATUS",
        "GETQUOTA",
        "GETQUOTAROOT",
        "COMPRESS",
        "ESEARCH",
        "GETMETADATA",
        "SETMETADATA",
        "UIDBATCHES",
        "SETQUOTA",
        "NOTIFY",
        "SETACL",
        "DELETEACL",
        "GETACL",
        "LISTRIGHTS",
        "MYRIGHTS",
    ];
    WITH_ARGUMENTS.contains(&verb)
}

fn parse_verb_with_arguments(cursor: &mut Cursor<'_>, verb: &str, charset: Charset) -> Parsed<Command> {
    Ok(match verb {
        "ID" => Command::Id(parse_id(cursor)?),
        "ENABLE" => Command::Enable(parse_enable(cursor)?),
        "AUTHENTICATE" => parse_authenticate(cursor)?,
        "LOGIN" => {
            let user = cursor.astring_utf8()?;
            cursor.space()?;
            Command::Login { user, password: Password(Secret::new(cursor.astring()?)) }
        }
        "SELECT" | "EXAMINE" => parse_select(cursor, verb == "EXAMINE", charset)?,
        "CREATE" => parse_create(cursor, charset)?,
        "DELETE" => Command::Delete(parse_mailbox(cursor, charset)?),
        "RENAME" => {
            let from = parse_mailbox(cursor, charset)?;
            cursor.space()?;
            Command::Rename { from, to: parse_mailbox(cursor, charset)? }
        }
        "SUBSCRIBE" => Command::Subscribe(parse_mailbox(cursor, charset)?),
        "UNSUBSCRIBE" => Command::Unsubscribe(parse_mailbox(cursor, charset)?),
        "LIST" => Command::List(parse_list::parse_list(cursor, charset)?),
        "LSUB" => parse_list::parse_lsub(cursor, charset)?,
        "STATUS" => {
            let mailbox = parse_mailbox(cursor, charset)?;
            cursor.space()?;
            Command::Status(mailbox, cursor.list(LIST_ITEMS_MAX, false, parse_status_item)?)
        }
        "GETQUOTA" => Command::GetQuota(cursor.astring_utf8()?),
        "GETQUOTAROOT" => Command::GetQuotaRoot(parse_mailbox(cursor, charset)?),
        "SETQUOTA" => parse_set_quota(cursor)?,
        "NOTIFY" => Command::Notify(notify::parse_notify(cursor, charset)?),
        "SETACL" | "DELETEACL" | "GETACL" | "LISTRIGHTS" | "MYRIGHTS" => acl::parse_acl(cursor, verb, charset)?,
        "COMPRESS" => Command::Compress(cursor.keyword()?),
        "UIDBATCHES" => parse_uid_batches(cursor)?,
        "ESEARCH" => parse_sources::parse_esearch(cursor, charset)?,
        "GETMETADATA" => parse_metadata::parse_get(cursor, charset)?,
        "SETMETADATA" => parse_metadata::parse_set(cursor, charset)?,
        _ => return Err(Bad("unknown command")),
    })
}

/// setquota = "SETQUOTA" SP quota-root-name SP setquota-list (RFC 9208 §7)
fn parse_set_quota(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let root = cursor.astring_utf8()?;
    cursor.space()?;
    let limits = cursor.list(LIST_ITEMS_MAX, true, |cursor| {
        let resource = cursor.keyword()?;
        cursor.space()?;
        Ok((resource, cursor.number64()?))
    })?;
    Ok(Command::SetQuota(root, limits))
}

/// RFC 10022 §3: a size, and from which batch to which.
fn parse_uid_batches(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let size = cursor.nz_number()?;
    let mut window = None;
    if !cursor.is_at_end() {
        cursor.space()?;
        let first = cursor.nz_number()?;
        cursor.expect(b':', "a range is two numbers")?;
        let last = cursor.nz_number()?;
        window = Some((first.min(last), first.max(last)));
    }
    Ok(Command::UidBatches { size, window })
}

fn parse_uid_command(cursor: &mut Cursor<'_>, verb: &str, charset: Charset) -> Parsed<Command> {
    match verb {
        "EXPUNGE" => {
            cursor.space()?;
            Ok(Command::UidExpunge(parse_sequence_set(cursor)?))
        }
        "SEARCH" => parse_search::parse_search(cursor, true),
        "SORT" => parse_sort::parse_sort(cursor, true),
        "THREAD" => parse_sort::parse_thread(cursor, true),
        "FETCH" => parse_fetch::parse_fetch(cursor, true),
        "STORE" => parse_store::parse_store(cursor, true),
        "COPY" | "MOVE" => parse_copy(cursor, verb, true, charset),
        _ => Err(Bad("unknown command")),
    }
}

fn parse_copy(cursor: &mut Cursor<'_>, verb: &str, uid: bool, charset: Charset) -> Parsed<Command> {
    cursor.space()?;
    let set = parse_sequence_set(cursor)?;
    cursor.space()?;
    let to = parse_mailbox(cursor, charset)?;
    Ok(if verb == "COPY" { Command::Copy { uid, set, to } } else { Command::Move { uid, set, to } })
}

/// id-params-list (RFC 2971 §3.3)
fn parse_id(cursor: &mut Cursor<'_>) -> Parsed<Vec<(String, Option<String>)>> {
    if cursor.word("NIL") {
        return Ok(Vec::new());
    }
    cursor.list(ID_PAIRS_MAX, true, |cursor| {
        let field = utf8(cursor.string()?)?;
        cursor.space()?;
        let value = cursor.nstring()?.map(utf8).transpose()?;
        if field.len() > ID_VALUE_BYTES_MAX || value.as_ref().is_some_and(|value| value.len() > ID_VALUE_BYTES_MAX) {
            return Err(Bad("a value of ID is too long"));
        }
        Ok((field, value))
    })
}

fn parse_enable(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    let mut names = vec![cursor.keyword()?];
    while !cursor.is_at_end() {
        cursor.space()?;
        if names.len() >= LIST_ITEMS_MAX {
            return Err(Bad("a list is too long"));
        }
        names.push(cursor.keyword()?);
    }
    Ok(names)
}

/// authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]
fn parse_authenticate(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let mechanism = cursor.keyword()?;
    if cursor.is_at_end() {
        return Ok(Command::Authenticate { mechanism, initial: None });
    }
    cursor.space()?;
    let initial = if cursor.eat(b'=') && cursor.is_at_end() {
        Vec::new()
    } else {
        decode_base64(cursor.take_while(|byte| byte > 0x20 && byte < 0x7f, "an initial response is missing")?)?
    };
    Ok(Command::Authenticate { mechanism, initial: Some(Password(Secret::new(initial))) })
}

/// A line of an authentication exchange: base64, or `*` to give up (`None`).
pub fn parse_authenticate_line(line: &[u8]) -> Parsed<Option<Vec<u8>>> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line == b"*" { Ok(None) } else { decode_base64(line).map(Some) }
}

fn decode_base64(text: &[u8]) -> Parsed<Vec<u8>> {
    BASE64.decode(text).map_err(|_| Bad("what was sent is not base64"))
}

fn parse_select(cursor: &mut Cursor<'_>, read_only: bool, charset: Charset) -> Parsed<Command> {
    let mailbox = parse_mailbox(cursor, charset)?;
    let (mut condstore, mut qresync) = (false, None);
    if !cursor.is_at_end() {
        cursor.space()?;
        cursor.list(LIST_ITEMS_MAX, false, |cursor| {
            if cursor.word("CONDSTORE") {
                condstore = true;
            } else if cursor.word("QRESYNC") {
                cursor.space()?;
                qresync = Some(parse_qresync(cursor)?);
            } else {
                return Err(Bad("unknown parameter of SELECT"));
            }
            Ok(())
        })?;
    }
    Ok(Command::Select { read_only, mailbox, condstore, qresync })
}

/// RFC 7162 §7: select-param of QRESYNC.
fn parse_qresync(cursor: &mut Cursor<'_>) -> Parsed<Qresync> {
    cursor.expect(b'(', "an opening parenthesis is missing")?;
    let uid_validity = cursor.nz_number()?;
    cursor.space()?;
    let modseq = cursor.number64()?;
    let (mut known_uids, mut matches) = (None, None);
    if cursor.eat(b' ') {
        if cursor.peek() != Some(b'(') {
            known_uids = Some(parse_sequence_set(cursor)?);
        }
        if known_uids.is_none() || cursor.eat(b' ') {
            cursor.expect(b'(', "an opening parenthesis is missing")?;
            let numbers = parse_sequence_set(cursor)?;
            cursor.space()?;
            matches = Some((numbers, parse_sequence_set(cursor)?));
            cursor.expect(b')', "a closing parenthesis is missing")?;
        }
    }
    cursor.expect(b')', "a closing parenthesis is missing")?;
    Ok(Qresync { uid_validity, modseq, known_uids, matches })
}

fn parse_create(cursor: &mut Cursor<'_>, charset: Charset) -> Parsed<Command> {
    let mailbox = parse_mailbox(cursor, charset)?;
    let mut special_use = Vec::new();
    if !cursor.is_at_end() {
        cursor.space()?;
        cursor.expect(b'(', "an opening parenthesis is missing")?;
        if !cursor.word("USE") {
            return Err(Bad("unknown parameter of CREATE"));
        }
        cursor.space()?;
        special_use = cursor.list(LIST_ITEMS_MAX, true, |cursor| {
            cursor.expect(b'\\', "a special use begins with a backslash")?;
            Ok(format!("\\{}", cursor.atom()?))
        })?;
        cursor.expect(b')', "a closing parenthesis is missing")?;
    }
    Ok(Command::Create { mailbox, special_use })
}

pub(crate) fn parse_status_item(cursor: &mut Cursor<'_>) -> Parsed<StatusItem> {
    let name = cursor.keyword()?;
    STATUS_ITEMS.iter().find(|(known, _)| *known == name).map(|&(_, item)| item).ok_or(Bad("unknown item of STATUS"))
}

/// The names of STATUS items, for reading and for writing.
pub const STATUS_ITEMS: [(&str, StatusItem); 11] = [
    ("MESSAGES", StatusItem::Messages),
    ("RECENT", StatusItem::Recent),
    ("UIDNEXT", StatusItem::UidNext),
    ("UIDVALIDITY", StatusItem::UidValidity),
    ("UNSEEN", StatusItem::Unseen),
    ("DELETED", StatusItem::Deleted),
    ("SIZE", StatusItem::Size),
    ("HIGHESTMODSEQ", StatusItem::HighestModSeq),
    ("MAILBOXID", StatusItem::MailboxId),
    ("APPENDLIMIT", StatusItem::AppendLimit),
    ("DELETED-STORAGE", StatusItem::DeletedStorage),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_keeps_its_tag() {
        for (text, tag, what) in [
            ("", None, "the tag is missing"),
            ("\r\n", None, "the tag is missing"),
            ("+ NOOP\r\n", None, "the tag is missing"),
            ("a1\r\n", Some("a1"), "a space is missing"),
            ("a1 FROB\r\n", Some("a1"), "unknown command"),
            ("a1 FROB x\r\n", Some("a1"), "unknown command"),
            ("a1 LOGIN\r\n", Some("a1"), "arguments are missing"),
            ("a1 NOOP x\r\n", Some("a1"), "there is more text than the command takes"),
            ("a1 UID NOOP\r\n", Some("a1"), "unknown command"),
        ] {
            let error = parse_command(text.as_bytes(), Charset::Utf7).expect_err(text);
            assert_eq!((error.tag.as_deref(), error.what), (tag, what), "{text:?}");
        }
    }

    #[test]
    fn an_authentication_line() {
        assert_eq!(parse_authenticate_line(b"*\r\n"), Ok(None));
        assert_eq!(parse_authenticate_line(b"\r\n"), Ok(Some(vec![])));
        assert_eq!(parse_authenticate_line(b"Zm9v\r\n"), Ok(Some(b"foo".to_vec())));
        assert!(parse_authenticate_line(b"Zm9\r\n").is_err());
    }

    #[test]
    fn id_has_bounds() {
        let pairs = |count| format!("a ID ({})\r\n", vec!["\"k\" \"v\""; count].join(" "));
        assert!(parse_command(pairs(ID_PAIRS_MAX).as_bytes(), Charset::Utf7).is_ok());
        assert!(parse_command(pairs(ID_PAIRS_MAX + 1).as_bytes(), Charset::Utf7).is_err());
        let value = |length| format!("a ID (\"k\" \"{}\")\r\n", "v".repeat(length));
        assert!(parse_command(value(ID_VALUE_BYTES_MAX).as_bytes(), Charset::Utf7).is_ok());
        assert!(parse_command(value(ID_VALUE_BYTES_MAX + 1).as_bytes(), Charset::Utf7).is_err());
    }
}
