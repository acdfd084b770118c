// SPDX-License-Identifier: AGPL-3.0-or-later
//! What all `/get` have in common (RFC 8620 §5.1). Pure.

use std::collections::HashSet;

use hearth_types::AccountId;
use serde_json::{Map, Value};

use super::args::{Args, Id};
use crate::error::MethodError;
use crate::limits::OBJECTS_IN_GET_MAX;
use crate::request::Arguments;

/// The standard arguments of a `/get`.
#[derive(Debug, PartialEq, Eq)]
pub struct GetArgs {
    /// Which; `None` asks for all. Each once.
    pub ids: Option<Vec<Id>>,
    /// Which properties; `None` asks for the usual ones.
    pub properties: Option<Vec<String>>,
}

impl GetArgs {
    /// Takes them; other arguments stay.
    pub fn take(args: &mut Args, own: AccountId) -> Result<Self, MethodError> {
        args.check_account(own)?;
        let ids = args.take::<Vec<Id>>("ids")?;
        if ids.as_ref().is_some_and(|ids| ids.len() > OBJECTS_IN_GET_MAX) {
            return Err(MethodError::RequestTooLarge);
        }
        let mut seen = HashSet::new();
        // RFC 8620 §5.1: an id that is named twice is answered once.
        let ids = ids.map(|ids| ids.into_iter().filter(|id| seen.insert(id.clone())).collect());
        Ok(Self { ids, properties: args.take("properties")? })
    }

    /// Reads ids of ours; those that cannot be any go into `not_found`.
    pub fn parse_ids<T: std::str::FromStr>(ids: Vec<Id>, not_found: &mut Vec<String>) -> Vec<T> {
        ids.into_iter()
            .filter_map(|id| match id.0.parse() {
                Ok(ours) => Some(ours),
                Err(_) => {
                    not_found.push(id.0);
                    None
                }
            })
            .collect()
    }
}

/// The properties to answer with: those asked for, or all of `known`; `id` is always among them.
pub fn check_properties(asked: Option<&[String]>, known: &[&'static str]) -> Result<HashSet<&'static str>, MethodError> {
    let Some(asked) = asked else {
        return Ok(known.iter().copied().collect());
    };
    let mut properties = HashSet::from(["id"]);
    for name in asked {
        let known = known.iter().find(|known| *known == name);
        properties.insert(known.ok_or_else(|| MethodError::InvalidArguments(format!("{name} is not a property of this type")))?);
    }
    Ok(properties)
}

/// The response of a `/get`.
pub fn to_wire(own: AccountId, state: u64, list: Vec<Value>, not_found: Vec<String>) -> Arguments {
    Map::from_iter([
        ("accountId".to_string(), own.to_string().into()),
        ("state".to_string(), state.to_string().into()),
        ("list".to_string(), list.into()),
        ("notFound".to_string(), not_found.into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::Timestamp;
    use serde_json::json;

    fn take(value: Value) -> Result<GetArgs, MethodError> {
        let own = AccountId::new(Timestamp::from_secs(1));
        let mut arguments = value.as_object().expect("an object").clone();
        arguments.insert("accountId".into(), own.to_string().into());
        GetArgs::take(&mut Args::new(arguments), own)
    }

    #[test]
    fn an_id_twice_is_one() {
        let args = take(json!({"ids": ["a", "b", "a"]})).expect("arguments");
        assert_eq!(args.ids, Some(vec![Id("a".into()), Id("b".into())]));
        assert_eq!(take(json!({"ids": null})).expect("arguments").ids, None);
    }

    #[test]
    fn ids_are_bounded_on_both_sides() {
        let ids = |n: usize| json!({"ids": (0..n).map(|i| format!("x{i}")).collect::<Vec<_>>()});
        assert!(take(ids(OBJECTS_IN_GET_MAX)).is_ok());
        assert_eq!(take(ids(OBJECTS_IN_GET_MAX + 1)), Err(MethodError::RequestTooLarge));
    }

    #[test]
    fn only_known_properties() {
        assert_eq!(check_properties(None, &["id", "name"]), Ok(HashSet::from(["id", "name"])));
        assert_eq!(check_properties(Some(&["name".into()]), &["id", "name"]), Ok(HashSet::from(["id", "name"])));
        assert_eq!(check_properties(Some(&[]), &["id", "name"]), Ok(HashSet::from(["id"])));
        assert!(check_properties(Some(&["x".into()]), &["id", "name"]).is_err());
    }
}
