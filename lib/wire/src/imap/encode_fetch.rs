// SPDX-License-Identifier: AGPL-3.0-or-later
//! FETCH items as text: in a command, and as the name of a value in a response.

use super::command::{FetchItem, Section, SectionText};
use super::parse_fetch::FETCH_ITEMS;
use super::response::encode_astring;

/// The item as a client asks for it.
pub(super) fn encode_fetch_item(out: &mut Vec<u8>, item: &FetchItem) {
    let start = |out: &mut Vec<u8>, name: &str, peek: bool| {
        out.extend_from_slice(format!("{name}{}[", if peek { ".PEEK" } else { "" }).as_bytes())
    };
    let partial = |out: &mut Vec<u8>, partial: Option<(u32, u32)>| {
        if let Some((from, count)) = partial {
            out.extend_from_slice(format!("<{from}.{count}>").as_bytes());
        }
    };
    match item {
        FetchItem::Section { section, peek, partial: range } => {
            start(out, "BODY", *peek);
            encode_section(out, section);
            out.push(b']');
            partial(out, *range);
        }
        FetchItem::Binary { part, peek, partial: range } => {
            start(out, "BINARY", *peek);
            encode_part(out, part);
            out.push(b']');
            partial(out, *range);
        }
        FetchItem::Preview { lazy: true } => out.extend_from_slice(b"PREVIEW (LAZY)"),
        other => encode_fetch_item_name(out, other),
    }
}

/// The item as the response names it: without PEEK, a partial by its start alone (RFC 9051 §7.5.2).
pub fn encode_fetch_item_name(out: &mut Vec<u8>, item: &FetchItem) {
    let origin = |out: &mut Vec<u8>, partial: Option<(u32, u32)>| {
        if let Some((from, _)) = partial {
            out.extend_from_slice(format!("<{from}>").as_bytes());
        }
    };
    match item {
        FetchItem::Section { section, partial, .. } => {
            out.extend_from_slice(b"BODY[");
            encode_section(out, section);
            out.push(b']');
            origin(out, *partial);
        }
        FetchItem::Binary { part, partial, .. } => {
            out.extend_from_slice(b"BINARY[");
            encode_part(out, part);
            out.push(b']');
            origin(out, *partial);
        }
        FetchItem::BinarySize(part) => {
            out.extend_from_slice(b"BINARY.SIZE[");
            encode_part(out, part);
            out.push(b']');
        }
        FetchItem::Preview { .. } => out.extend_from_slice(b"PREVIEW"),
        plain => {
            let name = FETCH_ITEMS.iter().find(|(_, known)| known == plain).map_or("", |(name, _)| name);
            out.extend_from_slice(name.as_bytes());
        }
    }
}

fn encode_part(out: &mut Vec<u8>, part: &[u32]) {
    let numbers: Vec<String> = part.iter().map(u32::to_string).collect();
    out.extend_from_slice(numbers.join(".").as_bytes());
}

fn encode_section(out: &mut Vec<u8>, section: &Section) {
    encode_part(out, &section.part);
    if !section.part.is_empty() && section.text != SectionText::All {
        out.push(b'.');
    }
    let fields = |out: &mut Vec<u8>, name: &str, fields: &[String]| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b" (");
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            encode_astring(out, field.as_bytes());
        }
        out.push(b')');
    };
    match &section.text {
        SectionText::All => {}
        SectionText::Header => out.extend_from_slice(b"HEADER"),
        SectionText::HeaderFields(names) => fields(out, "HEADER.FIELDS", names),
        SectionText::HeaderFieldsNot(names) => fields(out, "HEADER.FIELDS.NOT", names),
        SectionText::Text => out.extend_from_slice(b"TEXT"),
        SectionText::Mime => out.extend_from_slice(b"MIME"),
    }
}
