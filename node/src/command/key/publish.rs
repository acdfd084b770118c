// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key publish`

use anyhow::bail;
use hearth_identity::certs::Source;
use hearth_openpgp::Clean;
use hearth_types::Address;
use serde_json::json;

use super::{addresses_of, find, house, note, now, parse_addresses};
use crate::gate::OpenGate;
use crate::out::Out;
use crate::place::Place;

pub(super) async fn run(place: &Place, key: &str, only: &[String], withdraw: bool, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let held = find(&directory, key).await?;
    let owned = addresses_of(&directory, held.account).await?;
    let clean = Clean::from_stored(&held.whole, now())?;
    let named = clean.named_and_owned(&owned);
    let chosen: Vec<Address> = if only.is_empty() { named.clone() } else { parse_addresses(only)? };
    for address in &chosen {
        if !named.iter().any(|name| name.key() == address.key()) {
            bail!("{address} is not an address of this account in a user id of {} that is not revoked", held.fingerprint);
        }
    }
    if chosen.is_empty() {
        bail!("{} names no address of the account, so there is nothing to find it by", held.fingerprint);
    }
    let written: Vec<String> = chosen.iter().map(ToString::to_string).collect();
    let says = if withdraw {
        for address in &chosen {
            directory.withdraw_cert_address(address).await?;
        }
        note(&directory, "key.withdrawn", held.account, &held.fingerprint).await?;
        format!("{} is no longer shown for {}", held.fingerprint, written.join(", "))
    } else {
        // The account may have new addresses since it was stored.
        directory.store_cert(clean.for_store(held.account, Source::Imported, held.secret_stored, &owned)).await?;
        directory.publish_cert(&held.fingerprint, chosen).await?;
        let gate = OpenGate::open(&place.config).await?;
        house::follow_up(place, &directory, gate.gate()).await;
        gate.close().await;
        note(&directory, "key.published", held.account, &held.fingerprint).await?;
        format!("{} is published for {}", held.fingerprint, written.join(", "))
    };
    out.result(&json!({ "fingerprint": held.fingerprint, "addresses": written, "published": !withdraw }), says);
    Ok(())
}
