// SPDX-License-Identifier: AGPL-3.0-or-later
//! A moment as a person says it. Pure; without a time zone, for we do not know theirs.

use hearth_types::Timestamp;
use time::OffsetDateTime;
use time::macros::format_description;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// `just now`, `5 minutes ago`, `on 3 May 2026`.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(at).as_secs();
    let some = |count: u64, unit: &str| format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" });
    match seconds {
        0..MINUTE => "just now".to_string(),
        MINUTE..HOUR => some(seconds / MINUTE, "minute"),
        HOUR..DAY => some(seconds / HOUR, "hour"),
        _ if seconds < 14 * DAY => some(seconds / DAY, "day"),
        _ => date(at),
    }
}

fn date(at: Timestamp) -> String {
    let format = format_description!("on [day padding:none] [month repr:long] [year]");
    OffsetDateTime::from_unix_timestamp(at.secs()).ok().and_then(|at| at.format(&format).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_person_says_it() {
        let now = Timestamp::from_secs(1_800_000_000);
        for (seconds, expected) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (3599, "59 minutes ago"),
            (3600, "1 hour ago"),
            (86_400, "1 day ago"),
            (13 * 86_400, "13 days ago"),
            (14 * 86_400, "on 1 January 2027"),
        ] {
            let at = Timestamp::from_secs(now.secs() - seconds);
            assert_eq!(ago(at, now), expected, "{seconds}");
        }
        assert_eq!(ago(Timestamp::from_secs(now.secs() + 5), now), "just now");
    }
}
