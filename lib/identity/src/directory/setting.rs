// SPDX-License-Identifier: AGPL-3.0-or-later
//! Settings that change while the node runs.

use hearth_db::Tx;
use hearth_types::Timestamp;

use super::Directory;
use crate::error::Result;

impl Directory {
    /// The value of a setting.
    pub async fn find_setting(&self, name: &str) -> Result<Option<String>> {
        let name = name.to_string();
        self.read(move |tx| Ok(tx.find("SELECT value FROM setting WHERE name = $1", &[&name], |row| row.get(0))?)).await
    }

    /// Changes a setting.
    pub async fn change_setting(&self, name: &str, value: &str) -> Result<()> {
        let (name, value, now) = (name.to_string(), value.to_string(), self.now());
        self.write(move |tx| change(tx, &name, &value, now)).await
    }
}

pub(crate) fn change(tx: &mut Tx<'_>, name: &str, value: &str, now: Timestamp) -> Result<()> {
    tx.execute(
        "INSERT INTO setting (name, value, changed_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at",
        &[&name, &value, &now],
    )?;
    Ok(())
}
