// SPDX-License-Identifier: AGPL-3.0-or-later
//! Uploads and downloads.

use super::email::RICH;
use super::*;
use crate::endpoint::Kind as PlaceKind;
use crate::limits::{CONCURRENT_UPLOADS_MAX, MEDIA_TYPE_BYTES_MAX, UPLOAD_IN_MEMORY_BYTES_MAX};

#[tokio::test]
async fn what_was_uploaded_comes_down() {
    let home = Home::new().await;
    for size in [0, 1, UPLOAD_IN_MEMORY_BYTES_MAX, UPLOAD_IN_MEMORY_BYTES_MAX + 1, 700_000] {
        let octets: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
        let blob = home.upload(&octets).await;
        let path = format!("/jmap/download/{}/{blob}/%C3%BC%20x.bin?type=image/png", home.account);
        let answered = home.send("GET", &path, &[], "").await;
        assert_eq!((answered.status, answered.body.len()), (StatusCode::OK, size));
        assert!(answered.body == octets);
        assert_eq!(answered.header("content-type"), "image/png");
        assert_eq!(answered.header("content-disposition"), "attachment; filename*=UTF-8''%C3%BC%20x.bin");
        assert!(answered.header("cache-control").contains("immutable"));
        assert_eq!(answered.header("x-content-type-options"), "nosniff");
    }
    assert_eq!(std::fs::read_dir(&home.uploads).expect("a folder").count(), 0, "nothing is left behind");
}

#[tokio::test]
async fn uploads_are_bounded_on_both_sides() {
    let home = Home::new().await;
    let path = format!("/jmap/upload/{}/", home.account);
    let most = vec![b'a'; usize::try_from(UPLOAD_BYTES_MAX).expect("it fits")];
    let answered = home.send("POST", &path, &[("content-type", "text/plain")], most.clone()).await;
    assert_eq!(answered.status, StatusCode::CREATED);
    assert_eq!((&answered.json()["size"], &answered.json()["type"]), (&json!(UPLOAD_BYTES_MAX), &json!("text/plain")));
    let more = [most, vec![b'a']].concat();
    assert_eq!(home.send("POST", &path, &[], more).await.status, StatusCode::PAYLOAD_TOO_LARGE);

    let account = home.account.parse().expect("an id");
    let mut held: Vec<_> =
        (1..CONCURRENT_UPLOADS_MAX).map(|_| home.app.places.take(account, PlaceKind::Upload, usize::MAX)).collect();
    assert_eq!(home.send("POST", &path, &[], "x").await.status, StatusCode::CREATED);
    held.push(home.app.places.take(account, PlaceKind::Upload, usize::MAX));
    assert_eq!(home.send("POST", &path, &[], "x").await.json()["limit"], "maxConcurrentUpload");
}

#[tokio::test]
async fn a_media_type_is_bounded_on_both_sides() {
    let home = Home::new().await;
    let fits = format!("text/{}", "x".repeat(MEDIA_TYPE_BYTES_MAX - "text/".len()));
    let longer = format!("{fits}x");
    let path = format!("/jmap/upload/{}/", home.account);
    for (given, taken) in [(&fits, fits.as_str()), (&longer, "application/octet-stream")] {
        let up = home.send("POST", &path, &[("content-type", given)], "x").await.json();
        assert_eq!(up["type"], taken);
        let blob = up["blobId"].as_str().expect("an id");
        let down = home.send("GET", &format!("/jmap/download/{}/{blob}/x?type={given}", home.account), &[], "").await;
        assert_eq!(down.header("content-type"), taken);
    }
}

#[tokio::test]
async fn a_message_and_its_parts_come_down() {
    let home = Home::new().await;
    let id = home.import(RICH, &home.mailbox("inbox").await, json!({})).await;
    let got = home.one("Email/get", json!({"ids": [id], "properties": ["blobId", "attachments", "textBody"]})).await;
    let mail = &got["list"][0];
    let down = async |blob: &Value, headers: &[(&str, &str)]| {
        home.send("GET", &format!("/jmap/download/{}/{}/x", home.account, blob.as_str().expect("an id")), headers, "").await
    };
    assert!(down(&mail["blobId"], &[]).await.body == RICH);
    assert_eq!(down(&mail["attachments"][0]["blobId"], &[]).await.body, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(down(&mail["textBody"][0]["blobId"], &[]).await.body, b"Sch\xf6ne Gr\xfc\xdfe vom Meer");

    let piece = down(&mail["blobId"], &[("range", "bytes=10-19")]).await;
    assert_eq!((piece.status, piece.body.as_slice()), (StatusCode::PARTIAL_CONTENT, &RICH[10..20]));
    assert_eq!(piece.header("content-range"), format!("bytes 10-19/{}", RICH.len()));
    assert_eq!(down(&mail["blobId"], &[("range", "bytes=999999-")]).await.status, StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn what_is_not_there_or_not_yours() {
    let home = Home::new().await;
    let blob = home.upload(b"x").await;
    for path in [
        format!("/jmap/download/{}/nothing/x", home.account),
        format!("/jmap/download/{}/{blob}_1-9/x", home.account),
        format!("/jmap/download/{}/u0000000000000/x", home.account),
        format!("/jmap/download/0000000000000/{blob}/x"),
    ] {
        assert_eq!(home.send("GET", &path, &[], "").await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(home.send("POST", "/jmap/upload/0000000000000/", &[], "x").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn blobs_are_imported_and_parsed() {
    let home = Home::new().await;
    let inbox = home.mailbox("inbox").await;
    let blob = home.upload(RICH).await;
    let nothing = home.upload(b"\r\nno header at all").await;
    let parsed = home.one("Email/parse", json!({"blobIds": [blob, "nobody"], "properties": ["subject", "attachments", "bodyValues", "id"], "fetchTextBodyValues": true})).await;
    let mail = &parsed["parsed"][&blob];
    assert_eq!((&mail["subject"], &mail["id"]), (&json!("Grüße"), &Value::Null));
    assert!(
        mail["bodyValues"].as_object().is_some_and(|values| values.values().any(|value| value["value"] == "Schöne Grüße vom Meer"))
    );
    assert_eq!((&parsed["notFound"], &parsed["notParsable"]), (&json!(["nobody"]), &Value::Null));
    let part = mail["attachments"][0]["blobId"].as_str().expect("an id");
    let down = home.send("GET", &format!("/jmap/download/{}/{part}/x", home.account), &[], "").await;
    assert_eq!(down.body, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);

    let done = home
        .one(
            "Email/import",
            json!({"emails": {
                "a": {"blobId": blob, "mailboxIds": {&inbox: true}, "receivedAt": "2020-01-02T03:04:05Z"},
                "b": {"blobId": "nobody", "mailboxIds": {&inbox: true}},
                "c": {"blobId": nothing, "mailboxIds": {&inbox: true}},
                "d": {"blobId": blob, "mailboxIds": {"nowhere": true}}
            }}),
        )
        .await;
    for (key, error) in [("b", "blobNotFound"), ("c", "invalidEmail"), ("d", "invalidProperties")] {
        assert_eq!(done["notCreated"][key]["type"], error, "{done}");
    }
    let got = home.one("Email/get", json!({"ids": [done["created"]["a"]["id"]], "properties": ["receivedAt"]})).await;
    assert_eq!(got["list"][0]["receivedAt"], "2020-01-02T03:04:05Z");
}
