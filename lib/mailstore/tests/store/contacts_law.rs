// SPDX-License-Identifier: AGPL-3.0-or-later
//! The law of contacts: random operations agree with a small model in memory, and what a client that syncs by changes
//! knows agrees with both.

use std::collections::{BTreeMap, BTreeSet};

use hearth_mailstore::address_book::{self, FIRST};
use hearth_mailstore::card::{self, Content};
use hearth_mailstore::{Error, Store, changes, quota};
use hearth_types::{AddressBookId, CardId};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use crate::support::{on_each_engine, read, write};

#[derive(Clone, Debug)]
enum Step {
    AddBook,
    RemoveBook { pick: usize, with_contents: bool },
    MakeDefault { pick: usize },
    AddCard { address: u8, books: usize },
    ChangeCard { pick: usize, address: u8, books: usize },
    RemoveCard { pick: usize },
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    let (pick, address, books) = (0..50_usize, 0..6_u8, 1..8_usize);
    prop_oneof![
        1 => Just(Step::AddBook),
        1 => (pick.clone(), any::<bool>()).prop_map(|(pick, with_contents)| Step::RemoveBook { pick, with_contents }),
        1 => pick.clone().prop_map(|pick| Step::MakeDefault { pick }),
        4 => (address.clone(), books.clone()).prop_map(|(address, books)| Step::AddCard { address, books }),
        3 => (pick.clone(), address, books).prop_map(|(pick, address, books)| Step::ChangeCard { pick, address, books }),
        1 => pick.prop_map(|pick| Step::RemoveCard { pick }),
        2 => Just(Step::Sync),
    ]
}

/// An address, and the address books.
type Known = (u8, BTreeSet<AddressBookId>);

/// What there should be.
#[derive(Debug)]
struct Model {
    books: Vec<AddressBookId>,
    default: AddressBookId,
    cards: BTreeMap<CardId, Known>,
    next: u32,
}

impl Model {
    fn card(&self, pick: usize) -> Option<CardId> {
        (!self.cards.is_empty()).then(|| *self.cards.keys().nth(pick % self.cards.len()).expect("there"))
    }

    /// Some of them, by the bits of a number; one at least.
    fn some(&self, bits: usize) -> BTreeSet<AddressBookId> {
        let chosen = self.books.iter().enumerate().filter(|(at, _)| bits >> (at % 3) & 1 == 1).map(|(_, book)| *book);
        chosen.chain(self.books.first().copied().filter(|_| bits & 7 == 0)).chain([self.default]).take(3).collect()
    }
}

fn content(uid: &str, address: u8) -> Content {
    Content { uid: uid.to_string(), addresses: vec![format!("{address}@b.example")], json: format!("{{\"a\":{address}}}") }
}

async fn run(store: &Store, model: &mut Model, client: &mut Client, step: Step) {
    match step {
        Step::AddBook => {
            let new = address_book::Change { name: Some("x".into()), ..address_book::Change::default() };
            model.books.push(write(store, move |tx| address_book::add(tx, new)).await.expect("adds").id);
        }
        Step::RemoveBook { pick, with_contents } => {
            let id = model.books[pick % model.books.len()];
            let has_cards = model.cards.values().any(|(_, books)| books.contains(&id));
            match write(store, move |tx| address_book::remove(tx, id, with_contents)).await {
                Err(Error::Forbidden(_)) => assert_eq!(id, model.default),
                Err(Error::AddressBookHasContents) => assert!(has_cards && !with_contents),
                done => {
                    done.expect("removes");
                    assert!(id != model.default && (with_contents || !has_cards));
                    model.books.retain(|book| *book != id);
                    model.cards.values_mut().for_each(|(_, books)| books.retain(|book| *book != id));
                    model.cards.retain(|_, (_, books)| !books.is_empty());
                }
            }
        }
        Step::MakeDefault { pick } => {
            let id = model.books[pick % model.books.len()];
            let was = write(store, move |tx| address_book::make_default(tx, id)).await.expect("changes");
            assert_eq!(was, (id != model.default).then_some(model.default));
            model.default = id;
        }
        Step::AddCard { address, books } => {
            let (uid, books) = (model.next.to_string(), model.some(books));
            model.next += 1;
            let ids: Vec<_> = books.iter().copied().collect();
            let id = write(store, move |tx| card::add(tx, content(&uid, address), &ids)).await.expect("adds");
            model.cards.insert(id, (address, books));
        }
        Step::ChangeCard { pick, address, books } => {
            let Some(id) = model.card(pick) else { return };
            let (uid, books) = (model.next.to_string(), model.some(books));
            model.next += 1;
            let ids: Vec<_> = books.iter().copied().collect();
            write(store, move |tx| card::change(tx, id, content(&uid, address), &ids)).await.expect("changes");
            model.cards.insert(id, (address, books));
        }
        Step::RemoveCard { pick } => {
            let Some(id) = model.card(pick) else { return };
            write(store, move |tx| card::remove(tx, id)).await.expect("removes");
            model.cards.remove(&id);
        }
        Step::Sync => {
            client.sync(store).await;
            client.check(model);
        }
    }
}

/// A client: what it knows, kept by changes alone.
#[derive(Default)]
struct Client {
    books_state: u64,
    cards_state: u64,
    books: BTreeMap<AddressBookId, bool>,
    cards: BTreeMap<CardId, Known>,
}

impl Client {
    async fn sync(&mut self, store: &Store) {
        loop {
            let since = self.books_state;
            let page = read(store, move |tx| changes::address_books(tx, since, 2)).await;
            self.books.retain(|id, _| !page.destroyed.contains(id));
            for id in page.created.into_iter().chain(page.updated) {
                if let Some(book) = read(store, move |tx| address_book::find(tx, id)).await {
                    self.books.insert(id, book.is_default);
                }
            }
            self.books_state = page.modseq;
            if !page.more {
                break;
            }
        }
        loop {
            let since = self.cards_state;
            let page = read(store, move |tx| changes::cards(tx, since, 2)).await;
            self.cards.retain(|id, _| !page.destroyed.contains(id));
            for id in page.created.into_iter().chain(page.updated) {
                if let Some(card) = read(store, move |tx| card::find(tx, id)).await {
                    let address = card.content.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("an address");
                    self.cards.insert(id, (address, card.books.into_iter().collect()));
                }
            }
            self.cards_state = page.modseq;
            if !page.more {
                return;
            }
        }
    }

    fn check(&self, model: &Model) {
        let books: BTreeMap<_, _> = model.books.iter().map(|id| (*id, *id == model.default)).collect();
        assert_eq!(self.books, books, "address books by changes");
        assert_eq!(self.cards, model.cards, "cards by changes");
    }
}

async fn check(store: &Store, model: &Model) {
    for address in 0..6_u8 {
        let is_known = read(store, move |tx| card::knows(tx, &format!("{address}@b.example"))).await;
        assert_eq!(is_known, model.cards.values().any(|(known, _)| *known == address), "{address}");
    }
    for id in model.books.clone() {
        let cards: Vec<_> = model.cards.iter().filter(|(_, (_, books))| books.contains(&id)).map(|(id, _)| *id).collect();
        assert_eq!(read(store, move |tx| card::in_book(tx, id)).await, cards);
    }
    assert_eq!(read(store, card::count).await, model.cards.len());
    let bytes: usize = model.cards.values().map(|(address, _)| content("", *address).json.len()).sum();
    assert_eq!(read(store, quota::find).await.used_bytes, bytes as u64);
}

#[test]
fn random_operations_agree_with_a_model() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = proptest::collection::vec(step(), 200..250);
    let steps = strategy.new_tree(&mut runner).expect("a case").current();
    on_each_engine(|home| {
        let steps = steps.clone();
        async move {
            let store = home.store().await;
            let mut model = Model { books: vec![FIRST], default: FIRST, cards: BTreeMap::new(), next: 0 };
            let state = read(&store, |tx| tx.modseq()).await;
            let first = BTreeMap::from([(FIRST, true)]);
            let mut client = Client { books_state: state, cards_state: state, books: first, ..Client::default() };
            for step in steps {
                run(&store, &mut model, &mut client, step).await;
            }
            check(&store, &model).await;
            client.sync(&store).await;
            client.check(&model);
            assert!(model.next > 50, "it did something: {model:?}");
        }
    });
}
