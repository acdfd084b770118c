// SPDX-License-Identifier: AGPL-3.0-or-later
//! What all `/set` have in common (RFC 8620 §5.3). Pure.

use hearth_types::AccountId;
use serde_json::{Map, Value};

use super::args::Args;
use super::changes::parse_state;
use crate::ctx::{CreatedIds, Outcome};
use crate::error::{MethodError, SetError};
use crate::limits::{OBJECTS_IN_SET_MAX, PATCH_PATHS_MAX};
use crate::pointer::parse_pointer;
use crate::request::is_id;

/// The standard arguments of a `/set`.
#[derive(Debug, PartialEq)]
pub struct SetArgs {
    /// The state that has to be the one now.
    pub if_in_state: Option<String>,
    /// New objects by creation id.
    pub create: Objects,
    /// Patches by id, which may be `#` and a creation id.
    pub update: Objects,
    /// Ids, which may be `#` and a creation id.
    pub destroy: Vec<String>,
}

impl SetArgs {
    /// Takes them; other arguments stay.
    pub fn take(args: &mut Args, own: AccountId) -> Result<Self, MethodError> {
        args.check_account(own)?;
        let if_in_state = args.take("ifInState")?;
        let create = take_objects(args, "create", is_id)?;
        let update = take_objects(args, "update", is_reference)?;
        let destroy = args.take::<Vec<String>>("destroy")?.unwrap_or_default();
        if let Some(wrong) = destroy.iter().find(|id| !is_reference(id)) {
            return Err(MethodError::InvalidArguments(format!("destroy holds {wrong:?}, which is not an id")));
        }
        if create.len() + update.len() + destroy.len() > OBJECTS_IN_SET_MAX {
            return Err(MethodError::RequestTooLarge);
        }
        Ok(Self { if_in_state, create, update, destroy })
    }

    /// RFC 8620 §5.3 ifInState.
    pub fn check_state(&self, now: u64) -> Result<(), MethodError> {
        check_in_state(self.if_in_state.as_deref(), now)
    }
}

/// RFC 8620 §5.3: `ifInState`, when it is there, is the state now.
pub fn check_in_state(if_in_state: Option<&str>, now: u64) -> Result<(), MethodError> {
    match if_in_state {
        Some(state) if parse_state(state) != Ok(now) => Err(MethodError::StateMismatch),
        _ => Ok(()),
    }
}

fn is_reference(text: &str) -> bool {
    is_id(text.strip_prefix('#').unwrap_or(text))
}

/// Objects by id.
pub type Objects = Vec<(String, Map<String, Value>)>;

/// An argument that maps ids to objects.
pub fn take_objects(args: &mut Args, name: &str, is_key: impl Fn(&str) -> bool) -> Result<Objects, MethodError> {
    let objects = args.take::<Map<String, Value>>(name)?.unwrap_or_default();
    objects
        .into_iter()
        .map(|(key, value)| match value {
            Value::Object(object) if is_key(&key) => Ok((key, object)),
            _ => Err(MethodError::InvalidArguments(format!("{name} is not a map of ids to objects"))),
        })
        .collect()
}

/// An id that a client wrote: its own, or `#` and a creation id.
pub fn resolve_id<'a>(text: &'a str, created: &'a CreatedIds) -> Option<&'a str> {
    match text.strip_prefix('#') {
        Some(key) => created.get(key).map(String::as_str),
        None => Some(text),
    }
}

/// RFC 8620 §5.3: the keys of a PatchObject as paths. None may be within another, and none may be in an array,
/// which no property of ours that can be patched is.
pub fn parse_patch(patch: Map<String, Value>) -> Result<Vec<(Vec<String>, Value)>, SetError> {
    if patch.len() > PATCH_PATHS_MAX {
        return Err(SetError::TooLarge);
    }
    let mut paths = patch
        .into_iter()
        .map(|(key, value)| match parse_pointer(&format!("/{key}")) {
            Ok(path) => Ok((path, value)),
            Err(error) => Err(SetError::InvalidPatch(format!("{key}: {}", error.why()))),
        })
        .collect::<Result<Vec<_>, _>>()?;
    // In this order what is within a path follows it, and nothing else stands between.
    paths.sort_by(|(one, _), (other, _)| one.cmp(other));
    for ((path, _), (next, _)) in paths.iter().zip(paths.iter().skip(1)) {
        if next.starts_with(path) {
            return Err(SetError::InvalidPatch(format!(
                "{} is patched as a whole and in part",
                path.first().map_or("", String::as_str)
            )));
        }
    }
    Ok(paths)
}

/// What a `/set` did, as it goes.
#[derive(Debug, Default)]
pub struct Done {
    /// Creation id, and the new object as far as the client does not know it; `id` is in it.
    pub created: Vec<(String, Map<String, Value>)>,
    /// Ids, and what changed beyond what was asked for.
    pub updated: Vec<(String, Value)>,
    /// Ids.
    pub destroyed: Vec<String>,
    /// Creation ids.
    pub not_created: Vec<(String, SetError)>,
    /// Ids.
    pub not_updated: Vec<(String, SetError)>,
    /// Ids.
    pub not_destroyed: Vec<(String, SetError)>,
}

impl Done {
    /// The response of the `/set`.
    pub fn to_wire(self, own: AccountId, old_state: u64, new_state: u64) -> Outcome {
        let created: Vec<(String, String)> =
            self.created.iter().filter_map(|(key, object)| Some((key.clone(), object.get("id")?.as_str()?.to_string()))).collect();
        let arguments = Map::from_iter([
            ("accountId".to_string(), own.to_string().into()),
            ("oldState".to_string(), old_state.to_string().into()),
            ("newState".to_string(), new_state.to_string().into()),
            ("created".to_string(), map_or_null(self.created.into_iter().map(|(key, object)| (key, Value::Object(object))))),
            ("updated".to_string(), map_or_null(self.updated)),
            ("destroyed".to_string(), if self.destroyed.is_empty() { Value::Null } else { self.destroyed.into() }),
            ("notCreated".to_string(), errors(self.not_created)),
            ("notUpdated".to_string(), errors(self.not_updated)),
            ("notDestroyed".to_string(), errors(self.not_destroyed)),
        ]);
        Outcome { arguments, created }
    }
}

/// A map, or null when it is empty (RFC 8620 §5.3).
pub fn map_or_null(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    let map: Map<String, Value> = entries.into_iter().collect();
    if map.is_empty() { Value::Null } else { map.into() }
}

/// SetErrors by id.
pub fn errors(errors: Vec<(String, SetError)>) -> Value {
    map_or_null(errors.into_iter().map(|(key, error)| (key, error.to_wire())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::Timestamp;
    use serde_json::json;

    fn take(value: Value) -> Result<SetArgs, MethodError> {
        let own = AccountId::new(Timestamp::from_secs(1));
        let mut arguments = value.as_object().expect("an object").clone();
        arguments.insert("accountId".into(), own.to_string().into());
        SetArgs::take(&mut Args::new(arguments), own)
    }

    #[test]
    fn objects_are_bounded_on_both_sides() {
        let ids = |n: usize| json!({"create": {"a": {}}, "update": {"b": {}}, "destroy": vec!["c"; n]});
        assert!(take(ids(OBJECTS_IN_SET_MAX - 2)).is_ok());
        assert_eq!(take(ids(OBJECTS_IN_SET_MAX - 1)), Err(MethodError::RequestTooLarge));
    }

    #[test]
    fn arguments_have_their_shape() {
        for wrong in [
            json!({"create": []}),
            json!({"create": {"a": 1}}),
            json!({"create": {"#a": {}}}),
            json!({"update": {"a b": {}}}),
            json!({"destroy": ["a b"]}),
            json!({"destroy": "a"}),
        ] {
            assert!(matches!(take(wrong.clone()), Err(MethodError::InvalidArguments(_))), "{wrong}");
        }
        assert!(take(json!({"update": {"#a": {}}, "destroy": ["#a"], "create": null})).is_ok());
    }

    #[test]
    fn a_state_has_to_match() {
        assert_eq!(check_in_state(None, 3), Ok(()));
        assert_eq!(check_in_state(Some("3"), 3), Ok(()));
        for other in ["2", "4", "x"] {
            assert_eq!(check_in_state(Some(other), 3), Err(MethodError::StateMismatch));
        }
    }

    #[test]
    fn patches_are_paths() {
        let parse = |value: Value| parse_patch(value.as_object().expect("an object").clone());
        let mut paths = parse(json!({"keywords/$seen": true, "mailboxIds/a~1b": null})).expect("a patch");
        paths.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(paths[0], (vec!["keywords".to_string(), "$seen".to_string()], json!(true)));
        assert_eq!(paths[1], (vec!["mailboxIds".to_string(), "a/b".to_string()], Value::Null));
        for wrong in [json!({"keywords": {}, "keywords/$seen": true}), json!({"a/b": 1, "a/b/c": 2}), json!({"a~": 1})] {
            assert_eq!(parse(wrong).expect_err("wrong").name(), "invalidPatch");
        }
    }

    #[test]
    fn what_is_within_another_path_is_found_wherever_it_stands() {
        let parse = |value: Value| parse_patch(value.as_object().expect("an object").clone()).map(drop);
        // `-` and `0` stand on both sides of the slash.
        for beside in ["a-b", "a0", "a/b-c/d", "a/b0", "a/c", "A"] {
            assert_eq!(parse(json!({"a/b": 1, beside: 2})), Ok(()), "{beside}");
            let wrong = parse(json!({"a/b": 1, beside: 2, "a/b/c/d": 3})).expect_err("wrong");
            assert_eq!(wrong.name(), "invalidPatch", "{beside}");
        }
    }

    #[test]
    fn paths_are_bounded_on_both_sides() {
        let patch = |n: usize| (0..n).map(|n| (format!("keywords/k{n}"), Value::Bool(true))).collect::<Map<_, _>>();
        assert_eq!(parse_patch(patch(PATCH_PATHS_MAX)).map(|paths| paths.len()), Ok(PATCH_PATHS_MAX));
        assert_eq!(parse_patch(patch(PATCH_PATHS_MAX + 1)), Err(SetError::TooLarge));
    }

    #[test]
    fn what_did_not_happen_is_null() {
        let own = AccountId::new(Timestamp::from_secs(1));
        let object = json!({"id": "x"}).as_object().expect("an object").clone();
        let done =
            Done { created: vec![("k".into(), object)], not_destroyed: vec![("y".into(), SetError::NotFound)], ..Done::default() };
        let outcome = done.to_wire(own, 1, 2);
        assert_eq!(outcome.created, [("k".to_string(), "x".to_string())]);
        assert_eq!(outcome.arguments["created"], json!({"k": {"id": "x"}}));
        assert_eq!(outcome.arguments["updated"], Value::Null);
        assert_eq!(outcome.arguments["notDestroyed"], json!({"y": {"type": "notFound"}}));
        assert_eq!((&outcome.arguments["oldState"], &outcome.arguments["newState"]), (&json!("1"), &json!("2")));
    }

    #[test]
    fn creation_ids_stand_for_ids() {
        let created = CreatedIds::from([("k".to_string(), "x".to_string())]);
        assert_eq!(resolve_id("#k", &created), Some("x"));
        assert_eq!(resolve_id("#l", &created), None);
        assert_eq!(resolve_id("y", &created), Some("y"));
    }
}
