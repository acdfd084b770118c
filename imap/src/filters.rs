// SPDX-License-Identifier: AGPL-3.0-or-later
//! FILTERS (RFC 5466): searches that are kept by name, as entries of METADATA of the account.
//!
//! Before a search is run, the keys of a filter are put where its name stands. A person's own filter comes before a
//! shared one of the same name (RFC 5466 §3.1).

use hearth_mailstore::{MailTx, annotation};
use hearth_wire::imap::response::{Code, Reply};
use hearth_wire::imap::{SearchKey, parse_filter};

use crate::command::keys_use_numbers;
use crate::ctx::Ctx;
use crate::fault::Failure;
use crate::limits::{FILTERS_NESTED_MAX, FILTERS_USED_MAX};

/// Where the values of filters are.
const PLACES: [&str; 2] = ["/private/filters/values/", "/shared/filters/values/"];

/// Puts in what filters stand for.
pub async fn expand(ctx: &mut Ctx, keys: Vec<SearchKey>) -> Result<Vec<SearchKey>, Failure> {
    if !keys.iter().any(names_filter) {
        return Ok(keys);
    }
    let entries = ctx.shared.store.read(ctx.account()?, |tx: &mut MailTx<'_>| annotation::list(tx, None)).await?;
    let mut left = FILTERS_USED_MAX;
    let keys = keys.into_iter().map(|key| put_in(key, &entries, 0, &mut left)).collect::<Result<Vec<_>, _>>()?;
    if ctx.modes.uid_only && keys_use_numbers(&keys) {
        // RFC 9586 §3
        return Err(Reply::bad("only UIDs are spoken of").word("UIDREQUIRED").into());
    }
    Ok(keys)
}

fn names_filter(key: &SearchKey) -> bool {
    match key {
        SearchKey::Filter(_) => true,
        SearchKey::Not(key) | SearchKey::Fuzzy(key) => names_filter(key),
        SearchKey::Or(one, other) => names_filter(one) || names_filter(other),
        SearchKey::And(keys) => keys.iter().any(names_filter),
        _ => false,
    }
}

/// RFC 5466 §3.1: a filter may use another. One that uses itself comes to the bound, and is told like one that is not there.
fn put_in(key: SearchKey, entries: &[(String, Vec<u8>)], depth: usize, left: &mut usize) -> Result<SearchKey, Reply> {
    let boxed = |key: Box<SearchKey>, left: &mut usize| put_in(*key, entries, depth, left).map(Box::new);
    Ok(match key {
        SearchKey::Filter(name) => {
            let is_within = depth < FILTERS_NESTED_MAX && *left > 0;
            *left = left.saturating_sub(1);
            let value = |place: &&str| entries.iter().find(|(entry, _)| *entry == format!("{place}{name}"));
            let found = PLACES.iter().find_map(value).filter(|_| is_within);
            let keys = found.and_then(|(_, text)| parse_filter(text).ok());
            let Some(keys) = keys else {
                let reply = Reply::no("there is no such filter that can be used");
                return Err(reply.with(Code::UndefinedFilter(name)));
            };
            SearchKey::And(keys.into_iter().map(|key| put_in(key, entries, depth + 1, left)).collect::<Result<_, _>>()?)
        }
        SearchKey::Not(key) => SearchKey::Not(boxed(key, left)?),
        SearchKey::Fuzzy(key) => SearchKey::Fuzzy(boxed(key, left)?),
        SearchKey::Or(one, other) => SearchKey::Or(boxed(one, left)?, boxed(other, left)?),
        SearchKey::And(keys) => {
            SearchKey::And(keys.into_iter().map(|key| put_in(key, entries, depth, left)).collect::<Result<_, _>>()?)
        }
        key => key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(entries: &[(&str, &str)], name: &str) -> Result<SearchKey, Reply> {
        let entries: Vec<(String, Vec<u8>)> =
            entries.iter().map(|(entry, text)| (entry.to_string(), text.as_bytes().to_vec())).collect();
        put_in(SearchKey::Not(Box::new(SearchKey::Filter(name.into()))), &entries, 0, &mut { FILTERS_USED_MAX })
    }

    #[test]
    fn a_persons_own_comes_first() {
        let entries = [("/shared/filters/values/a", "SMALLER 1"), ("/private/filters/values/a", "SMALLER 2")];
        let found = put(&entries, "a").expect("a filter");
        assert_eq!(found, SearchKey::Not(Box::new(SearchKey::And(vec![SearchKey::Smaller(2)]))));
        assert!(put(&entries[..1], "a").is_ok());
        assert_eq!(put(&entries, "b").expect_err("none").code, Some(Code::UndefinedFilter("b".into())));
        assert!(put(&[("/private/filters/values/a", "FROB")], "a").is_err());
    }

    #[test]
    fn filters_nest_to_a_bound() {
        let chain = |length: usize| {
            let name = |at: usize| format!("/private/filters/values/f{at}");
            let mut entries: Vec<(String, String)> = (1..length).map(|at| (name(at - 1), format!("FILTER f{at}"))).collect();
            entries.push((name(length - 1), "ALL".to_string()));
            let entries: Vec<(&str, &str)> = entries.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            put(&entries, "f0").is_ok()
        };
        assert!(chain(FILTERS_NESTED_MAX));
        assert!(!chain(FILTERS_NESTED_MAX + 1));
        assert!(put(&[("/private/filters/values/a", "FILTER a")], "a").is_err());
        let wide = |count: usize| {
            let text = vec!["FILTER b"; count].join(" ");
            put(&[("/private/filters/values/a", &text), ("/private/filters/values/b", "ALL")], "a").is_ok()
        };
        assert!(wide(FILTERS_USED_MAX - 1));
        assert!(!wide(FILTERS_USED_MAX));
    }
}
