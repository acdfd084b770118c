// SPDX-License-Identifier: AGPL-3.0-or-later
//! Sets of mailboxes: `filter-mailboxes` (RFC 5465 §6), and ESEARCH IN (RFC 7377 §2.1), which looks through them.

use super::command::{Command, Search, Source};
use super::cursor::{Bad, Cursor, Parsed};
use super::limits::{LIST_ITEMS_MAX, SOURCE_MAILBOXES_MAX};
use super::mailbox_name::{Charset, MailboxName, parse_mailbox};
use super::parse_search::{parse_charset, parse_program, parse_return};

/// esearch = "ESEARCH" [SP "IN" SP "(" source-mbox ")"] [SP "RETURN" SP "(" .. ")"] SP search-program
pub(crate) fn parse_esearch(cursor: &mut Cursor<'_>, charset: Charset) -> Parsed<Command> {
    let mut sources = vec![Source::Selected];
    if cursor.word("IN") {
        cursor.space()?;
        sources = cursor.list(LIST_ITEMS_MAX, false, |cursor| parse_source(cursor, charset))?;
        cursor.space()?;
    }
    let mut returns = parse_return(cursor)?.unwrap_or_default();
    if returns.is_empty() {
        returns.all = true;
    }
    if cursor.word("CHARSET") {
        cursor.space()?;
        parse_charset(cursor)?;
        cursor.space()?;
    }
    let keys = parse_program(cursor)?;
    Ok(Command::Search(Search { uid: true, returns: Some(returns), sort: Vec::new(), sources, keys }))
}

/// filter-mailboxes
pub(crate) fn parse_source(cursor: &mut Cursor<'_>, charset: Charset) -> Parsed<Source> {
    Ok(match cursor.keyword()?.as_str() {
        "SELECTED" => Source::Selected,
        "INBOXES" => Source::Inboxes,
        "PERSONAL" => Source::Personal,
        "SUBSCRIBED" => Source::Subscribed,
        "SUBTREE" => Source::Subtree(parse_mailboxes(cursor, charset)?),
        "SUBTREE-ONE" => Source::SubtreeOne(parse_mailboxes(cursor, charset)?),
        "MAILBOXES" => Source::Mailboxes(parse_mailboxes(cursor, charset)?),
        _ => return Err(Bad("unknown source of mailboxes")),
    })
}

/// one-or-more-mailbox, after its space
fn parse_mailboxes(cursor: &mut Cursor<'_>, charset: Charset) -> Parsed<Vec<MailboxName>> {
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        cursor.list(SOURCE_MAILBOXES_MAX, false, |cursor| parse_mailbox(cursor, charset))
    } else {
        Ok(vec![parse_mailbox(cursor, charset)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_bound() {
        let text = |count: usize| format!("IN (mailboxes ({})) ALL", vec!["x"; count].join(" "));
        let parse = |text: &str| parse_esearch(&mut Cursor::new(text.as_bytes()), Charset::Utf7);
        assert!(parse(&text(SOURCE_MAILBOXES_MAX)).is_ok());
        assert!(parse(&text(SOURCE_MAILBOXES_MAX + 1)).is_err());
        for text in ["IN () ALL", "IN (frob) ALL", "IN (subtree) ALL", "IN (mailboxes ()) ALL", "IN (personal)", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
