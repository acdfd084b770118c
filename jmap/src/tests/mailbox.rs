// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mailbox: what a new account has, and what may be done to it.

use super::*;

#[tokio::test]
async fn a_new_account_has_its_mailboxes() {
    let home = Home::new().await;
    let got = home.one("Mailbox/get", json!({"ids": null})).await;
    let list = got["list"].as_array().expect("a list");
    let roles: Vec<&str> = list.iter().filter_map(|mailbox| mailbox["role"].as_str()).collect();
    for role in ["inbox", "sent", "drafts", "trash", "junk", "archive"] {
        assert!(roles.contains(&role), "{role}: {roles:?}");
    }
    let inbox = list.iter().find(|mailbox| mailbox["role"] == "inbox").expect("an inbox");
    assert_eq!((&inbox["name"], &inbox["parentId"], &inbox["totalEmails"]), (&json!("Inbox"), &Value::Null, &json!(0)));
    assert_eq!((&inbox["myRights"]["mayDelete"], &inbox["myRights"]["mayReadItems"]), (&json!(false), &json!(true)));
    let some = home.one("Mailbox/get", json!({"ids": [inbox["id"]], "properties": ["role"]})).await;
    assert_eq!(some["list"], json!([{"id": inbox["id"], "role": "inbox"}]));
    assert_eq!(home.error("Mailbox/get", json!({"properties": ["colour"]})).await, "invalidArguments");
}

#[tokio::test]
async fn made_changed_and_removed_in_one_call_each() {
    let home = Home::new().await;
    let before = home.one("Mailbox/get", json!({"ids": []})).await["state"].clone();
    // The child stands before its parent.
    let made = home
        .one(
            "Mailbox/set",
            json!({"ifInState": before, "create": {
                "a": {"name": "Child", "parentId": "#b"},
                "b": {"name": "Parent", "isSubscribed": true, "sortOrder": 7},
                "c": {"name": "Orphan", "parentId": "#nobody"},
                "d": {"parentId": null},
                "e": {"name": "Child", "parentId": "#b"}
            }}),
        )
        .await;
    let (one, two) = (made["created"]["a"]["id"].as_str(), made["created"]["e"]["id"].as_str());
    assert!(one.is_some() != two.is_some(), "one of the two of one name: {made}");
    let (child, parent) =
        (one.or(two).expect("a child").to_string(), made["created"]["b"]["id"].as_str().expect("an id").to_string());
    assert_eq!(made["notCreated"]["c"]["properties"], json!(["parentId"]));
    assert_eq!(made["notCreated"]["d"]["properties"], json!(["name"]));
    assert_eq!(home.error("Mailbox/set", json!({"ifInState": before})).await, "stateMismatch");

    let tree = home
        .one(
            "Mailbox/query",
            json!({"filter": {"operator": "OR", "conditions": [{"name": "parent"}, {"parentId": parent}]}, "sortAsTree": true}),
        )
        .await;
    assert_eq!(tree["ids"], json!([parent, child]));
    assert_eq!(tree["canCalculateChanges"], false);
    assert_eq!(home.error("Mailbox/queryChanges", json!({"sinceQueryState": tree["queryState"]})).await, "cannotCalculateChanges");

    let changed = home.one("Mailbox/set", json!({"update": {&child: {"name": "Renamed", "parentId": null}, "nobody": {"name": "x"}, &parent: {"totalEmails": 3}}})).await;
    assert_eq!(changed["updated"], json!({&child: null}));
    assert_eq!(changed["notUpdated"]["nobody"]["type"], "notFound");
    assert_eq!(changed["notUpdated"][&parent]["type"], "invalidProperties");

    let news = home.one("Mailbox/changes", json!({"sinceState": before})).await;
    let created: Vec<&str> = news["created"].as_array().expect("ids").iter().filter_map(Value::as_str).collect();
    assert!(created.contains(&child.as_str()) && created.contains(&parent.as_str()), "{news}");

    let gone = home.one("Mailbox/set", json!({"destroy": [parent, child, "nobody", home.mailbox("inbox").await]})).await;
    assert_eq!(gone["destroyed"].as_array().map(Vec::len), Some(2), "{gone}");
    assert_eq!(gone["notDestroyed"]["nobody"]["type"], "notFound");
    assert_eq!(gone["notDestroyed"].as_object().map(serde_json::Map::len), Some(2));
}

#[tokio::test]
async fn what_holds_something_is_not_removed_by_accident() {
    let home = Home::new().await;
    let made = home.one("Mailbox/set", json!({"create": {"p": {"name": "P"}, "c": {"name": "C", "parentId": "#p"}}})).await;
    let id = |key: &str| made["created"][key]["id"].as_str().expect("an id").to_string();
    home.import(b"Subject: x\r\n\r\ny", &id("c"), json!({})).await;
    let refused = home.one("Mailbox/set", json!({"destroy": [id("p")]})).await;
    assert_eq!(refused["notDestroyed"][id("p")]["type"], "mailboxHasChild");
    let refused = home.one("Mailbox/set", json!({"destroy": [id("c")]})).await;
    assert_eq!(refused["notDestroyed"][id("c")]["type"], "mailboxHasEmail");
    let gone = home.one("Mailbox/set", json!({"destroy": [id("p"), id("c")], "onDestroyRemoveEmails": true})).await;
    assert_eq!(gone["destroyed"], json!([id("c"), id("p")]));
    assert_eq!(home.one("Email/query", json!({})).await["ids"], json!([]));
}
