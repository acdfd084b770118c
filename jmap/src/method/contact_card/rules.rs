// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a property of a Card may be (RFC 9553 §2). Pure.
//!
//! RFC 9553 §1.7: registered properties are checked, unknown ones and those of other vendors are kept as they are. An
//! e-mail address has to be a text only (deviates: what people import holds addresses that are none).

use serde_json::{Map, Value};

use crate::method::email::object::parse_utc_date;
use crate::request::is_id;

/// What a property is.
enum Shape {
    /// A String.
    Text,
    /// A UTCDateTime (RFC 9553 §1.4.5).
    Date,
    /// `String[Boolean]`, each true.
    Set,
    /// One object.
    One(Kind),
    /// `Id[...]`: objects by an id of the card's own.
    Map(Kind),
    /// `String[...]`: objects by any text.
    Named(Kind),
}

/// A type of object: its name, what it has to have (one of each group at least), and which members are texts.
struct Kind {
    name: &'static str,
    needs: &'static [&'static [&'static str]],
    texts: &'static [&'static str],
}

const fn kind(name: &'static str, needs: &'static [&'static [&'static str]], texts: &'static [&'static str]) -> Kind {
    Kind { name, needs, texts }
}

/// Members of a Resource (RFC 9553 §1.4.4).
const RESOURCE: &[&str] = &["uri", "kind", "mediaType", "label"];

/// The properties of a Card that RFC 9553 §2 defines.
const PROPERTIES: &[(&str, Shape)] = &[
    ("@type", Shape::Text),
    ("version", Shape::Text),
    ("created", Shape::Date),
    ("kind", Shape::Text),
    ("language", Shape::Text),
    ("members", Shape::Set),
    ("prodId", Shape::Text),
    ("relatedTo", Shape::Named(kind("Relation", &[], &[]))),
    ("uid", Shape::Text),
    ("updated", Shape::Date),
    ("name", Shape::One(kind("Name", &[&["components", "full"]], &["full", "defaultSeparator"]))),
    ("nicknames", Shape::Map(kind("Nickname", &[&["name"]], &["name"]))),
    ("organizations", Shape::Map(kind("Organization", &[&["name", "units"]], &["name", "sortAs"]))),
    ("speakToAs", Shape::One(kind("SpeakToAs", &[&["grammaticalGender", "pronouns"]], &["grammaticalGender"]))),
    ("titles", Shape::Map(kind("Title", &[&["name"]], &["name", "kind"]))),
    ("emails", Shape::Map(kind("EmailAddress", &[&["address"]], &["address", "label"]))),
    ("onlineServices", Shape::Map(kind("OnlineService", &[&["uri", "user"]], &["service", "uri", "user", "label"]))),
    ("phones", Shape::Map(kind("Phone", &[&["number"]], &["number", "label"]))),
    ("preferredLanguages", Shape::Map(kind("LanguagePref", &[&["language"]], &["language"]))),
    ("calendars", Shape::Map(kind("Calendar", &[&["uri"]], RESOURCE))),
    ("schedulingAddresses", Shape::Map(kind("SchedulingAddress", &[&["uri"]], RESOURCE))),
    ("addresses", Shape::Map(kind("Address", &[], &["full", "countryCode", "coordinates", "timeZone"]))),
    ("cryptoKeys", Shape::Map(kind("CryptoKey", &[&["uri"]], RESOURCE))),
    ("directories", Shape::Map(kind("Directory", &[&["uri"]], RESOURCE))),
    ("links", Shape::Map(kind("Link", &[&["uri"]], RESOURCE))),
    // RFC 9610 §3: a blobId may stand in place of the uri.
    ("media", Shape::Map(kind("Media", &[&["uri", "blobId"], &["kind"]], &["uri", "blobId", "kind", "mediaType", "label"]))),
    ("localizations", Shape::Named(kind("PatchObject", &[], &[]))),
    ("anniversaries", Shape::Map(kind("Anniversary", &[&["date"]], &["kind"]))),
    ("keywords", Shape::Set),
    ("notes", Shape::Map(kind("Note", &[&["note"]], &["note"]))),
    ("personalInfo", Shape::Map(kind("PersonalInfo", &[&["value"]], &["kind", "value", "level", "label"]))),
];

/// Why this is no property of a Card, if it is none.
pub fn check_property(name: &str, value: &Value) -> Result<(), String> {
    match PROPERTIES.iter().find(|(known, _)| *known == name) {
        Some((_, shape)) => check_shape(shape, value),
        None => check_name(name),
    }
}

/// Names that RFC 9553 does not know are kept, if they may be names at all.
fn check_name(name: &str) -> Result<(), String> {
    // RFC 9553 §1.5.2.
    if name == "extra" {
        return Err("the name is reserved".to_string());
    }
    // RFC 9553 §1.7.1.
    if let Some((known, _)) = PROPERTIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Err(format!("it is written {known}"));
    }
    let is_name = match name.split_once(':') {
        // RFC 9553 §1.8.1: a vendor's domain, and a name of theirs.
        Some((vendor, name)) => {
            let is_label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
            let is_char = |c: char| !c.is_control() && !matches!(c, '"' | '/' | '~');
            vendor.split('.').all(is_label) && !name.is_empty() && name.chars().all(is_char)
        }
        // RFC 9553 §1.7.2.
        None => !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'@'),
    };
    if is_name { Ok(()) } else { Err("not a name for a property".to_string()) }
}

fn check_shape(shape: &Shape, value: &Value) -> Result<(), String> {
    let objects = |kind: &Kind, is_key: fn(&str) -> bool| {
        let map = value.as_object().ok_or("it is not an object")?;
        map.iter().try_for_each(|(key, value)| {
            if !is_key(key) {
                return Err(format!("{key:?} is not an id"));
            }
            check_kind(kind, value).map_err(|why| format!("{key}: {why}"))
        })
    };
    match shape {
        Shape::Text => {
            if value.is_string() {
                Ok(())
            } else {
                Err("it is not a string".to_string())
            }
        }
        Shape::Date => check_date(value),
        Shape::Set => {
            if is_set(value) {
                Ok(())
            } else {
                Err("it is not a set: a map to true".to_string())
            }
        }
        Shape::One(kind) => check_kind(kind, value),
        Shape::Map(kind) => objects(kind, is_id),
        Shape::Named(kind) => objects(kind, |_| true),
    }
}

fn check_kind(kind: &Kind, value: &Value) -> Result<(), String> {
    let object = value.as_object().ok_or("it is not an object")?;
    if kind.name == "PatchObject" {
        return Ok(());
    }
    if object.get("@type").is_some_and(|name| name != kind.name) {
        return Err(format!("its @type is not {}", kind.name));
    }
    if object.contains_key("extra") {
        return Err("the name extra is reserved".to_string());
    }
    if let Some(group) = kind.needs.iter().find(|group| !group.iter().any(|name| object.contains_key(*name))) {
        return Err(format!("it has no {}", group.join(" and no ")));
    }
    if let Some(name) = kind.texts.iter().find(|name| object.get(**name).is_some_and(|value| !value.is_string())) {
        return Err(format!("its {name} is not a string"));
    }
    check_common(object)?;
    if kind.name == "Name" { check_components(object) } else { Ok(()) }
}

/// RFC 9553 §1.5: `contexts` and `pref`.
fn check_common(object: &Map<String, Value>) -> Result<(), String> {
    if object.get("contexts").is_some_and(|contexts| !is_set(contexts)) {
        return Err("its contexts are not a set".to_string());
    }
    if object.get("pref").is_some_and(|pref| !pref.as_u64().is_some_and(|pref| (1..=100).contains(&pref))) {
        return Err("its pref is not between 1 and 100".to_string());
    }
    Ok(())
}

/// RFC 9553 §2.2.1.2.
fn check_components(name: &Map<String, Value>) -> Result<(), String> {
    let Some(components) = name.get("components") else { return Ok(()) };
    let components = components.as_array().filter(|components| !components.is_empty()).ok_or("its components are not a list")?;
    let is_text = |component: &Value, name: &str| component.get(name).is_some_and(Value::is_string);
    if components.iter().all(|component| is_text(component, "value") && is_text(component, "kind")) {
        return Ok(());
    }
    Err("a component has no value or no kind".to_string())
}

/// RFC 9553 §1.4.5: in UTC, in capitals, without zeros at the end of a fraction.
fn check_date(value: &Value) -> Result<(), String> {
    let is_date = |text: &&str| {
        let fraction = text.trim_end_matches('Z').split_once('.').map(|(_, fraction)| fraction);
        parse_utc_date(text).is_some() && !text.contains('t') && fraction.is_none_or(|fraction| !fraction.ends_with('0'))
    };
    value.as_str().filter(is_date).map(drop).ok_or_else(|| "it is not a UTCDateTime".to_string())
}

fn is_set(value: &Value) -> bool {
    value.as_object().is_some_and(|set| set.values().all(|member| *member == Value::Bool(true)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn registered_properties_are_checked() {
        for (name, right) in [
            ("created", json!("2022-09-30T14:35:10Z")),
            ("updated", json!("2010-10-10T10:10:10.003Z")),
            ("members", json!({"urn:uuid:03a0e51f-d1aa-4385-8a53-e29025acd8af": true})),
            (
                "name",
                json!({"components": [{"kind": "given", "value": "Vincent"}, {"kind": "surname", "value": "van Gogh"}], "isOrdered": true}),
            ),
            ("name", json!({"@type": "Name", "full": "Mr. John Q. Public, Esq."})),
            ("nicknames", json!({"k391": {"name": "Johnny"}})),
            ("organizations", json!({"o1": {"name": "ABC, Inc.", "units": [{"name": "Marketing"}], "sortAs": "ABC"}})),
            ("relatedTo", json!({"8cacdfb7d1ffdb59@example.com": {"relation": {}}})),
            ("emails", json!({"e": {"address": "a@b.example", "contexts": {"work": true}, "pref": 100, "example.com:x": 1}})),
            ("media", json!({"p": {"kind": "photo", "blobId": "u1"}})),
            ("localizations", json!({"jp": {"name/full": "x", "extra": 1}})),
        ] {
            assert_eq!(check_property(name, &right), Ok(()), "{name}: {right}");
        }
        for (name, wrong) in [
            ("created", json!("2010-10-10T10:10:10.000Z")),
            ("created", json!("2010-10-10T10:10:10+00:00")),
            ("created", json!(1)),
            ("uid", json!(1)),
            ("members", json!({"x": false})),
            ("name", json!({})),
            ("name", json!({"@type": "Nickname", "full": "x"})),
            ("name", json!({"components": []})),
            ("name", json!({"components": [{"kind": "given"}]})),
            ("nicknames", json!([])),
            ("nicknames", json!({"a b": {"name": "x"}})),
            ("nicknames", json!({"k": {"extra": 1, "name": "x"}})),
            ("emails", json!({"e": {}})),
            ("emails", json!({"e": {"address": 1}})),
            ("emails", json!({"e": {"address": "x", "pref": 0}})),
            ("emails", json!({"e": {"address": "x", "pref": 101}})),
            ("emails", json!({"e": {"address": "x", "contexts": ["work"]}})),
            ("media", json!({"p": {"kind": "photo"}})),
        ] {
            assert!(check_property(name, &wrong).is_err(), "{name}: {wrong}");
        }
    }

    #[test]
    fn others_are_kept_if_they_have_a_name() {
        for name in ["example.com:foo", "büro.example:x y", "somethingNew", "@new"] {
            assert_eq!(check_property(name, &json!([1, {"a": null}])), Ok(()), "{name}");
        }
        for name in ["extra", "Emails", "UID", "", "a b", ":x", "example.com:", "example..com:x", "a.b:c/d", "a.b:c~d", "a/b"] {
            assert!(check_property(name, &json!(1)).is_err(), "{name}");
        }
    }
}
