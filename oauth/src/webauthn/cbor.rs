// SPDX-License-Identifier: AGPL-3.0-or-later
//! As much of CBOR (RFC 8949) as devices send: definite lengths, no tags, no floats.

/// A value may hold others so deep.
const DEPTH_MAX: usize = 6;
/// Items of one array or map.
const ITEMS_MAX: u64 = 64;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Major types 0 and 1, as far as they fit.
    Integer(i64),
    /// Major type 2.
    Bytes(Vec<u8>),
    /// Major type 3.
    Text(String),
    /// Major type 4.
    Array(Vec<Value>),
    /// Major type 5.
    Map(Vec<(Value, Value)>),
    /// `false` and `true`.
    Bool(bool),
    /// `null`.
    Null,
}

impl Value {
    /// The member of a map by a number; COSE names its members so.
    pub fn by_number(&self, number: i64) -> Option<&Self> {
        self.find(&Self::Integer(number))
    }

    /// The member of a map by a name.
    pub fn by_name(&self, name: &str) -> Option<&Self> {
        self.find(&Self::Text(name.to_string()))
    }

    fn find(&self, key: &Self) -> Option<&Self> {
        match self {
            Self::Map(members) => members.iter().find(|(known, _)| known == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The number.
    pub fn integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    /// The octets.
    pub fn bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(octets) = self { Some(octets) } else { None }
    }
}

/// Reads one value; what comes after it.
pub fn read(octets: &[u8]) -> Option<(Value, &[u8])> {
    read_at(octets, 0)
}

fn read_at(octets: &[u8], depth: usize) -> Option<(Value, &[u8])> {
    if depth > DEPTH_MAX {
        return None;
    }
    let (first, rest) = octets.split_first()?;
    let (major, minor) = (first >> 5, first & 0x1f);
    if major == 7 {
        return match minor {
            20 => Some((Value::Bool(false), rest)),
            21 => Some((Value::Bool(true), rest)),
            22 => Some((Value::Null, rest)),
            _ => None,
        };
    }
    let (number, rest) = read_number(minor, rest)?;
    match major {
        0 => Some((Value::Integer(i64::try_from(number).ok()?), rest)),
        1 => Some((Value::Integer(-1 - i64::try_from(number).ok()?), rest)),
        2 => cut(rest, number).map(|(octets, rest)| (Value::Bytes(octets.to_vec()), rest)),
        3 => {
            let (octets, rest) = cut(rest, number)?;
            Some((Value::Text(std::str::from_utf8(octets).ok()?.to_string()), rest))
        }
        4 if number <= ITEMS_MAX => {
            let (mut items, mut rest) = (Vec::new(), rest);
            for _ in 0..number {
                let (item, after) = read_at(rest, depth + 1)?;
                items.push(item);
                rest = after;
            }
            Some((Value::Array(items), rest))
        }
        5 if number <= ITEMS_MAX => {
            let (mut members, mut rest): (Vec<(Value, Value)>, _) = (Vec::new(), rest);
            for _ in 0..number {
                let (key, after) = read_at(rest, depth + 1)?;
                let (value, after) = read_at(after, depth + 1)?;
                // RFC 8949 §5.6: a key that comes twice makes a map invalid.
                if members.iter().any(|(known, _)| *known == key) {
                    return None;
                }
                members.push((key, value));
                rest = after;
            }
            Some((Value::Map(members), rest))
        }
        _ => None,
    }
}

fn read_number(minor: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    let width = match minor {
        0..=23 => return Some((u64::from(minor), rest)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (octets, rest) = rest.split_at_checked(width)?;
    Some((octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)), rest))
}

fn cut(octets: &[u8], length: u64) -> Option<(&[u8], &[u8])> {
    octets.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(octets: &[u8]) -> Option<Value> {
        read(octets).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
    }

    #[test]
    fn the_examples_of_the_standard() {
        // RFC 8949, appendix A.
        for (octets, number) in [(&b"\x00"[..], 0), (b"\x17", 23), (b"\x18\x18", 24), (b"\x19\x03\xe8", 1000), (b"\x38\x63", -100)]
        {
            assert_eq!(value(octets), Some(Value::Integer(number)));
        }
        assert_eq!(value(b"\x44\x01\x02\x03\x04"), Some(Value::Bytes(vec![1, 2, 3, 4])));
        assert_eq!(value(b"\x62\xc3\xbc"), Some(Value::Text("\u{fc}".into())));
        let map = value(b"\xa2\x61a\x01\x61b\x82\x02\x03").unwrap();
        assert_eq!(map.by_name("a").and_then(Value::integer), Some(1));
        assert_eq!(map.by_name("b"), Some(&Value::Array(vec![Value::Integer(2), Value::Integer(3)])));
        assert_eq!((value(b"\xf5"), value(b"\xf6")), (Some(Value::Bool(true)), Some(Value::Null)));
    }

    #[test]
    fn what_is_no_value_of_ours() {
        let deep = [vec![0x81; 1000], vec![0]].concat();
        for octets in [
            &b""[..],
            b"\x18",
            b"\x44\x01",
            b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x61\xff",
            b"\xa2\x01\x01\x01\x02",
            b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xc0\x00",
            b"\xf9\x00\x00",
            b"\x5f\xff",
            &deep,
        ] {
            assert_eq!(value(octets), None, "{octets:?}");
        }
    }
}
