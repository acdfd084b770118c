// SPDX-License-Identifier: AGPL-3.0-or-later
//! A message that a client describes (RFC 8621 §4.6 create): read and checked. Pure.

use hearth_mailstore::FlagSet;
use hearth_types::Timestamp;
use serde_json::{Map, Value};

use super::assemble::encode_field;
use super::header::{Form, HeaderProperty, parse_header_property};
use super::object::parse_utc_date;
use super::patch::{parse_keywords, parse_mailbox_ids};
use crate::error::SetError;
use crate::limits::{DRAFT_DEPTH_MAX, DRAFT_HEADERS_MAX, DRAFT_PARTS_MAX};

/// A message to be assembled.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Where it goes; ids, or `#` and a creation id.
    pub mailboxes: Vec<String>,
    /// Its first keywords.
    pub keywords: FlagSet,
    /// INTERNALDATE.
    pub received_at: Option<Timestamp>,
    /// Header fields: name and encoded value.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: DraftPart,
}

/// A part to be assembled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DraftPart {
    /// The media type; empty for one that is not said.
    pub media_type: String,
    /// The charset of a blob that is text.
    pub charset: Option<String>,
    /// The file name.
    pub name: Option<String>,
    /// Content-Disposition.
    pub disposition: Option<String>,
    /// Content-Id, without angle brackets.
    pub cid: Option<String>,
    /// Content-Language.
    pub language: Vec<String>,
    /// Content-Location.
    pub location: Option<String>,
    /// Further fields: name and encoded value.
    pub fields: Vec<(String, String)>,
    /// What is in it.
    pub content: Content,
}

/// What is in a part.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A text of `bodyValues`.
    Text(String),
    /// A blob, by its id.
    Blob(String),
    /// Parts.
    Parts(Vec<DraftPart>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl DraftPart {
    /// The blobs that it takes.
    pub fn blobs(&self) -> Vec<&str> {
        match &self.content {
            Content::Blob(id) => vec![id],
            Content::Parts(parts) => parts.iter().flat_map(Self::blobs).collect(),
            Content::Text(_) => Vec::new(),
        }
    }
}

/// RFC 8621 §4.1.3: the properties that are a header field in a form.
const CONVENIENT: &[(&str, &str, Form)] = &[
    ("messageId", "Message-ID", Form::MessageIds),
    ("inReplyTo", "In-Reply-To", Form::MessageIds),
    ("references", "References", Form::MessageIds),
    ("sender", "Sender", Form::Addresses),
    ("from", "From", Form::Addresses),
    ("to", "To", Form::Addresses),
    ("cc", "Cc", Form::Addresses),
    ("bcc", "Bcc", Form::Addresses),
    ("replyTo", "Reply-To", Form::Addresses),
    ("subject", "Subject", Form::Text),
    ("sentAt", "Date", Form::Date),
];

/// Reads a draft.
pub fn parse_draft(mut object: Map<String, Value>) -> Result<Draft, SetError> {
    let mailboxes = parse_mailbox_ids(&object.remove("mailboxIds").unwrap_or(Value::Null))?;
    let keywords = object.remove("keywords").map_or(Ok(Vec::new()), |value| parse_keywords(&value))?.into_iter().collect();
    let received_at = match object.remove("receivedAt") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let date = value.as_str().and_then(parse_utc_date);
            Some(date.ok_or_else(|| SetError::property("receivedAt", "not a UTCDate"))?)
        }
    };
    let texts = parse_texts(object.remove("bodyValues"))?;
    let body = parse_body(&mut object, &texts)?;
    let fields = parse_fields(object)?;
    Ok(Draft { mailboxes, keywords, received_at, fields, body })
}

/// `bodyValues`: texts by part.
fn parse_texts(value: Option<Value>) -> Result<Map<String, Value>, SetError> {
    let wrong = |why: &str| SetError::property("bodyValues", why);
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(values)) => {
            for value in values.values() {
                // RFC 8621 §4.6: isEncodingProblem and isTruncated are false or left out.
                let is_false = |name: &str| matches!(value.get(name), None | Some(Value::Bool(false)));
                if !is_false("isEncodingProblem") || !is_false("isTruncated") || !value.get("value").is_some_and(Value::is_string) {
                    return Err(wrong("not a text, or one that is not whole"));
                }
            }
            Ok(values)
        }
        Some(_) => Err(wrong("not an object")),
    }
}

/// What is left of an Email are header fields.
fn parse_fields(object: Map<String, Value>) -> Result<Vec<(String, String)>, SetError> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for (property, value) in object {
        let convenient = CONVENIENT.iter().find(|(name, ..)| *name == property);
        let header = match convenient {
            Some((_, name, form)) => {
                HeaderProperty { written: property.clone(), name: (*name).to_string(), form: *form, all: false }
            }
            None => parse_header_property(&property).ok_or_else(|| SetError::property(&property, "it cannot be set"))?,
        };
        // RFC 8621 §4.6: Content-* fields are the parts' own.
        let is_content = header.name.to_ascii_lowercase().starts_with("content-");
        if is_content || header.name.eq_ignore_ascii_case("mime-version") {
            return Err(SetError::property(property, "it is set on the parts"));
        }
        add_field(&mut fields, &header, value)?;
    }
    Ok(fields)
}

/// One header property of the message or of a part. RFC 8621 §4.6: no field may be given twice.
fn add_field(fields: &mut Vec<(String, String)>, header: &HeaderProperty, value: Value) -> Result<(), SetError> {
    if fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(&header.name)) {
        return Err(SetError::property(&header.written, "the same field is given twice"));
    }
    let values = match value {
        Value::Null => return Ok(()),
        Value::Array(values) if header.all => values,
        _ if header.all => return Err(SetError::property(&header.written, "not an array")),
        single => vec![single],
    };
    if fields.len() + values.len() > DRAFT_HEADERS_MAX {
        return Err(SetError::property(&header.written, "too many header fields"));
    }
    for value in values {
        let encoded = encode_field(header.form, &value);
        fields.push((header.name.clone(), encoded.ok_or_else(|| SetError::property(&header.written, "not in this form"))?));
    }
    Ok(())
}

/// RFC 8621 §4.6: either bodyStructure, or textBody, htmlBody and attachments.
fn parse_body(object: &mut Map<String, Value>, texts: &Map<String, Value>) -> Result<DraftPart, SetError> {
    let mut parts_left = DRAFT_PARTS_MAX;
    let structure = object.remove("bodyStructure").filter(|value| !value.is_null());
    let mut list = |name: &'static str| match object.remove(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(SetError::property(name, "not an array")),
    };
    let (text, html, attachments) = (list("textBody")?, list("htmlBody")?, list("attachments")?);
    let mut parse = |value: Value, property: &str| Reader { property, texts }.part(value, DRAFT_DEPTH_MAX, &mut parts_left);
    if let Some(structure) = structure {
        if !(text.is_empty() && html.is_empty() && attachments.is_empty()) {
            return Err(SetError::property("bodyStructure", "it excludes textBody, htmlBody and attachments"));
        }
        return parse(structure, "bodyStructure");
    }
    let mut one = |items: Vec<Value>, property: &'static str, media_type: &str| -> Result<Option<DraftPart>, SetError> {
        let mut items = items.into_iter();
        let Some(item) = items.next() else { return Ok(None) };
        let mut part = parse(item, property)?;
        if part.media_type.is_empty() {
            part.media_type = media_type.to_string();
        }
        // RFC 8621 §4.6: exactly one part, of this type.
        if items.next().is_some() || part.media_type != media_type {
            return Err(SetError::property(property, format!("not exactly one part of type {media_type}")));
        }
        Ok(Some(part))
    };
    let (text, html) = (one(text, "textBody", "text/plain")?, one(html, "htmlBody", "text/html")?);
    let attachments = attachments.into_iter().map(|item| parse(item, "attachments")).collect::<Result<Vec<_>, _>>()?;
    Ok(arrange(text, html, attachments))
}

/// The structure that a client leaves to us: mixed(related(alternative(text, html), pictures), attachments).
fn arrange(text: Option<DraftPart>, html: Option<DraftPart>, attachments: Vec<DraftPart>) -> DraftPart {
    let multipart = |subtype: &str, parts: Vec<DraftPart>| DraftPart {
        media_type: format!("multipart/{subtype}"),
        content: Content::Parts(parts),
        ..DraftPart::default()
    };
    let is_picture = |part: &DraftPart| html.is_some() && part.cid.is_some() && part.disposition.as_deref() == Some("inline");
    let (pictures, attachments): (Vec<_>, Vec<_>) = attachments.into_iter().partition(is_picture);
    let with_pictures = |part: DraftPart| {
        if pictures.is_empty() { part } else { multipart("related", std::iter::once(part).chain(pictures).collect()) }
    };
    let body = match (text, html) {
        (Some(text), Some(html)) => with_pictures(multipart("alternative", vec![text, html])),
        (None, Some(html)) => with_pictures(html),
        (Some(text), None) => text,
        (None, None) if attachments.is_empty() => DraftPart { media_type: "text/plain".to_string(), ..DraftPart::default() },
        (None, None) => return multipart("mixed", attachments),
    };
    if attachments.is_empty() { body } else { multipart("mixed", std::iter::once(body).chain(attachments).collect()) }
}

/// Reads EmailBodyParts of one property.
struct Reader<'a> {
    property: &'a str,
    texts: &'a Map<String, Value>,
}

impl Reader<'_> {
    fn wrong(&self, why: &str) -> SetError {
        SetError::property(self.property, why)
    }

    fn part(&self, value: Value, depth: usize, parts_left: &mut usize) -> Result<DraftPart, SetError> {
        let Value::Object(mut object) = value else { return Err(self.wrong("a part is not an object")) };
        *parts_left = parts_left.checked_sub(1).ok_or_else(|| self.wrong("too many parts"))?;
        let depth = depth.checked_sub(1).ok_or_else(|| self.wrong("nested too deeply"))?;
        let media_type = self.text(&mut object, "type")?.unwrap_or_default().to_ascii_lowercase();
        if !is_media_type(&media_type) {
            return Err(self.wrong("type is not a media type"));
        }
        let charset = self.text(&mut object, "charset")?;
        let content = self.content(&mut object, &media_type, depth, parts_left)?;
        if charset.is_some() && matches!(content, Content::Text(_)) {
            // RFC 8621 §4.6: we choose the charset of a text that we encode.
            return Err(self.wrong("charset is given with partId"));
        }
        let part = DraftPart {
            media_type,
            charset,
            name: self.text(&mut object, "name")?,
            disposition: self.text(&mut object, "disposition")?.map(|text| text.to_ascii_lowercase()),
            cid: self.text(&mut object, "cid")?,
            language: self.languages(object.remove("language"))?,
            location: self.text(&mut object, "location")?,
            fields: Vec::new(),
            content,
        };
        self.check_tokens(&part)?;
        object.remove("size");
        self.with_fields(part, object)
    }

    /// What goes into a field without encoding may hold no white space and no control characters.
    fn check_tokens(&self, part: &DraftPart) -> Result<(), SetError> {
        let mut tokens = [&part.charset, &part.disposition, &part.cid, &part.location].into_iter().flatten().chain(&part.language);
        let is_sound = |token: &String| token.bytes().all(|b| b.is_ascii_graphic() && !b"<>\",;".contains(&b));
        if tokens.all(is_sound) { Ok(()) } else { Err(self.wrong("a property of a part has characters that it may not have")) }
    }

    fn content(
        &self,
        object: &mut Map<String, Value>,
        media_type: &str,
        depth: usize,
        parts_left: &mut usize,
    ) -> Result<Content, SetError> {
        let sub_parts = object.remove("subParts").filter(|value| !value.is_null());
        let (part_id, blob_id) = (self.text(object, "partId")?, self.text(object, "blobId")?);
        match (media_type.starts_with("multipart/"), sub_parts, part_id, blob_id) {
            (true, Some(Value::Array(parts)), None, None) if !parts.is_empty() => {
                parts.into_iter().map(|part| self.part(part, depth, parts_left)).collect::<Result<_, _>>().map(Content::Parts)
            }
            (false, None, Some(part_id), None) => match self.texts.get(&part_id).and_then(|value| value.get("value")) {
                Some(Value::String(text)) => Ok(Content::Text(text.clone())),
                _ => Err(self.wrong("partId is not in bodyValues")),
            },
            (false, None, None, Some(blob_id)) => Ok(Content::Blob(blob_id)),
            (true, ..) => Err(self.wrong("a multipart has subParts, and neither partId nor blobId")),
            (false, ..) => Err(self.wrong("a part has either partId or blobId")),
        }
    }

    /// What is left of a part are header fields; not the encoding, which we choose, and not those set by properties.
    fn with_fields(&self, mut part: DraftPart, object: Map<String, Value>) -> Result<DraftPart, SetError> {
        for (property, value) in object {
            let header = parse_header_property(&property).ok_or_else(|| self.wrong(&format!("{property} cannot be set")))?;
            let is_ours = ["content-transfer-encoding", "content-type", "content-disposition", "content-id"]
                .iter()
                .any(|name| header.name.eq_ignore_ascii_case(name));
            if is_ours {
                return Err(self.wrong(&format!("{property} is set by another property, or by the server")));
            }
            add_field(&mut part.fields, &header, value)?;
        }
        Ok(part)
    }

    fn text(&self, object: &mut Map<String, Value>, name: &str) -> Result<Option<String>, SetError> {
        match object.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.chars().any(char::is_control) => Ok(Some(text)),
            Some(_) => Err(self.wrong(&format!("{name} is not a text of one line"))),
        }
    }

    fn languages(&self, value: Option<Value>) -> Result<Vec<String>, SetError> {
        match value {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(value) => serde_json::from_value(value).map_err(|_| self.wrong("language is not a list of texts")),
        }
    }
}

/// RFC 2045 §5.1: two tokens; empty when it is not said.
fn is_media_type(text: &str) -> bool {
    let is_token =
        |token: &str| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b));
    text.is_empty() || text.split_once('/').is_some_and(|(main, subtype)| is_token(main) && is_token(subtype))
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
