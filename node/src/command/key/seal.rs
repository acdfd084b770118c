// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key seal`

use anyhow::{Context as _, bail};
use hearth_filter::at_rest;
use serde_json::json;

use super::{find, note, now};
use crate::out::Out;
use crate::place::{Place, account};

/// Sealing is tried before it is promised.
const SAMPLE: &[u8] = b"From: nobody@example.org\r\n\r\nA mail.\r\n";

pub(super) async fn run(place: &Place, key: &str, off: bool, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    if off {
        // The key may be gone by now; the account is not.
        let id = if key.contains('@') { account(&directory, key).await?.id } else { find(&directory, key).await?.account };
        directory.change_sealing(id, None).await?;
        note(&directory, "mail.unsealed", id, "").await?;
        out.result(&json!({ "sealed": false }), "new mail is stored as it comes; what is sealed stays sealed");
        return Ok(());
    }
    let held = find(&directory, key).await?;
    if let Err(error) = at_rest::seal(SAMPLE, &held.whole, now(), "=_sample") {
        bail!("mail cannot be sealed to {}: {error}", held.fingerprint);
    }
    directory.change_sealing(held.account, Some(&held.fingerprint)).await.context("it could not be written down")?;
    note(&directory, "mail.sealed", held.account, &held.fingerprint).await?;
    let says = format!(
        "new mail of this account is sealed to {}\nkeep its secret key where you read mail: hearth key export {} --secret --armor",
        held.fingerprint, held.fingerprint
    );
    out.result(&json!({ "sealed": true, "fingerprint": held.fingerprint }), says);
    Ok(())
}
