// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: the order of a SORT (RFC 5256 §3, RFC 5957). Texts compare by i;unicode-casemap (RFC 5255 §4).

use std::cmp::Ordering;

use hearth_mailstore::scan::Scanned;
use hearth_wire::imap::{SortCriterion, SortKey};
use hearth_wire::message::{Addr, Envelope, casemap};

/// What a message is sorted by, in the order of the criteria.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i64),
    Text(String),
}

/// Do the short rows not suffice?
pub fn needs_envelopes(criteria: &[SortCriterion]) -> bool {
    criteria.iter().any(|criterion| matches!(criterion.key, SortKey::Cc | SortKey::From | SortKey::To | SortKey::DisplayTo))
}

/// Sorts UIDs; `score` says how relevant one is. Equal ones stand in the order of the mailbox, whether a criterion is reversed or not (RFC 5256 §3).
pub fn sort(criteria: &[SortCriterion], rows: Vec<Scanned>, score: impl Fn(u32) -> u8) -> Vec<u32> {
    let keys = |row: &Scanned| criteria.iter().map(|criterion| key(criterion.key, row, &score)).collect::<Vec<Key>>();
    let mut all: Vec<(Vec<Key>, u32)> = rows.iter().map(|row| (keys(row), row.uid)).collect();
    all.sort_by(|one, other| compare(criteria, &one.0, &other.0).then(one.1.cmp(&other.1)));
    all.into_iter().map(|(_, uid)| uid).collect()
}

fn compare(criteria: &[SortCriterion], one: &[Key], other: &[Key]) -> Ordering {
    for (criterion, (one, other)) in criteria.iter().zip(one.iter().zip(other)) {
        let order = if criterion.reverse { other.cmp(one) } else { one.cmp(other) };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn key(key: SortKey, row: &Scanned, score: &impl Fn(u32) -> u8) -> Key {
    let first = |list: fn(&Envelope) -> &Vec<Addr>| row.envelope.as_ref().and_then(|envelope| list(envelope).first());
    let mailbox = |addr: Option<&Addr>| Key::Text(casemap(addr.and_then(|addr| addr.mailbox.as_deref()).unwrap_or_default()));
    match key {
        SortKey::Arrival => Key::Number(row.received_at.millis()),
        SortKey::Date => Key::Number(row.sent_at.millis()),
        // RFC 6203 §5: the most relevant first.
        SortKey::Relevancy => Key::Number(-i64::from(score(row.uid))),
        SortKey::Size => Key::Number(i64::try_from(row.size_bytes).unwrap_or(i64::MAX)),
        SortKey::Subject => Key::Text(casemap(&row.subject)),
        SortKey::DisplayFrom => Key::Text(casemap(&row.sender)),
        SortKey::DisplayTo => Key::Text(casemap(&first(|envelope| &envelope.to).map(display).unwrap_or_default())),
        SortKey::From => mailbox(first(|envelope| &envelope.from)),
        SortKey::To => mailbox(first(|envelope| &envelope.to)),
        SortKey::Cc => mailbox(first(|envelope| &envelope.cc)),
    }
}

/// RFC 5957 §3: the name, else the address; of a group its name.
fn display(addr: &Addr) -> String {
    addr.name.clone().or_else(|| addr.address()).or_else(|| addr.group_start().map(str::to_string)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::Timestamp;

    fn row(uid: u32, sent: i64, size: u64, subject: &str, to: &[(&str, &str)]) -> Scanned {
        let addr = |&(name, mailbox): &(&str, &str)| Addr {
            name: (!name.is_empty()).then(|| name.to_string()),
            mailbox: Some(mailbox.to_string()),
            host: Some("x.org".into()),
        };
        Scanned {
            uid,
            received_at: Timestamp::from_secs(100 - sent),
            sent_at: Timestamp::from_secs(sent),
            size_bytes: size,
            subject: subject.into(),
            sender: subject.into(),
            envelope: Some(Envelope { to: to.iter().map(addr).collect(), ..Envelope::default() }),
        }
    }

    fn sorted(criteria: &[(bool, SortKey)]) -> Vec<u32> {
        let rows = vec![
            row(1, 30, 5, "b", &[("Zoe", "anna")]),
            row(2, 10, 5, "A", &[("", "bob"), ("", "aaa")]),
            row(3, 20, 9, "ä", &[]),
            row(4, 20, 9, "b", &[("amy", "ANNA")]),
        ];
        let criteria: Vec<SortCriterion> = criteria.iter().map(|&(reverse, key)| SortCriterion { reverse, key }).collect();
        sort(&criteria, rows, |uid| u8::try_from(uid % 3).expect("small"))
    }

    #[test]
    fn orders() {
        use SortKey::{Arrival, Date, DisplayTo, Relevancy, Size, Subject, To};
        for (criteria, uids) in [
            (&[(false, Date)][..], [2, 3, 4, 1]),
            (&[(true, Date)], [1, 3, 4, 2]),
            (&[(false, Arrival)], [1, 3, 4, 2]),
            (&[(false, Subject)], [2, 3, 1, 4]),
            (&[(true, Subject)], [1, 4, 3, 2]),
            (&[(false, Size), (true, Date)], [1, 2, 3, 4]),
            (&[(false, Relevancy)], [2, 1, 4, 3]),
            (&[(false, To)], [3, 1, 4, 2]),
            (&[(false, DisplayTo)], [3, 4, 2, 1]),
        ] {
            assert_eq!(sorted(criteria), uids, "{criteria:?}");
        }
        assert!(needs_envelopes(&[SortCriterion { reverse: false, key: To }]));
        assert!(!needs_envelopes(&[SortCriterion { reverse: true, key: Subject }]));
    }
}
