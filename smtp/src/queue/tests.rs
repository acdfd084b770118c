// SPDX-License-Identifier: AGPL-3.0-or-later
//! The queue on both engines: SQLite always, PostgreSQL when `HEARTH_TEST_POSTGRES` names a server.

use std::time::Duration;

use hearth_db::Source;
use hearth_types::id::Id;
use hearth_types::{Address, Clock, Secret, Timestamp};
use hearth_wire::smtp::{Notify, OriginalRecipient};

use super::claim::Settled;
use super::{NewMail, NewRecipient, Queue, Waits};
use crate::limits::{CLAIM_MAX, LEASE, QUEUED_BODY_IN_DB_BYTES_MAX};

struct Place {
    queue: Queue,
    source: Source,
    clock: Clock,
    folder: tempfile::TempDir,
}

/// The same test on each engine that is there.
async fn on_each_engine<F: Future<Output = ()>>(test: impl Fn(Place) -> F) {
    let folder = tempfile::tempdir().expect("a folder");
    let sqlite = Source::Sqlite(folder.path().join("queue.db"));
    test(Place::open(sqlite, folder).await).await;
    if let Ok(url) = std::env::var("HEARTH_TEST_POSTGRES") {
        let schema = format!("queue_{}", Id::new(Clock::system().now()));
        let postgres = Source::Postgres { url: Secret::new(url), schema };
        test(Place::open(postgres, tempfile::tempdir().expect("a folder")).await).await;
    }
}

impl Place {
    async fn open(source: Source, folder: tempfile::TempDir) -> Self {
        let clock = Clock::fixed(Timestamp::from_secs(1_800_000_000));
        let queue = Queue::open(&source, folder.path(), clock.clone()).await.expect("a queue");
        Self { queue, source, clock, folder }
    }

    /// The queue as another process sees it.
    async fn other(&self) -> Queue {
        Queue::open(&self.source, self.folder.path(), self.clock.clone()).await.expect("a queue")
    }

    async fn add(&self, recipients: &[&str]) -> Id {
        self.queue.enqueue(mail(b"Subject: x\r\n\r\nhi\r\n".to_vec(), recipients)).await.expect("queued")
    }
}

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

fn mail(raw: Vec<u8>, recipients: &[&str]) -> NewMail {
    NewMail {
        sender: Some(address("a@x.org")),
        account: None,
        smtputf8: false,
        return_full: true,
        require_tls: false,
        envid: Some("mine".into()),
        head: b"Received: y\r\n".to_vec(),
        message: raw.into(),
        recipients: recipients.iter().map(|text| NewRecipient::to(address(text))).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_in_comes_out() {
    on_each_engine(async |place| {
        let wish = Notify { success: true, failure: false, delay: true };
        let orcpt = OriginalRecipient { kind: "rfc822".into(), address: "first@y.org".into() };
        let mut new = mail(b"Subject: x\r\n\r\nhi\r\n".to_vec(), &["b@y.org"]);
        new.recipients[0].notify = Some(wish);
        new.recipients[0].orcpt = Some(orcpt.clone());
        let id = place.queue.enqueue(new).await.expect("queued");
        let claimed = place.queue.claim().await.expect("claimed");
        let [got] = claimed.as_slice() else { panic!("{claimed:?}") };
        assert_eq!((got.id, got.sender.as_ref(), got.envid.as_deref()), (id, Some(&address("a@x.org")), Some("mine")));
        assert_eq!((got.recipients[0].notify, got.recipients[0].orcpt.as_ref()), (Some(wish), Some(&orcpt)));
        let body = place.queue.body(id).await.expect("a body").expect("there");
        assert_eq!(body.start(), b"Received: y\r\nSubject: x\r\n\r\nhi\r\n");
        assert_eq!(place.queue.body(Id::from_i64(7)).await.expect("an answer"), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_on_both_sides_of_the_bound() {
    on_each_engine(async |place| {
        let head = b"Received: y\r\n".len();
        for (size, files) in [(QUEUED_BODY_IN_DB_BYTES_MAX - head, 0), (QUEUED_BODY_IN_DB_BYTES_MAX - head + 1, 1)] {
            let raw: Vec<u8> = (0..size as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let id = place.queue.enqueue(mail(raw.clone(), &["b@y.org"])).await.expect("queued");
            let count = || {
                std::fs::read_dir(place.folder.path())
                    .expect("a folder")
                    .filter(|entry| {
                        entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|extension| extension == "zst"))
                    })
                    .count()
            };
            assert_eq!(count(), files);
            let body = place.queue.body(id).await.expect("a body").expect("there");
            let body = body.whole().expect("it is small").to_vec();
            assert!(body.ends_with(&raw) && body.len() == raw.len() + head);
            assert!(place.queue.drop_mail(id).await.expect("dropped"));
            assert_eq!(count(), 0);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_never_have_the_same_recipient() {
    on_each_engine(async |place| {
        for n in 0..20 {
            place.add(&[&format!("b{n}@y.org"), &format!("c{n}@y.org")]).await;
        }
        let other = place.other().await;
        let (mine, theirs) = tokio::join!(place.queue.claim(), other.claim());
        let mut all: Vec<String> = mine
            .expect("claimed")
            .into_iter()
            .chain(theirs.expect("claimed"))
            .flat_map(|mail| mail.recipients)
            .map(|due| due.address.to_string())
            .collect();
        all.sort();
        let count = all.len();
        all.dedup();
        assert_eq!((count, all.len()), (40, 40));
        assert!(place.queue.claim().await.expect("claimed").is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_died_loses_its_lease() {
    on_each_engine(async |place| {
        place.add(&["b@y.org"]).await;
        assert_eq!(place.queue.claim().await.expect("claimed").len(), 1);
        place.clock.advance(LEASE - Duration::from_millis(1));
        assert!(place.queue.claim().await.expect("claimed").is_empty());
        place.clock.advance(Duration::from_millis(1));
        assert_eq!(place.queue.claim().await.expect("claimed").len(), 1);
        // A restart ends leases at once.
        let restarted = place.other().await;
        restarted.recover().await.expect("recovered");
        assert_eq!(restarted.claim().await.expect("claimed").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settling_keeps_what_must_be_tried_again() {
    on_each_engine(async |place| {
        let id = place.add(&["b@y.org", "c@y.org"]).await;
        let claimed = place.queue.claim().await.expect("claimed");
        let due = &claimed[0].recipients;
        let later = place.clock.now().after(Duration::from_secs(60));
        let settled = vec![
            Settled::Done(due[0].position),
            Settled::Later { position: due[1].position, at: later, reply: "451 4.0.0 later".into(), delay_told: true },
        ];
        let report = mail(b"report\r\n".to_vec(), &["a@x.org"]);
        place.queue.settle(id, settled, vec![report]).await.expect("settled");
        let list = place.queue.list().await.expect("a list");
        assert_eq!(list.len(), 2, "the mail and the report");
        let waiting = &list.iter().find(|mail| mail.id == id).expect("the mail").recipients;
        assert_eq!((waiting.len(), waiting[0].address.as_str(), waiting[0].attempts), (1, "c@y.org", 1));
        assert_eq!((waiting[0].last_reply.as_deref(), waiting[0].waits), (Some("451 4.0.0 later"), Waits::Time));
        assert_eq!(place.queue.claim().await.expect("claimed").len(), 1, "the report alone");
        assert!(place.queue.due_in().await.expect("known").is_some_and(|due| due == Duration::from_secs(60)));
        place.clock.advance(Duration::from_secs(60));
        let claimed = place.queue.claim().await.expect("claimed");
        assert_eq!((claimed[0].recipients[0].attempts, claimed[0].recipients[0].delay_told), (1, true));
        place.queue.settle(id, vec![Settled::Done(claimed[0].recipients[0].position)], Vec::new()).await.expect("settled");
        assert_eq!(place.queue.body(id).await.expect("an answer"), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_hold_release_retry_and_drop() {
    on_each_engine(async |place| {
        let id = place.add(&["b@y.org"]).await;
        let command = place.other().await;
        assert_eq!(command.hold(id).await.expect("held"), 1);
        assert!(place.queue.claim().await.expect("claimed").is_empty());
        assert_eq!(command.list().await.expect("a list")[0].recipients[0].waits, Waits::Release);
        assert_eq!(command.retry(None).await.expect("changed"), 0, "what is held stays held");
        assert_eq!(command.release(id).await.expect("released"), 1);
        let claimed = place.queue.claim().await.expect("claimed");
        assert_eq!(command.list().await.expect("a list")[0].recipients[0].waits, Waits::Worker);
        let at = place.clock.now().after(Duration::from_secs(3600));
        let later = Settled::Later { position: claimed[0].recipients[0].position, at, reply: "4".into(), delay_told: false };
        place.queue.settle(id, vec![later], Vec::new()).await.expect("settled");
        assert!(place.queue.claim().await.expect("claimed").is_empty());
        assert_eq!(command.retry(Some(id)).await.expect("changed"), 1);
        assert_eq!(place.queue.claim().await.expect("claimed").len(), 1);
        let (shown, header) = command.show(id).await.expect("shown").expect("there");
        assert_eq!((shown.sender.as_str(), header.as_str()), ("a@x.org", "Received: y\r\nSubject: x\r\n\r\n"));
        assert!(command.drop_mail(id).await.expect("dropped"));
        assert!(!command.drop_mail(id).await.expect("dropped"));
        assert!(command.show(id).await.expect("shown").is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_bounded() {
    on_each_engine(async |place| {
        let many: Vec<String> = (0..=CLAIM_MAX).map(|n| format!("b{n}@y.org")).collect();
        place.add(&many.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let count = |claimed: Vec<super::claim::Claimed>| claimed.iter().map(|mail| mail.recipients.len()).sum::<usize>();
        assert_eq!(count(place.queue.claim().await.expect("claimed")), CLAIM_MAX as usize);
        assert_eq!(count(place.queue.claim().await.expect("claimed")), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_kept_once_for_their_time() {
    use crate::limits::REPORTS_KEPT;
    use crate::reports::{Kind, Line, Report};
    on_each_engine(async |place| {
        let domain = hearth_types::Domain::parse("x.org").expect("a domain");
        let line = |source: &str, good| Line { source: source.into(), count: 3, good, says: "DKIM fails".into() };
        let report = |name: &str| Report {
            kind: Kind::Dmarc,
            domain: Some(domain.clone()),
            reporter: "Big Mail".into(),
            name: name.into(),
            begins_at: Timestamp::from_secs(1),
            ends_at: Timestamp::from_secs(2),
            lines: vec![line("192.0.2.1", false), line("192.0.2.2", true)],
            good: u64::MAX,
            bad: 3,
        };
        assert!(place.queue.add_report(&domain, report("1")).await.expect("added"));
        assert!(!place.queue.add_report(&domain, report("1")).await.expect("known"));
        place.clock.advance(Duration::from_millis(1));
        assert!(place.queue.add_report(&domain, report("2")).await.expect("added"));
        let kept = place.queue.list_reports(&domain).await.expect("reports");
        assert_eq!(kept.len(), 2);
        assert_eq!((kept[1].good, kept[1].bad, kept[1].lines.clone()), (i64::MAX as u64, 3, report("1").lines));
        assert!(kept[0].received_at > kept[1].received_at);
        let other = hearth_types::Domain::parse("y.org").expect("a domain");
        assert!(place.queue.list_reports(&other).await.expect("reports").is_empty());
        // The first is over now, the second a moment later; the next one takes both away.
        place.clock.advance(REPORTS_KEPT - Duration::from_millis(1));
        assert_eq!(place.queue.list_reports(&domain).await.expect("reports").len(), 1);
        place.clock.advance(Duration::from_millis(1));
        assert!(place.queue.list_reports(&domain).await.expect("reports").is_empty());
        assert!(place.queue.add_report(&domain, report("1")).await.expect("added"), "forgotten");
        assert_eq!(place.queue.list_reports(&domain).await.expect("reports").len(), 1);
    })
    .await;
}
