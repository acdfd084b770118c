// SPDX-License-Identifier: AGPL-3.0-or-later
//! Networks from which an account has signed in.

use std::net::{IpAddr, Ipv6Addr};

use hearth_types::{AccountId, Timestamp};

use super::Directory;
use crate::error::Result;
use crate::limits::{KNOWN_NETWORK_KEEP, KNOWN_NETWORKS_MAX, NETWORK_USED_EVERY};

/// What counts as one place: an IPv4 address, the /64 of an IPv6 address.
pub fn network_of(peer: IpAddr) -> String {
    match peer.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

impl Directory {
    /// When the account last signed in from this network, if it has within [`KNOWN_NETWORK_KEEP`].
    pub async fn find_known_network(&self, account: AccountId, network: &str) -> Result<Option<Timestamp>> {
        let (network, since) = (network.to_string(), self.now().before(KNOWN_NETWORK_KEEP));
        self.read(move |tx| {
            Ok(tx.find(
                "SELECT last_used_at FROM known_network WHERE account = $1 AND network = $2 AND last_used_at > $3",
                &[&account, &network, &since],
                |row| row.get(0),
            )?)
        })
        .await
    }

    /// Remembers a network; written at most once a day.
    pub async fn know_network(&self, account: AccountId, network: &str, last_used_at: Option<Timestamp>) -> Result<()> {
        let now = self.now();
        if last_used_at.is_some_and(|last| now.since(last) < NETWORK_USED_EVERY) {
            return Ok(());
        }
        let network = network.to_string();
        self.note(move |tx| {
            tx.execute(
                "INSERT INTO known_network (account, network, last_used_at) VALUES ($1, $2, $3)
                 ON CONFLICT (account, network) DO UPDATE SET last_used_at = excluded.last_used_at",
                &[&account, &network, &now],
            )?;
            tx.execute(
                "DELETE FROM known_network WHERE account = $1 AND network NOT IN
                    (SELECT network FROM known_network WHERE account = $1 ORDER BY last_used_at DESC, network LIMIT $2)",
                &[&account, &(KNOWN_NETWORKS_MAX as i64)],
            )?;
            Ok(())
        })
        .await
    }
}
