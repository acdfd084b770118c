// SPDX-License-Identifier: AGPL-3.0-or-later
//! AddressBook and ContactCard: what a person's own people are, and what may be done with them.

use hearth_identity::certs::{Certificate, Identity, Seen, Source};
use hearth_types::Timestamp;

use super::*;
use crate::limits::{CARD_DEPTH_MAX, OPENPGP_ADDRESSES_MAX};

const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\nand so on";

impl Home {
    async fn book(&self) -> String {
        let got = self.one("AddressBook/get", json!({})).await;
        got["list"][0]["id"].as_str().expect("an address book").to_string()
    }

    /// A new card in the default address book; its id.
    async fn card(&self, mut card: Value) -> String {
        card["addressBookIds"] = json!({ self.book().await: true });
        let done = self.one("ContactCard/set", json!({"create": {"k": card}})).await;
        done["created"]["k"]["id"].as_str().unwrap_or_else(|| panic!("{done}")).to_string()
    }

    async fn show(&self, id: &str) -> Value {
        self.one("ContactCard/get", json!({"ids": [id]})).await["list"][0].clone()
    }

    /// What is said of one update that is refused.
    async fn refused(&self, id: &str, patch: Value) -> Value {
        let done = self.one("ContactCard/set", json!({"update": {id: patch}})).await;
        done["notUpdated"][id].clone()
    }
}

#[tokio::test]
async fn the_session_says_what_may_be_done() {
    let home = Home::new().await;
    let session = home.send("GET", "/.well-known/jmap", &[], "").await.json();
    assert_eq!(session["capabilities"][CONTACTS], json!({}));
    let of_account = &session["accounts"][&home.account]["accountCapabilities"][CONTACTS];
    assert_eq!(of_account, &json!({"maxAddressBooksPerCard": 100, "mayCreateAddressBook": true}));
    assert_eq!(session["primaryAccounts"][CONTACTS], home.account);
}

#[tokio::test]
async fn an_address_book_from_first_to_last() {
    let home = Home::new().await;
    let got = home.one("AddressBook/get", json!({"ids": null})).await;
    let rights = |may_delete: bool| json!({"mayRead": true, "mayWrite": true, "mayShare": false, "mayDelete": may_delete});
    let first = got["list"][0].clone();
    let expected = json!({
        "id": first["id"], "name": "Contacts", "description": null, "sortOrder": 0, "isDefault": true, "isSubscribed": true,
        "shareWith": null, "myRights": rights(false)
    });
    assert_eq!(first, expected);

    let done = home
        .one(
            "AddressBook/set",
            json!({"ifInState": got["state"], "onSuccessSetIsDefault": "#w", "create": {"w": {"name": "Work", "sortOrder": 7}}}),
        )
        .await;
    let work = done["created"]["w"]["id"].as_str().expect("an id").to_string();
    assert_eq!((&done["created"]["w"]["isDefault"], &done["created"]["w"]["myRights"]), (&json!(true), &rights(false)));
    assert_eq!(done["updated"], json!({first["id"].as_str().expect("an id"): {"isDefault": false, "myRights": rights(true)}}));
    let news = home.one("AddressBook/changes", json!({"sinceState": got["state"]})).await;
    assert_eq!((&news["created"], &news["updated"]), (&json!([work]), &json!([first["id"]])));
    assert_eq!(news["newState"], done["newState"]);

    let update = json!({"update": {&work: {"name": "Office", "description": "colleagues", "isSubscribed": false}}});
    assert_eq!(home.one("AddressBook/set", update).await["updated"], json!({&work: null}));
    let some = home.one("AddressBook/get", json!({"ids": [&work, "nobody"], "properties": ["name", "description"]})).await;
    assert_eq!(some["list"], json!([{"id": work, "name": "Office", "description": "colleagues"}]));
    assert_eq!(some["notFound"], json!(["nobody"]));
    assert_eq!(home.error("AddressBook/get", json!({"properties": ["colour"]})).await, "invalidArguments");

    let whole = home.one("AddressBook/get", json!({"ids": [&work]})).await["list"][0].clone();
    let again = home.one("AddressBook/set", json!({"update": {&work: whole}})).await;
    assert_eq!((&again["updated"], &again["oldState"]), (&json!({&work: null}), &again["newState"]));

    // With an error, the default stays; one that is not there is passed over.
    let id = first["id"].as_str().expect("an id");
    let arguments = json!({"onSuccessSetIsDefault": id, "create": {"x": {"name": ""}}});
    let done = home.one("AddressBook/set", arguments).await;
    assert_eq!((&done["notCreated"]["x"]["type"], &done["updated"]), (&json!("invalidProperties"), &Value::Null));
    assert_eq!(home.one("AddressBook/set", json!({"onSuccessSetIsDefault": "nobody"})).await["updated"], Value::Null);
    let destroyed = home.one("AddressBook/set", json!({"destroy": [&work, id, "nobody"]})).await;
    assert_eq!(destroyed["destroyed"], json!([id]));
    assert_eq!(destroyed["notDestroyed"][&work]["type"], "forbidden", "the default stays");
    assert_eq!(destroyed["notDestroyed"]["nobody"]["type"], "notFound");
}

#[tokio::test]
async fn an_address_book_with_contents_goes_when_that_was_said() {
    let home = Home::new().await;
    let first = home.book().await;
    let calls = home
        .call(&[
            ("AddressBook/set", json!({"create": {"w": {"name": "Work", "sortOrder": 1}}})),
            (
                "ContactCard/set",
                json!({"create": {
                    "a": {"addressBookIds": {"#w": true}, "name": {"full": "Ann"}},
                    "b": {"addressBookIds": {"#w": true, &first: true}, "name": {"full": "Bob"}}
                }}),
            ),
        ])
        .await;
    let work = calls[0].1["created"]["w"]["id"].as_str().expect("an id").to_string();
    let id = |key: &str| calls[1].1["created"][key]["id"].as_str().unwrap_or_else(|| panic!("{calls:?}")).to_string();
    let (ann, bob) = (id("a"), id("b"));
    let kept = home.one("AddressBook/set", json!({"destroy": [work]})).await;
    assert_eq!(kept["notDestroyed"][&work]["type"], "addressBookHasContents");
    let gone = home.one("AddressBook/set", json!({"destroy": [work], "onDestroyRemoveContents": true})).await;
    assert_eq!(gone["destroyed"], json!([work]));
    let news = home.one("ContactCard/changes", json!({"sinceState": gone["oldState"]})).await;
    assert_eq!((&news["updated"], &news["destroyed"]), (&json!([bob]), &json!([ann])));
    assert_eq!(home.show(&bob).await["addressBookIds"], json!({first: true}));
}

#[tokio::test]
async fn a_card_comes_back_as_it_came() {
    let home = Home::new().await;
    let book = home.book().await;
    let card = json!({
        "@type": "Card", "version": "1.0", "uid": "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "kind": "individual",
        "created": "2022-09-30T14:35:10Z", "updated": "2022-09-30T14:35:10Z", "addressBookIds": {&book: true},
        "name": {"components": [{"kind": "given", "value": "Bob"}], "isOrdered": true},
        "emails": {"e1": {"address": "bob@b.example", "pref": 1}}, "somethingNew": {"a": [1, null, "x"]},
        "other.example:colour": "red"
    });
    let done = home.one("ContactCard/set", json!({"create": {"k": card}})).await;
    let id = done["created"]["k"]["id"].as_str().unwrap_or_else(|| panic!("{done}")).to_string();
    assert_eq!(done["created"]["k"], json!({"id": id}), "nothing was left out");
    let mut expected = card.clone();
    expected["id"] = id.as_str().into();
    assert_eq!(home.show(&id).await, expected);
    let some = home.one("ContactCard/get", json!({"ids": [&id], "properties": ["kind", "phones"]})).await;
    assert_eq!(some["list"], json!([{"id": id, "kind": "individual"}]));

    let done = home.one("ContactCard/set", json!({"create": {"k": {"addressBookIds": {&book: true}}}})).await;
    let filled = done["created"]["k"].as_object().expect("an object");
    let names: Vec<&str> = filled.keys().map(String::as_str).collect();
    assert_eq!(names, ["@type", "created", "id", "uid", "updated", "version"]);
    assert!(filled["uid"].as_str().is_some_and(|uid| uid.starts_with("urn:uuid:")), "{filled:?}");
}

#[tokio::test]
async fn a_card_is_patched() {
    let home = Home::new().await;
    let id = home.card(json!({"updated": "2020-01-01T00:00:00Z", "emails": {"e": {"address": "a@b.example"}}, "uid": "u"})).await;
    let patch = json!({"emails/e/label": "home", "emails/f": {"address": "c@b.example"}, "name": {"full": "Ann"}});
    let done = home.one("ContactCard/set", json!({"update": {&id: patch}})).await;
    let card = home.show(&id).await;
    assert_eq!(done["updated"][&id], json!({"updated": card["updated"]}), "the server says when");
    assert_ne!(card["updated"], "2020-01-01T00:00:00Z");
    assert_eq!(card["emails"], json!({"e": {"address": "a@b.example", "label": "home"}, "f": {"address": "c@b.example"}}));
    // What changes nothing is no change, and the whole object may come back.
    let again = home.one("ContactCard/set", json!({"update": {&id: card}})).await;
    assert_eq!((&again["updated"], &again["oldState"]), (&json!({&id: null}), &again["newState"]));

    for (patch, error, property) in [
        (json!({"uid": null}), "invalidProperties", "uid"),
        (json!({"version": "0.1"}), "invalidProperties", "version"),
        (json!({"@type": "Group"}), "invalidProperties", "@type"),
        (json!({"emails/e/address": null}), "invalidProperties", "emails"),
        (json!({"id": "other"}), "invalidProperties", "id"),
        (json!({"addressBookIds": {}}), "invalidProperties", "addressBookIds"),
        (json!({"addressBookIds/nobody": true}), "invalidProperties", "addressBookIds"),
        (json!({"home.hearth:openpgp": {}}), "invalidProperties", "home.hearth:openpgp"),
        (json!({"phones/p/number": "1"}), "invalidPatch", ""),
    ] {
        let refused = home.refused(&id, patch.clone()).await;
        assert_eq!(refused["type"], error, "{patch}");
        if !property.is_empty() {
            assert_eq!(refused["properties"], json!([property]), "{patch}");
        }
    }
    assert_eq!(home.show(&id).await, card, "nothing of it was done");
    let other = home.card(json!({"uid": "v"})).await;
    assert_eq!(home.refused(&other, json!({"uid": "u"})).await["properties"], json!(["uid"]));
    let both = home.one("ContactCard/set", json!({"update": {&other: {"kind": "org"}}, "destroy": [&other, "nobody"]})).await;
    assert_eq!((&both["notUpdated"][&other]["type"], &both["destroyed"]), (&json!("willDestroy"), &json!([other])));
    assert_eq!(both["notDestroyed"]["nobody"]["type"], "notFound");
}

#[tokio::test]
async fn what_is_no_card_is_not_made() {
    let home = Home::new().await;
    let book = home.book().await;
    for (card, property) in [
        (json!({}), "addressBookIds"),
        (json!({"addressBookIds": {"nobody": true}}), "addressBookIds"),
        (json!({"addressBookIds": {&book: false}}), "addressBookIds"),
        (json!({"addressBookIds": {&book: true}, "id": "x"}), "id"),
        (json!({"addressBookIds": {&book: true}, "@type": "x"}), "@type"),
        (json!({"addressBookIds": {&book: true}, "uid": ""}), "uid"),
        (json!({"addressBookIds": {&book: true}, "created": "yesterday"}), "created"),
        (json!({"addressBookIds": {&book: true}, "extra": 1}), "extra"),
        (json!({"addressBookIds": {&book: true}, "home.hearth:openpgp": {}}), "home.hearth:openpgp"),
    ] {
        let done = home.one("ContactCard/set", json!({"create": {"k": card}})).await;
        let refused = &done["notCreated"]["k"];
        assert_eq!((&refused["type"], &refused["properties"]), (&json!("invalidProperties"), &json!([property])), "{card}");
    }
    let large = "x".repeat(hearth_mailstore::limits::CARD_BYTES_MAX);
    let card = json!({"addressBookIds": {&book: true}, "notes": {"n": {"note": large}}});
    let done = home.one("ContactCard/set", json!({"create": {"k": card}})).await;
    assert_eq!(done["notCreated"]["k"]["type"], "tooLarge");
    assert_eq!(home.one("ContactCard/query", json!({"calculateTotal": true})).await["total"], 0);
}

#[tokio::test]
async fn cards_are_found_and_sorted() {
    let home = Home::new().await;
    let named = |given: &str, surname: &str, more: Value| {
        let mut card = json!({"name": {"components": [{"kind": "given", "value": given}, {"kind": "surname", "value": surname}]}});
        card.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        card
    };
    let ann =
        home.card(named("Ann", "Zed", json!({"created": "2020-01-01T00:00:00Z", "notes": {"n": {"note": "rye bread"}}}))).await;
    let bob = home.card(named("Bob", "Young", json!({"created": "2019-01-01T00:00:00Z", "uid": "bob"}))).await;
    let all = home.card(json!({"kind": "group", "created": "2021-01-01T00:00:00Z", "members": {"bob": true}})).await;
    for (arguments, expected) in [
        (json!({}), vec![&ann, &bob, &all]),
        (json!({"sort": [{"property": "created"}]}), vec![&bob, &ann, &all]),
        (json!({"sort": [{"property": "name/surname", "isAscending": false}]}), vec![&ann, &bob, &all]),
        (json!({"sort": [{"property": "name/surname"}], "filter": {"kind": "individual"}}), vec![&bob, &ann]),
        (json!({"filter": {"text": "BREAD"}}), vec![&ann]),
        (json!({"filter": {"hasMember": "bob"}}), vec![&all]),
        (json!({"filter": {"uid": "bob"}}), vec![&bob]),
        (json!({"filter": {"inAddressBook": home.book().await, "name/given": "bob"}}), vec![&bob]),
        (json!({"filter": {"inAddressBook": "nobody"}}), vec![]),
        (json!({"position": 1, "limit": 1}), vec![&bob]),
        (json!({"anchor": &bob, "anchorOffset": 1}), vec![&all]),
    ] {
        let found = home.one("ContactCard/query", arguments.clone()).await;
        assert_eq!((&found["ids"], &found["canCalculateChanges"]), (&json!(expected), &json!(true)), "{arguments}");
    }
    assert_eq!(home.error("ContactCard/query", json!({"filter": {"colour": "red"}})).await, "unsupportedFilter");
    assert_eq!(home.error("ContactCard/query", json!({"sort": [{"property": "colour"}]})).await, "unsupportedSort");
}

#[tokio::test]
async fn a_client_learns_what_changed_in_its_list() {
    let home = Home::new().await;
    let (one, two) = (home.card(json!({"kind": "org"})).await, home.card(json!({"kind": "org"})).await);
    let query = json!({"filter": {"kind": "org"}});
    let since = home.one("ContactCard/query", query.clone()).await["queryState"].clone();
    let three = home.card(json!({"kind": "org"})).await;
    home.one("ContactCard/set", json!({"update": {&one: {"kind": "group"}}, "destroy": [&two]})).await;
    let mut arguments = query.clone();
    arguments["sinceQueryState"] = since.clone();
    arguments["calculateTotal"] = true.into();
    let changed = home.one("ContactCard/queryChanges", arguments.clone()).await;
    assert_eq!((&changed["removed"], &changed["total"]), (&json!([one, two]), &json!(1)));
    assert_eq!(changed["added"], json!([{"id": three, "index": 0}]));
    arguments["maxChanges"] = 2.into();
    assert_eq!(home.error("ContactCard/queryChanges", arguments).await, "tooManyChanges");
    let old = json!({"sinceQueryState": "99999999"});
    assert_eq!(home.error("ContactCard/queryChanges", old).await, "cannotCalculateChanges");
    assert_eq!(home.error("ContactCard/copy", json!({})).await, "unknownMethod");
}

#[tokio::test]
async fn a_photo_comes_as_a_blob_and_goes_as_one() {
    let home = Home::new().await;
    let upload = home.upload(PIXEL).await;
    let id = home.card(json!({"media": {"p": {"kind": "photo", "blobId": upload, "mediaType": "image/jpeg"}}})).await;
    let photo = home.show(&id).await["media"]["p"].clone();
    assert_eq!((&photo["mediaType"], photo.get("uri")), (&json!("image/png"), None), "by what it is, not by its name");
    let path = format!("/jmap/download/{}/{}/photo?type=image/png", home.account, photo["blobId"].as_str().expect("an id"));
    assert_eq!(home.send("GET", &path, &[], "").await.body, PIXEL);
    // It is the same blob on another card, and under another name.
    let other = home.card(json!({"media": {"q": {"kind": "logo", "blobId": photo["blobId"]}}})).await;
    assert_ne!(home.show(&other).await["media"]["q"]["blobId"], photo["blobId"]);
    home.one("ContactCard/set", json!({"destroy": [&id]})).await;
    assert_eq!(home.send("GET", &path, &[], "").await.status, StatusCode::NOT_FOUND);

    let text = home.upload(b"no picture").await;
    for (media, error) in [
        (json!({"p": {"kind": "photo", "blobId": text}}), "invalidProperties"),
        (json!({"p": {"kind": "photo", "uri": "data:image/png;base64,aGVsbG8="}}), "invalidProperties"),
        (json!({"p": {"kind": "photo", "uri": "data:image/svg+xml,<svg/>"}}), "invalidProperties"),
        (json!({"p": {"kind": "photo", "blobId": "nothing"}}), "blobNotFound"),
    ] {
        assert_eq!(home.refused(&other, json!({"media": media})).await["type"], error, "{media}");
    }
}

#[tokio::test]
async fn the_blobs_of_a_card_are_bounded_on_both_sides() {
    let home = Home::new().await;
    let id = home.card(json!({})).await;
    let upload = home.upload(PIXEL).await;
    let media = |count: u64| -> Value {
        (0..count).map(|n| (format!("m{n}"), json!({"kind": "logo", "blobId": upload}))).collect::<serde_json::Map<_, _>>().into()
    };
    let most = hearth_mailstore::limits::CARD_BYTES_MAX as u64 / crate::limits::BLOB_BYTES_COUNTED_MIN;
    assert_eq!(home.refused(&id, json!({"media": media(most)})).await, Value::Null);
    assert_eq!(home.refused(&id, json!({"media": media(most + 1)})).await["type"], "tooLarge");
    let part = json!({"media": {"p": {"kind": "logo", "blobId": format!("{upload}_1")}}});
    assert_eq!(home.refused(&id, part).await["type"], "blobNotFound");
}

#[tokio::test]
async fn what_is_deep_at_a_deep_place_is_refused_and_the_card_stays() {
    let home = Home::new().await;
    let nested = |levels: usize| (0..levels).fold(json!("end"), |below, _| json!({ "x": below }));
    let id = home.card(json!({"example.com:deep": nested(80)})).await;
    let path = format!("example.com:deep{}", "/x".repeat(10));
    let refused = home.refused(&id, json!({ &path: nested(CARD_DEPTH_MAX - 10) })).await;
    assert_eq!((&refused["type"], &refused["properties"]), (&json!("invalidProperties"), &json!(["example.com:deep"])));
    assert_eq!(home.show(&id).await["example.com:deep"], nested(80));
    assert_eq!(home.refused(&id, json!({ &path: nested(CARD_DEPTH_MAX - 11) })).await, Value::Null);
    assert_eq!(home.show(&id).await["example.com:deep"], nested(CARD_DEPTH_MAX - 1));
}

#[tokio::test]
async fn what_the_house_knows_of_keys_is_shown_to_who_asks() {
    let home = Home::new().await;
    let seen = |fingerprint: &str, source: &str, via: &str, confidence: u8| Seen {
        fingerprint: fingerprint.into(),
        source: source.into(),
        via: via.into(),
        confidence,
        bytes: b"cert".to_vec(),
        first_seen_at: Timestamp::default(),
        last_seen_at: Timestamp::default(),
    };
    let bob = Address::parse("bob@b.example").expect("an address");
    let found = vec![
        seen("AAAA", "keyserver", "keys.example", 40),
        seen("BBBB", "wkd", "openpgpkey.b.example", 80),
        seen("CCCC", "autocrypt", "their mail", 20),
    ];
    home.directory.note_seen_certs(&bob, found).await.expect("noted");
    let emails = json!({"a": {"address": "Bob@b.example"}, "b": {"address": "eve@b.example"}, "c": {"address": "none"}});
    let id = home.card(json!({"emails": emails})).await;
    assert!(home.show(&id).await.get("home.hearth:openpgp").is_none(), "it is not among what everybody gets");
    let got = home.one("ContactCard/get", json!({"ids": [&id], "properties": ["home.hearth:openpgp"]})).await;
    let known = got["list"][0]["home.hearth:openpgp"].as_object().expect("an object").clone();
    assert_eq!(known.keys().collect::<Vec<_>>(), ["Bob@b.example", "eve@b.example"]);
    assert_eq!(known["eve@b.example"], json!([]));
    let best = &known["Bob@b.example"][0];
    let expected = json!({
        "fingerprint": "BBBB", "source": "wkd", "via": "openpgpkey.b.example", "confidence": 80, "isRevoked": null,
        "firstSeen": best["firstSeen"], "lastSeen": best["firstSeen"]
    });
    assert!(best == &expected && best["firstSeen"].is_string(), "{best}");
    assert_eq!(known["Bob@b.example"][1]["confidence"], 40);
    assert_eq!(known["Bob@b.example"].as_array().map(Vec::len), Some(2), "what came in somebody's mail is theirs alone");
}

#[tokio::test]
async fn keys_are_filled_in_when_no_snapshot_is_open() {
    let home = Home::new().await;
    let id = home.card(json!({"emails": {"a": {"address": "bob@b.example"}}})).await;
    let ask = json!({"ids": [&id], "properties": ["home.hearth:openpgp"]});
    // Between other calls, each answers in its place; one that fails stays an error.
    let got = home
        .call(&[
            ("ContactCard/query", json!({})),
            ("ContactCard/get", ask.clone()),
            ("ContactCard/get", json!({"ids": 1, "properties": ["home.hearth:openpgp"]})),
            ("ContactCard/get", json!({"ids": [&id]})),
        ])
        .await;
    let names: Vec<&str> = got.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["ContactCard/query", "ContactCard/get", "error", "ContactCard/get"]);
    let expected = json!({"id": &id, "home.hearth:openpgp": {"bob@b.example": []}});
    assert_eq!((&got[1].1["list"][0], &got[1].1["notFound"]), (&expected, &json!([])));
    assert!(got[3].1["list"][0].get("home.hearth:openpgp").is_none());
}

#[tokio::test]
async fn of_its_own_people_the_house_is_certain() {
    let home = Home::new().await;
    let alice = Address::parse("alice@home.localhost").expect("an address");
    let identity = Identity {
        user_id: "<alice@home.localhost>".into(),
        address: alice.clone(),
        created_at: Timestamp::from_secs(1000),
        expires_at: None,
        revoked: false,
        block: b"block".to_vec(),
    };
    let certificate = Certificate {
        fingerprint: "AC1F40D8B1A9F2B5D1E3C0A4879E63B10D6C5D2F".into(),
        account: Some(home.account.parse().expect("an id")),
        source: Source::Generated,
        secret_stored: false,
        algorithm: 22,
        bits: 256,
        created_at: Timestamp::from_secs(1000),
        expires_at: None,
        revoked: false,
        whole: b"whole".to_vec(),
        head: b"head".to_vec(),
        tail: b"tail".to_vec(),
        keys: Vec::new(),
        identities: vec![identity],
    };
    let fingerprint = certificate.fingerprint.clone();
    home.directory.store_cert(certificate).await.expect("stored");
    let id = home.card(json!({"emails": {"a": {"address": "alice@home.localhost"}}})).await;
    let ask = json!({"ids": [&id], "properties": ["home.hearth:openpgp"]});
    let known =
        async || home.one("ContactCard/get", ask.clone()).await["list"][0]["home.hearth:openpgp"]["alice@home.localhost"].clone();
    assert_eq!(known().await, json!([]), "what its owner did not publish is not told");
    home.directory.publish_cert(&fingerprint, vec![alice]).await.expect("published");
    let expected = json!([{
        "fingerprint": fingerprint, "source": "local", "via": null, "confidence": 120, "isRevoked": false,
        "firstSeen": null, "lastSeen": null
    }]);
    assert_eq!(known().await, expected);
}

#[tokio::test]
async fn keys_are_asked_for_so_many_addresses_and_no_more() {
    let home = Home::new().await;
    let book = home.book().await;
    let full = hearth_mailstore::limits::CARD_ADDRESSES_MAX;
    let card = |addresses: usize| {
        let emails: Value = (0..addresses).map(|n| (format!("e{n}"), json!({"address": format!("{n}@b.example")}))).collect();
        json!({"addressBookIds": {&book: true}, "emails": emails})
    };
    let create: Value = (0..OPENPGP_ADDRESSES_MAX / full).map(|n| (format!("k{n}"), card(full))).collect();
    home.one("ContactCard/set", json!({"create": create})).await;
    let ask = json!({"properties": ["home.hearth:openpgp"]});
    home.one("ContactCard/get", ask.clone()).await;
    home.one("ContactCard/set", json!({"create": {"k": card(1)}})).await;
    assert_eq!(home.error("ContactCard/get", ask).await, "requestTooLarge");
}
