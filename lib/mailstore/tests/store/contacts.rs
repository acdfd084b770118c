// SPDX-License-Identifier: AGPL-3.0-or-later
//! Address books and the cards in them.

use hearth_mailstore::address_book::{self, Change, FIRST};
use hearth_mailstore::card::{self, Content};
use hearth_mailstore::{Error, MailTx, changes, limits, quota};
use hearth_types::{AddressBookId, CardId};

use crate::support::{ALICE, on_each_engine, on_sqlite, read, write};

fn content(uid: &str, addresses: &[&str]) -> Content {
    Content {
        uid: uid.to_string(),
        addresses: addresses.iter().map(ToString::to_string).collect(),
        json: format!("{{\"uid\":\"{uid}\"}}"),
    }
}

fn sized(uid: &str, bytes: usize) -> Content {
    Content { json: "x".repeat(bytes), ..content(uid, &[]) }
}

fn named(name: &str) -> Change {
    Change { name: Some(name.to_string()), ..Change::default() }
}

fn add_book(tx: &mut MailTx<'_>, name: &str) -> Result<AddressBookId, Error> {
    Ok(address_book::add(tx, named(name))?.id)
}

#[test]
fn the_first_address_book_is_there_before_anybody_writes() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let before = read(&store, |tx| tx.modseq()).await;
        let books = read(&store, address_book::list).await;
        assert_eq!(books.iter().map(|book| (book.id, book.is_default, book.subscribed)).collect::<Vec<_>>(), [(FIRST, true, true)]);
        let card = write(&store, |tx| card::add(tx, content("a", &[]), &[FIRST])).await.expect("adds");
        assert_eq!(read(&store, address_book::list).await, books, "it is the same when it is written");
        let news = read(&store, move |tx| changes::address_books(tx, before, 0)).await;
        assert!(news.created.is_empty() && news.updated.is_empty(), "and no news");
        write(&store, |tx| address_book::change(tx, FIRST, named("People"))).await.expect("renames");
        let news = read(&store, move |tx| changes::address_books(tx, before, 0)).await;
        assert_eq!((news.created, news.updated), (vec![], vec![FIRST]));
        assert_eq!(read(&store, move |tx| card::find(tx, card)).await.expect("there").books, [FIRST]);
    });
}

#[test]
fn a_card_lives_and_its_addresses_are_known_while_it_does() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let bob =
            write(&store, |tx| card::add(tx, content("bob", &["bob@b.example", "bob@c.example"]), &[FIRST])).await.expect("adds");
        let since = read(&store, |tx| tx.modseq()).await;
        for (address, is_known) in [("bob@b.example", true), ("bob@c.example", true), ("eve@b.example", false)] {
            assert_eq!(read(&store, move |tx| card::knows(tx, address)).await, is_known, "{address}");
        }
        let other = write(&store, |tx| add_book(tx, "Work")).await.expect("adds");
        write(&store, move |tx| card::change(tx, bob, content("bob", &["bob@b.example"]), &[FIRST, other])).await.expect("changes");
        assert!(!read(&store, |tx| card::knows(tx, "bob@c.example")).await, "no longer on it");
        assert_eq!(read(&store, move |tx| card::find(tx, bob)).await.expect("there").books.len(), 2);
        let news = read(&store, move |tx| changes::cards(tx, since, 0)).await;
        assert_eq!((news.created, news.updated, news.destroyed), (vec![], vec![bob], vec![]));
        write(&store, move |tx| card::remove(tx, bob)).await.expect("removes");
        assert!(!read(&store, |tx| card::knows(tx, "bob@b.example")).await, "gone with it");
        let news = read(&store, move |tx| changes::cards(tx, since, 0)).await;
        assert_eq!((news.created, news.updated, news.destroyed), (vec![], vec![], vec![bob]));
        assert!(matches!(write(&store, move |tx| card::remove(tx, bob)).await, Err(Error::NoSuchCard)));
    });
}

#[test]
fn changes_of_cards_page_by_page() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let since = read(&store, |tx| tx.modseq()).await;
        let mut all = Vec::new();
        for uid in ["a", "b", "c"] {
            all.push(write(&store, move |tx| card::add(tx, content(uid, &[]), &[FIRST])).await.expect("adds"));
        }
        let (mut state, mut seen) = (since, Vec::new());
        loop {
            let page = read(&store, move |tx| changes::cards(tx, state, 2)).await;
            seen.extend(page.created);
            state = page.modseq;
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, all);
    });
}

#[test]
fn an_address_book_goes_with_what_is_in_no_other() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let work = write(&store, |tx| add_book(tx, "Work")).await.expect("adds");
        let only = write(&store, move |tx| card::add(tx, content("only", &["only@b.example"]), &[work])).await.expect("adds");
        let both = write(&store, move |tx| card::add(tx, content("both", &[]), &[FIRST, work])).await.expect("adds");
        let refused = write(&store, move |tx| address_book::remove(tx, work, false)).await;
        assert!(matches!(refused, Err(Error::AddressBookHasContents)));
        let refused = write(&store, |tx| address_book::remove(tx, FIRST, true)).await;
        assert!(matches!(refused, Err(Error::Forbidden(_))), "the default stays");
        let since = read(&store, |tx| tx.modseq()).await;
        write(&store, move |tx| address_book::remove(tx, work, true)).await.expect("removes");
        let news = read(&store, move |tx| changes::cards(tx, since, 0)).await;
        assert_eq!((news.updated, news.destroyed), (vec![both], vec![only]));
        assert_eq!(read(&store, move |tx| changes::address_books(tx, since, 0)).await.destroyed, [work]);
        assert_eq!(read(&store, move |tx| card::find(tx, both)).await.expect("there").books, [FIRST]);
        assert!(!read(&store, |tx| card::knows(tx, "only@b.example")).await);
    });
}

#[test]
fn one_address_book_is_the_default() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let work = write(&store, |tx| add_book(tx, "Work")).await.expect("adds");
        assert_eq!(write(&store, move |tx| address_book::make_default(tx, work)).await.expect("changes"), Some(FIRST));
        assert_eq!(write(&store, move |tx| address_book::make_default(tx, work)).await.expect("changes"), None);
        let books = read(&store, address_book::list).await;
        let default: Vec<_> = books.iter().filter(|book| book.is_default).map(|book| book.id).collect();
        assert_eq!(default, [work]);
        write(&store, |tx| address_book::remove(tx, FIRST, false)).await.expect("the other may go now");
        let nobody = AddressBookId::from_i64(7);
        assert!(matches!(write(&store, move |tx| address_book::make_default(tx, nobody)).await, Err(Error::NoSuchAddressBook)));
    });
}

#[test]
fn no_two_cards_have_one_uid_and_each_is_somewhere() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let a = write(&store, |tx| card::add(tx, content("a", &[]), &[FIRST])).await.expect("adds");
        let b = write(&store, |tx| card::add(tx, content("b", &[]), &[FIRST])).await.expect("adds");
        let twice = write(&store, |tx| card::add(tx, content("a", &[]), &[FIRST])).await;
        assert!(matches!(twice, Err(Error::CardExists(id)) if id == a));
        let taken = write(&store, move |tx| card::change(tx, b, content("a", &[]), &[FIRST])).await;
        assert!(matches!(taken, Err(Error::CardExists(id)) if id == a));
        write(&store, move |tx| card::change(tx, b, content("b", &[]), &[FIRST])).await.expect("its own it keeps");
        for books in [vec![], vec![AddressBookId::from_i64(7)]] {
            let nowhere = write(&store, move |tx| card::add(tx, content("c", &[]), &books)).await;
            assert!(matches!(nowhere, Err(Error::NoSuchAddressBook)));
        }
    });
}

#[test]
fn cards_are_part_of_the_quota_and_go_with_the_account() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        write(&store, |tx| quota::set_limit(tx, Some(1000))).await.expect("sets");
        let id = write(&store, |tx| card::add(tx, sized("a", 600), &[FIRST])).await.expect("adds");
        assert_eq!(read(&store, quota::find).await.used_bytes, 600);
        let full = write(&store, |tx| card::add(tx, sized("b", 401), &[FIRST])).await;
        assert!(matches!(full, Err(Error::OverQuota)));
        write(&store, move |tx| card::change(tx, id, sized("a", 1000), &[FIRST])).await.expect("it fits");
        write(&store, move |tx| card::change(tx, id, sized("a", 10), &[FIRST])).await.expect("it shrinks");
        assert_eq!(read(&store, quota::find).await.used_bytes, 10);
        write(&store, move |tx| card::remove(tx, id)).await.expect("removes");
        let used = read(&store, quota::find).await;
        assert_eq!((used.used_bytes, used.messages), (0, 0));
        write(&store, |tx| card::add(tx, content("c", &["c@b.example"]), &[FIRST])).await.expect("adds");
        write(&store, |tx| add_book(tx, "Work")).await.expect("adds");
        store.remove_account(ALICE).await.expect("removes");
        assert!(read(&store, card::ids).await.is_empty() && !read(&store, |tx| card::knows(tx, "c@b.example")).await);
        assert_eq!(read(&store, address_book::list).await.len(), 1);
    });
}

#[test]
fn a_card_is_bounded_on_both_sides() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let add = async |content: Content| write(&store, move |tx| card::add(tx, content, &[FIRST])).await;
        let uid = |bytes: usize| "u".repeat(bytes);
        add(content(&uid(limits::CARD_UID_BYTES_MAX), &[])).await.expect("fits");
        for wrong in [uid(limits::CARD_UID_BYTES_MAX + 1), String::new(), "a\0b".to_string()] {
            assert!(matches!(add(content(&wrong, &[])).await, Err(Error::BadName(_))), "{wrong:?}");
        }
        add(sized("bytes", limits::CARD_BYTES_MAX)).await.expect("fits");
        assert!(matches!(add(sized("more", limits::CARD_BYTES_MAX + 1)).await, Err(Error::TooLarge(_))));
        let addresses = |count: usize| (0..count).map(|n| format!("{n}@b.example")).collect::<Vec<_>>();
        let with = |uid: &str, count: usize| Content { addresses: addresses(count), ..content(uid, &[]) };
        add(with("addresses", limits::CARD_ADDRESSES_MAX)).await.expect("fits");
        assert!(matches!(add(with("more", limits::CARD_ADDRESSES_MAX + 1)).await, Err(Error::TooMany(_))));
    });
}

#[test]
fn address_books_are_bounded_on_both_sides() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let add = async |change: Change| write(&store, move |tx| address_book::add(tx, change).map(drop)).await;
        let about = |bytes: usize| Change { description: Some(Some("d".repeat(bytes))), ..named("d") };
        add(named(&"n".repeat(limits::ADDRESS_BOOK_NAME_BYTES_MAX))).await.expect("fits");
        for wrong in [named(&"n".repeat(limits::ADDRESS_BOOK_NAME_BYTES_MAX + 1)), named(""), named("a\nb"), Change::default()] {
            assert!(matches!(add(wrong.clone()).await, Err(Error::BadName(_))), "{wrong:?}");
        }
        add(about(limits::ADDRESS_BOOK_DESCRIPTION_BYTES_MAX)).await.expect("fits");
        assert!(matches!(add(about(limits::ADDRESS_BOOK_DESCRIPTION_BYTES_MAX + 1)).await, Err(Error::TooLarge(_))));
        // The first one, and these two.
        for number in 3..limits::ADDRESS_BOOKS_MAX {
            add(named(&number.to_string())).await.expect("fits");
        }
        assert!(matches!(add(named("more")).await, Err(Error::TooMany(_))));
    });
}

#[test]
fn all_cards_are_bounded_on_both_sides() {
    on_sqlite(|home| async move {
        let store = home.store().await;
        let full = usize::try_from(limits::CARDS_BYTES_MAX).expect("a size") / limits::CARD_BYTES_MAX;
        let last: CardId = write(&store, move |tx| {
            for n in 1..full {
                card::add(tx, sized(&n.to_string(), limits::CARD_BYTES_MAX), &[FIRST])?;
            }
            card::add(tx, sized("last", limits::CARD_BYTES_MAX), &[FIRST])
        })
        .await
        .expect("they fit");
        let more = write(&store, |tx| card::add(tx, sized("more", 1), &[FIRST])).await;
        assert!(matches!(more, Err(Error::TooMany(_))));
        write(&store, move |tx| card::change(tx, last, sized("last", 1), &[FIRST])).await.expect("smaller is no more");
        write(&store, move |tx| {
            for n in full..limits::CARDS_MAX {
                card::add(tx, sized(&format!("small {n}"), 1), &[FIRST])?;
            }
            Ok(())
        })
        .await
        .expect("they fit");
        assert_eq!(read(&store, card::count).await, limits::CARDS_MAX);
        assert!(matches!(write(&store, |tx| card::add(tx, sized("more", 1), &[FIRST])).await, Err(Error::TooMany(_))));
    });
}
