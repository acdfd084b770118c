// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which entries a search finds, and what it shows of them. Pure.

use hearth_wire::ldap::{Filter, Scope, Search, normalize_dn};

use super::tree::Entry;

/// Attributes whose values are names of entries.
const NAMES: [&str; 2] = ["member", "memberOf"];
/// Other names of attributes (RFC 4519 §2).
const ALIASES: [(&str, &str); 4] = [("commonName", "cn"), ("surname", "sn"), ("userid", "uid"), ("rfc822Mailbox", "mail")];

/// Is an entry in the scope of a search? `base` is normal.
pub(super) fn is_below(entry: &Entry, base: &str, scope: Scope) -> bool {
    let below = entry.normal.strip_suffix(base).and_then(|rest| rest.strip_suffix(','));
    match scope {
        Scope::Base => entry.normal == base,
        Scope::One => below.is_some_and(|rest| !rest.replace("\\,", "").contains(',')),
        Scope::Subtree => entry.normal == base || below.is_some(),
    }
}

/// Does a filter fit? `None`: undefined (RFC 4511 §4.5.1.7), which finds nothing, and neither does its opposite.
pub(super) fn fits(filter: &Filter, entry: &Entry) -> Option<bool> {
    match filter {
        Filter::And(all) => joined(all, entry, false),
        Filter::Or(all) => joined(all, entry, true),
        Filter::Not(one) => fits(one, entry).map(|fit| !fit),
        Filter::Present(name) => Some(find(entry, name).is_some()),
        Filter::Equal(name, wanted) => Some(values(entry, name).iter().any(|value| equal(name, value, wanted))),
        Filter::Substrings(name, first, between, last) => {
            Some(values(entry, name).iter().any(|value| holds(value, first.as_deref(), between, last.as_deref())))
        }
        Filter::Undefined => None,
    }
}

/// Of several; `ends` is what one of them alone decides: true for or, false for and.
fn joined(all: &[Filter], entry: &Entry, ends: bool) -> Option<bool> {
    let mut joined = Some(!ends);
    for one in all {
        match fits(one, entry) {
            Some(fit) if fit == ends => return Some(ends),
            Some(_) => {}
            None => joined = None,
        }
    }
    joined
}

fn known(name: &str) -> &str {
    // `mail;lang-fr` is asked for as `mail`.
    let bare = name.split(';').next().unwrap_or_default();
    ALIASES.into_iter().find(|(other, _)| other.eq_ignore_ascii_case(bare)).map_or(bare, |(_, name)| name)
}

fn find<'e>(entry: &'e Entry, name: &str) -> Option<&'e (&'static str, Vec<String>)> {
    entry.attributes.iter().find(|(attribute, _)| attribute.eq_ignore_ascii_case(known(name)))
}

fn values<'e>(entry: &'e Entry, name: &str) -> &'e [String] {
    find(entry, name).map_or(&[], |(_, values)| values)
}

fn equal(name: &str, value: &str, wanted: &str) -> bool {
    if NAMES.iter().any(|one| one.eq_ignore_ascii_case(known(name))) {
        return normalize_dn(wanted).is_some_and(|wanted| Some(wanted) == normalize_dn(value));
    }
    value.to_lowercase() == wanted.trim().to_lowercase()
}

fn holds(value: &str, first: Option<&str>, between: &[String], last: Option<&str>) -> bool {
    let value = value.to_lowercase();
    let lower = |part: Option<&str>| part.unwrap_or_default().to_lowercase();
    let Some(mut rest) = value.strip_prefix(&lower(first)).and_then(|rest| rest.strip_suffix(&lower(last))) else {
        return false;
    };
    for part in between {
        match rest.split_once(&part.to_lowercase()) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

/// What is shown of an entry: what was asked for by name, or all (RFC 4511 §4.5.1.8).
pub(super) fn shown(entry: &Entry, search: &Search) -> Vec<(&'static str, Vec<String>)> {
    let all = search.attributes.is_empty() || search.attributes.iter().any(|name| name == "*");
    let asked = |attribute: &str| all || search.attributes.iter().any(|name| known(name).eq_ignore_ascii_case(attribute));
    let chosen = entry.attributes.iter().filter(|(attribute, _)| asked(attribute));
    chosen.map(|(attribute, values)| (*attribute, if search.types_only { Vec::new() } else { values.clone() })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Entry {
        let attributes = vec![
            ("objectClass", vec!["top".into(), "inetOrgPerson".into()]),
            ("uid", vec!["alice".into()]),
            ("mail", vec!["alice@home.example".into(), "a.e@home.example".into()]),
            ("memberOf", vec!["cn=family,ou=groups,dc=home".into()]),
        ];
        Entry { name: name.into(), normal: normalize_dn(name).unwrap(), attributes }
    }

    fn equals(name: &str, value: &str) -> Filter {
        Filter::Equal(name.into(), value.into())
    }

    #[test]
    fn filters() {
        let alice = entry("uid=alice,ou=people,dc=home");
        let part = |first: Option<&str>, between: &[&str], last: Option<&str>| {
            let between = between.iter().map(ToString::to_string).collect();
            Filter::Substrings("mail".into(), first.map(str::to_string), between, last.map(str::to_string))
        };
        let (yes, no) = (equals("uid", "alice"), equals("uid", "bob"));
        for (filter, expected) in [
            (equals("UID", "ALICE"), Some(true)),
            (equals("userid", "alice"), Some(true)),
            (equals("objectclass", "inetorgperson"), Some(true)),
            (equals("memberof", "CN=Family, OU=Groups, DC=home"), Some(true)),
            (equals("memberof", "family"), Some(false)),
            (equals("nothing", "x"), Some(false)),
            (Filter::Present("mail".into()), Some(true)),
            (Filter::Present("photo".into()), Some(false)),
            (part(Some("a.E"), &["ho", "me"], Some(".example")), Some(true)),
            (part(Some("alice@"), &["alice"], None), Some(false)),
            (part(None, &["@"], None), Some(true)),
            (part(Some("alice@home.example"), &[], Some("example")), Some(false)),
            (Filter::And(vec![]), Some(true)),
            (Filter::Or(vec![]), Some(false)),
            (Filter::And(vec![yes.clone(), no.clone()]), Some(false)),
            (Filter::Or(vec![no.clone(), yes.clone()]), Some(true)),
            (Filter::Not(Box::new(no.clone())), Some(true)),
            (Filter::And(vec![Filter::Undefined, yes.clone()]), None),
            (Filter::And(vec![Filter::Undefined, no.clone()]), Some(false)),
            (Filter::Or(vec![Filter::Undefined, yes]), Some(true)),
            (Filter::Or(vec![Filter::Undefined, no]), None),
            (Filter::Not(Box::new(Filter::Undefined)), None),
        ] {
            assert_eq!(fits(&filter, &alice), expected, "{filter:?}");
        }
    }

    #[test]
    fn scopes() {
        let alice = entry("uid=al\\,ice,ou=people,dc=home");
        for (base, scope, expected) in [
            ("uid=al\\,ice,ou=people,dc=home", Scope::Base, true),
            ("ou=people,dc=home", Scope::Base, false),
            ("ou=people,dc=home", Scope::One, true),
            ("dc=home", Scope::One, false),
            ("dc=home", Scope::Subtree, true),
            ("c=home", Scope::Subtree, false),
            ("uid=al\\,ice,ou=people,dc=home", Scope::One, false),
        ] {
            assert_eq!(is_below(&alice, base, scope), expected, "{base} {scope:?}");
        }
    }

    #[test]
    fn what_is_shown() {
        let alice = entry("uid=alice,dc=home");
        let search = |attributes: &[&str], types_only| Search {
            base: String::new(),
            scope: Scope::Base,
            size_max: 0,
            types_only,
            filter: Filter::Undefined,
            attributes: attributes.iter().map(ToString::to_string).collect(),
        };
        let names =
            |attributes: &[&str]| shown(&alice, &search(attributes, false)).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&[]), ["objectClass", "uid", "mail", "memberOf"]);
        assert_eq!(names(&["*", "+"]).len(), 4);
        assert_eq!(names(&["MAIL", "userid"]), ["uid", "mail"]);
        assert_eq!(names(&["1.1"]), Vec::<&str>::new());
        assert_eq!(shown(&alice, &search(&["uid"], true)), [("uid", vec![])]);
    }
}
