// SPDX-License-Identifier: AGPL-3.0-or-later
//! The law: random operations agree with a small model in memory, and what a client that syncs by
//! changes knows agrees with both.

use std::collections::BTreeMap;

use hearth_mailstore::message::{self, FlagChange};
use hearth_mailstore::{Content, Flag, FlagSet, Store, changes, mailbox, quota};
use hearth_types::{MailboxId, MessageId};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use crate::support::{ALICE, NOON, mail, on_each_engine, read, write};

#[derive(Clone, Debug)]
enum Step {
    Append { to: usize, seen: bool },
    Flag { at: usize, pick: usize, flag: usize, set: bool },
    Copy { from: usize, pick: usize, to: usize },
    Move { from: usize, pick: usize, to: usize },
    Expunge { at: usize },
    SetMailboxes { at: usize, pick: usize, to: usize },
    Destroy { at: usize, pick: usize },
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    let (at, pick) = (0..BOXES, 0..50_usize);
    prop_oneof![
        3 => (at.clone(), any::<bool>()).prop_map(|(to, seen)| Step::Append { to, seen }),
        4 => (at.clone(), pick.clone(), 0..3_usize, any::<bool>()).prop_map(|(at, pick, flag, set)| Step::Flag { at, pick, flag, set }),
        2 => (at.clone(), pick.clone(), at.clone()).prop_map(|(from, pick, to)| Step::Copy { from, pick, to }),
        2 => (at.clone(), pick.clone(), at.clone()).prop_map(|(from, pick, to)| Step::Move { from, pick, to }),
        1 => at.clone().prop_map(|at| Step::Expunge { at }),
        1 => (at.clone(), pick.clone(), at.clone()).prop_map(|(at, pick, to)| Step::SetMailboxes { at, pick, to }),
        1 => (at, pick).prop_map(|(at, pick)| Step::Destroy { at, pick }),
        2 => Just(Step::Sync),
    ]
}

const BOXES: usize = 3;

/// What there should be: entries by (mailbox, UID), flags by message.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    entries: BTreeMap<(usize, u32), (MessageId, bool)>,
    flags: BTreeMap<MessageId, FlagSet>,
    next: [u32; BOXES],
}

impl Model {
    fn pick(&self, at: usize, pick: usize) -> Option<(u32, MessageId)> {
        let here: Vec<_> = self.entries.range((at, 0)..=(at, u32::MAX)).map(|(key, value)| (key.1, value.0)).collect();
        (!here.is_empty()).then(|| here[pick % here.len()])
    }

    fn put(&mut self, at: usize, id: MessageId, deleted: bool) -> u32 {
        self.next[at] += 1;
        self.entries.insert((at, self.next[at]), (id, deleted));
        self.next[at]
    }

    fn take(&mut self, at: usize, uid: u32) {
        if let Some((id, _)) = self.entries.remove(&(at, uid))
            && self.entries.values().all(|(other, _)| *other != id)
        {
            self.flags.remove(&id);
        }
    }

    fn is_in(&self, at: usize, id: MessageId) -> Option<u32> {
        self.entries.iter().find(|(key, value)| key.0 == at && value.0 == id).map(|(key, _)| key.1)
    }
}

/// A client: what it knows of each mailbox, kept by news alone; and the messages, kept by changes alone.
#[derive(Default)]
struct Client {
    boxes: [(u64, BTreeMap<u32, FlagSet>); BOXES],
    state: u64,
    messages: BTreeMap<MessageId, FlagSet>,
}

impl Client {
    async fn sync(&mut self, store: &Store, boxes: [MailboxId; BOXES]) {
        for (index, (modseq, known)) in self.boxes.iter_mut().enumerate() {
            let (mailbox, since) = (boxes[index], *modseq);
            let news = read(store, move |tx| changes::news(tx, mailbox, since)).await;
            for uid in news.vanished {
                known.remove(&uid);
            }
            known.extend(news.entries.into_iter().map(|entry| (entry.uid, entry.flags)));
            *modseq = news.modseq;
        }
        loop {
            let since = self.state;
            let page = read(store, move |tx| changes::messages(tx, since, 3)).await;
            page.destroyed.iter().for_each(|id| drop(self.messages.remove(id)));
            for id in page.created.into_iter().chain(page.updated) {
                if let Some(summary) = read(store, move |tx| message::find(tx, id)).await {
                    self.messages.insert(id, summary.flags);
                }
            }
            self.state = page.modseq;
            if !page.more {
                return;
            }
        }
    }

    fn check(&self, model: &Model) {
        for (index, (_, known)) in self.boxes.iter().enumerate() {
            let want: BTreeMap<u32, FlagSet> = model
                .entries
                .range((index, 0)..=(index, u32::MAX))
                .map(|(key, (id, deleted))| {
                    let mut flags = model.flags[id].clone();
                    if *deleted {
                        flags.insert(Flag::Deleted);
                    }
                    (key.1, flags)
                })
                .collect();
            assert_eq!(known, &want, "mailbox {index} by news");
        }
        assert_eq!(self.messages, model.flags, "messages by changes");
    }
}

async fn check(store: &Store, boxes: [MailboxId; BOXES], model: &Model) {
    for (index, id) in boxes.into_iter().enumerate() {
        let (found, view) = read(store, move |tx| Ok((mailbox::find(tx, id)?, message::view(tx, id)?))).await;
        let found = found.expect("there");
        let seen: BTreeMap<(usize, u32), (MessageId, bool)> =
            view.iter().map(|e| ((index, e.uid), (e.id, e.flags.contains(&Flag::Deleted)))).collect();
        let want: BTreeMap<_, _> = model.entries.iter().filter(|(key, _)| key.0 == index).map(|(k, v)| (*k, *v)).collect();
        assert_eq!(seen, want);
        assert!(
            view.iter().all(|entry| entry.flags.of_message() == model.flags[&entry.id] && entry.modseq <= found.highest_modseq)
        );
        let unseen = view.iter().filter(|entry| !entry.flags.contains(&Flag::Seen)).count() as u64;
        let deleted = view.iter().filter(|entry| entry.flags.contains(&Flag::Deleted)).count() as u64;
        assert_eq!((found.total, found.unseen, found.deleted), (view.len() as u64, unseen, deleted));
        assert_eq!(found.uid_next, model.next[index] + 1);
        assert_eq!(found.size_bytes, found.total * mail("m", "").len() as u64);
    }
    let used = read(store, quota::find).await;
    assert_eq!((used.messages, used.used_bytes), (model.flags.len() as u64, (model.flags.len() * mail("m", "").len()) as u64));
}

async fn run(store: &Store, boxes: [MailboxId; BOXES], model: &mut Model, client: &mut Client, step: Step) {
    match step {
        Step::Append { to, seen } => {
            let flags: FlagSet = seen.then_some(Flag::Seen).into_iter().collect();
            let prepared = store.prepare(ALICE, Content::Bytes(mail("m", ""))).await.expect("prepares");
            let (mailbox, first) = (boxes[to], flags.clone());
            let appended = write(store, move |tx| message::append(tx, prepared, &[mailbox], &first, NOON)).await.expect("appends");
            assert_eq!(appended.uid, model.put(to, appended.id, false));
            model.flags.insert(appended.id, flags);
        }
        Step::Flag { at, pick, flag, set } => {
            let Some((uid, id)) = model.pick(at, pick) else { return };
            let flag = [Flag::Seen, Flag::Deleted, Flag::Keyword("$k".into())][flag].clone();
            let change = if set { FlagChange::Add(flag.clone().into()) } else { FlagChange::Remove(flag.clone().into()) };
            let mailbox = boxes[at];
            write(store, move |tx| message::store_flags(tx, mailbox, &[uid], &change, None)).await.expect("stores");
            let flags = model.flags.get_mut(&id).expect("there");
            match (&flag, set) {
                (Flag::Deleted, set) => model.entries.get_mut(&(at, uid)).expect("there").1 = set,
                (flag, true) => flags.insert(flag.clone()),
                (flag, false) => flags.remove(flag),
            }
        }
        Step::Copy { from, pick, to } => {
            let Some((uid, id)) = model.pick(from, pick) else { return };
            let (source, target) = (boxes[from], boxes[to]);
            let pairs = write(store, move |tx| message::copy(tx, source, &[uid], target)).await.expect("copies");
            copied(store, boxes, model, (from, uid, id), to, pairs[0].1).await;
        }
        Step::Move { from, pick, to } => {
            let Some((uid, id)) = model.pick(from, pick) else { return };
            let (source, target) = (boxes[from], boxes[to]);
            let pairs = write(store, move |tx| message::move_to(tx, source, &[uid], target)).await.expect("moves");
            copied(store, boxes, model, (from, uid, id), to, pairs[0].1).await;
            model.take(from, uid);
        }
        Step::Expunge { at } => {
            let mailbox = boxes[at];
            let gone = write(store, move |tx| message::expunge(tx, mailbox, None)).await.expect("expunges");
            let doomed: Vec<u32> = model.entries.range((at, 0)..=(at, u32::MAX)).filter(|e| e.1.1).map(|e| e.0.1).collect();
            assert_eq!(gone, doomed);
            gone.into_iter().for_each(|uid| model.take(at, uid));
        }
        Step::SetMailboxes { at, pick, to } => {
            let Some((_, id)) = model.pick(at, pick) else { return };
            let target = boxes[to];
            write(store, move |tx| message::set_mailboxes(tx, id, &[target])).await.expect("sets");
            if model.is_in(to, id).is_none() {
                model.put(to, id, false);
            }
            for other in (0..BOXES).filter(|other| *other != to) {
                if let Some(uid) = model.is_in(other, id) {
                    model.take(other, uid);
                }
            }
        }
        Step::Destroy { at, pick } => {
            let Some((_, id)) = model.pick(at, pick) else { return };
            write(store, move |tx| message::remove(tx, id)).await.expect("removes");
            model.entries.retain(|_, entry| entry.0 != id);
            model.flags.remove(&id);
        }
        Step::Sync => {
            client.sync(store, boxes).await;
            client.check(model);
        }
    }
}

/// The model after a copy: the same message, or where it was already a new one.
async fn copied(
    store: &Store,
    boxes: [MailboxId; BOXES],
    model: &mut Model,
    (from, uid, id): (usize, u32, MessageId),
    to: usize,
    new_uid: u32,
) {
    let deleted = model.entries[&(from, uid)].1;
    let target = boxes[to];
    let copy = read(store, move |tx| message::entries(tx, target, &[new_uid])).await[0].id;
    assert_eq!(copy == id, model.is_in(to, id).is_none());
    if copy != id {
        model.flags.insert(copy, model.flags[&id].clone());
    }
    assert_eq!(model.put(to, copy, deleted), new_uid);
}

#[test]
fn random_operations_agree_with_a_model() {
    // Few cases of many steps: each step is a commit.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let cases: Vec<Vec<Step>> = (0..4)
        .map(|_| {
            let strategy = proptest::collection::vec(step(), 60..120);
            strategy.new_tree(&mut runner).expect("a case").current()
        })
        .collect();
    on_each_engine(|home| {
        let cases = cases.clone();
        async move {
            let store = home.store().await;
            for (number, steps) in cases.into_iter().enumerate() {
                let name = format!("case {number}");
                let all = read(&store, mailbox::list).await;
                for old in all.iter().filter(|old| old.path.starts_with("case")) {
                    let id = old.id;
                    write(&store, move |tx| mailbox::remove(tx, id)).await.expect("removes");
                }
                let mut boxes = [MailboxId::from_i64(0); BOXES];
                for (index, id) in boxes.iter_mut().enumerate() {
                    let path = format!("{name} {index}");
                    *id = write(&store, move |tx| mailbox::add_path(tx, &path, None)).await.expect("adds").id;
                }
                let mut model = Model::default();
                let mut client = Client { state: read(&store, |tx| tx.modseq()).await, ..Client::default() };
                for step in steps {
                    run(&store, boxes, &mut model, &mut client, step).await;
                }
                check(&store, boxes, &model).await;
                client.sync(&store, boxes).await;
                client.check(&model);
            }
        }
    });
}
