// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the header of a part says it is (RFC 2045, RFC 2183, RFC 2231).

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use super::Envelope;
use super::header::{Header, Headers, terminated};
use super::limits::{BOUNDARY_BYTES_MAX, PARAMETERS_MAX};
use super::structure::{Disposition, Part, TransferEncoding};

/// How a part's body is to be read.
pub(super) enum Shape {
    /// Parts between boundaries.
    Multipart(Vec<u8>),
    /// A message.
    Message,
    /// Text that is shown or searched.
    Text,
    /// Anything else.
    Leaf,
}

/// Reads a header: the part without its ranges, how to go on, and (of a message) its envelope.
pub(super) fn read(header: &[u8], in_digest: bool, is_message: bool) -> (Part, Shape, Envelope) {
    let mut part = Part::default();
    let mut envelope = Envelope::default();
    let mut has_type = false;
    for field in Headers::new(header) {
        if field.is("content-type") {
            has_type |= !has_type && read_type(&mut part, &field);
        } else {
            read_content_field(&mut part, &field);
        }
        if is_message {
            read_envelope_field(&mut envelope, &field);
        }
    }
    if !has_type {
        // RFC 2045 §5.2, RFC 2046 §5.1.5.
        let (kind, subtype) = if in_digest { ("message", "rfc822") } else { ("text", "plain") };
        (part.kind, part.subtype) = (kind.into(), subtype.into());
    }
    let shape = shape(&mut part);
    (part, shape, envelope)
}

fn shape(part: &mut Part) -> Shape {
    let is_plain = matches!(part.encoding, TransferEncoding::SevenBit | TransferEncoding::EightBit | TransferEncoding::Binary);
    match (part.kind.as_str(), part.subtype.as_str()) {
        ("multipart", _) => match part.parameter("boundary").filter(|b| (1..=BOUNDARY_BYTES_MAX).contains(&b.len())) {
            Some(boundary) => Shape::Multipart(boundary.trim_end().as_bytes().to_vec()),
            None => {
                // Without a boundary there are no parts: the whole is text.
                (part.kind, part.subtype) = ("text".into(), "plain".into());
                part.parameters.clear();
                Shape::Text
            }
        },
        ("message", "rfc822" | "global") if is_plain => Shape::Message,
        ("text", "plain" | "html") if !part.is_attachment() => Shape::Text,
        _ => Shape::Leaf,
    }
}

fn read_type(part: &mut Part, field: &Header<'_>) -> bool {
    let Some((kind, parameters)) = typed(field) else { return false };
    let Some((kind, subtype)) = kind.split_once('/') else { return false };
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    if !is_token(kind) || !is_token(subtype) {
        return false;
    }
    (part.kind, part.subtype, part.parameters) = (kind.to_string(), subtype.to_string(), parameters);
    true
}

fn read_content_field(part: &mut Part, field: &Header<'_>) {
    if field.is("content-transfer-encoding") {
        part.encoding = match field.unfolded().to_ascii_lowercase().as_str() {
            "7bit" | "" => TransferEncoding::SevenBit,
            "8bit" => TransferEncoding::EightBit,
            "binary" => TransferEncoding::Binary,
            "base64" => TransferEncoding::Base64,
            "quoted-printable" => TransferEncoding::QuotedPrintable,
            _ => TransferEncoding::Unknown,
        };
    } else if field.is("content-disposition") {
        part.disposition = typed(field).map(|(kind, parameters)| Disposition { kind, parameters });
    } else if field.is("content-id") {
        part.id = Some(field.unfolded());
    } else if field.is("content-description") {
        part.description = Some(field.text());
    } else if field.is("content-md5") {
        part.md5 = Some(field.unfolded());
    } else if field.is("content-location") {
        part.location = Some(field.unfolded());
    } else if field.is("content-language") {
        part.language = field.unfolded().split(',').map(|tag| tag.trim().to_string()).filter(|tag| !tag.is_empty()).collect();
    }
}

/// A value with parameters: `(type/subtype or disposition in lower case, parameters)`.
fn typed(field: &Header<'_>) -> Option<(String, Vec<(String, String)>)> {
    // mail-parser joins continuations in quadratic time: it sees a bounded number of parameters.
    let end =
        field.value.iter().enumerate().filter(|(_, b)| **b == b';').nth(PARAMETERS_MAX).map_or(field.value.len(), |(at, _)| at);
    let value = terminated(field.value.get(..end)?);
    let HeaderValue::ContentType(parsed) = MessageStream::new(&value).parse_content_type() else { return None };
    let kind = match &parsed.c_subtype {
        Some(subtype) => format!("{}/{}", parsed.c_type.trim(), subtype.trim()),
        None => parsed.c_type.trim().to_string(),
    };
    let parameters = parsed.attributes.unwrap_or_default();
    let parameters = parameters.into_iter().map(|p| (p.name.to_ascii_lowercase(), p.value.into_owned())).collect();
    Some((kind.to_ascii_lowercase(), parameters))
}

/// RFC 5322 §3.6: each of these stands once; of several, the first counts.
fn read_envelope_field(envelope: &mut Envelope, field: &Header<'_>) {
    let lists = [
        ("from", &mut envelope.from),
        ("sender", &mut envelope.sender),
        ("reply-to", &mut envelope.reply_to),
        ("to", &mut envelope.to),
        ("cc", &mut envelope.cc),
        ("bcc", &mut envelope.bcc),
    ];
    for (name, list) in lists {
        if field.is(name) {
            if list.is_empty() {
                *list = field.addresses();
            }
            return;
        }
    }
    let ids = [
        ("message-id", &mut envelope.message_id),
        ("in-reply-to", &mut envelope.in_reply_to),
        ("references", &mut envelope.references),
    ];
    for (name, list) in ids {
        if field.is(name) {
            if list.is_empty() {
                *list = field.message_ids();
            }
            return;
        }
    }
    if field.is("subject") && envelope.subject.is_none() {
        envelope.subject = Some(field.text());
    } else if field.is("date") && envelope.date.is_none() {
        envelope.date = Some(field.unfolded());
        if let Some((sent_at, zone)) = field.date() {
            (envelope.sent_at, envelope.sent_zone_minutes) = (Some(sent_at), zone);
        }
    }
}

/// RFC 8621 §4.1.4: is this what a person would call an attachment?
pub(super) fn is_attachment(part: &Part) -> bool {
    let disposition = part.disposition.as_ref().map(|d| d.kind.as_str());
    match (part.kind.as_str(), part.subtype.as_str()) {
        ("multipart", _) => false,
        // Signatures and the keys of PGP/MIME are not.
        ("application", "pgp-signature" | "pkcs7-signature" | "x-pkcs7-signature" | "pgp-encrypted" | "pgp-keys") => false,
        ("text", "plain" | "html") => {
            disposition == Some("attachment") || (part.file_name().is_some() && disposition != Some("inline"))
        }
        ("image", _) => !(disposition == Some("inline") || part.id.is_some() && disposition != Some("attachment")),
        ("message", "delivery-status" | "disposition-notification") => false,
        _ => disposition != Some("inline"),
    }
}

/// Gives each part its IMAP number (RFC 9051 §6.4.5.1), from the root down.
pub(super) fn number(root: &mut Part) {
    root.number = if root.is_multipart() { String::new() } else { "1".into() };
    let mut next = vec![root];
    while let Some(part) = next.pop() {
        let prefix = if part.number.is_empty() { String::new() } else { format!("{}.", part.number) };
        if part.is_multipart() {
            for (index, child) in part.parts.iter_mut().enumerate() {
                child.number = format!("{prefix}{}", index + 1);
            }
        } else {
            // The inner message: its multipart root shares the number, another root is its part 1.
            let number = part.number.clone();
            for inner in &mut part.parts {
                inner.number = if inner.is_multipart() { number.clone() } else { format!("{number}.1") };
            }
        }
        next.extend(part.parts.iter_mut());
    }
}
