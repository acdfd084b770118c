// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key remove`: nobody finds it here any more, and nobody but its owner can bring it back.

use anyhow::bail;
use hearth_identity::certs::Removed;
use serde_json::json;

use super::{find, note};
use crate::gate::{OpenGate, refused};
use crate::out::Out;
use crate::place::Place;

pub(super) async fn run(place: &Place, key: &str, secret: bool, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let held = find(&directory, key).await?;
    if held.secret_stored && !secret {
        bail!(
            "the secret key of {0} is here, and old mail is read with it; keep a copy with: hearth key export {0} --secret -o FILE, \
             then say: hearth key remove {0} --secret",
            held.fingerprint
        );
    }
    // What is shown goes first: a certificate without its secret must not be found.
    let removed = directory.bury_cert(&held.fingerprint).await?;
    if held.secret_stored {
        let gate = OpenGate::open(&place.config).await?;
        let wiped = gate.gate().remove_secret_key(&held.fingerprint).await.map_err(refused);
        gate.close().await;
        wiped?;
    }
    note(&directory, "key.removed", held.account, &held.fingerprint).await?;
    let says = match removed {
        Removed::Whole => "is gone from here",
        Removed::Names => "is revoked, so that it stays, without any address, for those who have it and must learn so",
    };
    let lines = format!(
        "{} {says}.\nCopies that others made stay with them; at keys.openpgp.org you remove it at https://keys.openpgp.org/manage",
        held.fingerprint
    );
    out.result(&json!({ "fingerprint": held.fingerprint, "removed": removed == Removed::Whole }), lines);
    Ok(())
}
