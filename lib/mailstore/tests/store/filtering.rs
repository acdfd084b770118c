// SPDX-License-Identifier: AGPL-3.0-or-later
//! What filters remember and learn.

use std::time::Duration;

use hearth_mailstore::lesson::{self, Class, Counts, Lesson};
use hearth_mailstore::{Flag, FlagChange, FlagSet, Role, memory, message};

use crate::support::{append, by_role, mail, on_each_engine, read, write};

#[test]
fn an_id_is_remembered_for_its_time() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let until = home.clock.now().after(Duration::from_secs(60));
        let long = "x".repeat(100_000);
        for id in ["a", long.as_str()] {
            let id = id.to_string();
            let other = id.clone();
            assert!(!read(&store, move |tx| memory::is_remembered(tx, &id)).await);
            write(&store, move |tx| memory::remember(tx, &other, until)).await.expect("remembered");
        }
        assert!(read(&store, |tx| memory::is_remembered(tx, "a")).await);
        home.clock.advance(Duration::from_secs(60));
        assert!(!read(&store, |tx| memory::is_remembered(tx, "a")).await);
        store.forget_old().await;
    });
}

#[test]
fn moves_and_keywords_are_lessons() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let (inbox, junk) = (by_role(&store, Role::Inbox).await, by_role(&store, Role::Junk).await);
        for n in 0..3 {
            append(&store, inbox.id, mail(&format!("s{n}"), ""), FlagSet::EMPTY).await;
        }
        let ids = read(&store, move |tx| Ok(message::view(tx, inbox.id)?.iter().map(|entry| entry.id).collect::<Vec<_>>())).await;
        let look = || read(&store, |tx| lesson::lessons(tx, 100));
        assert_eq!(look().await.lessons, vec![], "what was delivered says nothing");
        write(&store, move |tx| message::move_to(tx, inbox.id, &[1], junk.id)).await.expect("moved");
        let seen = FlagChange::Add([Flag::Seen].into_iter().collect());
        let answered = FlagChange::Add([Flag::Answered].into_iter().collect());
        let (second, third) = (ids[1], ids[2]);
        write(&store, move |tx| message::change_keywords(tx, second, &answered)).await.expect("answered");
        write(&store, move |tx| message::change_keywords(tx, third, &seen)).await.expect("seen");
        let found = look().await;
        let first = Lesson { message: ids[0], was: None, is: Class::Junk };
        assert_eq!(found.lessons, vec![first, Lesson { message: ids[1], was: None, is: Class::Good }]);
        let until = found.until;
        write(&store, move |tx| {
            lesson::learn(tx, found.lessons[0], &[1, 2])?;
            lesson::learn(tx, found.lessons[1], &[2, 3])?;
            lesson::learnt_until(tx, until)
        })
        .await
        .expect("learnt");
        let counts = |good, junk| Counts { good, junk };
        let known = read(&store, |tx| lesson::counts(tx, &[1, 2, 3, 4])).await;
        assert_eq!(known, (counts(1, 1), vec![counts(0, 1), counts(1, 1), counts(1, 0), counts(0, 0)]));
        assert_eq!(look().await.lessons, vec![], "learnt once");
        // Taken out of Junk again: what was learnt is taken back.
        let uids = read(&store, move |tx| Ok(message::view(tx, junk.id)?.iter().map(|entry| entry.uid).collect::<Vec<_>>())).await;
        write(&store, move |tx| message::move_to(tx, junk.id, &uids, inbox.id)).await.expect("moved");
        let found = look().await;
        let back = Lesson { message: ids[0], was: Some(Class::Junk), is: Class::Good };
        assert_eq!(found.lessons, vec![back]);
        write(&store, move |tx| lesson::learn(tx, back, &[1, 2])).await.expect("learnt");
        let known = read(&store, |tx| lesson::counts(tx, &[1, 2])).await;
        assert_eq!(known, (counts(2, 0), vec![counts(1, 0), counts(2, 0)]));
    });
}

#[test]
fn what_is_thrown_away_unread_is_noted_once() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let (inbox, trash) = (by_role(&store, Role::Inbox).await, by_role(&store, Role::Trash).await);
        append(&store, inbox.id, mail("unread", ""), FlagSet::EMPTY).await;
        append(&store, inbox.id, mail("read", ""), [Flag::Seen].into_iter().collect()).await;
        let ids = read(&store, move |tx| Ok(message::view(tx, inbox.id)?.iter().map(|entry| entry.id).collect::<Vec<_>>())).await;
        write(&store, move |tx| message::move_to(tx, inbox.id, &[1, 2], trash.id)).await.expect("moved");
        let look = || read(&store, |tx| lesson::lessons(tx, 100));
        let found = look().await;
        assert_eq!((found.thrown.as_slice(), found.lessons.as_slice()), (&ids[..1], [].as_slice()));
        let first = ids[0];
        write(&store, move |tx| lesson::note_thrown(tx, first, 7)).await.expect("noted");
        assert_eq!(look().await.thrown, vec![]);
        let known = read(&store, |tx| Ok((lesson::count_of(tx, 7)?, lesson::counts(tx, &[7])?))).await;
        assert_eq!(known, (Counts { good: 0, junk: 1 }, (Counts::default(), vec![Counts::default()])), "no word was learnt");
    });
}

#[test]
fn what_we_put_into_junk_is_no_lesson_until_it_is_taken_out() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let (inbox, junk) = (by_role(&store, Role::Inbox).await, by_role(&store, Role::Junk).await);
        append(&store, inbox.id, mail("s", ""), FlagSet::EMPTY).await;
        let id = read(&store, move |tx| Ok(message::view(tx, inbox.id)?[0].id)).await;
        write(&store, move |tx| {
            lesson::judged_junk(tx, id)?;
            message::set_mailboxes(tx, id, &[junk.id])
        })
        .await
        .expect("judged");
        assert_eq!(read(&store, |tx| lesson::lessons(tx, 100)).await.lessons, vec![]);
        write(&store, move |tx| message::set_mailboxes(tx, id, &[inbox.id])).await.expect("moved");
        let found = read(&store, |tx| lesson::lessons(tx, 100)).await;
        assert_eq!(found.lessons, vec![Lesson { message: id, was: None, is: Class::Good }]);
    });
}
