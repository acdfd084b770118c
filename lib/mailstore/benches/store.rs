// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the store's layout rests on, measured: select, scan, single and grouped delivery, and whether
//! an interactive process is fair served beside a bulk one. PostgreSQL too when `HEARTH_TEST_POSTGRES`
//! holds a URL. `cargo bench -p hearth-mailstore`; slow disks: `LD_PRELOAD` a shim that slows each sync.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::path::Path;
use std::time::{Duration, Instant};

use hearth_mailstore::message::{self, FlagChange};
use hearth_mailstore::sweep::{self, Depth};
use hearth_mailstore::{
    Backend, Content, Delivery, Durability, Error, Flag, FlagSet, Recipient, Role, Store, StoreConfig, mailbox,
};
use hearth_types::{AccountId, Clock, MailboxId, Secret};

const MAILS: u32 = 1_000;
const FAIRNESS: Duration = Duration::from_secs(5);
const ALICE: AccountId = AccountId::from_i64(0x0a11_ce00);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().collect();
    if let [_, mode, dir] = args.as_slice()
        && mode == "bulk"
    {
        return bulk(Path::new(dir)).await;
    }
    let mut backends = vec![("SQLite", Backend::Sqlite)];
    if let Ok(url) = std::env::var("HEARTH_TEST_POSTGRES") {
        let schema = format!("bench_{}", std::process::id());
        backends.push(("PostgreSQL", Backend::Postgres { url: Secret::new(url), schema }));
    }
    for (name, backend) in backends {
        println!("{name}");
        let dir = tempfile::tempdir()?;
        let store = open(dir.path(), backend.clone(), "smtp", true).await?;
        deliveries(&store).await?;
        reads(&store).await?;
        flags(&store).await?;
        store.close().await?;
        if matches!(backend, Backend::Sqlite) {
            fairness(dir.path()).await?;
        }
    }
    Ok(())
}

async fn open(dir: &Path, backend: Backend, process: &str, delivers: bool) -> Result<Store, Error> {
    Store::open(StoreConfig {
        dir: dir.into(),
        backend,
        process: process.into(),
        clock: Clock::system(),
        quota_bytes: None,
        delivers,
    })
    .await
}

fn line(what: &str, count: usize, took: Duration) {
    let each = took.as_secs_f64() * 1e6 / count as f64;
    println!("  {what:<48} {each:>10.1} µs each {:>10.0} per second", 1e6 / each);
}

fn mail(n: u32) -> Vec<u8> {
    let text: String =
        (0..1_200_u32).map(|k| format!("w{} ", (n.wrapping_mul(2_654_435_761) ^ k.wrapping_mul(40_503)) % 9_973)).collect();
    format!("From: B <b@x.org>\r\nTo: a@y.org\r\nSubject: number {n}\r\nMessage-ID: <{n}@x>\r\n\r\n{text}\r\n").into_bytes()
}

async fn deliver(store: &Store, n: u32, account: AccountId) -> Result<(), Error> {
    let recipient = Recipient { account, prefix: Vec::new(), targets: Vec::new(), flags: FlagSet::EMPTY };
    let now = Clock::system().now();
    let delivery = Delivery { id: n.to_string(), content: Content::Bytes(mail(n)), received_at: now, recipients: vec![recipient] };
    store.deliver(delivery).await.map(drop)
}

async fn deliveries(store: &Store) -> Result<(), Error> {
    println!("  (a mail of {} KiB)", mail(1).len() / 1024);
    let begun = Instant::now();
    for n in 0..MAILS {
        deliver(store, n, ALICE).await?;
    }
    line("delivery, one after the other", MAILS as usize, begun.elapsed());
    for (what, accounts) in [
        ("delivery, 10 at once, one account", 1),
        ("delivery, 10 at once, eight accounts", 8),
        ("delivery, 10 at once, 20 accounts", 20),
    ] {
        for account in 1..=accounts {
            deliver(store, 1_000_000 + u32::try_from(accounts).unwrap_or(0) * 100 + account as u32, AccountId::from_i64(account))
                .await?;
        }
        let begun = Instant::now();
        let senders: Vec<_> = (0..10_u32)
            .map(|sender| {
                let store = store.clone();
                tokio::spawn(async move {
                    for n in 0..MAILS / 10 {
                        let number = 10_000 * (accounts as u32) + sender * MAILS + n;
                        deliver(&store, number, AccountId::from_i64(1 + i64::from(sender * 7 + n) % accounts)).await?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .collect();
        for sender in senders {
            sender.await.map_err(|_| Error::Gone)??;
        }
        line(what, MAILS as usize, begun.elapsed());
    }
    Ok(())
}

async fn inbox(store: &Store) -> Result<MailboxId, Error> {
    store.read(ALICE, |tx| mailbox::find_by_role(tx, Role::Inbox)).await?.map(|inbox| inbox.id).ok_or(Error::NoSuchMailbox)
}

async fn reads(store: &Store) -> Result<(), Error> {
    let inbox = inbox(store).await?;
    let begun = Instant::now();
    let rows = store
        .read::<_, Error>(ALICE, move |tx| Ok(message::view(tx, inbox)?.into_iter().map(|e| (e.uid, e.id)).collect::<Vec<_>>()))
        .await?;
    line("scan: a mailbox view, per message", rows.len(), begun.elapsed());
    let count = rows.len();
    for (what, depth) in [("row", Depth::Row), ("envelope", Depth::Envelope), ("whole summary", Depth::All)] {
        let wanted = rows.clone();
        let begun = Instant::now();
        store.read::<_, Error>(ALICE, move |tx| sweep::summaries(tx, inbox, &wanted, depth).map(drop)).await?;
        line(&format!("sweep: {what}"), count, begun.elapsed());
    }
    let wanted = rows.clone();
    let begun = Instant::now();
    store
        .read::<_, Error>(ALICE, move |tx| {
            wanted.chunks(16).try_for_each(|few| sweep::bodies(tx, inbox, few, Depth::Row).map(drop))
        })
        .await?;
    line("sweep: a body, 16 at a time", count, begun.elapsed());
    let ids: Vec<_> = rows.iter().map(|row| row.1).collect();
    let begun = Instant::now();
    let each = ids.clone();
    store.read::<_, Error>(ALICE, move |tx| each.iter().try_for_each(|id| message::body(tx, *id).map(drop))).await?;
    line("select: a body, in one transaction", count, begun.elapsed());
    let begun = Instant::now();
    store.read::<_, Error>(ALICE, move |tx| message::summaries(tx, &ids).map(drop)).await?;
    line("select: a summary, in one transaction", count, begun.elapsed());
    let begun = Instant::now();
    for (_, id) in rows {
        store.read::<_, Error>(ALICE, move |tx| message::find(tx, id).map(drop)).await?;
    }
    line("select: a summary, a transaction each", count, begun.elapsed());
    Ok(())
}

async fn flags(store: &Store) -> Result<(), Error> {
    let inbox = inbox(store).await?;
    for (what, durability) in [("flag, committed", Durability::Committed), ("flag, synced", Durability::Synced)] {
        let begun = Instant::now();
        for uid in 1..=MAILS / 4 {
            set(store, inbox, uid, durability).await?;
        }
        line(what, MAILS as usize / 4, begun.elapsed());
    }
    Ok(())
}

/// Changes one message, back and forth.
async fn set(store: &Store, inbox: MailboxId, uid: u32, durability: Durability) -> Result<(), Error> {
    let done = store.write(ALICE, durability, move |tx| {
        let has = message::entries(tx, inbox, &[uid])?.first().is_some_and(|entry| entry.flags.contains(&Flag::Flagged));
        let flagged: FlagSet = Flag::Flagged.into();
        let change = if has { FlagChange::Remove(flagged) } else { FlagChange::Add(flagged) };
        message::store_flags(tx, inbox, &[uid], &change, None)
    });
    done.await.map(drop)
}

/// The other process: changes as many messages as it can, many at once.
async fn bulk(dir: &Path) -> Result<(), Error> {
    let store = open(dir, Backend::Sqlite, "bulk", false).await?;
    let inbox = inbox(&store).await?;
    let end = Instant::now() + FAIRNESS + Duration::from_secs(1);
    while Instant::now() < end {
        let mut running = tokio::task::JoinSet::new();
        for uid in 1..=MAILS {
            let store = store.clone();
            running.spawn(async move { set(&store, inbox, uid, Durability::Synced).await });
        }
        while let Some(done) = running.join_next().await {
            done.map_err(|_| Error::Gone)??;
        }
    }
    Ok(())
}

/// How long an interactive write waits while another process writes all it can.
async fn fairness(dir: &Path) -> Result<(), Error> {
    let store = open(dir, Backend::Sqlite, "imap", false).await?;
    let inbox = inbox(&store).await?;
    let mut other = tokio::process::Command::new(std::env::current_exe()?).arg("bulk").arg(dir).spawn()?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (begun, mut waits) = (Instant::now(), Vec::new());
    while begun.elapsed() < FAIRNESS {
        let asked = Instant::now();
        set(&store, inbox, 1, Durability::Synced).await?;
        waits.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    other.wait().await?;
    waits.sort();
    let at = |share: f64| waits.get(((waits.len() - 1) as f64 * share) as usize).copied().unwrap_or_default().as_secs_f64() * 1e3;
    println!(
        "  interactive beside bulk, two processes, {} writes: p50 {:.1} ms, p99 {:.1} ms, worst {:.1} ms",
        waits.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(())
}
