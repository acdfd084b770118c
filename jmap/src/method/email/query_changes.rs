// SPDX-License-Identifier: AGPL-3.0-or-later
//! Email/queryChanges (RFC 8621 §4.5).
//!
//! RFC 8620 §5.6 lets `removed` name what may have been in the results: it is every message that changed
//! or went away since. Of these, `added` puts back those that are in the results now, at their place.

use hearth_mailstore::{changes, search};
use hearth_types::MessageId;
use serde_json::{Map, Value};

use super::condition::{is_by_message, parse_email_filter, to_store, to_store_sort};
use crate::ctx::Reading;
use crate::error::MethodError;
use crate::limits::CHANGES_MAX;
use crate::method::args::{Args, Id};
use crate::method::changes::{check_state, parse_state, query_changes_to_wire};
use crate::method::query::take_sort;
use crate::request::Arguments;

/// Carries out the call.
pub fn run(reading: &mut Reading<'_, '_>, mut args: Args) -> Result<Arguments, MethodError> {
    let own = reading.caller.account;
    args.check_account(own)?;
    let filter = args.take::<Map<String, Value>>("filter")?.map(|filter| parse_email_filter(filter.into())).transpose()?;
    let sort = to_store_sort(&take_sort(&mut args)?)?;
    let since = parse_state(&args.need::<String>("sinceQueryState")?)?;
    let max = args.take::<u64>("maxChanges")?.map_or(CHANGES_MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
    // RFC 8620 §5.6: a server may leave upToId unused.
    args.take::<Id>("upToId")?;
    let calculate_total = args.take("calculateTotal")?.unwrap_or(false);
    let collapse = args.take("collapseThreads")?.unwrap_or(false);
    args.finish()?;
    if collapse || !is_by_message(filter.as_ref(), &sort) {
        return Err(MethodError::CannotCalculateChanges);
    }
    let now = reading.tx.modseq()?;
    check_state(since, now)?;

    let changed = changes::messages(reading.tx, since, 0)?;
    let found = search::query(reading.tx, &to_store(filter.as_ref(), reading.created), &sort)?;
    let removed: Vec<String> = changed.updated.iter().chain(&changed.destroyed).map(MessageId::to_string).collect();
    let added: Vec<(String, usize)> = found
        .iter()
        .enumerate()
        .filter(|(_, found)| found.modseq > since || found.created_modseq > since)
        .map(|(index, found)| (found.id.to_string(), index))
        .collect();
    if removed.len() + added.len() > max.min(CHANGES_MAX) {
        return Err(MethodError::TooManyChanges);
    }
    let total = calculate_total.then_some(found.len());
    Ok(query_changes_to_wire(own, since, now, total, removed, added))
}
