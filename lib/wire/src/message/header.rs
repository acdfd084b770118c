// SPDX-License-Identifier: AGPL-3.0-or-later
//! The fields of a header, in order, and what their values say.
//!
//! Values are read by mail-parser's functions for single fields, each given at most
//! [`FIELD_BYTES_MAX`] bytes.

use std::borrow::Cow;

use hearth_types::Timestamp;
use mail_parser::parsers::MessageStream;
use mail_parser::{Address, HeaderValue};

use super::Addr;
use super::limits::{ADDRESSES_MAX, FIELD_BYTES_MAX, MESSAGE_IDS_MAX};

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its name as written, without white space around it.
    pub name: &'a str,
    /// Its raw value after the colon, folds and the last line end included (JMAP's asRaw).
    pub value: &'a [u8],
    /// The whole field, name and line end included.
    pub field: &'a [u8],
}

/// The fields of a header block; lines that are no field are passed over.
pub struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Headers<'a> {
    /// Reads a header block (as [`super::Part::header`] delimits it) up to its empty line.
    pub fn new(block: &'a [u8]) -> Self {
        Self { rest: block }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        loop {
            if self.rest.is_empty() || matches!(self.rest, [b'\n', ..] | [b'\r', b'\n', ..]) {
                return None;
            }
            let (field, rest) = self.rest.split_at(field_len(self.rest));
            self.rest = rest;
            let Some(colon) = field.iter().position(|&b| b == b':') else { continue };
            let (name, value) = (field.get(..colon)?, field.get(colon + 1..)?);
            match std::str::from_utf8(name.trim_ascii()) {
                Ok(name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()) => {
                    return Some(Header { name, value, field });
                }
                _ => {}
            }
        }
    }
}

/// Bytes up to the end of the line that no folded line follows.
fn field_len(block: &[u8]) -> usize {
    let mut end = 0;
    while let Some(line) = block.get(end..).and_then(|rest| rest.iter().position(|&b| b == b'\n')) {
        end += line + 1;
        // RFC 5322 §2.2.3: a line that begins with white space continues the field.
        if !matches!(block.get(end), Some(b' ' | b'\t')) {
            return end;
        }
    }
    block.len()
}

impl Header<'_> {
    /// Is this its name? Names do not tell cases apart.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// RFC 8621 §4.1.2.2 asText: unfolded, encoded words decoded, trimmed.
    pub fn text(&self) -> String {
        decode_words(self.value)
    }

    /// The value without folds, trimmed, nothing decoded.
    pub fn unfolded(&self) -> String {
        let text: String = String::from_utf8_lossy(bounded(self.value)).chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        text.trim().to_string()
    }

    /// asAddresses, with group edges as in [`Addr`].
    pub fn addresses(&self) -> Vec<Addr> {
        let value = terminated(self.value);
        let HeaderValue::Address(list) = MessageStream::new(&value).parse_address() else { return Vec::new() };
        let mut all = Vec::new();
        match list {
            Address::List(list) => all.extend(list.iter().filter_map(addr)),
            Address::Group(groups) => {
                for group in groups {
                    match &group.name {
                        None => all.extend(group.addresses.iter().filter_map(addr)),
                        Some(name) => {
                            all.push(Addr { name: None, mailbox: Some(name.to_string()), host: None });
                            all.extend(group.addresses.iter().filter_map(addr));
                            all.push(Addr::default());
                        }
                    }
                }
            }
        }
        all.truncate(ADDRESSES_MAX);
        all
    }

    /// asMessageIds: without angle brackets.
    pub fn message_ids(&self) -> Vec<String> {
        let value = terminated(self.value);
        let mut ids: Vec<String> = match MessageStream::new(&value).parse_id() {
            HeaderValue::Text(id) => vec![id.into_owned()],
            HeaderValue::TextList(ids) => ids.into_iter().map(Cow::into_owned).collect(),
            _ => Vec::new(),
        };
        ids.retain(|id| !id.is_empty());
        // The last ones are the nearest ancestors (RFC 5322 §3.6.4).
        ids.split_off(ids.len().saturating_sub(MESSAGE_IDS_MAX))
    }

    /// asDate, with the zone in minutes east of UTC.
    pub fn date(&self) -> Option<(Timestamp, i16)> {
        let value = terminated(self.value);
        let HeaderValue::DateTime(date) = MessageStream::new(&value).parse_date() else { return None };
        if !date.is_valid() {
            return None;
        }
        let zone = i16::from(date.tz_hour) * 60 + i16::from(date.tz_minute);
        Some((Timestamp::from_secs(date.to_timestamp()), if date.tz_before_gmt { -zone } else { zone }))
    }

    /// asURLs (RFC 2369): what stands in angle brackets.
    pub fn urls(&self) -> Vec<String> {
        let text = self.unfolded();
        let urls = text.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
        urls.map(|(url, _)| url.chars().filter(|c| !c.is_whitespace()).collect()).collect()
    }
}

fn addr(from: &mail_parser::Addr<'_>) -> Option<Addr> {
    let name = from.name.as_deref().map(str::trim).filter(|name| !name.is_empty()).map(str::to_string);
    let (mailbox, host) = match from.address.as_deref().map(|address| address.rsplit_once('@').unwrap_or((address, ""))) {
        Some((mailbox, host)) => (mailbox.to_string(), host.to_string()),
        // Something that is no address: `undisclosed` without a colon. It is shown as a local part.
        None => return name.map(|name| Addr { name: None, mailbox: Some(name), host: Some(String::new()) }),
    };
    Some(Addr { name, mailbox: Some(mailbox), host: Some(host) })
}

fn bounded(value: &[u8]) -> &[u8] {
    value.get(..FIELD_BYTES_MAX).unwrap_or(value)
}

/// mail-parser ends a field at a line end that no white space follows.
pub(super) fn terminated(value: &[u8]) -> Vec<u8> {
    let mut field = bounded(value).trim_ascii().to_vec();
    field.push(b'\n');
    field
}

/// Decodes the encoded words (RFC 2047) of a text; folds become spaces.
pub fn decode_words(raw: &[u8]) -> String {
    let value = terminated(raw);
    match MessageStream::new(&value).parse_unstructured() {
        HeaderValue::Text(text) => text.into_owned(),
        HeaderValue::TextList(texts) => texts.concat(),
        _ => String::new(),
    }
}

/// RFC 2047 §2: an encoded word has at most 75 characters; 45 bytes are 60 in base64.
const WORD_BYTES_MAX: usize = 45;

/// Encodes a text as encoded words where it is not plain ASCII (for IMAP without UTF8=ACCEPT).
pub fn encode_words(text: &str) -> Cow<'_, str> {
    use base64::Engine as _;
    if text.bytes().all(|b| (b' '..=b'~').contains(&b)) && !text.contains("=?") {
        return Cow::Borrowed(text);
    }
    let mut words = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.len().min(WORD_BYTES_MAX);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (now, later) = rest.split_at(end);
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str("=?utf-8?B?");
        base64::engine::general_purpose::STANDARD.encode_string(now, &mut words);
        words.push_str("?=");
        rest = later;
    }
    Cow::Owned(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> Header<'_> {
        Headers::new(text.as_bytes()).next().expect("a field")
    }

    #[test]
    fn fields_in_order_with_folds() {
        let block = b"From nobody\r\nSubject: a\r\n b\r\nBroken line\r\nX :y\r\n\r\nbody: no";
        let fields: Vec<_> = Headers::new(block).map(|h| (h.name, h.value)).collect();
        assert_eq!(fields, [("Subject", b" a\r\n b\r\n".as_slice()), ("X", b"y\r\n".as_slice())]);
    }

    #[test]
    fn addresses_and_groups() {
        let list = field("To: \"A, B\" <a@x.org>, =?utf-8?q?J=C3=BCrgen?= <j@y.org>, bare@z.org\r\n").addresses();
        let flat: Vec<_> = list.iter().map(|a| (a.name.as_deref(), a.address())).collect();
        assert_eq!(
            flat,
            [(Some("A, B"), Some("a@x.org".into())), (Some("Jürgen"), Some("j@y.org".into())), (None, Some("bare@z.org".into()))]
        );
        let group = field("To: friends: a@x.org, b@y.org;, c@z.org\r\n").addresses();
        assert_eq!(group[0].group_start(), Some("friends"));
        assert_eq!(group[2].address().as_deref(), Some("b@y.org"));
        assert!(group[3].is_group_end());
        assert_eq!(group[4].address().as_deref(), Some("c@z.org"));
        assert!(field("To: undisclosed-recipients:;\r\n").addresses()[1].is_group_end());
    }

    #[test]
    fn ids_dates_urls() {
        assert_eq!(field("References: <a@x> <b@y>\r\n <c@z>\r\n").message_ids(), ["a@x", "b@y", "c@z"]);
        let (at, zone) = field("Date: Mon, 16 Nov 2026 10:00:00 -0330\r\n").date().expect("a date");
        assert_eq!((at.secs(), zone), (1_794_835_800, -210));
        assert_eq!(field("Date: yesterday\r\n").date(), None);
        assert_eq!(field("List-Post: <mailto:a@x>, <https://x/>\r\n").urls(), ["mailto:a@x", "https://x/"]);
    }

    #[test]
    fn words_are_encoded_and_decoded_again() {
        for text in ["plain", "Grüße aus Köln", "日本語の件名はとても長いので二つ以上の語に分けられる", "=?x?="]
        {
            let encoded = encode_words(text);
            assert!(encoded.is_ascii() && encoded.split(' ').all(|word| word.len() <= 75));
            assert_eq!(decode_words(encoded.as_bytes()), text);
        }
    }

    #[test]
    fn a_field_is_cut_at_its_bound() {
        let long = format!("X: {}\r\n", "a".repeat(FIELD_BYTES_MAX + 10));
        assert!(field(&long).text().len() <= FIELD_BYTES_MAX);
        let fits = format!("X: {}\r\n", "a".repeat(FIELD_BYTES_MAX - 10));
        assert_eq!(field(&fits).text().len(), FIELD_BYTES_MAX - 10);
    }

    #[test]
    fn addresses_and_ids_are_bounded_on_both_sides() {
        let to = |count: usize| field(&format!("To: {}\r\n", vec!["a@x.org"; count].join(", "))).addresses().len();
        assert_eq!((to(ADDRESSES_MAX), to(ADDRESSES_MAX + 1)), (ADDRESSES_MAX, ADDRESSES_MAX));
        let ids = |count: usize| {
            let all: String = (0..count).map(|number| format!(" <{number}@x>")).collect();
            field(&format!("References:{all}\r\n")).message_ids()
        };
        assert_eq!((ids(MESSAGE_IDS_MAX).len(), ids(MESSAGE_IDS_MAX)[0].as_str()), (MESSAGE_IDS_MAX, "0@x"));
        assert_eq!(
            (ids(MESSAGE_IDS_MAX + 1).len(), ids(MESSAGE_IDS_MAX + 1)[0].as_str()),
            (MESSAGE_IDS_MAX, "1@x"),
            "the last ones"
        );
        // RFC 2047 §2: words of 75 letters at most.
        for (octets, words) in [(WORD_BYTES_MAX, 1), (WORD_BYTES_MAX + 1, 2)] {
            let encoded = encode_words(&format!("{}\u{e9}", "x".repeat(octets - 2))).into_owned();
            assert_eq!(encoded.split(' ').count(), words, "{encoded}");
            assert!(encoded.split(' ').all(|word| word.len() <= 75), "{encoded}");
        }
    }
}
