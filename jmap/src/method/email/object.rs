// SPDX-License-Identifier: AGPL-3.0-or-later
//! An Email object (RFC 8621 §4.1), written property by property.

use hearth_mailstore::{Flag, FlagSet, Summary};
use hearth_types::Timestamp;
use hearth_wire::message::{Addr, Header, Parsed, Part};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::body::{self, Views};
use super::header::{email_address, raw_text, render_property, split_header};
use super::property::{Property, Wanted};
use super::value::{Raw, body_value, decoded_size};
use crate::blob_id::BlobRef;
use crate::error::MethodError;

/// A message to be shown.
pub struct View<'a, R: Raw> {
    /// What is known of it.
    pub parsed: &'a Parsed,
    /// Where it is, when it is in a mailbox.
    pub summary: Option<&'a Summary>,
    /// The blob of the whole.
    pub blob: BlobRef,
    /// Its octets; `None` when nothing asked for needs them.
    pub raw: Option<&'a R>,
}

/// The object with the properties that are wanted.
pub fn to_wire<R: Raw>(view: &View<'_, R>, wanted: &Wanted) -> Result<Map<String, Value>, MethodError> {
    let block = match view.raw {
        Some(raw) if wanted.shows_header() => raw.range(view.parsed.structure.header.clone())?,
        _ => Vec::new(),
    };
    let fields = split_header(&block);
    let views = body::views(&view.parsed.structure);
    let mut object = Map::new();
    for property in &wanted.email {
        let (name, value) = match property {
            Property::Header(header) => (header.written.clone(), render_property(header, &fields)),
            Property::Plain("headers") => ("headers".to_string(), header_list(&fields)),
            Property::Plain(name @ ("bodyValues" | "textBody" | "htmlBody" | "attachments" | "bodyStructure")) => {
                (name.to_string(), body_property(name, view, &views, wanted)?)
            }
            Property::Plain(name) => (name.to_string(), plain_property(name, view)),
        };
        object.insert(name, value);
    }
    Ok(object)
}

/// RFC 8621 §4.1.3 `headers`: all fields, raw.
fn header_list(fields: &[Header<'_>]) -> Value {
    fields.iter().map(|field| json!({ "name": field.name, "value": raw_text(field.value) })).collect()
}

fn plain_property<R: Raw>(name: &str, view: &View<'_, R>) -> Value {
    let (parsed, envelope) = (view.parsed, &view.parsed.envelope);
    let of_summary = |value: fn(&Summary) -> Value| view.summary.map_or(Value::Null, value);
    match name {
        "id" => of_summary(|summary| summary.id.to_string().into()),
        "blobId" => view.blob.to_string().into(),
        "threadId" => of_summary(|summary| summary.thread.to_string().into()),
        "mailboxIds" => of_summary(|summary| {
            summary.places.iter().map(|place| (place.mailbox.to_string(), true.into())).collect::<Map<_, _>>().into()
        }),
        "keywords" => of_summary(|summary| keywords(&summary.flags)),
        "size" => view.summary.map_or(parsed.size_bytes, |summary| summary.size_bytes).into(),
        "receivedAt" => of_summary(|summary| utc_date(summary.received_at).into()),
        "messageId" => list_or_null(&envelope.message_id),
        "inReplyTo" => list_or_null(&envelope.in_reply_to),
        "references" => list_or_null(&envelope.references),
        "sender" => addresses(&envelope.sender),
        "from" => addresses(&envelope.from),
        "to" => addresses(&envelope.to),
        "cc" => addresses(&envelope.cc),
        "bcc" => addresses(&envelope.bcc),
        "replyTo" => addresses(&envelope.reply_to),
        "subject" => envelope.subject.clone().into(),
        "sentAt" => envelope.sent_at.map(|at| date(at, envelope.sent_zone_minutes)).into(),
        "hasAttachment" => parsed.has_attachment.into(),
        "preview" => parsed.preview.as_str().into(),
        _ => Value::Null,
    }
}

/// RFC 8621 §4.1.1 `keywords`.
pub fn keywords(flags: &FlagSet) -> Value {
    flags.iter().filter_map(|flag: Flag| Some((flag.as_jmap()?.to_string(), Value::Bool(true)))).collect::<Map<_, _>>().into()
}

fn list_or_null(list: &[String]) -> Value {
    if list.is_empty() { Value::Null } else { list.into() }
}

/// RFC 8621 §4.1.2.3: without the edges of groups.
fn addresses(list: &[Addr]) -> Value {
    if list.is_empty() {
        return Value::Null;
    }
    list.iter().filter_map(email_address).collect()
}

/// RFC 8620 §1.4 UTCDate; whole seconds.
pub fn utc_date(at: Timestamp) -> String {
    date(at, 0)
}

/// RFC 8620 §1.4 Date, in a zone so many minutes east of UTC.
pub fn date(at: Timestamp, zone_minutes: i16) -> String {
    let offset = time::UtcOffset::from_whole_seconds(i32::from(zone_minutes) * 60).unwrap_or(time::UtcOffset::UTC);
    OffsetDateTime::from_unix_timestamp(at.secs())
        .ok()
        .and_then(|moment| moment.checked_to_offset(offset))
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| "1970-01-01T00:00:00Z".to_string())
}

/// Reads a UTCDate (RFC 8620 §1.4).
pub fn parse_utc_date(text: &str) -> Option<Timestamp> {
    if !text.ends_with('Z') {
        return None;
    }
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok().map(Timestamp::from_millis)
}

fn body_property<R: Raw>(name: &str, view: &View<'_, R>, views: &Views<'_>, wanted: &Wanted) -> Result<Value, MethodError> {
    let list = |parts: &[&Part]| parts.iter().map(|part| part_to_wire(part, view, wanted, false)).collect::<Result<Value, _>>();
    match name {
        "textBody" => list(&views.text),
        "htmlBody" => list(&views.html),
        "attachments" => list(&views.attachments),
        "bodyStructure" => part_to_wire(&view.parsed.structure, view, wanted, true),
        _ => body_values(view, views, wanted),
    }
}

/// RFC 8621 §4.1.4 `bodyValues`: the texts that were asked for, by part.
fn body_values<R: Raw>(view: &View<'_, R>, views: &Views<'_>, wanted: &Wanted) -> Result<Value, MethodError> {
    let values = wanted.values;
    let leaves = if values.all { view.parsed.structure.leaves() } else { Vec::new() };
    let text = views.text.iter().filter(|_| values.text);
    let html = views.html.iter().filter(|_| values.html);
    let mut texts = Map::new();
    for part in text.chain(html).chain(&leaves).filter(|part| part.kind == "text") {
        if let (Some(id), Some(raw)) = (body::part_id(part), view.raw)
            && !texts.contains_key(id)
        {
            texts.insert(id.to_string(), body_value(part, raw, values.bytes_max)?);
        }
    }
    Ok(texts.into())
}

fn part_to_wire<R: Raw>(part: &Part, view: &View<'_, R>, wanted: &Wanted, with_sub_parts: bool) -> Result<Value, MethodError> {
    let wants_header = wanted.part.iter().any(|property| matches!(property, Property::Header(_) | Property::Plain("headers")));
    let block = match view.raw {
        Some(raw) if wants_header => raw.range(part.header.clone())?,
        _ => Vec::new(),
    };
    let fields = split_header(&block);
    let mut object = Map::new();
    for property in &wanted.part {
        let (name, value) = match property {
            Property::Header(header) => (header.written.as_str(), render_property(header, &fields)),
            Property::Plain("headers") => ("headers", header_list(&fields)),
            Property::Plain("size") => ("size", part_size(part, view)?),
            Property::Plain("subParts") => continue,
            Property::Plain(name) => (*name, part_property(name, part, &view.blob)),
        };
        object.insert(name.to_string(), value);
    }
    // RFC 8621 §4.1.4: subParts are what makes bodyStructure a structure; other lists have leaves only.
    if with_sub_parts && part.is_multipart() {
        let sub_parts = part.parts.iter().map(|part| part_to_wire(part, view, wanted, true)).collect::<Result<Value, _>>()?;
        object.insert("subParts".to_string(), sub_parts);
    }
    Ok(object.into())
}

fn part_size<R: Raw>(part: &Part, view: &View<'_, R>) -> Result<Value, MethodError> {
    match view.raw {
        Some(raw) if !part.is_multipart() => decoded_size(part, raw).map(Value::from),
        _ => Ok(0.into()),
    }
}

fn part_property(name: &str, part: &Part, blob: &BlobRef) -> Value {
    match name {
        "partId" => body::part_id(part).into(),
        "blobId" => body::part_id(part).map(|id| blob.part(id).to_string()).into(),
        "name" => part.file_name().into(),
        "type" => body::media_type(part).into(),
        "charset" => body::charset(part).into(),
        "disposition" => body::disposition(part).into(),
        "cid" => part.id.as_deref().map(|id| id.trim().trim_start_matches('<').trim_end_matches('>')).into(),
        "language" => list_or_null(&part.language),
        "location" => part.location.as_deref().into(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let at = Timestamp::from_secs(1_414_649_520);
        assert_eq!(utc_date(at), "2014-10-30T06:12:00Z");
        assert_eq!(date(at, 480), "2014-10-30T14:12:00+08:00");
        assert_eq!(parse_utc_date("2014-10-30T06:12:00Z"), Some(at));
        assert_eq!(parse_utc_date("2014-10-30T06:12:00.5Z"), Some(Timestamp::from_millis(1_414_649_520_500)));
        for wrong in ["2014-10-30T14:12:00+08:00", "2014-10-30", "Z", ""] {
            assert_eq!(parse_utc_date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn keywords_leave_deleted_out() {
        let flags: FlagSet = [Flag::Seen, Flag::Deleted, Flag::Keyword("$forwarded".into())].into_iter().collect();
        assert_eq!(keywords(&flags), json!({"$seen": true, "$forwarded": true}));
    }

    #[test]
    fn addresses_lose_their_groups() {
        let addr = |name: Option<&str>, mailbox: Option<&str>, host: Option<&str>| Addr {
            name: name.map(Into::into),
            mailbox: mailbox.map(Into::into),
            host: host.map(Into::into),
        };
        let list = [addr(None, Some("Friends"), None), addr(Some("A"), Some("a"), Some("x")), addr(None, None, None)];
        assert_eq!(addresses(&list), json!([{"name": "A", "email": "a@x"}]));
        assert_eq!(addresses(&[]), Value::Null);
    }
}
