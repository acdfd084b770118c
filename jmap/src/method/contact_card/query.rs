// SPDX-License-Identifier: AGPL-3.0-or-later
//! ContactCard/query (RFC 9610 §3.3). The cards of an account are bounded, and read one after the other.

use std::collections::{HashMap, HashSet};

use hearth_mailstore::card;
use hearth_types::{AddressBookId, CardId};

use super::card::from_store;
use super::condition::{Condition, Filter, Key, admits, check_sort, compare, keys, parse_card_filter};
use crate::ctx::Reading;
use crate::error::MethodError;
use crate::method::args::Args;
use crate::method::filter::Tree;
use crate::method::query::{self, Comparator, QueryArgs};
use crate::method::set::resolve_id;
use crate::request::Arguments;

/// Carries out the call.
pub fn run(reading: &mut Reading<'_, '_>, mut args: Args) -> Result<Arguments, MethodError> {
    let own = reading.caller.account;
    let query = QueryArgs::take(&mut args, own)?;
    args.finish()?;
    let filter = query.filter.clone().map(parse_card_filter).transpose()?;
    let ids = find(reading, filter.as_ref(), &query.sort)?;
    let total = query.calculate_total.then_some(ids.len());
    let window = query::window(ids, &query, |id, anchor| anchor.0.parse() == Ok(*id))?;
    Ok(query::to_wire(own, reading.tx.modseq()?, true, total, window))
}

/// The cards that a filter admits, in the order asked for; by age where that says nothing.
pub fn find(reading: &mut Reading<'_, '_>, filter: Option<&Filter>, sort: &[Comparator]) -> Result<Vec<CardId>, MethodError> {
    check_sort(sort)?;
    if filter.is_none() && sort.is_empty() {
        return Ok(card::ids(reading.tx)?);
    }
    let books = books(reading, filter)?;
    let mut found: Vec<(Vec<Key>, CardId)> = Vec::new();
    let mut failed = None;
    card::each(reading.tx, |id, json| {
        if failed.is_some() {
            return;
        }
        let card = match from_store(json) {
            Ok(card) => card,
            Err(error) => {
                failed = Some(error);
                return;
            }
        };
        let is_in = |book: &str| books.get(book).is_some_and(|cards| cards.contains(&id));
        if filter.is_none_or(|filter| admits(filter, &card, &is_in)) {
            found.push((keys(&card, sort), id));
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    found.sort_by(|(a, _), (b, _)| compare(a, b, sort));
    Ok(found.into_iter().map(|(_, id)| id).collect())
}

/// The cards of the address books that a filter names, by the name that it has for them.
fn books(reading: &mut Reading<'_, '_>, filter: Option<&Filter>) -> Result<HashMap<String, HashSet<CardId>>, MethodError> {
    let mut named = HashSet::new();
    if let Some(filter) = filter {
        gather(filter, &mut named);
    }
    let mut books = HashMap::new();
    for name in named {
        let id = resolve_id(&name, reading.created).and_then(|id| id.parse::<AddressBookId>().ok());
        let cards = id.map(|id| card::in_book(reading.tx, id)).transpose()?.unwrap_or_default();
        books.insert(name, cards.into_iter().collect());
    }
    Ok(books)
}

fn gather(filter: &Filter, named: &mut HashSet<String>) {
    match filter {
        Tree::Condition(conditions) => named.extend(conditions.iter().filter_map(|condition| match condition {
            Condition::InBook(id) => Some(id.clone()),
            _ => None,
        })),
        Tree::And(below) | Tree::Or(below) | Tree::Not(below) => below.iter().for_each(|tree| gather(tree, named)),
    }
}
