// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the household asks of those who sign in, and for how long that lasts: one setting, changed on `/admin/rules`.
//!
//! What is not chosen is as usual. Where the setting is there and cannot be read, nobody knows who was to prove twice who
//! they are: so everybody does until somebody saves the rules anew, and the doctor and `/admin` say so.

use std::time::Duration;

use hearth_identity::directory::{Account, Rules};
use hearth_identity::{Directory, Result};
use hearth_types::AccountId;

use crate::limits::{
    ACCESS_TOKEN_LIFE, ACCESS_TOKEN_LIFE_MIN, PASSWORD_GUESSES_LOG10, PASSWORD_GUESSES_LOG10_MAX, REFRESH_TOKEN_LIFE, SESSION_LIFE,
    SESSION_LIFE_MAX,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);

/// The household's rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    rules: Rules,
    /// There are others, which cannot be read.
    is_unreadable: bool,
}

impl Policy {
    /// What is chosen now.
    pub async fn read(directory: &Directory) -> Result<Self> {
        Ok(directory.find_rules().await?.map_or_else(Self::unreadable, Self::of))
    }

    const fn of(rules: Rules) -> Self {
        Self { rules, is_unreadable: false }
    }

    /// Saved as they are, they go on asking the admins.
    fn unreadable() -> Self {
        tracing::error!("the rules of the household cannot be read: everybody is asked for two factors until they are saved anew");
        Self { rules: Rules { two_factors_for_admins: true, ..Rules::default() }, is_unreadable: true }
    }

    /// Is what was chosen lost?
    pub const fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }

    /// Chooses.
    pub async fn write(&self, directory: &Directory) -> Result<()> {
        directory.change_rules(&self.rules).await
    }

    /// How long a browser stays signed in.
    pub fn session_life(&self) -> Duration {
        chosen(self.rules.session_days, DAY, SESSION_LIFE).clamp(DAY, SESSION_LIFE_MAX)
    }

    /// How long a refresh token waits for its next use.
    pub fn refresh_life(&self) -> Duration {
        chosen(self.rules.refresh_days, DAY, REFRESH_TOKEN_LIFE).clamp(DAY, REFRESH_TOKEN_LIFE)
    }

    /// How long an access token opens doors.
    pub fn access_life(&self) -> Duration {
        chosen(self.rules.access_minutes, MINUTE, ACCESS_TOKEN_LIFE).clamp(ACCESS_TOKEN_LIFE_MIN, ACCESS_TOKEN_LIFE)
    }

    /// Guesses that a new password withstands, as a power of ten.
    pub fn guesses_log10(&self) -> u32 {
        self.rules.guesses_log10.unwrap_or_default().clamp(PASSWORD_GUESSES_LOG10, PASSWORD_GUESSES_LOG10_MAX)
    }

    /// The same rules with other times.
    pub fn lasting(mut self, session_days: u64, refresh_days: u64, access_minutes: u64) -> Self {
        self.rules.session_days = Some(session_days);
        self.rules.refresh_days = Some(refresh_days);
        self.rules.access_minutes = Some(access_minutes);
        self
    }

    /// The same rules for passwords of another strength.
    pub fn withstanding(mut self, guesses_log10: u32) -> Self {
        self.rules.guesses_log10 = Some(guesses_log10);
        self
    }

    /// The same rules, with or without a group that proves twice who it is.
    pub fn asking_twice(mut self, group: AccountId, asks: bool) -> Self {
        self.rules.two_factor_groups.retain(|one| *one != group.as_i64());
        if asks {
            self.rules.two_factor_groups.push(group.as_i64());
        }
        self
    }

    /// The same rules, for those who look after the home.
    pub fn asking_admins_twice(mut self, asks: bool) -> Self {
        self.rules.two_factors_for_admins = asks;
        self
    }

    /// Do those who look after the home prove twice who they are?
    pub const fn asks_admins_twice(&self) -> bool {
        self.is_unreadable || self.rules.two_factors_for_admins
    }

    /// Do the members of this group prove twice who they are?
    pub fn asks_twice(&self, group: AccountId) -> bool {
        self.is_unreadable || self.rules.two_factor_groups.contains(&group.as_i64())
    }

    /// Does this person? Groups are looked up only where some are named.
    pub async fn wants_two_factors(&self, directory: &Directory, account: &Account) -> Result<bool> {
        if self.is_unreadable || (account.admin && self.rules.two_factors_for_admins) {
            return Ok(true);
        }
        if self.rules.two_factor_groups.is_empty() {
            return Ok(false);
        }
        Ok(directory.list_groups_of(account.id).await?.iter().any(|(group, _)| self.asks_twice(*group)))
    }
}

fn chosen(number: Option<u64>, unit: Duration, usual: Duration) -> Duration {
    number.map_or(usual, |number| unit * u32::try_from(number).unwrap_or(u32::MAX / 100_000))
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
        let read = |text: &str| Policy::of(serde_json::from_str(text).unwrap());
        assert_eq!(read("{}"), Policy::default());
        let some = read("{\"session_days\": 7, \"of a later release\": true}");
        assert_eq!((some.session_life(), some.refresh_life()), (DAY * 7, REFRESH_TOKEN_LIFE));
        let group = AccountId::from_i64(7);
        let asking = some.asking_twice(group, true).asking_twice(group, true);
        assert!(asking.asks_twice(group) && !asking.clone().asking_twice(group, false).asks_twice(group));
        assert_eq!(read(&serde_json::to_string(&asking.rules).unwrap()), asking);
    }
}
