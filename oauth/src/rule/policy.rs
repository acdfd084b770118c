// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the household asks of those who sign in, and for how long that lasts: one setting, changed on `/admin/rules`.
//!
//! What is not chosen is as usual, and what cannot be read is as usual too: a row that is damaged lets nobody in longer.

use std::time::Duration;

use hearth_identity::directory::Account;
use hearth_identity::{Directory, Error, Result};
use hearth_types::AccountId;
use serde::{Deserialize, Serialize};

use crate::limits::{
    ACCESS_TOKEN_LIFE, ACCESS_TOKEN_LIFE_MIN, PASSWORD_GUESSES_LOG10, PASSWORD_GUESSES_LOG10_MAX, REFRESH_TOKEN_LIFE, SESSION_LIFE,
    SESSION_LIFE_MAX,
};

const SETTING: &str = "oauth.policy";
const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);

/// The household's rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Days that a browser stays signed in.
    session_days: u64,
    /// Days that an app may stay unused and still be signed in.
    refresh_days: u64,
    /// Minutes that an access token opens doors.
    access_minutes: u64,
    /// Guesses that a new password withstands, as a power of ten.
    guesses_log10: u32,
    /// Groups whose members prove twice who they are.
    two_factor_groups: Vec<i64>,
    /// And so do those who look after the home.
    two_factors_for_admins: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            session_days: SESSION_LIFE.as_secs() / DAY.as_secs(),
            refresh_days: REFRESH_TOKEN_LIFE.as_secs() / DAY.as_secs(),
            access_minutes: ACCESS_TOKEN_LIFE.as_secs() / MINUTE.as_secs(),
            guesses_log10: PASSWORD_GUESSES_LOG10,
            two_factor_groups: Vec::new(),
            two_factors_for_admins: false,
        }
    }
}

impl Policy {
    /// What is chosen now.
    pub async fn read(directory: &Directory) -> Result<Self> {
        let text = directory.find_setting(SETTING).await?.unwrap_or_default();
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Chooses.
    pub async fn write(&self, directory: &Directory) -> Result<()> {
        let text = serde_json::to_string(self).map_err(|error| Error::Invalid(error.to_string()))?;
        directory.change_setting(SETTING, &text).await
    }

    /// How long a browser stays signed in.
    pub fn session_life(&self) -> Duration {
        (DAY * to_u32(self.session_days)).clamp(DAY, SESSION_LIFE_MAX)
    }

    /// How long a refresh token waits for its next use.
    pub fn refresh_life(&self) -> Duration {
        (DAY * to_u32(self.refresh_days)).clamp(DAY, REFRESH_TOKEN_LIFE)
    }

    /// How long an access token opens doors.
    pub fn access_life(&self) -> Duration {
        (MINUTE * to_u32(self.access_minutes)).clamp(ACCESS_TOKEN_LIFE_MIN, ACCESS_TOKEN_LIFE)
    }

    /// Guesses that a new password withstands, as a power of ten.
    pub fn guesses_log10(&self) -> u32 {
        self.guesses_log10.clamp(PASSWORD_GUESSES_LOG10, PASSWORD_GUESSES_LOG10_MAX)
    }

    /// The same rules with other times.
    pub fn lasting(self, session_days: u64, refresh_days: u64, access_minutes: u64) -> Self {
        Self { session_days, refresh_days, access_minutes, ..self }
    }

    /// The same rules for passwords of another strength.
    pub fn withstanding(self, guesses_log10: u32) -> Self {
        Self { guesses_log10, ..self }
    }

    /// The same rules, with or without a group that proves twice who it is.
    pub fn asking_twice(mut self, group: AccountId, asks: bool) -> Self {
        self.two_factor_groups.retain(|one| *one != group.as_i64());
        if asks {
            self.two_factor_groups.push(group.as_i64());
        }
        self
    }

    /// The same rules, for those who look after the home.
    pub fn asking_admins_twice(self, asks: bool) -> Self {
        Self { two_factors_for_admins: asks, ..self }
    }

    /// Do those who look after the home prove twice who they are?
    pub const fn asks_admins_twice(&self) -> bool {
        self.two_factors_for_admins
    }

    /// Do the members of this group prove twice who they are?
    pub fn asks_twice(&self, group: AccountId) -> bool {
        self.two_factor_groups.contains(&group.as_i64())
    }

    /// Does this person? Groups are looked up only where some are named.
    pub async fn wants_two_factors(&self, directory: &Directory, account: &Account) -> Result<bool> {
        if account.admin && self.two_factors_for_admins {
            return Ok(true);
        }
        if self.two_factor_groups.is_empty() {
            return Ok(false);
        }
        Ok(directory.list_groups_of(account.id).await?.iter().any(|(group, _)| self.asks_twice(*group)))
    }
}

fn to_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX / 100_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_two_sides() {
        let usual = Policy::default();
        assert_eq!((usual.session_life(), usual.refresh_life()), (SESSION_LIFE, REFRESH_TOKEN_LIFE));
        assert_eq!((usual.access_life(), usual.guesses_log10()), (ACCESS_TOKEN_LIFE, PASSWORD_GUESSES_LOG10));
        let short = usual.clone().lasting(0, 0, 0).withstanding(0);
        assert_eq!((short.session_life(), short.refresh_life(), short.access_life()), (DAY, DAY, ACCESS_TOKEN_LIFE_MIN));
        assert_eq!(short.guesses_log10(), PASSWORD_GUESSES_LOG10);
        let long = usual.lasting(u64::MAX, u64::MAX, u64::MAX).withstanding(u32::MAX);
        assert_eq!((long.session_life(), long.refresh_life()), (SESSION_LIFE_MAX, REFRESH_TOKEN_LIFE));
        assert_eq!((long.access_life(), long.guesses_log10()), (ACCESS_TOKEN_LIFE, PASSWORD_GUESSES_LOG10_MAX));
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        for text in ["", "{}", "nonsense", "7"] {
            assert_eq!(serde_json::from_str::<Policy>(text).unwrap_or_default(), Policy::default(), "{text}");
        }
        let some: Policy = serde_json::from_str("{\"session_days\": 7, \"of a later release\": true}").unwrap();
        assert_eq!((some.session_life(), some.refresh_life()), (DAY * 7, REFRESH_TOKEN_LIFE));
        let group = AccountId::from_i64(7);
        let asking = some.asking_twice(group, true).asking_twice(group, true);
        assert!(asking.asks_twice(group) && !asking.clone().asking_twice(group, false).asks_twice(group));
        assert_eq!(serde_json::from_str::<Policy>(&serde_json::to_string(&asking).unwrap()).unwrap(), asking);
    }
}
