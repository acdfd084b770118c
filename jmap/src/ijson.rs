// SPDX-License-Identifier: AGPL-3.0-or-later
//! I-JSON (RFC 7493), as RFC 8620 §1.5 demands it: UTF-8, and no name twice in one object. Pure.
//!
//! The depth is bounded by [`JSON_DEPTH_MAX`]; all that walks the value afterwards may recurse.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::limits::JSON_DEPTH_MAX;

/// Reads one document; the error is a sentence for the client.
pub fn parse_ijson(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_string())?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Level(JSON_DEPTH_MAX).deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// Levels of arrays and objects that may still be opened.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn below<E: Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let level = self.below()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(level)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let level = self.below()?;
        let mut object = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let value = access.next_value_seed(level)?;
            // RFC 7493 §2.3: no two members of an object have the same name.
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the name {name:?} stands twice in one object")));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_serde_json_reads() {
        for text in [r#"{"a":[1,-2,3.5,true,null,"x\u00e9"],"b":{}}"#, "[]", "0", r#""s""#, r#"{"":{"":1}}"#] {
            assert_eq!(parse_ijson(text.as_bytes()), Ok(serde_json::from_str(text).expect(text)));
        }
    }

    #[test]
    fn what_is_not_i_json() {
        for bytes in
            [&b"{\"a\":1,\"a\":2}"[..], b"{\"o\":{\"x\":1,\"\\u0078\":2}}", b"\"\xff\"", b"{} {}", b"", b"{\"a\":}", b"nul"]
        {
            assert!(parse_ijson(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn depth_is_bounded_on_both_sides() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse_ijson(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
        assert!(parse_ijson(nested(JSON_DEPTH_MAX + 1).as_bytes()).is_err());
        assert!(parse_ijson("[".repeat(1_000_000).as_bytes()).is_err());
    }
}
