// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail on its way in: once, durable, and found again after a crash.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_mailstore::{Content, Error, Flag, FlagSet, Refusal, Role, Store, Target, limits, mailbox, message, quota};
use hearth_types::{AccountId, MailboxId};

use crate::support::{ALICE, Home, NOON, account, by_role, delivery, mail, on_each_engine, on_sqlite, read, until, view, write};

async fn inbox_of(store: &Store, account: AccountId) -> Vec<hearth_mailstore::Entry> {
    let view = store.read(account, |tx| {
        let inbox = mailbox::find_by_role(tx, Role::Inbox)?.map_or(MailboxId::from_i64(0), |inbox| inbox.id);
        message::view(tx, inbox)
    });
    view.await.map_err(|error: Error| error).expect("reads")
}

#[test]
fn one_mail_for_several_accounts() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let everyone = [ALICE, account(2), account(3)];
        let raw = mail("to all", "Message-ID: <1@x>\r\n");
        let done = store.deliver(delivery("d1", raw.clone(), &everyone)).await.expect("delivers");
        assert!(done.iter().all(|one| one.as_ref().is_ok_and(|one| !one.again && one.place.is_some_and(|place| place.1 == 1))));
        for one in everyone {
            let entry = inbox_of(&store, one).await.remove(0);
            let body = store.body(one, entry.id).await.expect("reads").expect("there");
            assert_eq!(body.bytes().expect("reads"), [format!("Delivered-To: {one}\r\n").as_bytes(), &raw].concat());
            let subject = store.read(one, move |tx| message::find(tx, entry.id)).await.map_err(|e: Error| e).expect("reads");
            assert_eq!(subject.and_then(|s| s.parsed.envelope.subject).as_deref(), Some("to all"));
        }
    });
}

#[test]
fn the_same_id_again_delivers_nothing() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let first = store.deliver(delivery("d1", mail("a", ""), &[ALICE])).await.expect("delivers").remove(0).expect("taken");
        let again = store.deliver(delivery("d1", mail("a", ""), &[ALICE, account(2)])).await.expect("delivers");
        let of_alice = again[0].as_ref().expect("taken");
        assert_eq!((of_alice.id, of_alice.place, of_alice.again), (first.id, first.place, true));
        assert!(!again[1].as_ref().expect("taken").again);
        assert_eq!(inbox_of(&store, ALICE).await.len(), 1);
    });
}

#[test]
fn targets_are_found_made_or_inbox() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let mut many = delivery("d1", mail("a", ""), &[ALICE]);
        let path = |path: &str, create| Target::Path { path: path.into(), create };
        many.recipients[0].targets =
            vec![Target::Role(Role::Junk), path("Lists/rust", true), path("nowhere", false), path("bad//name", true)];
        many.recipients[0].flags = [Flag::Seen, Flag::Keyword("$junk".into())].into_iter().collect();
        store.deliver(many).await.expect("delivers").remove(0).expect("taken");
        let lists = read(&store, |tx| mailbox::find_by_name(tx, "Lists/rust")).await.expect("made");
        let junk = by_role(&store, Role::Junk).await;
        assert_eq!((lists.total, junk.total, junk.unseen, by_role(&store, Role::Inbox).await.total), (1, 1, 0, 1));
        assert!(read(&store, |tx| mailbox::find_by_name(tx, "nowhere")).await.is_none());
        assert_eq!(view(&store, junk.id).await[0].flags.keywords(), ["$junk"]);
    });
}

#[test]
fn who_is_over_quota_is_refused_alone() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        write(&store, |tx| quota::set_limit(tx, Some(10))).await.expect("sets");
        let done = store.deliver(delivery("d1", mail("a", ""), &[ALICE, account(2)])).await.expect("delivers");
        assert!(matches!(done[0], Err(Refusal::OverQuota)));
        assert!(done[1].is_ok());
        assert_eq!((inbox_of(&store, ALICE).await.len(), inbox_of(&store, account(2)).await.len()), (0, 1));
        let entry = inbox_of(&store, account(2)).await.remove(0);
        let body = store.body(account(2), entry.id).await.expect("reads").expect("there").bytes().expect("reads");
        assert!(body.starts_with(format!("Delivered-To: {}", account(2)).as_bytes()));
    });
}

#[test]
fn deliveries_are_bounded() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let fits = "d".repeat(limits::DELIVERY_ID_BYTES_MAX);
        assert!(store.deliver(delivery(&fits, mail("a", ""), &[ALICE])).await.is_ok());
        for id in ["", &format!("{fits}d")] {
            assert!(matches!(store.deliver(delivery(id, mail("a", ""), &[ALICE])).await, Err(Error::Forbidden(_))));
        }
        let mut long = delivery("x", mail("a", ""), &[ALICE]);
        long.recipients[0].prefix = vec![b'a'; limits::PREFIX_BYTES_MAX + 1];
        assert!(matches!(store.deliver(long).await, Err(Error::TooMany(_))));
        let crowd = vec![ALICE; limits::RECIPIENTS_MAX + 1];
        assert!(matches!(store.deliver(delivery("y", mail("a", ""), &crowd)).await, Err(Error::TooMany(_))));
        assert!(matches!(home.other().await.deliver(delivery("z", mail("a", ""), &[ALICE])).await, Err(Error::NoJournal)));
    });
}

#[test]
fn a_large_mail_is_one_file_for_all() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let mut raw = mail("large", "");
        raw.extend(b"0123456789abcde\n".repeat(limits::BODY_IN_DB_BYTES_MAX / 8));
        let spool = home.dir.path().join("spool");
        std::fs::write(&spool, &raw).expect("writes");
        let mut large = delivery("d1", Vec::new(), &[ALICE, account(2)]);
        large.content = Content::File(spool);
        store.deliver(large).await.expect("delivers");
        for one in [ALICE, account(2)] {
            let entry = inbox_of(&store, one).await.remove(0);
            let body = store.body(one, entry.id).await.expect("reads").expect("there");
            assert!(body.bytes().expect("reads").ends_with(&raw));
        }
        store.close().await.expect("closes");
        assert_eq!(journal_files(&home).len(), 0, "the journal is empty when all is synced");
    });
}

fn journal_files(home: &Home) -> Vec<PathBuf> {
    let files = std::fs::read_dir(home.dir.path().join("mail/journal")).into_iter().flatten().flatten();
    files.map(|file| file.path()).collect()
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("makes");
    for file in std::fs::read_dir(from).expect("reads").flatten() {
        let target = to.join(file.file_name());
        if file.path().is_dir() {
            copy_folder(&file.path(), &target);
        } else {
            std::fs::copy(file.path(), target).expect("copies");
        }
    }
}

/// The folder of an account; found by its name, as a person would.
fn account_folder(home: &Home, account: AccountId) -> PathBuf {
    let mail = std::fs::read_dir(home.dir.path().join("mail")).expect("reads").flatten();
    let found = mail.map(|shard| shard.path().join(account.to_string())).find(|folder| folder.is_dir());
    found.expect("the account has a folder")
}

/// Has this process a file below this folder open?
fn is_open(folder: &Path) -> bool {
    let files = std::fs::read_dir("/proc/self/fd").expect("reads").flatten();
    files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|path| path.starts_with(folder))
}

/// As after a power cut: the account is as it was before the deliveries, the journal has them.
async fn lose_what_was_not_synced(home: &Home, deliveries: impl AsyncFn(&Store)) {
    let store = home.store().await;
    by_role(&store, Role::Inbox).await;
    store.close().await.expect("closes");
    drop(store);
    let (folder, saved) = (account_folder(home, ALICE), home.dir.path().join("saved"));
    until("the account is closed", async || !is_open(&folder)).await;
    copy_folder(&folder, &saved);
    let store = home.store().await;
    deliveries(&store).await;
    drop(store);
    // A power cut leaves nobody who tidies up behind it: the last to close a database takes its log away by name.
    until("the account is closed", async || !is_open(&folder)).await;
    std::fs::remove_dir_all(&folder).expect("removes");
    copy_folder(&saved, &folder);
}

#[test]
fn what_was_answered_is_there_after_a_power_cut() {
    on_sqlite(|home| async move {
        lose_what_was_not_synced(&home, async |store| {
            for n in 0..5 {
                store.deliver(delivery(&format!("d{n}"), mail(&n.to_string(), ""), &[ALICE])).await.expect("delivers");
            }
        })
        .await;
        let store = home.store().await;
        let all = inbox_of(&store, ALICE).await;
        assert_eq!(all.iter().map(|entry| entry.uid).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        let ids: Vec<_> = all.iter().map(|entry| entry.id).collect();
        let subjects = read(&store, move |tx| message::summaries(tx, &ids)).await;
        let subjects: Vec<_> = subjects.into_iter().filter_map(|s| s.parsed.envelope.subject).collect();
        assert_eq!(subjects, ["0", "1", "2", "3", "4"], "in the order and with the UIDs that were seen");
        assert_eq!(journal_files(&home).len(), 0, "and the journal is cut");
        drop(store);
        assert_eq!(inbox_of(&home.store().await, ALICE).await.len(), 5, "nothing is doubled");
    });
}

#[test]
fn a_process_that_is_killed_doubles_nothing() {
    on_sqlite(|home| async move {
        let store = home.store().await;
        store.deliver(delivery("d1", mail("a", ""), &[ALICE])).await.expect("delivers");
        assert_eq!(journal_files(&home).len(), 1);
        drop(store);
        let store = home.store().await;
        assert_eq!((inbox_of(&store, ALICE).await.len(), journal_files(&home).len()), (1, 0));
    });
}

#[test]
fn a_large_mail_comes_back_too() {
    on_sqlite(|home| async move {
        let raw = [mail("large", ""), b"0123456789abcde\n".repeat(limits::BODY_IN_DB_BYTES_MAX / 8)].concat();
        let content = raw.clone();
        lose_what_was_not_synced(&home, async move |store| {
            store.deliver(delivery("d1", content.clone(), &[ALICE])).await.expect("delivers");
        })
        .await;
        let store = home.store().await;
        let entry = inbox_of(&store, ALICE).await.remove(0);
        let body = store.body(ALICE, entry.id).await.expect("reads").expect("there");
        assert!(body.bytes().expect("reads").ends_with(&raw));
        assert_eq!(journal_files(&home).len(), 0);
    });
}

#[test]
fn copies_that_differ_are_accepted_as_one() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        write(&store, |tx| quota::set_limit(tx, Some(10))).await.expect("sets");
        let batches = store.journal_batches();
        let all = vec![
            delivery("d1-a", mail("edited", ""), &[account(2)]),
            delivery("d1-b", mail("full", ""), &[ALICE]),
            delivery("d1", mail("plain", ""), &[account(3), ALICE, account(4)]),
        ];
        let done = store.deliver_all(all).await.expect("delivers");
        let taken: Vec<Vec<bool>> = done.iter().map(|each| each.iter().map(Result::is_ok).collect()).collect();
        assert_eq!(taken, [vec![true], vec![false], vec![true, false, true]]);
        let is_journalled = store.journal_batches() - batches;
        assert!(is_journalled == 1 || journal_files(&home).is_empty(), "{is_journalled} syncs");
        for (number, subject) in [(2, "edited"), (3, "plain"), (4, "plain")] {
            let entry = inbox_of(&store, account(number)).await.remove(0);
            let body = store.body(account(number), entry.id).await.expect("reads").expect("there").bytes().expect("reads");
            assert!(String::from_utf8_lossy(&body).contains(&format!("Subject: {subject}")), "{number}");
        }
        // One that cannot be refuses all of them.
        let bad = vec![delivery("d2", mail("x", ""), &[account(2)]), delivery("", mail("x", ""), &[account(3)])];
        assert!(store.deliver_all(bad).await.is_err());
        assert_eq!((inbox_of(&store, account(2)).await.len(), inbox_of(&store, account(3)).await.len()), (1, 1));
    });
}

#[test]
fn copies_for_one_person_count_together() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        store.deliver(delivery("first", mail("edited", ""), &[ALICE])).await.expect("delivers");
        let size = read(&store, quota::find).await.used_bytes;
        for (limit, taken) in [(2 * size, [true, true]), (2 * size - 1, [true, false])] {
            let before = read(&store, quota::find).await.used_bytes;
            write(&store, move |tx| quota::set_limit(tx, Some(before + limit))).await.expect("sets");
            let all = [0, 1].map(|number| delivery(&format!("{limit}-{number}"), mail("edited", ""), &[ALICE]));
            let done = store.deliver_all(all.into()).await.expect("delivers");
            assert_eq!(done.iter().map(|each| each[0].is_ok()).collect::<Vec<_>>(), taken, "{limit}");
        }
    });
}

#[test]
fn each_copy_of_a_batch_comes_back_after_a_power_cut() {
    on_sqlite(|home| async move {
        let large = [mail("large", ""), b"0123456789abcde\n".repeat(limits::BODY_IN_DB_BYTES_MAX / 8)].concat();
        lose_what_was_not_synced(&home, async move |store| {
            let to = [ALICE];
            let all = vec![
                delivery("d1-0", mail("edited", ""), &to),
                delivery("d1-1", large.clone(), &to),
                delivery("d1", mail("plain", ""), &[ALICE, account(2)]),
            ];
            store.deliver_all(all).await.expect("delivers");
        })
        .await;
        let store = home.store().await;
        let ids: Vec<_> = inbox_of(&store, ALICE).await.iter().map(|entry| entry.id).collect();
        let subjects = read(&store, move |tx| message::summaries(tx, &ids)).await;
        let subjects: Vec<_> = subjects.into_iter().filter_map(|s| s.parsed.envelope.subject).collect();
        assert_eq!(subjects, ["edited", "large", "plain"]);
        assert_eq!(inbox_of(&store, account(2)).await.len(), 1, "who has it already has it once");
    });
}

#[test]
fn a_torn_end_of_the_journal_is_left() {
    on_sqlite(|home| async move {
        lose_what_was_not_synced(&home, async |store| {
            store.deliver(delivery("d1", mail("whole", ""), &[ALICE])).await.expect("delivers");
        })
        .await;
        let segment = journal_files(&home).remove(0);
        let mut bytes = std::fs::read(&segment).expect("reads");
        let torn = bytes[..bytes.len() - 3].to_vec();
        bytes.extend(torn);
        std::fs::write(&segment, bytes).expect("writes");
        let store = home.store().await;
        assert_eq!(inbox_of(&store, ALICE).await.len(), 1);
    });
}

#[test]
fn mail_for_an_account_that_is_gone_stops_no_start() {
    on_sqlite(|home| async move {
        let store = home.store().await;
        store.deliver(delivery("d1", mail("a", ""), &[ALICE, account(2)])).await.expect("delivers");
        store.remove_account(ALICE).await.expect("removes");
        drop(store);
        let store = home.store().await;
        assert_eq!(inbox_of(&store, account(2)).await.len(), 1);
        assert_eq!(inbox_of(&store, ALICE).await.len(), 0, "it does not come back to life");
    });
}

#[test]
fn the_journal_is_cut_by_itself() {
    on_sqlite(|home| async move {
        let store = home.store().await;
        store.deliver(delivery("d1", mail("a", ""), &[ALICE])).await.expect("delivers");
        home.clock.advance(limits::SEGMENT_AGE_MAX);
        until("the journal is cut", async || journal_files(&home).is_empty()).await;
        store.deliver(delivery("d2", mail("a", ""), &[ALICE])).await.expect("delivers");
        assert_eq!(inbox_of(&store, ALICE).await.len(), 2);
    });
}

#[test]
fn many_at_once_into_many_accounts() {
    on_each_engine(|home| async move {
        let store = home.store().await;
        let tasks: Vec<_> = (0..40)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    let to = [account(n % 4 + 1), account((n + 1) % 4 + 1)];
                    store.deliver(delivery(&format!("d{n}"), mail(&n.to_string(), ""), &to)).await.expect("delivers")
                })
            })
            .collect();
        for task in tasks {
            assert!(task.await.expect("no panic").iter().all(|one| one.as_ref().is_ok_and(|one| one.place.is_some())));
        }
        for n in 1..=4 {
            assert_eq!(inbox_of(&store, account(n)).await.len(), 20);
        }
    });
}

/// A file system of 14 MiB; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        let mount = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=14m", "none"]).arg(at).output().ok()?;
        mount.status.success().then(|| Self(at.to_path_buf()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    on_sqlite(|home| async move {
        let Some(_disk) = SmallDisk::mount(home.dir.path()) else {
            println!("skipped: a small file system can be mounted by root alone");
            return;
        };
        let store = home.store().await;
        store.deliver(delivery("d1", mail("fits", ""), &[ALICE])).await.expect("delivers");
        let ballast = home.dir.path().join("ballast");
        let filled = std::fs::write(&ballast, vec![1; 13 * 1024 * 1024]);
        println!("ballast: {filled:?}");
        let before = journal_files(&home).iter().map(|file| file.metadata().map_or(0, |meta| meta.len())).sum::<u64>();
        assert!(matches!(store.deliver(delivery("d2", mail("does not", ""), &[ALICE])).await, Err(Error::Full)));
        let after = journal_files(&home).iter().map(|file| file.metadata().map_or(0, |meta| meta.len())).sum::<u64>();
        assert_eq!(before, after, "nothing is half-written");
        // APPEND meets the full disk itself.
        std::fs::write(home.dir.path().join("rest"), vec![1; 64 * 1024 * 1024]).expect_err("it is full now");
        let inbox = by_role(&store, Role::Inbox).await.id;
        let raw: Vec<u8> =
            mail("noise", "").into_iter().chain((0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)).collect();
        let prepared = store.prepare(ALICE, Content::Bytes(raw)).await.expect("prepares");
        let full = write(&store, move |tx| message::append(tx, prepared, &[inbox], &FlagSet::EMPTY, NOON)).await;
        assert!(matches!(full, Err(Error::Full)), "{full:?}");
        assert_eq!(inbox_of(&store, ALICE).await.len(), 1);
        std::fs::remove_file(&ballast).expect("removes");
        std::fs::remove_file(home.dir.path().join("rest")).expect("removes");
        store.deliver(delivery("d2", mail("fits now", ""), &[ALICE])).await.expect("it recovers by itself");
        assert_eq!(inbox_of(&store, ALICE).await.len(), 2);
        tokio::time::sleep(Duration::from_millis(10)).await;
        store.close().await.expect("closes");
    });
}
