// SPDX-License-Identifier: AGPL-3.0-or-later
//! `fill-keys DIR KEYS`: gives the home in DIR a person, with an address and a published certificate, for every key that
//! `load genkeys` made in KEYS. For measuring what look-ups cost when there are many; each certificate comes in by the same
//! doors as any other. The home must not run.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use hearth_boot::Engine;
use hearth_identity::Directory;
use hearth_identity::certs::Source;
use hearth_identity::directory::{Kind, NewAccount};
use hearth_keyserver::cert::{Clean, read_submission};
use hearth_types::{Address, Clock};
use tokio::sync::mpsc;

/// Certificates that are looked at before their turn.
const AHEAD: usize = 64;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(keys)) = (args.next(), args.next()) else { bail!("fill-keys DIR KEYS") };
    let config = hearth_boot::Config::load(Path::new(&dir))?;
    if config.store.engine != Engine::Sqlite {
        bail!("this loader knows the embedded engine alone");
    }
    let clock = Clock::system();
    let directory = Directory::open(&hearth_db::Source::Sqlite(config.path("identity.db")), clock.clone()).await?;
    let index = std::fs::read_to_string(Path::new(&keys).join("index.tsv"))?;
    let begun = Instant::now();
    let (to, mut cleaned) = mpsc::channel(AHEAD);
    let now = clock.now().into();
    let reader = std::thread::spawn(move || -> anyhow::Result<()> {
        for line in index.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [address, _, name, _] = fields.as_slice() else { bail!("{line:?} is no line of index.tsv") };
            let bytes = std::fs::read(Path::new(&keys).join("hu").join(name))?;
            let raw = read_submission(&bytes, now)?.certs.into_iter().next().context("no certificate")?;
            if to.blocking_send((Address::parse(address)?, Clean::from_raw(raw, now)?)).is_err() {
                break;
            }
        }
        Ok(())
    });
    let mut count = 0_u32;
    while let Some((address, clean)) = cleaned.recv().await {
        let new = NewAccount { address: address.clone(), kind: Kind::Person, name: String::new(), admin: false };
        let account = directory.add_account(new).await?.id;
        directory.store_cert(clean.to_certificate(account, Source::Imported, false, |named| *named == address)).await?;
        let unnamed = directory.publish_cert(clean.fingerprint(), vec![address]).await?;
        if !unnamed.is_empty() {
            bail!("{unnamed:?} could not be published");
        }
        count += 1;
    }
    reader.join().map_err(|_| anyhow::anyhow!("the reader broke"))??;
    writeln!(std::io::stdout(), "{count} certificates in {:.1} s", begun.elapsed().as_secs_f64())?;
    Ok(())
}
