// SPDX-License-Identifier: AGPL-3.0-or-later
//! GETMETADATA and SETMETADATA (RFC 5464), and METADATA in LIST (RFC 9590).
//!
//! `/private` is the owner's, `/shared` is for all who may see the mailbox; of the account both are its person's.

use hearth_mailstore::{Durability, Error, MailTx, Rights, annotation, limits};
use hearth_types::MailboxId;
use hearth_wire::imap::response::{Code, Reply, encode_metadata_line};
use hearth_wire::imap::{Depth, MailboxName};

use crate::access::{self, FLAGS, Spot, find_spot};
use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};

/// An entry and its value.
pub type Valued = (String, Option<Vec<u8>>);

/// With any of these, entries of a mailbox are told (RFC 5464 §3.3).
pub const READERS: Rights = Rights::READ.with(Rights::INSERT).with(FLAGS);

/// Tells entries.
pub async fn run(
    ctx: &mut Ctx,
    mailbox: Option<MailboxName>,
    size_bytes_max: Option<u32>,
    depth: Depth,
    wanted: &[String],
) -> Outcome {
    let spot = find_place(ctx, mailbox.as_ref()).await?;
    let account = spot.as_ref().map_or(ctx.account()?, |spot| spot.account);
    let work = move |tx: &mut MailTx<'_>| {
        // RFC 5464 §3.3: lookup, and a right to look into it.
        let place = find(tx, spot.as_ref(), READERS)?;
        let name = place.as_ref().map(|(_, name)| name.clone()).unwrap_or_default();
        let mut all = annotation::list(tx, place.map(|(id, _)| id))?;
        all.retain(|(entry, _)| is_visible(entry, spot.as_ref().is_some_and(Spot::is_foreign)));
        Ok::<_, Failure>((name, all))
    };
    let (name, all) = ctx.shared.store.read(account, work).await?;
    let found = select(&all, wanted, depth);
    let fits = |value: &Option<Vec<u8>>| {
        let length = value.as_ref().map_or(0, Vec::len);
        size_bytes_max.is_none_or(|max| length as u64 <= u64::from(max))
    };
    let (shown, long): (Vec<Valued>, Vec<Valued>) = found.into_iter().partition(|(_, value)| fits(value));
    if !shown.is_empty() {
        let mut out = Vec::new();
        encode_metadata_line(&mut out, &name, &shown, ctx.charset());
        ctx.write(&out).await?;
    }
    // RFC 5464 §4.2.1: the length of the longest that was left out.
    Ok(match long.iter().map(|(_, value)| value.as_ref().map_or(0, Vec::len)).max() {
        Some(longest) => Reply::ok("some are longer").with(Code::Metadata("LONGENTRIES", Some(longest as u64))),
        None => Reply::ok("done"),
    })
}

/// RFC 5464 §4.2.2: entries by name, and what is below them; one that is not set is NIL when it was asked for by name alone.
fn select(all: &[(String, Vec<u8>)], wanted: &[String], depth: Depth) -> Vec<Valued> {
    let mut found: Vec<Valued> = Vec::new();
    for name in wanted {
        let matches = |entry: &str| match entry.strip_prefix(name.as_str()) {
            Some("") => true,
            Some(rest) => match (depth, rest.strip_prefix('/')) {
                (Depth::One, Some(rest)) => !rest.contains('/'),
                (Depth::Infinity, Some(_)) => true,
                _ => false,
            },
            None => false,
        };
        let before = found.len();
        found.extend(all.iter().filter(|(entry, _)| matches(entry)).map(|(entry, value)| (entry.clone(), Some(value.clone()))));
        if found.len() == before && depth == Depth::Zero {
            found.push((name.clone(), None));
        }
    }
    found
}

/// Sets entries: all of them or none.
pub async fn run_set(ctx: &mut Ctx, mailbox: Option<MailboxName>, entries: Vec<Valued>) -> Outcome {
    let spot = find_place(ctx, mailbox.as_ref()).await?;
    let account = spot.as_ref().map_or(ctx.account()?, |spot| spot.account);
    let foreign = spot.as_ref().is_some_and(Spot::is_foreign);
    if entries.iter().any(|(entry, _)| !is_visible(entry, foreign)) {
        // RFC 5464 §4.3
        return Ok(Reply::no("only its owner has private entries").with(Code::Metadata("NOPRIVATE", None)));
    }
    if foreign && entries.iter().any(|(entry, _)| entry == crate::event::ENTRY) {
        // Which of the owner's scripts runs is the owner's to say.
        return Err(access::refusal());
    }
    let work = move |tx: &mut MailTx<'_>| {
        let place = find(tx, spot.as_ref(), Rights::WRITE)?.map(|(id, _)| id);
        for (name, value) in &entries {
            annotation::change(tx, place, name, value.as_deref()).map_err(refusal)?;
        }
        Ok::<_, Failure>(())
    };
    ctx.shared.store.write(account, Durability::Synced, work).await?;
    Ok(Reply::ok("done"))
}

/// RFC 5464 §4.3: why not, by its codes.
fn refusal(error: Error) -> Failure {
    match error {
        Error::TooLarge(_) => {
            let max = limits::ANNOTATION_BYTES_MAX as u64;
            Reply::no("the value is too long").with(Code::Metadata("MAXSIZE", Some(max))).into()
        }
        Error::TooMany(_) => Reply::no("there are too many entries").with(Code::Metadata("TOOMANY", None)).into(),
        other => other.into(),
    }
}

async fn find_place(ctx: &mut Ctx, mailbox: Option<&MailboxName>) -> Result<Option<Spot>, Failure> {
    match mailbox {
        Some(name) => Ok(Some(find_spot(ctx, name.as_str()).await?)),
        None => Ok(None),
    }
}

/// The mailbox, for somebody who may see it and has any of these rights.
fn find(tx: &mut MailTx<'_>, spot: Option<&Spot>, any: Rights) -> Result<Option<(MailboxId, String)>, Failure> {
    let Some(spot) = spot else { return Ok(None) };
    let (found, rights) = spot.find(tx, Rights::LOOKUP)?;
    if rights.has_any(any) { Ok(Some((found.id, spot.name(&found.path)))) } else { Err(access::refusal()) }
}

/// May an entry be told, when the mailbox is another's?
pub fn is_visible(entry: &str, foreign: bool) -> bool {
    !foreign || entry.starts_with("/shared")
}

/// The entries of one mailbox that LIST was asked for (RFC 9590 §3); NIL where there are none.
pub fn listed(tx: &mut MailTx<'_>, mailbox: MailboxId, wanted: &[String], foreign: bool) -> Result<Vec<Valued>, Error> {
    let mut all = annotation::list(tx, Some(mailbox))?;
    all.retain(|(entry, _)| is_visible(entry, foreign));
    Ok(select(&all, wanted, Depth::Zero))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths() {
        let all: Vec<(String, Vec<u8>)> =
            ["/private/a", "/private/a/b", "/private/a/b/c", "/private/ab"].iter().map(|name| (name.to_string(), vec![])).collect();
        let names = |wanted: &str, depth| {
            let found = select(&all, &[wanted.to_string()], depth);
            found
                .into_iter()
                .map(|(name, value)| format!("{name}{}", if value.is_some() { "" } else { " NIL" }))
                .collect::<Vec<_>>()
        };
        assert_eq!(names("/private/a", Depth::Zero), ["/private/a"]);
        assert_eq!(names("/private/a", Depth::One), ["/private/a", "/private/a/b"]);
        assert_eq!(names("/private/a", Depth::Infinity), ["/private/a", "/private/a/b", "/private/a/b/c"]);
        assert_eq!(names("/private", Depth::One), ["/private/a", "/private/ab"]);
        assert_eq!(names("/private/x", Depth::Zero), ["/private/x NIL"]);
        assert!(names("/private/x", Depth::Infinity).is_empty());
    }
}
