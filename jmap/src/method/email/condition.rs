// SPDX-License-Identifier: AGPL-3.0-or-later
//! The filter and the sort of Email/query (RFC 8621 §4.4.1 and §4.4.2), read and put into the store's words. Pure.

use hearth_mailstore::Flag;
use hearth_mailstore::search::{Field, Filter, Sort, SortBy};
use hearth_types::{MailboxId, Timestamp};
use serde_json::Value;

use super::object::parse_utc_date;
use crate::ctx::CreatedIds;
use crate::error::MethodError;
use crate::method::args::{Args, FromArg};
use crate::method::filter::{Tree, parse_filter};
use crate::method::query::Comparator;
use crate::method::set::resolve_id;

/// RFC 8621 §4.4.1: one member of a FilterCondition.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// `inMailbox`; an id that need not be one of ours.
    InMailbox(String),
    /// `inMailboxOtherThan`
    InMailboxOtherThan(Vec<String>),
    /// What the store does as it stands.
    Store(Filter),
}

/// A filter of Email/query; the members of one condition all have to hold.
pub type EmailFilter = Tree<Vec<Condition>>;

/// Reads a filter.
pub fn parse_email_filter(value: Value) -> Result<EmailFilter, MethodError> {
    parse_filter(value, &parse_conditions)
}

fn parse_conditions(mut args: Args) -> Result<Vec<Condition>, MethodError> {
    let mut all = Vec::new();
    all.extend(args.take::<MailboxReference>("inMailbox")?.map(|id| Condition::InMailbox(id.0)));
    all.extend(
        args.take::<Vec<MailboxReference>>("inMailboxOtherThan")?
            .map(|ids| Condition::InMailboxOtherThan(ids.into_iter().map(|id| id.0).collect())),
    );
    let mut store = |filter: Option<Filter>| all.extend(filter.map(Condition::Store));
    store(args.take::<UtcDate>("before")?.map(|date| Filter::Before(date.0)));
    store(args.take::<UtcDate>("after")?.map(|date| Filter::After(date.0)));
    store(args.take("minSize")?.map(Filter::SizeMin));
    store(args.take("maxSize")?.map(Filter::SizeMax));
    store(args.take::<Keyword>("allInThreadHaveKeyword")?.map(|keyword| Filter::AllInThreadHave(keyword.0)));
    store(args.take::<Keyword>("someInThreadHaveKeyword")?.map(|keyword| Filter::SomeInThreadHave(keyword.0)));
    store(args.take::<Keyword>("noneInThreadHaveKeyword")?.map(|keyword| not(Filter::SomeInThreadHave(keyword.0))));
    store(args.take::<Keyword>("hasKeyword")?.map(|keyword| Filter::Has(keyword.0)));
    store(args.take::<Keyword>("notKeyword")?.map(|keyword| not(Filter::Has(keyword.0))));
    store(args.take("hasAttachment")?.map(Filter::HasAttachment));
    store(args.take("text")?.map(Filter::Text));
    for (name, field) in
        [("from", Field::From), ("to", Field::To), ("cc", Field::Cc), ("bcc", Field::Bcc), ("subject", Field::Subject)]
    {
        store(args.take(name)?.map(|text| Filter::Field(field, text)));
    }
    store(args.take("body")?.map(Filter::Body));
    if let Some(header) = args.take::<Vec<String>>("header")? {
        store(Some(parse_header(header)?));
    }
    args.finish().map_err(|_| MethodError::UnsupportedFilter("a condition that is not known here".to_string()))?;
    Ok(all)
}

/// RFC 8621 §4.4.1 `header`: a name, and perhaps a text.
fn parse_header(header: Vec<String>) -> Result<Filter, MethodError> {
    let mut members = header.into_iter();
    match (members.next(), members.next(), members.next()) {
        (Some(name), text, None) if !name.is_empty() => Ok(Filter::Header(name, text)),
        _ => Err(MethodError::InvalidArguments("header is not a name, or a name and a text".to_string())),
    }
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

/// RFC 8620 §1.4.
pub struct UtcDate(pub Timestamp);

impl FromArg for UtcDate {
    const SHAPE: &'static str = "a UTCDate";

    fn from_arg(value: Value) -> Option<Self> {
        parse_utc_date(value.as_str()?).map(Self)
    }
}

struct Keyword(Flag);

impl FromArg for Keyword {
    const SHAPE: &'static str = "a keyword";

    fn from_arg(value: Value) -> Option<Self> {
        Flag::from_jmap(value.as_str()?).map(Self)
    }
}

/// A mailbox id, or `#` and a creation id.
struct MailboxReference(String);

impl FromArg for MailboxReference {
    const SHAPE: &'static str = "a mailbox id";

    fn from_arg(value: Value) -> Option<Self> {
        let text = String::from_arg(value)?;
        crate::request::is_id(text.strip_prefix('#').unwrap_or(&text)).then_some(Self(text))
    }
}

/// In the store's words. A mailbox that cannot be there holds nothing.
pub fn to_store(filter: Option<&EmailFilter>, created: &CreatedIds) -> Filter {
    let Some(filter) = filter else {
        return Filter::And(Vec::new());
    };
    let all = |trees: &[EmailFilter]| trees.iter().map(|tree| to_store(Some(tree), created)).collect();
    match filter {
        Tree::And(below) => Filter::And(all(below)),
        Tree::Or(below) => Filter::Or(all(below)),
        Tree::Not(below) => not(Filter::Or(all(below))),
        Tree::Condition(conditions) => {
            let find = |id: &str| resolve_id(id, created).and_then(|id| id.parse::<MailboxId>().ok());
            let one = |condition: &Condition| match condition {
                Condition::InMailbox(id) => find(id).map_or(Filter::Or(Vec::new()), Filter::InMailbox),
                Condition::InMailboxOtherThan(ids) => Filter::InMailboxOtherThan(ids.iter().filter_map(|id| find(id)).collect()),
                Condition::Store(filter) => filter.clone(),
            };
            Filter::And(conditions.iter().map(one).collect())
        }
    }
}

/// Does a change of one message alone decide whether it is in, and where? (RFC 8620 §5.6 can be answered then.)
pub fn is_by_message(filter: Option<&EmailFilter>, sort: &[Sort]) -> bool {
    let holds = |condition: &Condition| !matches!(condition, Condition::Store(filter) if looks_at_thread(filter));
    fn each(tree: &EmailFilter, holds: &impl Fn(&Condition) -> bool) -> bool {
        match tree {
            Tree::Condition(conditions) => conditions.iter().all(holds),
            Tree::And(below) | Tree::Or(below) | Tree::Not(below) => below.iter().all(|tree| each(tree, holds)),
        }
    }
    let sort_looks = |sort: &Sort| matches!(sort.by, SortBy::AllInThreadHave(_) | SortBy::SomeInThreadHave(_));
    filter.is_none_or(|filter| each(filter, &holds)) && !sort.iter().any(sort_looks)
}

fn looks_at_thread(filter: &Filter) -> bool {
    match filter {
        Filter::AllInThreadHave(_) | Filter::SomeInThreadHave(_) => true,
        Filter::Not(inner) => looks_at_thread(inner),
        _ => false,
    }
}

/// RFC 8621 §4.4.2; the property names are those of Email.
pub fn to_store_sort(comparators: &[Comparator]) -> Result<Vec<Sort>, MethodError> {
    let unsupported = |what: &str| MethodError::UnsupportedSort(format!("mails are not sorted by {what}"));
    comparators
        .iter()
        .map(|comparator| {
            let keyword = || {
                let keyword = comparator.keyword.as_deref().and_then(Flag::from_jmap);
                keyword.ok_or_else(|| MethodError::InvalidArguments(format!("{} wants a keyword", comparator.property)))
            };
            let by = match comparator.property.as_str() {
                "receivedAt" => SortBy::ReceivedAt,
                "sentAt" => SortBy::SentAt,
                "size" => SortBy::Size,
                "from" => SortBy::From,
                "to" => SortBy::To,
                "subject" => SortBy::Subject,
                "hasKeyword" => SortBy::Has(keyword()?),
                "allInThreadHaveKeyword" => SortBy::AllInThreadHave(keyword()?),
                "someInThreadHaveKeyword" => SortBy::SomeInThreadHave(keyword()?),
                other => return Err(unsupported(other)),
            };
            Ok(Sort { by, ascending: comparator.ascending })
        })
        .collect()
}

/// RFC 8621 §1.3.1 emailQuerySortOptions: what [`to_store_sort`] knows.
pub const SORT_OPTIONS: &[&str] =
    &["receivedAt", "sentAt", "size", "from", "to", "subject", "hasKeyword", "allInThreadHaveKeyword", "someInThreadHaveKeyword"];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn store(value: Value) -> Filter {
        let created = CreatedIds::from([("k".to_string(), MailboxId::from_i64(7).to_string())]);
        to_store(Some(&parse_email_filter(value).expect("a filter")), &created)
    }

    #[test]
    fn conditions_become_the_stores() {
        let id = MailboxId::from_i64(7);
        assert_eq!(store(json!({"inMailbox": id.to_string()})), Filter::And(vec![Filter::InMailbox(id)]));
        assert_eq!(store(json!({"inMailbox": "#k"})), Filter::And(vec![Filter::InMailbox(id)]));
        assert_eq!(store(json!({"inMailbox": "nowhere"})), Filter::And(vec![Filter::Or(vec![])]));
        assert_eq!(
            store(json!({"notKeyword": "$Seen", "minSize": 3})),
            Filter::And(vec![Filter::SizeMin(3), not(Filter::Has(Flag::Seen))])
        );
        assert_eq!(
            store(json!({"operator": "NOT", "conditions": [{"header": ["X-A"]}]})),
            not(Filter::Or(vec![Filter::And(vec![Filter::Header("X-A".into(), None)])]))
        );
        assert_eq!(to_store(None, &CreatedIds::new()), Filter::And(vec![]));
    }

    #[test]
    fn what_is_no_condition() {
        for (wrong, error) in [
            (json!({"before": "yesterday"}), "invalidArguments"),
            (json!({"hasKeyword": "a b"}), "invalidArguments"),
            (json!({"header": []}), "invalidArguments"),
            (json!({"header": ["a", "b", "c"]}), "invalidArguments"),
            (json!({"minSize": -1}), "invalidArguments"),
            (json!({"colour": "red"}), "unsupportedFilter"),
        ] {
            assert_eq!(parse_email_filter(wrong.clone()).expect_err("wrong").name(), error, "{wrong}");
        }
    }

    #[test]
    fn every_sort_that_is_advertised_is_known() {
        let comparator = |property: &str| Comparator { property: property.into(), ascending: false, keyword: Some("$seen".into()) };
        for property in SORT_OPTIONS {
            assert!(to_store_sort(&[comparator(property)]).is_ok(), "{property}");
        }
        assert_eq!(to_store_sort(&[comparator("colour")]).expect_err("colour").name(), "unsupportedSort");
        let without = Comparator { keyword: None, ..comparator("hasKeyword") };
        assert_eq!(to_store_sort(&[without]).expect_err("no keyword").name(), "invalidArguments");
    }

    #[test]
    fn what_looks_at_other_mails() {
        let filter = |value: Value| parse_email_filter(value).expect("a filter");
        assert!(is_by_message(Some(&filter(json!({"hasKeyword": "$seen"}))), &[]));
        assert!(!is_by_message(Some(&filter(json!({"operator": "AND", "conditions": [{"noneInThreadHaveKeyword": "x"}]}))), &[]));
        assert!(!is_by_message(None, &[Sort { by: SortBy::SomeInThreadHave(Flag::Seen), ascending: true }]));
        assert!(is_by_message(None, &[]));
    }
}
