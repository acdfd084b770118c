// SPDX-License-Identifier: AGPL-3.0-or-later
//! The face of two engines: what is written is read again, what fails fails alone, what waits is
//! committed together. PostgreSQL when `HEARTH_TEST_POSTGRES` holds a URL, SQLite always.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hearth_db::{Database, Durability, Error, Migration, Source, Tx};
use hearth_types::Secret;

const STEPS: &[Migration] = &[Migration {
    version: 1,
    name: "things",
    breaking: false,
    sql: "CREATE TABLE thing (id BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE, bytes BYTES, is_so BOOLEAN NOT NULL);",
}];

const NEWER: &[Migration] = &[
    Migration { version: 1, name: "things", breaking: false, sql: "" },
    Migration { version: 2, name: "expanded", breaking: false, sql: "ALTER TABLE thing ADD COLUMN extra TEXT;" },
];

const BREAKING: &[Migration] = &[
    Migration { version: 1, name: "things", breaking: false, sql: "" },
    Migration { version: 2, name: "expanded", breaking: false, sql: "ALTER TABLE thing ADD COLUMN extra TEXT;" },
    Migration { version: 3, name: "contracted", breaking: true, sql: "ALTER TABLE thing DROP COLUMN bytes;" },
];

/// Runs a test on each engine that is there; a source that nobody has used, and a folder that outlives it.
fn on_each_engine<F: Future<Output = ()>>(test: impl Fn(Source) -> F) {
    static SCHEMAS: AtomicU32 = AtomicU32::new(0);
    let dir = tempfile::tempdir().expect("a folder");
    let mut sources = vec![Source::Sqlite(dir.path().join("t.db"))];
    if let Ok(url) = std::env::var("HEARTH_TEST_POSTGRES") {
        let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
        let schema = format!("db_{}_{now}_{}", std::process::id(), SCHEMAS.fetch_add(1, Ordering::Relaxed));
        sources.push(Source::Postgres { url: Secret::new(url), schema });
    }
    for source in sources {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(test(source));
    }
}

async fn open(source: &Source, steps: &'static [Migration]) -> Result<Database, Error> {
    let source = source.clone();
    tokio::task::spawn_blocking(move || Database::open(&source, steps)).await.expect("no panic")
}

fn insert(tx: &mut Tx<'_>, id: i64, name: &str) -> Result<u64, Error> {
    tx.execute("INSERT INTO thing (id, name, bytes, is_so) VALUES ($1, $2, NULL, TRUE)", &[&id, &name])
}

async fn names(db: &Database) -> Vec<String> {
    db.read(|tx| tx.query("SELECT name FROM thing ORDER BY id", &[], |row| row.get(0))).await.expect("reads")
}

#[test]
fn processes_that_start_together_migrate_once() {
    on_each_engine(async |source| {
        let opening: Vec<_> = (0..6).map(|_| tokio::spawn(async_open(source.clone()))).collect();
        for opened in opening {
            opened.await.expect("no panic").expect("each finds the tables");
        }
    });
}

async fn async_open(source: Source) -> Result<(), Error> {
    open(&source, STEPS).await.map(drop)
}

#[test]
fn parameters_bind_by_number() {
    on_each_engine(async |source| {
        let db = open(&source, STEPS).await.expect("opens");
        let written = db.write(Durability::Synced, |tx| {
            // $2 stands before $1, and $1 twice.
            tx.execute(
                "INSERT INTO thing (name, id, bytes, is_so) VALUES ($2, $1, $3, $1 > 5)",
                &[&7_i64, &"seven", &Some(b"\x00\xff".as_slice())],
            )
        });
        assert_eq!(written.await.expect("writes"), 1);
        let row = db.read(|tx| {
            tx.find("SELECT id, bytes, is_so FROM thing WHERE name = $2 AND id = $1", &[&7_i64, &"seven"], |row| {
                Ok((row.get::<i64>(0)?, row.get::<Option<Vec<u8>>>(1)?, row.get::<bool>(2)?))
            })
        });
        assert_eq!(row.await.expect("reads"), Some((7, Some(vec![0, 255]), true)));
        let missing = db.read(|tx| tx.query("SELECT id FROM thing WHERE id = $2", &[&7_i64], |row| row.get::<i64>(0))).await;
        assert!(missing.is_err(), "a number without its value is refused");
    });
}

#[test]
fn a_bad_job_fails_alone() {
    on_each_engine(async |source| {
        let db = open(&source, STEPS).await.expect("opens");
        let jobs: Vec<_> = (0..20_i64)
            .map(|n| {
                db.write(Durability::Synced, move |tx| {
                    insert(tx, n, &format!("n{n}"))?;
                    if n % 5 == 4 {
                        // Its first row must not stay.
                        insert(tx, n + 100, &format!("n{n}"))?;
                    }
                    Ok::<_, Error>(n)
                })
            })
            .collect();
        for (n, job) in (0_i64..).zip(jobs) {
            match job.await {
                Ok(done) => assert_eq!(done, n),
                Err(error) => assert!(n % 5 == 4 && matches!(error, Error::Constraint(_)), "{n}: {error}"),
            }
        }
        assert_eq!(names(&db).await.len(), 16);
    });
}

#[test]
fn jobs_run_in_the_order_of_the_calls() {
    on_each_engine(async |source| {
        let db = open(&source, STEPS).await.expect("opens");
        let next = Arc::new(AtomicU32::new(0));
        let jobs: Vec<_> = (0..50)
            .map(|n| {
                let next = next.clone();
                db.write(Durability::Committed, move |_| Ok::<_, Error>((n, next.fetch_add(1, Ordering::SeqCst))))
            })
            .collect();
        // Awaited backwards: it is the call that takes the place.
        for job in jobs.into_iter().rev() {
            let (called, ran) = job.await.expect("writes");
            assert_eq!(called, ran);
        }
    });
}

#[test]
fn a_panic_ends_its_round_and_no_more() {
    on_each_engine(async |source| {
        let db = open(&source, STEPS).await.expect("opens");
        let panicked = db.write(Durability::Synced, |tx| {
            insert(tx, 1, "one")?;
            panic!("a job that panics");
            #[expect(unreachable_code, reason = "it gives the job its type")]
            Ok::<(), Error>(())
        });
        assert!(matches!(panicked.await, Err(Error::Gone)));
        db.write(Durability::Synced, |tx| insert(tx, 2, "two")).await.expect("the next write works");
        assert_eq!(names(&db).await, ["two"]);
    });
}

#[test]
fn an_older_release_reads_what_only_expanded_and_refuses_what_broke() {
    on_each_engine(async |source| {
        drop(open(&source, STEPS).await.expect("opens"));
        drop(open(&source, NEWER).await.expect("expands"));
        drop(open(&source, STEPS).await.expect("the release before still opens it"));
        drop(open(&source, BREAKING).await.expect("contracts"));
        match open(&source, NEWER).await {
            Err(Error::Newer { found: 3, known: 2, .. }) => {}
            other => panic!("want a refusal, got {:?}", other.err()),
        }
        assert!(open(&source, BREAKING).await.is_ok(), "nothing was changed by the refusal");
    });
}

#[test]
fn a_full_database_says_so_and_recovers() {
    // PostgreSQL's 53100 cannot be provoked without filling its disk.
    let dir = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let db = open(&Source::Sqlite(dir.path().join("t.db")), STEPS).await.expect("opens");
        let bound = db.write(Durability::Synced, |tx| tx.execute("PRAGMA max_page_count = 20", &[])).await;
        bound.expect("bounds the database");
        let full = db.write(Durability::Synced, |tx| {
            tx.execute("INSERT INTO thing (id, name, bytes, is_so) VALUES (1, 'large', $1, TRUE)", &[&vec![7_u8; 1 << 20]])
        });
        let full = full.await.expect_err("it does not fit");
        assert!(full.is_full(), "{full}");
        assert!(names(&db).await.is_empty(), "nothing half-written");
        db.write(Durability::Synced, |tx| tx.execute("PRAGMA max_page_count = 10000", &[])).await.expect("lifts the bound");
        db.write(Durability::Synced, |tx| insert(tx, 2, "fits")).await.expect("it recovers by itself");
        assert_eq!(names(&db).await, ["fits"]);
    });
}

#[test]
fn a_read_is_one_snapshot() {
    on_each_engine(async |source| {
        let db = open(&source, STEPS).await.expect("opens");
        db.write(Durability::Synced, |tx| insert(tx, 1, "one")).await.expect("writes");
        let (reader, writer) = (db.clone(), db.clone());
        let counts = tokio::task::spawn_blocking(move || {
            reader.read_now(|tx| {
                let before: i64 = tx.one("SELECT COUNT(*) FROM thing", &[], |row| row.get(0))?;
                let other = std::thread::spawn({
                    let runtime = tokio::runtime::Handle::current();
                    move || runtime.block_on(async move { writer.write(Durability::Synced, |tx| insert(tx, 2, "two")).await })
                });
                other.join().expect("no panic")?;
                let after: i64 = tx.one("SELECT COUNT(*) FROM thing", &[], |row| row.get(0))?;
                Ok::<_, Error>((before, after))
            })
        });
        assert_eq!(counts.await.expect("no panic").expect("reads"), (1, 1));
        assert_eq!(names(&db).await.len(), 2);
    });
}
