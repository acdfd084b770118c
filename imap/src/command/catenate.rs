// SPDX-License-Identifier: AGPL-3.0-or-later
//! CATENATE (RFC 4469): what a URL in an APPEND points at, read a piece at a time.

use std::ops::Range;
use std::sync::Arc;

use hearth_mailstore::limits::BODY_CHUNK_BYTES;
use hearth_mailstore::{Body, MailTx, Rights, mailbox, message};
use hearth_types::{AccountId, MailboxId, Trouble};
use hearth_wire::imap::response::{Code, Reply};
use hearth_wire::imap::{MessageUrl, parse_message_url};

use crate::access::{Spot, find_spot};
use crate::ctx::Ctx;
use crate::fault::Failure;
use crate::fetch::section::{Located, cut, locate, select_fields};
use crate::limits::HEADER_BYTES_MAX;

/// Octets of a message.
pub enum Source {
    /// A slice of its body.
    Slice(Arc<Body>, Range<u64>),
    /// Some of its header fields.
    Bytes(Vec<u8>),
}

impl Source {
    /// All of a message.
    pub fn whole(body: Body) -> Self {
        let size_bytes = body.len();
        Self::Slice(Arc::new(body), 0..size_bytes)
    }

    /// How many are left.
    pub fn len(&self) -> u64 {
        match self {
            Self::Slice(_, range) => range.end - range.start,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// The next ones; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        match self {
            Self::Bytes(bytes) if bytes.is_empty() => Ok(None),
            Self::Bytes(bytes) => Ok(Some(std::mem::take(bytes))),
            Self::Slice(_, range) if range.is_empty() => Ok(None),
            Self::Slice(body, range) => {
                let (from, to) = (range.start, range.end.min(range.start + BODY_CHUNK_BYTES as u64));
                range.start = to;
                let body = Arc::clone(body);
                let read = tokio::task::spawn_blocking(move || body.range(from..to)).await.map_err(Trouble::from)?;
                Ok(Some(read?))
            }
        }
    }
}

/// RFC 4469 §4: a URL that leads nowhere is told by its own words.
pub async fn open(ctx: &mut Ctx, url: &str) -> Result<Source, Failure> {
    let bad = |why: &str| Failure::from(Reply::no(why).with(Code::BadUrl(url.to_string())));
    let parsed = parse_message_url(url).map_err(|mistake| bad(mistake.0))?;
    let nothing = || bad("there is nothing at this URL");
    let place = match (&parsed.mailbox, &ctx.selected) {
        (Some(name), _) => Place::Named(find_spot(ctx, name.as_str()).await.map_err(|_| nothing())?),
        (None, Some(selected)) if selected.rights.has(Rights::READ) => Place::Open(selected.account, selected.mailbox),
        (None, _) => return Err(nothing()),
    };
    let account = match &place {
        Place::Named(spot) => spot.account,
        Place::Open(account, _) => *account,
    };
    let found = ctx.shared.store.read(account, move |tx| find(tx, &parsed, &place)).await?;
    found.ok_or_else(nothing)
}

enum Place {
    Named(Spot),
    Open(AccountId, MailboxId),
}

fn find(tx: &mut MailTx<'_>, url: &MessageUrl, place: &Place) -> Result<Option<Source>, Failure> {
    let found = match place {
        // Who may not read it is told nothing of it.
        Place::Named(spot) => spot.find(tx, Rights::READ).ok().map(|(found, _)| found),
        Place::Open(_, open) => mailbox::find(tx, *open)?,
    };
    let Some(found) = found.filter(|found| url.uid_validity.is_none_or(|validity| validity == found.uid_validity)) else {
        return Ok(None);
    };
    let entries = message::entries(tx, found.id, &[url.uid])?;
    let Some(id) = entries.first().map(|entry| entry.id) else { return Ok(None) };
    let (Some(summary), Some(body)) = (message::find(tx, id)?, message::body(tx, id)?) else { return Ok(None) };
    let size_bytes = body.len();
    let partial = url.partial.map(|(from, count)| (from, count.unwrap_or(u32::MAX)));
    Ok(match locate(&summary.parsed.structure, size_bytes, &url.section) {
        None => None,
        Some(Located::Octets(range)) => Some(Source::Slice(Arc::new(body), cut(range, partial))),
        Some(Located::Fields { header, names, not }) => {
            let end = header.end.min(header.start + HEADER_BYTES_MAX);
            let selected = select_fields(&body.range(header.start..end)?, names, not);
            let part = cut(0..selected.len() as u64, partial);
            let at = |octet: u64| usize::try_from(octet).unwrap_or(usize::MAX);
            Some(Source::Bytes(selected.get(at(part.start)..at(part.end)).unwrap_or_default().to_vec()))
        }
    })
}
