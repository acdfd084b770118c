// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is assembled is read back by a parser that is not ours.

use mail_parser::{MessageParser, MimeHeaders};
use serde_json::json;

use super::super::draft::parse_draft;
use super::*;

fn assemble(object: Value, blobs: &[(&str, &[u8])]) -> Vec<u8> {
    let mut object = object.as_object().expect("an object").clone();
    object.insert("mailboxIds".into(), json!({"x": true}));
    let draft = parse_draft(object).expect("a draft");
    let blobs = blobs.iter().map(|(id, octets)| ((*id).to_string(), Blob { octets: octets.to_vec() })).collect();
    let given = Given { now: Timestamp::from_secs(1_414_649_520), message_id: "id@home.localhost", boundary: "rnd", blobs: &blobs };
    encode_message(&draft, &given)
}

#[test]
fn a_plain_message_to_the_octet() {
    let octets = assemble(
        json!({"from": [{"name": null, "email": "a@x"}], "subject": "Hi", "textBody": [{"partId": "t"}], "bodyValues": {"t": {"value": "one\ntwo"}}}),
        &[],
    );
    assert_eq!(
        String::from_utf8(octets).expect("ASCII"),
        "Date: Thu, 30 Oct 2014 06:12:00 +0000\r\nFrom: a@x\r\nSubject: Hi\r\nMessage-ID: <id@home.localhost>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\none\r\ntwo"
    );
}

#[test]
fn a_rich_message_is_read_back() {
    let text = format!("Grüße ✓ = \t\n{}\n.\nFrom here ", "lang ".repeat(400));
    let pdf: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let octets = assemble(
        json!({
            "from": [{"name": "Jürgen \"J\" Müller", "email": "j@x.org"}, {"name": "Bloggs, Joe", "email": "joe@x.org"}],
            "subject": "Grüße aus einer Stadt, deren Name so lang ist, dass er nicht in eine Zeile passt: Llanfairpwllgwyngyll ✓✓✓",
            "messageId": ["own@x"],
            "references": ["a@x", "b@x"],
            "sentAt": "2014-10-30T14:12:00+08:00",
            "header:X-Note:asText": "über",
            "header:List-Post:asURLs": ["mailto:l@x"],
            "textBody": [{"partId": "t"}],
            "htmlBody": [{"partId": "h", "type": "text/html"}],
            "attachments": [
                {"blobId": "P", "type": "image/png", "cid": "c@x", "disposition": "inline"},
                {"blobId": "F", "type": "application/pdf", "name": "Übersicht 1.pdf"},
                {"blobId": "M", "type": "message/rfc822"}
            ],
            "bodyValues": {"t": {"value": text}, "h": {"value": "<b>hi</b>"}}
        }),
        &[("P", b"png"), ("F", &pdf), ("M", b"Subject: inner\r\n\r\nbody")],
    );
    assert!(octets.split(|&b| b == b'\n').all(|line| line.len() <= LINE_CHARS_MAX));
    let message = MessageParser::default().parse(&octets).expect("a message");
    assert_eq!(message.subject().map(|subject| subject.contains("Zeile passt: Llan") && subject.ends_with("✓✓✓")), Some(true));
    let from = message.from().expect("from");
    let names: Vec<_> = from.iter().filter_map(|addr| addr.name()).collect();
    assert_eq!(names, ["Jürgen \"J\" Müller", "Bloggs, Joe"]);
    assert_eq!(message.message_id(), Some("own@x"));
    assert_eq!(message.references().as_text_list().map(<[_]>::len), Some(2));
    assert_eq!(message.date().map(mail_parser::DateTime::to_rfc3339).as_deref(), Some("2014-10-30T14:12:00+08:00"));
    assert_eq!(message.body_text(0).as_deref(), Some(text.replace('\n', "\r\n").as_str()));
    assert_eq!(message.body_html(0).as_deref(), Some("<b>hi</b>"));
    let named = message.attachments().find(|part| part.attachment_name() == Some("Übersicht 1.pdf")).expect("the file");
    assert_eq!(named.contents(), pdf);
    assert!(message.attachments().any(|part| part.content_id() == Some("c@x") && part.contents() == b"png"));
    assert!(message.attachments().any(|part| part.message().is_some_and(|inner| inner.subject() == Some("inner"))));
}

#[test]
fn nothing_is_smuggled_into_the_header() {
    let evil = "x\r\nBcc: victim@x";
    for form in [Form::Raw, Form::Addresses, Form::GroupedAddresses, Form::MessageIds, Form::Urls, Form::Date] {
        for value in [json!(evil), json!([evil]), json!([{"email": evil}]), json!([{"name": null, "addresses": [{"email": evil}]}])]
        {
            assert_eq!(encode_field(form, &value), None, "{form:?} {value}");
        }
    }
    for value in [encode_text(evil), encode_phrase(evil), encode_parameter("filename", evil)] {
        assert!(!value.contains(['\r', '\n']), "{value:?}");
    }
    assert_eq!(encode_field(Form::Raw, &json!(" a\r\n b")), Some("a\r\n b".into()));
    assert_eq!(encode_field(Form::Raw, &json!("a\r\n\r\n b")), None);
}

#[test]
fn groups_are_written() {
    let groups =
        json!([{"name": null, "addresses": [{"email": "a@x"}]}, {"name": "Friends", "addresses": [{"name": "B", "email": "b@x"}]}]);
    assert_eq!(encode_field(Form::GroupedAddresses, &groups).as_deref(), Some("a@x, Friends: B <b@x>;"));
}
