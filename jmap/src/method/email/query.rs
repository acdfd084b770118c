// SPDX-License-Identifier: AGPL-3.0-or-later
//! Email/query (RFC 8621 §4.4).

use std::collections::HashSet;

use hearth_mailstore::search::{self, Found};
use hearth_types::MessageId;

use super::condition::{is_by_message, parse_email_filter, to_store, to_store_sort};
use crate::ctx::Reading;
use crate::error::MethodError;
use crate::method::args::Args;
use crate::method::query::{self, QueryArgs};
use crate::request::Arguments;

/// Carries out the call.
pub fn run(reading: &mut Reading<'_, '_>, mut args: Args) -> Result<Arguments, MethodError> {
    let own = reading.caller.account;
    let query = QueryArgs::take(&mut args, own)?;
    let collapse = args.take("collapseThreads")?.unwrap_or(false);
    args.finish()?;
    let filter = query.filter.clone().map(parse_email_filter).transpose()?;
    let sort = to_store_sort(&query.sort)?;
    let can_calculate = !collapse && is_by_message(filter.as_ref(), &sort);

    let found = search::query(reading.tx, &to_store(filter.as_ref(), reading.created), &sort)?;
    let ids: Vec<MessageId> = if collapse { collapse_threads(found) } else { found.into_iter().map(|found| found.id).collect() };
    let total = query.calculate_total.then_some(ids.len());
    let window = query::window(ids, &query, |id, anchor| anchor.0.parse() == Ok(*id))?;
    Ok(query::to_wire(own, reading.tx.modseq()?, can_calculate, total, window))
}

/// RFC 8621 §4.4.3: of each thread the first stays.
fn collapse_threads(found: Vec<Found>) -> Vec<MessageId> {
    let mut seen = HashSet::new();
    found.into_iter().filter(|found| seen.insert(found.thread)).map(|found| found.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::ThreadId;

    #[test]
    fn the_first_of_each_thread_stays() {
        let found = |id: i64, thread: i64| Found {
            id: MessageId::from_i64(id),
            thread: ThreadId::from_i64(thread),
            modseq: 1,
            created_modseq: 1,
        };
        let all = vec![found(1, 1), found(2, 2), found(3, 1), found(4, 2), found(5, 3)];
        assert_eq!(collapse_threads(all), [1, 2, 5].map(MessageId::from_i64));
    }
}
