// SPDX-License-Identifier: AGPL-3.0-or-later
//! A draft's octets (RFC 5322, RFC 2045, RFC 2047). Pure: what is random or of now comes in.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hearth_types::Timestamp;
use hearth_wire::message::encode_words;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use super::draft::{Content, Draft, DraftPart};
use super::header::Form;

/// RFC 5322 §2.1.1: characters of a line that should not be passed.
const LINE_CHARS: usize = 78;
/// RFC 5322 §2.1.1: characters of a line that must not be passed.
const LINE_CHARS_MAX: usize = 998;

/// A blob that a part takes.
pub struct Blob {
    /// Its octets.
    pub octets: Vec<u8>,
}

/// What is not in the draft.
pub struct Given<'a> {
    /// Date, when the client set none.
    pub now: Timestamp,
    /// Message-ID without angle brackets, when the client set none.
    pub message_id: &'a str,
    /// Begins every boundary; random.
    pub boundary: &'a str,
    /// The blobs, by id; all that the draft names.
    pub blobs: &'a HashMap<String, Blob>,
}

/// The whole message.
pub fn encode_message(draft: &Draft, given: &Given<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let has = |name: &str| draft.fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name));
    if !has("Date") {
        write_field(&mut out, "Date", &rfc5322_date(given.now).unwrap_or_default());
    }
    for (name, value) in &draft.fields {
        write_field(&mut out, name, value);
    }
    if !has("Message-ID") {
        write_field(&mut out, "Message-ID", &format!("<{}>", given.message_id));
    }
    write_field(&mut out, "MIME-Version", "1.0");
    let mut boundaries = 0;
    write_part(&mut out, &draft.body, given, &mut boundaries);
    out
}

/// RFC 8621 §4.1.2: a value of a form as a field's body; `None` when it is not in that form.
pub fn encode_field(form: Form, value: &Value) -> Option<String> {
    match form {
        Form::Raw => encode_raw(value.as_str()?),
        Form::Text => Some(encode_text(value.as_str()?)),
        Form::Addresses => encode_addresses(value),
        Form::GroupedAddresses => {
            let groups = value.as_array()?.iter().map(encode_group).collect::<Option<Vec<_>>>()?;
            Some(groups.join(", "))
        }
        Form::MessageIds => encode_bracketed(value, " "),
        Form::Urls => encode_bracketed(value, ", "),
        Form::Date => {
            let moment = OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok()?;
            moment.replace_nanosecond(0).ok()?.format(&Rfc2822).ok()
        }
    }
}

/// As it stands: a line end only where the next line begins with white space, no NUL.
fn encode_raw(text: &str) -> Option<String> {
    let unfolded = text.replace("\r\n ", " ").replace("\r\n\t", "\t");
    let is_sound = !unfolded.chars().any(|c| c.is_control() && c != '\t');
    is_sound.then(|| text.strip_prefix(' ').unwrap_or(text).to_string())
}

/// RFC 2047: encoded words where the text is not plain ASCII.
fn encode_text(text: &str) -> String {
    encode_words(text).into_owned()
}

fn encode_addresses(value: &Value) -> Option<String> {
    let list = value.as_array()?.iter().map(encode_address).collect::<Option<Vec<_>>>()?;
    Some(list.join(", "))
}

fn encode_address(value: &Value) -> Option<String> {
    let object = value.as_object().filter(|object| object.keys().all(|key| key == "name" || key == "email"))?;
    let email = object.get("email")?.as_str()?;
    let is_sound = !email.is_empty() && !email.chars().any(|c| c.is_control() || c.is_whitespace() || "<>,;".contains(c));
    if !is_sound {
        return None;
    }
    match object.get("name") {
        None | Some(Value::Null) => Some(email.to_string()),
        Some(Value::String(name)) if name.is_empty() => Some(email.to_string()),
        Some(Value::String(name)) => Some(format!("{} <{email}>", encode_phrase(name))),
        Some(_) => None,
    }
}

fn encode_group(value: &Value) -> Option<String> {
    let members = encode_addresses(value.get("addresses")?)?;
    match value.get("name") {
        None | Some(Value::Null) => Some(members),
        Some(name) => Some(format!("{}: {members};", encode_phrase(name.as_str()?))),
    }
}

/// RFC 5322 §3.2.5: atoms as they are, else a quoted string, else encoded words.
fn encode_phrase(name: &str) -> String {
    let is_atoms = name.bytes().all(|b| b.is_ascii_alphanumeric() || b" !#$%&'*+-/=?^_`{|}~".contains(&b)) && !name.contains("=?");
    if is_atoms {
        return name.to_string();
    }
    if name.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    }
    encode_text(name)
}

fn encode_bracketed(value: &Value, between: &str) -> Option<String> {
    let is_sound = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace() || "<>".contains(c));
    let items = value.as_array()?.iter().map(|item| item.as_str().filter(|text| is_sound(text)).map(|text| format!("<{text}>")));
    Some(items.collect::<Option<Vec<_>>>()?.join(between))
}

fn rfc5322_date(at: Timestamp) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(at.secs()).ok()?.format(&Rfc2822).ok()
}

/// Writes a field, folded at spaces so that no line is longer than it should be, where it has spaces.
fn write_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let mut column = name.len() + 1;
    for word in value.split(' ') {
        // A fold must not leave a line of white space only.
        if column + 1 + word.len() > LINE_CHARS && column > name.len() + 1 && !word.is_empty() {
            out.extend_from_slice(b"\r\n");
            column = 0;
        }
        out.push(b' ');
        out.extend_from_slice(word.as_bytes());
        column += 1 + word.len();
    }
    out.extend_from_slice(b"\r\n");
}

fn write_part(out: &mut Vec<u8>, part: &DraftPart, given: &Given<'_>, boundaries: &mut u32) {
    for (name, value) in &part.fields {
        write_field(out, name, value);
    }
    if let Some(cid) = &part.cid {
        write_field(out, "Content-ID", &format!("<{cid}>"));
    }
    if let Some(location) = &part.location {
        write_field(out, "Content-Location", location);
    }
    if !part.language.is_empty() {
        write_field(out, "Content-Language", &part.language.join(", "));
    }
    write_disposition(out, part);
    match &part.content {
        Content::Parts(parts) => write_multipart(out, part, parts, given, boundaries),
        Content::Text(text) => write_text(out, part, text),
        Content::Blob(id) => {
            let octets = given.blobs.get(id).map(|blob| blob.octets.as_slice()).unwrap_or_default();
            write_blob(out, part, octets);
        }
    }
}

fn write_multipart(out: &mut Vec<u8>, part: &DraftPart, parts: &[DraftPart], given: &Given<'_>, boundaries: &mut u32) {
    *boundaries += 1;
    // RFC 2045 §6.7: "=_" can stand in neither quoted-printable nor base64.
    let boundary = format!("=_{}_{boundaries}", given.boundary);
    write_field(out, "Content-Type", &format!("{}; boundary=\"{boundary}\"", part.media_type));
    out.extend_from_slice(b"\r\n");
    for inner in parts {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        write_part(out, inner, given, boundaries);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
}

fn write_disposition(out: &mut Vec<u8>, part: &DraftPart) {
    let Some(disposition) = part.disposition.as_deref().or(part.name.is_some().then_some("attachment")) else {
        return;
    };
    let name = part.name.as_deref().map(|name| format!("; {}", encode_parameter("filename", name))).unwrap_or_default();
    write_field(out, "Content-Disposition", &format!("{disposition}{name}"));
}

/// RFC 2231 §4 where the value is not plain ASCII; else a quoted string.
fn encode_parameter(name: &str, value: &str) -> String {
    if value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
    }
    let mut encoded = String::new();
    for b in value.bytes() {
        if b.is_ascii_alphanumeric() || b"-._".contains(&b) {
            encoded.push(char::from(b));
        } else {
            encoded.push_str(&format!("%{b:02X}"));
        }
    }
    format!("{name}*=utf-8''{encoded}")
}

fn content_type(part: &DraftPart, default: &str, charset: Option<&str>) -> String {
    let media_type = if part.media_type.is_empty() { default } else { &part.media_type };
    let charset = charset.map(|charset| format!("; charset={charset}")).unwrap_or_default();
    format!("{media_type}{charset}")
}

fn write_text(out: &mut Vec<u8>, part: &DraftPart, text: &str) {
    let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    write_field(out, "Content-Type", &content_type(part, "text/plain", Some("utf-8")));
    let is_plain = text.bytes().all(|b| b.is_ascii_graphic() || b" \t\r\n".contains(&b))
        && text.split("\r\n").all(|line| line.len() <= LINE_CHARS_MAX && !line.contains(['\r', '\n']));
    let encoding = if is_plain { "7bit" } else { "quoted-printable" };
    write_field(out, "Content-Transfer-Encoding", encoding);
    out.extend_from_slice(b"\r\n");
    if is_plain { out.extend_from_slice(text.as_bytes()) } else { write_quoted_printable(out, text.as_bytes()) }
}

/// RFC 2045 §6.7; line ends are the text's own.
fn write_quoted_printable(out: &mut Vec<u8>, text: &[u8]) {
    for (index, line) in text.split(|&b| b == b'\n').enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\r\n");
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut column = 0;
        for (at, &b) in line.iter().enumerate() {
            let is_last = at + 1 == line.len();
            let is_literal = (b.is_ascii_graphic() && b != b'=') || (matches!(b, b' ' | b'\t') && !is_last);
            let width = if is_literal { 1 } else { 3 };
            if column + width > 75 {
                out.extend_from_slice(b"=\r\n");
                column = 0;
            }
            if is_literal {
                out.push(b)
            } else {
                out.extend_from_slice(format!("={b:02X}").as_bytes())
            }
            column += width;
        }
    }
}

fn write_blob(out: &mut Vec<u8>, part: &DraftPart, octets: &[u8]) {
    write_field(out, "Content-Type", &content_type(part, "application/octet-stream", part.charset.as_deref()));
    // RFC 2046 §5.2.1: a message is not encoded.
    if part.media_type == "message/rfc822" {
        write_field(out, "Content-Transfer-Encoding", if octets.is_ascii() { "7bit" } else { "8bit" });
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(octets);
        return;
    }
    write_field(out, "Content-Transfer-Encoding", "base64");
    out.extend_from_slice(b"\r\n");
    // RFC 2045 §6.8: lines of 76 characters, 57 octets each.
    for line in octets.chunks(57) {
        out.extend_from_slice(BASE64_STANDARD.encode(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
