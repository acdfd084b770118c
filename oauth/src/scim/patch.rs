// SPDX-License-Identifier: AGPL-3.0-or-later
//! PATCH (RFC 7644 §3.5.2): operations on a resource, all of them or none. Pure: what comes out is what a PUT would have sent.

use hearth_wire::scim::{Path, parse_path};
use serde_json::{Map, Value};

use super::refusal::Kind;
use super::select::matches;
use super::{OPERATIONS_MAX, Resource, find, find_text};

const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

type Refused = (Kind, String);

/// What may be patched of a kind of resource.
#[derive(Clone, Copy, Debug)]
pub struct Patchable {
    /// What can be written.
    pub writable: &'static [&'static str],
    /// What is there and cannot be written.
    pub fixed: &'static [&'static str],
    /// What can be written and not be taken away.
    pub kept: &'static [&'static str],
}

/// Applies the operations of a body.
pub fn apply(resource: &Resource, body: &Resource, may: Patchable) -> Result<Resource, Refused> {
    let schemas = find(body, "schemas").and_then(Value::as_array);
    if !schemas.is_some_and(|all| all.iter().any(|one| one == SCHEMA)) {
        return Err((Kind::InvalidSyntax, format!("schemas does not name {SCHEMA}")));
    }
    let operations = find(body, "Operations").and_then(Value::as_array);
    let operations = operations.ok_or_else(|| (Kind::InvalidSyntax, "Operations is missing".to_string()))?;
    if operations.len() > OPERATIONS_MAX {
        return Err((Kind::InvalidValue, format!("there are more than {OPERATIONS_MAX} operations")));
    }
    let mut changed = resource.clone();
    for operation in operations {
        let operation = operation.as_object().ok_or_else(|| (Kind::InvalidSyntax, "an operation is not an object".to_string()))?;
        run(&mut changed, operation, may)?;
    }
    Ok(changed)
}

fn run(resource: &mut Resource, operation: &Resource, may: Patchable) -> Result<(), Refused> {
    let none = Value::Null;
    // Entra ID writes `Add` (quirk: Microsoft Entra, 2026).
    let op = find_text(operation, "op").unwrap_or_default().to_ascii_lowercase();
    let value = find(operation, "value").unwrap_or(&none);
    match (op.as_str(), find_text(operation, "path")) {
        ("add" | "replace" | "remove", Some(path)) => {
            let path = parse_path(path).map_err(|error| (Kind::InvalidPath, error.to_string()))?;
            let name = writable(&path.name, may)?.ok_or_else(|| (Kind::InvalidPath, format!("there is no {}", path.name)))?;
            if op == "remove" && may.kept.contains(&name.as_str()) {
                // §3.5.2.2: what is required is not removed.
                return Err((Kind::Mutability, format!("{name} is there always")));
            }
            one(resource, &op, &Path { name, ..path }, value)
        }
        ("add" | "replace", None) => {
            let members = value.as_object().ok_or_else(|| (Kind::InvalidValue, "value is not an object".to_string()))?;
            for (name, value) in members {
                let path = parse_path(name).map_err(|error| (Kind::InvalidPath, error.to_string()))?;
                // What a resource has not is left out, as in a PUT (RFC 7644 §3.5.1).
                if let Some(name) = writable(&path.name, may)? {
                    one(resource, &op, &Path { name, ..path }, value)?;
                }
            }
            Ok(())
        }
        ("remove", None) => Err((Kind::NoTarget, "remove wants a path".to_string())),
        _ => Err((Kind::InvalidSyntax, "op is add, replace or remove".to_string())),
    }
}

/// The name of an attribute as it is written here; `None` for one that there is not.
fn writable(name: &str, may: Patchable) -> Result<Option<String>, Refused> {
    if may.fixed.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Err((Kind::Mutability, format!("{name} cannot be changed")));
    }
    Ok(may.writable.iter().find(|known| known.eq_ignore_ascii_case(name)).map(ToString::to_string))
}

fn one(resource: &mut Resource, op: &str, path: &Path, value: &Value) -> Result<(), Refused> {
    match (&path.filter, &path.sub) {
        (None, None) => whole(resource, op, &path.name, value),
        (None, Some(_)) => Err((Kind::InvalidPath, "no attribute here has parts outside of a list".to_string())),
        (Some(filter), sub) => {
            let all = resource.get_mut(&path.name).and_then(Value::as_array_mut);
            let all = all.ok_or_else(|| (Kind::NoTarget, format!("{} is not a list", path.name)))?;
            let fits = |one: &Value| one.as_object().is_some_and(|one| matches(filter, one));
            if !all.iter().any(fits) {
                return Err((Kind::NoTarget, "no value fits the path".to_string()));
            }
            match (op, sub) {
                ("remove", None) => all.retain(|one| !fits(one)),
                (_, None) => all.iter_mut().filter(|one| fits(one)).for_each(|one| *one = value.clone()),
                (_, Some(sub)) => {
                    for one in all.iter_mut().filter(|one| fits(one)).filter_map(Value::as_object_mut) {
                        change_part(one, op, sub, value);
                    }
                }
            }
            Ok(())
        }
    }
}

fn change_part(one: &mut Map<String, Value>, op: &str, sub: &str, value: &Value) {
    let name = one.keys().find(|known| known.eq_ignore_ascii_case(sub)).cloned().unwrap_or_else(|| sub.to_string());
    if op == "remove" {
        one.remove(&name)
    } else {
        one.insert(name, value.clone())
    };
}

fn whole(resource: &mut Resource, op: &str, name: &str, value: &Value) -> Result<(), Refused> {
    let is_list = resource.get(name).is_some_and(Value::is_array);
    match (op, is_list) {
        ("add", true) => {
            let Some(there) = resource.get_mut(name).and_then(Value::as_array_mut) else { return Ok(()) };
            for new in each(value) {
                // §3.5.2.1: what is there already is not added again.
                if !there.iter().any(|known| same(known, new)) {
                    there.push(new.clone());
                }
            }
        }
        ("remove", true) => {
            // With a value, those alone (quirk: Microsoft Entra, 2026).
            let going: Vec<&Value> = each(value).filter(|one| !one.is_null()).collect();
            if let Some(all) = resource.get_mut(name).and_then(Value::as_array_mut) {
                all.retain(|known| !going.is_empty() && !going.iter().any(|one| same(known, one)));
            }
        }
        ("remove", false) => {
            resource.remove(name);
        }
        (_, true) => {
            resource.insert(name.to_string(), each(value).filter(|one| !one.is_null()).cloned().collect());
        }
        (_, false) => {
            resource.insert(name.to_string(), value.clone());
        }
    }
    Ok(())
}

/// One value, or several.
fn each(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map_or_else(|| std::slice::from_ref(value).iter(), |all| all.iter())
}

fn same(known: &Value, other: &Value) -> bool {
    let value = |of: &Value| of.as_object().and_then(|of| find(of, "value").cloned());
    known == other || value(known).is_some_and(|known| Some(known) == value(other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MAY: Patchable =
        Patchable { writable: &["displayName", "active", "members"], fixed: &["id", "userName", "meta"], kept: &["active"] };

    fn patch(operations: &Value) -> Result<Value, Kind> {
        let resource =
            json!({"id": "1", "displayName": "A", "active": true, "members": [{"value": "1"}, {"value": "2", "display": "x"}]});
        let body = json!({"schemas": [SCHEMA], "Operations": operations});
        apply(resource.as_object().unwrap(), body.as_object().unwrap(), MAY).map(Value::Object).map_err(|(kind, _)| kind)
    }

    #[test]
    fn operations() {
        for (operation, name, expected) in [
            (json!({"op": "replace", "path": "displayName", "value": "B"}), "displayName", json!("B")),
            (json!({"op": "Replace", "path": "DISPLAYNAME", "value": "B"}), "displayName", json!("B")),
            (json!({"op": "add", "value": {"active": false, "nickName": "x"}}), "active", json!(false)),
            (json!({"op": "remove", "path": "displayName"}), "displayName", Value::Null),
            (
                json!({"op": "add", "path": "members", "value": [{"value": "2"}, {"value": "3"}]}),
                "members",
                json!([{"value": "1"}, {"value": "2", "display": "x"}, {"value": "3"}]),
            ),
            (
                json!({"op": "add", "path": "members", "value": {"value": "3"}}),
                "members",
                json!([{"value": "1"}, {"value": "2", "display": "x"}, {"value": "3"}]),
            ),
            (json!({"op": "remove", "path": "members[value eq \"1\"]"}), "members", json!([{"value": "2", "display": "x"}])),
            (
                json!({"op": "remove", "path": "members", "value": [{"value": "1"}]}),
                "members",
                json!([{"value": "2", "display": "x"}]),
            ),
            (json!({"op": "remove", "path": "members"}), "members", json!([])),
            (json!({"op": "replace", "path": "members", "value": [{"value": "9"}]}), "members", json!([{"value": "9"}])),
            (
                json!({"op": "replace", "path": "members[value eq \"1\"]", "value": {"value": "8"}}),
                "members",
                json!([{"value": "8"}, {"value": "2", "display": "x"}]),
            ),
            (
                json!({"op": "replace", "path": "members[value eq \"2\"].display", "value": "y"}),
                "members",
                json!([{"value": "1"}, {"value": "2", "display": "y"}]),
            ),
        ] {
            assert_eq!(patch(&json!([operation])).unwrap()[name], expected, "{operation}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (operation, kind) in [
            (json!({"op": "replace", "path": "id", "value": "2"}), Kind::Mutability),
            (json!({"op": "replace", "value": {"userName": "x"}}), Kind::Mutability),
            (json!({"op": "remove", "path": "active"}), Kind::Mutability),
            (json!({"op": "replace", "path": "nickName", "value": "2"}), Kind::InvalidPath),
            (json!({"op": "replace", "path": "members[", "value": "2"}), Kind::InvalidPath),
            (json!({"op": "replace", "path": "displayName.x", "value": "2"}), Kind::InvalidPath),
            (json!({"op": "remove", "path": "members[value eq \"7\"]"}), Kind::NoTarget),
            (json!({"op": "remove", "path": "displayName[value eq \"7\"]"}), Kind::NoTarget),
            (json!({"op": "remove"}), Kind::NoTarget),
            (json!({"op": "add", "value": 1}), Kind::InvalidValue),
            (json!({"op": "move", "path": "members"}), Kind::InvalidSyntax),
            (json!(1), Kind::InvalidSyntax),
        ] {
            assert_eq!(patch(&json!([operation])), Err(kind), "{operation}");
        }
        let one = json!({"op": "replace", "path": "displayName", "value": "B"});
        assert!(patch(&json!(vec![one.clone(); OPERATIONS_MAX])).is_ok());
        assert_eq!(patch(&json!(vec![one; OPERATIONS_MAX + 1])), Err(Kind::InvalidValue));
        let body = json!({"Operations": []});
        assert!(apply(&Map::new(), body.as_object().unwrap(), MAY).is_err());
    }
}
