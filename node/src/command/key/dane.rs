// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key dane`: the lines for the zone of a domain (RFC 7929). They count only where the zone is signed.

use anyhow::bail;
use hearth_types::Address;
use hearth_wire::openpgpkey;
use serde_json::{Value, json};

use super::parse_addresses;
use crate::out::Out;
use crate::place::{Place, account};

/// Octets of a certificate beyond which many resolvers have to ask a second time, over TCP.
const COMFORTABLE_BYTES: usize = 4096;

pub(super) async fn run(place: &Place, addresses: &[String], generic: bool, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let mut rows = Vec::new();
    for address in chosen(&directory, addresses).await? {
        for shown in directory.find_shown_certs_by_address(&address).await? {
            let bytes = shown.to_bytes();
            let record = if generic {
                openpgpkey::encode_generic_record(&address, &bytes)
            } else {
                openpgpkey::encode_record(&address, &bytes)
            };
            rows.push(json!({
                "address": address.to_string(),
                "fingerprint": shown.fingerprint,
                "record": record,
                "bytes": bytes.len(),
            }));
        }
    }
    if rows.is_empty() {
        bail!("no certificate is published for this; publish one with: hearth key publish ADDRESS");
    }
    let lines: Vec<String> = rows.iter().map(says).collect();
    out.result(&Value::from(rows.clone()), lines.join("\n"));
    Ok(())
}

fn says(row: &Value) -> String {
    let record = row.get("record").and_then(Value::as_str).unwrap_or_default();
    let bytes = row.get("bytes").and_then(Value::as_u64).unwrap_or(0);
    if usize::try_from(bytes).is_ok_and(|bytes| bytes > COMFORTABLE_BYTES) {
        return format!("; {bytes} octets: too large for many resolvers\n{record}");
    }
    record.to_string()
}

async fn chosen(directory: &hearth_identity::Directory, addresses: &[String]) -> anyhow::Result<Vec<Address>> {
    if !addresses.is_empty() {
        let addresses = parse_addresses(addresses)?;
        for address in &addresses {
            account(directory, &address.to_string()).await?;
        }
        return Ok(addresses);
    }
    let certs = directory.list_certs(None).await?;
    let published = certs.into_iter().flat_map(|cert| cert.addresses).filter(|named| named.published && !named.revoked);
    let mut addresses: Vec<Address> = published.map(|named| named.address).collect();
    addresses.sort_by_key(Address::key);
    addresses.dedup_by_key(|address| address.key());
    Ok(addresses)
}
