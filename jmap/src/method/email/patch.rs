// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a client may change of an Email (RFC 8621 §4.6): keywords and mailboxIds, as a whole or one by one. Pure.

use hearth_mailstore::{Flag, FlagSet};
use serde_json::{Map, Value};

use crate::error::SetError;
use crate::limits::{KEYWORDS_PER_EMAIL_MAX, MAILBOXES_PER_EMAIL_MAX};
use crate::method::set::parse_patch;

/// A change of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetPatch<T> {
    /// Exactly these.
    Replace(Vec<T>),
    /// These come, those go.
    Change {
        /// Come.
        add: Vec<T>,
        /// Go.
        remove: Vec<T>,
    },
}

/// A patch of an Email.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmailPatch {
    /// Of its keywords.
    pub keywords: Option<SetPatch<Flag>>,
    /// Of its mailboxes; ids, or `#` and a creation id.
    pub mailboxes: Option<SetPatch<String>>,
}

/// Reads a patch.
pub fn parse_email_patch(patch: Map<String, Value>) -> Result<EmailPatch, SetError> {
    let mut parsed = EmailPatch::default();
    for (path, value) in parse_patch(patch)? {
        match path.as_slice() {
            [property] if property == "keywords" => parsed.keywords = Some(SetPatch::Replace(parse_keywords(&value)?)),
            [property] if property == "mailboxIds" => parsed.mailboxes = Some(SetPatch::Replace(parse_mailbox_ids(&value)?)),
            [property, name] if property == "keywords" => {
                let flag = parse_keyword(name)?;
                put(parsed.keywords.get_or_insert_with(no_change), flag, &value, "keywords")?;
            }
            [property, name] if property == "mailboxIds" => {
                put(parsed.mailboxes.get_or_insert_with(no_change), name.clone(), &value, "mailboxIds")?;
            }
            [property, ..] => return Err(SetError::property(property, "it cannot be changed")),
            [] => return Err(SetError::InvalidPatch("an empty path".to_string())),
        }
    }
    Ok(parsed)
}

fn no_change<T>() -> SetPatch<T> {
    SetPatch::Change { add: Vec::new(), remove: Vec::new() }
}

/// RFC 8620 §5.3: true puts a member in, null takes it out.
fn put<T>(patch: &mut SetPatch<T>, member: T, value: &Value, property: &str) -> Result<(), SetError> {
    match (patch, value) {
        (SetPatch::Change { add, .. }, Value::Bool(true)) => add.push(member),
        (SetPatch::Change { remove, .. }, Value::Null) => remove.push(member),
        _ => return Err(SetError::property(property, "a member is neither true nor null")),
    }
    Ok(())
}

/// RFC 8621 §4.1.1: a map of keywords to true.
pub fn parse_keywords(value: &Value) -> Result<Vec<Flag>, SetError> {
    let wrong = || SetError::property("keywords", "not a map of keywords to true");
    let keywords = value.as_object().ok_or_else(wrong)?;
    if keywords.len() > KEYWORDS_PER_EMAIL_MAX {
        return Err(SetError::TooManyKeywords);
    }
    keywords.iter().map(|(name, value)| if *value == Value::Bool(true) { parse_keyword(name) } else { Err(wrong()) }).collect()
}

fn parse_keyword(name: &str) -> Result<Flag, SetError> {
    Flag::from_jmap(name).ok_or_else(|| SetError::property("keywords", format!("{name:?} is not a keyword")))
}

/// RFC 8621 §4.1.1: a map of mailbox ids to true, one at least.
pub fn parse_mailbox_ids(value: &Value) -> Result<Vec<String>, SetError> {
    let wrong = || SetError::property("mailboxIds", "not a map of mailbox ids to true, with one at least");
    let ids = value.as_object().filter(|ids| !ids.is_empty()).ok_or_else(wrong)?;
    if ids.len() > MAILBOXES_PER_EMAIL_MAX {
        return Err(SetError::TooManyMailboxes);
    }
    ids.iter().map(|(id, value)| if *value == Value::Bool(true) { Ok(id.clone()) } else { Err(wrong()) }).collect()
}

/// The keywords after a patch; `None` when it changes nothing.
pub fn apply_keywords(now: &FlagSet, patch: SetPatch<Flag>) -> Result<Option<FlagSet>, SetError> {
    let changed: FlagSet = match patch {
        SetPatch::Replace(flags) => flags.into_iter().collect(),
        SetPatch::Change { add, remove } => {
            let mut flags = now.of_message();
            remove.iter().for_each(|flag| flags.remove(flag));
            flags.extend(add);
            flags
        }
    };
    if changed.is_too_large() {
        return Err(SetError::TooManyKeywords);
    }
    Ok((changed != now.of_message()).then_some(changed))
}

/// The members of a set after a patch, sorted; `None` when it changes nothing.
pub fn apply_members<T: Clone + Ord>(now: &[T], patch: SetPatch<T>) -> Option<Vec<T>> {
    let mut before = now.to_vec();
    before.sort();
    let mut after = match patch {
        SetPatch::Replace(members) => members,
        SetPatch::Change { add, remove } => before.iter().filter(|member| !remove.contains(member)).cloned().chain(add).collect(),
    };
    after.sort();
    after.dedup();
    (after != before).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: Value) -> Result<EmailPatch, SetError> {
        parse_email_patch(value.as_object().expect("an object").clone())
    }

    #[test]
    fn patches() {
        assert_eq!(
            parse(json!({"keywords/$seen": true, "keywords/$flagged": null, "mailboxIds/x": true})),
            Ok(EmailPatch {
                keywords: Some(SetPatch::Change { add: vec![Flag::Seen], remove: vec![Flag::Flagged] }),
                mailboxes: Some(SetPatch::Change { add: vec!["x".into()], remove: vec![] })
            })
        );
        assert_eq!(
            parse(json!({"keywords": {"$Seen": true}, "mailboxIds": {"#k": true}})),
            Ok(EmailPatch {
                keywords: Some(SetPatch::Replace(vec![Flag::Seen])),
                mailboxes: Some(SetPatch::Replace(vec!["#k".into()]))
            })
        );
        for (wrong, error) in [
            (json!({"keywords": {"$seen": false}}), "invalidProperties"),
            (json!({"keywords": null}), "invalidProperties"),
            (json!({"keywords/$seen": false}), "invalidProperties"),
            (json!({"keywords/a b": true}), "invalidProperties"),
            (json!({"mailboxIds": {}}), "invalidProperties"),
            (json!({"subject": "x"}), "invalidProperties"),
            (json!({"keywords/a/b": true}), "invalidProperties"),
            (json!({"keywords": {}, "keywords/$seen": true}), "invalidPatch"),
        ] {
            assert_eq!(parse(wrong.clone()).expect_err("wrong").name(), error, "{wrong}");
        }
    }

    #[test]
    fn keywords_are_bounded_on_both_sides() {
        let keywords = |n: usize| Value::Object((0..n).map(|i| (format!("k{i}"), true.into())).collect());
        let most = parse_keywords(&keywords(KEYWORDS_PER_EMAIL_MAX)).expect("they fit");
        assert_eq!(parse_keywords(&keywords(KEYWORDS_PER_EMAIL_MAX + 1)), Err(SetError::TooManyKeywords));
        let full = apply_keywords(&FlagSet::EMPTY, SetPatch::Replace(most)).expect("they fit").expect("a change");
        let one_more = SetPatch::Change { add: vec![Flag::Keyword("more".into())], remove: vec![] };
        assert_eq!(apply_keywords(&full, one_more), Err(SetError::TooManyKeywords));
    }

    #[test]
    fn mailboxes_are_bounded_on_both_sides() {
        let ids = |n: usize| Value::Object((0..n).map(|i| (format!("k{i}"), true.into())).collect());
        assert!(parse_mailbox_ids(&ids(MAILBOXES_PER_EMAIL_MAX)).is_ok());
        assert_eq!(parse_mailbox_ids(&ids(MAILBOXES_PER_EMAIL_MAX + 1)), Err(SetError::TooManyMailboxes));
    }

    #[test]
    fn what_changes_nothing_is_nothing() {
        let seen: FlagSet = [Flag::Seen, Flag::Deleted].into_iter().collect();
        assert_eq!(apply_keywords(&seen, SetPatch::Replace(vec![Flag::Seen])), Ok(None));
        let change = SetPatch::Change { add: vec![Flag::Flagged], remove: vec![Flag::Seen] };
        assert_eq!(apply_keywords(&seen, change), Ok(Some(Flag::Flagged.into())));
        assert_eq!(apply_members(&[2, 1], SetPatch::Replace(vec![1, 2])), None);
        assert_eq!(apply_members(&[1], SetPatch::Change { add: vec![2, 1], remove: vec![] }), Some(vec![1, 2]));
        assert_eq!(apply_members(&[1], SetPatch::Change { add: vec![], remove: vec![1] }), Some(vec![]));
    }
}
