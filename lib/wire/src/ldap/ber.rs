// SPDX-License-Identifier: AGPL-3.0-or-later
//! The Basic Encoding Rules as RFC 4511 §5.1 narrows them: definite lengths, one octet of tag.

use super::{LdapError, Result};

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// Octets of a length: what we take fits three.
const LENGTH_OCTETS_MAX: usize = 4;

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(super) const fn new(octets: &'b [u8]) -> Self {
        Self(octets)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element: its tag and what is in it.
    pub(super) fn element(&mut self) -> Result<(u8, &'b [u8])> {
        let (head, length) = header(self.0)?.ok_or(LdapError::Syntax)?;
        let tag = self.peek().ok_or(LdapError::Syntax)?;
        let rest = self.0.get(head..).ok_or(LdapError::Syntax)?;
        let (content, rest) = rest.split_at_checked(length).ok_or(LdapError::Syntax)?;
        self.0 = rest;
        Ok((tag, content))
    }

    /// The next element, which has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'b [u8]> {
        match self.element()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(LdapError::Syntax),
        }
    }

    pub(super) fn text(&mut self, tag: u8) -> Result<String> {
        Ok(String::from_utf8_lossy(self.expect(tag)?).into_owned())
    }

    pub(super) fn number(&mut self, tag: u8) -> Result<i32> {
        let content = self.expect(tag)?;
        let first = *content.first().ok_or(LdapError::Syntax)?;
        if content.len() > 4 {
            return Err(LdapError::Syntax);
        }
        let sign = if first & 0x80 == 0 { 0 } else { -1 };
        Ok(content.iter().fold(sign, |number, octet| number << 8 | i32::from(*octet)))
    }

    pub(super) fn boolean(&mut self) -> Result<bool> {
        match self.expect(BOOLEAN)? {
            [octet] => Ok(*octet != 0),
            _ => Err(LdapError::Syntax),
        }
    }
}

/// Octets of tag and length, and the length; `None` when more octets are needed to tell.
pub(super) fn header(octets: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(first) = octets.get(1) else { return Ok(None) };
    if first & 0x80 == 0 {
        return Ok(Some((2, usize::from(*first))));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > LENGTH_OCTETS_MAX {
        return Err(LdapError::Syntax);
    }
    let Some(length) = octets.get(2..2 + count) else { return Ok(None) };
    Ok(Some((2 + count, length.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)))))
}

/// Writes elements.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn octets(&mut self, tag: u8, content: &[u8]) {
        self.0.push(tag);
        let length = content.len();
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => self.0.push(short),
            _ => {
                let octets = length.to_be_bytes();
                let octets: Vec<u8> = octets.into_iter().skip_while(|octet| *octet == 0).collect();
                self.0.push(0x80 | octets.len() as u8);
                self.0.extend(octets);
            }
        }
        self.0.extend_from_slice(content);
    }

    pub(super) fn number(&mut self, tag: u8, number: i32) {
        let octets = number.to_be_bytes();
        let needless = |at: usize| {
            let next = octets.get(at + 1).is_some_and(|next| next & 0x80 != 0);
            (octets.get(at) == Some(&0) && !next) || (octets.get(at) == Some(&0xff) && next)
        };
        let skip = (0..3).take_while(|at| needless(*at)).count();
        self.octets(tag, octets.get(skip..).unwrap_or_default());
    }

    pub(super) fn within(&mut self, tag: u8, content: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        content(&mut inner);
        self.octets(tag, &inner.0);
    }

    pub(super) fn into_octets(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths() {
        for (octets, expected) in [
            (&[0x30][..], Ok(None)),
            (&[0x30, 0x05], Ok(Some((2, 5)))),
            (&[0x30, 0x81, 0x80], Ok(Some((3, 128)))),
            (&[0x30, 0x84, 0, 0, 1, 0], Ok(Some((6, 256)))),
            (&[0x30, 0x84, 0, 0], Ok(None)),
            (&[0x30, 0x80], Err(LdapError::Syntax)),
            (&[0x30, 0x85, 0, 0, 0, 0, 1], Err(LdapError::Syntax)),
        ] {
            assert_eq!(header(octets), expected, "{octets:x?}");
        }
        assert_eq!(Reader::new(&[0x04, 0x05, 1]).element(), Err(LdapError::Syntax));
        for (count, is_read) in [(LENGTH_OCTETS_MAX, true), (LENGTH_OCTETS_MAX + 1, false)] {
            let octets = [vec![0x30, 0x80 | u8::try_from(count).unwrap()], vec![0; count]].concat();
            assert_eq!(header(&octets).is_ok(), is_read, "{count}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number in any::<i32>(), content in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let mut writer = Writer::default();
            writer.within(SEQUENCE, |inner| {
                inner.number(INTEGER, number);
                inner.octets(OCTETS, &content);
            });
            let octets = writer.into_octets();
            let mut outer = Reader::new(&octets);
            let mut inner = Reader::new(outer.expect(SEQUENCE).unwrap());
            prop_assert_eq!(inner.number(INTEGER), Ok(number));
            prop_assert_eq!(inner.expect(OCTETS), Ok(&content[..]));
            prop_assert!(inner.is_empty() && outer.is_empty());
        }
    }
}
