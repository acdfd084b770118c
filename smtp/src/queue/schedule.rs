// SPDX-License-Identifier: AGPL-3.0-or-later
//! Pure: when a recipient is tried again, when its sender hears of the delay, when it is given up.

use std::time::Duration;

use hearth_types::Timestamp;

use crate::limits::DELAY_TOLD_AFTER;

/// Waits after the first, second, ... attempt; the last one goes on. (deviates: RFC 5321 §4.5.4.1 has half an hour as
/// the least; a home is often down for a moment only, and greylisting wants a minute to five)
const WAITS: [Duration; 9] = [
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(20 * 60),
    Duration::from_secs(40 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(4 * 3600),
];

/// What is done with a recipient that could not have the mail yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again then.
    At(Timestamp),
    /// Its time is over.
    GiveUp,
}

/// After `attempts` attempts, the newest at `now`. `chance` is a random number; it spreads what failed together by a
/// fifth to either side.
pub fn next(attempts: u32, now: Timestamp, expires_at: Timestamp, chance: u32) -> Next {
    let wait = WAITS.get(attempts.saturating_sub(1) as usize).or(WAITS.last()).copied().unwrap_or_default();
    let millis = wait.as_millis() as u64;
    let spread = millis * 2 / 5;
    let offset = if spread == 0 { 0 } else { u64::from(chance) % (spread + 1) };
    let at = now.after(Duration::from_millis(millis - spread / 2 + offset));
    match () {
        () if now >= expires_at => Next::GiveUp,
        // The last attempt is at the end, not four hours before.
        () if at > expires_at => Next::At(expires_at),
        () => Next::At(at),
    }
}

/// Is it time that the sender hears of the delay?
pub fn is_delay_due(arrived_at: Timestamp, now: Timestamp, told: bool) -> bool {
    !told && now.since(arrived_at) >= DELAY_TOLD_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::QUEUE_LIFETIME;

    const START: Timestamp = Timestamp::from_secs(1_000_000);

    #[test]
    fn a_message_is_tried_often_at_first_and_until_its_end() {
        let end = START.after(QUEUE_LIFETIME);
        let (mut now, mut attempts) = (START, 0);
        loop {
            attempts += 1;
            match next(attempts, now, end, attempts * 7919) {
                Next::At(at) => {
                    assert!(at > now || at == end, "attempt {attempts}");
                    assert!(at <= end);
                    now = at;
                }
                Next::GiveUp => break,
            }
        }
        assert_eq!(now, end);
        assert!((30..60).contains(&attempts), "{attempts} attempts in five days");
    }

    #[test]
    fn chance_spreads_by_a_fifth() {
        let end = START.after(QUEUE_LIFETIME);
        for attempts in 1..12 {
            let wait = WAITS.get(attempts as usize - 1).copied().unwrap_or(WAITS[8]);
            for chance in [0, 1, 77, u32::MAX] {
                let Next::At(at) = next(attempts, START, end, chance) else { panic!("given up") };
                assert!(at.since(START) >= wait * 4 / 5 && at.since(START) <= wait * 6 / 5, "{attempts} {chance}");
            }
        }
    }

    #[test]
    fn a_delay_is_told_once() {
        let late = START.after(DELAY_TOLD_AFTER);
        assert!(!is_delay_due(START, late.before(Duration::from_millis(1)), false));
        assert!(is_delay_due(START, late, false));
        assert!(!is_delay_due(START, late, true));
    }
}
