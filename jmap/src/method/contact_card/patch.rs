// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a PatchObject (RFC 8620 §5.3) makes of a card. Pure.

use serde_json::{Map, Value};

use super::card::Object;
use crate::error::SetError;
use crate::method::set::parse_patch;

/// Applies a patch: all of it, or an error.
pub fn apply(card: &mut Object, patch: Map<String, Value>) -> Result<(), SetError> {
    for (path, value) in parse_patch(patch)? {
        let Some((last, parents)) = path.split_last() else {
            return Err(SetError::InvalidPatch("an empty path".to_string()));
        };
        let mut place = &mut *card;
        for token in parents {
            // RFC 8620 §5.3: what leads there exists, and is no array.
            place = place
                .get_mut(token)
                .and_then(Value::as_object_mut)
                .ok_or_else(|| SetError::InvalidPatch(format!("{} leads nowhere", path.join("/"))))?;
        }
        // RFC 8620 §5.3: null is the default, and of what may be left out that is nothing.
        if value.is_null() {
            place.remove(last);
        } else {
            place.insert(last.clone(), value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn apply_to(card: Value, patch: Value) -> Result<Value, SetError> {
        let mut card = card.as_object().expect("an object").clone();
        apply(&mut card, patch.as_object().expect("an object").clone()).map(|()| Value::Object(card))
    }

    #[test]
    fn patches_reach_what_is_there() {
        let card = json!({"emails": {"a": {"address": "x@y", "pref": 1}}, "kind": "org", "name": {"components": [{}]}});
        let patch =
            json!({"emails/a/address": "z@y", "emails/a/pref": null, "emails/b": {"address": "w@y"}, "kind": null, "note~1s": 1});
        assert_eq!(
            apply_to(card.clone(), patch),
            Ok(json!({"emails": {"a": {"address": "z@y"}, "b": {"address": "w@y"}}, "name": {"components": [{}]}, "note/s": 1}))
        );
        for wrong in [
            json!({"phones/a": {}}),
            json!({"kind/x": 1}),
            json!({"name/components/0/value": "x"}),
            json!({"emails": {}, "emails/a": {}}),
            json!({"emails/a~2": 1}),
        ] {
            assert_eq!(apply_to(card.clone(), wrong.clone()).expect_err("wrong").name(), "invalidPatch", "{wrong}");
        }
        assert_eq!(apply_to(card.clone(), json!({"phones": null})), Ok(card), "what is not there is gone already");
    }
}
