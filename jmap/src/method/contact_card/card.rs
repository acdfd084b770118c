// SPDX-License-Identifier: AGPL-3.0-or-later
//! A Card as a whole (RFC 9553 §2): what is filled in, what it has to have, what the store is told of it. Pure.

use hearth_mailstore::card::Content;
use hearth_types::{Address, Timestamp, Trouble};
use serde_json::{Map, Value};

use super::openpgp;
use super::rules::check_property;
use crate::error::{MethodError, SetError};
use crate::limits::CARD_DEPTH_MAX;
use crate::method::email::object::utc_date;

/// The versions of JSContact that IANA has registered (RFC 9553 §1.9).
const VERSIONS: &[&str] = &["1.0", "2.0"];

/// A JSON object.
pub type Object = Map<String, Value>;

/// Fills in what a client left out of a new card, and says what that was: RFC 9553 §2.1 wants `@type`, `version` and
/// `uid`, and `created` and `updated` are there to sort by.
pub fn fill(card: &mut Object, now: Timestamp, uid: &str) -> Object {
    let now = utc_date(now);
    let usual = [("@type", "Card"), ("version", "1.0"), ("uid", uid), ("created", &now), ("updated", &now)];
    let mut filled = Object::new();
    for (name, value) in usual {
        if !card.contains_key(name) {
            card.insert(name.to_string(), value.into());
            filled.insert(name.to_string(), value.into());
        }
    }
    filled
}

/// Is it a Card? All that is wrong with it is named.
pub fn check(card: &Object) -> Result<(), SetError> {
    let mut wrong: Vec<(String, String)> = Vec::new();
    let mut blame = |name: &str, why: &str| wrong.push((name.to_string(), why.to_string()));
    for (name, value) in card {
        if name == openpgp::PROPERTY {
            blame(name, "the server sets it");
        } else if depth(value) >= CARD_DEPTH_MAX {
            blame(name, "it is nested too deeply");
        } else if let Err(why) = check_property(name, value) {
            blame(name, &why);
        }
    }
    for name in ["@type", "version", "uid"] {
        match card.get(name).map(Value::as_str) {
            None => blame(name, "it is missing"),
            Some(Some(kind)) if name == "@type" && kind != "Card" => blame(name, "it is not Card"),
            Some(Some(version)) if name == "version" && !VERSIONS.contains(&version) => blame(name, "it is not known here"),
            Some(_) => {}
        }
    }
    // RFC 9553 §2.1.6.
    if card.contains_key("members") && card.get("kind").is_none_or(|kind| kind != "group") {
        blame("members", "only a group has members");
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let says: Vec<String> = wrong.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    let mut names: Vec<String> = wrong.into_iter().map(|(name, _)| name).collect();
    names.dedup();
    Err(SetError::InvalidProperties(names, says.join("; ")))
}

/// What is kept of a card that was checked.
pub fn to_store(card: Object) -> Content {
    let uid = card.get("uid").and_then(Value::as_str).unwrap_or_default().to_string();
    let mut addresses: Vec<String> = addresses(&card).filter_map(|text| Some(Address::parse(text).ok()?.key())).collect();
    addresses.sort();
    addresses.dedup();
    Content { uid, addresses, json: Value::Object(card).to_string() }
}

/// What was kept, again. Anything else was never written: it is our failure, and no empty card.
pub fn from_store(json: &str) -> Result<Object, MethodError> {
    serde_json::from_str(json).map_err(|error| MethodError::ours(&Trouble::new(format!("a card that was kept: {error}"))))
}

/// Levels of arrays and objects. A request's are bounded, and so is what it was put into.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The e-mail addresses on a card (RFC 9553 §2.3.1), as they are written there.
pub fn addresses(card: &Object) -> impl Iterator<Item = &str> {
    let emails = card.get("emails").and_then(Value::as_object).into_iter().flat_map(Map::values);
    emails.filter_map(|email| email.get("address")?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Object {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        let mut card = object(json!({"name": {"full": "Bob"}, "version": "2.0"}));
        let filled = fill(&mut card, Timestamp::from_secs(0), "urn:uuid:1");
        let date = "1970-01-01T00:00:00Z";
        assert_eq!(Value::Object(filled), json!({"@type": "Card", "uid": "urn:uuid:1", "created": date, "updated": date}));
        assert_eq!(check(&card), Ok(()));
    }

    #[test]
    fn all_that_is_wrong_is_named() {
        let whole = json!({"@type": "Card", "version": "1.0", "uid": "x"});
        let with = |name: &str, value: Value| {
            let mut card = object(whole.clone());
            card.insert(name.to_string(), value);
            card
        };
        assert_eq!(check(&object(whole.clone())), Ok(()));
        for (name, wrong) in [
            ("@type", json!("Contact")),
            ("version", json!("0.9")),
            ("uid", json!(7)),
            ("emails", json!({"e": {}})),
            ("members", json!({"y": true})),
            (openpgp::PROPERTY, json!({})),
        ] {
            match check(&with(name, wrong)) {
                Err(SetError::InvalidProperties(names, why)) => assert_eq!(names, [name], "{why}"),
                other => panic!("{name}: {other:?}"),
            }
        }
        match check(&object(json!({"@type": "Card", "Kind": "org", "phones": 1}))) {
            Err(SetError::InvalidProperties(mut names, _)) => {
                names.sort();
                assert_eq!(names, ["Kind", "phones", "uid", "version"]);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_card_is_so_deep_that_it_can_be_read_again() {
        let nested = |levels: usize| {
            (0..levels).fold(json!(1), |below, level| if level % 2 == 0 { json!([below]) } else { json!({"x": below}) })
        };
        let with = |levels: usize| object(json!({"@type": "Card", "version": "1.0", "uid": "x", "example.com:x": nested(levels)}));
        let most = with(CARD_DEPTH_MAX - 1);
        assert_eq!(check(&most), Ok(()));
        assert_eq!(from_store(&to_store(most.clone()).json), Ok(most));
        match check(&with(CARD_DEPTH_MAX)) {
            Err(SetError::InvalidProperties(names, why)) => assert_eq!(names, ["example.com:x"], "{why}"),
            other => panic!("{other:?}"),
        }
        // What cannot be read is never shown as a card without anything in it.
        assert_eq!(from_store(&to_store(with(200)).json).expect_err("too deep").name(), "serverFail");
    }

    #[test]
    fn addresses_are_found_as_they_are_compared() {
        let card = object(json!({"uid": "x", "emails": {
            "a": {"address": "Bob@B.example"}, "b": {"address": "bob@b.example"}, "c": {"address": "not one"}
        }}));
        let content = to_store(card.clone());
        assert_eq!((content.uid.as_str(), content.addresses.as_slice()), ("x", ["bob@b.example".to_string()].as_slice()));
        assert_eq!(from_store(&content.json), Ok(card));
    }
}
