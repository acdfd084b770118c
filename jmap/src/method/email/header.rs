// SPDX-License-Identifier: AGPL-3.0-or-later
//! Header fields and their forms (RFC 8621 §4.1.2 and §4.1.3): `header:Subject:asText:all`. Pure.
//!
//! The block that comes in has been bounded by the store; nothing here looks at Content-Type parameters,
//! the one grammar of mail-parser that is not linear.

use std::borrow::Cow;

use mail_parser::parsers::MessageStream;
use mail_parser::{Address, HeaderValue};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

/// One field: its name as written, and its value from the colon up to the CRLF that ends it, folding included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'m> {
    /// The name, as written.
    pub name: Cow<'m, str>,
    /// The raw value.
    pub raw: &'m [u8],
}

/// The fields of a header block, top-down; it ends at the first empty line. Lines that are no field are passed over.
pub fn split_header(block: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut rest = block;
    while !rest.is_empty() {
        let end = field_end(rest);
        let (line, after) = rest.split_at(end);
        rest = after;
        let line = trim_line_end(line);
        if line.is_empty() {
            break;
        }
        if let Some(colon) = line.iter().position(|&b| b == b':') {
            let (name, value) = line.split_at(colon);
            let name = name.trim_ascii_end();
            if !name.is_empty() && name.iter().all(u8::is_ascii_graphic) {
                fields.push(Field { name: String::from_utf8_lossy(name), raw: value.get(1..).unwrap_or_default() });
            }
        }
    }
    fields
}

/// RFC 5322 §2.2.3: a field goes on while the next line begins with white space.
fn field_end(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(newline) = bytes.iter().skip(at).position(|&b| b == b'\n') {
        at += newline + 1;
        if at <= 2 || !matches!(bytes.get(at), Some(b' ' | b'\t')) {
            return at;
        }
    }
    bytes.len()
}

fn trim_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// RFC 8621 §4.1.2: how a value is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it stands.
    Raw,
    /// Unfolded and decoded.
    Text,
    /// A list of mailboxes.
    Addresses,
    /// The same, by group.
    GroupedAddresses,
    /// A list of msg-ids.
    MessageIds,
    /// A date-time.
    Date,
    /// A list of URLs (RFC 2369).
    Urls,
}

/// The property `header:{name}[:as{form}][:all]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderProperty {
    /// The property as the client wrote it: it is given back under this name.
    pub written: String,
    /// The field's name.
    pub name: String,
    /// The form.
    pub form: Form,
    /// All fields of that name, or the last.
    pub all: bool,
}

/// Reads such a property; `None` when it is none, or its form is not allowed for that field (RFC 8621 §4.1.2).
pub fn parse_header_property(property: &str) -> Option<HeaderProperty> {
    let mut tokens = property.strip_prefix("header:")?.split(':');
    let name = tokens.next()?;
    // RFC 5322 §2.2 ftext: printable US-ASCII without the colon.
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let (mut form, mut all) = (None, false);
    for token in tokens {
        match token {
            "all" if !all => all = true,
            _ if form.is_none() && !all => form = Some(parse_form(token)?),
            _ => return None,
        }
    }
    let form = form.unwrap_or(Form::Raw);
    is_allowed(name, form).then(|| HeaderProperty { written: property.to_string(), name: name.to_string(), form, all })
}

fn parse_form(token: &str) -> Option<Form> {
    Some(match token {
        "asRaw" => Form::Raw,
        "asText" => Form::Text,
        "asAddresses" => Form::Addresses,
        "asGroupedAddresses" => Form::GroupedAddresses,
        "asMessageIds" => Form::MessageIds,
        "asDate" => Form::Date,
        "asURLs" => Form::Urls,
        _ => return None,
    })
}

/// RFC 8621 §4.1.2.2 to §4.1.2.7: a form is for the fields that it names, and for those of no mail standard.
fn is_allowed(name: &str, form: Form) -> bool {
    const TEXT: &[&str] = &["subject", "comments", "keywords", "list-id"];
    const ADDRESSES: &[&str] = &[
        "from",
        "sender",
        "reply-to",
        "to",
        "cc",
        "bcc",
        "resent-from",
        "resent-sender",
        "resent-reply-to",
        "resent-to",
        "resent-cc",
        "resent-bcc",
    ];
    const IDS: &[&str] = &["message-id", "in-reply-to", "references", "resent-message-id"];
    const DATES: &[&str] = &["date", "resent-date"];
    const URLS: &[&str] = &["list-help", "list-unsubscribe", "list-subscribe", "list-post", "list-owner", "list-archive"];
    const OTHER: &[&str] = &["return-path", "received"];
    let name = name.to_ascii_lowercase();
    let is_in = |names: &[&str]| names.contains(&name.as_str());
    let is_standard = [TEXT, ADDRESSES, IDS, DATES, URLS, OTHER].iter().any(|names| is_in(names)) && !is_in(&["list-id"]);
    match form {
        Form::Raw => true,
        Form::Text => is_in(TEXT) || !is_standard,
        Form::Addresses | Form::GroupedAddresses => is_in(ADDRESSES) || !is_standard,
        Form::MessageIds => is_in(IDS) || !is_standard,
        Form::Date => is_in(DATES) || !is_standard,
        Form::Urls => is_in(URLS) || !is_standard,
    }
}

/// The value of a header property.
pub fn render_property(property: &HeaderProperty, fields: &[Field<'_>]) -> Value {
    let mut found = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(&property.name));
    if property.all {
        return found.map(|field| render(property.form, field.raw)).collect();
    }
    // RFC 8621 §4.1.3: the last of them counts.
    found.next_back().map_or(Value::Null, |field| render(property.form, field.raw))
}

/// One value in one form.
pub fn render(form: Form, raw: &[u8]) -> Value {
    match form {
        Form::Raw => raw_text(raw).into(),
        Form::Text => text(raw).into(),
        Form::Addresses => addresses(raw),
        Form::GroupedAddresses => grouped_addresses(raw),
        Form::MessageIds => message_ids(raw).map_or(Value::Null, Into::into),
        Form::Date => date(raw).map_or(Value::Null, Into::into),
        Form::Urls => urls(raw).map_or(Value::Null, Into::into),
    }
}

/// RFC 8621 §4.1.2.1: octets that are not UTF-8 are replaced, NUL is left out.
fn raw_text(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).replace('\0', "")
}

/// mail-parser wants the line end that terminates a field.
fn with_line_end(raw: &[u8]) -> Vec<u8> {
    [raw, b"\r\n"].concat()
}

/// RFC 8621 §4.1.2.2: unfolded, encoded words decoded, without the white space around, in NFC.
pub fn text(raw: &[u8]) -> String {
    let line = with_line_end(raw);
    match MessageStream::new(&line).parse_unstructured() {
        HeaderValue::Text(text) => text.trim().replace('\0', "").nfc().collect(),
        _ => String::new(),
    }
}

fn email_address(address: &mail_parser::Addr<'_>) -> Value {
    let name = address.name().map(|name| name.trim().nfc().collect::<String>()).filter(|name| !name.is_empty());
    json!({ "name": name, "email": address.address().unwrap_or_default() })
}

/// RFC 8621 §4.1.2.3: groups lose their names, what cannot be read is left out.
fn addresses(raw: &[u8]) -> Value {
    let line = with_line_end(raw);
    match MessageStream::new(&line).parse_address() {
        HeaderValue::Address(list) => list.iter().filter(|address| address.address.is_some()).map(email_address).collect(),
        _ => json!([]),
    }
}

/// RFC 8621 §4.1.2.4: mailboxes outside of a group stand in groups without a name.
fn grouped_addresses(raw: &[u8]) -> Value {
    let line = with_line_end(raw);
    let members = |list: &[mail_parser::Addr<'_>]| list.iter().map(email_address).collect::<Value>();
    match MessageStream::new(&line).parse_address() {
        HeaderValue::Address(Address::List(list)) => json!([{ "name": null, "addresses": members(&list) }]),
        HeaderValue::Address(Address::Group(groups)) => groups
            .iter()
            .filter(|group| group.name.is_some() || !group.addresses.is_empty())
            .map(|group| json!({ "name": group.name, "addresses": members(&group.addresses) }))
            .collect(),
        _ => json!([]),
    }
}

/// RFC 8621 §4.1.2.5: without their angle brackets; `None` when there is none.
pub fn message_ids(raw: &[u8]) -> Option<Vec<String>> {
    let line = with_line_end(raw);
    let ids: Vec<String> = match MessageStream::new(&line).parse_id() {
        HeaderValue::Text(id) => vec![id.into_owned()],
        HeaderValue::TextList(ids) => ids.into_iter().map(Cow::into_owned).collect(),
        _ => Vec::new(),
    };
    (!ids.is_empty()).then_some(ids)
}

/// RFC 8621 §4.1.2.6: a Date of RFC 8620 §1.4, with the offset that was written.
pub fn date(raw: &[u8]) -> Option<String> {
    let line = with_line_end(raw);
    match MessageStream::new(&line).parse_date() {
        HeaderValue::DateTime(date) if date.is_valid() => Some(date.to_rfc3339()),
        _ => None,
    }
}

/// RFC 8621 §4.1.2.7 and RFC 2369 §2: what stands in angle brackets, comments left out.
fn urls(raw: &[u8]) -> Option<Vec<String>> {
    let text = raw_text(raw);
    let (mut urls, mut depth) = (Vec::new(), 0_u32);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '<' if depth == 0 => {
                let url: String = chars.by_ref().take_while(|&c| c != '>').filter(|c| !c.is_whitespace()).collect();
                urls.push(url);
            }
            _ => {}
        }
    }
    (!urls.is_empty()).then_some(urls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(text: &str) -> HeaderProperty {
        parse_header_property(text).expect(text)
    }

    #[test]
    fn fields_are_split_and_folding_is_kept() {
        let block = b"From: a@x\r\nSubject: one\r\n two\r\nno field here\r\nX-A:\tb\nTo : c@x\r\n\r\nBody: no\r\n";
        let fields = split_header(block);
        let seen: Vec<(&str, &[u8])> = fields.iter().map(|f| (f.name.as_ref(), f.raw)).collect();
        assert_eq!(seen, [("From", &b" a@x"[..]), ("Subject", b" one\r\n two"), ("X-A", b"\tb"), ("To", b" c@x")]);
        assert_eq!(split_header(b"\r\n X: y\r\n"), []);
        assert_eq!(split_header(b"A: b"), [Field { name: "A".into(), raw: b" b" }]);
    }

    #[test]
    fn properties_are_read() {
        let p = property("header:Subject:asText:all");
        assert_eq!((p.name.as_str(), p.form, p.all), ("Subject", Form::Text, true));
        assert_eq!(property("header:X-Foo").form, Form::Raw);
        assert!(property("header:X-Foo:all").all);
        for wrong in [
            "subject",
            "header:",
            "header::asText",
            "header:X:asFoo",
            "header:X:all:asText",
            "header:X:asText:asRaw",
            "header:X:all:all",
            "header:a b",
            // RFC 8621 §4.1.2: forms that are not for these fields.
            "header:Subject:asAddresses",
            "header:From:asText",
            "header:From:asDate",
            "header:Date:asText",
            "header:List-Post:asText",
            "header:Received:asDate",
            "header:Message-ID:asURLs",
        ] {
            assert_eq!(parse_header_property(wrong), None, "{wrong}");
        }
        for right in
            ["header:List-ID:asText", "header:X-Other:asDate", "header:resent-to:asGroupedAddresses", "header:list-post:asURLs"]
        {
            property(right);
        }
    }

    #[test]
    fn text_is_unfolded_and_decoded() {
        assert_eq!(text(b" =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\t=?utf-8?b?4pyT?= x "), "Grüße✓ x");
        assert_eq!(text(b"  two  words "), "two  words");
        assert_eq!(text(b""), "");
        assert_eq!(text("u\u{308}".as_bytes()), "ü");
    }

    #[test]
    fn the_addresses_of_rfc_8621_section_4_1_2_3() {
        let raw = b"  \"  James Smythe\" <james@example.com>, Friends:\r\n  jane@example.com, =?UTF-8?Q?John_Sm=C3=AEth?=\r\n  <john@example.com>;";
        assert_eq!(
            render(Form::Addresses, raw),
            json!([
                {"name": "James Smythe", "email": "james@example.com"},
                {"name": null, "email": "jane@example.com"},
                {"name": "John Smîth", "email": "john@example.com"}
            ])
        );
        assert_eq!(
            render(Form::GroupedAddresses, raw),
            json!([
                {"name": null, "addresses": [{"name": "James Smythe", "email": "james@example.com"}]},
                {"name": "Friends", "addresses": [
                    {"name": null, "email": "jane@example.com"},
                    {"name": "John Smîth", "email": "john@example.com"}
                ]}
            ])
        );
        assert_eq!(render(Form::Addresses, b""), json!([]));
    }

    #[test]
    fn ids_dates_and_urls() {
        assert_eq!(render(Form::MessageIds, b" <a@x>\r\n <b@y> "), json!(["a@x", "b@y"]));
        assert_eq!(render(Form::MessageIds, b" "), Value::Null);
        assert_eq!(render(Form::Date, b" Thu, 30 Oct 2014 14:12:00 +0800"), json!("2014-10-30T14:12:00+08:00"));
        assert_eq!(render(Form::Date, b" Sun, 22 Nov 2026 02:00:00 +0000"), json!("2026-11-22T02:00:00Z"));
        assert_eq!(render(Form::Date, b" soon"), Value::Null);
        assert_eq!(
            render(Form::Urls, b" <mailto:list@host.com?subject=help> (List <x> Instructions), <http://host.com/>"),
            json!(["mailto:list@host.com?subject=help", "http://host.com/"])
        );
        assert_eq!(render(Form::Urls, b" none"), Value::Null);
    }

    #[test]
    fn the_last_field_counts_unless_all_are_asked_for() {
        let fields = split_header(b"X-A: 1\r\nx-a: 2\r\n\r\n");
        assert_eq!(render_property(&property("header:X-A"), &fields), json!(" 2"));
        assert_eq!(render_property(&property("header:X-A:asText:all"), &fields), json!(["1", "2"]));
        assert_eq!(render_property(&property("header:X-B"), &fields), Value::Null);
        assert_eq!(render_property(&property("header:X-B:all"), &fields), json!([]));
    }

    #[test]
    fn raw_octets_become_text() {
        assert_eq!(render(Form::Raw, b" a\0\xff"), json!(" a\u{fffd}"));
    }
}
