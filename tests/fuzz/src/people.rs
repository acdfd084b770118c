// SPDX-License-Identifier: AGPL-3.0-or-later
//! What programs send that ask who lives here, or say so: LDAP's messages and names, SCIM's filters and paths.

use hearth_wire::ldap::{self, message_length, normalize_dn, parse_dn, parse_message};
use hearth_wire::scim::{self, ScimError, parse_attributes, parse_filter, parse_path};

/// Messages of LDAP, as they come off the wire and cut short; and the octets as a distinguished name.
pub fn ldap(data: &[u8]) {
    if let Ok(Some(length)) = message_length(data) {
        assert!(length <= ldap::MESSAGE_BYTES_MAX, "a message of {length} octets");
        for cut in 0..data.len().min(8) {
            let told = message_length(&data[..cut]);
            assert!(told == Ok(None) || told == Ok(Some(length)), "its length changes with what comes: {told:?}");
        }
        if let Some(whole) = data.get(..length) {
            let _ = parse_message(whole);
            assert!(parse_message(&whole[..length - 1]).is_err(), "half a message");
        }
    }
    if let Ok(message) = parse_message(data) {
        assert!(message.id > 0);
        if let ldap::Request::Search(search) = message.request {
            assert!(search.attributes.len() <= ldap::ATTRIBUTES_MAX);
            assert!(of_ldap(&search.filter, 0) <= ldap::FILTER_TERMS_MAX, "{search:?}");
            let _ = parse_dn(&search.base);
        }
    }
    let text = String::from_utf8_lossy(data);
    let is_named = |dn: &String| dn.len() <= ldap::DN_BYTES_MAX;
    if let Some(once) = normalize_dn(&text).filter(is_named) {
        assert_eq!(normalize_dn(&once).as_ref(), Some(&once), "a name has one form");
    }
}

/// How many filters there are in one, none of them deeper than the bound.
fn of_ldap(filter: &ldap::Filter, depth: usize) -> usize {
    assert!(depth <= ldap::FILTER_DEPTH_MAX, "a filter {depth} deep");
    match filter {
        ldap::Filter::And(all) | ldap::Filter::Or(all) => 1 + all.iter().map(|one| of_ldap(one, depth + 1)).sum::<usize>(),
        ldap::Filter::Not(one) => 1 + of_ldap(one, depth + 1),
        _ => 1,
    }
}

/// Filters, paths and lists of attributes of SCIM. Brackets around a filter change nothing of it.
pub fn scim(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(filter) = parse_filter(&text) {
        assert!(of_scim(&filter) <= scim::FILTER_TERMS_MAX, "{filter:?}");
        let bare = text.trim_matches(' ');
        let within = parse_filter(&format!("({bare})"));
        assert!(within == Err(ScimError::TooMuch) || within.as_ref() == Ok(&filter), "{within:?}");
        let not = parse_filter(&format!("not ({bare})"));
        let expected = scim::Filter::Not(Box::new(filter.clone()));
        assert!(not == Err(ScimError::TooMuch) || not == Ok(expected), "{not:?}");
        let path = parse_path(&format!("members[{bare}].display"));
        assert!(
            path == Err(ScimError::TooMuch) || path.as_ref().is_ok_and(|path| path.filter.as_ref() == Some(&filter)),
            "{path:?}"
        );
    }
    if let Ok(path) = parse_path(&text) {
        assert!(!path.name.is_empty() && path.filter.as_ref().map_or(0, of_scim) <= scim::FILTER_TERMS_MAX, "{path:?}");
    }
    for attribute in parse_attributes(&text).unwrap_or_default() {
        let again =
            parse_attributes(&attribute.sub.as_ref().map_or(attribute.name.clone(), |sub| format!("{}.{sub}", attribute.name)));
        assert_eq!(again, Ok(vec![attribute]));
    }
}

/// How many comparisons there are in a filter.
fn of_scim(filter: &scim::Filter) -> usize {
    match filter {
        scim::Filter::And(all) | scim::Filter::Or(all) => all.iter().map(of_scim).sum(),
        scim::Filter::Not(one) | scim::Filter::Within(_, one) => of_scim(one),
        scim::Filter::Present(_) | scim::Filter::Compare(..) => 1,
    }
}
