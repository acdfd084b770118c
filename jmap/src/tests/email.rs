// SPDX-License-Identifier: AGPL-3.0-or-later
//! Email: looked for, looked at, made, changed.

use super::*;
use crate::limits::RESPONSE_BYTES_MAX;

/// A mail with a text, HTML, and an attached file; subject and text are not ASCII.
pub const RICH: &[u8] = b"Received: from x by y; Thu, 30 Oct 2014 06:12:00 +0000\r\n\
From: =?utf-8?q?J=C3=BCrgen?= <j@x.org>\r\nTo: Friends: a@x.org, b@x.org;\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
Date: Thu, 30 Oct 2014 14:12:00 +0800\r\nMessage-ID: <one@x.org>\r\nReferences: <r1@x> <r2@x>\r\nX-Note: a\r\nX-Note:  b\r\n\
MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n\
--out\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n\
--in\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSch=F6ne Gr=FC=DFe vom Meer\r\n\
--in\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Sch\xc3\xb6ne <b>Gr\xc3\xbc\xc3\x9fe</b></p>\r\n--in--\r\n\
--out\r\nContent-Type: application/octet-stream; name=\"d.bin\"\r\nContent-Transfer-Encoding: base64\r\n\
Content-Disposition: attachment; filename=\"d.bin\"\r\n\r\nAAECAwQFBgcICQ==\r\n--out--\r\n";

#[tokio::test]
async fn a_query_and_a_get_in_one_request() {
    let home = Home::new().await;
    let inbox = home.mailbox("inbox").await;
    let id = home.import(RICH, &inbox, json!({"$seen": true, "Custom": true})).await;
    let responses = home
        .call(&[
            ("Email/query", json!({"filter": {"inMailbox": inbox, "hasKeyword": "custom"}, "sort": [{"property": "receivedAt", "isAscending": false}], "limit": 10, "calculateTotal": true})),
            ("Email/get", json!({"#ids": {"resultOf": "c0", "name": "Email/query", "path": "/ids"},
                "properties": ["threadId", "mailboxIds", "keywords", "size", "receivedAt", "subject", "from", "to", "sentAt", "messageId", "references", "preview", "hasAttachment", "blobId", "sender"]})),
            ("Thread/get", json!({"#ids": {"resultOf": "c1", "name": "Email/get", "path": "/list/*/threadId"}})),
            ("SearchSnippet/get", json!({"filter": {"subject": "gr"}, "#emailIds": {"resultOf": "c2", "name": "Thread/get", "path": "/list/*/emailIds"}})),
        ])
        .await;
    assert_eq!((&responses[0].1["ids"], &responses[0].1["total"]), (&json!([id]), &json!(1)));
    let mail = &responses[1].1["list"][0];
    assert_eq!(mail["id"], id.as_str());
    assert_eq!(mail["mailboxIds"], json!({&inbox: true}));
    assert_eq!(mail["keywords"], json!({"$seen": true, "custom": true}));
    assert_eq!(mail["size"], RICH.len());
    // RFC 8621 §4.8: the date of the Received field.
    assert_eq!(mail["receivedAt"], "2014-10-30T06:12:00Z");
    assert_eq!(mail["sentAt"], "2014-10-30T14:12:00+08:00");
    assert_eq!(mail["subject"], "Grüße");
    assert_eq!(mail["from"], json!([{"name": "Jürgen", "email": "j@x.org"}]));
    assert_eq!(mail["to"], json!([{"name": null, "email": "a@x.org"}, {"name": null, "email": "b@x.org"}]));
    assert_eq!(
        (&mail["messageId"], &mail["references"], &mail["sender"]),
        (&json!(["one@x.org"]), &json!(["r1@x", "r2@x"]), &Value::Null)
    );
    assert_eq!((&mail["preview"], &mail["hasAttachment"]), (&json!("Schöne Grüße vom Meer"), &json!(true)));
    assert_eq!(responses[2].1["list"][0]["emailIds"], json!([id]));
    assert_eq!((responses[3].0.as_str(), &responses[3].1["list"][0]["emailId"]), ("SearchSnippet/get", &json!(id)));
}

#[tokio::test]
async fn bodies_and_header_forms() {
    let home = Home::new().await;
    let id = home.import(RICH, &home.mailbox("inbox").await, json!({})).await;
    let got = home
        .one(
            "Email/get",
            json!({"ids": [id, "nobody"], "properties": ["bodyStructure", "bodyValues", "textBody", "htmlBody", "attachments", "header:X-Note:all",
                "header:X-Note:asText", "header:To:asGroupedAddresses", "header:Date:asDate", "header:Nothing", "headers"],
                "bodyProperties": ["partId", "blobId", "size", "type", "name", "charset", "disposition", "header:Content-Type"],
                "fetchAllBodyValues": true, "maxBodyValueBytes": 10}),
        )
        .await;
    assert_eq!(got["notFound"], json!(["nobody"]));
    let mail = &got["list"][0];
    let part = |list: &str, index: usize| mail[list][index].clone();
    assert_eq!((&part("textBody", 0)["type"], &part("htmlBody", 0)["type"]), (&json!("text/plain"), &json!("text/html")));
    let file = part("attachments", 0);
    assert_eq!(
        (&file["type"], &file["name"], &file["size"], &file["disposition"]),
        (&json!("application/octet-stream"), &json!("d.bin"), &json!(10), &json!("attachment"))
    );
    assert_eq!(file["header:Content-Type"], " application/octet-stream; name=\"d.bin\"");
    // RFC 8621 §4.1.4 size: before the charset is taken off.
    assert_eq!((&part("textBody", 0)["size"], &part("textBody", 0)["charset"]), (&json!(21), &json!("iso-8859-1")));
    let text_id = part("textBody", 0)["partId"].as_str().expect("an id").to_string();
    // `Schöne Gr` has ten octets; the ü behind it would not fit.
    assert_eq!(mail["bodyValues"][&text_id], json!({"value": "Schöne Gr", "isEncodingProblem": false, "isTruncated": true}));
    assert_eq!(mail["bodyStructure"]["type"], "multipart/mixed");
    assert_eq!(mail["bodyStructure"]["subParts"][0]["subParts"][1]["type"], "text/html");
    assert_eq!((&mail["bodyStructure"]["partId"], &mail["bodyStructure"]["blobId"]), (&Value::Null, &Value::Null));
    assert_eq!((&mail["header:X-Note:all"], &mail["header:X-Note:asText"]), (&json!([" a", "  b"]), &json!("b")));
    assert_eq!(mail["header:To:asGroupedAddresses"][0]["name"], "Friends");
    assert_eq!((&mail["header:Date:asDate"], &mail["header:Nothing"]), (&json!("2014-10-30T14:12:00+08:00"), &Value::Null));
    assert_eq!(mail["headers"][0]["name"], "Received");
}

#[tokio::test]
async fn a_draft_is_made_and_read_back() {
    let home = Home::new().await;
    let drafts = home.mailbox("drafts").await;
    let blob = home.upload(b"%PDF-1.4 ...").await;
    let made = home
        .one(
            "Email/set",
            json!({"create": {
                "k": {
                    "mailboxIds": {&drafts: true}, "keywords": {"$draft": true, "$seen": true},
                    "from": [{"name": "Alice", "email": "alice@home.localhost"}], "to": [{"email": "bob@x.org"}], "subject": "Grüße ✓",
                    "textBody": [{"partId": "t", "type": "text/plain"}], "bodyValues": {"t": {"value": "Hällo\nwelt"}},
                    "attachments": [{"blobId": blob, "type": "application/pdf", "name": "a.pdf"}]
                },
                "m": {"mailboxIds": {"nowhere": true}},
                "n": {"mailboxIds": {&drafts: true}, "attachments": [{"blobId": "u0000000000000"}]},
                "o": {"mailboxIds": {}}
            }}),
        )
        .await;
    for (key, error) in [("m", "invalidProperties"), ("n", "blobNotFound"), ("o", "invalidProperties")] {
        assert_eq!(made["notCreated"][key]["type"], error, "{made}");
    }
    let draft = &made["created"]["k"];
    assert!(draft["size"].as_u64() > Some(100) && draft["blobId"].is_string() && draft["threadId"].is_string(), "{made}");
    let got = home.one("Email/get", json!({"ids": [draft["id"]], "fetchTextBodyValues": true})).await;
    let mail = &got["list"][0];
    assert_eq!((&mail["subject"], &mail["keywords"]), (&json!("Grüße ✓"), &json!({"$draft": true, "$seen": true})));
    assert_eq!(mail["bodyValues"]["1"]["value"], "Hällo\nwelt");
    assert_eq!((&mail["attachments"][0]["name"], &mail["attachments"][0]["size"]), (&json!("a.pdf"), &json!(12)));
    assert!(mail["messageId"][0].as_str().is_some_and(|id| id.ends_with("@home.localhost")) && mail["sentAt"].is_string());
    assert_eq!(mail["size"], draft["size"]);
}

#[tokio::test]
async fn attachments_are_bounded_on_both_sides() {
    let home = Home::new().await;
    let drafts = home.mailbox("drafts").await;
    for (too_many, size) in [(0, ATTACHMENTS_BYTES_MAX / 2), (1, ATTACHMENTS_BYTES_MAX / 2 + 1)] {
        let octets = vec![b'x'; usize::try_from(size).expect("small")];
        let blobs = [home.upload(&octets).await, home.upload(&[&octets[1..], b"y"].concat()).await];
        let attachments = blobs.map(|blob| json!({"blobId": blob, "type": "application/pdf"}));
        let draft = json!({"mailboxIds": {&drafts: true}, "attachments": attachments});
        let made = home.one("Email/set", json!({"create": {"k": draft}})).await;
        assert_eq!(made["created"].is_object(), too_many == 0, "{made}");
        assert_eq!(made["notCreated"]["k"]["type"] == "tooLarge", too_many == 1, "{made}");
    }
}

#[tokio::test]
async fn the_calls_of_a_request_share_the_room_of_its_response() {
    let home = Home::new().await;
    let inbox = home.mailbox("inbox").await;
    let text = "All work and no play.\r\n".repeat(80_000);
    let id = home.import(format!("Subject: long\r\n\r\n{text}").as_bytes(), &inbox, json!({})).await;
    let one = ("Email/get", json!({"ids": [id], "properties": ["bodyValues"], "fetchTextBodyValues": true}));
    let fit = RESPONSE_BYTES_MAX / (text.len() - 80_000 + 100);
    let answers = home.call(&vec![one; fit + 1]).await;
    assert!(answers[..fit].iter().all(|(name, _)| name == "Email/get"));
    assert_eq!((answers[fit].0.as_str(), &answers[fit].1["type"]), ("error", &json!("requestTooLarge")));
}

#[tokio::test]
async fn keywords_and_mailboxes_change() {
    let home = Home::new().await;
    let (inbox, archive) = (home.mailbox("inbox").await, home.mailbox("archive").await);
    let id = home.import(RICH, &inbox, json!({"$flagged": true})).await;
    let state = home.one("Email/get", json!({"ids": []})).await["state"].clone();
    let set = |patch: Value| json!({"update": {&id: patch}});
    let look =
        async || home.one("Email/get", json!({"ids": [&id], "properties": ["keywords", "mailboxIds"]})).await["list"][0].clone();

    let done = home.one("Email/set", set(json!({"keywords/$seen": true, "keywords/$flagged": null}))).await;
    assert_eq!(done["updated"], json!({&id: null}));
    assert_ne!(done["oldState"], done["newState"]);
    assert_eq!(look().await["keywords"], json!({"$seen": true}));
    assert_eq!(home.error("Email/set", json!({"ifInState": state, "update": {&id: {"keywords": {}}}})).await, "stateMismatch");

    home.one("Email/set", set(json!({format!("mailboxIds/{archive}"): true}))).await;
    assert_eq!(look().await["mailboxIds"], json!({&inbox: true, &archive: true}));
    home.one("Email/set", set(json!({"mailboxIds": {&archive: true}, "keywords": {"a": true}}))).await;
    assert_eq!(look().await, json!({"id": id, "mailboxIds": {&archive: true}, "keywords": {"a": true}}));

    for (patch, error) in [
        (json!({format!("mailboxIds/{archive}"): null, "keywords/b": true}), "invalidProperties"),
        (json!({"mailboxIds": {"nowhere": true}}), "invalidProperties"),
        (json!({"mailboxIds": {"0000000000000": true}, "keywords/b": true}), "invalidProperties"),
        (json!({"subject": "x"}), "invalidProperties"),
        (json!({"keywords": {}, "keywords/x": true}), "invalidPatch"),
    ] {
        let refused = home.one("Email/set", set(patch.clone())).await;
        assert_eq!(refused["notUpdated"][&id]["type"], error, "{patch}");
        assert_eq!(look().await["keywords"], json!({"a": true}), "as a whole or not at all: {patch}");
    }

    let gone = home.one("Email/set", json!({"destroy": [id, "nobody"], "update": {&id: {"keywords": {}}}})).await;
    assert_eq!((&gone["destroyed"], &gone["notUpdated"][&id]["type"]), (&json!([id]), &json!("willDestroy")));
    assert_eq!(gone["notDestroyed"]["nobody"]["type"], "notFound");
    assert_eq!(home.one("Email/get", json!({"ids": [id]})).await["notFound"], json!([id]));
}

#[tokio::test]
async fn what_was_made_can_be_named_in_the_same_request() {
    let home = Home::new().await;
    let responses = home
        .call(&[
            ("Mailbox/set", json!({"create": {"box": {"name": "New"}}})),
            ("Email/set", json!({"create": {"mail": {"mailboxIds": {"#box": true}, "subject": "x"}}})),
            ("Email/set", json!({"update": {"#mail": {"keywords/$seen": true}}})),
            ("Email/query", json!({"filter": {"inMailbox": "#box", "hasKeyword": "$seen"}})),
        ])
        .await;
    assert_eq!(responses[3].1["ids"], json!([responses[1].1["created"]["mail"]["id"]]), "{responses:?}");
}

#[tokio::test]
async fn filters_and_sorts() {
    let home = Home::new().await;
    let inbox = home.mailbox("inbox").await;
    let mail = |from: &str, subject: &str, day: u32, text: &str| {
        format!("Received: x; {day} Oct 2014 06:12:00 +0000\r\nFrom: {from}\r\nSubject: {subject}\r\n\r\n{text}\r\n").into_bytes()
    };
    let a = home.import(&mail("anna@x.org", "Apple", 1, "the quick brown fox"), &inbox, json!({"$seen": true})).await;
    let b = home.import(&mail("bert@x.org", "Banana", 2, "jumps over"), &inbox, json!({})).await;
    let c = home.import(&mail("carl@y.org", "Cherry", 3, "the lazy dog and a fox"), &inbox, json!({})).await;
    for (filter, sort, expected) in [
        (json!(null), json!(null), vec![&c, &b, &a]),
        (json!({"from": "x.org"}), json!([{"property": "receivedAt"}]), vec![&a, &b]),
        (json!({"subject": "ban"}), json!(null), vec![&b]),
        (json!({"after": "2014-10-02T00:00:00Z", "before": "2014-10-03T00:00:00Z"}), json!(null), vec![&b]),
        (json!({"notKeyword": "$seen"}), json!([{"property": "subject"}]), vec![&b, &c]),
        (json!({"operator": "NOT", "conditions": [{"from": "anna"}, {"from": "bert"}]}), json!(null), vec![&c]),
        (json!({"body": "fox"}), json!([{"property": "from", "isAscending": false}]), vec![&c, &a]),
        (json!({"text": "lazy"}), json!(null), vec![&c]),
        (json!({"header": ["Subject", "cherry"]}), json!(null), vec![&c]),
        (json!({"hasAttachment": true}), json!(null), vec![]),
        (json!({"inMailboxOtherThan": [inbox]}), json!(null), vec![]),
        (json!({"inMailbox": "nowhere"}), json!(null), vec![]),
        (
            json!(null),
            json!([{"property": "hasKeyword", "keyword": "$seen", "isAscending": false}, {"property": "receivedAt", "isAscending": true}]),
            vec![&a, &b, &c],
        ),
    ] {
        let found = home.one("Email/query", json!({"filter": filter, "sort": sort})).await;
        assert_eq!(found["ids"], json!(expected), "{filter} {sort}");
    }
    let found = home.one("Email/query", json!({"anchor": b, "anchorOffset": 1, "calculateTotal": true})).await;
    assert_eq!((&found["ids"], &found["position"], &found["total"]), (&json!([a]), &json!(2), &json!(3)));
    for (arguments, error) in [
        (json!({"anchor": "nobody"}), "anchorNotFound"),
        (json!({"sort": [{"property": "colour"}]}), "unsupportedSort"),
        (json!({"filter": {"colour": "red"}}), "unsupportedFilter"),
        (json!({"filter": {"before": "soon"}}), "invalidArguments"),
    ] {
        assert_eq!(home.error("Email/query", arguments.clone()).await, error, "{arguments}");
    }
}

#[tokio::test]
async fn threads_collapse() {
    let home = Home::new().await;
    let inbox = home.mailbox("inbox").await;
    let first = home.import(b"Message-ID: <1@x>\r\nSubject: plan\r\n\r\nx", &inbox, json!({})).await;
    let reply = home
        .import(b"Message-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\nReferences: <1@x>\r\nSubject: Re: plan\r\n\r\ny", &inbox, json!({}))
        .await;
    let sort = json!([{"property": "size", "isAscending": false}]);
    let found = home.one("Email/query", json!({"collapseThreads": true, "sort": sort})).await;
    assert_eq!((&found["ids"], &found["canCalculateChanges"]), (&json!([reply]), &json!(false)));
    let thread = home.one("Email/get", json!({"ids": [first], "properties": ["threadId"]})).await["list"][0]["threadId"].clone();
    let got = home.one("Thread/get", json!({"ids": [thread, "nobody"]})).await;
    assert_eq!((&got["list"][0]["emailIds"], &got["notFound"]), (&json!([first, reply]), &json!(["nobody"])));
    assert_eq!(home.error("Thread/get", json!({"ids": null})).await, "requestTooLarge");
}
