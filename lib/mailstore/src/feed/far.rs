// SPDX-License-Identifier: AGPL-3.0-or-later
//! The feed between machines that share a PostgreSQL server: what was committed here is told there,
//! soon after the commit and not in it, for a NOTIFY inside would make the commits of all wait for each other.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hearth_db::{Database, Listener, NEWS_BYTES_MAX};
use hearth_types::AccountId;
use tokio::sync::Notify;

use super::Feed;

/// A server that cannot be told or heard is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// What waits to be told: of each account the newest modseq.
#[derive(Default)]
pub(super) struct Outbox {
    news: Mutex<HashMap<AccountId, u64>>,
    wake: Notify,
}

impl Outbox {
    pub(super) fn add(&self, account: AccountId, modseq: u64) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = news.entry(account).or_default();
        *newest = modseq.max(*newest);
        drop(news);
        self.wake.notify_one();
    }

    /// Waits until there is something, and takes it.
    async fn take(&self) -> HashMap<AccountId, u64> {
        loop {
            let news = std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner));
            if !news.is_empty() {
                return news;
            }
            self.wake.notified().await;
        }
    }
}

/// Tells the other machines, for ever.
pub(crate) async fn tell(database: Database, feed: Arc<Feed>) {
    let Some(outbox) = &feed.outbox else { return };
    loop {
        let news = outbox.take().await;
        for text in write(&news) {
            if let Err(error) = database.tell(text).await {
                // Those who wait there look by themselves before long.
                tracing::warn!(%error, "other machines cannot be told of new mail");
                tokio::time::sleep(TRY_AGAIN).await;
            }
        }
    }
}

/// Hears the other machines, for ever.
pub(crate) async fn hear(database: Database, feed: Arc<Feed>) {
    loop {
        let failed = match database.listen().await {
            Ok(None) => return,
            Ok(Some(listener)) => hear_until_it_fails(listener, &feed).await,
            Err(error) => error,
        };
        tracing::warn!(error = %failed, "other machines cannot be heard");
        tokio::time::sleep(TRY_AGAIN).await;
    }
}

async fn hear_until_it_fails(mut listener: Listener, feed: &Feed) -> hearth_db::Error {
    loop {
        match listener.next().await {
            Ok(text) => read(&text).for_each(|(account, modseq)| feed.tell(account, modseq)),
            Err(error) => return error,
        }
    }
}

/// `account:modseq` with spaces between, as many as a notification holds.
fn write(news: &HashMap<AccountId, u64>) -> Vec<String> {
    let mut texts = vec![String::new()];
    for (account, modseq) in news {
        let mut one = String::new();
        // Writing to a String cannot fail.
        let _ = write!(one, "{}:{modseq} ", account.as_i64());
        match texts.last_mut() {
            Some(text) if text.len() + one.len() <= NEWS_BYTES_MAX => text.push_str(&one),
            _ => texts.push(one),
        }
    }
    texts
}

fn read(text: &str) -> impl Iterator<Item = (AccountId, u64)> {
    text.split_ascii_whitespace().filter_map(|one| {
        let (account, modseq) = one.split_once(':')?;
        Some((AccountId::from_i64(account.parse().ok()?), modseq.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_however_much_it_is() {
        for count in [1, 2, 1_000] {
            let news: HashMap<_, _> =
                (0..count).map(|n| (AccountId::from_i64(i64::MIN + n), u64::MAX - n.cast_unsigned())).collect();
            let texts = write(&news);
            assert!(texts.iter().all(|text| text.len() <= NEWS_BYTES_MAX));
            assert_eq!(texts.len() > 1, count == 1_000);
            assert_eq!(texts.iter().flat_map(|text| read(text)).collect::<HashMap<_, _>>(), news);
        }
    }

    #[test]
    fn what_is_no_news_is_passed_over() {
        assert_eq!(read("x 1 1: :1 7:8 9:-1").collect::<Vec<_>>(), [(AccountId::from_i64(7), 8)]);
    }
}
