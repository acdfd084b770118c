// SPDX-License-Identifier: AGPL-3.0-or-later
//! Whose new mail is sealed at rest, and to which certificate.

use hearth_types::AccountId;

use crate::directory::Directory;
use crate::error::Result;

/// What an account's new mail is sealed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealing {
    /// Of the certificate that was chosen.
    pub fingerprint: String,
    /// The certificate; `None` when it is gone, or somebody else's by now.
    pub whole: Option<Vec<u8>>,
}

fn setting(account: AccountId) -> String {
    format!("seal mail of {account}")
}

impl Directory {
    /// Seals an account's new mail to a certificate from now on; `None`: no longer.
    pub async fn change_sealing(&self, account: AccountId, fingerprint: Option<&str>) -> Result<()> {
        self.change_setting(&setting(account), fingerprint.unwrap_or_default()).await
    }

    /// Whose new mail among these is sealed, in one read.
    pub async fn list_sealing(&self, among: Vec<AccountId>) -> Result<Vec<AccountId>> {
        self.read(move |tx| {
            let mut sealing = Vec::new();
            for account in among {
                let chosen: Option<String> =
                    tx.find("SELECT value FROM setting WHERE name = $1 AND value <> ''", &[&setting(account)], |row| row.get(0))?;
                sealing.extend(chosen.map(|_| account));
            }
            Ok(sealing)
        })
        .await
    }

    /// What an account's new mail is sealed to, if it is.
    pub async fn find_sealing(&self, account: AccountId) -> Result<Option<Sealing>> {
        let Some(fingerprint) = self.find_setting(&setting(account)).await?.filter(|chosen| !chosen.is_empty()) else {
            return Ok(None);
        };
        let held = self.find_cert(&fingerprint).await?.filter(|held| held.account == account);
        Ok(Some(Sealing { fingerprint, whole: held.map(|held| held.whole) }))
    }
}
