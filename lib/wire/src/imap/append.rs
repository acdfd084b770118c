// SPDX-License-Identifier: AGPL-3.0-or-later
//! APPEND (RFC 9051 §6.3.12, MULTIAPPEND RFC 3502, CATENATE RFC 4469, UTF8 RFC 6855) and REPLACE (RFC 8508): their
//! words are read here, their messages go elsewhere.
//!
//! The fragmentizer announces each literal. If the text so far is one of these up to its message's octets,
//! [`parse_append_head`] says so, and the message's bytes never become part of a command.

use super::command::{AppendForm, AppendOptions};
use super::cursor::{Bad, Cursor, Parsed};
use super::date::parse_date_time;
use super::mailbox_name::{Charset, MailboxName, parse_mailbox};
use super::parse_store::parse_flag_list;
use super::set::{End, parse_end};

/// The longest CATENATE: parts of one message (deviates: RFC 4469 knows no bound).
const PARTS_MAX: usize = 200;

/// What [`parse_append_head`] and [`parse_append_next`] fail with when the literal is not a message's but a URL's.
pub const URL_AWAITED: Bad = Bad("the URL is missing");

/// An APPEND or REPLACE up to its first message's octets, or as a whole when it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendHead {
    /// The client's tag.
    pub tag: String,
    /// Of REPLACE: the message that goes.
    pub replaces: Option<Replaced>,
    /// Where to.
    pub mailbox: MailboxName,
    /// What is to be done up to the announced literal, or to the end.
    pub steps: Vec<AppendStep>,
}

/// One thing after the other makes the messages of an APPEND.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendStep {
    /// A message begins.
    Message(AppendOptions),
    /// RFC 4469 §3: a part of it is in another message.
    Url(String),
    /// The next octets of it are announced. This is the last step before them.
    Octets,
    /// It is whole.
    Whole,
}

/// The message that REPLACE takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// UID REPLACE?
    pub uid: bool,
    /// Which one.
    pub message: End,
}

/// Reads `tag APPEND mailbox [flags] [date-time] {n}` CRLF and its kin. `None` when this is no APPEND, or when the
/// literal is a name's or a URL's; an error when it is an APPEND with a mistake.
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
    let head = parse_mailbox(&mut cursor, charset).and_then(|mailbox| Ok((mailbox, parse_messages(&mut cursor)?)));
    match head {
        Ok((mailbox, steps)) => Some(Ok(AppendHead { tag, replaces: message, mailbox, steps })),
        Err(bad) if bad == URL_AWAITED => None,
        Err(bad) => Some(Err((tag, bad))),
    }
}

/// What follows octets of a message in this form: the rest of it, other messages up to their octets, or the end.
pub fn parse_append_next(line: &[u8], form: AppendForm) -> Parsed<Vec<AppendStep>> {
    let mut cursor = Cursor::new(line);
    let mut steps = Vec::new();
    match form {
        AppendForm::Literal => steps.push(AppendStep::Whole),
        AppendForm::Utf8 => {
            cursor.expect(b')', "a closing parenthesis is missing")?;
            steps.push(AppendStep::Whole);
        }
        AppendForm::Catenate => {
            if !cursor.eat(b')') {
                cursor.space()?;
                if !parse_parts(&mut cursor, &mut steps)? {
                    return Ok(steps);
                }
            } else {
                steps.push(AppendStep::Whole);
            }
        }
    }
    if !cursor.is_at_end() {
        steps.extend(parse_messages(&mut cursor)?);
    }
    Ok(steps)
}

/// Messages up to the first literal, or to the end.
fn parse_messages(cursor: &mut Cursor<'_>) -> Parsed<Vec<AppendStep>> {
    let mut steps = Vec::new();
    loop {
        let options = parse_options(cursor)?;
        steps.push(AppendStep::Message(options.clone()));
        if options.form != AppendForm::Catenate {
            steps.push(AppendStep::Octets);
            return Ok(steps);
        }
        if !parse_parts(cursor, &mut steps)? || cursor.is_at_end() {
            return Ok(steps);
        }
        if steps.len() > PARTS_MAX {
            return Err(Bad("there are too many parts"));
        }
    }
}

/// cat-part *(SP cat-part) ")"; false when it comes to a text.
fn parse_parts(cursor: &mut Cursor<'_>, steps: &mut Vec<AppendStep>) -> Parsed<bool> {
    for _ in 0..PARTS_MAX {
        if cursor.word("TEXT") {
            cursor.space()?;
            steps.push(AppendStep::Octets);
            return if is_literal_announced(cursor) { Ok(false) } else { Err(Bad("the text is missing")) };
        }
        if !cursor.word("URL") {
            return Err(Bad("a part is a TEXT or a URL"));
        }
        cursor.space()?;
        if is_literal_announced(cursor) {
            return Err(URL_AWAITED);
        }
        steps.push(AppendStep::Url(cursor.astring_utf8()?));
        if cursor.eat(b')') {
            steps.push(AppendStep::Whole);
            return Ok(true);
        }
        cursor.space()?;
    }
    Err(Bad("there are too many parts"))
}

/// [SP flag-list] [SP date-time] SP, up to literal-head or the first part of CATENATE
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
    for (word, form) in [("UTF8", AppendForm::Utf8), ("CATENATE", AppendForm::Catenate)] {
        if cursor.word(word) {
            cursor.space()?;
            cursor.expect(b'(', "an opening parenthesis is missing")?;
            options.form = form;
            break;
        }
    }
    if options.form == AppendForm::Catenate || is_literal_announced(cursor) {
        Ok(options)
    } else {
        Err(Bad("the message is missing"))
    }
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

    fn octets(options: AppendOptions) -> Vec<AppendStep> {
        vec![AppendStep::Message(options), AppendStep::Octets]
    }

    #[test]
    fn heads() {
        let head = |text: &str| parse_append_head(text.as_bytes(), Charset::Utf7);
        let name = |name: &str| MailboxName::new(name).expect(name);
        let steps = octets(AppendOptions::default());
        let plain = AppendHead { tag: "a".into(), replaces: None, mailbox: name("x y"), steps };
        assert_eq!(head("a APPEND \"x y\" {10}\r\n"), Some(Ok(plain.clone())));
        assert_eq!(head("a APPEND {3+}\r\nx y ~{10+}\r\n"), Some(Ok(plain)));
        let options = AppendOptions {
            flags: vec!["\\Seen".into(), "$x".into()],
            received_at: Some(Timestamp::from_secs(837_596_665)),
            form: AppendForm::Literal,
        };
        let full = AppendHead { tag: "a".into(), replaces: None, mailbox: name("INBOX"), steps: octets(options) };
        assert_eq!(head("a append inbox (\\Seen $x) \"17-Jul-1996 02:44:25 -0700\" {1}\r\n"), Some(Ok(full)));
        assert_eq!(head("a APPEND {3}\r\n"), None);
        assert_eq!(head("a LOGIN x {3}\r\n"), None);
        assert!(matches!(head("a APPEND INBOX (\\Seen {3}\r\n"), Some(Err(_))));
        assert!(matches!(head("a APPEND INBOX {3}\r\nabc {4}\r\n"), Some(Err(_))));
        assert!(matches!(head("a APPEND INBOX\r\n"), Some(Err(_))));
    }

    #[test]
    fn catenate() {
        let steps = |text: &str| match parse_append_head(text.as_bytes(), Charset::Utf7) {
            Some(Ok(head)) => Ok(head.steps),
            Some(Err((_, bad))) => Err(bad),
            None => Err(URL_AWAITED),
        };
        let options = AppendOptions { form: AppendForm::Catenate, ..AppendOptions::default() };
        let (message, url) = (AppendStep::Message(options), |url: &str| AppendStep::Url(url.into()));
        assert_eq!(
            steps("a APPEND d CATENATE (URL \"/x/;UID=1\" TEXT {5}\r\n"),
            Ok(vec![message.clone(), url("/x/;UID=1"), AppendStep::Octets])
        );
        let two = "a APPEND d CATENATE (URL {3}\r\n/;x URL y) CATENATE (TEXT ~{7+}\r\n";
        assert_eq!(
            steps(two),
            Ok(vec![message.clone(), url("/;x"), url("y"), AppendStep::Whole, message.clone(), AppendStep::Octets])
        );
        assert_eq!(steps("a APPEND d CATENATE (URL y)\r\n"), Ok(vec![message.clone(), url("y"), AppendStep::Whole]));
        assert_eq!(steps("a APPEND d CATENATE (URL {3}\r\n"), Err(URL_AWAITED));
        for text in ["a APPEND d CATENATE (", "a APPEND d CATENATE ()", "a APPEND d CATENATE (TEXT x)", "a APPEND d CATENATE (URL)"]
        {
            assert!(steps(&format!("{text}\r\n")).is_err_and(|bad| bad != URL_AWAITED), "{text}");
        }
        let many = |count| steps(&format!("a APPEND d CATENATE ({})\r\n", vec!["URL y"; count].join(" ")));
        assert!(many(PARTS_MAX).is_ok() && many(PARTS_MAX + 1).is_err());

        let next = |line: &str| parse_append_next(line.as_bytes(), AppendForm::Catenate);
        assert_eq!(next(")\r\n"), Ok(vec![AppendStep::Whole]));
        assert_eq!(next(" URL y TEXT {1}\r\n"), Ok(vec![url("y"), AppendStep::Octets]));
        assert_eq!(next(" URL y)\r\n"), Ok(vec![url("y"), AppendStep::Whole]));
        assert_eq!(next(" URL {3}\r\n"), Err(URL_AWAITED));
        assert_eq!(next(") CATENATE (URL y)\r\n"), Ok(vec![AppendStep::Whole, message, url("y"), AppendStep::Whole]));
        assert!(next("\r\n").is_err() && next(" x)\r\n").is_err() && next(" )\r\n").is_err());
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
    fn what_follows_a_message() {
        use AppendForm::{Literal, Utf8};
        let utf8 = octets(AppendOptions { form: Utf8, ..AppendOptions::default() });
        let head = parse_append_head(b"a APPEND INBOX UTF8 (~{5}\r\n", Charset::Utf8);
        assert_eq!(head.expect("an append").expect("without a mistake").steps, utf8);
        assert_eq!(parse_append_next(b")\r\n", Utf8), Ok(vec![AppendStep::Whole]));
        assert_eq!(parse_append_next(b") UTF8 (~{3}\r\n", Utf8), Ok([vec![AppendStep::Whole], utf8].concat()));
        assert!(parse_append_next(b"\r\n", Utf8).is_err());
        assert!(parse_append_next(b")\r\n", Literal).is_err());
        assert_eq!(parse_append_next(b"\r\n", Literal), Ok(vec![AppendStep::Whole]));
        let draft = octets(AppendOptions { flags: vec!["\\Draft".into()], ..AppendOptions::default() });
        assert_eq!(parse_append_next(b" (\\Draft) {3}\r\n", Literal), Ok([vec![AppendStep::Whole], draft].concat()));
        assert!(parse_append_next(b" x\r\n", Literal).is_err());
        assert!(parse_append_next(b"{3}\r\n", Literal).is_err());
    }
}
