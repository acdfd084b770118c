// SPDX-License-Identifier: AGPL-3.0-or-later
//! What all `/changes` have in common (RFC 8620 §5.2).

use std::fmt::Display;

use hearth_mailstore::changes::Changes;
use hearth_types::AccountId;
use serde_json::{Map, Value, json};

use super::args::Args;
use crate::error::MethodError;
use crate::limits::CHANGES_MAX;
use crate::request::Arguments;

/// The arguments of a `/changes`.
#[derive(Debug, PartialEq, Eq)]
pub struct ChangesArgs {
    /// The state that the client has.
    pub since: u64,
    /// How many changes at most.
    pub max: usize,
}

impl ChangesArgs {
    /// Takes all of them.
    pub fn take(mut args: Args, own: AccountId) -> Result<Self, MethodError> {
        args.check_account(own)?;
        let since = parse_state(&args.need::<String>("sinceState")?)?;
        let max = match args.take::<u64>("maxChanges")? {
            // RFC 8620 §5.2: a positive integer.
            Some(0) => return Err(MethodError::InvalidArguments("maxChanges is 0".to_string())),
            Some(max) => usize::try_from(max).unwrap_or(usize::MAX).min(CHANGES_MAX),
            None => CHANGES_MAX,
        };
        args.finish()?;
        Ok(Self { since, max })
    }
}

/// A state string of ours: the account's modseq. Another's is one from which nothing can be calculated.
pub fn parse_state(text: &str) -> Result<u64, MethodError> {
    let is_ours = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_ours.then(|| text.parse().ok()).flatten().ok_or(MethodError::CannotCalculateChanges)
}

/// The modseq of now has to be at least that of then: else the state is one of another life (a restored backup).
pub fn check_state(since: u64, now: u64) -> Result<(), MethodError> {
    if since > now { Err(MethodError::CannotCalculateChanges) } else { Ok(()) }
}

/// The response of a `/changes`.
pub fn to_wire<I: Display>(own: AccountId, since: u64, changes: &Changes<I>) -> Arguments {
    let ids = |ids: &[I]| ids.iter().map(|id| Value::from(id.to_string())).collect::<Value>();
    Map::from_iter([
        ("accountId".to_string(), own.to_string().into()),
        ("oldState".to_string(), since.to_string().into()),
        ("newState".to_string(), changes.modseq.to_string().into()),
        ("hasMoreChanges".to_string(), changes.more.into()),
        ("created".to_string(), ids(&changes.created)),
        ("updated".to_string(), ids(&changes.updated)),
        ("destroyed".to_string(), ids(&changes.destroyed)),
    ])
}

/// The response of a `/queryChanges` (RFC 8620 §5.6).
pub fn query_changes_to_wire(
    own: AccountId,
    since: u64,
    now: u64,
    total: Option<usize>,
    removed: Vec<String>,
    added: Vec<(String, usize)>,
) -> Arguments {
    let added: Vec<Value> = added.into_iter().map(|(id, index)| json!({ "id": id, "index": index })).collect();
    let mut arguments = Map::from_iter([
        ("accountId".to_string(), own.to_string().into()),
        ("oldQueryState".to_string(), since.to_string().into()),
        ("newQueryState".to_string(), now.to_string().into()),
        ("removed".to_string(), removed.into()),
        ("added".to_string(), added.into()),
    ]);
    if let Some(total) = total {
        arguments.insert("total".to_string(), total.into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::Timestamp;

    #[test]
    fn a_state_is_a_modseq() {
        assert_eq!(parse_state("0"), Ok(0));
        assert_eq!(parse_state("18"), Ok(18));
        for text in ["", "-1", "+1", "x", "99999999999999999999999"] {
            assert_eq!(parse_state(text), Err(MethodError::CannotCalculateChanges), "{text}");
        }
        assert_eq!(check_state(3, 3), Ok(()));
        assert_eq!(check_state(4, 3), Err(MethodError::CannotCalculateChanges));
    }

    #[test]
    fn changes_are_bounded_on_both_sides() {
        let own = AccountId::new(Timestamp::from_secs(1));
        let take = |max: Value| {
            let arguments = json!({"accountId": own.to_string(), "sinceState": "1", "maxChanges": max});
            ChangesArgs::take(Args::new(arguments.as_object().expect("an object").clone()), own).map(|args| args.max)
        };
        assert_eq!(take(json!(1)), Ok(1));
        assert_eq!(take(Value::Null), Ok(CHANGES_MAX));
        assert_eq!(take(json!(CHANGES_MAX)), Ok(CHANGES_MAX));
        assert_eq!(take(json!(CHANGES_MAX + 1)), Ok(CHANGES_MAX));
        assert_eq!(take(json!(0)).expect_err("zero").name(), "invalidArguments");
    }
}
