// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key extend` and `hearth key rotate`: what the secret key in the vault can do for its certificate.

use std::time::Duration;

use anyhow::bail;
use hearth_identity::certs::{Held, Source};
use hearth_identity::login::Gate;
use hearth_openpgp::care::{self, Cared, REPLACED_KEPT};
use hearth_openpgp::secret::Keepsake;
use hearth_openpgp::{Clean, read_submission};
use hearth_types::Secret;
use serde_json::json;

use super::{addresses_of, find, keepsake, note, now};
use crate::gate::{OpenGate, refused};
use crate::out::Out;
use crate::place::Place;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Care {
    /// It ends so many days from now.
    Extend(u32),
    /// It gets a new encryption key.
    Rotate,
}

pub(super) async fn run(
    place: &Place,
    key: &str,
    what: Care,
    passphrase: Option<&Secret<String>>,
    out: &Out,
) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let held = find(&directory, key).await?;
    let stored = Clean::from_stored(&held.whole, now())?;
    if stored.is_revoked() {
        bail!("{} is revoked, and that is for good; make a new one with: hearth key generate ADDRESS", held.fingerprint);
    }
    let gate = OpenGate::open(&place.config).await?;
    let cared = care_for(gate.gate(), &held, what, passphrase).await;
    gate.close().await;
    let update = read_submission(&cared?.whole(), now())?.certs.into_iter().next();
    let Some(update) = update else { bail!("nothing came of it; nothing was changed") };
    let clean = stored.merge(update, now())?;
    let owned = addresses_of(&directory, held.account).await?;
    directory.store_cert(clean.for_store(held.account, Source::Imported, true, &owned)).await?;
    let (event, says) = match what {
        Care::Extend(days) => ("key.extended", format!("{} is good for {days} days from today", held.fingerprint)),
        Care::Rotate => (
            "key.rotated",
            format!(
                "{} has a new encryption key; the old one is used for {} more days and opens old mail for as long as you keep it.\n\
                 For your mail program: hearth key export {} --secret --armor",
                held.fingerprint,
                REPLACED_KEPT.as_secs() / DAY.as_secs(),
                held.fingerprint
            ),
        ),
    };
    note(&directory, event, held.account, &held.fingerprint).await?;
    out.result(&json!({ "fingerprint": held.fingerprint, "done": event }), says);
    Ok(())
}

/// The certificate as it is afterwards; its secret key is in the vault already, as what is shown must be usable.
async fn care_for(gate: &Gate, held: &Held, what: Care, passphrase: Option<&Secret<String>>) -> anyhow::Result<Clean> {
    let kept = keepsake(gate, &held.fingerprint).await?;
    let Some(secret) = kept.secret else {
        bail!(
            "the secret key of {} is not here; do it in your OpenPGP program and bring the result with: hearth key import",
            held.fingerprint
        )
    };
    let Cared { clean, secret } = match what {
        Care::Extend(days) => care::extend(&secret, passphrase, now() + DAY * days, now())?,
        Care::Rotate => care::rotate(&secret, passphrase, now())?,
    };
    let sealed = Keepsake { revocation: kept.revocation, secret: Some(secret) }.to_bytes();
    gate.store_secret_key(held.account, &held.fingerprint, &sealed).await.map_err(refused)?;
    Ok(clean)
}
