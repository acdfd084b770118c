// SPDX-License-Identifier: AGPL-3.0-or-later
//! Photos and other media of a card (RFC 9610 §3): kept in the card as `data:` URLs (RFC 2397), shown as blobs.
//!
//! The id of such a blob names the card and a hash of the octets: they never change under it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hearth_mailstore::MailTx;
use hearth_mailstore::limits::CARD_BYTES_MAX;
use hearth_types::CardId;
use serde_json::{Map, Value};

use super::card::Object;
use crate::blob;
use crate::blob_id::{BlobRef, Source};
use crate::error::{MethodError, SetError};
use crate::limits::BLOB_BYTES_COUNTED_MIN;

/// The beginnings of files that are pictures.
const PICTURES: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"RIFF????WEBP", "image/webp"),
    (b"????ftypavif", "image/avif"),
    (b"????ftypheic", "image/heic"),
];

/// Octets with their type.
struct Data {
    media_type: String,
    octets: Vec<u8>,
}

/// Puts the octets in place of the blobs that a client named, and refuses a photo that is no picture. Was there any?
pub fn keep(tx: &mut MailTx<'_>, card: &mut Object) -> Result<Result<bool, SetError>, MethodError> {
    let (mut has_blobs, mut left) = (false, CARD_BYTES_MAX as u64);
    for medium in media_mut(card) {
        let is_photo = medium.get("kind").is_some_and(|kind| kind == "photo");
        let blob = medium.remove("blobId");
        let is_file = blob.is_some() || medium.get("uri").and_then(Value::as_str).is_some_and(is_data_url);
        let data = match blob {
            Some(id) => {
                has_blobs = true;
                match load(tx, id.as_str().unwrap_or_default(), medium, &mut left)? {
                    Ok(data) => Some(data),
                    Err(error) => return Ok(Err(error)),
                }
            }
            None => medium.get("uri").and_then(Value::as_str).and_then(parse_data_url),
        };
        let picture = data.as_ref().and_then(|data| picture_type(&data.octets));
        if is_photo && is_file && picture.is_none() {
            // RFC 9610 §3.5.
            return Ok(Err(SetError::property("media", "a photo is not a picture of a kind that is known here")));
        }
        if let Some(data) = data.filter(|_| !medium.contains_key("uri")) {
            let media_type = if is_photo { picture.unwrap_or_default() } else { &data.media_type };
            medium.insert("uri".into(), format!("data:{media_type};base64,{}", BASE64_STANDARD.encode(&data.octets)).into());
            medium.insert("mediaType".into(), media_type.into());
        }
    }
    Ok(Ok(has_blobs))
}

/// The octets of a blob that stands in a medium, whose uri it replaces. All blobs of a card together are no larger than it.
fn load(tx: &mut MailTx<'_>, id: &str, medium: &mut Object, left: &mut u64) -> Result<Result<Data, SetError>, MethodError> {
    let missing = || Ok(Err(SetError::BlobNotFound(vec![id.to_string()])));
    // What was uploaded is a picture, or holds none: it is not taken apart for one.
    let is_part = |blob: &BlobRef| matches!(blob.source, Source::Upload(_)) && blob.part.is_some();
    let Some(blob) = BlobRef::parse(id).filter(|blob| !is_part(blob)) else { return missing() };
    let Some(found) = blob::find(tx, &blob)? else { return missing() };
    let Some(rest) = left.checked_sub(found.encoded_size_bytes().max(BLOB_BYTES_COUNTED_MIN)) else {
        return Ok(Err(SetError::TooLarge));
    };
    *left = rest;
    let octets = found.octets()?;
    medium.remove("uri");
    let named = medium.get("mediaType").and_then(Value::as_str).filter(|name| is_media_type(name));
    let media_type = named.or_else(|| picture_type(&octets)).unwrap_or("application/octet-stream").to_string();
    Ok(Ok(Data { media_type, octets }))
}

/// RFC 9610 §3: a `data:` URL is shown as a blob, with its type.
pub fn show(card: &mut Object, id: CardId) {
    for medium in media_mut(card) {
        let Some(data) = medium.get("uri").and_then(Value::as_str).and_then(parse_data_url) else { continue };
        medium.remove("uri");
        medium.insert("blobId".into(), BlobRef::card(id, hash(&data.octets)).to_string().into());
        medium.entry("mediaType").or_insert_with(|| data.media_type.into());
    }
}

/// The octets of the medium with this hash.
pub fn find(mut card: Object, wanted: u64) -> Option<Vec<u8>> {
    let mut all = media_mut(&mut card).filter_map(|medium| parse_data_url(medium.get("uri")?.as_str()?));
    all.find(|data| hash(&data.octets) == wanted).map(|data| data.octets)
}

fn media_mut(card: &mut Object) -> impl Iterator<Item = &mut Object> {
    let media = card.get_mut("media").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
    media.filter_map(Value::as_object_mut)
}

fn hash(octets: &[u8]) -> u64 {
    blake3::hash(octets).as_bytes().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

fn is_data_url(uri: &str) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// RFC 2397 §3, in base64 alone: what is written out is text, and stays one.
fn parse_data_url(uri: &str) -> Option<Data> {
    let (head, data) = uri.get(5..).filter(|_| is_data_url(uri))?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    let media_type = if is_media_type(media_type) { media_type } else { "application/octet-stream" };
    Some(Data { media_type: media_type.to_string(), octets: BASE64_STANDARD.decode(data).ok()? })
}

fn is_media_type(text: &str) -> bool {
    let is_char = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+/;=".contains(&b);
    text.contains('/') && text.len() <= crate::limits::MEDIA_TYPE_BYTES_MAX && text.bytes().all(is_char)
}

fn picture_type(octets: &[u8]) -> Option<&'static str> {
    let begins = |pattern: &[u8]| {
        octets.len() >= pattern.len() && pattern.iter().zip(octets).all(|(wanted, octet)| *wanted == b'?' || wanted == octet)
    };
    PICTURES.iter().find(|(pattern, _)| begins(pattern)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::Timestamp;
    use serde_json::json;

    #[test]
    fn pictures_are_known_by_their_beginning() {
        for (octets, name) in [
            (b"\x89PNG\r\n\x1a\n.." as &[u8], Some("image/png")),
            (b"RIFF\x01\x02\x03\x04WEBPVP8", Some("image/webp")),
            (b"RIFF\x01\x02\x03\x04WAVE", None),
            (b"<svg/>", None),
            (b"\x89PNG", None),
            (b"", None),
        ] {
            assert_eq!(picture_type(octets), name, "{octets:?}");
        }
    }

    #[test]
    fn data_is_shown_as_a_blob_and_found_by_it() {
        let id = CardId::new(Timestamp::from_secs(1));
        let card = json!({"media": {
            "a": {"kind": "photo", "uri": "data:image/png;base64,aGVsbG8="},
            "b": {"kind": "sound", "uri": "https://x.example/b.ogg"},
            "c": {"kind": "logo", "uri": "data:,hello"}
        }});
        let stored = card.as_object().expect("an object").clone();
        let mut shown = stored.clone();
        show(&mut shown, id);
        let a = &shown["media"]["a"];
        assert_eq!((a.get("uri"), &a["mediaType"]), (None, &json!("image/png")));
        assert_eq!((&shown["media"]["b"], &shown["media"]["c"]), (&card["media"]["b"], &card["media"]["c"]));
        let Some(BlobRef { source: Source::Card(of, hash), part: None }) = a["blobId"].as_str().and_then(BlobRef::parse) else {
            panic!("{a}");
        };
        assert_eq!((of, find(stored.clone(), hash)), (id, Some(b"hello".to_vec())));
        assert_eq!(find(stored, hash ^ 1), None);
    }
}
