// SPDX-License-Identifier: AGPL-3.0-or-later
//! A moment as a person says it. Pure; without a time zone, for we do not know theirs.

use hearth_types::Timestamp;
use hearth_web::{Lang, lang};
use time::OffsetDateTime;
use time::macros::format_description;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const MONTHS: [&str; 12] =
    ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"];

/// `just now`, `5 minutes ago`, `on 3 May 2026`, in the language of the request.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    said(lang(), at, now)
}

fn said(lang: Lang, at: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(at).as_secs();
    let some = |count: u64, en: &str, fr: &str| {
        let s = if count == 1 { "" } else { "s" };
        lang.pick(format!("{count} {en}{s} ago"), format!("il y a {count} {fr}{s}"))
    };
    match seconds {
        0..MINUTE => lang.pick("just now", "à l'instant").to_string(),
        MINUTE..HOUR => some(seconds / MINUTE, "minute", "minute"),
        HOUR..DAY => some(seconds / HOUR, "hour", "heure"),
        _ if seconds < 14 * DAY => some(seconds / DAY, "day", "jour"),
        _ => date(lang, at),
    }
}

/// `2026-05-03 14:05 UTC`.
pub fn exactly(at: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    OffsetDateTime::from_unix_timestamp(at.secs()).ok().and_then(|at| at.format(&format).ok()).unwrap_or_default()
}

/// `3 May 2026`, in the language of the request.
pub fn day(at: Timestamp) -> String {
    day_in(lang(), at)
}

/// `on 3 May 2026`, in the language of the request.
pub fn on(at: Timestamp) -> String {
    date(lang(), at)
}

fn date(lang: Lang, at: Timestamp) -> String {
    format!("{} {}", lang.pick("on", "le"), day_in(lang, at))
}

fn day_in(lang: Lang, at: Timestamp) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(at.secs()) else { return String::new() };
    let month = usize::from(u8::from(at.month())) - 1;
    let month = lang.pick(at.month().to_string(), MONTHS.get(month).copied().unwrap_or_default().to_string());
    format!("{} {month} {}", at.day(), at.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_person_says_it() {
        let now = Timestamp::from_secs(1_800_000_000);
        for (seconds, en, fr) in [
            (0, "just now", "à l'instant"),
            (59, "just now", "à l'instant"),
            (60, "1 minute ago", "il y a 1 minute"),
            (3599, "59 minutes ago", "il y a 59 minutes"),
            (3600, "1 hour ago", "il y a 1 heure"),
            (86_400, "1 day ago", "il y a 1 jour"),
            (13 * 86_400, "13 days ago", "il y a 13 jours"),
            (14 * 86_400, "on 1 January 2027", "le 1 janvier 2027"),
        ] {
            let at = Timestamp::from_secs(now.secs() - seconds);
            assert_eq!((said(Lang::En, at, now), said(Lang::Fr, at, now)), (en.to_string(), fr.to_string()), "{seconds}");
        }
        assert_eq!(ago(Timestamp::from_secs(now.secs() + 5), now), "just now");
        assert_eq!(exactly(now), "2027-01-15 08:00 UTC");
    }
}
