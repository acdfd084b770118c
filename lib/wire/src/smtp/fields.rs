// SPDX-License-Identifier: AGPL-3.0-or-later
//! A message's header as raw fields (RFC 5322 §2.2), for those who add, drop or count them. Nothing
//! is decoded here; what a field means is for `wire::message`.

/// Octets of a header that is taken in.
pub const HEADER_BYTES_MAX: usize = 256 * 1024;
/// Fields of a header that is taken in.
pub const HEADER_FIELDS_MAX: usize = 1000;

/// One field: its lines, folding and CRLF included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'m> {
    /// All of it.
    pub raw: &'m [u8],
    /// What stands before the colon, without white space.
    pub name: &'m [u8],
}

impl<'m> Field<'m> {
    /// Is it the field of this name?
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// What stands behind the colon, still folded.
    pub fn value(&self) -> &'m [u8] {
        let colon = self.raw.iter().position(|byte| *byte == b':').map_or(self.raw.len(), |at| at + 1);
        self.raw.get(colon..).unwrap_or_default()
    }
}

/// The fields of a header, in order. It ends at the empty line, at the end, or at a line that is no field.
#[derive(Clone, Debug)]
pub struct Fields<'m> {
    rest: &'m [u8],
}

impl<'m> Fields<'m> {
    /// Of a message that begins with its header.
    pub fn of(message: &'m [u8]) -> Self {
        Self { rest: message }
    }
}

impl<'m> Iterator for Fields<'m> {
    type Item = Field<'m>;

    fn next(&mut self) -> Option<Field<'m>> {
        let mut end = line_end(self.rest);
        let colon = self.rest.get(..end)?.iter().position(|byte| *byte == b':')?;
        let name = self.rest.get(..colon)?.trim_ascii_end();
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        while matches!(self.rest.get(end), Some(b' ' | b'\t')) {
            end += line_end(self.rest.get(end..)?);
        }
        let (raw, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(Field { raw, name })
    }
}

fn line_end(text: &[u8]) -> usize {
    text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1)
}

/// Where the body begins: behind the empty line, or at the first line that is no field.
pub fn body_offset(message: &[u8]) -> usize {
    let mut fields = Fields::of(message);
    while fields.next().is_some() {}
    let header = message.len() - fields.rest.len();
    match fields.rest {
        [b'\r', b'\n', ..] => header + 2,
        _ => header,
    }
}

/// Does the header keep to [`HEADER_BYTES_MAX`] and [`HEADER_FIELDS_MAX`]? To be asked before anything
/// parses it; a lenient parser reads on where [`Fields`] stops, so all up to the first empty line counts.
pub fn header_is_bounded(message: &[u8]) -> bool {
    if message.starts_with(b"\r\n") {
        return true;
    }
    let within = message.get(..HEADER_BYTES_MAX + 2).unwrap_or(message);
    let header = match within.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(at) => within.get(..at + 2).unwrap_or(within),
        None if message.len() <= HEADER_BYTES_MAX => message,
        None => return false,
    };
    let begins_field = |line: &&[u8]| !line.starts_with(b" ") && !line.starts_with(b"\t");
    header.split_inclusive(|byte| *byte == b'\n').filter(begins_field).count() <= HEADER_FIELDS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"From: a@x.org\r\nSubject: one\r\n two\r\nX-Odd : y\r\n\r\nbody: no\r\n";

    #[test]
    fn fields_with_their_folding() {
        let fields: Vec<_> = Fields::of(MESSAGE).collect();
        assert_eq!(fields.len(), 3);
        assert_eq!(fields[1].raw, b"Subject: one\r\n two\r\n");
        assert_eq!(fields[1].value(), b" one\r\n two\r\n");
        assert!(fields[2].is("x-odd"));
        assert_eq!(&MESSAGE[body_offset(MESSAGE)..], b"body: no\r\n");
    }

    #[test]
    fn a_header_may_be_missing() {
        for (message, offset) in [(&b""[..], 0), (b"\r\nbody", 2), (b"no field\r\n", 0), (b"A: b\r\nno field\r\n", 6), (b"A: b", 4)]
        {
            assert_eq!(body_offset(message), offset, "{}", message.escape_ascii());
        }
    }

    #[test]
    fn a_header_has_bounds() {
        let fields = |count: usize| [b"A: b\r\n".repeat(count), b"\r\nbody".to_vec()].concat();
        assert!(header_is_bounded(&fields(HEADER_FIELDS_MAX)));
        assert!(!header_is_bounded(&fields(HEADER_FIELDS_MAX + 1)));
        let long = |length: usize| [b"A: ".to_vec(), vec![b'x'; length - 5], b"\r\n\r\nbody".to_vec()].concat();
        assert!(header_is_bounded(&long(HEADER_BYTES_MAX)));
        assert!(!header_is_bounded(&long(HEADER_BYTES_MAX + 1)));
    }
}
