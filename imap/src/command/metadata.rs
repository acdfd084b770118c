// SPDX-License-Identifier: AGPL-3.0-or-later
//! GETMETADATA and SETMETADATA (RFC 5464), and METADATA in LIST (RFC 9590).
//!
//! The account is one person's, so that `/private` and `/shared` differ in name alone.

use hearth_mailstore::{Durability, Error, MailTx, annotation, limits, mailbox};
use hearth_types::MailboxId;
use hearth_wire::imap::response::{Code, Reply, encode_metadata_line};
use hearth_wire::imap::{Depth, MailboxName};

use crate::ctx::Ctx;
use crate::fault::{Failure, Outcome};

/// An entry and its value.
type Valued = (String, Option<Vec<u8>>);

/// Tells entries.
pub async fn run(
    ctx: &mut Ctx,
    mailbox: Option<MailboxName>,
    size_bytes_max: Option<u32>,
    depth: Depth,
    wanted: &[String],
) -> Outcome {
    let account = ctx.account()?;
    let path = mailbox.map(|name| name.as_str().to_string());
    let work = move |tx: &mut MailTx<'_>| {
        let place = find(tx, path.as_deref())?;
        let name = place.as_ref().map(|(_, name)| name.clone()).unwrap_or_default();
        Ok::<_, Failure>((name, annotation::list(tx, place.map(|(id, _)| id))?))
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
    let account = ctx.account()?;
    let path = mailbox.map(|name| name.as_str().to_string());
    let work = move |tx: &mut MailTx<'_>| {
        let place = find(tx, path.as_deref())?.map(|(id, _)| id);
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

fn find(tx: &mut MailTx<'_>, path: Option<&str>) -> Result<Option<(MailboxId, String)>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let found = mailbox::find_by_name(tx, path)?.ok_or(Error::NoSuchMailbox)?;
    Ok(Some((found.id, found.path)))
}

/// The entries of one mailbox that LIST was asked for (RFC 9590 §3); NIL where there are none.
pub fn listed(tx: &mut MailTx<'_>, mailbox: MailboxId, wanted: &[String]) -> Result<Vec<Valued>, Error> {
    Ok(select(&annotation::list(tx, Some(mailbox))?, wanted, Depth::Zero))
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
