// SPDX-License-Identifier: AGPL-3.0-or-later
//! What all `/query` have in common (RFC 8620 §5.5): the window onto the results. Pure.

use hearth_types::AccountId;
use serde_json::{Map, Value};

use super::args::{Args, Id};
use crate::error::MethodError;
use crate::limits::{QUERY_LIMIT_MAX, SORT_COMPARATORS_MAX};
use crate::request::Arguments;

/// The standard arguments of a `/query`.
#[derive(Debug, PartialEq)]
pub struct QueryArgs {
    /// Which.
    pub filter: Option<Value>,
    /// In which order.
    pub sort: Vec<Comparator>,
    /// Where to begin; from the end when negative.
    pub position: i64,
    /// The id to begin at, instead.
    pub anchor: Option<Id>,
    /// How far from the anchor.
    pub anchor_offset: i64,
    /// How many.
    pub limit: Option<usize>,
    /// Whether to count all.
    pub calculate_total: bool,
}

impl QueryArgs {
    /// Takes them; other arguments stay.
    pub fn take(args: &mut Args, own: AccountId) -> Result<Self, MethodError> {
        args.check_account(own)?;
        let filter = args.take::<Map<String, Value>>("filter")?.map(Value::Object);
        let sort = take_sort(args)?;
        let position = args.take("position")?.unwrap_or(0);
        let anchor = args.take("anchor")?;
        let anchor_offset = args.take("anchorOffset")?.unwrap_or(0);
        let limit = args.take::<u64>("limit")?.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let calculate_total = args.take("calculateTotal")?.unwrap_or(false);
        Ok(Self { filter, sort, position, anchor, anchor_offset, limit, calculate_total })
    }
}

/// One comparator of a sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparator {
    /// The property.
    pub property: String,
    /// From low to high.
    pub ascending: bool,
    /// RFC 8621 §4.4.2: for the keyword sorts.
    pub keyword: Option<String>,
}

/// The argument `sort`.
pub fn take_sort(args: &mut Args) -> Result<Vec<Comparator>, MethodError> {
    let comparators = args.take::<Vec<Map<String, Value>>>("sort")?.unwrap_or_default();
    if comparators.len() > SORT_COMPARATORS_MAX {
        return Err(MethodError::UnsupportedSort(format!("more than {SORT_COMPARATORS_MAX} comparators")));
    }
    comparators
        .into_iter()
        .map(|object| {
            let mut members = Args::new(object);
            let property = members.need("property")?;
            let ascending = members.take("isAscending")?.unwrap_or(true);
            let keyword = members.take("keyword")?;
            // RFC 8620 §5.5: our texts are compared as i;unicode-casemap does; another collation is one we cannot do.
            match members.take::<String>("collation")?.as_deref() {
                None | Some("" | "i;unicode-casemap" | "i;ascii-casemap") => {}
                Some(other) => return Err(MethodError::UnsupportedSort(format!("the collation {other} is not known here"))),
            }
            members.finish()?;
            Ok(Comparator { property, ascending, keyword })
        })
        .collect()
}

/// The part of the results that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Window<T> {
    /// Index of the first.
    pub position: usize,
    /// The ids.
    pub ids: Vec<T>,
    /// How many at most, when that was not the client's choice.
    pub limit: Option<usize>,
}

/// Cuts the window. `is_anchor` says which result the anchor is.
pub fn window<T>(results: Vec<T>, args: &QueryArgs, is_anchor: impl Fn(&T, &Id) -> bool) -> Result<Window<T>, MethodError> {
    let start = match &args.anchor {
        Some(anchor) => {
            let index = results.iter().position(|id| is_anchor(id, anchor)).ok_or(MethodError::AnchorNotFound)?;
            offset(index, args.anchor_offset)
        }
        None if args.position < 0 => offset(results.len(), args.position),
        None => usize::try_from(args.position).unwrap_or(usize::MAX),
    };
    let ours = args.limit.is_none_or(|limit| limit > QUERY_LIMIT_MAX).then_some(QUERY_LIMIT_MAX);
    let limit = ours.or(args.limit).unwrap_or(QUERY_LIMIT_MAX);
    let is_cut = ours.is_some() && results.len().saturating_sub(start) > limit;
    let ids = results.into_iter().skip(start).take(limit).collect();
    Ok(Window { position: start, ids, limit: is_cut.then_some(limit) })
}

/// An index moved by an offset, not before the first.
fn offset(index: usize, by: i64) -> usize {
    let by_abs = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX);
    if by < 0 { index.saturating_sub(by_abs) } else { index.saturating_add(by_abs) }
}

/// The response of a `/query`.
pub fn to_wire<T: ToString>(
    own: AccountId,
    state: u64,
    can_calculate_changes: bool,
    total: Option<usize>,
    window: Window<T>,
) -> Arguments {
    let ids: Vec<Value> = window.ids.iter().map(|id| id.to_string().into()).collect();
    let mut arguments = Map::from_iter([
        ("accountId".to_string(), own.to_string().into()),
        ("queryState".to_string(), state.to_string().into()),
        ("canCalculateChanges".to_string(), can_calculate_changes.into()),
        ("position".to_string(), window.position.into()),
        ("ids".to_string(), ids.into()),
    ]);
    if let Some(total) = total {
        arguments.insert("total".to_string(), total.into());
    }
    if let Some(limit) = window.limit {
        arguments.insert("limit".to_string(), limit.into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::Timestamp;
    use serde_json::json;

    fn take(value: Value) -> Result<QueryArgs, MethodError> {
        let own = AccountId::new(Timestamp::from_secs(1));
        let mut arguments = value.as_object().expect("an object").clone();
        arguments.insert("accountId".into(), own.to_string().into());
        let mut args = Args::new(arguments);
        let taken = QueryArgs::take(&mut args, own)?;
        args.finish().map(|()| taken)
    }

    fn cut(results: usize, value: Value) -> Result<(usize, Vec<usize>), MethodError> {
        let args = take(value).expect("arguments");
        window((0..results).collect(), &args, |id, anchor| anchor.0 == id.to_string()).map(|window| (window.position, window.ids))
    }

    #[test]
    fn windows() {
        for (arguments, position, ids) in [
            (json!({}), 0, vec![0, 1, 2, 3, 4]),
            (json!({"position": 3}), 3, vec![3, 4]),
            (json!({"position": 9}), 9, vec![]),
            (json!({"position": -2}), 3, vec![3, 4]),
            (json!({"position": -9}), 0, vec![0, 1, 2, 3, 4]),
            (json!({"limit": 2}), 0, vec![0, 1]),
            (json!({"limit": 0}), 0, vec![]),
            (json!({"anchor": "2"}), 2, vec![2, 3, 4]),
            (json!({"anchor": "2", "anchorOffset": -1, "limit": 2}), 1, vec![1, 2]),
            (json!({"anchor": "2", "anchorOffset": -9}), 0, vec![0, 1, 2, 3, 4]),
            (json!({"anchor": "2", "anchorOffset": 1, "position": 4}), 3, vec![3, 4]),
        ] {
            assert_eq!(cut(5, arguments.clone()), Ok((position, ids)), "{arguments}");
        }
        assert_eq!(cut(5, json!({"anchor": "7"})), Err(MethodError::AnchorNotFound));
    }

    #[test]
    fn the_limit_is_bounded_on_both_sides() {
        let limit = |results: usize, value: Value| {
            let args = take(value).expect("arguments");
            let window = window((0..results).collect(), &args, |_, _| false).expect("a window");
            (window.ids.len(), window.limit)
        };
        assert_eq!(limit(QUERY_LIMIT_MAX, json!({})), (QUERY_LIMIT_MAX, None));
        assert_eq!(limit(QUERY_LIMIT_MAX + 1, json!({})), (QUERY_LIMIT_MAX, Some(QUERY_LIMIT_MAX)));
        assert_eq!(limit(QUERY_LIMIT_MAX + 1, json!({"limit": QUERY_LIMIT_MAX})), (QUERY_LIMIT_MAX, None));
        assert_eq!(limit(QUERY_LIMIT_MAX + 2, json!({"limit": QUERY_LIMIT_MAX + 1})), (QUERY_LIMIT_MAX, Some(QUERY_LIMIT_MAX)));
    }

    #[test]
    fn comparators_are_bounded_on_both_sides() {
        let sort = |n: usize| json!({"sort": vec![json!({"property": "size"}); n]});
        assert!(take(sort(SORT_COMPARATORS_MAX)).is_ok());
        assert_eq!(take(sort(SORT_COMPARATORS_MAX + 1)).expect_err("too many").name(), "unsupportedSort");
    }

    #[test]
    fn arguments_have_their_shape() {
        assert_eq!(
            take(json!({"sort": [{"property": "x", "collation": "i;klingon"}]})).expect_err("klingon").name(),
            "unsupportedSort"
        );
        for wrong in [
            json!({"sort": [{}]}),
            json!({"sort": [{"property": "x", "y": 1}]}),
            json!({"filter": []}),
            json!({"limit": -1}),
            json!({"position": 1.5}),
            json!({"x": 1}),
        ] {
            assert_eq!(take(wrong.clone()).expect_err("wrong").name(), "invalidArguments", "{wrong}");
        }
        let comparator = take(json!({"sort": [{"property": "x", "isAscending": false}]})).expect("a sort").sort.remove(0);
        assert_eq!(comparator, Comparator { property: "x".into(), ascending: false, keyword: None });
    }
}
