// SPDX-License-Identifier: AGPL-3.0-or-later
//! The small rules of the grammar: atoms, strings, numbers, lists (RFC 9051 §4, §9).

use super::limits::TAG_BYTES_MAX;

/// What was wrong with a command, in words for the BAD response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Bad(pub &'static str);

/// The result of one rule.
pub type Parsed<T> = Result<T, Bad>;

/// A position in the text of one command, literals included.
#[derive(Clone)]
pub struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

/// RFC 9051 §9: CTL, SP and the specials that end an atom.
pub(crate) fn is_atom_char(byte: u8) -> bool {
    byte > 0x20 && byte < 0x7f && !b"(){%*\"\\]".contains(&byte)
}

/// RFC 9051 §9: ASTRING-CHAR is ATOM-CHAR or `]`.
pub(crate) fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

impl<'a> Cursor<'a> {
    /// At the start of a command's text.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The text that is left.
    pub fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte, without taking it.
    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Takes `byte` if it is next.
    pub fn eat(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        if next {
            self.at += 1;
        }
        next
    }

    /// Takes `byte` or fails.
    pub fn expect(&mut self, byte: u8, what: &'static str) -> Parsed<()> {
        if self.eat(byte) { Ok(()) } else { Err(Bad(what)) }
    }

    /// SP. More than one is let pass (quirk: several mobile clients double it).
    pub fn space(&mut self) -> Parsed<()> {
        self.expect(b' ', "a space is missing")?;
        while self.eat(b' ') {}
        Ok(())
    }

    /// The end of the command: CRLF, after spaces that some clients leave there.
    pub fn end(&mut self) -> Parsed<()> {
        while self.eat(b' ') {}
        match self.rest() {
            [] | b"\r\n" | b"\n" => Ok(()),
            _ => Err(Bad("there is more text than the command takes")),
        }
    }

    /// Is there nothing but the line's end?
    pub fn is_at_end(&self) -> bool {
        self.clone().end().is_ok()
    }

    /// The bytes for which `admits` holds; at least one.
    pub fn take_while(&mut self, admits: impl Fn(u8) -> bool, what: &'static str) -> Parsed<&'a [u8]> {
        let rest = self.rest();
        let length = rest.iter().position(|&byte| !admits(byte)).unwrap_or(rest.len());
        if length == 0 {
            return Err(Bad(what));
        }
        self.at += length;
        Ok(rest.get(..length).unwrap_or_default())
    }

    /// Takes a word, letter case aside, if it is next and no atom character follows.
    pub fn word(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let found = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
            && rest.get(word.len()).is_none_or(|&next| !is_atom_char(next));
        if found {
            self.at += word.len();
        }
        found
    }

    /// Takes bytes, letter case aside, whatever follows them.
    pub fn prefix(&mut self, prefix: &str) -> bool {
        let found = self.rest().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()));
        if found {
            self.at += prefix.len();
        }
        found
    }

    /// tag = 1*<any ASTRING-CHAR except "+">
    pub fn tag(&mut self) -> Parsed<String> {
        let tag = self.take_while(|byte| is_astring_char(byte) && byte != b'+', "the tag is missing")?;
        if tag.len() > TAG_BYTES_MAX {
            return Err(Bad("the tag is too long"));
        }
        Ok(ascii(tag))
    }

    /// atom, in upper case: a keyword of the protocol.
    pub fn keyword(&mut self) -> Parsed<String> {
        Ok(self.atom()?.to_ascii_uppercase())
    }

    /// atom
    pub fn atom(&mut self) -> Parsed<String> {
        self.take_while(is_atom_char, "an atom is missing").map(ascii)
    }

    /// astring = 1*ASTRING-CHAR / string
    pub fn astring(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => Ok(self.take_while(is_astring_char, "a string is missing")?.to_vec()),
        }
    }

    /// astring that has to be UTF-8.
    pub fn astring_utf8(&mut self) -> Parsed<String> {
        utf8(self.astring()?)
    }

    /// string = quoted / literal
    pub fn string(&mut self) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal(),
            _ => Err(Bad("a quoted string or a literal is missing")),
        }
    }

    /// nstring = string / nil
    pub fn nstring(&mut self) -> Parsed<Option<Vec<u8>>> {
        if self.word("NIL") { Ok(None) } else { self.string().map(Some) }
    }

    fn quoted(&mut self) -> Parsed<Vec<u8>> {
        self.expect(b'"', "a quotation mark is missing")?;
        let mut value = Vec::new();
        loop {
            match self.next() {
                Some(b'"') => return Ok(value),
                Some(b'\\') => match self.next() {
                    Some(byte @ (b'"' | b'\\')) => value.push(byte),
                    _ => return Err(Bad("only a quotation mark or a backslash may follow a backslash")),
                },
                None | Some(b'\r' | b'\n' | 0) => return Err(Bad("a quoted string does not end on its line")),
                Some(byte) => value.push(byte),
            }
        }
    }

    fn literal(&mut self) -> Parsed<Vec<u8>> {
        self.expect(b'{', "a literal is missing")?;
        let size = usize::try_from(self.number64()?).map_err(|_| Bad("a literal is too large"))?;
        self.eat(b'+');
        self.expect(b'}', "a literal's size does not end")?;
        self.eat(b'\r');
        self.expect(b'\n', "a literal's size must end its line")?;
        let value = self.rest().get(..size).ok_or(Bad("a literal is cut short"))?;
        // RFC 9051 §9: CHAR8 is any octet except NUL.
        if value.contains(&0) {
            return Err(Bad("a literal may not hold NUL"));
        }
        self.at += size;
        Ok(value.to_vec())
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// number = 1*DIGIT, below 2^32.
    pub fn number(&mut self) -> Parsed<u32> {
        u32::try_from(self.number64()?).map_err(|_| Bad("a number is too large"))
    }

    /// nz-number
    pub fn nz_number(&mut self) -> Parsed<u32> {
        match self.number()? {
            0 => Err(Bad("a number may not be zero")),
            number => Ok(number),
        }
    }

    /// number64 = 1*DIGIT, below 2^63.
    pub fn number64(&mut self) -> Parsed<u64> {
        let digits = self.take_while(|byte| byte.is_ascii_digit(), "a number is missing")?;
        ascii(digits).parse::<i64>().map(i64::unsigned_abs).map_err(|_| Bad("a number is too large"))
    }

    /// `(` item *(SP item) `)`, at most `count_max` of them; an empty list only when `may_be_empty`.
    pub fn list<T>(
        &mut self,
        count_max: usize,
        may_be_empty: bool,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.expect(b'(', "an opening parenthesis is missing")?;
        let mut items = Vec::new();
        while self.eat(b' ') {}
        if may_be_empty && self.eat(b')') {
            return Ok(items);
        }
        loop {
            if items.len() >= count_max {
                return Err(Bad("a list is too long"));
            }
            items.push(item(self)?);
            if self.eat(b')') {
                return Ok(items);
            }
            self.space()?;
            if self.eat(b')') {
                return Ok(items);
            }
        }
    }
}

/// The text of bytes that a rule has already found to be ASCII.
fn ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// The text of a string that has to be UTF-8.
pub(crate) fn utf8(bytes: Vec<u8>) -> Parsed<String> {
    String::from_utf8(bytes).map_err(|_| Bad("a string is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings() {
        for (text, value) in [
            (&b"abc]d "[..], &b"abc]d"[..]),
            (b"\"a \\\"b\\\\\"", b"a \"b\\"),
            (b"\"\"", b""),
            (b"{3}\r\na\r\n", b"a\r\n"),
            (b"{3+}\r\na b", b"a b"),
        ] {
            assert_eq!(Cursor::new(text).astring().as_deref(), Ok(value));
        }
        for text in [&b""[..], b" x", b"\"a", b"\"a\\n\"", b"\"a\r\n\"", b"{3}\r\nab", b"{3}abc", b"{-1}\r\n", b"{2}\r\na\0"] {
            assert!(Cursor::new(text).astring().is_err(), "{text:?}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(Cursor::new(b"4294967295").number(), Ok(u32::MAX));
        assert!(Cursor::new(b"4294967296").number().is_err());
        assert!(Cursor::new(b"0").nz_number().is_err());
        assert_eq!(Cursor::new(b"9223372036854775807").number64(), Ok(i64::MAX.unsigned_abs()));
        assert!(Cursor::new(b"9223372036854775808").number64().is_err());
    }

    #[test]
    fn a_tag_has_a_bound() {
        let fits = "t".repeat(TAG_BYTES_MAX);
        assert_eq!(Cursor::new(format!("{fits} NOOP").as_bytes()).tag(), Ok(fits.clone()));
        assert!(Cursor::new(format!("{fits}t NOOP").as_bytes()).tag().is_err());
        assert!(Cursor::new(b"+ NOOP").tag().is_err());
    }

    #[test]
    fn lists() {
        let numbers = |text: &[u8], empty| Cursor::new(text).list(3, empty, |c| c.number());
        assert_eq!(numbers(b"(1 2 3)", false), Ok(vec![1, 2, 3]));
        assert_eq!(numbers(b"()", true), Ok(vec![]));
        assert!(numbers(b"()", false).is_err());
        assert!(numbers(b"(1 2 3 4)", false).is_err());
        assert!(numbers(b"(1 2", false).is_err());
    }
}
