// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which resources of a list are meant, and which of their attributes (RFC 7644 §3.4.2, §3.9). Pure.

use std::cmp::Ordering;

use hearth_wire::scim::{Attribute, Filter, Operator, Value as Wanted, parse_attributes, parse_filter};
use serde_json::{Value, json};

use super::refusal::Kind;
use super::{COUNT_MAX, Resource};
use crate::request::params::Params;

/// What a request asks to see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    filter: Option<Filter>,
    start: usize,
    count: usize,
    only: Vec<Attribute>,
    without: Vec<Attribute>,
}

impl Query {
    /// Reads the parameters; says which kind of mistake there is.
    pub fn read(params: &Params) -> Result<Self, (Kind, String)> {
        let number = |name: &str, default: i64| match params.find(name).map(str::parse::<i64>) {
            None => Ok(default),
            Some(Ok(number)) => Ok(number),
            Some(Err(_)) => Err((Kind::InvalidValue, format!("{name} is not a number"))),
        };
        let attributes = |name: &str| parse_attributes(params.field(name)).map_err(|error| (Kind::InvalidValue, error.to_string()));
        let filter = params.find("filter").map(parse_filter).transpose();
        Ok(Self {
            filter: filter.map_err(|error| (Kind::InvalidFilter, error.to_string()))?,
            // §3.4.2.4: less than 1 is 1, less than 0 is 0.
            start: usize::try_from(number("startIndex", 1)?).unwrap_or(1).max(1),
            count: usize::try_from(number("count", COUNT_MAX as i64)?).unwrap_or(0).min(COUNT_MAX),
            only: attributes("attributes")?,
            without: attributes("excludedAttributes")?,
        })
    }

    /// SearchRequest of §3.4.3: the same in a body.
    pub fn of_search(body: &Resource) -> Result<Self, (Kind, String)> {
        let mut params = Params::default();
        for name in ["filter", "startIndex", "count", "attributes", "excludedAttributes"] {
            let text = match super::find(body, name) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
                _ => continue,
            };
            params = params.with(name, &text);
        }
        Self::read(&params)
    }

    /// Does the query ask for some of a list?
    pub fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// ListResponse of §3.4.2.
    pub fn page(&self, all: Vec<Resource>) -> Value {
        let found: Vec<Resource> =
            all.into_iter().filter(|one| self.filter.as_ref().is_none_or(|filter| matches(filter, one))).collect();
        let total = found.len();
        let shown: Vec<Value> = found.into_iter().skip(self.start - 1).take(self.count).map(|one| self.shape(one)).collect();
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": total,
            "startIndex": self.start,
            "itemsPerPage": shown.len(),
            "Resources": shown,
        })
    }

    /// A resource with the attributes that were asked for; `id` and `schemas` always (RFC 7643 §7, "returned").
    pub fn shape(&self, mut resource: Resource) -> Value {
        let named = |all: &[Attribute], name: &str| all.iter().any(|one| one.name.eq_ignore_ascii_case(name));
        let is_always = |name: &str| name == "id" || name == "schemas";
        if !self.only.is_empty() {
            resource.retain(|name, _| is_always(name) || named(&self.only, name));
        }
        // One part of an attribute is left out with the whole attribute when it is asked for alone.
        let whole: Vec<Attribute> = self.without.iter().filter(|one| one.sub.is_none()).cloned().collect();
        resource.retain(|name, _| is_always(name) || !named(&whole, name));
        Value::Object(resource)
    }
}

/// Does a filter fit a resource, or one value of a list of values?
pub fn matches(filter: &Filter, resource: &Resource) -> bool {
    match filter {
        Filter::And(all) => all.iter().all(|one| matches(one, resource)),
        Filter::Or(all) => all.iter().any(|one| matches(one, resource)),
        Filter::Not(one) => !matches(one, resource),
        Filter::Present(attribute) => values(resource, attribute).iter().any(|value| is_there(value)),
        Filter::Within(name, one) => match super::find(resource, name) {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_object).any(|value| matches(one, value)),
            Some(Value::Object(value)) => matches(one, value),
            _ => false,
        },
        Filter::Compare(attribute, operator, wanted) => {
            let values = values(resource, attribute);
            match (operator, wanted) {
                (Operator::Equal, Wanted::Null) => !values.iter().any(|value| is_there(value)),
                (Operator::NotEqual, Wanted::Null) => values.iter().any(|value| is_there(value)),
                (Operator::NotEqual, _) => !values.iter().any(|value| compares(value, Operator::Equal, wanted)),
                _ => values.iter().any(|value| compares(value, *operator, wanted)),
            }
        }
    }
}

fn is_there(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        _ => true,
    }
}

/// The values of an attribute; of several with parts, their `value` when no part is named (RFC 7644 §3.4.2.2).
fn values<'r>(resource: &'r Resource, attribute: &Attribute) -> Vec<&'r Value> {
    let sub = attribute.sub.as_deref();
    let part = |value: &'r Value, name: &str| value.as_object().and_then(|object| super::find(object, name));
    match super::find(resource, &attribute.name) {
        Some(Value::Array(all)) => all
            .iter()
            .filter_map(|value| part(value, sub.unwrap_or("value")).or(Some(value).filter(|value| !value.is_object())))
            .collect(),
        Some(value) => sub.map_or(Some(value), |sub| part(value, sub)).into_iter().collect(),
        None => Vec::new(),
    }
}

fn compares(value: &Value, operator: Operator, wanted: &Wanted) -> bool {
    match (value, wanted) {
        (Value::String(value), Wanted::Text(wanted)) => {
            // No string of ours tells case apart (RFC 7643 §2.2, caseExact).
            let (value, wanted) = (value.to_lowercase(), wanted.to_lowercase());
            match operator {
                Operator::Contains => value.contains(&wanted),
                Operator::StartsWith => value.starts_with(&wanted),
                Operator::EndsWith => value.ends_with(&wanted),
                _ => orders(operator, Some(value.cmp(&wanted))),
            }
        }
        (Value::Number(value), Wanted::Number(wanted)) => {
            orders(operator, value.as_f64().and_then(|value| value.partial_cmp(wanted)))
        }
        (Value::Bool(value), Wanted::Bool(wanted)) => operator == Operator::Equal && value == wanted,
        _ => false,
    }
}

fn orders(operator: Operator, ordering: Option<Ordering>) -> bool {
    ordering.is_some_and(|ordering| match operator {
        Operator::Equal => ordering.is_eq(),
        Operator::Greater => ordering.is_gt(),
        Operator::GreaterOrEqual => ordering.is_ge(),
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::NotEqual | Operator::Contains | Operator::StartsWith | Operator::EndsWith => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Resource {
        let value = json!({"id": "1", "schemas": [], "userName": "Alice", "active": true, "displayName": "",
            "emails": [{"value": "a@x.example", "primary": true}, {"value": "b@y.example"}],
            "meta": {"created": "2026-01-02T00:00:00Z"}});
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn what_fits() {
        for (filter, expected) in [
            ("userName eq \"alice\"", true),
            ("USERNAME sw \"AL\" and active eq true", true),
            ("userName ew \"x\" or emails co \"y.example\"", true),
            ("emails[value eq \"b@y.example\" and primary eq true]", false),
            ("emails[value sw \"a\" and primary eq true]", true),
            ("emails.value eq \"b@y.example\"", true),
            ("displayName pr", false),
            ("displayName eq null or nothing eq null", true),
            ("not (active eq false)", true),
            ("userName ne \"bob\"", true),
            ("emails ne \"a@x.example\"", false),
            ("meta.created gt \"2026-01-01\"", true),
            ("meta.created le \"2026-01-01\"", false),
            ("active gt true", false),
            ("userName eq 1", false),
            ("emails[x pr]", false),
        ] {
            assert_eq!(matches(&parse_filter(filter).unwrap(), &alice()), expected, "{filter}");
        }
    }

    #[test]
    fn pages_and_parts() {
        let query = |text: &str| Query::read(&Params::parse(text.as_bytes()));
        let many: Vec<Resource> = (0..COUNT_MAX + 5).map(|_| alice()).collect();
        for (text, start, count) in [
            ("", 1, COUNT_MAX),
            ("startIndex=201&count=10", 201, 5),
            ("startIndex=-1&count=-1", 1, 0),
            ("count=100000", 1, COUNT_MAX),
            ("startIndex=9223372036854775807", usize::MAX / 2, 0),
        ] {
            let page = query(text).unwrap().page(many.clone());
            assert_eq!((&page["totalResults"], &page["startIndex"]), (&json!(many.len()), &json!(start)), "{text}");
            assert_eq!(page["Resources"].as_array().unwrap().len(), count, "{text}");
        }
        assert_eq!(query("attributes=USERNAME").unwrap().shape(alice()), json!({"id": "1", "schemas": [], "userName": "Alice"}));
        let rest = query("excludedAttributes=emails,id,meta,displayName").unwrap().shape(alice());
        assert_eq!(rest, json!({"id": "1", "schemas": [], "userName": "Alice", "active": true}));
        let body = json!({"filter": "active eq true", "count": 5, "attributes": ["userName"]});
        let same = query("filter=active+eq+true&count=5&attributes=userName");
        assert_eq!(Query::of_search(body.as_object().unwrap()), same);
        assert_eq!(query("filter=a").unwrap_err().0, Kind::InvalidFilter);
        assert_eq!(query("count=x").unwrap_err().0, Kind::InvalidValue);
    }
}
