// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is a draft, and what is not.

use hearth_mailstore::Flag;
use serde_json::json;

use super::*;

fn parse(value: Value) -> Result<Draft, SetError> {
    let mut object = value.as_object().expect("an object").clone();
    object.entry("mailboxIds").or_insert(json!({"x": true}));
    parse_draft(object)
}

fn shape(part: &DraftPart) -> String {
    match &part.content {
        Content::Parts(parts) => {
            let inner: Vec<String> = parts.iter().map(shape).collect();
            format!("{}({})", part.media_type.trim_start_matches("multipart/"), inner.join(" "))
        }
        Content::Text(text) => text.clone(),
        Content::Blob(id) => id.clone(),
    }
}

#[test]
fn a_plain_draft() {
    let draft = parse(json!({
        "keywords": {"$draft": true},
        "from": [{"name": "Joe Bloggs", "email": "joe@example.com"}],
        "subject": "World domination",
        "receivedAt": "2018-07-10T01:03:11Z",
        "bodyValues": {"a": {"value": "I have the most brilliant plan."}},
        "textBody": [{"partId": "a", "type": "text/plain"}]
    }))
    .expect("a draft");
    assert_eq!(draft.mailboxes, ["x"]);
    assert!(draft.keywords.contains(&Flag::Draft));
    assert_eq!(shape(&draft.body), "I have the most brilliant plan.");
    assert!(draft.fields.contains(&("Subject".into(), "World domination".into())));
    assert!(draft.fields.contains(&("From".into(), "Joe Bloggs <joe@example.com>".into())));
}

#[test]
fn parts_are_arranged() {
    let values = json!({"t": {"value": "T"}, "h": {"value": "H"}});
    let (text, html) = (json!([{"partId": "t"}]), json!([{"partId": "h", "type": "text/html"}]));
    let picture = json!({"blobId": "P", "type": "image/png", "cid": "c", "disposition": "inline"});
    let file = json!({"blobId": "F", "type": "application/pdf", "name": "f.pdf"});
    for (object, expected) in [
        (json!({}), ""),
        (json!({"textBody": text}), "T"),
        (json!({"htmlBody": html}), "H"),
        (json!({"textBody": text, "htmlBody": html}), "alternative(T H)"),
        (json!({"textBody": text, "attachments": [file]}), "mixed(T F)"),
        (json!({"attachments": [file]}), "mixed(F)"),
        (json!({"textBody": text, "attachments": [picture]}), "mixed(T P)"),
        (json!({"textBody": text, "htmlBody": html, "attachments": [picture, file]}), "mixed(related(alternative(T H) P) F)"),
    ] {
        let mut object = object;
        object["bodyValues"] = values.clone();
        assert_eq!(shape(&parse(object.clone()).expect("a draft").body), expected, "{object}");
    }
}

#[test]
fn what_is_no_draft() {
    let text = json!({"a": {"value": "x"}});
    for (wrong, property) in [
        (json!({"mailboxIds": {}}), "mailboxIds"),
        (json!({"mailboxIds": {"x": false}}), "mailboxIds"),
        (json!({"keywords": {"a b": true}}), "keywords"),
        (json!({"receivedAt": "now"}), "receivedAt"),
        (json!({"headers": []}), "headers"),
        (json!({"id": "x"}), "id"),
        (json!({"subject": 1}), "subject"),
        (json!({"from": [{"email": "a@x\r\nBcc: b@x"}]}), "from"),
        (json!({"messageId": ["a b"]}), "messageId"),
        (json!({"header:Content-Type": "text/plain"}), "header:Content-Type"),
        (json!({"header:X-A": "a\r\nBcc: b@x"}), "header:X-A"),
        (json!({"header:X-A:all": "a"}), "header:X-A:all"),
        (json!({"bodyValues": {"a": {"value": "x", "isTruncated": true}}}), "bodyValues"),
        (json!({"bodyValues": {"a": {}}}), "bodyValues"),
        (json!({"textBody": [{"partId": "b"}], "bodyValues": text}), "textBody"),
        (json!({"textBody": [{"partId": "a", "type": "text/html"}], "bodyValues": text}), "textBody"),
        (json!({"textBody": [{"partId": "a"}, {"partId": "a"}], "bodyValues": text}), "textBody"),
        (json!({"textBody": [{"partId": "a", "charset": "utf-8"}], "bodyValues": text}), "textBody"),
        (json!({"textBody": [{"partId": "a", "blobId": "b"}], "bodyValues": text}), "textBody"),
        (json!({"attachments": [{"type": "image/png"}]}), "attachments"),
        (json!({"attachments": [{"blobId": "b", "type": "image png"}]}), "attachments"),
        (json!({"attachments": [{"blobId": "b", "name": "a\nb"}]}), "attachments"),
        (json!({"attachments": [{"blobId": "b", "cid": "a b"}]}), "attachments"),
        (json!({"attachments": [{"blobId": "b", "headers": []}]}), "attachments"),
        (json!({"attachments": [{"blobId": "b", "header:Content-Transfer-Encoding": "base64"}]}), "attachments"),
        (json!({"bodyStructure": {"type": "multipart/mixed", "subParts": []}}), "bodyStructure"),
        (json!({"bodyStructure": {"blobId": "b"}, "attachments": [{"blobId": "b"}]}), "bodyStructure"),
    ] {
        let mut object = json!({"mailboxIds": {"x": true}});
        for (name, value) in wrong.as_object().expect("an object") {
            object[name] = value.clone();
        }
        match parse(object) {
            Err(SetError::InvalidProperties(properties, _)) => assert_eq!(properties, [property], "{wrong}"),
            other => panic!("{wrong}: {other:?}"),
        }
    }
    let twice = parse(json!({"subject": "a", "header:Subject:asText": "b"}));
    assert_eq!(twice.expect_err("twice").name(), "invalidProperties");
}

#[test]
fn parts_are_bounded_on_both_sides() {
    let wide =
        |parts: usize| json!({"bodyStructure": {"type": "multipart/mixed", "subParts": vec![json!({"blobId": "b"}); parts - 1]}});
    assert!(parse(wide(DRAFT_PARTS_MAX)).is_ok());
    assert!(parse(wide(DRAFT_PARTS_MAX + 1)).is_err());
    let deep = |levels: usize| {
        let inner = (1..levels).fold(json!({"blobId": "b"}), |inner, _| json!({"type": "multipart/mixed", "subParts": [inner]}));
        json!({ "bodyStructure": inner })
    };
    assert!(parse(deep(DRAFT_DEPTH_MAX)).is_ok());
    assert!(parse(deep(DRAFT_DEPTH_MAX + 1)).is_err());
}

#[test]
fn fields_are_bounded_on_both_sides() {
    let many = |fields: usize| json!({"header:X-A:all": vec![" a"; fields]});
    assert!(parse(many(DRAFT_HEADERS_MAX)).is_ok());
    assert!(parse(many(DRAFT_HEADERS_MAX + 1)).is_err());
}
