// SPDX-License-Identifier: AGPL-3.0-or-later
//! Download (RFC 8620 §6.2): a blob's octets, in pieces, under the name and type that the client chose.

use std::ops::Range;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use bytes::Bytes;
use futures_util::stream;
use hearth_web::Peer;
use hearth_web::axum::body::Body;
use hearth_web::axum::extract::{Path, Query, State};
use hearth_web::axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use hearth_web::axum::response::{IntoResponse, Response};
use hearth_wire::message::TransferEncoding;
use serde::Deserialize;

use crate::blob::{self, Found, blocking};
use crate::blob_id::BlobRef;
use crate::endpoint::App;
use crate::error::{MethodError, Problem};
use crate::limits::MEDIA_TYPE_BYTES_MAX;
use crate::method::email::value::{Raw, pieces};

/// RFC 8620 §6.2: the variables of downloadUrl that stand behind `?`.
#[derive(Debug, Default, Deserialize)]
pub struct Variables {
    /// The media type to answer with.
    #[serde(default, rename = "type")]
    media_type: Option<String>,
}

/// Carries out the request.
pub async fn run(
    State(app): State<Arc<App>>,
    Path((account, blob, name)): Path<(String, String, String)>,
    Query(variables): Query<Variables>,
    peer: Peer,
    headers: HeaderMap,
) -> Response {
    let own = match app.admit(&headers, &peer).await {
        Ok(guest) => guest.caller.account,
        Err(response) => return response,
    };
    let missing = || Problem::NotFound("there is no such blob".to_string()).into_response();
    let Some(blob) = BlobRef::parse(&blob).filter(|_| account.parse() == Ok(own)) else {
        return missing();
    };
    let found = app.house.store.read(own, move |tx| blob::find(tx, &blob)).await;
    match found {
        Ok(Some(found)) => answer(found, &name, variables.media_type.as_deref(), headers.get(header::RANGE)),
        Ok(None) => missing(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &MethodError) -> Response {
    let detail = match error {
        MethodError::ServerFail(text) | MethodError::ServerUnavailable(text) => text.clone(),
        other => other.name().to_string(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
}

fn answer(found: Found, name: &str, media_type: Option<&str>, asked: Option<&HeaderValue>) -> Response {
    let encoding = found.part.as_ref().map_or(TransferEncoding::Binary, |part| part.encoding);
    let whole = found.part.as_ref().map_or(0..found.body.len(), |part| part.body.clone());
    let mut response = match encoding {
        TransferEncoding::Base64 => Response::new(stream_base64(found, whole)),
        TransferEncoding::QuotedPrintable => Response::new(Body::from_stream(stream::once(async move {
            blocking(move || found.octets().map(Bytes::from)).await.map_err(cut)
        }))),
        _ => return dress(plain(found, whole, asked), name, media_type),
    };
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
    dress(response, name, media_type)
}

/// Octets that are served as they are stored: all of them, or the range that was asked for (RFC 9110 §14).
fn plain(found: Found, whole: Range<u64>, asked: Option<&HeaderValue>) -> Response {
    let size = whole.end - whole.start;
    let range = asked.and_then(|value| value.to_str().ok()).and_then(|text| parse_range(text, size));
    let (status, range) = match range {
        None => (StatusCode::OK, 0..size),
        Some(Some(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(None) => {
            let says = HeaderValue::from_str(&format!("bytes */{size}")).unwrap_or(HeaderValue::from_static("bytes */*"));
            return (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, says)]).into_response();
        }
    };
    let of_body = whole.start + range.start..whole.start + range.end;
    let mut response = Response::new(stream_plain(found, of_body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(says) = HeaderValue::from_str(&format!("bytes {}-{}/{size}", range.start, range.end - 1))
    {
        headers.insert(header::CONTENT_RANGE, says);
    }
    response
}

/// RFC 9110 §14.1.2: one range. `None` when there is none that we serve, `Some(None)` when it is not in the blob.
fn parse_range(text: &str, size: u64) -> Option<Option<Range<u64>>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first.trim(), last.trim()) {
        ("", suffix) => size.saturating_sub(suffix.parse().ok()?)..size,
        (first, "") => first.parse().ok()?..size,
        (first, last) => first.parse().ok()?..last.parse::<u64>().ok()?.saturating_add(1).min(size),
    };
    Some((range.start < range.end).then_some(range))
}

fn stream_plain(found: Found, range: Range<u64>) -> Body {
    let found = Arc::new(found);
    Body::from_stream(stream::unfold(pieces(&range), move |mut pieces| {
        let found = Arc::clone(&found);
        async move {
            let piece = pieces.next()?;
            let octets = blocking(move || Raw::range(&found.body, piece)).await.map(Bytes::from);
            Some((octets.map_err(cut), pieces))
        }
    }))
}

/// Takes base64 off piece by piece; what is not of its alphabet is passed over (RFC 2045 §6.8).
fn stream_base64(found: Found, range: Range<u64>) -> Body {
    let found = Arc::new(found);
    Body::from_stream(stream::unfold(Some((pieces(&range), Vec::new())), move |state| {
        let found = Arc::clone(&found);
        async move {
            let (mut pieces, rest) = state?;
            let Some(piece) = pieces.next() else {
                return (!rest.is_empty()).then(|| (Ok(Bytes::from(decode_sextets(&rest))), None));
            };
            let decoded = blocking(move || Ok(decode_piece(rest, &Raw::range(&found.body, piece)?))).await;
            Some(match decoded {
                Ok((octets, rest)) => (Ok(Bytes::from(octets)), Some((pieces, rest))),
                Err(error) => (Err(cut(error)), None),
            })
        }
    }))
}

/// Decodes as many groups of four as there are; the rest waits for the next piece.
fn decode_piece(mut sextets: Vec<u8>, piece: &[u8]) -> (Vec<u8>, Vec<u8>) {
    sextets.extend(piece.iter().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')));
    let rest = sextets.split_off(sextets.len() - sextets.len() % 4);
    (decode_sextets(&sextets), rest)
}

fn decode_sextets(sextets: &[u8]) -> Vec<u8> {
    // One sextet alone says nothing.
    let whole = if sextets.len() % 4 == 1 { sextets.len() - 1 } else { sextets.len() };
    let lenient = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        BASE64_STANDARD_NO_PAD.config().with_decode_allow_trailing_bits(true),
    );
    lenient.decode(sextets.get(..whole).unwrap_or_default()).unwrap_or_default()
}

/// The answer has begun; all that is left is to cut it, so that the client sees that it is not whole.
fn cut(error: MethodError) -> std::io::Error {
    std::io::Error::other(error.name())
}

/// RFC 8620 §6.2: type, name, and that the octets of a blob never change.
fn dress(mut response: Response, name: &str, media_type: Option<&str>) -> Response {
    let headers = response.headers_mut();
    let kind = media_type
        .filter(|kind| kind.len() <= MEDIA_TYPE_BYTES_MAX && kind.contains('/'))
        .and_then(|kind| HeaderValue::from_str(kind).ok());
    headers.insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, immutable, max-age=31536000"));
    // Always an attachment: what a stranger sent is not shown under our name.
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{}", percent_encode(name))) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// RFC 8187 §3.2.1 value-chars.
fn percent_encode(name: &str) -> String {
    name.bytes().fold(String::with_capacity(name.len()), |mut text, b| {
        if b.is_ascii_alphanumeric() || b"-._".contains(&b) {
            text.push(char::from(b));
        } else {
            text.push_str(&format!("%{b:02X}"));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::BASE64_STANDARD;

    #[test]
    fn ranges() {
        for (text, range) in [
            ("bytes=0-0", Some(Some(0..1))),
            ("bytes=2-", Some(Some(2..10))),
            ("bytes=-3", Some(Some(7..10))),
            ("bytes=-30", Some(Some(0..10))),
            ("bytes=5-99", Some(Some(5..10))),
            ("bytes=10-", Some(None)),
            ("bytes=3-2", Some(None)),
            ("bytes=0-1,3-4", None),
            ("items=0-1", None),
            ("bytes=x-", None),
        ] {
            assert_eq!(parse_range(text, 10), range, "{text}");
        }
    }

    #[test]
    fn law_base64_in_any_pieces_gives_the_same_octets() {
        let octets: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for length in [0, 1, 2, 3, 57, 58, 59, 1000] {
            let plain = &octets[..length];
            let encoded: String = plain.chunks(57).map(|line| BASE64_STANDARD.encode(line) + "\r\n").collect();
            for cut in [1, 2, 3, 5, 76, 77, 78, 79, 4000] {
                let (mut decoded, mut rest) = (Vec::new(), Vec::new());
                for piece in encoded.as_bytes().chunks(cut) {
                    let (more, left) = decode_piece(rest, piece);
                    decoded.extend(more);
                    rest = left;
                }
                decoded.extend(decode_sextets(&rest));
                assert_eq!(decoded, plain, "{length} octets in pieces of {cut}");
            }
        }
    }

    #[test]
    fn names_are_safe() {
        assert_eq!(percent_encode("Ü \"x\"\r\n.pdf"), "%C3%9C%20%22x%22%0D%0A.pdf");
    }
}
