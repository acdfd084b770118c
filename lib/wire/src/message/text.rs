// SPDX-License-Identifier: AGPL-3.0-or-later
//! The content of a part: transfer encoding and charset taken off.

use mail_parser::decoders::charsets::map::charset_decoder;

use super::Part;
use super::limits::PREVIEW_CHARS_MAX;
use super::structure::TransferEncoding;

/// A part's bytes without their transfer encoding; `encoded` is the slice [`Part::body`].
/// `Err` gives what could be decoded of a damaged one (JMAP's isEncodingProblem).
pub fn decode_bytes(part: &Part, encoded: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
    match part.encoding {
        TransferEncoding::Base64 => decode_base64(encoded),
        TransferEncoding::QuotedPrintable => decode_quoted_printable(encoded),
        TransferEncoding::Unknown => Err(encoded.to_vec()),
        TransferEncoding::SevenBit | TransferEncoding::EightBit | TransferEncoding::Binary => Ok(encoded.to_vec()),
    }
}

/// A text part as text: transfer encoding and charset taken off; and whether there was a problem with either.
pub fn decode_part(part: &Part, encoded: &[u8]) -> (String, bool) {
    let (bytes, damaged) = match decode_bytes(part, encoded) {
        Ok(bytes) => (bytes, false),
        Err(bytes) => (bytes, true),
    };
    let charset = part.charset().unwrap_or("utf-8");
    // What calls itself ASCII and is not is mostly UTF-8, else windows-1252.
    if ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|name| charset.eq_ignore_ascii_case(name)) {
        return match String::from_utf8(bytes) {
            Ok(text) => (text, damaged),
            Err(error) => (error.into_bytes().iter().map(|&b| char::from(b)).collect(), true),
        };
    }
    match charset_decoder(charset.as_bytes()) {
        Some(decode) => (decode(&bytes), damaged),
        None => (String::from_utf8_lossy(&bytes).into_owned(), true),
    }
}

/// What HTML says, without its tags.
pub fn html_to_text(html: &str) -> String {
    mail_parser::decoders::html::html_to_text(html)
}

/// RFC 2045 §6.8: characters outside the alphabet are passed over.
fn decode_base64(encoded: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
    let mut decoded = Vec::with_capacity(encoded.len() / 4 * 3);
    let (mut bits, mut count, mut sound) = (0_u32, 0_u32, true);
    for &byte in encoded {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' | b'\r' | b'\n' | b' ' | b'\t' => continue,
            _ => {
                sound = false;
                continue;
            }
        };
        bits = bits << 6 | u32::from(six);
        count += 1;
        if count == 4 {
            decoded.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, count) = (0, 0);
        }
    }
    match count {
        2 => decoded.extend_from_slice(&(bits << 12).to_be_bytes()[1..2]),
        3 => decoded.extend_from_slice(&(bits << 6).to_be_bytes()[1..3]),
        1 => sound = false,
        _ => {}
    }
    if sound { Ok(decoded) } else { Err(decoded) }
}

/// RFC 2045 §6.7: white space at the end of a line is not data; a soft line break joins lines.
fn decode_quoted_printable(encoded: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut sound = true;
    for line in encoded.split_inclusive(|&b| b == b'\n') {
        let end = if line.ends_with(b"\r\n") {
            "\r\n"
        } else if line.ends_with(b"\n") {
            "\n"
        } else {
            ""
        };
        let content = line.trim_ascii_end();
        let (content, end) = match content.strip_suffix(b"=") {
            Some(content) => (content, ""),
            None => (content, end),
        };
        let mut bytes = content.iter();
        while let Some(&byte) = bytes.next() {
            let escape = bytes.as_slice().get(..2).filter(|_| byte == b'=').and_then(hex);
            match escape {
                Some(value) => {
                    decoded.push(value);
                    bytes.nth(1);
                }
                None => {
                    sound &= byte != b'=';
                    decoded.push(byte);
                }
            }
        }
        decoded.extend_from_slice(end.as_bytes());
    }
    if sound { Ok(decoded) } else { Err(decoded) }
}

fn hex(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?, 16).ok()
}

/// RFC 8970 §4.1: the start of the text on one line; quoted lines and `-- ` signatures say little and are left out.
pub(super) fn preview(text: &str) -> String {
    let said = text.lines().take_while(|line| line.trim_end() != "--").filter(|line| !line.starts_with('>'));
    let mut preview = String::new();
    let mut count = 0;
    for word in said.flat_map(str::split_whitespace) {
        let room = PREVIEW_CHARS_MAX - count - usize::from(count > 0);
        if count > 0 {
            preview.push(' ');
            count += 1;
        }
        preview.extend(word.chars().filter(|c| !c.is_control()).take(room));
        count += word.chars().count().min(room);
        if count + 1 >= PREVIEW_CHARS_MAX {
            break;
        }
    }
    preview
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(encoding: TransferEncoding, charset: &str) -> Part {
        Part { encoding, parameters: vec![("charset".into(), charset.into())], ..Part::default() }
    }

    #[test]
    fn transfer_encodings() {
        let b64 = part(TransferEncoding::Base64, "utf-8");
        assert_eq!(decode_bytes(&b64, b"aGVs\r\nbG8="), Ok(b"hello".to_vec()));
        assert_eq!(decode_bytes(&b64, b"aGVsbG8"), Ok(b"hello".to_vec()));
        assert_eq!(decode_bytes(&b64, b"aGVs!bG8="), Err(b"hello".to_vec()));
        let qp = part(TransferEncoding::QuotedPrintable, "utf-8");
        assert_eq!(decode_bytes(&qp, b"a=3Db  \r\nc=\r\nd"), Ok(b"a=b\r\ncd".to_vec()));
        assert_eq!(decode_bytes(&qp, b"a=zz"), Err(b"a=zz".to_vec()));
    }

    #[test]
    fn charsets() {
        for (charset, bytes, want) in [
            ("utf-8", b"gr\xc3\xbc\xc3\x9fe".as_slice(), ("grüße", false)),
            ("us-ascii", b"gr\xfc\xdfe".as_slice(), ("grüße", true)),
            ("iso-8859-1", b"gr\xfc\xdfe".as_slice(), ("grüße", false)),
            ("no-such", b"abc".as_slice(), ("abc", true)),
        ] {
            let (text, problem) = decode_part(&part(TransferEncoding::EightBit, charset), bytes);
            assert_eq!((text.as_str(), problem), want, "{charset}");
        }
    }

    #[test]
    fn a_preview_is_one_line_of_256_characters() {
        assert_eq!(preview("Hi\r\n> quoted\r\n\r\nthere\n-- \nsignature"), "Hi there");
        assert_eq!(preview(&"é".repeat(1000)).chars().count(), PREVIEW_CHARS_MAX);
        assert!(preview(&"word ".repeat(1000)).chars().count() <= PREVIEW_CHARS_MAX);
    }
}
