// SPDX-License-Identifier: AGPL-3.0-or-later
//! A message, or a part of one, by its URL (RFC 5092), as CATENATE (RFC 4469 §3) names it: relative to this server.
//!
//! `/Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.2`, and `/;UID=20` for the open mailbox.

use super::command::Section;
use super::cursor::{Bad, Cursor, Parsed};
use super::mailbox_name::MailboxName;
use super::parse_fetch::parse_section;

/// Octets of a URL.
pub const URL_BYTES_MAX: usize = 4096;

/// What a URL points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageUrl {
    /// The mailbox; `None` is the open one.
    pub mailbox: Option<MailboxName>,
    /// What its UIDVALIDITY has to be.
    pub uid_validity: Option<u32>,
    /// The message.
    pub uid: u32,
    /// The part of it.
    pub section: Section,
    /// The first octet of it, and how many there are at most.
    pub partial: Option<(u32, Option<u32>)>,
}

/// Reads a URL that has neither scheme nor host; those of other servers are nothing to us.
pub fn parse_message_url(url: &str) -> Parsed<MessageUrl> {
    if url.len() > URL_BYTES_MAX {
        return Err(Bad("the URL is too long"));
    }
    let at = find(url, ";UID=").ok_or(Bad("the URL names no message"))?;
    let (place, rest) = url.split_at(at);
    let (mailbox, uid_validity) = parse_place(place)?;
    let mut parts = rest.split('/');
    let uid = parameter(parts.next(), ";UID=").and_then(|uid| uid.parse().ok()).filter(|&uid: &u32| uid > 0);
    let uid = uid.ok_or(Bad("the UID is not a number"))?;
    let (mut section, mut partial) = (None, None);
    for part in parts {
        if let Some(text) = parameter(Some(part), ";SECTION=").filter(|_| section.is_none() && partial.is_none()) {
            // The grammar of FETCH reads up to the bracket.
            let text = format!("{}]", decode(text)?);
            let mut cursor = Cursor::new(text.as_bytes());
            section = Some(parse_section(&mut cursor)?);
            cursor.end()?;
        } else if let Some(text) = parameter(Some(part), ";PARTIAL=").filter(|_| partial.is_none()) {
            partial = Some(parse_partial(text)?);
        } else {
            return Err(Bad("the URL has a part that is not known"));
        }
    }
    let section = section.unwrap_or(Section { part: Vec::new(), text: super::command::SectionText::All });
    Ok(MessageUrl { mailbox, uid_validity, uid, section, partial })
}

/// `/enc-mailbox[;UIDVALIDITY=n]/`, `/` or nothing.
fn parse_place(place: &str) -> Parsed<(Option<MailboxName>, Option<u32>)> {
    if place.is_empty() || place == "/" {
        return Ok((None, None));
    }
    let name = place.strip_prefix('/').and_then(|place| place.strip_suffix('/')).ok_or(Bad("the URL is not of this server"))?;
    let (name, validity) = match find(name, ";UIDVALIDITY=") {
        Some(at) => {
            let (name, validity) = name.split_at(at);
            let validity = parameter(Some(validity), ";UIDVALIDITY=").and_then(|validity| validity.parse().ok());
            (name, Some(validity.ok_or(Bad("UIDVALIDITY is not a number"))?))
        }
        None => (name, None),
    };
    Ok((Some(MailboxName::new(&decode(name)?)?), validity))
}

/// partial-range = number ["." nz-number]
fn parse_partial(text: &str) -> Parsed<(u32, Option<u32>)> {
    let (from, count) = text.split_once('.').map_or((text, None), |(from, count)| (from, Some(count)));
    let number = |text: &str| text.parse::<u32>().map_err(|_| Bad("a partial is written start.count"));
    let count = count.map(number).transpose()?;
    if count == Some(0) {
        return Err(Bad("a partial has octets"));
    }
    Ok((number(from)?, count))
}

fn find(text: &str, word: &str) -> Option<usize> {
    text.to_ascii_uppercase().find(word)
}

fn parameter<'a>(part: Option<&'a str>, name: &str) -> Option<&'a str> {
    let part = part?;
    part.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name))?;
    part.get(name.len()..)
}

/// RFC 3986 §2.1, the octets being UTF-8.
fn decode(text: &str) -> Parsed<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(Bad("a percent sign without two digits")) };
        octets.push(u8::try_from(high * 16 + low).unwrap_or(0));
    }
    String::from_utf8(octets).map_err(|_| Bad("the URL is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::super::command::SectionText;
    use super::*;

    #[test]
    fn urls() {
        let url = parse_message_url("/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER").expect("RFC 4469 §5");
        assert_eq!(url.mailbox, MailboxName::new("Drafts").ok());
        assert_eq!((url.uid_validity, url.uid, url.partial), (Some(385_759_045), 20, None));
        assert_eq!(url.section, Section { part: vec![], text: SectionText::Header });
        let url = parse_message_url("/Gr%C3%BC%c3%9fe%20a%2Fb/;uid=7/;Section=1.2.MIME/;partial=5.10").expect("with a part");
        assert_eq!(url.mailbox, MailboxName::new("Grüße a/b").ok());
        assert_eq!((url.section.part, url.section.text, url.partial), (vec![1, 2], SectionText::Mime, Some((5, Some(10)))));
        for text in ["/;UID=3", ";UID=3"] {
            let url = parse_message_url(text).expect(text);
            assert_eq!((url.mailbox, url.uid, url.section.text), (None, 3, SectionText::All), "{text}");
        }
        assert_eq!(parse_message_url("/x/;UID=3/;PARTIAL=9").expect("to the end").partial, Some((9, None)));
    }

    #[test]
    fn what_is_no_url_of_ours() {
        for text in [
            "",
            "/Drafts",
            "imap://host/Drafts/;UID=1",
            "/Drafts/;UID=0",
            "/Drafts/;UID=x",
            "/Drafts/;UID=1/;SECTION=9x",
            "/Drafts/;UID=1/;SECTION=HEADER]x",
            "/Drafts/;UID=1/;PARTIAL=1.0",
            "/Drafts/;UID=1/;PARTIAL=x",
            "/Drafts/;UID=1/;URLAUTH=x",
            "/Dr%zz/;UID=1",
            "/Dr%ff/;UID=1",
            "/Drafts;UIDVALIDITY=x/;UID=1",
            "//;UID=1",
            "/a;UID=1",
        ] {
            assert!(parse_message_url(text).is_err(), "{text}");
        }
        let long = format!("/{}/;UID=1", "x".repeat(URL_BYTES_MAX));
        assert!(parse_message_url(&long).is_err());
    }
}
