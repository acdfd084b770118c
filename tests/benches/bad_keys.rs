// SPDX-License-Identifier: AGPL-3.0-or-later
//! `bad-keys [ROUNDS]`: what certificates that break servers cost this one: for each the processor time of an answer, the most
//! of all rounds, how long it took, and the status. It fails when one is over the bound. The server runs in memory, over a
//! directory in a temporary folder, as in `keyserver/src/tests/hostile.rs`, which looks at what is stored and served.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use hearth_identity::Directory;
use hearth_identity::certs::Source;
use hearth_identity::directory::{Kind, NewAccount};
use hearth_keyserver::app;
use hearth_keyserver::cert::flood::{POISONS, armor_with_headers, mangled, monstrous_key, now, unknown_versions};
use hearth_keyserver::cert::{Generated, Profile, generate};
use hearth_keyserver::ctx::{Ctx, Site};
use hearth_keyserver::limits::{UPLOAD_BYTES_MAX, UPLOAD_CERTS_MAX};
use hearth_types::{AccountId, Address, Clock, Domain, Timestamp};
use hearth_web::axum::Router;
use hearth_web::axum::body::Body;
use hearth_web::axum::http::{Request, StatusCode};
use tower::ServiceExt as _;

/// What one answer may cost, whatever was sent.
const COST_MAX: Duration = Duration::from_millis(200);
const ADDRESS: &str = "alice@home.example";

struct House {
    app: Router,
    directory: Directory,
    alice: AccountId,
    _folder: tempfile::TempDir,
}

/// The most that a case cost in any round.
#[derive(Default)]
struct Cost {
    worked: Duration,
    waited: Duration,
    status: StatusCode,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let rounds: u32 = std::env::args().nth(1).map_or(Ok(5), |text| text.parse()).context("bad-keys [ROUNDS]")?;
    let house = House::open().await?;
    let names: Vec<&str> = cases(&key()?).into_iter().map(|(name, _)| name).collect();
    let mut costs: Vec<Cost> = names.iter().map(|_| Cost::default()).collect();
    for _ in 0..rounds {
        for (case, cost) in costs.iter_mut().enumerate() {
            // A fresh one each time: what has nothing new costs less.
            let key = key()?;
            house.keep(&key).await?;
            let (_, body) = cases(&key).swap_remove(case);
            house.send(&body, cost).await?;
        }
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:32} {:>10} {:>10}  status", "", "cpu ms", "wall ms")?;
    for (name, cost) in names.iter().zip(&costs) {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        writeln!(out, "{name:32} {:10.1} {:10.1}  {}", ms(cost.worked), ms(cost.waited), cost.status.as_u16())?;
    }
    let over: Vec<&str> = names.iter().zip(&costs).filter(|(_, cost)| cost.worked > COST_MAX).map(|(name, _)| *name).collect();
    if !over.is_empty() {
        bail!("over {} ms of processor time: {}", COST_MAX.as_millis(), over.join(", "));
    }
    Ok(())
}

fn key() -> anyhow::Result<Generated> {
    Ok(generate("Alice", &[Address::parse(ADDRESS)?], Profile::Compatible, now())?)
}

/// Each with the revocation behind it where one can stand there.
fn cases(key: &Generated) -> Vec<(&'static str, Vec<u8>)> {
    let (whole, revocation) = (key.clean.whole(), key.revocation.expose());
    let both = [whole.as_slice(), revocation].concat();
    let mut all: Vec<(&'static str, Vec<u8>)> = vec![("nothing is wrong with it", both.clone())];
    all.extend(POISONS.iter().map(|(name, _, poison)| (*name, [whole.clone(), poison(key), revocation.clone()].concat())));
    all.extend([
        ("mangled", [mangled(&whole, 3), revocation.clone()].concat()),
        ("armour with 1 MB of headers", armor_with_headers(&both, 1 << 20)),
        ("20,000 packets", unknown_versions(20_000)),
        ("one certificate too many", whole.repeat(UPLOAD_CERTS_MAX + 1)),
        ("one octet too many", vec![b'a'; UPLOAD_BYTES_MAX + 1]),
        ("a monstrous RSA key", monstrous_key(6, 1, &[1_024; 2])),
        ("a monstrous DSA key", monstrous_key(6, 17, &[8_000; 4])),
        ("a secret key", key.secret.expose().clone()),
    ]);
    all
}

impl House {
    async fn open() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = i64::try_from(now().duration_since(std::time::UNIX_EPOCH)?.as_secs())?;
        let clock = Clock::fixed(Timestamp::from_secs(at));
        let directory = Directory::open(&hearth_db::Source::Sqlite(folder.path().join("identity.db")), clock.clone()).await?;
        let domain = Domain::parse("home.example")?;
        directory.add_domain(&domain).await?;
        let new = NewAccount { address: Address::parse(ADDRESS)?, kind: Kind::Person, name: String::new(), admin: false };
        let alice = directory.add_account(new).await?.id;
        let site = Site { domain, url: "https://keys.home.example".into() };
        Ok(Self { app: app(Ctx::new(directory.clone(), clock, site)), directory, alice, _folder: folder })
    }

    async fn keep(&self, key: &Generated) -> anyhow::Result<()> {
        self.directory.store_cert(key.clean.to_certificate(self.alice, Source::Generated, true, |_| true)).await?;
        self.directory.publish_cert(key.clean.fingerprint(), vec![Address::parse(ADDRESS)?]).await?;
        Ok(())
    }

    async fn send(&self, keys: &[u8], cost: &mut Cost) -> anyhow::Result<()> {
        // Each from another network: rates are not what is measured.
        let peer = format!("2001:db8:{:x}::1", number_of(keys));
        let head = b"--edge\r\nContent-Disposition: form-data; name=\"keytext\"\r\n\r\n";
        let request = Request::post("/pks/add")
            .header("x-forwarded-host", "keys.home.example")
            .header("x-forwarded-for", peer)
            .header("x-forwarded-proto", "https")
            .header("content-type", "multipart/form-data; boundary=edge")
            .body(Body::from([head, keys, b"\r\n--edge--\r\n"].concat()))?;
        let (begun, worked) = (Instant::now(), worked()?);
        let answer = self.app.clone().oneshot(request).await?;
        cost.status = answer.status();
        hearth_web::axum::body::to_bytes(answer.into_body(), usize::MAX).await?;
        cost.waited = cost.waited.max(begun.elapsed());
        cost.worked = cost.worked.max(self::worked()?.saturating_sub(worked));
        Ok(())
    }
}

/// A number that differs from body to body.
fn number_of(keys: &[u8]) -> u16 {
    keys.iter().fold(0, |number: u16, octet| number.wrapping_mul(31).wrapping_add(u16::from(*octet)))
}

/// Processor time of all threads so far (proc_pid_schedstat: nanoseconds).
fn worked() -> anyhow::Result<Duration> {
    let mut sum = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += stat.split_whitespace().next().context("a number")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}
