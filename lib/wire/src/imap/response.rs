// SPDX-License-Identifier: AGPL-3.0-or-later
//! Responses (RFC 9051 §7): values out, as bytes appended to a buffer.
//!
//! Nothing here can write what is not IMAP: a text that no quoted string can hold becomes a literal, a
//! NUL is dropped, human text loses its line ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::command::{Partial, StatusItem};
use super::cursor::is_astring_char;
use super::mailbox_name::{Charset, SEPARATOR, encode_mailbox};
use super::notify::EVENTS;
use super::parse::STATUS_ITEMS;
use super::set::encode_numbers;

/// Octets of a text that is still written between quotation marks; longer ones become literals.
const QUOTED_BYTES_MAX: usize = 1000;

/// How a command went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It was done.
    Ok,
    /// It could not be done.
    No,
    /// It was not understood, or has no place here.
    Bad,
    /// The connection ends.
    Bye,
}

/// A response code (RFC 9051 §7.1, RFC 5530).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// A code that is one word: `TRYCREATE`, `AUTHENTICATIONFAILED`, `READ-ONLY` ...
    Word(&'static str),
    /// A code with a number: `UIDNEXT 5`.
    Number(&'static str, u64),
    /// `CAPABILITY ..`
    Capability(String),
    /// `APPENDUID validity uids` (RFC 9051 §7.1)
    AppendUid(u32, Vec<u32>),
    /// `COPYUID validity from to`; the two lists belong together, number by number.
    CopyUid(u32, Vec<u32>, Vec<u32>),
    /// `MODIFIED set` (RFC 7162 §3.1.3)
    Modified(Vec<u32>),
    /// `PERMANENTFLAGS (..)`
    PermanentFlags(Vec<String>),
    /// `MAILBOXID (id)` (RFC 8474 §4)
    MailboxId(String),
    /// `METADATA LONGENTRIES n` (RFC 5464 §4.2.1) and its kin: a word, and a number.
    Metadata(&'static str, Option<u64>),
    /// `INPROGRESS ("tag" done of)` (RFC 9585 §4)
    InProgress(String, u64, u64),
    /// `BADURL url` (RFC 4469 §4)
    BadUrl(String),
    /// `UNDEFINED-FILTER name` (RFC 5466 §3.1)
    UndefinedFilter(String),
    /// `BADEVENT (..)` (RFC 5465 §3.1): the events that NOTIFY knows.
    BadEvent,
    /// `BADCHARSET (..)`: the charsets that SEARCH knows.
    BadCharset,
}

/// The end of a command, or an untagged status response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// How it went.
    pub condition: Condition,
    /// A code for the program.
    pub code: Option<Code>,
    /// A text for the person.
    pub text: String,
}

impl Reply {
    /// OK with a text.
    pub fn ok(text: impl Into<String>) -> Self {
        Self { condition: Condition::Ok, code: None, text: text.into() }
    }

    /// NO with a text.
    pub fn no(text: impl Into<String>) -> Self {
        Self { condition: Condition::No, code: None, text: text.into() }
    }

    /// BAD with a text.
    pub fn bad(text: impl Into<String>) -> Self {
        Self { condition: Condition::Bad, code: None, text: text.into() }
    }

    /// BYE with a text.
    pub fn bye(text: impl Into<String>) -> Self {
        Self { condition: Condition::Bye, code: None, text: text.into() }
    }

    /// With a code.
    #[must_use]
    pub fn with(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// With a code that is one word.
    #[must_use]
    pub fn word(self, word: &'static str) -> Self {
        self.with(Code::Word(word))
    }

    /// `tag OK [code] text` CRLF; untagged without a tag.
    pub fn encode(&self, out: &mut Vec<u8>, tag: Option<&str>) {
        let condition = match self.condition {
            Condition::Ok => "OK",
            Condition::No => "NO",
            Condition::Bad => "BAD",
            Condition::Bye => "BYE",
        };
        out.extend_from_slice(tag.unwrap_or("*").as_bytes());
        out.push(b' ');
        out.extend_from_slice(condition.as_bytes());
        out.push(b' ');
        if let Some(code) = &self.code {
            out.push(b'[');
            encode_code(out, code);
            out.extend_from_slice(b"] ");
        }
        encode_human(out, &self.text);
        out.extend_from_slice(b"\r\n");
    }
}

fn encode_code(out: &mut Vec<u8>, code: &Code) {
    let mut text = |text: &str| out.extend_from_slice(text.as_bytes());
    match code {
        Code::Word(word) => text(word),
        Code::Number(word, number) => text(&format!("{word} {number}")),
        Code::Capability(names) => text(&format!("CAPABILITY {names}")),
        Code::AppendUid(validity, uids) => {
            text(&format!("APPENDUID {validity} "));
            encode_numbers(out, uids.iter().copied());
        }
        Code::CopyUid(validity, from, to) => {
            text(&format!("COPYUID {validity} "));
            encode_numbers(out, from.iter().copied());
            out.push(b' ');
            encode_numbers(out, to.iter().copied());
        }
        Code::Modified(numbers) => {
            text("MODIFIED ");
            encode_numbers(out, numbers.iter().copied());
        }
        Code::PermanentFlags(flags) => {
            text("PERMANENTFLAGS ");
            encode_flags(out, flags.iter().map(String::as_str));
        }
        Code::MailboxId(id) => text(&format!("MAILBOXID ({id})")),
        Code::Metadata(word, Some(number)) => text(&format!("METADATA {word} {number}")),
        Code::Metadata(word, None) => text(&format!("METADATA {word}")),
        Code::InProgress(tag, done, of) => {
            text("INPROGRESS (");
            encode_string(out, tag.as_bytes(), Charset::Utf8);
            out.extend_from_slice(format!(" {done} {of})").as_bytes());
        }
        Code::BadUrl(url) => {
            let shown = url.chars().filter(|c| c.is_ascii_graphic() && *c != ']');
            text(&format!("BADURL {}", shown.collect::<String>()));
        }
        Code::UndefinedFilter(name) => text(&format!("UNDEFINED-FILTER {name}")),
        Code::BadEvent => {
            text("BADEVENT ");
            encode_flags(out, EVENTS);
        }
        Code::BadCharset => text("BADCHARSET (UTF-8 US-ASCII)"),
    }
}

/// resp-text: one line, and not mistaken for a code.
fn encode_human(out: &mut Vec<u8>, text: &str) {
    if text.is_empty() || text.starts_with('[') {
        out.extend_from_slice(b"- ");
    }
    out.extend(text.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
}

/// `(a b c)`
pub fn encode_flags<'a>(out: &mut Vec<u8>, flags: impl IntoIterator<Item = &'a str>) {
    out.push(b'(');
    for (at, flag) in flags.into_iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(flag.as_bytes());
    }
    out.push(b')');
}

/// A decimal number.
pub fn encode_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(number.to_string().as_bytes());
}

/// string: quoted where it can be, else a literal. Octets above 127 are quoted only in UTF-8 mode.
pub fn encode_string(out: &mut Vec<u8>, value: &[u8], charset: Charset) {
    let quotable = |byte: u8| byte >= 0x20 && byte != 0x7f && (byte.is_ascii() || charset == Charset::Utf8);
    if value.len() <= QUOTED_BYTES_MAX && value.iter().all(|&byte| quotable(byte) || byte == b'\t' || byte == 0) {
        out.push(b'"');
        for &byte in value.iter().filter(|&&byte| byte != 0) {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out.push(b'"');
        return;
    }
    let nuls = value.iter().filter(|&&byte| byte == 0).count();
    encode_literal_head(out, (value.len() - nuls) as u64);
    out.extend(value.iter().copied().filter(|&byte| byte != 0));
}

/// `{n}` CRLF; the octets follow by another hand.
pub fn encode_literal_head(out: &mut Vec<u8>, size_bytes: u64) {
    out.extend_from_slice(format!("{{{size_bytes}}}\r\n").as_bytes());
}

/// A challenge of AUTHENTICATE: `+ base64` CRLF (RFC 9051 §7.6).
pub fn encode_challenge(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend_from_slice(format!("+ {}\r\n", BASE64.encode(octets)).as_bytes());
}

/// nstring
pub fn encode_nstring(out: &mut Vec<u8>, value: Option<&[u8]>, charset: Charset) {
    match value {
        Some(value) => encode_string(out, value, charset),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// astring: an atom where it can be.
pub(crate) fn encode_astring(out: &mut Vec<u8>, value: &[u8]) {
    let is_atom = !value.is_empty() && value.iter().all(|&byte| is_astring_char(byte)) && !value.eq_ignore_ascii_case(b"NIL");
    if is_atom { out.extend_from_slice(value) } else { encode_string(out, value, Charset::Utf8) }
}

/// One line of a LIST or LSUB response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListLine {
    /// `\HasChildren`, `\Sent` ...
    pub attributes: Vec<&'static str>,
    /// The name in UTF-8; empty for the root that `LIST "" ""` asks for.
    pub name: String,
    /// CHILDINFO (RFC 5258 §3.5): a subscribed mailbox is below.
    pub child_info_subscribed: bool,
    /// OLDNAME (RFC 9051 §6.3.9.7), after RENAME.
    pub old_name: Option<String>,
}

/// `* LIST (..) "/" name` CRLF
pub fn encode_list_line(out: &mut Vec<u8>, word: &str, line: &ListLine, charset: Charset) {
    out.extend_from_slice(format!("* {word} ").as_bytes());
    encode_flags(out, line.attributes.iter().copied());
    out.extend_from_slice(format!(" \"{SEPARATOR}\" ").as_bytes());
    encode_mailbox(out, &line.name, charset);
    let mut extended: Vec<Vec<u8>> = Vec::new();
    if line.child_info_subscribed {
        extended.push(b"\"CHILDINFO\" (\"SUBSCRIBED\")".to_vec());
    }
    if let Some(old) = &line.old_name {
        let mut item = b"\"OLDNAME\" (".to_vec();
        encode_mailbox(&mut item, old, charset);
        item.push(b')');
        extended.push(item);
    }
    if !extended.is_empty() {
        out.extend_from_slice(b" (");
        out.extend_from_slice(&extended.join(&b' '));
        out.push(b')');
    }
    out.extend_from_slice(b"\r\n");
}

/// `* METADATA name (entry value ..)` CRLF (RFC 5464 §4.4.1); the name of the server is empty.
pub fn encode_metadata_line(out: &mut Vec<u8>, name: &str, entries: &[(String, Option<Vec<u8>>)], charset: Charset) {
    out.extend_from_slice(b"* METADATA ");
    encode_mailbox(out, name, charset);
    out.extend_from_slice(b" (");
    for (at, (entry, value)) in entries.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b" " } else { b"" });
        out.extend_from_slice(entry.as_bytes());
        out.push(b' ');
        encode_nstring(out, value.as_deref(), charset);
    }
    out.extend_from_slice(b")\r\n");
}

/// `* METADATA name entry ..` CRLF (RFC 5464 §4.4.2): entries that changed, without their values.
pub fn encode_metadata_names(out: &mut Vec<u8>, name: &str, entries: &[&str], charset: Charset) {
    out.extend_from_slice(b"* METADATA ");
    encode_mailbox(out, name, charset);
    for entry in entries {
        out.push(b' ');
        out.extend_from_slice(entry.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// What a STATUS item is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusValue {
    /// A number.
    Number(u64),
    /// An object id, in parentheses (RFC 8474 §4.3).
    Id(String),
}

/// `* STATUS name (..)` CRLF
pub fn encode_status_line(out: &mut Vec<u8>, name: &str, values: &[(StatusItem, StatusValue)], charset: Charset) {
    out.extend_from_slice(b"* STATUS ");
    encode_mailbox(out, name, charset);
    let items: Vec<String> = values.iter().map(|(item, value)| status_text(*item, value)).collect();
    out.extend_from_slice(format!(" ({})\r\n", items.join(" ")).as_bytes());
}

fn status_text(item: StatusItem, value: &StatusValue) -> String {
    let name = STATUS_ITEMS.iter().find(|(_, known)| *known == item).map_or("", |(name, _)| name);
    match value {
        StatusValue::Number(number) => format!("{name} {number}"),
        StatusValue::Id(id) => format!("{name} ({id})"),
    }
}

/// The answer to an extended SEARCH (RFC 9051 §7.3.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Esearch {
    /// UIDs rather than message numbers?
    pub uid: bool,
    /// MIN
    pub min: Option<u32>,
    /// MAX
    pub max: Option<u32>,
    /// ALL; left out when nothing was found.
    pub all: Option<Vec<u32>>,
    /// COUNT
    pub count: Option<usize>,
    /// MODSEQ (RFC 7162 §3.1.10)
    pub modseq: Option<u64>,
    /// PARTIAL (RFC 9394 §3.1): the range as asked for, and what is in it.
    pub partial: Option<(Partial, Vec<u32>)>,
    /// RELEVANCY (RFC 6203 §4): of each that was found, 1 to 100.
    pub relevancy: Option<Vec<u8>>,
    /// Of which mailbox (RFC 7377 §2.3), and its UIDVALIDITY.
    pub mailbox: Option<(String, u32)>,
}

/// `* ESEARCH (TAG "t") ..` CRLF
pub fn encode_esearch(out: &mut Vec<u8>, tag: &str, found: &Esearch, charset: Charset) {
    out.extend_from_slice(b"* ESEARCH (TAG ");
    encode_string(out, tag.as_bytes(), Charset::Utf8);
    if let Some((name, uid_validity)) = &found.mailbox {
        out.extend_from_slice(b" MAILBOX ");
        encode_mailbox(out, name, charset);
        out.extend_from_slice(format!(" UIDVALIDITY {uid_validity}").as_bytes());
    }
    out.push(b')');
    if found.uid {
        out.extend_from_slice(b" UID");
    }
    let mut number = |name: &str, value: Option<u64>| {
        if let Some(value) = value {
            out.extend_from_slice(format!(" {name} {value}").as_bytes());
        }
    };
    number("MIN", found.min.map(u64::from));
    number("MAX", found.max.map(u64::from));
    number("COUNT", found.count.map(|count| count as u64));
    number("MODSEQ", found.modseq);
    if let Some(all) = found.all.as_ref().filter(|all| !all.is_empty()) {
        out.extend_from_slice(b" ALL ");
        encode_numbers(out, all.iter().copied());
    }
    if let Some((range, numbers)) = &found.partial {
        out.extend_from_slice(format!(" PARTIAL ({range} ").as_bytes());
        if numbers.is_empty() {
            out.extend_from_slice(b"NIL");
        }
        encode_numbers(out, numbers.iter().copied());
        out.push(b')');
    }
    if let Some(scores) = &found.relevancy {
        let scores: Vec<String> = scores.iter().map(ToString::to_string).collect();
        out.extend_from_slice(format!(" RELEVANCY ({})", scores.join(" ")).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// `* SEARCH 1 2 3 [(MODSEQ n)]` CRLF (RFC 3501 §7.2.5, RFC 7162 §3.1.5)
pub fn encode_search(out: &mut Vec<u8>, numbers: &[u32], modseq: Option<u64>) {
    encode_search_as(out, "SEARCH", numbers, modseq);
}

/// The same, as the answer to SORT (RFC 5256 §4): the order is kept.
pub fn encode_sort(out: &mut Vec<u8>, numbers: &[u32], modseq: Option<u64>) {
    encode_search_as(out, "SORT", numbers, modseq);
}

fn encode_search_as(out: &mut Vec<u8>, word: &str, numbers: &[u32], modseq: Option<u64>) {
    out.extend_from_slice(format!("* {word}").as_bytes());
    for number in numbers {
        out.extend_from_slice(format!(" {number}").as_bytes());
    }
    if let Some(modseq) = modseq {
        out.extend_from_slice(format!(" (MODSEQ {modseq})").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// `* VANISHED [(EARLIER)] uids` CRLF (RFC 7162 §3.2.10); nothing for no UIDs.
pub fn encode_vanished(out: &mut Vec<u8>, uids: &[u32], earlier: bool) {
    if uids.is_empty() {
        return;
    }
    out.extend_from_slice(if earlier { b"* VANISHED (EARLIER) " } else { b"* VANISHED " });
    encode_numbers(out, uids.iter().copied());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::cursor::Cursor;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn replies() {
        for (reply, line) in [
            (Reply::ok("done"), "a OK done\r\n"),
            (Reply::no("no such mailbox").word("NONEXISTENT"), "a NO [NONEXISTENT] no such mailbox\r\n"),
            (Reply::ok("").with(Code::Number("UIDNEXT", 5)), "a OK [UIDNEXT 5] - \r\n"),
            (Reply::bad("[x]\r\n* OK"), "a BAD - [x]  * OK\r\n"),
            (Reply::ok("x").with(Code::CopyUid(9, vec![1, 2, 3], vec![7, 8, 9])), "a OK [COPYUID 9 1:3 7:9] x\r\n"),
            (Reply::ok("x").with(Code::MailboxId("m1".into())), "a OK [MAILBOXID (m1)] x\r\n"),
            (
                Reply::ok("x").with(Code::PermanentFlags(vec!["\\Seen".into(), "\\*".into()])),
                "a OK [PERMANENTFLAGS (\\Seen \\*)] x\r\n",
            ),
        ] {
            assert_eq!(text(|out| reply.encode(out, Some("a"))), line);
        }
        assert_eq!(text(|out| Reply::bye("x").encode(out, None)), "* BYE x\r\n");
    }

    #[test]
    fn a_string_is_read_back() {
        for value in [
            &b""[..],
            b"abc",
            b"a \"b\\",
            b"a\r\nb",
            b"\xc3\xa9",
            b"\xff",
            b"a\tb",
            &[b'x'; QUOTED_BYTES_MAX],
            &[b'x'; QUOTED_BYTES_MAX + 1],
        ] {
            for charset in [Charset::Utf7, Charset::Utf8] {
                let mut out = Vec::new();
                encode_string(&mut out, value, charset);
                assert_eq!(Cursor::new(&out).string().as_deref(), Ok(value));
                assert!(charset == Charset::Utf8 || !value.contains(&0xc3) || out.starts_with(b"{"));
            }
        }
        assert_eq!(text(|out| encode_string(out, b"a\0b", Charset::Utf8)), "\"ab\"");
        assert_eq!(text(|out| encode_string(out, b"a\0\nb", Charset::Utf8)), "{3}\r\na\nb");
    }

    #[test]
    fn lists() {
        let line = ListLine {
            attributes: vec!["\\HasNoChildren", "\\Sent"],
            name: "Gesendete Entwürfe".into(),
            child_info_subscribed: true,
            old_name: Some("x".into()),
        };
        assert_eq!(
            text(|out| encode_list_line(out, "LIST", &line, Charset::Utf7)),
            "* LIST (\\HasNoChildren \\Sent) \"/\" \"Gesendete Entw&APw-rfe\" (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (x))\r\n"
        );
        assert_eq!(text(|out| encode_list_line(out, "LSUB", &ListLine::default(), Charset::Utf7)), "* LSUB () \"/\" \"\"\r\n");
    }

    #[test]
    fn searches() {
        let found =
            Esearch { uid: true, min: Some(2), count: Some(3), all: Some(vec![2, 3, 9]), modseq: Some(7), ..Esearch::default() };
        assert_eq!(
            text(|out| encode_esearch(out, "A1", &found, Charset::Utf7)),
            "* ESEARCH (TAG \"A1\") UID MIN 2 COUNT 3 MODSEQ 7 ALL 2:3,9\r\n"
        );
        let range = Partial { from_end: true, first: 1, last: 2 };
        let found = Esearch { partial: Some((range, vec![9, 4])), mailbox: Some(("x".into(), 7)), uid: true, ..Esearch::default() };
        assert_eq!(
            text(|out| encode_esearch(out, "t", &found, Charset::Utf7)),
            "* ESEARCH (TAG \"t\" MAILBOX x UIDVALIDITY 7) UID PARTIAL (-1:-2 9,4)\r\n"
        );
        let found = Esearch { partial: Some((range, vec![])), ..Esearch::default() };
        assert_eq!(text(|out| encode_esearch(out, "t", &found, Charset::Utf7)), "* ESEARCH (TAG \"t\") PARTIAL (-1:-2 NIL)\r\n");
        assert_eq!(text(|out| encode_sort(out, &[5, 2], None)), "* SORT 5 2\r\n");
        assert_eq!(text(|out| encode_search(out, &[2, 5], Some(9))), "* SEARCH 2 5 (MODSEQ 9)\r\n");
        assert_eq!(text(|out| encode_vanished(out, &[1, 2, 5], true)), "* VANISHED (EARLIER) 1:2,5\r\n");
        assert_eq!(text(|out| encode_vanished(out, &[], false)), "");
    }
}
