// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: what another server says, as values (RFC 9051 §9, response).

use std::str;

/// How deep lists nest; a BODYSTRUCTURE is never asked for.
const DEPTH_MAX: usize = 20;

/// One value of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An atom, as written; `NIL` too.
    Atom(String),
    /// A string, quoted or literal.
    Text(Vec<u8>),
    /// A list.
    List(Vec<Value>),
}

impl Value {
    /// Is it this atom?
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Self::Atom(atom) if atom.eq_ignore_ascii_case(word))
    }

    /// The octets of an atom or a string.
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Atom(atom) => atom.as_bytes(),
            Self::Text(octets) => octets,
            Self::List(_) => &[],
        }
    }

    /// The same as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.octets()).into_owned()
    }

    /// A number.
    pub fn number(&self) -> Option<u64> {
        str::from_utf8(self.octets()).ok()?.parse().ok()
    }

    /// What is in a list.
    pub fn list(&self) -> &[Value] {
        match self {
            Self::List(values) => values,
            _ => &[],
        }
    }
}

/// The value behind a name in `name value name value ..`.
pub fn find<'a>(values: &'a [Value], name: &str) -> Option<&'a Value> {
    values.chunks(2).find_map(|pair| match pair {
        [key, value] if key.is(name) => Some(value),
        _ => None,
    })
}

/// Octets of the literal that a line announces at its end.
pub fn announced(line: &[u8]) -> Option<u64> {
    let line = line.trim_ascii_end().strip_suffix(b"}")?;
    let open = line.iter().rposition(|octet| *octet == b'{')?;
    str::from_utf8(line.get(open + 1..)?).ok()?.parse().ok()
}

/// A whole response, its literals in their places.
pub fn parse(text: &[u8]) -> Option<Vec<Value>> {
    let mut rest = text;
    let values = parse_values(&mut rest, 0)?;
    rest.trim_ascii().is_empty().then_some(values)
}

fn parse_values(rest: &mut &[u8], depth: usize) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    loop {
        *rest = rest.trim_ascii_start();
        match rest.first() {
            None => return Some(values),
            Some(b')') => return Some(values),
            Some(b'(') if depth < DEPTH_MAX => {
                *rest = rest.get(1..)?;
                let inner = parse_values(rest, depth + 1)?;
                *rest = rest.strip_prefix(b")")?;
                values.push(Value::List(inner));
            }
            Some(b'(') => return None,
            Some(b'"') => values.push(Value::Text(parse_quoted(rest)?)),
            Some(b'{') => {
                let end = rest.iter().position(|octet| *octet == b'\n')? + 1;
                let length = usize::try_from(announced(rest.get(..end)?)?).ok()?;
                values.push(Value::Text(rest.get(end..end.checked_add(length)?)?.to_vec()));
                *rest = rest.get(end + length..)?;
            }
            Some(_) => values.push(Value::Atom(parse_atom(rest)?)),
        }
    }
}

fn parse_quoted(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let mut at = 1;
    loop {
        match rest.get(at)? {
            b'"' => break,
            b'\\' => {
                octets.push(*rest.get(at + 1)?);
                at += 2;
            }
            octet => {
                octets.push(*octet);
                at += 1;
            }
        }
    }
    *rest = rest.get(at + 1..)?;
    Some(octets)
}

/// An atom; what stands in brackets belongs to it: `BODY[HEADER.FIELDS (TO)]`.
fn parse_atom(rest: &mut &[u8]) -> Option<String> {
    let mut brackets = 0_u32;
    let ends = |octet: &u8| {
        match octet {
            b'[' => brackets += 1,
            b']' => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        octet.is_ascii_control() || (brackets == 0 && matches!(octet, b' ' | b'(' | b')'))
    };
    let end = rest.iter().position(ends).unwrap_or(rest.len());
    let (atom, after) = rest.split_at(end);
    *rest = after;
    (!atom.is_empty()).then(|| String::from_utf8_lossy(atom).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses() {
        let values = parse(b"LIST (\\HasNoChildren \\Sent) \"/\" \"a \\\"b\\\"\"\r\n").expect("a LIST");
        assert!(values[0].is("list") && values[1].list()[1].is("\\Sent"));
        assert_eq!(values[3].text(), "a \"b\"");
        let values = parse(b"7 FETCH (UID 9 FLAGS (\\Seen $x) BODY[HEADER.FIELDS (TO)] {5}\r\na)\r\n\" INTERNALDATE \"x\")\r\n")
            .expect("a FETCH");
        assert_eq!(values[0].number(), Some(7));
        let items = values[2].list();
        assert_eq!(find(items, "UID").and_then(Value::number), Some(9));
        assert_eq!(find(items, "body[header.fields (to)]").map(Value::octets), Some(&b"a)\r\n\""[..]));
        assert_eq!(find(items, "INTERNALDATE").map(Value::text).as_deref(), Some("x"));
    }

    #[test]
    fn what_is_none() {
        for text in ["(", ")", "\"x", "{9}\r\nx", "{x}\r\n", "a {1"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        let nested = |depth| [vec![b'('; depth], vec![b')'; depth]].concat();
        assert!(parse(&nested(DEPTH_MAX)).is_some() && parse(&nested(DEPTH_MAX + 1)).is_none());
        assert_eq!(announced(b"x {12}\r\n"), Some(12));
        assert_eq!(announced(b"x {}\r\n"), None);
    }
}
