// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key export`

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use hearth_keyserver::cert::{armor, secret};
use hearth_types::Secret;
use sequoia_openpgp::armor::Kind;
use serde_json::json;

use super::{find, keepsake, note};
use crate::gate::OpenGate;
use crate::out::Out;
use crate::place::Place;

/// What to write, and how.
pub(super) struct What {
    pub(super) secret: bool,
    pub(super) armor: bool,
    pub(super) passphrase: Option<Secret<String>>,
}

pub(super) async fn run(place: &Place, key: &str, what: What, output: Option<&Path>, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let held = find(&directory, key).await?;
    // In JSON there is no binary.
    let armored = what.armor || (out.is_json() && output.is_none());
    let bytes = if what.secret {
        let gate = OpenGate::open(&place.config).await?;
        let kept = keepsake(gate.gate(), &held.fingerprint).await;
        gate.close().await;
        let Some(secret) = kept?.secret else { bail!("the secret key of {} is not here", held.fingerprint) };
        note(&directory, "key.exported", held.account, &held.fingerprint).await?;
        secret::export(&secret, what.passphrase.as_ref(), armored)?
    } else if armored {
        Secret::new(armor(&held.whole, Kind::PublicKey)?)
    } else {
        Secret::new(held.whole)
    };
    match output {
        Some(path) => {
            write(path, bytes.expose())?;
            let path = path.display().to_string();
            out.result(&json!({ "fingerprint": held.fingerprint, "file": path }), format!("{} is in {path}", held.fingerprint));
        }
        None if out.is_json() => {
            let text = String::from_utf8_lossy(bytes.expose()).into_owned();
            out.result(&json!({ "fingerprint": held.fingerprint, "key": text }), "");
        }
        None => {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(bytes.expose()).and_then(|()| stdout.flush()).context("cannot write to standard output")?;
        }
    }
    Ok(())
}

/// A new file; one that is there is not overwritten, as it may be the only copy of another key.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(|| format!("cannot write {}", path.display()))
}
