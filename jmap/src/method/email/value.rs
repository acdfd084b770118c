// SPDX-License-Identifier: AGPL-3.0-or-later
//! The octets behind a message's parts: texts for `bodyValues`, sizes, what a download gives.

use std::ops::Range;

use hearth_mailstore::Body;
use hearth_mailstore::limits::BODY_CHUNK_BYTES;
use hearth_wire::message::{Part, TransferEncoding, decode_bytes, decode_part};
use serde_json::{Value, json};

use crate::error::MethodError;
use crate::limits::BODY_VALUE_BYTES_MAX;

/// Raw octets of a message, kept or just uploaded.
pub trait Raw {
    /// A range of them, cut at their end.
    fn range(&self, range: Range<u64>) -> Result<Vec<u8>, MethodError>;
}

impl Raw for Body {
    fn range(&self, range: Range<u64>) -> Result<Vec<u8>, MethodError> {
        Ok(Self::range(self, range)?)
    }
}

impl Raw for Vec<u8> {
    fn range(&self, range: Range<u64>) -> Result<Vec<u8>, MethodError> {
        let at = |octet: u64| usize::try_from(octet).unwrap_or(usize::MAX).min(self.len());
        Ok(self.get(at(range.start)..at(range.end)).unwrap_or_default().to_vec())
    }
}

/// RFC 8621 §4.1.4 `size`: octets with the transfer encoding taken off, as a download gives them.
pub fn decoded_size(part: &Part, raw: &impl Raw) -> Result<u64, MethodError> {
    match part.encoding {
        TransferEncoding::Base64 => {
            let mut sextets = 0_u64;
            for piece in pieces(&part.body) {
                let is_sextet = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
                sextets += raw.range(piece)?.iter().filter(is_sextet).count() as u64;
            }
            Ok(sextets * 3 / 4)
        }
        TransferEncoding::QuotedPrintable => Ok(content(part, raw)?.len() as u64),
        _ => Ok(part.size_bytes()),
    }
}

/// A range in pieces, so that a large part is never in memory as a whole.
pub fn pieces(range: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
    let (start, end) = (range.start, range.end);
    (start..end).step_by(BODY_CHUNK_BYTES).map(move |at| at..end.min(at + BODY_CHUNK_BYTES as u64))
}

/// The octets of a part with the transfer encoding taken off; of a damaged one, what there is.
pub fn content(part: &Part, raw: &impl Raw) -> Result<Vec<u8>, MethodError> {
    let encoded = raw.range(part.body.clone())?;
    Ok(decode_bytes(part, &encoded).unwrap_or_else(|damaged| damaged))
}

/// RFC 8621 §4.1.4 EmailBodyValue; `bytes_max` of 0 is no bound of the client's.
pub fn body_value(part: &Part, raw: &impl Raw, bytes_max: u64) -> Result<Value, MethodError> {
    let ours = BODY_VALUE_BYTES_MAX as u64;
    // An encoded text is at most thrice as long as its octets, which are at most twice as long as its characters' UTF-8.
    let read_max = ours.saturating_mul(6);
    let is_long = part.size_bytes() > read_max;
    let range = part.body.start..part.body.end.min(part.body.start + read_max);
    let (text, is_encoding_problem) = decode_part(part, &raw.range(range)?);
    // RFC 8621 §4.1.4: CRLF is given as LF.
    let text = text.replace("\r\n", "\n");
    let max = if bytes_max == 0 { ours } else { bytes_max.min(ours) };
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let cut = truncate(&text, max, part.subtype == "html");
    let is_truncated = is_long || cut.len() < text.len();
    Ok(json!({ "value": cut, "isEncodingProblem": is_encoding_problem, "isTruncated": is_truncated }))
}

/// RFC 8621 §4.2 maxBodyValueBytes: not within a character, and in HTML not within a tag.
fn truncate(text: &str, bytes_max: usize, is_html: bool) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let mut end = bytes_max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = text.get(..end).unwrap_or_default();
    match cut.rfind('<') {
        Some(tag) if is_html && !cut.get(tag..).unwrap_or_default().contains('>') => cut.get(..tag).unwrap_or_default(),
        _ => cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_between_characters_and_tags() {
        assert_eq!(truncate("hello", 5, false), "hello");
        assert_eq!(truncate("hello", 4, false), "hell");
        assert_eq!(truncate("aü", 2, false), "a");
        assert_eq!(truncate("<b>hi</b>", 7, true), "<b>hi");
        assert_eq!(truncate("<b>hi</b>", 7, false), "<b>hi</");
        assert_eq!(truncate("ü", 1, false), "");
    }

    #[test]
    fn a_large_range_is_read_in_pieces() {
        let chunk = BODY_CHUNK_BYTES as u64;
        let all: Vec<_> = pieces(&(5..5 + 2 * chunk + 1)).collect();
        assert_eq!(all, [5..5 + chunk, 5 + chunk..5 + 2 * chunk, 5 + 2 * chunk..6 + 2 * chunk]);
        assert_eq!(pieces(&(3..3)).count(), 0);
    }

    #[test]
    fn sizes_are_those_of_the_content() {
        let raw = b"SGVs\r\nbG8=\r\n".to_vec();
        let part = Part { encoding: TransferEncoding::Base64, body: 0..raw.len() as u64, ..Part::default() };
        assert_eq!(decoded_size(&part, &raw), Ok(5));
        assert_eq!(content(&part, &raw), Ok(b"Hello".to_vec()));
        let plain = Part { body: 0..4, ..Part::default() };
        assert_eq!(decoded_size(&plain, &raw), Ok(4));
    }

    #[test]
    fn texts_are_bounded_on_both_sides() {
        let text = |octets: usize| {
            let raw = "a".repeat(octets).into_bytes();
            let part = Part { kind: "text".into(), subtype: "plain".into(), body: 0..octets as u64, ..Part::default() };
            let value = body_value(&part, &raw, 0).expect("a value");
            (value["value"].as_str().map(str::len), value["isTruncated"].as_bool())
        };
        assert_eq!(text(BODY_VALUE_BYTES_MAX), (Some(BODY_VALUE_BYTES_MAX), Some(false)));
        assert_eq!(text(BODY_VALUE_BYTES_MAX + 1), (Some(BODY_VALUE_BYTES_MAX), Some(true)));
    }
}
