// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the household chose to ask of those who sign in, as it is stored: one setting. `hearth-oauth` carries it out
//! (`oauth/src/rule/policy.rs`), the doctor looks whether it can be read.

use serde::{Deserialize, Serialize};

use super::Directory;
use crate::error::{Error, Result};

const SETTING: &str = "oauth.policy";

/// The household's choices; what is not said is as usual.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Days that a browser stays signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_days: Option<u64>,
    /// Days that an app may stay unused and still be signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_days: Option<u64>,
    /// Minutes that an access token opens doors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_minutes: Option<u64>,
    /// Guesses that a new password withstands, as a power of ten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guesses_log10: Option<u32>,
    /// Groups whose members prove twice who they are.
    pub two_factor_groups: Vec<i64>,
    /// And so do those who look after the home.
    pub two_factors_for_admins: bool,
}

impl Directory {
    /// The rules that were chosen; `None` when there are some and they cannot be read.
    pub async fn find_rules(&self) -> Result<Option<Rules>> {
        let stored = self.find_setting(SETTING).await?;
        Ok(stored.map_or_else(|| Some(Rules::default()), |text| serde_json::from_str(&text).ok()))
    }

    /// Chooses.
    pub async fn change_rules(&self, rules: &Rules) -> Result<()> {
        let text = serde_json::to_string(rules).map_err(|error| Error::Invalid(error.to_string()))?;
        self.change_setting(SETTING, &text).await
    }
}
