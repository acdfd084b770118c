// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pointers into JSON: the paths of back-references (RFC 8620 §3.7) and the keys of patches (RFC 8620 §5.3). Pure.

use serde_json::{Map, Value};

use crate::limits::{POINTER_TOKENS_MAX, POINTER_VALUES_MAX};

/// Why a pointer gave no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerError {
    /// It does not begin with `/`, or a `~` is not followed by 0 or 1 (RFC 6901 §3).
    Syntax,
    /// There is nothing there.
    Nothing,
    /// It has too many tokens, or gathers too many values.
    TooMuch,
}

impl PointerError {
    /// In words.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Syntax => "the path is not a JSON pointer",
            Self::Nothing => "the path leads nowhere",
            Self::TooMuch => "the path gathers too much",
        }
    }
}

/// The tokens of a pointer, unescaped. The empty pointer has none: it is the whole document.
pub fn parse_pointer(pointer: &str) -> Result<Vec<String>, PointerError> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let tokens = pointer.strip_prefix('/').ok_or(PointerError::Syntax)?;
    if tokens.split('/').count() > POINTER_TOKENS_MAX {
        return Err(PointerError::TooMuch);
    }
    tokens.split('/').map(unescape).collect()
}

/// One reference token (RFC 6901 §4): `~1` is `/`, `~0` is `~`.
fn unescape(token: &str) -> Result<String, PointerError> {
    let mut text = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(c) = chars.next() {
        match c {
            '~' => match chars.next() {
                Some('0') => text.push('~'),
                Some('1') => text.push('/'),
                _ => return Err(PointerError::Syntax),
            },
            c => text.push(c),
        }
    }
    Ok(text)
}

/// RFC 8620 §3.7: as RFC 6901, and `*` on an array goes through its items; results that are arrays are joined into one.
pub fn evaluate(pointer: &str, document: &Map<String, Value>) -> Result<Value, PointerError> {
    let tokens = parse_pointer(pointer)?;
    let Some((first, rest)) = tokens.split_first() else {
        return Ok(Value::Object(document.clone()));
    };
    let mut gathered = 0;
    follow(rest, document.get(first).ok_or(PointerError::Nothing)?, &mut gathered)
}

fn follow(tokens: &[String], value: &Value, gathered: &mut usize) -> Result<Value, PointerError> {
    let Some((token, rest)) = tokens.split_first() else {
        *gathered += 1;
        return if *gathered > POINTER_VALUES_MAX { Err(PointerError::TooMuch) } else { Ok(value.clone()) };
    };
    match value {
        Value::Object(object) => follow(rest, object.get(token).ok_or(PointerError::Nothing)?, gathered),
        Value::Array(items) if token == "*" => {
            let mut joined = Vec::new();
            for item in items {
                match follow(rest, item, gathered)? {
                    Value::Array(inner) => joined.extend(inner),
                    single => joined.push(single),
                }
                if joined.len() > POINTER_VALUES_MAX {
                    return Err(PointerError::TooMuch);
                }
            }
            Ok(Value::Array(joined))
        }
        Value::Array(items) => {
            follow(rest, parse_index(token).and_then(|at| items.get(at)).ok_or(PointerError::Nothing)?, gathered)
        }
        _ => Err(PointerError::Nothing),
    }
}

/// RFC 6901 §4 array-index: `0`, or digits without a leading zero.
fn parse_index(token: &str) -> Option<usize> {
    let is_index = token == "0" || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
    is_index.then(|| token.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(pointer: &str, document: Value) -> Result<Value, PointerError> {
        evaluate(pointer, document.as_object().expect("an object"))
    }

    #[test]
    fn the_examples_of_rfc_8620() {
        // §3.7: the result of Foo/changes, and /list/*/threadId of Email/get.
        assert_eq!(at("/created", json!({"created": ["f1", "f4"]})), Ok(json!(["f1", "f4"])));
        let got = json!({"list": [{"id": "msg1023", "threadId": "trd194"}, {"id": "msg223", "threadId": "trd114"}]});
        assert_eq!(at("/list/*/threadId", got), Ok(json!(["trd194", "trd114"])));
        let threads =
            json!({"list": [{"id": "trd194", "emailIds": ["msg1020", "msg1021"]}, {"id": "trd114", "emailIds": ["msg201"]}]});
        assert_eq!(at("/list/*/emailIds", threads), Ok(json!(["msg1020", "msg1021", "msg201"])));
    }

    #[test]
    fn rfc_6901_tokens() {
        for (pointer, value) in [
            ("/a~1b", json!(1)),
            ("/m~0n", json!(2)),
            ("/", json!(3)),
            ("/list/0", json!("x")),
            ("/list/1", json!("y")),
            ("/o/*", json!("star")),
        ] {
            let document = json!({"a/b": 1, "m~n": 2, "": 3, "list": ["x", "y"], "o": {"*": "star"}});
            assert_eq!(at(pointer, document), Ok(value), "{pointer}");
        }
    }

    #[test]
    fn what_leads_nowhere() {
        for (pointer, error) in [
            ("list", PointerError::Syntax),
            ("/a~2", PointerError::Syntax),
            ("/a~", PointerError::Syntax),
            ("/missing", PointerError::Nothing),
            ("/list/2", PointerError::Nothing),
            ("/list/01", PointerError::Nothing),
            ("/list/-", PointerError::Nothing),
            ("/list/+1", PointerError::Nothing),
            ("/list/0/x", PointerError::Nothing),
            ("/list/*/x", PointerError::Nothing),
            ("/o/*", PointerError::Nothing),
        ] {
            assert_eq!(at(pointer, json!({"list": ["x", "y"], "o": {}})), Err(error), "{pointer}");
        }
    }

    #[test]
    fn tokens_are_bounded_on_both_sides() {
        let deep = |tokens: usize| "/a".repeat(tokens);
        assert_eq!(at(&deep(POINTER_TOKENS_MAX), json!({})), Err(PointerError::Nothing));
        assert_eq!(at(&deep(POINTER_TOKENS_MAX + 1), json!({})), Err(PointerError::TooMuch));
    }

    #[test]
    fn what_is_gathered_is_bounded_on_both_sides() {
        let list = |n: usize| json!({"list": vec![json!({"id": 1}); n]});
        assert!(at("/list/*/id", list(POINTER_VALUES_MAX)).is_ok());
        assert_eq!(at("/list/*/id", list(POINTER_VALUES_MAX + 1)), Err(PointerError::TooMuch));
    }

    #[test]
    fn law_a_star_is_each_index_joined() {
        // For any array of objects: `/l/*/v` is the concatenation of `/l/0/v`, `/l/1/v`, ...
        let mut seed = 7_u32;
        for _ in 0..200 {
            let mut next = || {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                seed >> 24
            };
            let items: Vec<Value> = (0..next() % 6)
                .map(|_| match next() % 3 {
                    0 => json!({"v": next()}),
                    1 => json!({"v": [next(), next()]}),
                    _ => json!({"v": []}),
                })
                .collect();
            let document = json!({"l": items});
            let mut joined = Vec::new();
            for index in 0..items.len() {
                match at(&format!("/l/{index}/v"), document.clone()).expect("a value") {
                    Value::Array(inner) => joined.extend(inner),
                    single => joined.push(single),
                }
            }
            assert_eq!(at("/l/*/v", document), Ok(Value::Array(joined)));
        }
    }
}
