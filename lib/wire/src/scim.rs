// SPDX-License-Identifier: AGPL-3.0-or-later
//! SCIM's filters and the paths of its patches: text in, values out (RFC 7644 §3.4.2.2, §3.5.2).
//!
//! Comes in: what stands in a query or a body. Leaves: a [`Filter`] or a [`Path`], bounded in octets, depth and terms, so
//! that whoever walks it needs no bound of their own.

use thiserror::Error;

/// Octets of a filter or a path.
pub const FILTER_BYTES_MAX: usize = 1024;
/// Brackets within brackets.
pub const FILTER_DEPTH_MAX: usize = 8;
/// Comparisons of one filter.
pub const FILTER_TERMS_MAX: usize = 32;

/// An attribute, without the schema that it may be written with; names compare without case (RFC 7643 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// `emails`
    pub name: String,
    /// `value`, of `emails.value`.
    pub sub: Option<String>,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
    /// `co`
    Contains,
    /// `sw`
    StartsWith,
    /// `ew`
    EndsWith,
    /// `gt`
    Greater,
    /// `ge`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `le`
    LessOrEqual,
}

/// What it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
    /// `null`: the attribute is not there.
    Null,
}

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Every one of them.
    And(Vec<Filter>),
    /// One of them.
    Or(Vec<Filter>),
    /// Not that.
    Not(Box<Filter>),
    /// `pr`: it is there, and not empty.
    Present(Attribute),
    /// A comparison.
    Compare(Attribute, Operator, Value),
    /// `emails[type eq "work"]`: one value of many.
    Within(String, Box<Filter>),
}

/// What an operation of a patch is about (§3.5.2, PATH).
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// `members`
    pub name: String,
    /// Which of its values.
    pub filter: Option<Filter>,
    /// `display`, of `members[value eq "1"].display`.
    pub sub: Option<String>,
}

/// Why a text is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ScimError {
    /// It does not follow the grammar.
    #[error("the filter or path does not follow the grammar")]
    Syntax,
    /// One of the bounds.
    #[error("the filter or path is too long or too deep")]
    TooMuch,
}

/// FILTER of §3.4.2.2.
pub fn parse_filter(text: &str) -> Result<Filter, ScimError> {
    let mut cursor = Cursor::new(text)?;
    let filter = cursor.or(0)?;
    cursor.end().map(|()| filter)
}

/// PATH of §3.5.2.
pub fn parse_path(text: &str) -> Result<Path, ScimError> {
    let mut cursor = Cursor::new(text)?;
    let attribute = cursor.attribute()?;
    let mut path = Path { name: attribute.name, filter: None, sub: attribute.sub };
    if path.sub.is_none() && cursor.eats('[') {
        path.filter = Some(cursor.or(1)?);
        cursor.wants(']')?;
        if cursor.eats('.') {
            path.sub = Some(cursor.attribute()?.name);
        }
    }
    cursor.end().map(|()| path)
}

/// The attributes of a list, as `attributes` and `excludedAttributes` have them (§3.9).
pub fn parse_attributes(text: &str) -> Result<Vec<Attribute>, ScimError> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(ScimError::TooMuch);
    }
    text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(attribute_of).collect()
}

/// `urn:ietf:params:scim:schemas:core:2.0:User:name.formatted` without its schema.
fn attribute_of(word: &str) -> Result<Attribute, ScimError> {
    let is_urn = word.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
    let bare = if is_urn { word.rsplit_once(':').map_or("", |(_, bare)| bare) } else { word };
    let (name, sub) = bare.split_once('.').map_or((bare, None), |(name, sub)| (name, Some(sub)));
    // RFC 7643 §2.1: ALPHA *(nameChar); `$ref` is written with a dollar.
    let sound = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_$".contains(&b))
    };
    if !sound(name) || sub.is_some_and(|sub| !sound(sub)) {
        return Err(ScimError::Syntax);
    }
    Ok(Attribute { name: name.to_string(), sub: sub.map(str::to_string) })
}

struct Cursor<'t> {
    rest: &'t str,
    terms: usize,
}

impl<'t> Cursor<'t> {
    fn new(text: &'t str) -> Result<Self, ScimError> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(ScimError::TooMuch);
        }
        Ok(Self { rest: text.trim_matches(' '), terms: 0 })
    }

    fn end(&self) -> Result<(), ScimError> {
        if self.rest.is_empty() { Ok(()) } else { Err(ScimError::Syntax) }
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    /// SP: one at least.
    fn space(&mut self) -> Result<(), ScimError> {
        let before = self.rest.len();
        self.blanks();
        if self.rest.len() < before { Ok(()) } else { Err(ScimError::Syntax) }
    }

    fn eats(&mut self, mark: char) -> bool {
        let rest = self.rest.strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn wants(&mut self, mark: char) -> Result<(), ScimError> {
        self.blanks();
        if self.eats(mark) { Ok(()) } else { Err(ScimError::Syntax) }
    }

    /// A word, and what may not follow it directly: `order` does not begin with `or`.
    fn eats_word(&mut self, word: &str) -> bool {
        let (Some(start), Some(rest)) = (self.rest.get(..word.len()), self.rest.get(word.len()..)) else {
            return false;
        };
        let found = start.eq_ignore_ascii_case(word) && rest.starts_with([' ', '(', ')', ']']);
        if found {
            self.rest = rest;
        }
        found
    }

    fn or(&mut self, depth: usize) -> Result<Filter, ScimError> {
        self.joined("or", depth, Self::and).map(|mut all| if all.len() == 1 { all.remove(0) } else { Filter::Or(all) })
    }

    fn and(&mut self, depth: usize) -> Result<Filter, ScimError> {
        self.joined("and", depth, Self::term).map(|mut all| if all.len() == 1 { all.remove(0) } else { Filter::And(all) })
    }

    fn joined(
        &mut self,
        word: &str,
        depth: usize,
        one: fn(&mut Self, usize) -> Result<Filter, ScimError>,
    ) -> Result<Vec<Filter>, ScimError> {
        let mut all = vec![one(self, depth)?];
        loop {
            self.blanks();
            if !self.eats_word(word) {
                return Ok(all);
            }
            all.push(one(self, depth)?);
        }
    }

    fn term(&mut self, depth: usize) -> Result<Filter, ScimError> {
        self.terms += 1;
        if depth > FILTER_DEPTH_MAX || self.terms > FILTER_TERMS_MAX {
            return Err(ScimError::TooMuch);
        }
        self.blanks();
        let not = self.eats_word("not");
        self.blanks();
        if self.eats('(') {
            let inner = self.or(depth + 1)?;
            self.wants(')')?;
            return Ok(if not { Filter::Not(Box::new(inner)) } else { inner });
        }
        if not { Err(ScimError::Syntax) } else { self.comparison(depth) }
    }

    fn comparison(&mut self, depth: usize) -> Result<Filter, ScimError> {
        let attribute = self.attribute()?;
        if attribute.sub.is_none() && self.eats('[') {
            let inner = self.or(depth + 1)?;
            self.wants(']')?;
            return Ok(Filter::Within(attribute.name, Box::new(inner)));
        }
        self.space()?;
        let end = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let operator = match word.to_ascii_lowercase().as_str() {
            "pr" => return Ok(Filter::Present(attribute)),
            "eq" => Operator::Equal,
            "ne" => Operator::NotEqual,
            "co" => Operator::Contains,
            "sw" => Operator::StartsWith,
            "ew" => Operator::EndsWith,
            "gt" => Operator::Greater,
            "ge" => Operator::GreaterOrEqual,
            "lt" => Operator::Less,
            "le" => Operator::LessOrEqual,
            _ => return Err(ScimError::Syntax),
        };
        self.space()?;
        Ok(Filter::Compare(attribute, operator, self.value()?))
    }

    fn attribute(&mut self) -> Result<Attribute, ScimError> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_$.:".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        attribute_of(word)
    }

    /// compValue: a JSON value (RFC 8259) that is neither an array nor an object.
    fn value(&mut self) -> Result<Value, ScimError> {
        if self.eats('"') {
            return self.string().map(Value::Text);
        }
        let end = self.rest.find([' ', ')', ']']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Null),
            // Of what a float is read from, JSON has neither `-inf` nor `-nan`, nor what is too large for one.
            number if number.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                let sound = number.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
                let read = number.parse().ok().filter(|read: &f64| sound && read.is_finite());
                read.map(Value::Number).ok_or(ScimError::Syntax)
            }
            _ => Err(ScimError::Syntax),
        }
    }

    /// What follows the first quotation mark (RFC 8259 §7).
    fn string(&mut self) -> Result<String, ScimError> {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next().ok_or(ScimError::Syntax)? {
                '"' => break,
                '\\' => text.push(match chars.next() {
                    Some(c @ ('"' | '\\' | '/')) => c,
                    Some('b') => '\u{8}',
                    Some('f') => '\u{c}',
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some('u') => escaped(&mut chars).ok_or(ScimError::Syntax)?,
                    _ => return Err(ScimError::Syntax),
                }),
                c if c < ' ' => return Err(ScimError::Syntax),
                c => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }
}

/// Four hexadecimal digits, or two times four that are one character.
fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    fn unit(chars: &mut std::str::Chars<'_>) -> Option<u32> {
        (0..4).try_fold(0, |unit, _| Some(unit << 4 | chars.next()?.to_digit(16)?))
    }
    let first = unit(chars)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    let second = if chars.next()? == '\\' && chars.next()? == 'u' { unit(chars)? } else { return None };
    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attribute(name: &str) -> Attribute {
        attribute_of(name).unwrap()
    }

    fn equal(name: &str, value: &str) -> Filter {
        Filter::Compare(attribute(name), Operator::Equal, Value::Text(value.into()))
    }

    #[test]
    fn filters_of_the_rfc() {
        // RFC 7644 §3.4.2.2.
        for (text, expected) in [
            ("userName eq \"bjensen\"", equal("userName", "bjensen")),
            ("urn:ietf:params:scim:schemas:core:2.0:User:userName Eq \"J\"", equal("userName", "J")),
            (
                "name.familyName co \"O'Malley\"",
                Filter::Compare(attribute("name.familyName"), Operator::Contains, Value::Text("O'Malley".into())),
            ),
            ("title pr", Filter::Present(attribute("title"))),
            (
                "title pr and userType eq \"Employee\"",
                Filter::And(vec![Filter::Present(attribute("title")), equal("userType", "Employee")]),
            ),
            (
                "a pr or b pr and c pr",
                Filter::Or(vec![
                    Filter::Present(attribute("a")),
                    Filter::And(vec![Filter::Present(attribute("b")), Filter::Present(attribute("c"))]),
                ]),
            ),
            ("not (a pr)", Filter::Not(Box::new(Filter::Present(attribute("a"))))),
            ("emails[type eq \"work\"]", Filter::Within("emails".into(), Box::new(equal("type", "work")))),
            ("active eq true", Filter::Compare(attribute("active"), Operator::Equal, Value::Bool(true))),
            ("a gt -1.5", Filter::Compare(attribute("a"), Operator::Greater, Value::Number(-1.5))),
            ("a eq null", Filter::Compare(attribute("a"), Operator::Equal, Value::Null)),
            (r#"a eq "\"\\\u00e9\ud83d\ude00""#, equal("a", "\"\\\u{e9}\u{1f600}")),
        ] {
            assert_eq!(parse_filter(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "a",
            "a eq",
            "a eq x",
            "a xx \"b\"",
            "a eq \"b",
            "(a pr",
            "a pr)",
            "not a pr",
            "a[b pr",
            "a.b[c pr]",
            "a pr and",
            "1a pr",
            "a..b pr",
            "a.b.c pr",
            "a eq [1]",
            "a eq -inf",
            "a eq -nan",
            "a eq 1e999",
            r#"a eq "\ud83d""#,
            r#"a eq "\x""#,
            "a eq \"\n\"",
            "urn: pr",
            "a eq \"b\"c pr",
        ] {
            assert_eq!(parse_filter(text), Err(ScimError::Syntax), "{text}");
        }
    }

    #[test]
    fn paths() {
        let path = |name: &str, filter, sub: Option<&str>| Path { name: name.into(), filter, sub: sub.map(str::to_string) };
        assert_eq!(parse_path("members"), Ok(path("members", None, None)));
        assert_eq!(parse_path("name.formatted"), Ok(path("name", None, Some("formatted"))));
        assert_eq!(parse_path("members[value eq \"2\"]"), Ok(path("members", Some(equal("value", "2")), None)));
        assert_eq!(parse_path("members[value eq \"2\"].display"), Ok(path("members", Some(equal("value", "2")), Some("display"))));
        for bad in ["", "a[", "a[b pr].", "a[b pr]x", "a b", "a.b[c pr]"] {
            assert!(parse_path(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_attributes("userName, name.formatted,"), Ok(vec![attribute("userName"), attribute("name.formatted")]));
    }

    #[test]
    fn bounds() {
        let deep = |depth: usize| format!("{}a pr{}", "(".repeat(depth), ")".repeat(depth));
        assert!(parse_filter(&deep(FILTER_DEPTH_MAX)).is_ok());
        assert_eq!(parse_filter(&deep(FILTER_DEPTH_MAX + 1)), Err(ScimError::TooMuch));
        assert_eq!(parse_filter(&deep(FILTER_BYTES_MAX / 2)), Err(ScimError::TooMuch));
        let wide = |terms: usize| vec!["a pr"; terms].join(" or ");
        assert!(parse_filter(&wide(FILTER_TERMS_MAX)).is_ok());
        assert_eq!(parse_filter(&wide(FILTER_TERMS_MAX + 1)), Err(ScimError::TooMuch));
        let long = |bytes: usize| format!("a eq \"{}\"", "x".repeat(bytes - 7));
        assert!(parse_filter(&long(FILTER_BYTES_MAX)).is_ok());
        assert_eq!(parse_filter(&long(FILTER_BYTES_MAX + 1)), Err(ScimError::TooMuch));
        assert_eq!(parse_attributes(&"a,".repeat(FILTER_BYTES_MAX)), Err(ScimError::TooMuch));
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "[a-z\" ()\\[\\]\\\\.:$u0-9]{0,60}|.{0,60}") {
            let _ = (parse_filter(&text), parse_path(&text), parse_attributes(&text));
        }
    }
}
