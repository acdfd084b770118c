// SPDX-License-Identifier: AGPL-3.0-or-later
//! `/changes` and `/queryChanges`: what a client that was away is told.

use super::*;

#[tokio::test]
async fn a_client_that_was_away_catches_up() {
    let home = Home::new().await;
    let inbox = home.mailbox("inbox").await;
    let one = home.import(b"Subject: one\r\n\r\nx", &inbox, json!({})).await;
    let two = home.import(b"Subject: two\r\n\r\nx", &inbox, json!({})).await;
    let filter = json!({"inMailbox": inbox, "notKeyword": "$seen"});
    let query = home.one("Email/query", json!({"filter": filter})).await;
    let since = query["queryState"].clone();
    assert_eq!((&query["ids"], &query["canCalculateChanges"]), (&json!([two, one]), &json!(true)));

    let three = home.import(b"Subject: three\r\n\r\nx", &inbox, json!({})).await;
    home.one("Email/set", json!({"update": {&one: {"keywords/$seen": true}}, "destroy": [two]})).await;

    let news = home.one("Email/changes", json!({"sinceState": since})).await;
    assert_eq!((&news["created"], &news["updated"], &news["destroyed"]), (&json!([three]), &json!([one]), &json!([two])));
    assert_eq!((&news["oldState"], &news["hasMoreChanges"]), (&since, &json!(false)));
    let threads = home.one("Thread/changes", json!({"sinceState": since})).await;
    assert_eq!((threads["created"].as_array().map(Vec::len), threads["destroyed"].as_array().map(Vec::len)), (Some(1), Some(1)));
    let counts = home.one("Mailbox/changes", json!({"sinceState": since})).await;
    assert_eq!(counts["updated"], json!([inbox]));
    assert_eq!(counts["updatedProperties"], json!(["totalEmails", "unreadEmails", "totalThreads", "unreadThreads"]));

    let changed = home.one("Email/queryChanges", json!({"filter": filter, "sinceQueryState": since, "calculateTotal": true})).await;
    let mut removed: Vec<&str> = changed["removed"].as_array().expect("ids").iter().filter_map(Value::as_str).collect();
    removed.sort_unstable();
    let mut expected = [one.as_str(), two.as_str()];
    expected.sort_unstable();
    assert_eq!(removed, expected);
    assert_eq!((&changed["added"], &changed["total"]), (&json!([{"id": three, "index": 0}]), &json!(1)));

    for (arguments, error) in [
        (json!({"filter": filter, "sinceQueryState": since, "maxChanges": 2}), "tooManyChanges"),
        (json!({"filter": filter, "sinceQueryState": since, "collapseThreads": true}), "cannotCalculateChanges"),
        (json!({"filter": filter, "sinceQueryState": "99999999"}), "cannotCalculateChanges"),
        (json!({"filter": filter, "sinceQueryState": "x"}), "cannotCalculateChanges"),
    ] {
        assert_eq!(home.error("Email/queryChanges", arguments.clone()).await, error, "{arguments}");
    }
    assert_eq!(home.error("Email/changes", json!({"sinceState": "99999999"})).await, "cannotCalculateChanges");
}

#[tokio::test]
async fn changes_come_in_pieces() {
    let home = Home::new().await;
    let inbox = home.mailbox("inbox").await;
    let mut state = home.one("Email/get", json!({"ids": []})).await["state"].clone();
    let mut all = Vec::new();
    for n in 0..5 {
        all.push(home.import(format!("Subject: {n}\r\n\r\nx").as_bytes(), &inbox, json!({})).await);
    }
    let mut seen = Vec::new();
    loop {
        let news = home.one("Email/changes", json!({"sinceState": state, "maxChanges": 2})).await;
        let created = news["created"].as_array().expect("ids");
        assert!(created.len() <= 2);
        seen.extend(created.iter().filter_map(Value::as_str).map(str::to_string));
        state = news["newState"].clone();
        if news["hasMoreChanges"] == false {
            break;
        }
    }
    assert_eq!(seen, all);
}
