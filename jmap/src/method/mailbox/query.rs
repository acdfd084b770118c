// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mailbox/query (RFC 8621 §2.3). The mailboxes of an account are read once; the rest is pure.

use std::cmp::Ordering;
use std::collections::HashMap;

use hearth_mailstore::{Mailbox, mailbox};
use hearth_types::MailboxId;

use super::get::name;
use crate::ctx::Reading;
use crate::error::MethodError;
use crate::method::args::{Args, Id};
use crate::method::filter::{Tree, parse_filter};
use crate::method::query::{self, Comparator, QueryArgs};
use crate::request::Arguments;

/// RFC 8621 §2.3 FilterCondition. An inner `None` asks for null.
#[derive(Debug, PartialEq)]
enum Condition {
    Parent(Option<String>),
    Name(String),
    Role(Option<String>),
    HasAnyRole(bool),
    IsSubscribed(bool),
}

/// Carries out the call.
pub fn run(reading: &mut Reading<'_, '_>, mut args: Args) -> Result<Arguments, MethodError> {
    let own = reading.caller.account;
    let query = QueryArgs::take(&mut args, own)?;
    let sort_as_tree = args.take("sortAsTree")?.unwrap_or(false);
    let filter_as_tree = args.take("filterAsTree")?.unwrap_or(false);
    args.finish()?;
    check_sort(&query.sort)?;
    let filter = query.filter.clone().map(|filter| parse_filter(filter, &parse_conditions)).transpose()?;

    let mut all = mailbox::list(reading.tx)?;
    all.sort_by(|a, b| compare(a, b, &query.sort));
    if sort_as_tree {
        all = as_tree(all);
    }
    let admitted: HashMap<MailboxId, bool> = all.iter().map(|mailbox| (mailbox.id, admits(filter.as_ref(), mailbox))).collect();
    let parents: HashMap<MailboxId, Option<MailboxId>> = all.iter().map(|mailbox| (mailbox.id, mailbox.parent)).collect();
    let is_shown = |id: MailboxId| {
        let mut above = std::iter::successors(Some(id), |id| parents.get(id).copied().flatten()).take(parents.len());
        let holds = |id: MailboxId| admitted.get(&id).copied().unwrap_or(false);
        if filter_as_tree { above.all(holds) } else { holds(id) }
    };
    let ids: Vec<MailboxId> = all.iter().map(|mailbox| mailbox.id).filter(|&id| is_shown(id)).collect();

    let total = query.calculate_total.then_some(ids.len());
    let window = query::window(ids, &query, |id, anchor| anchor.0.parse() == Ok(*id))?;
    Ok(query::to_wire(own, reading.tx.modseq()?, false, total, window))
}

/// The members of a condition all have to hold.
fn parse_conditions(mut args: Args) -> Result<Vec<Condition>, MethodError> {
    let mut conditions = Vec::new();
    if let Some(value) = args.take_nullable::<Id>("parentId")? {
        conditions.push(Condition::Parent(value.map(|id| id.0)));
    }
    conditions.extend(args.take("name")?.map(Condition::Name));
    if let Some(value) = args.take_nullable::<String>("role")? {
        conditions.push(Condition::Role(value));
    }
    conditions.extend(args.take("hasAnyRole")?.map(Condition::HasAnyRole));
    conditions.extend(args.take("isSubscribed")?.map(Condition::IsSubscribed));
    args.finish().map_err(|_| MethodError::UnsupportedFilter("a condition that is not known here".to_string()))?;
    Ok(conditions)
}

fn admits(filter: Option<&Tree<Vec<Condition>>>, mailbox: &Mailbox) -> bool {
    let holds = |condition: &Condition| match condition {
        Condition::Parent(parent) => mailbox.parent.map(|id| id.to_string()) == *parent,
        Condition::Name(part) => name(mailbox).to_lowercase().contains(&part.to_lowercase()),
        Condition::Role(role) => mailbox.role.map(hearth_mailstore::Role::as_str) == role.as_deref(),
        Condition::HasAnyRole(has) => mailbox.role.is_some() == *has,
        Condition::IsSubscribed(is) => mailbox.subscribed == *is,
    };
    filter.is_none_or(|filter| filter.admits(&|conditions: &Vec<Condition>| conditions.iter().all(holds)))
}

fn check_sort(sort: &[Comparator]) -> Result<(), MethodError> {
    // RFC 8621 §2.3: sortOrder and name; parentId some clients ask for.
    match sort.iter().find(|comparator| !matches!(comparator.property.as_str(), "sortOrder" | "name" | "parentId")) {
        Some(other) => Err(MethodError::UnsupportedSort(format!("mailboxes are not sorted by {}", other.property))),
        None => Ok(()),
    }
}

fn compare(a: &Mailbox, b: &Mailbox, sort: &[Comparator]) -> Ordering {
    let by_name = |a: &Mailbox, b: &Mailbox| name(a).to_lowercase().cmp(&name(b).to_lowercase());
    sort.iter()
        .map(|comparator| {
            let order = match comparator.property.as_str() {
                "name" => by_name(a, b),
                "parentId" => a.parent.cmp(&b.parent),
                _ => a.sort_order.cmp(&b.sort_order),
            };
            if comparator.ascending { order } else { order.reverse() }
        })
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.sort_order.cmp(&b.sort_order).then_with(|| by_name(a, b)).then_with(|| a.id.cmp(&b.id)))
}

/// RFC 8621 §2.3 sortAsTree: each mailbox before those below it, siblings in the order that they have.
fn as_tree(sorted: Vec<Mailbox>) -> Vec<Mailbox> {
    let mut below: HashMap<Option<MailboxId>, Vec<Mailbox>> = HashMap::new();
    for mailbox in sorted {
        below.entry(mailbox.parent).or_default().push(mailbox);
    }
    let mut next = below.remove(&None).unwrap_or_default();
    next.reverse();
    let mut tree = Vec::new();
    while let Some(mailbox) = next.pop() {
        next.extend(below.remove(&Some(mailbox.id)).unwrap_or_default().into_iter().rev());
        tree.push(mailbox);
    }
    tree
}
