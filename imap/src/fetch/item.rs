// SPDX-License-Identifier: AGPL-3.0-or-later
//! The items of a FETCH response, one after the other.

use std::sync::Arc;

use hearth_mailstore::sweep::Depth;
use hearth_mailstore::{Body, FlagSet, Result, Summary};
use hearth_types::MailboxId;
use hearth_wire::imap::response::{encode_literal_head, encode_number, encode_string};
use hearth_wire::imap::{
    Charset, FetchItem, SectionText, encode_date_time, encode_envelope, encode_fetch_item_name, encode_structure,
};

use super::decode::Decoder;
use super::piece::{Piece, Renderer, decoded_len, hide_nuls};
use super::section::{Located, cut, locate, select_fields};
use crate::limits::HEADER_BYTES_MAX;
use crate::news::{encode_fetch_head, encode_flag_set};
use crate::state::Modes;
use crate::view::Line;

/// What a FETCH asks for, of each message.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// In the order of the response.
    pub items: Vec<FetchItem>,
    /// How texts are written.
    pub charset: Charset,
    /// In which mailbox.
    pub mailbox: MailboxId,
    /// What the client has switched on.
    pub modes: Modes,
}

impl Wanted {
    /// Does any item need more than the mailbox view?
    pub fn needs_summary(&self) -> bool {
        use FetchItem::{EmailId, Flags, ModSeq, Uid};
        !self.items.iter().all(|item| matches!(item, Flags | Uid | ModSeq | EmailId))
    }

    /// How much of what was read from a message at its arrival do the items need?
    pub fn depth(&self) -> Depth {
        use FetchItem::{EmailId, Envelope, Flags, InternalDate, ModSeq, Rfc822, SaveDate, Size, ThreadId, Uid};
        let is_row = |item: &FetchItem| match item {
            FetchItem::Section { section, .. } => section.part.is_empty() && section.text == SectionText::All,
            item => matches!(item, Flags | Uid | ModSeq | EmailId | InternalDate | Size | ThreadId | SaveDate | Rfc822),
        };
        if self.items.iter().all(is_row) {
            Depth::Row
        } else if self.items.iter().all(|item| *item == Envelope || is_row(item)) {
            Depth::Envelope
        } else {
            Depth::All
        }
    }

    /// Does any item need the body?
    pub fn needs_body(&self) -> bool {
        use FetchItem::{Binary, BinarySize, Rfc822, Rfc822Header, Rfc822Text, Section};
        self.items
            .iter()
            .any(|item| matches!(item, Section { .. } | Rfc822 | Rfc822Header | Rfc822Text | Binary { .. } | BinarySize(_)))
    }
}

/// One message.
pub struct Subject<'a> {
    /// Its number.
    pub number: u32,
    /// Its place in the mailbox.
    pub line: Line,
    /// Its flags now.
    pub flags: &'a FlagSet,
    /// What the store knows without its body; there when [`Wanted::needs_summary`].
    pub summary: Option<&'a Summary>,
    /// Its body; there when [`Wanted::needs_body`].
    pub body: Option<&'a Arc<Body>>,
}

/// `* n FETCH (..)`. False when a part has an encoding that we cannot take off (RFC 3516 §4.3).
pub fn render(renderer: &mut Renderer, wanted: &Wanted, subject: &Subject<'_>) -> Result<bool> {
    encode_fetch_head(renderer.tail(), subject.number, subject.line.uid, wanted.modes);
    let mut known = true;
    for (at, item) in wanted.items.iter().enumerate() {
        if at > 0 {
            renderer.bytes(b" ");
        }
        encode_fetch_item_name(renderer.tail(), item);
        renderer.bytes(b" ");
        known &= render_value(renderer, wanted, subject, item)?;
    }
    renderer.bytes(b")\r\n");
    Ok(known)
}

fn render_value(renderer: &mut Renderer, wanted: &Wanted, subject: &Subject<'_>, item: &FetchItem) -> Result<bool> {
    match item {
        FetchItem::Flags => encode_flag_set(renderer.tail(), subject.flags),
        FetchItem::Uid => encode_number(renderer.tail(), u64::from(subject.line.uid)),
        FetchItem::ModSeq => renderer.bytes(format!("({})", subject.line.modseq.max(1)).as_bytes()),
        FetchItem::EmailId => renderer.bytes(format!("({})", subject.line.id).as_bytes()),
        _ => match subject.summary {
            Some(summary) => return render_stored(renderer, wanted, subject, summary, item),
            None => renderer.bytes(b"NIL"),
        },
    }
    Ok(true)
}

fn render_stored(
    renderer: &mut Renderer,
    wanted: &Wanted,
    subject: &Subject<'_>,
    summary: &Summary,
    item: &FetchItem,
) -> Result<bool> {
    let out = renderer.tail();
    let charset = wanted.charset;
    match item {
        FetchItem::Envelope => encode_envelope(out, &summary.parsed.envelope, charset),
        FetchItem::Body => encode_structure(out, &summary.parsed.structure, false, charset),
        FetchItem::BodyStructure => encode_structure(out, &summary.parsed.structure, true, charset),
        FetchItem::InternalDate => encode_date_time(out, summary.received_at),
        FetchItem::Size => encode_number(out, summary.size_bytes),
        FetchItem::ThreadId => out.extend_from_slice(format!("({})", summary.thread).as_bytes()),
        FetchItem::SaveDate => match summary.places.iter().find(|place| place.mailbox == wanted.mailbox) {
            Some(place) => encode_date_time(out, place.saved_at),
            None => out.extend_from_slice(b"NIL"),
        },
        // RFC 8970 §3.1: always at hand, so LAZY changes nothing; its text is UTF-8 whatever the client has enabled.
        FetchItem::Preview { .. } => encode_string(out, summary.parsed.preview.as_bytes(), charset),
        _ => return render_body(renderer, subject, summary, item),
    }
    Ok(true)
}

fn render_body(renderer: &mut Renderer, subject: &Subject<'_>, summary: &Summary, item: &FetchItem) -> Result<bool> {
    let Some(body) = subject.body else {
        renderer.bytes(b"NIL");
        return Ok(true);
    };
    let root = &summary.parsed.structure;
    let size_bytes = body.len();
    match item {
        FetchItem::Section { section, partial, .. } => match locate(root, size_bytes, section) {
            None => renderer.bytes(b"NIL"),
            Some(Located::Octets(range)) => render_slice(renderer, body, cut(range, *partial)),
            Some(Located::Fields { header, names, not }) => {
                let end = header.end.min(header.start + HEADER_BYTES_MAX);
                let mut selected = select_fields(&body.range(header.start..end)?, names, not);
                hide_nuls(&mut selected);
                let part = cut(0..selected.len() as u64, *partial);
                let at = |octet: u64| usize::try_from(octet).unwrap_or(usize::MAX);
                encode_literal_head(renderer.tail(), part.end - part.start);
                renderer.bytes(selected.get(at(part.start)..at(part.end)).unwrap_or_default());
            }
        },
        FetchItem::Rfc822 => render_slice(renderer, body, 0..size_bytes),
        FetchItem::Rfc822Header => render_slice(renderer, body, root.header.clone()),
        FetchItem::Rfc822Text => render_slice(renderer, body, root.body.clone()),
        FetchItem::Binary { part, partial, .. } => return render_binary(renderer, body, summary, part, *partial),
        FetchItem::BinarySize(part) => return render_binary_size(renderer, body, summary, part),
        _ => renderer.bytes(b"NIL"),
    }
    Ok(true)
}

/// `{n}` and the octets.
fn render_slice(renderer: &mut Renderer, body: &Arc<Body>, range: std::ops::Range<u64>) {
    encode_literal_head(renderer.tail(), range.end - range.start);
    if !range.is_empty() {
        renderer.push(Piece::Slice(Arc::clone(body), range));
    }
}

/// Where the content of a part is, and how it is encoded; of the whole message, as it is.
fn content(summary: &Summary, body: &Body, part: &[u32]) -> Option<(std::ops::Range<u64>, hearth_wire::message::TransferEncoding)> {
    if part.is_empty() {
        return Some((0..body.len(), hearth_wire::message::TransferEncoding::Binary));
    }
    summary.parsed.structure.find(part).map(|part| (part.body.clone(), part.encoding))
}

/// RFC 9051 §6.4.5: BINARY[part]<partial>, counted in decoded octets; literal8, for there may be NULs.
fn render_binary(
    renderer: &mut Renderer,
    body: &Arc<Body>,
    summary: &Summary,
    part: &[u32],
    partial: Option<(u32, u32)>,
) -> Result<bool> {
    let Some((range, encoding)) = content(summary, body, part) else {
        renderer.bytes(b"NIL");
        return Ok(true);
    };
    let (Some(length), Some(decoder)) = (decoded_len(body, range.clone(), encoding)?, Decoder::new(encoding)) else {
        renderer.bytes(b"NIL");
        return Ok(false);
    };
    let window = cut(0..length, partial);
    renderer.bytes(b"~");
    encode_literal_head(renderer.tail(), window.end - window.start);
    if !window.is_empty() {
        renderer.push(Piece::Decoded {
            body: Arc::clone(body),
            range,
            decoder,
            skip: window.start,
            left: window.end - window.start,
        });
    }
    Ok(true)
}

fn render_binary_size(renderer: &mut Renderer, body: &Arc<Body>, summary: &Summary, part: &[u32]) -> Result<bool> {
    let length = match content(summary, body, part) {
        Some((range, encoding)) => decoded_len(body, range, encoding)?,
        None => Some(0),
    };
    encode_number(renderer.tail(), length.unwrap_or(0));
    Ok(length.is_some())
}
