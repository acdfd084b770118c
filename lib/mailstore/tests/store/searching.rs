// SPDX-License-Identifier: AGPL-3.0-or-later
//! Filters, sorting, text.

use hearth_mailstore::message::{self, FlagChange};
use hearth_mailstore::search::{self, Field, Filter, Sort, SortBy};
use hearth_mailstore::{Flag, FlagSet, Role, Store};
use hearth_types::{MessageId, Timestamp};

use crate::support::{append, by_role, mail, on_each_engine, read, write};

async fn ids(store: &Store, filter: Filter, sort: Vec<Sort>) -> Vec<MessageId> {
    read(store, move |tx| search::query(tx, &filter, &sort)).await.into_iter().map(|found| found.id).collect()
}

fn by(by: SortBy, ascending: bool) -> Vec<Sort> {
    vec![Sort { by, ascending }]
}

#[test]
fn filters() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let (inbox, sent) = (by_role(&store, Role::Inbox).await.id, by_role(&store, Role::Sent).await.id);
        let a = append(
            &store,
            inbox,
            mail("Apples", "Cc: C <c@z.org>\r\nX-Tag: red\r\nDate: 1 Jan 2020 00:00:00 +0000\r\n"),
            Flag::Seen.into(),
        )
        .await
        .id;
        let b = append(&store, inbox, mail("Bananas and more", "Message-ID: <b@x>\r\n"), FlagSet::EMPTY).await.id;
        let c = append(&store, sent, mail("Re: Bananas and more", "In-Reply-To: <b@x>\r\n"), Flag::Keyword("$x".into()).into())
            .await
            .id;
        let attached = "Content-Type: application/pdf\r\n";
        let d = append(&store, sent, mail("Dates", attached), [Flag::Seen, Flag::Deleted].into_iter().collect()).await.id;
        let size = mail("Apples", "Cc: C <c@z.org>\r\nX-Tag: red\r\nDate: 1 Jan 2020 00:00:00 +0000\r\n").len() as u64;
        let thread_of_b = read(&store, move |tx| message::find(tx, b)).await.expect("there").thread;
        let rows: Vec<(Filter, Vec<MessageId>)> = vec![
            (Filter::And(vec![]), vec![a, b, c, d]),
            (Filter::Or(vec![]), vec![]),
            (Filter::InMailbox(inbox), vec![a, b]),
            (Filter::InMailboxOtherThan(vec![inbox]), vec![c, d]),
            (Filter::Not(Box::new(Filter::InMailbox(inbox))), vec![c, d]),
            (Filter::Or(vec![Filter::InMailbox(inbox), Filter::Ids(vec![d])]), vec![a, b, d]),
            (Filter::Has(Flag::Seen), vec![a, d]),
            (Filter::Has(Flag::Keyword("$x".into())), vec![c]),
            (Filter::Has(Flag::Deleted), vec![d]),
            (Filter::InThread(thread_of_b), vec![b, c]),
            (Filter::SomeInThreadHave(Flag::Keyword("$x".into())), vec![b, c]),
            (Filter::AllInThreadHave(Flag::Keyword("$x".into())), vec![]),
            (Filter::AllInThreadHave(Flag::Seen), vec![a, d]),
            (Filter::HasAttachment(true), vec![d]),
            (Filter::And(vec![Filter::SizeMin(size), Filter::SizeMax(size + 1)]), vec![a]),
            (Filter::SentBefore(Timestamp::from_secs(1_577_836_801)), vec![a]),
            (Filter::SentAfter(Timestamp::from_secs(1_577_836_801)), vec![b, c, d]),
            (Filter::Field(Field::Subject, "BANANAS AND".into()), vec![b, c]),
            (Filter::Field(Field::From, "bob@X".into()), vec![a, b, c, d]),
            (Filter::Field(Field::Cc, "c <c@z".into()), vec![a]),
            (Filter::Header("x-tag".into(), None), vec![a]),
            (Filter::Header("X-Tag".into(), Some("blue".into())), vec![]),
            (Filter::Body("bananas".into()), vec![b, c]),
            (Filter::Body("hello app".into()), vec![a]),
            (Filter::Body("bob".into()), vec![]),
            (Filter::Text("bob apples".into()), vec![a]),
            (Filter::Text("\"' OR 1 --".into()), vec![]),
            (Filter::Body("\"hello apples\"".into()), vec![a]),
            (Filter::Body("'apples hello'".into()), vec![]),
            (Filter::Body("\"hello app\"".into()), vec![]),
            (Filter::Text("()".into()), vec![]),
        ];
        for (filter, mut want) in rows {
            let mut found = ids(&store, filter.clone(), Vec::new()).await;
            found.sort();
            want.sort();
            assert_eq!(found, want, "{filter:?}");
        }
    });
}

#[test]
fn sorting() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        let mut all = Vec::new();
        for (subject, fields, flags) in [
            ("Re: b", "Date: 3 Jan 2020 00:00:00 +0000\r\nCc: z@z\r\n", FlagSet::EMPTY),
            ("a", "Date: 2 Jan 2020 00:00:00 +0000\r\nCc: y@z\r\n", Flag::Flagged.into()),
            ("C", "Date: 1 Jan 2020 00:00:00 +0000\r\nX: long enough to be the largest\r\n", FlagSet::EMPTY),
        ] {
            all.push(append(&store, inbox, mail(subject, fields), flags).await.id);
        }
        let order = |indexes: [usize; 3]| indexes.map(|index| all[index]).to_vec();
        for (sort, want) in [
            (by(SortBy::SentAt, true), [2, 1, 0]),
            (by(SortBy::SentAt, false), [0, 1, 2]),
            (by(SortBy::Subject, true), [1, 0, 2]),
            (by(SortBy::Cc, false), [0, 1, 2]),
        ] {
            assert_eq!(ids(&store, Filter::And(vec![]), sort.clone()).await, order(want), "{sort:?}");
        }
        let flagged = [by(SortBy::Has(Flag::Flagged), false), by(SortBy::SentAt, true)].concat();
        assert_eq!(ids(&store, Filter::And(vec![]), flagged).await, order([1, 2, 0]));
        assert_eq!(ids(&store, Filter::And(vec![]), by(SortBy::Size, false)).await[0], all[2]);
    });
}

#[test]
fn the_index_follows_the_mail() {
    on_each_engine(|home| async move {
        let (store, other) = (home.store().await, home.other().await);
        let inbox = by_role(&store, Role::Inbox).await.id;
        let one = append(&store, inbox, mail("first", ""), FlagSet::EMPTY).await.id;
        assert_eq!(ids(&store, Filter::Body("hello".into()), Vec::new()).await, [one]);
        let two = append(&store, inbox, mail("second", ""), FlagSet::EMPTY).await.id;
        assert_eq!(ids(&other, Filter::Body("hello".into()), by(SortBy::ReceivedAt, true)).await.len(), 2);
        write(&store, move |tx| message::remove(tx, one)).await.expect("removes");
        assert_eq!(ids(&other, Filter::Body("hello".into()), Vec::new()).await, [two]);
        // A change of flags alone needs no new words.
        write(&store, move |tx| message::change_keywords(tx, two, &FlagChange::Add(Flag::Seen.into()))).await.expect("changes");
        assert_eq!(ids(&store, Filter::Text("sec".into()), Vec::new()).await, [two]);
    });
}

#[test]
fn words_in_parts_that_are_encoded() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        let raw = "From: =?utf-8?q?J=C3=BCrgen?= <j@x>\r\nContent-Type: text/html; charset=iso-8859-1\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>Gr=FC=DFe <b>aus</b> K=F6ln</p>";
        let one = append(&store, inbox, raw.into(), FlagSet::EMPTY).await.id;
        for text in ["Grüße", "köln", "jürgen"] {
            assert_eq!(ids(&store, Filter::Text(text.into()), Vec::new()).await, [one], "{text}");
        }
        assert!(ids(&store, Filter::Text("p".into()), Vec::new()).await.is_empty(), "tags are no words");
        let filter = Filter::Text("köln".into());
        let (subject, preview) = read(&store, move |tx| search::snippet(tx, one, &filter)).await;
        assert_eq!((subject, preview.as_deref()), (None, Some("Grüße aus <mark>Köln</mark>")));
    });
}

#[test]
fn a_damaged_index_is_made_anew() {
    crate::support::on_sqlite(|home| async move {
        let store = home.store().await;
        let inbox = by_role(&store, Role::Inbox).await.id;
        let one = append(&store, inbox, mail("first", ""), FlagSet::EMPTY).await.id;
        assert_eq!(ids(&store, Filter::Body("first".into()), Vec::new()).await, [one]);
        store.close().await.expect("closes");
        drop(store);
        let mut files = vec![home.dir.path().join("mail")];
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(std::fs::read_dir(path).expect("reads").flatten().map(|file| file.path()));
            } else if path.file_name().is_some_and(|name| name == "search.db") {
                std::fs::write(path, b"this is no database at all, and longer than a header is, so that it is read and refused")
                    .expect("writes");
            }
        }
        let store = home.store().await;
        assert_eq!(ids(&store, Filter::Body("first".into()), Vec::new()).await, [one]);
    });
}
