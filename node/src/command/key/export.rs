// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key export`

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use hearth_identity::Directory;
use hearth_identity::certs::Held;
use hearth_openpgp::{armor, secret, setup};
use hearth_types::{Clock, Secret};
use sequoia_openpgp::armor::Kind;
use serde_json::json;

use super::{find, keepsake, note};
use crate::gate::OpenGate;
use crate::out::Out;
use crate::place::Place;

/// What to write.
pub(super) enum What {
    /// The certificate, as everybody may have it.
    Certificate,
    /// The secret key, under a passphrase when one is given.
    Secret { passphrase: Option<Secret<String>> },
    /// The revocation of its birth.
    Revocation,
    /// The secret key in an Autocrypt Setup Message.
    Setup,
}

pub(super) async fn run(
    place: &Place,
    key: &str,
    what: What,
    armored: bool,
    output: Option<&Path>,
    out: &Out,
) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let held = find(&directory, key).await?;
    // In JSON there is no binary.
    let armored = armored || (out.is_json() && output.is_none());
    let (bytes, code) = match what {
        What::Certificate if armored => (Secret::new(armor(&held.whole, Kind::PublicKey)?), None),
        What::Certificate => (Secret::new(held.whole.clone()), None),
        sealed => from_vault(place, &directory, &held, sealed, armored).await?,
    };
    if let Some(code) = &code {
        // On standard error, so that the mail alone is in the file or the pipe.
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "The code, to be typed where the mail is opened: {}", code.expose()).context("cannot show the code")?;
    }
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

/// What is in the vault in the form that was asked for, and the code of a Setup Message.
async fn from_vault(
    place: &Place,
    directory: &Directory,
    held: &Held,
    what: What,
    armored: bool,
) -> anyhow::Result<(Secret<Vec<u8>>, Option<Secret<String>>)> {
    let gate = OpenGate::open(&place.config).await?;
    let kept = keepsake(gate.gate(), &held.fingerprint).await;
    gate.close().await;
    let kept = kept?;
    note(directory, "key.exported", held.account, &held.fingerprint).await?;
    if matches!(what, What::Revocation) {
        let Some(birth) = kept.revocation else { bail!("no revocation of {} is here", held.fingerprint) };
        return Ok((if armored { Secret::new(armor(birth.expose(), Kind::PublicKey)?) } else { birth }, None));
    }
    let Some(secret) = kept.secret else { bail!("the secret key of {} is not here", held.fingerprint) };
    if let What::Secret { passphrase } = what {
        return Ok((secret::export(&secret, passphrase.as_ref(), armored)?, None));
    }
    let account = directory.find_account(held.account).await?.context("the account is gone")?;
    let code = setup::code(chance)?;
    Ok((setup::message(&secret, &code, &account.primary, Clock::system().now())?, Some(code)))
}

fn chance() -> anyhow::Result<[u8; 2]> {
    let mut octets = [0_u8; 2];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| anyhow!("the system gives no random numbers"))?;
    Ok(octets)
}

/// A new file; one that is there is not overwritten, as it may be the only copy of another key.
pub(super) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(|| format!("cannot write {}", path.display()))
}
