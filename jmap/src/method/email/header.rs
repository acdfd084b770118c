// SPDX-License-Identifier: AGPL-3.0-or-later
//! Header fields and their forms (RFC 8621 §4.1.2 and §4.1.3): `header:Subject:asText:all`. Pure.
//!
//! Fields are read by `hearth_wire::message`, which bounds each of them; so IMAP, the search and this
//! room see one truth.

use hearth_wire::message::{Addr, Header, Headers};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::object::date;

/// The fields of a header block, top-down.
pub fn split_header(block: &[u8]) -> Vec<Header<'_>> {
    Headers::new(block).collect()
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
pub fn render_property(property: &HeaderProperty, fields: &[Header<'_>]) -> Value {
    let mut found = fields.iter().filter(|field| field.is(&property.name));
    if property.all {
        return found.map(|field| render(property.form, field)).collect();
    }
    // RFC 8621 §4.1.3: the last of them counts.
    found.next_back().map_or(Value::Null, |field| render(property.form, field))
}

/// One value in one form.
pub fn render(form: Form, field: &Header<'_>) -> Value {
    match form {
        Form::Raw => raw_text(field.value).into(),
        Form::Text => text(field).into(),
        Form::Addresses => addresses(&field.addresses()),
        Form::GroupedAddresses => grouped_addresses(&field.addresses()),
        Form::MessageIds => list_or_null(field.message_ids()),
        Form::Date => field.date().map(|(at, zone_minutes)| date(at, zone_minutes)).into(),
        Form::Urls => list_or_null(urls(field.value)),
    }
}

/// RFC 8621 §4.1.2.1: up to the line end that terminates the field; octets that are not UTF-8 are replaced, NUL is left out.
pub fn raw_text(value: &[u8]) -> String {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    String::from_utf8_lossy(value).replace('\0', "")
}

/// RFC 8621 §4.1.2.2: unfolded, encoded words decoded, without the white space around, in NFC.
fn text(field: &Header<'_>) -> String {
    field.text().trim().replace('\0', "").nfc().collect()
}

fn list_or_null(list: Vec<String>) -> Value {
    if list.is_empty() { Value::Null } else { list.into() }
}

/// RFC 8621 §4.1.2.3 EmailAddress; `None` for the edge of a group.
pub fn email_address(addr: &Addr) -> Option<Value> {
    let name = addr.name.as_deref().map(|name| name.nfc().collect::<String>());
    Some(json!({ "name": name, "email": addr.address()? }))
}

/// RFC 8621 §4.1.2.3: groups lose their names.
fn addresses(list: &[Addr]) -> Value {
    list.iter().filter_map(email_address).collect()
}

/// RFC 8621 §4.1.2.4: mailboxes outside of a group stand in groups without a name.
fn grouped_addresses(list: &[Addr]) -> Value {
    let mut groups: Vec<(Option<&str>, Vec<Value>)> = Vec::new();
    let mut is_in_group = false;
    for addr in list {
        if let Some(name) = addr.group_start() {
            groups.push((Some(name), Vec::new()));
            is_in_group = true;
        } else if addr.is_group_end() {
            is_in_group = false;
        } else if let Some(address) = email_address(addr) {
            match groups.last_mut() {
                Some((name, members)) if name.is_some() == is_in_group => members.push(address),
                _ => groups.push((None, vec![address])),
            }
        }
    }
    groups.into_iter().map(|(name, members)| json!({ "name": name, "addresses": members })).collect()
}

/// RFC 8621 §4.1.2.7 and RFC 2369 §2: what stands in angle brackets, comments left out.
fn urls(value: &[u8]) -> Vec<String> {
    let text = raw_text(value);
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
    urls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(value: &[u8]) -> Header<'_> {
        Header { name: "X", value, field: value }
    }

    fn show(form: Form, value: &[u8]) -> Value {
        render(form, &field(value))
    }

    fn property(text: &str) -> HeaderProperty {
        parse_header_property(text).expect(text)
    }

    #[test]
    fn fields_are_split_and_folding_is_kept() {
        let block = b"From: a@x\r\nSubject: one\r\n two\r\nno field here\r\nX-A:\tb\nTo : c@x\r\n\r\nBody: no\r\n";
        let fields = split_header(block);
        let seen: Vec<(&str, String)> = fields.iter().map(|field| (field.name, raw_text(field.value))).collect();
        let expected = [("From", " a@x"), ("Subject", " one\r\n two"), ("X-A", "\tb"), ("To", " c@x")];
        assert_eq!(seen, expected.map(|(name, value)| (name, value.to_string())));
        assert_eq!(split_header(b"\r\n X: y\r\n"), []);
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
        assert_eq!(show(Form::Text, b" =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\t=?utf-8?b?4pyT?= x "), "Grüße✓ x");
        assert_eq!(show(Form::Text, b"  two  words "), "two  words");
        assert_eq!(show(Form::Text, b""), "");
        assert_eq!(show(Form::Text, "u\u{308}".as_bytes()), "ü");
    }

    #[test]
    fn the_addresses_of_rfc_8621_section_4_1_2_3() {
        let raw = b"  \"  James Smythe\" <james@example.com>, Friends:\r\n  jane@example.com, =?UTF-8?Q?John_Sm=C3=AEth?=\r\n  <john@example.com>;";
        assert_eq!(
            show(Form::Addresses, raw),
            json!([
                {"name": "James Smythe", "email": "james@example.com"},
                {"name": null, "email": "jane@example.com"},
                {"name": "John Smîth", "email": "john@example.com"}
            ])
        );
        assert_eq!(
            show(Form::GroupedAddresses, raw),
            json!([
                {"name": null, "addresses": [{"name": "James Smythe", "email": "james@example.com"}]},
                {"name": "Friends", "addresses": [
                    {"name": null, "email": "jane@example.com"},
                    {"name": "John Smîth", "email": "john@example.com"}
                ]}
            ])
        );
        assert_eq!(show(Form::Addresses, b""), json!([]));
    }

    #[test]
    fn ids_dates_and_urls() {
        assert_eq!(show(Form::MessageIds, b" <a@x>\r\n <b@y> "), json!(["a@x", "b@y"]));
        assert_eq!(show(Form::MessageIds, b" "), Value::Null);
        assert_eq!(show(Form::Date, b" Thu, 30 Oct 2014 14:12:00 +0800"), json!("2014-10-30T14:12:00+08:00"));
        assert_eq!(show(Form::Date, b" Sun, 22 Nov 2026 02:00:00 +0000"), json!("2026-11-22T02:00:00Z"));
        assert_eq!(show(Form::Date, b" soon"), Value::Null);
        assert_eq!(
            show(Form::Urls, b" <mailto:list@host.com?subject=help> (List <x> Instructions), <http://host.com/>"),
            json!(["mailto:list@host.com?subject=help", "http://host.com/"])
        );
        assert_eq!(show(Form::Urls, b" none"), Value::Null);
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
        assert_eq!(show(Form::Raw, b" a\0\xff"), json!(" a\u{fffd}"));
    }

    #[test]
    fn hostile_fields_are_bounded() {
        use hearth_wire::message::limits::FIELD_BYTES_MAX;
        // Each of these makes a careless parser look at the rest of the field again and again.
        for hostile in ["=?a?q?x", "<", "(", "\"", "a:", ",", "=?utf-8?b?", "\\", "<a@b> "] {
            let value = hostile.repeat(FIELD_BYTES_MAX * 4 / hostile.len());
            for form in [Form::Raw, Form::Text, Form::Addresses, Form::GroupedAddresses, Form::MessageIds, Form::Date, Form::Urls] {
                show(form, value.as_bytes());
            }
        }
    }
}
