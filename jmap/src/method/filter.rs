// SPDX-License-Identifier: AGPL-3.0-or-later
//! FilterOperator (RFC 8620 §5.5): and, or, not, bounded; what a condition is, is the type's business. Pure.

use serde_json::{Map, Value};

use super::args::Args;
use crate::error::MethodError;
use crate::limits::{FILTER_DEPTH_MAX, FILTER_NODES_MAX};

/// A filter of conditions `C`.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree<C> {
    /// A FilterCondition.
    Condition(C),
    /// Every one of these.
    And(Vec<Self>),
    /// At least one of these.
    Or(Vec<Self>),
    /// None of these.
    Not(Vec<Self>),
}

/// Reads a filter.
pub fn parse_filter<C>(value: Value, condition: &impl Fn(Args) -> Result<C, MethodError>) -> Result<Tree<C>, MethodError> {
    let mut nodes = 0;
    parse(value, condition, FILTER_DEPTH_MAX, &mut nodes)
}

fn parse<C>(
    value: Value,
    condition: &impl Fn(Args) -> Result<C, MethodError>,
    depth: usize,
    nodes: &mut usize,
) -> Result<Tree<C>, MethodError> {
    let Value::Object(object) = value else {
        return Err(MethodError::InvalidArguments("a filter is not an object".to_string()));
    };
    *nodes += 1;
    if *nodes > FILTER_NODES_MAX || depth == 0 {
        return Err(MethodError::UnsupportedFilter("the filter is too large".to_string()));
    }
    if !object.contains_key("operator") {
        return condition(Args::new(object)).map(Tree::Condition);
    }
    let mut args = Args::new(object);
    let operator: String = args.need("operator")?;
    let conditions: Vec<Map<String, Value>> = args.need("conditions")?;
    args.finish()?;
    let below = conditions
        .into_iter()
        .map(|object| parse(Value::Object(object), condition, depth - 1, nodes))
        .collect::<Result<Vec<_>, _>>()?;
    match operator.as_str() {
        "AND" => Ok(Tree::And(below)),
        "OR" => Ok(Tree::Or(below)),
        "NOT" => Ok(Tree::Not(below)),
        other => Err(MethodError::InvalidArguments(format!("{other} is not an operator"))),
    }
}

impl<C> Tree<C> {
    /// Does it admit what `holds` says of each condition?
    pub fn admits(&self, holds: &impl Fn(&C) -> bool) -> bool {
        match self {
            Self::Condition(condition) => holds(condition),
            Self::And(below) => below.iter().all(|tree| tree.admits(holds)),
            Self::Or(below) => below.iter().any(|tree| tree.admits(holds)),
            Self::Not(below) => !below.iter().any(|tree| tree.admits(holds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Tree<u64>, MethodError> {
        parse_filter(value, &|mut args: Args| {
            let number = args.need("n")?;
            args.finish().map(|()| number)
        })
    }

    #[test]
    fn operators() {
        let filter = json!({"operator": "AND", "conditions": [
            {"operator": "OR", "conditions": [{"n": 1}, {"n": 2}]},
            {"operator": "NOT", "conditions": [{"n": 3}]}
        ]});
        let tree = read(filter).expect("a filter");
        let admits = |set: &[u64]| tree.admits(&|n| set.contains(n));
        assert!(admits(&[1]) && admits(&[2, 4]) && !admits(&[1, 3]) && !admits(&[]));
    }

    #[test]
    fn what_is_no_filter() {
        for wrong in [
            json!({"operator": "XOR", "conditions": []}),
            json!({"operator": "AND"}),
            json!({"operator": "AND", "conditions": [1]}),
            json!({"operator": "AND", "conditions": [], "n": 1}),
            json!({"n": 1, "m": 2}),
            json!({}),
        ] {
            assert_eq!(read(wrong.clone()).expect_err("wrong").name(), "invalidArguments", "{wrong}");
        }
    }

    #[test]
    fn depth_and_size_are_bounded_on_both_sides() {
        let deep = |levels: usize| (1..levels).fold(json!({"n": 1}), |inner, _| json!({"operator": "AND", "conditions": [inner]}));
        assert!(read(deep(FILTER_DEPTH_MAX)).is_ok());
        assert_eq!(read(deep(FILTER_DEPTH_MAX + 1)).expect_err("deep").name(), "unsupportedFilter");
        let wide = |nodes: usize| json!({"operator": "OR", "conditions": vec![json!({"n": 1}); nodes - 1]});
        assert!(read(wide(FILTER_NODES_MAX)).is_ok());
        assert_eq!(read(wide(FILTER_NODES_MAX + 1)).expect_err("wide").name(), "unsupportedFilter");
    }
}
