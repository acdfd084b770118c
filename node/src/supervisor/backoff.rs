// SPDX-License-Identifier: AGPL-3.0-or-later
//! When a process that ended is started again. Pure.

use std::time::Duration;

use crate::limits::{RESTART_FIRST, RESTART_MAX, RESTART_WELL};

/// The memory of how often a process ended soon after its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    fast_ends: u32,
}

impl Backoff {
    /// How long to wait now that the process has ended after `uptime`.
    pub fn ended(&mut self, uptime: Duration) -> Duration {
        if uptime >= RESTART_WELL {
            self.fast_ends = 0;
        }
        let wait = RESTART_FIRST.saturating_mul(2_u32.saturating_pow(self.fast_ends)).min(RESTART_MAX);
        self.fast_ends = self.fast_ends.saturating_add(1);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_within_a_second_and_later_ones_wait() {
        let mut backoff = Backoff::default();
        assert!(backoff.ended(Duration::ZERO) < Duration::from_secs(1));
        let waits: Vec<Duration> = (0..40).map(|_| backoff.ended(Duration::from_millis(5))).collect();
        assert!(waits.is_sorted());
        assert_eq!(waits.last(), Some(&RESTART_MAX));
    }

    #[test]
    fn a_process_that_ran_well_starts_over() {
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            backoff.ended(Duration::ZERO);
        }
        let just_below = backoff;
        assert_eq!(backoff.ended(RESTART_WELL), RESTART_FIRST);
        let mut just_below = just_below;
        assert_eq!(just_below.ended(RESTART_WELL - Duration::from_millis(1)), RESTART_MAX);
    }
}
