// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key revoke`

use anyhow::bail;
use hearth_identity::certs::Source;
use hearth_identity::login::Gate;
use hearth_openpgp::Clean;
use hearth_openpgp::secret::{self, Reason};
use hearth_types::Secret;
use sequoia_openpgp::packet::Signature;
use serde_json::json;

use super::{ReasonChoice, addresses_of, find, keepsake, note, now};
use crate::gate::OpenGate;
use crate::out::Out;
use crate::place::Place;

pub(super) async fn run(
    place: &Place,
    key: &str,
    reason: ReasonChoice,
    message: &str,
    passphrase: Option<&Secret<String>>,
    out: &Out,
) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let held = find(&directory, key).await?;
    let gate = OpenGate::open(&place.config).await?;
    let signed = sign(gate.gate(), &held.fingerprint, reason, message, passphrase).await;
    gate.close().await;
    let clean = Clean::from_stored(&held.whole, now())?.revoke(signed?, now())?;
    if !clean.is_revoked() {
        bail!("the revocation does not fit {}; nothing was changed", held.fingerprint);
    }
    let owned = addresses_of(&directory, held.account).await?;
    directory.store_cert(clean.for_store(held.account, Source::Imported, false, &owned)).await?;
    note(&directory, "key.revoked", held.account, &held.fingerprint).await?;
    let lines = format!(
        "{} is revoked. Whoever looks for it learns so; it stays listed for that reason.\n\
         Its secret key is kept to read old mail. For a new one: hearth key generate ADDRESS",
        held.fingerprint
    );
    out.result(&json!({ "fingerprint": held.fingerprint, "revoked": true }), lines);
    Ok(())
}

/// By the secret key with the reason, or the one from the certificate's birth, which says none.
pub(super) async fn sign(
    gate: &Gate,
    fingerprint: &str,
    reason: ReasonChoice,
    message: &str,
    passphrase: Option<&Secret<String>>,
) -> anyhow::Result<Signature> {
    let kept = keepsake(gate, fingerprint).await?;
    let reason = match reason {
        ReasonChoice::Compromised => Reason::Compromised,
        ReasonChoice::Superseded => Reason::Superseded,
        ReasonChoice::Retired => Reason::Retired,
        ReasonChoice::Unspecified => Reason::Unspecified,
    };
    match (&kept.secret, &kept.revocation) {
        (Some(secret), _) => Ok(secret::revoke(secret, passphrase, reason, message)?),
        (None, Some(birth)) if reason == Reason::Unspecified => Ok(secret::read_revocation(birth)?),
        (None, Some(_)) => bail!("its secret key is not here, only a revocation that says no reason: use --reason unspecified"),
        (None, None) => bail!("its secret key is not here; bring your own revocation with: hearth key import ACCOUNT FILE"),
    }
}
