// SPDX-License-Identifier: AGPL-3.0-or-later
//! A [`Parsed`] in few bytes: numbers as LEB128, texts with their length before them.

use hearth_types::Timestamp;

use super::structure::{Disposition, Part, TransferEncoding};
use super::{Addr, Envelope, Parsed};

/// The first byte; another layout gets another.
const LAYOUT: u8 = 1;

const ENCODINGS: [TransferEncoding; 6] = [
    TransferEncoding::SevenBit,
    TransferEncoding::EightBit,
    TransferEncoding::Binary,
    TransferEncoding::Base64,
    TransferEncoding::QuotedPrintable,
    TransferEncoding::Unknown,
];

/// Writes a value, and reads it back.
trait Packed: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(from: &mut &[u8]) -> Option<Self>;
}

pub(super) fn pack(parsed: &Parsed) -> Vec<u8> {
    let mut out = vec![LAYOUT];
    parsed.put(&mut out);
    out
}

pub(super) fn unpack(bytes: &[u8]) -> Option<Parsed> {
    let mut from = bytes.strip_prefix(&[LAYOUT])?;
    Parsed::take(&mut from).filter(|_| from.is_empty())
}

/// The envelope stands first: what follows is not looked at.
pub(super) fn unpack_envelope(bytes: &[u8]) -> Option<Envelope> {
    Envelope::take(&mut bytes.strip_prefix(&[LAYOUT])?)
}

impl Packed for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = from.split_first()?;
            *from = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

impl Packed for String {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        out.extend_from_slice(self.as_bytes());
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let length = usize::try_from(u64::take(from)?).ok()?;
        let (text, rest) = from.split_at_checked(length)?;
        *from = rest;
        Some(std::str::from_utf8(text).ok()?.to_string())
    }
}

impl<T: Packed> Packed for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        match bool::take(from)? {
            true => T::take(from).map(Some),
            false => Some(None),
        }
    }
}

impl<T: Packed> Packed for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        self.iter().for_each(|item| item.put(out));
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let count = u64::take(from)?;
        // Each item has at least a byte, so a lying count ends with the bytes.
        (0..count).map(|_| T::take(from)).collect()
    }
}

impl<T: Packed> Packed for Box<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        T::take(from).map(Box::new)
    }
}

impl<A: Packed, B: Packed> Packed for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

impl Packed for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        (byte < 2).then_some(byte == 1)
    }
}

impl Packed for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        (((self << 1) ^ (self >> 63)).cast_unsigned()).put(out);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let zigzag = u64::take(from)?;
        Some((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed()))
    }
}

impl Packed for TransferEncoding {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(ENCODINGS.iter().position(|known| known == self).unwrap_or(0) as u8);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        ENCODINGS.get(usize::from(byte)).copied()
    }
}

impl Packed for Timestamp {
    fn put(&self, out: &mut Vec<u8>) {
        self.millis().put(out);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        i64::take(from).map(Self::from_millis)
    }
}

impl Packed for i16 {
    fn put(&self, out: &mut Vec<u8>) {
        i64::from(*self).put(out);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        i64::take(from)?.try_into().ok()
    }
}

impl Packed for std::ops::Range<u64> {
    fn put(&self, out: &mut Vec<u8>) {
        self.start.put(out);
        self.end.saturating_sub(self.start).put(out);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let start = u64::take(from)?;
        Some(start..start.checked_add(u64::take(from)?)?)
    }
}

/// A struct is its fields in a row.
macro_rules! fields {
    ($type:ident { $($field:ident),* $(,)? } $(and $rest:ident)?) => {
        impl Packed for $type {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }
            fn take(from: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: Packed::take(from)?,)* $($rest: Default::default())? })
            }
        }
    };
}

fields!(Addr { name, mailbox, host });
fields!(Envelope {
    date,
    sent_at,
    sent_zone_minutes,
    subject,
    from,
    sender,
    reply_to,
    to,
    cc,
    bcc,
    in_reply_to,
    message_id,
    references,
});
fields!(Disposition { kind, parameters });
fields!(Part {
    number,
    kind,
    subtype,
    parameters,
    id,
    description,
    md5,
    disposition,
    language,
    location,
    encoding,
    header,
    body,
    lines,
    parts,
    envelope,
});
fields!(Parsed { envelope, structure, preview, has_attachment, size_bytes, lines } and text);

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn what_is_packed_is_read_again() {
        for raw in [
            "",
            "From: A <a@x>\r\nTo: g: b@y;\r\nDate: 1 Jan 1960 00:00:00 -0130\r\nMessage-ID: <i@x>\r\n\r\nhello",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: i\r\n\r\nx\r\n\
             --b\r\nContent-Disposition: attachment; filename=\"a b\"\r\n\r\ny\r\n--b--\r\n",
        ] {
            let parsed = parse(raw.as_bytes());
            let packed = parsed.pack();
            assert_eq!(Parsed::unpack_envelope(&packed).as_ref(), Some(&parsed.envelope));
            assert_eq!(Parsed::unpack(&packed), Some(Parsed { text: String::new(), ..parsed }));
            for cut in 0..packed.len() {
                assert_eq!(Parsed::unpack(&packed[..cut]), None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn lies_are_refused() {
        assert_eq!(Parsed::unpack(&[LAYOUT, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(Parsed::unpack(&[9]), None);
        assert_eq!(Parsed::unpack_envelope(&[9]), None);
        assert_eq!(Parsed::unpack_envelope(&[LAYOUT, 2]), None);
    }
}
