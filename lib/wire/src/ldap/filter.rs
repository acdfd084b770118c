// SPDX-License-Identifier: AGPL-3.0-or-later
//! The filter of a search (RFC 4511 §4.5.1.7).

use super::ber::{OCTETS, Reader, SEQUENCE};
use super::{FILTER_DEPTH_MAX, FILTER_TERMS_MAX, LdapError, Result};

/// A filter. Names of attributes compare without case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// `(&...)`; of none: true (RFC 4526).
    And(Vec<Filter>),
    /// `(|...)`; of none: false (RFC 4526).
    Or(Vec<Filter>),
    /// `(!...)`
    Not(Box<Filter>),
    /// `(uid=alice)`, and `~=`.
    Equal(String, String),
    /// `(mail=a*b*c)`: the beginning, what comes between, the end.
    Substrings(String, Option<String>, Vec<String>, Option<String>),
    /// `(mail=*)`
    Present(String),
    /// Order and extensible matches: no attribute here has them, so they are neither true nor false.
    Undefined,
}

impl Filter {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        read(reader, 0, &mut 0)
    }
}

fn read(reader: &mut Reader<'_>, depth: usize, terms: &mut usize) -> Result<Filter> {
    *terms += 1;
    if depth > FILTER_DEPTH_MAX || *terms > FILTER_TERMS_MAX {
        return Err(LdapError::TooMuch);
    }
    let (tag, content) = reader.element()?;
    let mut inner = Reader::new(content);
    let filter = match tag {
        0xa0 => Filter::And(several(&mut inner, depth, terms)?),
        0xa1 => Filter::Or(several(&mut inner, depth, terms)?),
        0xa2 => Filter::Not(Box::new(read(&mut inner, depth + 1, terms)?)),
        // equalityMatch, approxMatch
        0xa3 | 0xa8 => Filter::Equal(inner.text(OCTETS)?, inner.text(OCTETS)?),
        0xa4 => substrings(&mut inner)?,
        // greaterOrEqual, lessOrEqual, extensibleMatch
        0xa5 | 0xa6 | 0xa9 => return Ok(Filter::Undefined),
        0x87 => return Ok(Filter::Present(String::from_utf8_lossy(content).into_owned())),
        _ => return Err(LdapError::Syntax),
    };
    if inner.is_empty() { Ok(filter) } else { Err(LdapError::Syntax) }
}

fn several(reader: &mut Reader<'_>, depth: usize, terms: &mut usize) -> Result<Vec<Filter>> {
    let mut all = Vec::new();
    while !reader.is_empty() {
        all.push(read(reader, depth + 1, terms)?);
    }
    Ok(all)
}

fn substrings(reader: &mut Reader<'_>) -> Result<Filter> {
    let name = reader.text(OCTETS)?;
    let mut parts = Reader::new(reader.expect(SEQUENCE)?);
    let (mut first, mut between, mut last) = (None, Vec::new(), None);
    if parts.is_empty() {
        return Err(LdapError::Syntax);
    }
    while let Some(tag) = parts.peek() {
        let part = parts.text(tag)?;
        match tag {
            0x80 if first.is_none() && between.is_empty() && last.is_none() => first = Some(part),
            0x81 if last.is_none() && between.len() < FILTER_TERMS_MAX => between.push(part),
            0x82 if last.is_none() => last = Some(part),
            _ => return Err(LdapError::Syntax),
        }
    }
    Ok(Filter::Substrings(name, first, between, last))
}
