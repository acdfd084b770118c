// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mail that comes back: what lies in `Snoozed/2026-12-01T08:00` is moved into the INBOX at that time, unread.
//!
//! Any mail program puts a mail off by moving it into such a mailbox, which it makes by CREATE. The mailbox is all that
//! is known of it: it outlives whatever stops the node, and a time that passed meanwhile has come when it starts again.
//! The move is one transaction, so that nothing comes back twice.
//!
//! Names: a day (`2026-12-01`, at eight in the morning), or a day and a time (`2026-12-01T08:00`, with a space for the T,
//! `08h00`, `08.00` or `0800` for the time), with `Z` or `+01:00` behind it if it is not the time of this machine's zone
//! (`TZ`). Other mailboxes below `Snoozed` are left alone.
//!
//! While nobody has a mailbox `Snoozed`, a look at an empty list is all that it costs.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{Days, FixedOffset, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _};
use hearth_mailstore::{Durability, Error, MailTx, snooze};
use hearth_types::{AccountId, MailboxId, Timestamp};
use tokio::sync::watch;

use crate::ctx::Shared;
use crate::limits::{SNOOZE_LOOK, SNOOZE_MESSAGES_MAX};

/// When a day begins for mail: the hour.
const MORNING: u32 = 8;

/// What is known of an account that has put mail off.
struct Sleeper {
    /// Its modseq as it grows.
    feed: watch::Receiver<u64>,
    /// When the next mail comes back.
    next: Option<Timestamp>,
}

/// Brings mail back until the request to stop.
pub async fn run(shared: Arc<Shared>) {
    let mut sleepers: HashMap<AccountId, Sleeper> = HashMap::new();
    loop {
        if let Err(error) = look(&shared, &mut sleepers).await {
            tracing::warn!(%error, "mail that was put off could not be looked for");
        }
        tokio::select! {
            () = tokio::time::sleep(SNOOZE_LOOK) => {}
            () = shared.stop.requested() => return,
        }
    }
}

async fn look(shared: &Shared, sleepers: &mut HashMap<AccountId, Sleeper>) -> Result<(), Error> {
    let listed = shared.store.snoozers().await?;
    sleepers.retain(|account, _| listed.contains(account));
    for account in listed {
        let is_new = !sleepers.contains_key(&account);
        let sleeper = sleepers.entry(account).or_insert_with(|| Sleeper { feed: shared.store.subscribe(account), next: None });
        let changed = sleeper.feed.has_changed().unwrap_or(true);
        if !(is_new || changed || sleeper.next.is_some_and(|next| next <= shared.clock.now())) {
            continue;
        }
        sleeper.feed.mark_unchanged();
        match wake_due(shared, account).await {
            Ok(next) => sleeper.next = next,
            // A damaged or full account does not keep the others waiting; it is tried again.
            Err(error) => {
                sleeper.next = Some(shared.clock.now());
                tracing::warn!(%account, %error, "mail that was put off could not be brought back");
            }
        }
    }
    Ok(())
}

/// Brings back what is due for one account; when the next mail is.
pub async fn wake_due(shared: &Shared, account: AccountId) -> Result<Option<Timestamp>, Error> {
    let dated = shared.store.read(account, dated).await?;
    if dated.is_empty() {
        shared.store.write(account, Durability::Committed, |tx: &mut MailTx<'_>| snooze::settle(tx)).await?;
    }
    let now = shared.clock.now();
    for &(_, mailbox) in dated.iter().filter(|(at, _)| *at <= now) {
        loop {
            let work = move |tx: &mut MailTx<'_>| snooze::wake(tx, mailbox, SNOOZE_MESSAGES_MAX);
            let woken = match shared.store.write(account, Durability::Synced, work).await {
                // Somebody removed it meanwhile.
                Err(Error::NoSuchMailbox) => break,
                other => other?,
            };
            metrics::counter!("imap_snoozed_back_total").increment(woken as u64);
            tracing::debug!(%account, woken, "mail came back");
            if woken < SNOOZE_MESSAGES_MAX {
                break;
            }
        }
    }
    Ok(dated.into_iter().map(|(at, _)| at).filter(|at| *at > now).min())
}

/// Mailboxes with a time, and something to do at it: with mail that is not to be deleted, or with none.
fn dated(tx: &mut MailTx<'_>) -> Result<Vec<(Timestamp, MailboxId)>, Error> {
    let with_time = snooze::list(tx)?.into_iter().filter(|mailbox| mailbox.total > mailbox.deleted || mailbox.total == 0);
    Ok(with_time.filter_map(|mailbox| Some((wake_time(&mailbox.name, local)?, mailbox.id))).collect())
}

/// Pure: the time that a mailbox's name says; `local` knows the zone of what says none.
fn wake_time(name: &str, local: impl Fn(NaiveDateTime) -> Timestamp) -> Option<Timestamp> {
    let (day, rest) = name.split_at_checked(10)?;
    let day = NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?;
    let Some(rest) = rest.strip_prefix(['T', 't', ' ', '_']) else {
        return rest.is_empty().then(|| local(day.and_time(NaiveTime::from_hms_opt(MORNING, 0, 0).unwrap_or_default())));
    };
    let (hour, rest) = two_digits(rest)?;
    let (minute, rest) = two_digits(rest.strip_prefix([':', '.', 'h', 'H']).unwrap_or(rest))?;
    let (second, zone) = match rest.strip_prefix(':') {
        Some(rest) => two_digits(rest)?,
        None => (0, rest),
    };
    // 24:00 is the end of the day (ISO 8601).
    let is_end = (hour, minute, second) == (24, 0, 0);
    let (day, hour) = if is_end { (day.checked_add_days(Days::new(1))?, 0) } else { (day, hour) };
    let at = day.and_time(NaiveTime::from_hms_opt(hour, minute, second)?);
    if zone.is_empty() {
        return Some(local(at));
    }
    let offset = offset(zone)?;
    Some(Timestamp::from_secs(offset.from_local_datetime(&at).single()?.timestamp()))
}

fn two_digits(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(2)?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?.map(|number| (number, rest))
}

/// `Z`, `+01:00`, `+0100`, `+01`
fn offset(zone: &str) -> Option<FixedOffset> {
    if zone.eq_ignore_ascii_case("z") {
        return FixedOffset::east_opt(0);
    }
    let (is_west, rest) = zone.strip_prefix('-').map(|rest| (true, rest)).or_else(|| Some((false, zone.strip_prefix('+')?)))?;
    let (hours, rest) = two_digits(rest)?;
    let (minutes, rest) = if rest.is_empty() { (0, rest) } else { two_digits(rest.strip_prefix(':').unwrap_or(rest))? };
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok().filter(|_| rest.is_empty() && minutes < 60)?;
    FixedOffset::east_opt(if is_west { -seconds } else { seconds })
}

/// In the zone of the machine. What a clock never shows, because it was put forward, is an hour later.
fn local(at: NaiveDateTime) -> Timestamp {
    let later = || at.checked_add_signed(TimeDelta::hours(1)).and_then(|later| Local.from_local_datetime(&later).earliest());
    let found = Local.from_local_datetime(&at).earliest().or_else(later);
    Timestamp::from_secs(found.map_or_else(|| at.and_utc().timestamp(), |found| found.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        // A zone an hour east of Greenwich.
        let zone = |at: NaiveDateTime| Timestamp::from_secs(at.and_utc().timestamp() - 3600);
        let eight = 1_796_112_000 - 3600;
        for (name, secs) in [
            ("2026-12-01", Some(eight)),
            ("2026-12-01T08:00", Some(eight)),
            ("2026-12-01 08:00", Some(eight)),
            ("2026-12-01 08h00", Some(eight)),
            ("2026-12-01_08.00", Some(eight)),
            ("2026-12-01T0800", Some(eight)),
            ("2026-12-01T08:00:30", Some(eight + 30)),
            ("2026-12-01T24:00", Some(eight + 16 * 3600)),
            ("2026-12-01T08:00Z", Some(eight + 3600)),
            ("2026-12-01T08:00+02:00", Some(eight - 3600)),
            ("2026-12-01T08:00-0230", Some(eight + 3600 + 9000)),
            ("2026-12-01T08:00+02", Some(eight - 3600)),
            ("1999-12-31T23:59Z", Some(946_684_740)),
            ("2026-02-30", None),
            ("2026-12-01T", None),
            ("2026-12-01T08", None),
            ("2026-12-01T25:00", None),
            ("2026-12-01T24:01", None),
            ("2026-12-01T08:00+99:00", None),
            ("2026-12-01T08:00+01:99", None),
            ("2026-12-01T08:00 tomorrow", None),
            ("2026-12-0\u{661}", None),
            ("Tomorrow", None),
            ("", None),
        ] {
            assert_eq!(wake_time(name, zone).map(Timestamp::secs), secs, "{name}");
        }
    }
}
