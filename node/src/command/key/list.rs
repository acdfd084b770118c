// SPDX-License-Identifier: AGPL-3.0-or-later
//! `hearth key list`

use hearth_identity::certs::Summary;
use hearth_types::Timestamp;
use serde_json::{Value, json};

use crate::out::Out;
use crate::place::{Place, account};

pub(super) async fn run(place: &Place, who: Option<&str>, out: &Out) -> anyhow::Result<()> {
    let directory = place.directory().await?;
    let account = match who {
        Some(who) => Some(account(&directory, who).await?.id),
        None => None,
    };
    let mut rows = Vec::new();
    for cert in directory.list_certs(account).await? {
        let owner = directory.find_account(cert.account).await?.map(|account| account.primary.to_string());
        rows.push(describe(&cert, owner));
    }
    out.table(
        &rows,
        &["fingerprint", "account", "published", "revoked", "secret"],
        "There are none. Make one: hearth key generate ADDRESS",
    );
    Ok(())
}

fn describe(cert: &Summary, owner: Option<String>) -> Value {
    let addresses = |filter: fn(&hearth_identity::certs::NamedAddress) -> bool| -> Vec<String> {
        cert.addresses.iter().filter(|named| filter(named)).map(|named| named.address.to_string()).collect()
    };
    json!({
        "fingerprint": cert.fingerprint,
        "account": owner,
        "addresses": addresses(|_| true),
        "published": addresses(|named| named.published && !named.revoked),
        "revoked": cert.revoked,
        "secret": cert.secret_stored,
        "created_at": cert.created_at.secs(),
        "expires_at": cert.expires_at.map(Timestamp::secs),
    })
}
