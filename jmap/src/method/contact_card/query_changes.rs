// SPDX-License-Identifier: AGPL-3.0-or-later
//! ContactCard/queryChanges (RFC 9610 §3.4).
//!
//! RFC 8620 §5.6 lets `removed` name what may have been in the results: it is every card that changed or went away
//! since. Of these, `added` puts back those that are in the results now, at their place.

use std::collections::HashSet;

use hearth_mailstore::changes;
use hearth_types::CardId;
use serde_json::{Map, Value};

use super::condition::parse_card_filter;
use super::query::find;
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
    let filter = args.take::<Map<String, Value>>("filter")?.map(|filter| parse_card_filter(filter.into())).transpose()?;
    let sort = take_sort(&mut args)?;
    let since = parse_state(&args.need::<String>("sinceQueryState")?)?;
    let max = args.take::<u64>("maxChanges")?.map_or(CHANGES_MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
    // RFC 8620 §5.6: a server may leave upToId unused.
    args.take::<Id>("upToId")?;
    let calculate_total = args.take("calculateTotal")?.unwrap_or(false);
    args.finish()?;
    let now = reading.tx.modseq()?;
    check_state(since, now)?;

    let changed = changes::cards(reading.tx, since, 0)?;
    let found = find(reading, filter.as_ref(), &sort)?;
    let new: HashSet<CardId> = changed.created.iter().chain(&changed.updated).copied().collect();
    let removed: Vec<String> = changed.updated.iter().chain(&changed.destroyed).map(CardId::to_string).collect();
    let added: Vec<(String, usize)> =
        found.iter().enumerate().filter(|(_, id)| new.contains(id)).map(|(index, id)| (id.to_string(), index)).collect();
    if removed.len() + added.len() > max.min(CHANGES_MAX) {
        return Err(MethodError::TooManyChanges);
    }
    let total = calculate_total.then_some(found.len());
    Ok(query_changes_to_wire(own, since, now, total, removed, added))
}
