// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which cards a query admits, and in which order (RFC 9610 §3.3.1, §3.3.2). Pure.

use std::cell::RefCell;
use std::cmp::Ordering;

use hearth_mailstore::limits::SEARCH_WORDS_MAX;
use hearth_types::Timestamp;
use serde_json::{Map, Value};

use super::card::Object;
use crate::error::MethodError;
use crate::limits::CARD_FILTER_WORDS_MAX;
use crate::method::args::{Args, Id};
use crate::method::email::condition::UtcDate;
use crate::method::email::object::parse_utc_date;
use crate::method::filter::{Tree, parse_filter};
use crate::method::query::Comparator;

/// One member of a FilterCondition.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// In this address book; an id.
    InBook(String),
    /// This property is exactly that.
    Is(&'static str, String),
    /// One of a group's members.
    HasMember(String),
    /// A date is before that ...
    Before(&'static str, Timestamp),
    /// ... or then and later.
    From(&'static str, Timestamp),
    /// A text is in the card, or in a part of it.
    Text(Part, Vec<String>),
}

/// Where a text is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everywhere.
    Any,
    /// In the name as a whole.
    Name,
    /// In its components of one kind.
    Component(&'static str),
    /// In these members of the objects of a property.
    Members(&'static str, &'static [&'static str]),
    /// In the postal addresses.
    Address,
}

/// The members of a FilterCondition that look for a text.
const TEXTS: &[(&str, Part)] = &[
    ("text", Part::Any),
    ("name", Part::Name),
    ("name/given", Part::Component("given")),
    ("name/surname", Part::Component("surname")),
    ("name/surname2", Part::Component("surname2")),
    ("nickname", Part::Members("nicknames", &["name"])),
    ("organization", Part::Members("organizations", &["name"])),
    ("email", Part::Members("emails", &["address", "label"])),
    ("phone", Part::Members("phones", &["number", "label"])),
    ("onlineService", Part::Members("onlineServices", &["service", "uri", "user", "label"])),
    ("address", Part::Address),
    ("note", Part::Members("notes", &["note"])),
];

/// Top-level texts that say nothing of the person.
const MACHINES: &[&str] = &["@type", "version", "uid", "prodId", "created", "updated", "members", "relatedTo"];

/// A filter; all conditions of a node have to hold.
pub type Filter = Tree<Vec<Condition>>;

/// Reads a filter.
pub fn parse_card_filter(filter: Value) -> Result<Filter, MethodError> {
    let filter = parse_filter(filter, &parse_conditions)?;
    if count_words(&filter) > CARD_FILTER_WORDS_MAX {
        return Err(MethodError::UnsupportedFilter("it looks for too many words".to_string()));
    }
    Ok(filter)
}

/// Each word is looked for in every card.
fn count_words(filter: &Filter) -> usize {
    match filter {
        Tree::Condition(conditions) => conditions
            .iter()
            .map(|condition| match condition {
                Condition::Text(_, words) => words.len(),
                _ => 0,
            })
            .sum(),
        Tree::And(below) | Tree::Or(below) | Tree::Not(below) => below.iter().map(count_words).sum(),
    }
}

fn parse_conditions(mut args: Args) -> Result<Vec<Condition>, MethodError> {
    let mut all = Vec::new();
    all.extend(args.take::<Id>("inAddressBook")?.map(|id| Condition::InBook(id.0)));
    all.extend(args.take("uid")?.map(|text| Condition::Is("uid", text)));
    all.extend(args.take("kind")?.map(|text| Condition::Is("kind", text)));
    all.extend(args.take("hasMember")?.map(Condition::HasMember));
    all.extend(args.take::<UtcDate>("createdBefore")?.map(|at| Condition::Before("created", at.0)));
    all.extend(args.take::<UtcDate>("createdAfter")?.map(|at| Condition::From("created", at.0)));
    all.extend(args.take::<UtcDate>("updatedBefore")?.map(|at| Condition::Before("updated", at.0)));
    all.extend(args.take::<UtcDate>("updatedAfter")?.map(|at| Condition::From("updated", at.0)));
    for (name, part) in TEXTS {
        all.extend(args.take::<String>(name)?.map(|text| Condition::Text(*part, words(&text))));
    }
    args.finish().map_err(|_| MethodError::UnsupportedFilter("a condition that is not known here".to_string()))?;
    Ok(all)
}

/// Does the filter admit the card? `is_in` knows the address books.
pub fn admits(filter: &Filter, card: &Object, is_in: &impl Fn(&str) -> bool) -> bool {
    let date = |name: &str| card.get(name).and_then(Value::as_str).and_then(parse_utc_date);
    // What is looked at in more than one condition is put into lower case once.
    let lowered = RefCell::new(Vec::<(Part, Vec<String>)>::new());
    let has = |part: Part, words: &[String]| {
        let mut lowered = lowered.borrow_mut();
        if !lowered.iter().any(|(known, _)| *known == part) {
            lowered.push((part, texts(card, part).into_iter().map(str::to_lowercase).collect()));
        }
        let texts = lowered.iter().find(|(known, _)| *known == part).map_or(&[][..], |(_, texts)| texts.as_slice());
        words.iter().all(|word| texts.iter().any(|text| text.contains(word)))
    };
    let holds = |condition: &Condition| match condition {
        Condition::InBook(id) => is_in(id),
        // RFC 9553 §2.1.4: who is nothing else is an individual.
        Condition::Is("kind", kind) => card.get("kind").and_then(Value::as_str).unwrap_or("individual") == kind,
        Condition::Is(name, text) => card.get(*name).is_some_and(|value| value == text.as_str()),
        Condition::HasMember(uid) => {
            card.get("members").and_then(Value::as_object).is_some_and(|members| members.contains_key(uid))
        }
        Condition::Before(name, at) => date(name).is_some_and(|date| date < *at),
        Condition::From(name, at) => date(name).is_some_and(|date| date >= *at),
        Condition::Text(part, words) => has(*part, words),
    };
    filter.admits(&|conditions: &Vec<Condition>| conditions.iter().all(holds))
}

/// RFC 9610 §3.3.1: words, and phrases in quotes, in lower case; all have to be there.
fn words(text: &str) -> Vec<String> {
    let (mut all, mut word, mut quote, mut chars) = (Vec::new(), String::new(), None, text.chars());
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => word.extend(chars.next()),
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') if word.is_empty() && chars.as_str().contains(c) => quote = Some(c),
            (None, c) if c.is_whitespace() => all.push(std::mem::take(&mut word)),
            (_, c) => word.push(c),
        }
    }
    all.push(word);
    all.iter().filter(|word| !word.is_empty()).take(SEARCH_WORDS_MAX).map(|word| word.to_lowercase()).collect()
}

fn texts(card: &Object, part: Part) -> Vec<&str> {
    let objects = |name: &str| card.get(name).and_then(Value::as_object).into_iter().flat_map(Map::values).collect::<Vec<_>>();
    match part {
        Part::Any => {
            let mut all = Vec::new();
            card.iter().filter(|(name, _)| !MACHINES.contains(&name.as_str())).for_each(|(_, value)| gather(value, &mut all));
            all
        }
        Part::Name => card.get("name").map(|name| whole(name)).unwrap_or_default(),
        Part::Component(kind) => components(card, kind).collect(),
        Part::Members(name, members) => {
            objects(name).into_iter().flat_map(|object| members.iter().filter_map(|member| object.get(member)?.as_str())).collect()
        }
        Part::Address => objects("addresses").into_iter().flat_map(whole).collect(),
    }
}

/// `full` and the values of the components, of a name or a postal address.
fn whole(value: &Value) -> Vec<&str> {
    let components = value.get("components").and_then(Value::as_array).into_iter().flatten();
    value
        .get("full")
        .into_iter()
        .chain(components.filter_map(|component| component.get("value")))
        .filter_map(Value::as_str)
        .collect()
}

/// Every text; the depth was bounded when it was parsed.
fn gather<'v>(value: &'v Value, all: &mut Vec<&'v str>) {
    match value {
        Value::String(text) if !text.starts_with("data:") => all.push(text),
        Value::Array(items) => items.iter().for_each(|item| gather(item, all)),
        Value::Object(object) => object.iter().filter(|(name, _)| *name != "@type").for_each(|(_, value)| gather(value, all)),
        _ => {}
    }
}

fn components<'c>(card: &'c Object, kind: &'static str) -> impl Iterator<Item = &'c str> {
    let components = card.get("name").and_then(|name| name.get("components")?.as_array()).into_iter().flatten();
    components.filter(move |component| component.get("kind").is_some_and(|is| is == kind)).filter_map(|c| c.get("value")?.as_str())
}

/// What a card is sorted by: one key for each comparator. What is not there comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A moment.
    Date(Option<Timestamp>),
    /// A text, in lower case.
    Text(Option<String>),
}

/// The properties by which cards can be sorted.
pub const SORT_OPTIONS: &[&str] = &["created", "updated", "name/given", "name/surname", "name/surname2"];

/// Can it be sorted so?
pub fn check_sort(sort: &[Comparator]) -> Result<(), MethodError> {
    match sort.iter().find(|comparator| !SORT_OPTIONS.contains(&comparator.property.as_str())) {
        Some(other) => Err(MethodError::UnsupportedSort(format!("cards are not sorted by {}", other.property))),
        None => Ok(()),
    }
}

/// The keys of a card.
pub fn keys(card: &Object, sort: &[Comparator]) -> Vec<Key> {
    let text = |kind| Key::Text(components(card, kind).next().map(str::to_lowercase));
    let date = |name| Key::Date(card.get(name).and_then(Value::as_str).and_then(parse_utc_date));
    let key = |comparator: &Comparator| match comparator.property.as_str() {
        "name/given" => text("given"),
        "name/surname" => text("surname"),
        "name/surname2" => text("surname2"),
        "updated" => date("updated"),
        _ => date("created"),
    };
    sort.iter().map(key).collect()
}

/// Which of two comes first.
pub fn compare(a: &[Key], b: &[Key], sort: &[Comparator]) -> Ordering {
    let mut orders = a.iter().zip(b).zip(sort).map(|((a, b), comparator)| if comparator.ascending { a.cmp(b) } else { b.cmp(a) });
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn card() -> Object {
        json!({
            "uid": "u1", "created": "2020-01-01T00:00:00Z", "updated": "2021-01-01T00:00:00Z",
            "name": {"full": "Dr. Ana Díaz", "components": [{"kind": "given", "value": "Ana"}, {"kind": "surname", "value": "Díaz"}]},
            "nicknames": {"n": {"name": "Nita"}}, "organizations": {"o": {"name": "Bakery"}},
            "emails": {"e": {"address": "ana@bread.example", "label": "shop"}},
            "phones": {"p": {"number": "tel:+33-1", "label": "mobile"}},
            "onlineServices": {"s": {"service": "Mastodon", "user": "@ana@social.example"}},
            "addresses": {"a": {"full": "1 Rue X", "components": [{"kind": "locality", "value": "Lyon"}]}},
            "notes": {"n": {"note": "likes rye bread"}}, "media": {"m": {"kind": "photo", "uri": "data:image/png;base64,YW5hbmFz"}}
        })
        .as_object()
        .expect("an object")
        .clone()
    }

    fn finds(filter: Value) -> bool {
        let filter = parse_card_filter(filter.clone()).unwrap_or_else(|error| panic!("{filter}: {error:?}"));
        admits(&filter, &card(), &|id| id == "home")
    }

    #[test]
    fn each_condition() {
        for right in [
            json!({}),
            json!({"inAddressBook": "home"}),
            json!({"uid": "u1"}),
            json!({"kind": "individual"}),
            json!({"createdBefore": "2020-01-01T00:00:01Z", "createdAfter": "2020-01-01T00:00:00Z"}),
            json!({"updatedAfter": "2021-01-01T00:00:00Z"}),
            json!({"text": "lyon RYE"}),
            json!({"name": "díaz"}),
            json!({"name": "Dr."}),
            json!({"name/given": "ana", "name/surname": "DÍAZ"}),
            json!({"nickname": "nita"}),
            json!({"organization": "bak"}),
            json!({"email": "bread.example"}),
            json!({"email": "shop"}),
            json!({"phone": "mobile"}),
            json!({"onlineService": "mastodon"}),
            json!({"address": "rue lyon"}),
            json!({"note": "\"rye bread\""}),
            json!({"note": "'likes rye' bread"}),
            json!({"operator": "NOT", "conditions": [{"uid": "u2"}]}),
        ] {
            assert!(finds(right.clone()), "{right}");
        }
        for wrong in [
            json!({"inAddressBook": "work"}),
            json!({"uid": "U1"}),
            json!({"kind": "group"}),
            json!({"hasMember": "u1"}),
            json!({"createdBefore": "2020-01-01T00:00:00Z"}),
            json!({"updatedAfter": "2021-01-01T00:00:01Z"}),
            json!({"text": "lyon oats"}),
            json!({"text": "ananas"}),
            json!({"text": "u1"}),
            json!({"name/given": "díaz"}),
            json!({"name/surname2": "ana"}),
            json!({"note": "\"bread rye\""}),
            json!({"uid": "u1", "kind": "org"}),
        ] {
            assert!(!finds(wrong.clone()), "{wrong}");
        }
        assert_eq!(parse_card_filter(json!({"colour": "red"})).expect_err("unknown").name(), "unsupportedFilter");
        assert_eq!(parse_card_filter(json!({"uid": 1})).expect_err("a number").name(), "invalidArguments");
    }

    #[test]
    fn words_and_phrases() {
        for (text, expected) in [
            ("One  two", vec!["one", "two"]),
            ("\"a b\" c", vec!["a b", "c"]),
            (r#""a \"b\" \\c""#, vec![r#"a "b" \c"#]),
            ("it's o'clock", vec!["it's", "o'clock"]),
            ("\"open", vec!["\"open"]),
            ("", vec![]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
        let many = |count: usize| words(&(0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(" ")).len();
        assert_eq!((many(SEARCH_WORDS_MAX), many(SEARCH_WORDS_MAX + 1)), (SEARCH_WORDS_MAX, SEARCH_WORDS_MAX));
    }

    #[test]
    fn the_words_of_a_filter_are_bounded_on_both_sides() {
        let with = |words: usize| {
            let conditions: Vec<Value> = (0..words).map(|n| json!({"note": n.to_string()})).collect();
            parse_card_filter(json!({"operator": "OR", "conditions": conditions}))
        };
        assert!(with(CARD_FILTER_WORDS_MAX).is_ok());
        assert_eq!(with(CARD_FILTER_WORDS_MAX + 1).expect_err("too many").name(), "unsupportedFilter");
    }

    #[test]
    fn orders() {
        let by = |property: &str, ascending| Comparator { property: property.into(), ascending, keyword: None };
        let mut other = card();
        other["name"] = json!({"components": [{"kind": "given", "value": "bea"}]});
        other.remove("created");
        for (sort, order) in [
            (vec![by("name/given", true)], Ordering::Less),
            (vec![by("name/given", false)], Ordering::Greater),
            (vec![by("created", true)], Ordering::Greater),
            (vec![by("updated", true)], Ordering::Equal),
            (vec![by("updated", true), by("name/given", true)], Ordering::Less),
        ] {
            assert_eq!(compare(&keys(&card(), &sort), &keys(&other, &sort), &sort), order, "{sort:?}");
        }
        assert!(check_sort(&[by("created", true)]).is_ok());
        assert_eq!(check_sort(&[by("colour", true)]).expect_err("unknown").name(), "unsupportedSort");
    }
}
